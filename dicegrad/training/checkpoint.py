"""Checkpoints and weights: written whole or not at all, read without running anything from them."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dicegrad.checksums import verify
from dicegrad.errors import InputError, first_line, one_line
from dicegrad.training.trained import Trained
from dicegrad.whole import remove_unfinished, whole_file

WEIGHTS_FORMAT = "dicegrad weights 1"
NNUNET_FORMAT = "dicegrad nnunet weights 1"


def save_atomically(state: Mapping[str, Any], path: Path, checked: bool = False) -> None:
    """Write tensors and plain values to a file that is there whole or not at all.

    Args:
        state: What to write.
        path: Where to.
        checked: Write its checksum beside it, for other jobs that read it.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    try:
        with whole_file(path, checked=checked) as file:
            torch.save(dict(state), file)
    except RuntimeError as error:  # torch's own word for a full disk
        raise InputError(
            f"{path}: could not be written ({first_line(error)}); free some space and start again: "
            "training resumes from the previous checkpoint"
        ) from error


def load_checkpoint(path: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checkpoint that belongs to a configuration.

    Args:
        path: Written by `save_atomically` with the key `configuration`.
        configuration: That of the training run now.

    Raises:
        InputError: The file is damaged, or is of another configuration; names what differs.
    """
    try:
        state = _read(path)
        theirs = dict(state["configuration"])
    except Exception as error:
        raise InputError(
            f"{path}: not a checkpoint of dicegrad, or damaged ({first_line(error)}); delete it to "
            "start from scratch"
        ) from error
    for key in sorted(set(theirs) | set(configuration)):
        if theirs.get(key) != configuration.get(key):
            raise InputError(
                f"{path}: is of another configuration: {key} was {theirs.get(key)!r} and is now "
                f"{configuration.get(key)!r}; delete it to start from scratch"
            )
    return state


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint that is no longer wanted, and what kills left half written."""
    path.unlink(missing_ok=True)
    remove_unfinished(path)


@dataclass(frozen=True)
class Weights:
    """What a `weights.pt` holds.

    Attributes:
        path: The file.
        state: Parameters of the network by name.
        trained: What it was trained as; None of a file that holds parameters alone, as those of
            earlier versions do.
    """

    path: Path
    state: dict[str, Tensor]
    trained: Trained | None


def save_weights(state: Mapping[str, Tensor], trained: Trained | None, path: Path) -> None:
    """Write `weights.pt`: the parameters of a network, and what it was trained as.

    Raises:
        InputError: The disk does not take it.
    """
    about = trained.to_dict() if trained else None
    content = {"format": WEIGHTS_FORMAT, "state": dict(state), "trained": about}
    save_atomically(content, path, checked=True)


def load_weights(path: Path) -> Weights:
    """Read and verify a `weights.pt`, on the CPU.

    Args:
        path: Written by `save_weights`, or a plain state dict of an earlier version.

    Raises:
        InputError: The file is missing, damaged, or no weights.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the weights.pt of a finished training run")
    verify(path)
    try:
        content = _read(path)
        if "format" not in content:
            return Weights(path, _tensors(content), None)
        if content["format"] == NNUNET_FORMAT:
            raise InputError(
                f"{path}: holds weights of the engine nnunet; segment new images with "
                "nnUNetv2_predict_from_modelfolder, as docs/nnunet.md says"
            )
        if content["format"] != WEIGHTS_FORMAT:
            raise ValueError(f"format is {content['format']!r}; this version reads another")
        about = content["trained"]
        trained = None if about is None else Trained.from_dict(about)
        return Weights(path, _tensors(content["state"]), trained)
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: holds no weights, or is damaged ({one_line(error)[:200]}); train again, or "
            "name another file"
        ) from error


def state_hash(path: Path) -> str:
    """SHA-256 of the parameters in a `weights.pt`, whatever else stands in it.

    Names, types, shapes and bits count, in the order of the network: equal hashes mean equal
    networks.

    Raises:
        InputError: See `load_weights`.
    """
    digest = hashlib.sha256()
    for name, tensor in load_weights(path).state.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """A mapping written by torch, of tensors and plain values; nothing of it is run.

    The file is a zip archive, of which torch does not look at the checksums. torch does not
    compress, so that what is compressed is of somebody else, and may be far larger than the file.
    """
    with zipfile.ZipFile(path) as archive:
        if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
            raise ValueError("it is compressed")
        if sum(each.file_size for each in archive.infolist()) > path.stat().st_size:
            raise ValueError("its parts are larger than the file")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it is damaged")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError(f"it holds a {type(content).__name__}")
    return content


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """See that each value is a tensor by name, with all of its values in the file."""
    for name, tensor in state.items():
        if not (isinstance(name, str) and isinstance(tensor, Tensor)):
            raise TypeError(f"{name!r} in it is no tensor")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise ValueError(f"{name} in it is larger than its values")
    if not state:
        raise ValueError("it is empty")
    return dict(state)
