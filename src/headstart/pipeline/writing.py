"""The run folder: what is written into it at the end of a fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.pipeline.plan import FORMAT, Plan
from headstart.results import plain
from headstart.results.files import write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

    from headstart.data import Target
    from headstart.detection.boxes import DetectionTarget
    from headstart.pipeline.findings import Findings
    from headstart.pipeline.model import Model


def write_run(folder: Path, plan: Plan, found: Findings, model: Model) -> None:
    """Write the run folder; ``run.json`` comes last and says that the rest is whole."""
    from headstart.pipeline.export import metadata, write_onnx, write_weights

    text = metadata(found.names(), model, found.target.feature_names)
    write_onnx(folder / "model.onnx", model, text)
    names = write_weights(folder / "model.safetensors", model, text)
    write_text(folder / "predictions.csv", found.predictions().to_csv(index=False, float_format="%.6g"))
    write_text(folder / "report.html", found.page(plan))
    write_json(folder / "run.json", plain(describe(found, plan, model, names)))


def data_of(target: Target | DetectionTarget) -> dict[str, Any]:
    """Return what ``run.json`` holds of the target."""
    return {
        "name": target.name,
        "fingerprint": target.fingerprint,
        "modality": target.modality,
        "task": target.task,
        "parts": {part: len(target.rows(part)) for part in ("train", "val", "test")},
        "left_out": dict(target.left_out),
        "notes": target.notes,
    }


def describe(found: Findings, plan: Plan, model: Model, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``run.json`` holds; ``names`` are those of the head's arrays in ``model.safetensors``.

    All that depends on the clock stands under ``times``.
    """
    target, source = found.target, found.source
    answers = {answer.question: {"headline": answer.headline(), **answer.to_dict()} for answer in found.answers()}
    return {
        "format": FORMAT,
        "headline": found.headline(),
        "settings": dataclasses.asdict(plan.settings),
        "data": data_of(target),
        "source": None
        if source is None
        else {"name": source.name, "fingerprint": source.fingerprint, "card": source.card.to_dict()},
        "engine": dict(plan.engine),
        "model": {
            "classes": found.names(),
            "outputs": list(target.outputs.items()),  # in order
            "feature_names": target.feature_names,
            **described(model, names),
            "C": found.validation.C if found.validation else None,
            "fitted_on": ["train", "val", "test"] if plan.settings.final else ["train", "val"],
        },
        "metrics": found.metrics(),
        "decisions": answers,
        "versions": dict(plan.versions),
        "times": found.times,
    }


def described(model: Model, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what a run needs to know of its model to build it again; the first network also stands by itself."""
    from headstart.pipeline.export import network_prefix

    parts = [
        {
            "source": source.name,
            "fingerprint": source.fingerprint,
            "architecture": source.card.architecture,
            "preprocessing": source.preprocessing.to_dict(),
            "taps": taps,
            "groups": source.groups,
            "card": source.card.to_dict(),
            "prefix": network_prefix(name) if number else "",
        }
        for number, (name, (source, taps)) in enumerate(zip(model.names, model.parts, strict=True))
    ]
    first = parts[0] if parts else {"architecture": None, "preprocessing": None}
    return {
        "kind": model.kind,
        "text": model.text,
        "handmade": model.handmade,
        "offsets": model.offsets,
        "prior": model.prior,
        "cost": model.cost,
        "rule": dict(model.rule),
        "parts": parts,
        "architecture": first["architecture"],
        "preprocessing": first["preprocessing"],
        "head": dict(names),
        "layer": (names["weight"], names["bias"]),
    }


def predictions(found: Findings) -> pd.DataFrame:
    """Return a table of what was predicted for each row: out of fold in development, by the head in the test part."""
    import pandas as pd

    target, probabilities = found.target, found.probabilities
    assert probabilities is not None
    known = np.isfinite(probabilities).all(axis=1)
    assert found.decisions is not None
    best = np.where(known, found.decisions, -1)
    how = {"train": "out of fold", "val": "out of fold", "test": "held out", "": "left out"}
    columns: dict[str, Any] = {
        "id": target.ids,
        "label": target.labels,
        "split": target.split,
        "how": [how[part] for part in target.split],
        "predicted": [target.classes[code] if code >= 0 else "" for code in best],
        "probability": np.where(known, probabilities[np.arange(len(best)), best], np.nan),
        "reason": [target.left_out.get(name, "") for name in target.ids],
    }
    columns.update({f"p({name})": probabilities[:, code] for code, name in enumerate(target.classes)})
    return pd.DataFrame(columns)
