"""A class that stays behind while the others learn, named in the log in time to stop."""

from collections.abc import Sequence

from dicegrad.training.history import Row

# A class stays behind if its DSC has been below LOW for this many epochs, in the last of which
# another class is above LEARNT.
EPOCHS = 10
LOW = 0.05
LEARNT = 0.3


def stays_behind(history: Sequence[Row], classes: Sequence[str]) -> list[str]:
    """Lines to report after an epoch; each class is reported once, after ten epochs in a row.

    Args:
        history: The rows so far.
        classes: Names of the classes.
    """
    if len(history) < EPOCHS:
        return []
    last = {name: history[-1][f"dsc_{name}"] for name in classes}
    best = max(last, key=lambda name: (last[name] > LEARNT, last[name]))
    return [
        f"DSC {name} has been below {LOW} for {EPOCHS} epochs, while {best} is at "
        f"{last[best]:.2f}: if it is labelled in the training cases, this training run may stay "
        "where it is; see docs/reading-results.md, or try another seed"
        for name in classes
        if last[best] > LEARNT and _epochs_below(history, name) == EPOCHS
    ]


def _epochs_below(history: Sequence[Row], name: str) -> int:
    """For how many epochs in a row, the last included, a class has been below `LOW`."""
    count = 0
    for row in reversed(history):
        if not row[f"dsc_{name}"] < LOW:  # not a number where no case has the class
            break
        count += 1
    return count
