"""How a picture is fitted into the input: the source's own way, unless another is measured to be better."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.metrics import Interval
    from headstart.sources import Fit

SAMPLE = 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputFit(Answer):
    """How pictures are fitted into the input, and the comparison behind it.

    Attributes
    ----------
    fit : {"crop", "squash", "pad"}
        The choice.
    n : int
        Pictures, all from the development part, on which the ways were compared; 0 where it was named.
    macro_f1 : mapping
        Cross-validated macro-F1 of each way.
    gain : mapping
        Gain in macro-F1 over the source's own way, with a paired 95 % bootstrap interval.
    """

    fit: Fit
    own: Fit
    n: int = 0
    macro_f1: Mapping[Fit, float] = dataclasses.field(default_factory=dict)
    gain: Mapping[Fit, Interval] = dataclasses.field(default_factory=dict)

    question = "How is a picture fitted into the input?"

    def headline(self) -> str:
        """One sentence: what was chosen and why."""
        ways = {
            "crop": "the centre is cut out",
            "squash": "both sides are resized, the shape is not kept",
            "pad": "the whole picture is resized and the rest filled up",
        }
        if not self.n:
            return f"{self.fit}: {ways[self.fit]}, as was asked."
        if self.fit == self.own:
            return f"{self.fit}: {ways[self.fit]}, as the source was trained; no other way was measurably better."
        low, high = self.gain[self.fit].low * 100, self.gain[self.fit].high * 100
        return f"{self.fit}: {ways[self.fit]}; worth {low:.1f} to {high:.1f} points of macro-F1 over {self.own}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a way: macro-F1, gain over the source's own way, and its interval."""
        import pandas as pd

        rows = [
            {
                "fit": name,
                "macro-F1": score,
                "gain": self.gain[name].value if name in self.gain else None,
                "low": self.gain[name].low if name in self.gain else None,
                "high": self.gain[name].high if name in self.gain else None,
            }
            for name, score in self.macro_f1.items()
        ]
        return pd.DataFrame(rows, columns=["fit", "macro-F1", "gain", "low", "high"]).set_index("fit")


def choose_input_fit(
    features: Callable[[Fit], NDArray[np.float32]],
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    own: Fit,
    random_state: int,
) -> InputFit:
    """Compare the ways to fit a picture into the input by a cross-validated logistic head, on the same folds.

    The source's own way is left only for one whose gain has a paired 95 % interval above zero.

    Parameters
    ----------
    features : callable
        Returns the last tap, (n, d), of the same n pictures fitted in one way.
    y, groups : ndarray of int64, shape (n,)
        Classes and groups of the pictures, all from the development part.
    own : {"crop", "squash", "pad"}
        The source's own way.
    random_state : int
        Seed of folds and bootstrap.
    """
    from headstart.metrics import scores
    from headstart.metrics.paired import paired_gain
    from headstart.sources import FITS
    from headstart.training import out_of_fold

    probabilities = {
        name: out_of_fold(features(name), y, groups, random_state=random_state)
        for name in (own, *(fit for fit in FITS if fit != own))
    }
    gain = {
        name: paired_gain(y, found, probabilities[own], groups, random_state=random_state)
        for name, found in probabilities.items()
        if name != own
    }
    reached = {name: scores(y, found)["macro_f1"] for name, found in probabilities.items()}
    better = [name for name in gain if gain[name].low > 0]
    best = max(better, key=reached.__getitem__) if better else own
    return InputFit(fit=best, own=own, n=len(y), macro_f1=reached, gain=gain)
