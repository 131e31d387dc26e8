"""timm's hub: a curated list of its networks, and any other by name, from the hub or its local cache."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

from headstart.results import SourceError
from headstart.sources.card import Card, Preprocessing
from headstart.sources.source import Source, create

_FILE = "model.safetensors"


class Listed(NamedTuple):
    """A network that is worth comparing: what it learned from, its size, and what a pass of a picture costs.

    ``gmacs`` are billions of multiplications and additions at its own input size; Lite0 takes 0.4.
    """

    learned: str
    licence: str
    n_parameters: int
    gmacs: float


# Small to large, each way of learning, licences that allow commercial use; MAE's and V-JEPA's do not. Sizes and costs
# were counted on the networks.
CURATED = {
    "mobilenetv4_conv_small.e2400_r224_in1k": Listed("labels", "apache-2.0", 3_770_000, 0.19),
    "convnext_atto.d2_in1k": Listed("labels", "apache-2.0", 3_700_000, 0.55),
    "tiny_vit_5m_224.dist_in22k": Listed("labels of a larger network", "apache-2.0", 12_080_000, 1.26),
    "regnety_016.tv2_in1k": Listed("labels", "bsd-3-clause", 11_200_000, 1.61),
    "eva02_tiny_patch14_224.mim_in22k": Listed("masked pictures", "mit", 5_500_000, 1.70),
    "resnet18.a1_in1k": Listed("labels", "apache-2.0", 11_690_000, 1.81),
    "resnet50.a1_in1k": Listed("labels", "apache-2.0", 25_560_000, 4.09),
    "convnext_tiny.in12k_ft_in1k": Listed("labels", "apache-2.0", 28_590_000, 4.46),
    "swin_tiny_patch4_window7_224.ms_in22k": Listed("labels", "mit", 44_320_000, 4.51),
    "vit_small_patch16_224.dino": Listed("pictures alone", "apache-2.0", 21_670_000, 4.60),
    "vit_base_patch16_siglip_224.v2_webli": Listed("captions", "apache-2.0", 92_880_000, 17.71),
    "vit_small_patch14_dinov2.lvd142m": Listed("pictures alone", "apache-2.0", 22_060_000, 46.70),
}


def hub_names(*, fetch: bool = False) -> list[str]:
    """Return timm's names of what is in the hub's cache and, where the rest may be fetched, of the curated list.

    From the cheapest to the dearest; what is not on the list comes last.
    """
    cached = _cached()
    return [name for name in CURATED if fetch or name in cached] + sorted(cached - set(CURATED))


def timm_preprocessing(configuration: dict[str, Any]) -> Preprocessing:
    """Return the preprocessing that timm's configuration of a network names."""
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


def timm_source(name: str, *, pretrained: bool, seed: int) -> Source:
    """Return timm's network of that name; weights come from the hub's cache, else from the hub.

    Raises
    ------
    SourceError
        If timm knows no such network, it has no weights, or they cannot be fetched.
    """
    import timm

    if not timm.is_model(name.partition(".")[0]):
        create(name)  # raises, and lists near names
    found = timm.get_pretrained_cfg(name)
    configuration: dict[str, Any] = found.to_dict() if found else {}
    weights = _hub_file(name, configuration) if pretrained else None
    n_classes = int(configuration.get("num_classes") or 0)
    listed = CURATED.get(name)
    tag = str(configuration.get("tag") or "")
    card = Card(
        architecture=name.partition(".")[0] if weights else name,
        trained_on=(tag or "unknown") if pretrained else "nothing",
        licence=str(configuration.get("license") or "unknown"),
        n_classes=n_classes,
        n_parameters=listed.n_parameters if listed else None,
        gmacs=listed.gmacs if listed else None,
        reference=str(configuration.get("paper_ids") or configuration.get("origin_url") or ""),
    )
    return Source(f"timm:{name}", card, timm_preprocessing(configuration), weights, seed)


def _hub_file(name: str, configuration: dict[str, Any]) -> Path:
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import logging as hub_logging

    repository = configuration.get("hf_hub_id")
    if not repository:
        raise SourceError(f"timm has no pretrained weights for {name!r}: choose another, or pretrained=False")
    if repository == "timm/":
        repository = f"timm/{name}"
    kept = try_to_load_from_cache(repository, _FILE, cache_dir=constants.HF_HUB_CACHE)
    if isinstance(kept, str):
        return Path(kept)
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    try:
        return Path(hf_hub_download(repository, _FILE))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise SourceError(
            f"the weights of 'timm:{name}' are not in the hub's cache and could not be fetched "
            f"({type(error).__name__}): try again with a network, or use one that is at hand (headstart sources)"
        ) from None
    finally:
        hub_logging.set_verbosity(verbosity)


def _cached() -> set[str]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return set()
    return {
        entry.repo_id.removeprefix("timm/")
        for entry in repositories
        if entry.repo_id.startswith("timm/")
        and any(file.file_name == _FILE for revision in entry.revisions for file in revision.files)
    }
