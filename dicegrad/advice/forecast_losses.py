"""The losses that a forecast compares: ours, those of nnU-Net and MONAI, and identified ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from dicegrad.advice.identify_forms import MODES
from dicegrad.advice.identify_passport import UNKNOWN, Passport
from dicegrad.errors import InputError

HEURISTIC = "heuristic"
_NO_EPSILON = 1e-12  # in place of 0, which Eq. 3 does not take
_SILENT = set(MODES) - {"counted"}  # an empty map by itself is not pushed down


@dataclass(frozen=True)
class Candidate:
    """What a forecast needs to know of a loss.

    Attributes:
        name: For people.
        phi: Reduction of the Dice term, or None if there is none.
        epsilon: Smoothing term in voxels, or "heuristic": the mean volume of the maps that count.
        numerator: Whether epsilon stands in the numerator too, of an empty map as well; without it
            an empty map by itself has no gradient.
        dice: Factor of the Dice term.
        cross_entropy: Factor of the cross-entropy, by the logits.
        mask: Whether the loss is told what is annotated.
        inferred: Whether it takes an empty map for a missing one, so that it ignores both.
        measured: Push ratio of a loss that none of this describes, as `identify` measured it.
    """

    name: str
    phi: str | None = "I"
    epsilon: float | str = 1e-7
    numerator: bool = True
    dice: float = 1.0
    cross_entropy: float = 0.0
    mask: bool = False
    inferred: bool = False
    measured: float | None = None


KNOWN = (
    Candidate("Dice I"),
    Candidate("Dice I, heuristic epsilon", epsilon=HEURISTIC),
    Candidate("Dice BI", "BI"),
    Candidate("leaf Dice", inferred=True),
    Candidate("cross-entropy", None, dice=0.0, cross_entropy=1.0),
    Candidate("Dice I + cross-entropy", cross_entropy=1.0),
    Candidate("nnU-Net, batch_dice false", epsilon=1e-5, cross_entropy=1.0),
    Candidate("nnU-Net, batch_dice true", "BI", epsilon=1e-5, cross_entropy=1.0),
    Candidate("MONAI DiceLoss", epsilon=1e-5),
    Candidate("MONAI DiceCELoss", epsilon=1e-5, cross_entropy=1.0),
    Candidate("Dice BI, told what is annotated", "BI", mask=True),
    Candidate("Dice BI + cross-entropy, told", "BI", cross_entropy=1.0, mask=True),
)


def of_passports(passports: Sequence[Passport]) -> list[Candidate]:
    """Losses that `identify` has described.

    Raises:
        InputError: It could not tell what becomes of an empty map.
    """
    return [_of(each) for each in passports]


def _of(found: Passport) -> Candidate:
    factors = found.dice_factor, found.cross_entropy
    numbers = *factors, found.epsilon_numerator, found.epsilon_denominator
    plain = found.shape == "dice" and found.norm == "l1" and found.focal == 0
    excludes = found.exclusion_weights or found.exclusion not in (0.0, UNKNOWN)
    plain = plain and not excludes and not found.joined and _empty_maps_follow(found)
    if plain and not any(isinstance(number, str) for number in numbers):
        above, below = float(found.epsilon_numerator), float(found.epsilon_denominator)
        return Candidate(
            found.loss,
            found.phi,
            max(above or below, _NO_EPSILON),
            above > 0 and found.mean not in _SILENT,
            float(factors[0]),
            abs(float(factors[1])),
        )
    if found.shape == "none" and not isinstance(found.cross_entropy, str) and found.cross_entropy:
        return Candidate(found.loss, None, dice=0.0, cross_entropy=float(found.cross_entropy))
    if not isinstance(found.push_ratio, str):
        return Candidate(found.loss, None, measured=float(found.push_ratio))
    if found.empty_map == "ignored":
        return Candidate(found.loss, None, measured=0.0)
    raise InputError(
        f"{found.loss}: identify cannot tell what becomes of a map without a true voxel "
        f"(empty_map is {found.empty_map}, push_ratio {UNKNOWN}); leave it out of the forecast"
    )


def _empty_maps_follow(found: Passport) -> bool:
    """Whether phi and epsilon say what becomes of a map without a true voxel.

    They do not where nothing is known of the mean and of such maps, since the form was then
    confirmed on filled maps alone.
    """
    return found.mean != UNKNOWN or found.empty_map == "learnt"
