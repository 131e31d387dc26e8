"""``headstart sources``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from headstart.cli import options as o

if TYPE_CHECKING:
    from headstart.sources import Source


def sources(as_json: o.Json = False) -> None:
    """List the pretrained models that are at hand, and those of timm's hub that are worth comparing."""
    import pandas as pd

    from headstart.cli.printing import console, print_json
    from headstart.results.terminal import table
    from headstart.sources import get, shelf
    from headstart.sources.hub import CURATED

    rows = [_row(source) for source in shelf()]
    there = {row["source"] for row in rows}
    rows += [
        _row(get(f"timm:{name}", pretrained=False), listed.learned)
        for name, listed in CURATED.items()
        if f"timm:{name}" not in there
    ]
    if as_json:
        print_json(rows)
        return
    screen = console()
    frame = pd.DataFrame(rows).set_index("source")
    frame["trained on"] = [textwrap.fill(words, 16) for words in frame["trained on"]]
    frame["weights"] = [f"{number / 1e6:5.1f} M" for number in frame["parameters"]]
    frame["GMACs"] = ["" if number != number else f"{number:5.2f}" for number in frame["GMACs"]]
    here = frame["on disk"] == "yes"
    for title, part in (("On disk", frame[here]), ("Fetched when named", frame[~here])):
        if len(part):
            shown = part[["trained on", "top-1", "weights", "GMACs", "licence"]].dropna(axis=1, how="all")
            screen.print(title, style="bold")
            screen.print(table(shown))
    screen.print(
        "GMACs: thousand millions of multiply-adds a picture. `headstart rank --hub` compares those that are fetched. "
        "Also: any timm:NAME, ARCHITECTURE@PATH (a checkpoint), the folder of a finished run.",
        style="dim",
    )


def _row(source: Source, learned: str | None = None) -> dict[str, Any]:
    return {
        "source": source.name,
        "trained on": learned or source.card.trained_on,
        "classes": source.card.n_classes,
        "pixels": source.preprocessing.size[0],
        "top-1": source.card.accuracy,
        "parameters": source.card.n_parameters,
        "GMACs": source.card.gmacs,
        "licence": source.card.licence,
        "on disk": "yes" if source.on_disk and learned is None else "no",
    }
