"""The paper's ACDC protocol on the real data; DICEGRAD_ACDC names the folder of patient001/..."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from dicegrad.data.acdc import ACDC
from dicegrad.data.volumes import read_volume
from dicegrad.prediction.restoration import restore
from dicegrad.preprocessing.encoding import encode_label
from dicegrad.preprocessing.epsilon import class_volumes, mean_volumes
from dicegrad.preprocessing.folds import make_folds
from dicegrad.preprocessing.grids import network_grid
from dicegrad.preprocessing.labeling import annotated_maps
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.resampling import resample_label
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study.labeling import Labeling, Removal
from tests.conftest import find_cases

CLASSES = ("LV", "MYO", "RV")
PARTIAL_LABELS = Labeling("partial", (Removal("ES", ("MYO",)),))
SETTINGS = Preprocessing.from_dict(
    {
        "spacing": [1.5625, 1.5625, 2.5],
        "size": [192, 192, 48],
        "crop": "center",
        "antialias": False,
        "label": "distance",
        "normalisation": {"over": "whole", "clip": ["1/101", "100/101"]},
    }
)
# Mean voxels per training case and fold, (LV, MYO, RV): the authors' protocol on the same data.
FULL = [
    (19433, 19422, 16972),
    (19843, 19849, 17388),
    (20561, 20087, 18168),
    (20386, 19889, 18701),
    (20307, 20214, 17897),
]
PARTIAL = [
    (21801, 13368, 19215),
    (22293, 13704, 19695),
    (23059, 13852, 20577),
    (22873, 13782, 21111),
    (22830, 13997, 20213),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "DICEGRAD_ACDC" not in os.environ,
        reason="DICEGRAD_ACDC does not name the folder of patient001/...",
    ),
]


@pytest.fixture(scope="module")
def cases():
    return find_cases("acdc", Path(os.environ["DICEGRAD_ACDC"]))


@pytest.fixture(scope="module")
def study(cases):
    """What 200 volumes are on the network's grid.

    Per case and class: voxels there, the ml of the original label between the first and last slice
    centres, and the DSC of the way there and back.
    """
    volumes, covered, scores = [], [], []
    for case in cases:
        raw = read_volume(case.label)
        truth, original = encode_label(raw.voxels, ACDC, CLASSES), raw.grid
        grid = network_grid(raw, SETTINGS)
        label = resample_label(truth, original, grid, 3, SETTINGS.label, SETTINGS.antialias)
        volumes.append(class_volumes(label[None], 3)[0])
        slices = np.stack([(truth == k).sum(axis=(0, 1)) for k in (1, 2, 3)]).astype(float)
        slices[:, [0, -1]] /= 2  # their outer halves lie beyond the grid
        covered.append(slices.sum(axis=1) * np.prod(original.spacing) / 1000)
        back = restore(label, grid, original)
        overlap = [2 * np.sum((back == k) & (truth == k)) for k in (1, 2, 3)]
        total = [np.sum(back == k) + np.sum(truth == k) for k in (1, 2, 3)]
        scores.append(np.divide(overlap, total))
    return np.array(volumes), np.array(covered), np.array(scores)


def test_epsilon_is_the_papers(cases, study):
    volumes, groups = study[0], [case.group for case in cases]
    partial = volumes * annotated_maps(
        cases, CLASSES, PARTIAL_LABELS, volumes, np.ones(len(volumes))
    )
    full = mean_volumes(volumes, groups)
    thrice = mean_volumes(partial, groups, {"ED": 3})
    assert full[1] == pytest.approx(19893, rel=1e-3)
    assert thrice[1] == pytest.approx(13741, rel=1e-3)
    # The paper gives one LV and one RV for both labelings: the mean of the two.
    assert (full[0] + thrice[0]) / 2 == pytest.approx(21339, rel=1e-3)
    assert (full[2] + thrice[2]) / 2 == pytest.approx(18993, rel=1e-3)


def test_mean_volumes_of_both_phases_are_the_protocols(cases, study):
    groups = np.array([case.group for case in cases])
    expected = {"ED": (25036.0, 18320.8, 22499.2), "ES": (15176.0, 21463.9, 13151.1)}
    for group, means in expected.items():
        np.testing.assert_allclose(study[0][groups == group].mean(axis=0), means, rtol=1e-3)


def test_the_volumes_of_each_case_are_those_of_its_original_label(study):
    millilitres, covered = study[0] * np.prod(SETTINGS.spacing) / 1000, study[1]
    for k in range(3):
        assert np.corrcoef(millilitres[:, k], covered[:, k])[0, 1] > 0.998
    # Distance maps round off what ends between two slices, 10 mm apart: a little is lost.
    heart = millilitres.sum(axis=1) / covered.sum(axis=1)
    assert (heart > 0.96).all()
    assert (heart < 1).all()
    assert np.median(millilitres / covered, axis=0) == pytest.approx(
        [0.997, 0.992, 0.980], abs=2e-3
    )


@pytest.mark.parametrize("fold", range(5))
def test_epsilon_of_each_fold_is_the_protocols(cases, study, fold):
    folds = make_folds(cases, 5, "modulo")
    chosen = np.array([folds[case.subject] != fold for case in cases])
    kept = [case for case, kept in zip(cases, chosen, strict=True) if kept]
    groups, volumes = [case.group for case in kept], study[0][chosen]
    np.testing.assert_allclose(mean_volumes(volumes, groups), FULL[fold], rtol=2e-3)
    partial = volumes * annotated_maps(
        kept, CLASSES, PARTIAL_LABELS, volumes, np.ones(len(volumes))
    )
    epsilon = mean_volumes(partial, groups, {"ED": 3})
    np.testing.assert_allclose(epsilon, PARTIAL[fold], rtol=2e-3)


def by_the_letter(label, spacing):
    """The protocol, step by step and slowly: vertices, nearest one, sigmoid, argmax."""
    voxel_points = np.indices(label.shape).reshape(3, -1).T * spacing
    inside, places = [], []
    for axis, (old, new) in enumerate(zip(spacing, SETTINGS.spacing, strict=True)):
        steps = np.arange(SETTINGS.size[axis]) - (SETTINGS.size[axis] - 1) / 2
        places.append(steps * new / old + (label.shape[axis] - 1) / 2)
        inside.append((places[-1] >= -1e-6) & (places[-1] <= label.shape[axis] - 1 + 1e-6))
    mask = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    points = np.meshgrid(*places, indexing="ij")
    probabilities = []
    for k in range(4):
        chosen = label == k
        vertices = []
        for axis in range(3):
            crossing = np.argwhere(np.diff(chosen, axis=axis)).astype(float)
            crossing[:, axis] += 0.5
            vertices.append(crossing * spacing)
        distance, _ = cKDTree(np.concatenate(vertices)).query(voxel_points)
        signed = np.where(chosen, -1, 1) * distance.reshape(label.shape)
        resampled = map_coordinates(signed, points, order=1, mode="nearest")
        # Distances tie exactly; rounding lets the first win, as it would in exact arithmetic.
        clipped = np.clip(np.where(mask, resampled, 100), -10, 10).round(9)
        probabilities.append(1 / (1 + np.exp(5 * clipped)))
    return np.argmax(probabilities, axis=0)


@pytest.mark.parametrize(
    "name", ["patient001_ED", "patient014_ED", "patient049_ES", "patient085_ED"]
)
def test_the_label_map_of_a_case_is_that_of_the_protocol_taken_by_the_letter(cases, name):
    case = next(case for case in cases if case.case == name)
    raw = read_volume(case.label)
    label, original = encode_label(raw.voxels, ACDC, CLASSES), raw.grid
    ours = resample_label(label, original, network_grid(raw, SETTINGS), 3)
    theirs = by_the_letter(label, np.array(original.spacing))
    assert np.count_nonzero(ours) > 20_000
    assert np.count_nonzero(ours != theirs) <= 2


def test_the_way_back_alone_keeps_the_labels(cases, study):
    scores = study[2]
    assert (scores.mean(axis=0) >= (0.99, 0.98, 0.99)).all()
    assert scores.mean(axis=1).min() >= 0.95
    low = [(cases[i].case, CLASSES[k]) for i, k in np.argwhere(scores < 0.95)]
    # Slices of 5 mm; the one is also finer in plane than the grid, and its wall thin.
    assert low == [("patient085_ED", "MYO"), ("patient095_ED", "MYO")]


def test_where_the_grid_already_fits_the_labels_come_back_exactly(cases):
    for case in (cases[0], cases[1], cases[118]):
        raw = read_volume(case.label)
        truth, original = encode_label(raw.voxels, ACDC, CLASSES), raw.grid
        np.testing.assert_allclose(original.spacing, (1.5625, 1.5625, 10), atol=1e-4)
        grid = network_grid(raw, SETTINGS)
        label = resample_label(truth, original, grid, 3, SETTINGS.label, SETTINGS.antialias)
        np.testing.assert_array_equal(restore(label, grid, original), truth)


def test_the_image_is_clipped_and_scored_over_the_whole_grid(cases):
    prepared = prepare_case(cases[0], ACDC, CLASSES, SETTINGS)
    image = prepared.image.astype(np.float64)
    assert image.mean() == pytest.approx(0, abs=1e-3)
    assert image.std() == pytest.approx(1, abs=1e-3)
    # Ten slices of 10 mm: 36 of the 48 planes lie between the first and the last.
    outside = image[0, :, :, [0, 5, 42, 47]]
    assert np.ptp(outside) == 0
    assert outside.flat[0] < 0
