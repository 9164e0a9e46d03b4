"""Scalars of a training run for TensorBoard, where that is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dicegrad.errors import InputError
from dicegrad.training.progress import Progress

_NAMES = {
    "train_loss": "loss/training",
    "val_loss": "loss/validation",
    "learning_rate": "learning_rate",
}


@contextmanager
def scalars(folder: Path | None, epoch: int) -> Iterator[Callable[[Progress], None]]:
    """Write the progress after each epoch as scalars.

    Args:
        folder: Where to, or None for nothing.
        epoch: The last finished epoch; TensorBoard passes over later ones in the folder.

    Yields:
        A function that writes one epoch.

    Raises:
        InputError: The package tensorboard is not there.
    """
    if folder is None:
        yield lambda progress: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "the package tensorboard is not installed; pip install tensorboard, or leave it out"
        ) from None

    with SummaryWriter(folder, purge_step=epoch + 1) as writer:

        def write(progress: Progress) -> None:
            for name, value in _scalars(progress).items():
                writer.add_scalar(name, value, progress.row["epoch"])
            writer.flush()  # so that it can be watched, and survives a kill

        yield write


def _scalars(progress: Progress) -> dict[str, float]:
    row = progress.row
    values = {name: row[key] for key, name in _NAMES.items()}
    values |= {f"dsc/{key[4:]}": value for key, value in row.items() if key.startswith("dsc_")}
    for start in ("push_empty", "push_missing", "predicted_empty"):
        found = [key for key in row if key.startswith(f"{start}_")]
        values |= {f"{start}/{key.removeprefix(f'{start}_')}": row[key] for key in found}
    values |= {"speed/cases_per_second": progress.speed, "speed/epoch_seconds": progress.seconds}
    return values | {"memory/gigabytes": progress.memory / 1e9}
