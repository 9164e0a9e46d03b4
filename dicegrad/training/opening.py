"""What a training run says before it begins."""

import math
from collections.abc import Mapping, Sequence

from dicegrad.data.adapter import Case
from dicegrad.study.labeling import AS_ANNOTATED
from dicegrad.study.losses import AS_EMPTY
from dicegrad.training.progress_figure import validated_on
from dicegrad.training.run import Split


def longer(sampling: Mapping[str, int], split: Split, batch_size: int) -> str:
    """A line where cases are listed several times, so that an epoch has more steps; else empty."""
    steps, plain = (math.ceil(len(cases) / batch_size) for cases in (split.train, set(split.train)))
    if steps == plain:
        return ""
    listed = ", ".join(f"{group} {times} times" for group, times in sampling.items())
    return (
        f"sampling lists cases of {listed}: {steps} steps an epoch instead of {plain}; compare "
        "with other experiments by steps, or leave `sampling` out of the dataset file"
    )


def validated_words(share: float, cases: Sequence[Case]) -> str:
    """A line on what validation looks at."""
    if not share:
        return (
            "validation loss and DSC below are of the held-out fold, as in the paper: a plateau or "
            "an early stop looks at the cases of the test; training.validation: 0.2 takes a share "
            "of the training subjects instead"
        )
    subjects = sorted({case.subject for case in cases})
    some = ", ".join(subjects[:8]) + (f" and {len(subjects) - 8} more" if len(subjects) > 8 else "")
    return (
        f"validation loss and DSC below are of {validated_on(share)} ({some}), which it does not "
        "learn from; the held-out fold is not looked at"
    )


def labeling_words(labeling: str, unannotated: str) -> str:
    """A line on what loss and DSC in the log are against, where labels are missing."""
    words = f"DSC below is of the maps that {labeling} labels hold, and leaves the missing ones out"
    if unannotated == AS_EMPTY:
        words += "; to the validation loss they are empty"
    if labeling == AS_ANNOTATED:
        return words
    return f"{words}. The scores of the study are against the true labels of all"
