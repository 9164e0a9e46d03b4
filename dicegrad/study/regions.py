"""Classes that overlap, as nnU-Net's regions do: a voxel may be of several.

They share label values: whole tumor {1, 2, 3}, core {2, 3}, enhancing {3}. Each is a sigmoid map of
its own, while classes that exclude each other share a softmax.
"""

from collections.abc import Mapping, Sequence

from dicegrad.errors import InputError
from dicegrad.study.losses import AS_EMPTY, IGNORED, LOSSES, MARGINAL

# One bit of a byte for each class; 255 is for ignored voxels.
MOST = 7


def overlap(values: Mapping[str, Sequence[int]]) -> bool:
    """Whether two classes share a label value.

    Args:
        values: Label values of each class.

    Example:
        >>> overlap({"whole": (1, 2, 3), "core": (2, 3)}), overlap({"core": (2, 3), "edema": (1,)})
        (True, False)
    """
    every = [value for of_class in values.values() for value in of_class]
    return len(set(every)) < len(every)


def check_regions(where: str, values: Mapping[str, Sequence[int]], released: Sequence[str]) -> None:
    """See that overlapping classes can be told apart, and that nothing needs a background.

    Args:
        where: For the message.
        values: Label values of each class of the study.
        released: Switches of the authors' code.

    Raises:
        InputError: Two classes have the same values, there are too many of them, or a switch is
            about a softmax.
    """
    if not overlap(values):
        return
    if len(values) > MOST:
        raise InputError(
            f"{where}: {len(values)} classes, some of which share label values; at most {MOST} "
            "can: name fewer, or classes that exclude each other"
        )
    seen: dict[frozenset[int], str] = {}
    for name, of_class in values.items():
        other = seen.setdefault(frozenset(of_class), name)
        if other != name:
            raise InputError(
                f"{where}: classes {other} and {name} have the same label values; name one of them"
            )
    of_softmax = [each for each in released if each in ("loss_scale", "epsilon_broadcast")]
    if of_softmax:
        raise InputError(
            f"{where}: released has {of_softmax[0]}, which is about the background of a softmax; "
            "classes that share label values have none: remove it"
        )


def check_loss(loss: str, unannotated: str) -> None:
    """See that a row of the table fits classes that overlap.

    Raises:
        InputError: Its loss, or what it does with a missing class, needs a background.
    """
    if LOSSES[loss].overlapping and unannotated != MARGINAL:
        return
    given = f"loss {loss}" if not LOSSES[loss].overlapping else f"unannotated {MARGINAL}"
    takes = ", ".join(name for name, each in LOSSES.items() if each.overlapping)
    raise InputError(
        f"{given} needs a background, and classes that share label values have none; take one of "
        f"{takes}, with unannotated {AS_EMPTY} or {IGNORED}"
    )
