"""What a source's own data look like at its taps: statistics that are shipped with the packaged sources."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.metrics import Sketch, sketch
from headstart.results.files import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.sources.source import Source

FOLDER = Path(__file__).parent / "statistics"
_RANK = 256


def stored_sketches(source: Source, folder: Path = FOLDER) -> dict[str, Sketch]:
    """Return a sketch of the source's own data for each tap; none where none is shipped for its weights and size.

    Only ``"last"`` has principal directions, the longest of them; the other taps have a mean and the variance of each
    feature. They were made from one picture of each class (``benchmarks/ranking/sketches.py``), and float16 keeps
    the directions to three digits.
    """
    path = folder / f"{source.name}.npz"
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        if (
            about["fingerprint"] != source.fingerprint
            or about["preprocessing"]["size"] != source.preprocessing.to_dict()["size"]
        ):
            return {}
        found = {}
        for tap in about["taps"]:
            mean, variances = (stored[f"{tap}/{what}"].astype(np.float64) for what in ("mean", "variances"))
            factor = (
                stored[f"{tap}/factor"].astype(np.float64) if f"{tap}/factor" in stored else np.diag(variances**0.5)
            )
            found[tap] = Sketch(mean, factor, float(variances.sum()), about["n"])
        return found


def write_sketches(
    source: Source, activations: Mapping[str, NDArray[np.float32]], made_from: str, folder: Path = FOLDER
) -> Path:
    """Write what the source's own data look like at each tap, and say what they were made from; return the file."""
    about = {
        "fingerprint": source.fingerprint,
        "preprocessing": source.preprocessing.to_dict(),
        "made_from": made_from,
        "n": len(activations["last"]),
        "taps": list(activations),
    }
    arrays = {"about": np.array(json.dumps(about))}
    for tap, X in activations.items():
        arrays[f"{tap}/mean"] = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        arrays[f"{tap}/variances"] = X.var(axis=0, dtype=np.float64).astype(np.float32)
    arrays["last/factor"] = sketch(activations["last"], rank=_RANK).factor.astype(np.float16)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    path = folder / f"{source.name}.npz"
    write_bytes(path, stream.getvalue())
    return path
