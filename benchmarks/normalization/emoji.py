"""The same emojis by three hands: what statistics of another hand cost, and whether the audit saw it coming.

    python benchmarks/normalization/emoji.py SHARED [--most 400] [--write docs/normalization.md]

A head is fitted on one hand's drawings of some codepoints and tested on each hand's drawings of others. Either the
network keeps the statistics of its own source, or it has those of whichever hand drew what it looks at, taken without
labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

from headstart.data import PictureSet
from headstart.features.activations import compute
from headstart.metrics import scores
from headstart.normalization import recalibrate_source
from headstart.normalization.target import audit_pictures
from headstart.sources import Source, get
from headstart.training import LogisticHead

HANDS = ("google", "twitter", "fluent")
C = 1e-3
SEED = 0


def drawings(shared: Path, most: int) -> tuple[dict[str, PictureSet], NDArray[np.int64], NDArray[np.bool_]]:
    """Return each hand's drawings of the same codepoints, their classes, and which of them are tested on."""
    folders = [shared / "data" / "emoji" / hand for hand in HANDS]
    common = sorted(set.intersection(*({str(path.relative_to(one)) for path in one.rglob("*.png")} for one in folders)))
    rng = np.random.default_rng(SEED)
    names = sorted(rng.choice(common, min(most, len(common)), replace=False))
    y = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    tested = rng.permutation(len(names)) < 0.4 * len(names)
    return (
        {hand: PictureSet([one / name for name in names]) for hand, one in zip(HANDS, folders, strict=True)},
        y,
        tested,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--most", type=int, default=400)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    pictures, y, tested = drawings(given.shared, given.most)
    source = get("lite0")
    source = dataclasses.replace(source, preprocessing=dataclasses.replace(source.preprocessing, fit="squash"))
    learned, asked = np.flatnonzero(~tested), np.flatnonzero(tested)
    own: dict[str, Source] = {
        hand: recalibrate_source(found.subset(learned[:256]), source) for hand, found in pictures.items()
    }
    features = {
        way: {hand: compute(found, one[hand], taps=["last"])["last"] for hand, found in pictures.items()}
        for way, one in {"source": dict.fromkeys(HANDS, source), "recalibrated": own}.items()
    }
    lines = [
        "| head of | tested on | shift that the audit saw | source's statistics | loss | own statistics | loss |",
        "|---|---|---|---|---|---|---|",
    ]
    shifts, losses = [], {"source": [], "recalibrated": []}
    for hand in HANDS:
        reached = {}
        for way, found in features.items():
            head = LogisticHead(C=C).fit(found[hand][learned], y[learned])
            reached[way] = {
                other: scores(y[asked], head.predict_proba(found[other][asked]))["macro_f1"] for other in HANDS
            }
        for other in HANDS:
            audit = audit_pictures(pictures[other], learned[:32], own[hand], batch_size=32, n=len(learned), held=True)
            shift = float(np.mean([layer.shift for layer in audit.layers]))
            cells = [f"{shift:.3f}"]
            for way in features:
                lost = reached[way][hand] - reached[way][other]
                cells += [f"{reached[way][other]:.3f}", f"{lost:.3f}" if other != hand else ""]
                if other != hand:
                    losses[way].append(lost)
            if other != hand:
                shifts.append(shift)
            lines.append(f"| {hand} | {other} | " + " | ".join(cells) + " |")
    told = ", ".join(
        f"{way} {spearmanr(shifts, lost).statistic:.2f} (mean loss {np.mean(lost):.3f})" for way, lost in losses.items()
    )
    n = f"{len(learned)} codepoints learned from, {len(asked)} tested on."
    publish("\n".join([*lines, "", f"{n} Rank correlation of shift and loss over the six changes of hand: {told}."]),
            given.write, "emoji")  # fmt: skip


if __name__ == "__main__":
    main()
