"""From the words of an experiment to a loss on logits."""

from collections.abc import Callable, Sequence

from torch import Tensor

from dicegrad.errors import InputError
from dicegrad.losses import DiceLoss, LeafDiceLoss, MarginalDiceLoss

Objective = Callable[[Tensor, Tensor], Tensor]


def make_objective(
    loss: str, phi: str, epsilon: float | Sequence[float], classes: Sequence[str]
) -> Objective:
    """The loss of an experiment, for logits (B, K, X, Y, Z) and label maps (B, X, Y, Z).

    One class is a sigmoid map; several are a softmax with the background first, which is left
    out of the Dice and leaf Dice loss, and part of the marginal one, as in the paper.

    Args:
        loss: `dice`, `marginal` or `leaf`.
        phi: Reduction of the Dice loss: `I`, `CI`, `BI` or `BCI`.
        epsilon: One number, or one per class.
        classes: Foreground classes.

    Raises:
        InputError: For another loss, or marginal Dice of a single class, which has no background
            map for the missing class to join.
    """
    binary = len(classes) == 1
    if isinstance(epsilon, Sequence) and len(epsilon) == 1:
        epsilon = epsilon[0]  # the sums over classes take a single number
    activation = "sigmoid" if binary else "softmax"
    if loss == "dice":
        return DiceLoss(phi, epsilon, activation=activation, include_background=binary)
    if loss == "leaf":
        return LeafDiceLoss(epsilon, activation=activation)
    if loss == "marginal" and not binary:
        return MarginalDiceLoss(epsilon, activation=activation)
    if loss == "marginal":
        raise InputError(
            f"loss marginal needs a background map, which the one class {classes[0]!r} has not; "
            "use it with two classes or more"
        )
    raise InputError(f"loss is {loss!r}; allowed: dice, marginal, leaf")
