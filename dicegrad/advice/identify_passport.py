"""What `identify` finds out."""

from dataclasses import asdict, dataclass
from typing import Any

from dicegrad.advice.identify_push import VOLUME

UNKNOWN = "unknown"
Known = float | str  # a number, or "unknown"


@dataclass(frozen=True)
class Passport:
    """What a loss is. Whatever is not certain is "unknown".

    Attributes:
        loss: The loss in words.
        phi: Reduction of the Dice part; "none" if there is none.
        same_phi: Reductions that would be the same function.
        epsilon_numerator: Smoothing term above, in voxels, as in Eq. 3. For shapes "jaccard" and
            "tversky" it stands beside I, not 2 I.
        epsilon_denominator: The same below.
        norm: "l1" or "l2".
        shape: "dice", "jaccard", "tversky", "generalized-square", "generalized-simple" or "none".
        alpha: Factor of the false positives.
        beta: Factor of the false negatives.
        background: Whether channel 0 takes part in the Dice part; "binary" for a single channel.
        weights: One factor per class of the Dice part, or None if they are equal.
        dice_factor: Factor of the Dice part.
        cross_entropy: Factor of the cross-entropy, 0 if none.
        cross_entropy_weights: One factor per label, or None.
        exclusion: Factor of the exclusion loss, which adds the mean of Dice(p, 1 - y) over the
            foreground; 0 if there is none.
        exclusion_weights: Where it is not that mean, factors of Dice(p, 1 - y) by channel, which
            are added up and divided by the number of foreground classes; None if it is.
        joined: Channels that are background to the loss whatever their labels: probabilities are
            added up, and labels count as 0.
        focal: Factor of a focal part, 0 if none; focal_gamma is its exponent.
        focal_gamma: See focal.
        activation: "softmax", "sigmoid" or "none" (it wants probabilities).
        mean: What becomes of a subset without a true voxel in the mean.
        reduction: "mean" or "sum".
        denominator_floor: Lowest value of the denominator, 0 if none is met; of the generalised
            Dice, that of each class.
        sign: "loss", or "score" if larger is better.
        offset: What is added: 1 for 1 - Dice, 0 for -Dice.
        empty_map: "ignored", "learnt", "background", "undefined" or "unknown".
        push_ratio: Push on an empty map as a share of that on the background of a filled one, in a
            batch of the two, for an object of push_volume voxels of which half is predicted.
        push_volume: In voxels.
        nothing_predicted: Value where a class is neither there nor predicted.
        ignore_index: Labels whose voxels have no gradient.
        ignored_voxels: "removed", "counted", "before the activation" (their logits become 0, and
            they still count in the predicted volumes), "none" or "unknown".
        gradient: "of the value", "not of the value" (a term is detached), "none" (a metric).
        takes: Forms of labels that it takes.
        channels: 4 or 1 (3 or 2 if it takes no others), in which it was probed.
        twin: The same loss in this package, or "unknown".
        twin_annotated: Channels that the twin has to be told are annotated, the others not; None if
            it is told nothing.
        twin_differs: Kinds of maps on which the twin is further off than 1e-5.
        confirmed: Kinds of maps on which the description gives value and gradient to 1e-5.
    """

    loss: str
    phi: str = UNKNOWN
    same_phi: tuple[str, ...] = ()
    epsilon_numerator: Known = UNKNOWN
    epsilon_denominator: Known = UNKNOWN
    norm: str = UNKNOWN
    shape: str = UNKNOWN
    alpha: Known = UNKNOWN
    beta: Known = UNKNOWN
    background: bool | str = UNKNOWN
    weights: tuple[float, ...] | str | None = UNKNOWN
    dice_factor: Known = UNKNOWN
    cross_entropy: Known = UNKNOWN
    cross_entropy_weights: tuple[float, ...] | str | None = UNKNOWN
    exclusion: Known = UNKNOWN
    exclusion_weights: tuple[float, ...] | None = None
    joined: tuple[int, ...] = ()
    focal: Known = UNKNOWN
    focal_gamma: Known | None = UNKNOWN
    activation: str = UNKNOWN
    mean: str = UNKNOWN
    reduction: str = UNKNOWN
    denominator_floor: Known = UNKNOWN
    sign: str = UNKNOWN
    offset: Known = UNKNOWN
    empty_map: str = UNKNOWN
    push_ratio: Known = UNKNOWN
    push_volume: int = VOLUME
    nothing_predicted: Known = UNKNOWN
    ignore_index: tuple[int, ...] = ()
    ignored_voxels: str = UNKNOWN
    gradient: str = UNKNOWN
    takes: tuple[str, ...] = ()
    channels: int = 4
    twin: str = UNKNOWN
    twin_annotated: tuple[int, ...] | None = None
    twin_differs: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        return asdict(self)

    @property
    def text(self) -> str:
        """For people, one line per finding."""
        from dicegrad.advice.identify_text import describe

        return describe(self)
