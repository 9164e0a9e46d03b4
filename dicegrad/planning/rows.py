"""The experiments that the labels of a data set ask for, and the labelings that they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicegrad.planning.fingerprint import Fingerprint
from dicegrad.planning.hidden import HIDDEN, hide_like_gaps
from dicegrad.study.experiment import Experiment
from dicegrad.study.labeling import AS_ANNOTATED, FULL, PARTIAL
from dicegrad.study.losses import AS_EMPTY, IGNORED, MARGINAL

_EPSILON = "1e-7"
_HALF = 0.5


@dataclass(frozen=True)
class Question:
    """Some rows of the table, and what they are there to answer.

    Attributes:
        comment: In a sentence or two.
        rows: Labeling, loss, phi and unannotated of each.
    """

    comment: str
    rows: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Rows:
    """What goes into the table, and what the dataset file says for it.

    Attributes:
        questions: In the order of the table.
        missing: Block `missing` of the dataset file, and why; None without groups.
        labelings: Block `labelings`, and why.
    """

    questions: tuple[Question, ...]
    missing: tuple[dict[str, Any], str] | None
    labelings: dict[str, tuple[list[dict[str, Any]], str]]

    @property
    def count(self) -> int:
        """Of the rows."""
        return sum(len(question.rows) for question in self.questions)

    def experiments(self, dataset: str, batch_size: int) -> list[list[Experiment]]:
        """The rows of each question."""
        return [
            [
                Experiment(dataset, labeling, loss, phi, _EPSILON, batch_size, unannotated)
                for labeling, loss, phi, unannotated in question.rows
            ]
            for question in self.questions
        ]


def propose_rows(known: Fingerprint, brief: bool = False) -> Rows:
    """The questions that the labels raise.

    Args:
        known: The data set.
        brief: Only the rows that matter most.

    With maps that nobody annotated: the same loss with `as_empty`, `ignored` and `marginal`, on
    the labels as they are and on a labeling that hides as much again, which can be scored. With
    full labels, and a class that several groups have: the same under `partial`. Else full labels,
    and a labeling that hides a class, ready to be used.
    """
    gaps = ~known.annotated
    if gaps.any():
        return _of_gaps(known, gaps)
    if shared := _in_several_groups(known):
        return _of_groups(known, shared, brief)
    return _of_full_labels(known)


def _treatments(known: Fingerprint) -> tuple[str, ...]:
    # A single class, or classes that overlap, have no background map that a missing one could be
    # added to.
    exclusive = len(known.classes) > 1 and not known.overlapping
    return (AS_EMPTY, IGNORED, MARGINAL) if exclusive else (AS_EMPTY, IGNORED)


_TOLD = {
    AS_EMPTY: "not told of them (as_empty)",
    IGNORED: "told to leave them out (ignored)",
    MARGINAL: "told that background may hide them (marginal)",
}


def _of_gaps(known: Fingerprint, gaps: np.ndarray) -> Rows:
    words = _treatments(known)
    real = Question(
        f"Your labels have gaps. The same loss {', '.join(_TOLD[word] for word in words)}: the DSC "
        "is over what was annotated.",
        tuple((AS_ANNOTATED, "dice_ce", "I", word) for word in words),
    )
    hidden = hide_like_gaps(known)
    if not hidden:
        return Rows((real,), None, {})
    concerned = {name for entry in hidden for name in entry["classes"]}
    taken = ", ".join(
        f"{name} in {gaps[:, k].mean():.0%}"
        for k, name in enumerate(known.classes)
        if name in concerned
    )
    why = f"hides as much as your own gaps do ({taken} of the cases), where the truth is known"
    scored = Question(
        f"What nobody drew cannot be scored. So `{HIDDEN}` takes as large a share of the maps that "
        "were drawn: what a loss finds there, it finds in the others.",
        tuple((HIDDEN, "dice_ce", "I", word) for word in words),
    )
    return Rows((real, scored), None, {HIDDEN: (hidden, why)})


def _in_several_groups(known: Fingerprint) -> list[str]:
    """The classes that two groups or more have a voxel of: without one, another still shows it."""
    of_group = np.array([each.case.group for each in known.facts])
    there = np.array([known.filled[of_group == group].any(axis=0) for group in known.groups])
    return [known.classes[k] for k in np.flatnonzero(there.sum(axis=0) > 1)]


def _of_groups(known: Fingerprint, shared: Sequence[str], brief: bool) -> Rows:
    name = _smallest_class(known, shared)
    group = _rarest_group(known, name)
    smallest = "the smallest class" + " that several groups have" * (shared != [*known.classes])
    why = (
        f"labeling `partial` takes {name}, {smallest}, from group {group}; name the group "
        "that is most like your unlabelled cases"
    )
    words = _treatments(known)
    rows = [(PARTIAL, "dice_ce", "I", word) for word in words]
    if not brief:
        rows += [(PARTIAL, "dice", phi, AS_EMPTY) for phi in ("I", "BI")]
    questions = (
        Question("Full labels: what the losses reach.", ((FULL, "dice_ce", "I", AS_EMPTY),)),
        Question(
            f"{name} is missing in {group}: which loss loses it? Cross-entropy learns an empty map "
            "unless it is told; Dice over one image (I) ignores it, over the batch (BI) learns it.",
            tuple(rows),
        ),
    )
    return Rows(questions, ({"group": group, "classes": [name]}, why), {})


def _rarest_group(known: Fingerprint, name: str) -> str:
    """The group with the fewest cases that hold a class; the last of equals."""
    counts = dict.fromkeys(known.groups, 0)
    k = known.classes.index(name)
    for facts, filled in zip(known.facts, known.filled[:, k], strict=True):
        counts[facts.case.group] += bool(filled)
    there = [group for group in reversed(known.groups) if counts[group]]
    return min(there, key=lambda group: counts[group])


def _smallest_class(known: Fingerprint, names: Sequence[str]) -> str:
    """That of some classes with the smallest median volume, where it is there; the first of equals.

    `take_fingerprint` has seen to it that each is somewhere.
    """
    medians = {}
    for name in names:
        k = known.classes.index(name)
        medians[name] = float(np.median(known.volumes[known.filled[:, k], k]))
    return min(names, key=medians.__getitem__)


def _of_full_labels(known: Fingerprint) -> Rows:
    name = _smallest_class(known, known.classes)
    rows = ((FULL, "dice_ce", "I", AS_EMPTY), (FULL, "dice", "I", AS_EMPTY))
    comment = (
        "Every case counts as annotated for every class: Dice + cross-entropy, the safe choice, "
        "and Dice alone. To see what missing labels would do, add rows with the labeling "
        f"{HIDDEN} and {' or '.join(_treatments(known))}; they are scored against the full labels."
    )
    why = f"no map is called missing; this one would hide {name} from half of the subjects"
    entry: dict[str, Any] = {"classes": [name], "share": _HALF}
    return Rows((Question(comment, rows),), None, {HIDDEN: ([entry], why)})


def gap_words(known: Fingerprint) -> Sequence[str]:
    """A line on each class that is not in every case: how often annotated, how often filled."""
    lines = []
    for k, name in enumerate(known.classes):
        drawn, filled = int(known.annotated[:, k].sum()), int(known.filled[:, k].sum())
        if not drawn == filled == len(known.facts):
            lines.append(f"{name}: annotated in {drawn} cases, filled in {filled}")
    return lines
