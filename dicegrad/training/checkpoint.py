"""Checkpoints: written whole or not at all, read without running anything from the file."""

import zipfile
from pathlib import Path

import torch

from dicegrad.errors import InputError, first_line
from dicegrad.files import remove_unfinished, whole_file


def save_atomically(state: dict, path: Path) -> None:
    """Write tensors and plain values to a file that is there whole or not at all.

    Raises:
        InputError: The disk does not take it; the previous file is intact.
    """
    try:
        with whole_file(path) as file:
            torch.save(state, file)
    except RuntimeError as error:  # torch's own word for a full disk
        raise InputError(
            f"{path}: could not be written ({first_line(error)}); free some space and start again: "
            "training goes on from the checkpoint before"
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
        # The file is a zip archive; torch does not look at its check sums.
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} in it is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
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
                f"{configuration.get(key)!r}; delete it to start anew"
            )
    return state


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint that is no longer wanted, and what kills left half written."""
    path.unlink(missing_ok=True)
    remove_unfinished(path)
