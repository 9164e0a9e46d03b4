"""The figure of examples shows the right slices the right way round, and stays readable."""

from dataclasses import replace

import numpy as np
import pytest

from dicegrad.errors import InputError
from dicegrad.reporting.figures.examples import plot_examples
from dicegrad.reporting.figures.views import Example, view_case
from tests.reporting.drawing import assert_readable, assert_written

HEART = {"LV": (3,), "MYO": (2,), "RV": (1,)}


@pytest.fixture
def heart(save_nifti):
    """A ring around a cavity and a box beside it, in slices 2 to 4 of 6."""
    x, y = np.meshgrid(np.arange(40), np.arange(36), indexing="ij")
    radius = np.hypot(x - 25, y - 18)
    plane = np.where(radius < 4, 3, np.where(radius < 8, 2, 0)).astype(np.uint8)
    plane[10:15, 14:22] = 1
    label = np.zeros((40, 36, 6), np.uint8)
    label[..., 2:5] = plane[..., None]
    image = (label * 50 + np.random.default_rng(0).normal(0, 5, label.shape)).astype(np.float32)
    empty = np.where(label == 2, 0, label).astype(np.uint8)
    return {
        "image": save_nifti("image", image),
        "truth": save_nifti("truth", label),
        "same": save_nifti("same", label),
        "empty": save_nifti("empty", empty),
    }


def examples(heart, batch_sizes=(2,), without=()):
    predictions = {"I": heart["same"], "BI": heart["empty"], "I_eps": heart["empty"]}
    predictions = {name: path for name, path in predictions.items() if name not in without}
    return [
        Example(f"p1_{g}", g, heart["image"], heart["truth"], predictions, gone, size)
        for size in batch_sizes
        for g, gone in (("ED", ()), ("ES", ("MYO",)))
    ]


@pytest.mark.parametrize("batch_sizes", [(2,), (1, 8)])
def test_examples_are_readable(heart, batch_sizes, tmp_path, drawn):
    stem = tmp_path / "examples"
    paths = plot_examples(examples(heart, batch_sizes), HEART, stem, title="heart")
    assert_written(paths, stem)
    assert_readable(drawn)


def test_a_prediction_that_is_missing_leaves_its_panel_empty(heart, tmp_path, drawn):
    first, _ = examples(heart, without=("BI",))
    _, second = examples(heart)
    plot_examples([first, second], HEART, tmp_path / "examples")
    (texts,) = drawn.values()
    assert [text.get_text() for text in texts].count("not\nrun") == 1
    assert plot_examples([], HEART, tmp_path / "none")[0].exists()


def test_the_slice_holds_the_structure_and_is_cut_across_the_largest_voxels(heart):
    view = view_case(examples(heart)[1], HEART)
    assert set(np.unique(view.labels["truth"])) == {0, 1, 2, 3}
    assert 2 not in view.labels["BI"]
    assert view.pixel_mm == (1.5, 1.5)
    assert view.marks == ("R", "A")
    assert view.image.shape == view.labels["truth"].shape


def corner(save_nifti, affine, plane_axes=(0, 1)):
    """A case whose one labelled voxel block lies at the patient's right and front."""
    label = np.zeros((20, 20, 4), np.uint8)
    ras = np.zeros((20, 20), np.uint8)
    ras[15:18, 14:18] = 3  # x grows to the right, y to the front
    for axis in plane_axes:
        if affine[axis, axis] < 0:
            ras = np.flip(ras, axis)
    label[..., 1:3] = ras[..., None]
    paths = [save_nifti(name, label.astype(np.int16), affine) for name in ("i", "t", "p")]
    return Example("case", "ED", paths[0], paths[1], {"I": paths[2]})


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (-1, -1)])
def test_patient_right_is_on_the_left_and_front_on_top(save_nifti, signs):
    affine = np.diag([signs[0] * 2.0, signs[1] * 2.0, 8.0, 1.0])
    view = view_case(corner(save_nifti, affine), HEART)
    rows, columns = np.nonzero(view.labels["truth"])
    height, width = view.labels["truth"].shape
    # The block is nearer to the image's front and right border, so the crop shows it off-centre.
    assert rows.mean() < height / 2
    assert columns.mean() < width / 2


def test_a_prediction_on_another_grid_is_refused(heart, save_nifti, tmp_path):
    small = save_nifti("small", np.zeros((5, 5, 5), np.uint8))
    case = Example("p", "ED", heart["image"], heart["truth"], {"I": small})
    with pytest.raises(InputError, match=r"small\.nii\.gz"):
        plot_examples([case], HEART, tmp_path / "examples")


def test_titles_of_examples_with_one_setup_and_long_names_stay_apart(heart, tmp_path, drawn):
    cases = [
        replace(example, case=f"a_long_name_of_a_patient_{example.case}")
        for example in examples(heart, without=("BI", "I_eps"))
    ]
    plot_examples(cases, HEART, tmp_path / "examples", title="heart")
    assert_readable(drawn)
