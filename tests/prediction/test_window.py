"""What networks are shown where their grid is moved over an image that is larger."""

import numpy as np
import pytest

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.volumes import Header, Volume, write_volume
from dicegrad.errors import InputError
from dicegrad.prediction import window
from dicegrad.prediction.inference import WayBack
from dicegrad.prediction.model import place_grid
from dicegrad.preprocessing.about import About
from dicegrad.preprocessing.prepare import prepare_case, prepare_images
from dicegrad.preprocessing.settings import Preprocessing

SIZE = (48, 40, 12)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ADAPTER = Adapter("toy", ("a",), ("ED",), {"LV": (1,)}, lambda root: Scan(()), list)
NORMALISATIONS = [
    {"over": "whole"},
    {"over": "whole", "clip": [0.01, 0.99]},
    {"over": "nonzero"},
    {"over": "nonzero", "clip": [0.01, 0.99]},
    {"window": [50, 150], "mean": 100, "std": 20},
]


def settings(**values):
    return Preprocessing.from_dict({"spacing": [1, 1, 1], "size": [16, 16, 12]} | values)


def body():
    """A body in the dark, brighter towards one side, and something bright that is off the grid."""
    voxels = np.zeros(SIZE, np.float32)
    voxels[8:40, 8:32] = np.random.default_rng(0).normal(100, 20, (32, 24, 12))
    voxels += np.linspace(0, 50, 48, dtype=np.float32)[:, None, None] * (voxels > 0)
    voxels[2:6, 2:6] = 3000
    return voxels


def on_the_large_one(grid, large):
    """Where a grid lies on the one that is moved over."""
    starts = (round(float(positions[0])) for positions in large.positions(grid))
    return tuple(slice(s, s + n) for s, n in zip(starts, grid.size, strict=True))


@pytest.mark.parametrize("spacing", [[1, 1, 1], [1.5, 1.5, 2]])
@pytest.mark.parametrize("crop", ["center", "snap", "foreground"])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_a_voxel_has_the_intensity_that_it_has_in_training(normalisation, crop, spacing):
    image = Volume(body(), Header.of_affine(SIZE, LPS))
    chosen = settings(spacing=spacing, crop=crop, normalisation=normalisation)
    trained, slid = prepare_images([image], chosen), prepare_images([image], chosen, whole=True)
    assert slid.image.size > trained.image.size
    part = slid.image[(slice(None), *on_the_large_one(trained.grid, slid.grid))]
    np.testing.assert_allclose(part, trained.image, rtol=2e-3, atol=2e-3)


def write_case(folder):
    header = Header.of_affine(SIZE, LPS)
    label = np.zeros(SIZE, np.uint8)
    label[28:36, 24:30, 4:9] = 1
    case = Case("c", "c", "ED", (folder / "i.nii.gz",), folder / "l.nii.gz")
    write_volume(case.images[0], body(), header)
    write_volume(case.label, label, header)
    return case


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("crop", ["center", "label", "foreground"])
def test_a_study_shows_a_held_out_case_as_it_would_have_trained_on_it(
    tmp_path, monkeypatch, crop, normalisation
):
    case, chosen = write_case(tmp_path), settings(crop=crop, normalisation=normalisation)
    prepared = prepare_case(case, ADAPTER, ("LV",), chosen)
    about = About(
        ("a",), ("LV",), {"LV": (1,)}, None, {"c": prepared.grid}, {"c": prepared.original}
    )
    shown, grids = [], []

    class Recording(WayBack):
        def write(self, case, prediction, grid):
            grids.append(grid)
            return []

    monkeypatch.setattr(window, "sliding_probabilities", lambda _, image, size: shown.append(image))
    window.slide_over_cases(None, [case], chosen, Recording(about, "linear", tmp_path, False))
    part = shown[0][(slice(None), *on_the_large_one(prepared.grid, grids[0]))]
    np.testing.assert_allclose(part, prepared.image, rtol=2e-3, atol=2e-3)


def test_a_grid_that_sees_none_of_the_image_has_no_mean_to_go_by():
    image = Volume(body(), Header.of_affine(SIZE, LPS))
    aside = settings(offset=[60, 0, 0], normalisation={"over": "whole", "clip": [0.01, 0.99]})
    with pytest.raises(InputError, match="sees none of the image"):
        prepare_images([image], aside, whole=True)
    assert prepare_images([image], settings(offset=[60, 0, 0]), whole=True).image.any()


def test_where_the_mean_is_that_of_a_grid_on_the_true_label_a_new_image_needs_another_place():
    nonzero = settings(crop="label")
    assert place_grid(nonzero, None, "w.pt", slide=True).crop == "center"
    whole = settings(crop="label", normalisation={"over": "whole"})
    with pytest.raises(InputError, match=r"w\.pt: preprocessing\.crop is label, .* add --crop"):
        place_grid(whole, None, "w.pt", slide=True)
    assert place_grid(whole, "foreground", "w.pt", slide=True).crop == "foreground"
