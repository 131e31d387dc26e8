"""How wrong predictions are, picture by picture, and the metric of each kind of task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.taskonomy.measured.tasks import Kind

Floats = NDArray[np.float64]
METRIC = {
    "classes": "balanced accuracy",
    "number": "explained share",
    "map": "explained share",
    "mask": "intersection over union",
}
_UNSURE = 1e-3  # of a class that the few pictures did not show


def losses(kind: Kind, predicted: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the loss of each picture, (n,); lower is better.

    Parameters
    ----------
    kind : {"classes", "number", "map", "mask"}
    predicted : ndarray
        Classes: probabilities (n, k). Number: (n,). Map and mask: (n, c, 32, 32).
    values : ndarray
        As a task has them.
    """
    if kind == "classes":
        k = predicted.shape[1]
        chance = predicted[np.arange(len(values)), values].astype(np.float64)
        return np.asarray(-np.log((1 - _UNSURE) * chance + _UNSURE / k))
    said = predicted.clip(0, 1) if kind == "mask" else predicted
    squares = (said.astype(np.float64) - values) ** 2
    return np.asarray(squares.reshape(len(values), -1).mean(axis=1))


def score(kind: Kind, predicted: NDArray[Any], values: NDArray[Any]) -> float:
    """Return the metric of the task; higher is better, at most 1.

    Classes: mean recall of the classes that occur. Number and map: 1 minus the squared error as a share of that of the
    mean (of each channel) over these same pictures. Mask: pixels in both as a share of pixels in either, all pictures
    together; NaN where there are none.
    """
    if kind == "classes":
        right = predicted.argmax(axis=1) == values
        return float(np.mean([right[values == one].mean() for one in np.unique(values)]))
    if kind == "mask":
        mine, true = predicted > 0.5, values > 0.5
        either = int((mine | true).sum())
        return float((mine & true).sum() / either) if either else float("nan")
    axes = (0,) if values.ndim == 1 else (0, 2, 3)
    spread = float(((values - values.mean(axis=axes, keepdims=True)) ** 2).sum())
    return 1 - float(((predicted.astype(np.float64) - values) ** 2).sum()) / spread if spread > 0 else float("nan")
