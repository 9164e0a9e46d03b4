"""A class that stays behind while the others learn, named in the log in time to stop."""

from collections.abc import Sequence

from dicegrad.training.history import Row

# A class stays behind if its DSC has been below LOW for at least this many epochs, in the last of
# which another class is above LEARNT.
EPOCHS = 10
LOW = 0.05
LEARNT = 0.3


def stays_behind(history: Sequence[Row], classes: Sequence[str]) -> list[str]:
    """Lines to report after an epoch; a class is reported once, and again if it falls back.

    Args:
        history: The rows so far.
        classes: Names of the classes.
    """
    lines = []
    for name in classes:
        low = _epochs_below(history, name)
        told = range(len(history) - low + EPOCHS, len(history))  # epochs that may have said it
        if not _is_behind(history, name, classes) or any(
            _is_behind(history[:end], name, classes) for end in told
        ):
            continue
        best = _best(history[-1], classes)
        lines.append(
            f"DSC {name} has been below {LOW} for {low} epochs, while {best} is at "
            f"{history[-1][f'dsc_{best}']:.2f}: if it is labelled in the training cases, this "
            "training run may stay where it is; see docs/reading-results.md, or try another seed"
        )
    return lines


def _is_behind(history: Sequence[Row], name: str, classes: Sequence[str]) -> bool:
    """Whether a class stays behind after the last of some epochs."""
    if len(history) < EPOCHS or not history[-1][f"dsc_{_best(history[-1], classes)}"] > LEARNT:
        return False
    # Not a number where no case has the class.
    return all(row[f"dsc_{name}"] < LOW for row in history[-EPOCHS:])


def _best(row: Row, classes: Sequence[str]) -> str:
    """The class with the highest DSC of an epoch."""
    return max(classes, key=lambda name: (row[f"dsc_{name}"] > LEARNT, row[f"dsc_{name}"]))


def _epochs_below(history: Sequence[Row], name: str) -> int:
    """For how many epochs in a row, the last included, a class has been below `LOW`."""
    count = 0
    for row in reversed(history):
        if not row[f"dsc_{name}"] < LOW:
            break
        count += 1
    return count
