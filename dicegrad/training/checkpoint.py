"""Checkpoints: written whole or not at all, read without running anything from the file."""

import os
from pathlib import Path

import torch

from dicegrad.errors import InputError


def save_atomically(state: dict, path: Path) -> None:
    """Write a file so that at any moment the old one or the new one is there.

    Args:
        state: Tensors and plain values.
        path: Where to.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch wraps a full disk in a RuntimeError
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path}: could not be written ({_first_line(error)}); free some space and start "
            "again: training goes on from the checkpoint before"
        ) from error


def load_checkpoint(path: Path, configuration: dict) -> dict:
    """Read a checkpoint that belongs to a configuration.

    Args:
        path: Written by `save_atomically` with the key `configuration`.
        configuration: What the training is now.

    Raises:
        InputError: The file is damaged, or is of another configuration; names what differs.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = dict(state["configuration"])
    except Exception as error:
        raise InputError(
            f"{path}: not a checkpoint of dicegrad ({_first_line(error)}); delete it"
        ) from error
    for key in sorted(set(theirs) | set(configuration)):
        if theirs.get(key) != configuration.get(key):
            raise InputError(
                f"{path}: is of another configuration: {key} was {theirs.get(key)!r} and is now "
                f"{configuration.get(key)!r}; delete it to start anew"
            )
    return state


def _first_line(error: Exception) -> str:
    """What went wrong, without the advice that torch adds below it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
