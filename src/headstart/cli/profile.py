"""``headstart profile``."""

from __future__ import annotations

from headstart.cli import options as o


def profile(
    data: o.Data,
    image: o.Image = None,
    label: o.Label = None,
    split: o.Split = None,
    group: o.Group = None,
    test_size: o.TestSize = 0.2,
    seed: o.Seed = 0,
    max_unreadable: o.MaxUnreadable = 0.1,
    as_json: o.Json = False,
) -> None:
    """Say what the data holds: classes, imbalance, sizes, duplicates, leakage, broken files."""
    from headstart.cli.printing import print_answer, print_json
    from headstart.data.profile import profile as find

    answer = find(
        data, image=image, label=label, split=split, group=group, test_size=test_size, random_state=seed,
        max_unreadable=max_unreadable, quiet=as_json,
    )  # fmt: skip
    if as_json:
        print_json({"headline": answer.headline(), **answer.to_dict()})
    else:
        print_answer(answer)
