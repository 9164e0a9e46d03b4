import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dicegrad.evaluation.metrics import (
    dice,
    dice_under_rule,
    hd95_of,
    surface_dice_of,
    surface_distances,
)

masks = hnp.arrays(bool, (4, 5, 3))
SPACING = (1.5, 1.5, 10.0)


def hd95(a, b, spacing):
    return hd95_of(*surface_distances(a, b, spacing))


def surface_dice(a, b, spacing, tolerance):
    return surface_dice_of(*surface_distances(a, b, spacing), tolerance)


def box(*bounds, shape=(12, 10, 8)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*bound) for bound in bounds)] = True
    return mask


def test_dice_of_two_boxes_by_hand():
    a, b = box((0, 4), (0, 2), (0, 1)), box((2, 6), (0, 2), (0, 1))
    assert dice(a, b) == 2 * 4 / (8 + 8)


@given(masks, masks)
def test_dice_is_symmetric_and_within_bounds(a, b):
    assert 0 <= dice(a, b) == dice(b, a) <= 1


@given(masks)
def test_dice_of_a_map_with_itself_is_one(a):
    assert dice(a, a) == 1


def test_two_empty_maps_score_one_and_one_empty_map_scores_zero():
    empty, full = box((0, 0), (0, 0), (0, 0)), box((1, 3), (1, 3), (1, 3))
    assert dice(empty, empty) == 1
    assert dice(empty, full) == dice(full, empty) == 0


def test_hd95_of_a_shifted_box_is_the_shift_in_mm():
    a, b = box((2, 5), (2, 5), (2, 5)), box((2, 5), (2, 5), (3, 6))
    assert hd95(a, b, SPACING) == pytest.approx(10)
    assert hd95(a, b, (1, 1, 2.5)) == pytest.approx(2.5)


def test_surface_dice_counts_what_lies_within_the_tolerance():
    a, b = box((2, 5), (2, 5), (2, 5)), box((2, 5), (2, 5), (3, 6))
    assert surface_dice(a, b, (1, 1, 1), 1) == 1
    # The 3 x 3 x 3 boxes share the middle of their side walls only where both have surface there.
    assert 0 < surface_dice(a, b, (1, 1, 1), 0.5) < 1


def test_a_structure_at_the_border_of_the_image_has_a_surface_there():
    a, b = box((0, 3), (0, 3), (0, 8)), box((0, 3), (0, 3), (0, 8))
    assert hd95(a, b, SPACING) == 0
    assert surface_dice(a, b, SPACING, 0) == 1


def test_rules_for_empty_maps_are_those_of_the_frameworks():
    dsc, true, pred = [1, 0, 0, 0.7], [0, 0, 5, 5], [0, 3, 0, 4]
    nan = np.nan
    for rule, expected in {
        "dicegrad": [1, 0, 0, 0.7],
        "deepvoxnet2": [1, 0, 0, 0.7],
        "nnunet": [nan, 0, 0, 0.7],
        "monai": [nan, nan, 0, 0.7],
    }.items():
        np.testing.assert_array_equal(dice_under_rule(dsc, true, pred, rule), expected)


@pytest.fixture(scope="module")
def monai_metrics():
    pytest.importorskip("monai")
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

    def both(mask):  # (1, background and foreground, X, Y, Z)
        return torch.tensor(np.stack([~mask, mask])[None].astype(np.float32))

    def all_three(truth, prediction, tolerance):
        y, y_pred = both(truth), both(prediction)
        distance = compute_hausdorff_distance(y_pred, y, percentile=95, spacing=SPACING)
        near = compute_surface_dice(y_pred, y, [tolerance], spacing=SPACING)
        overlap = compute_dice(y_pred, y, include_background=False)
        return float(overlap), float(distance), float(near)

    return all_three


@pytest.mark.parametrize("seed", range(6))
def test_metrics_agree_with_monai(monai_metrics, seed):
    rng = np.random.default_rng(seed)
    lows, sizes = rng.integers(0, 5, (2, 3)), rng.integers(2, 6, (2, 3))
    a, b = (
        box(*((low, low + size) for low, size in zip(*corner, strict=True)))
        for corner in zip(lows, sizes, strict=True)
    )
    b ^= rng.random(b.shape) < 0.02  # stray voxels make the surfaces ragged
    overlap, distance, near = monai_metrics(a, b, 2.0)
    assert dice(a, b) == pytest.approx(overlap, abs=1e-6)
    assert hd95(a, b, SPACING) == pytest.approx(distance, rel=1e-5)
    assert surface_dice(a, b, SPACING, 2.0) == pytest.approx(near, rel=1e-5)


def test_monai_leaves_an_empty_truth_out_as_the_rule_says(monai_metrics):
    empty, full = box((0, 0), (0, 0), (0, 0)), box((1, 3), (1, 3), (1, 3))
    assert np.isnan(monai_metrics(empty, empty, 2.0)[0])
    assert np.isnan(monai_metrics(empty, full, 2.0)[0])


@given(masks, masks, st.sampled_from([0.0, 1.0, 3.0]))
def test_surface_dice_grows_with_the_tolerance(a, b, tolerance):
    assume(a.any() and b.any())
    assert surface_dice(a, b, SPACING, tolerance) <= surface_dice(a, b, SPACING, tolerance + 5)
