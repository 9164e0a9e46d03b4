"""How well a hard segmentation matches its truth, with one rule for empty maps.

The rule: DSC is 1 where truth and prediction are both empty, 0 where one of them is. It is the
limit of Eq. 3 for epsilon -> 0, and it scores a rightly empty map, which is what the study is
about; NaN would leave exactly those cases out of the mean. What other frameworks do with the same
case is in `EMPTY_RULES` and docs/statistics.md.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]

# Name -> (DSC where both are empty, DSC where only the truth is empty). With a truth that is not
# empty, all of them give the plain DSC (0 for an empty prediction).
EMPTY_RULES: dict[str, tuple[float, float]] = {
    "dicegrad": (1.0, 0.0),
    "monai": (np.nan, np.nan),  # DiceMetric(ignore_empty=True), its default
    "nnunet": (np.nan, 0.0),  # NaN only where tp + fp + fn == 0
    "deepvoxnet2": (1.0, 0.0),  # epsilon 1e-7 in both: 1, and 1e-7 / v which prints as 0
}


def dice(truth: Mask, prediction: Mask) -> float:
    """Dice similarity coefficient of two binary maps (Eq. 2).

    Args:
        truth: Boolean map of any shape.
        prediction: Boolean map of the same shape.

    Returns:
        2 |Y and Y'| / (|Y| + |Y'|), in [0, 1]; 1 where both are empty.

    Example:
        >>> dice(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    total = int(truth.sum()) + int(prediction.sum())
    if total == 0:
        return 1.0
    return 2 * int((truth & prediction).sum()) / total


def dice_under_rule(
    dsc: npt.ArrayLike, volume_true: npt.ArrayLike, volume_pred: npt.ArrayLike, rule: str
) -> npt.NDArray[np.float64]:
    """Restate DSC values under another framework's rule for empty maps.

    Args:
        dsc: DSC per case, as `dice` gives it.
        volume_true: True volume per case, any unit; 0 means an empty truth.
        volume_pred: Predicted volume per case.
        rule: A key of `EMPTY_RULES`.

    Returns:
        DSC per case under that rule; NaN where the rule leaves a case out.
    """
    both, truth_only = EMPTY_RULES[rule]
    empty_truth = np.asarray(volume_true) == 0
    empty_pred = np.asarray(volume_pred) == 0
    restated = np.where(empty_truth & ~empty_pred, truth_only, np.asarray(dsc, dtype=float))
    return np.where(empty_truth & empty_pred, both, restated)


def surface_distances(
    truth: Mask, prediction: Mask, spacing: Sequence[float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances between the surface voxels of two maps that are not empty.

    Args:
        truth: Boolean map (X, Y, Z).
        prediction: Boolean map of the same shape.
        spacing: Voxel size per axis, mm.

    Returns:
        From each surface voxel of the truth to the nearest of the prediction, and the other way
        round, in mm. A surface voxel has a background voxel (or the border) among its six
        neighbours.
    """
    window = ndimage.find_objects((truth | prediction).astype(np.uint8))[0]
    # One voxel of air, so that a structure cut by the window still has a surface there.
    edges = [np.pad(mask[window], 1) for mask in (truth, prediction)]
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in edges]
    to_truth, to_prediction = (
        ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges
    )
    return to_prediction[edges[0]], to_truth[edges[1]]


def hd95_of(there: npt.NDArray[np.float64], back: npt.NDArray[np.float64]) -> float:
    """HD95 (mm) from the two lists of `surface_distances`."""
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def surface_dice_of(
    there: npt.NDArray[np.float64], back: npt.NDArray[np.float64], tolerance: float
) -> float:
    """Normalised surface Dice from the two lists of `surface_distances`."""
    near = int((there <= tolerance).sum()) + int((back <= tolerance).sum())
    return near / (there.size + back.size)
