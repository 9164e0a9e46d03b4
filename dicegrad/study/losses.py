"""The one table of losses: what the column `loss` of an experiment table may hold.

Schema, command line, checks, names of setups and comparisons take their words from here. To add a
loss, write a module with the loss and a function that makes it, and add a line to `LOSSES`.
"""

from dataclasses import dataclass

PHIS = ("I", "CI", "BI", "BCI")
NONE = "none"  # phi and epsilon of a loss that has neither
CE = "CE"

AS_EMPTY, IGNORED, MARGINAL = "as_empty", "ignored", "marginal"
UNANNOTATED = (AS_EMPTY, IGNORED, MARGINAL)


@dataclass(frozen=True)
class Loss:
    """One value of the column `loss`.

    Attributes:
        make: `module:function` that takes a `training.objective.Wanted` and returns the loss.
        setup: Name of a setup with this loss; `{dice}` stands for the Dice term's own name, which
            tells phi and epsilon.
        phis: Values of phi that it takes; none for a loss without phi and epsilon.
        heuristic: Whether epsilon may be `heuristic` or a multiple of it.
        cross_entropy: Whether a part of it learns a map that is empty in the training truth as
            background, whatever phi and epsilon are.
        several: Whether it needs two classes or more, since a missing class joins the background.
        unannotated: Values of the column `unannotated` that it takes.
        overlapping: Whether it takes classes that overlap, which have no background.
    """

    make: str
    setup: str
    phis: tuple[str, ...] = PHIS
    heuristic: bool = True
    cross_entropy: bool = False
    several: bool = False
    unannotated: tuple[str, ...] = (AS_EMPTY,)
    overlapping: bool = True


_HERE = "dicegrad.training.objective"

LOSSES: dict[str, Loss] = {
    "dice": Loss(f"{_HERE}:dice", "{dice}", unannotated=UNANNOTATED),
    "marginal": Loss(
        f"{_HERE}:marginal",
        "marginal",
        ("I",),
        heuristic=False,
        several=True,
        overlapping=False,
        unannotated=(AS_EMPTY, MARGINAL),
    ),
    "leaf": Loss(
        f"{_HERE}:leaf",
        "leaf",
        ("I",),
        heuristic=False,
        unannotated=(AS_EMPTY, IGNORED),
        overlapping=False,
    ),
    "dice_ce": Loss(f"{_HERE}:dice_ce", "{dice}+CE", cross_entropy=True, unannotated=UNANNOTATED),
    "cross_entropy": Loss(
        f"{_HERE}:cross_entropy", CE, (), cross_entropy=True, unannotated=UNANNOTATED
    ),
    "marginal_ce": Loss(
        f"{_HERE}:marginal_ce",
        "marginal CE",
        (),
        several=True,
        overlapping=False,
        unannotated=(AS_EMPTY, MARGINAL),
    ),
    "marginal_dice_ce": Loss(
        f"{_HERE}:marginal_dice_ce",
        "marginal+CE",
        ("I",),
        heuristic=False,
        several=True,
        overlapping=False,
        unannotated=(AS_EMPTY, MARGINAL),
    ),
    "tversky": Loss(f"{_HERE}:tversky", "Tversky {dice}", unannotated=UNANNOTATED),
    "jaccard": Loss(f"{_HERE}:jaccard", "Jaccard {dice}", unannotated=UNANNOTATED),
    "generalized": Loss(
        f"{_HERE}:generalized",
        "generalized {dice}",
        ("CI", "BCI"),
        heuristic=False,
        unannotated=(AS_EMPTY, IGNORED),
    ),
}

ANNOTATED = ".annotated"  # ends the name of a labeling's table of which annotated maps alone count


def annotated_only(unannotated: str) -> bool:
    """Whether only annotated maps count in the heuristic epsilon of an experiment.

    Args:
        unannotated: One of `UNANNOTATED`. A loss that takes a missing map as empty counts it as
            empty; one that is told which maps are annotated counts these alone.

    Example:
        >>> annotated_only("as_empty"), annotated_only("ignored")
        (False, True)
    """
    return unannotated != AS_EMPTY
