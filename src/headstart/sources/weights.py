"""Weights from disk into a network: tensors and nothing else, and only where they fit."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.results import SourceError

if TYPE_CHECKING:
    from torch import Tensor, nn

_WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_state_dict", "net")
_PREFIXES = ("module.", "model.", "_orig_mod.")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file or of a PyTorch checkpoint, never executing anything.

    Parameters
    ----------
    path : Path
        The file. A PyTorch checkpoint may keep its tensors under ``state_dict`` or ``model``.

    Raises
    ------
    SourceError
        If the file is not there, is damaged, or holds anything but tensors (a pickle of objects is refused).
    """
    import torch

    if not path.is_file():
        raise SourceError(f"no weights at {str(path)!r}: give the path of a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            loaded: dict[str, Tensor] = load_file(path)
            # A run whose head is no layer of the network keeps it beside the network.
            return {name: tensor for name, tensor in loaded.items() if not name.startswith("headstart.")}
        except SafetensorError as error:
            raise SourceError(f"{str(path)!r} is damaged ({error}): fetch it again") from error
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SourceError(
            f"{str(path)!r} holds more than tensors and was refused, as loading it could run somebody's code: "
            "save its state dict with safetensors.torch.save_file"
        ) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise SourceError(f"{str(path)!r} is not a PyTorch checkpoint or is damaged: fetch it again") from error
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    tensors = (
        {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise SourceError(f"{str(path)!r} holds no state dict: save one with safetensors.torch.save_file")
    return tensors


def align(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return ``tensors`` under the names of ``expected``, or ``None`` where they do not fit.

    They fit by name (a common prefix such as ``module.`` is taken off), or else in order: as many tensors, each of
    the shape and of the kind (``weight``, ``running_mean``, ...) of its counterpart.
    """
    for prefix in ("", *_PREFIXES):
        named = {key.removeprefix(prefix): value for key, value in tensors.items()}
        if named.keys() == expected.keys() and all(named[key].shape == expected[key].shape for key in expected):
            return named
    pairs = list(zip(tensors.items(), expected.items(), strict=False))
    in_order = len(tensors) == len(expected) and all(
        given.shape == wanted.shape and key.rpartition(".")[2] == name.rpartition(".")[2]
        for (key, given), (name, wanted) in pairs
    )
    return {name: given for (_, given), (name, _) in pairs} if in_order else None


def differences(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return what does not fit between two state dicts, name by name, as short phrases."""
    found = []
    for name, wanted in expected.items():
        if name not in tensors:
            found.append(f"{name} {tuple(wanted.shape)} is missing")
        elif tensors[name].shape != wanted.shape:
            found.append(f"{name} is {tuple(tensors[name].shape)}, not {tuple(wanted.shape)}")
    return found + [f"{name} is unknown to the network" for name in tensors if name not in expected]


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Load ``tensors`` into ``network``, all of them or none.

    Raises
    ------
    SourceError
        If a tensor is missing, left over or of another shape; the first three that differ are named.
    """
    expected = network.state_dict()
    fitted = align(tensors, expected)
    if fitted is None:
        found = differences(tensors, expected)
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise SourceError(f"{origin} does not fit the network: {'; '.join(found[:3])}{more}: name its architecture")
    network.load_state_dict(fitted, strict=True)
