"""The paper's BRATS protocol on one generated case in the layout and geometry of BRATS 2018."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from dicegrad.data.brats import BRATS, CHANNELS
from dicegrad.prediction.inference import predict_cases
from dicegrad.preprocessing.about import About
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study.schemas import read_yaml
from tests.conftest import find_cases

DATASET = Path(__file__).parents[2] / "config" / "datasets" / "brats.yaml"
SIZE = (240, 240, 155)
AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
BRAIN, TUMOR = (118, 126, 72), (130, 150, 84)  # centres
# The four modalities are bright in different planes, so that their order shows.
BRIGHT = dict(zip(CHANNELS, (60, 66, 72, 78), strict=True))


def settings_with(crop):
    return Preprocessing.from_dict(read_yaml(DATASET)["preprocessing"] | {"crop": crop})


def ball(centre, radii):
    axes = [((np.arange(n) - c) / r) ** 2 for n, c, r in zip(SIZE, centre, radii, strict=True)]
    return axes[0][:, None, None] + axes[1][:, None] + axes[2] < 1


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("brats2018")
    folder = root / "HGG" / "Brats18_X_1"
    folder.mkdir(parents=True)
    brain = ball(BRAIN, (65, 80, 66))
    for channel, plane in BRIGHT.items():
        volume = np.where(brain, np.int16(300), np.int16(0))
        volume[:, :, plane : plane + 4] *= 3
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / f"Brats18_X_1_{channel}.nii")
    radii = ((8, 2), (14, 4), (20, 1))
    label = np.select([ball(TUMOR, (r, r, r)) for r, _ in radii], [v for _, v in radii])
    nib.save(nib.Nifti1Image(label.astype(np.uint8), AFFINE), folder / "Brats18_X_1_seg.nii")
    (found,) = find_cases("brats", root)
    return found


class Knowing(nn.Module):
    """A network that says what it was told, whatever it sees."""

    def __init__(self, label):
        super().__init__()
        self.logits = nn.Parameter(20.0 * torch.from_numpy(label)[None, None] - 10)

    def forward(self, image):
        return self.logits.expand(len(image), -1, -1, -1, -1)


@pytest.mark.parametrize(("crop", "centre"), [("label", TUMOR), ("foreground", BRAIN)])
def test_a_case_goes_to_80_80_48_voxels_of_2_mm_and_back_to_240_240_155(
    case, crop, centre, tmp_path
):
    prepared = prepare_case(case, BRATS, ["tumor"], settings_with(crop))
    assert prepared.image.shape == (4, 80, 80, 48)
    assert prepared.grid.spacing == (2, 2, 2)
    # Voxel size // 2 lies on the centre; LPS turns the signs of x and y of the NIfTI affine.
    middle = np.array(prepared.grid.point((40, 40, 24)))
    np.testing.assert_allclose(middle, (centre[0], centre[1] - 239, centre[2]), atol=1)

    about = About(
        CHANNELS,
        ("tumor",),
        BRATS.class_values,
        None,
        {case.case: prepared.grid},
        {case.case: prepared.original},
    )
    network = Knowing(prepared.label.astype(np.float32)).eval()
    given = (network, [case.case], [prepared.image], about, "nearest", tmp_path)
    (volumes,) = predict_cases(*given, soft=True)
    back, truth = nib.load(tmp_path / f"{case.case}.nii.gz"), nib.load(case.label)
    assert back.shape == SIZE
    np.testing.assert_allclose(back.affine, truth.affine)
    predicted, true = np.asarray(back.dataobj) == 1, np.asarray(truth.dataobj) > 0
    assert 2 * np.sum(predicted & true) / (predicted.sum() + true.sum()) > 0.95
    assert volumes["tumor"] == pytest.approx(predicted.sum() / 1000, rel=0.01)


def test_channels_are_flair_t1_t1ce_t2_and_scored_over_the_whole_brain(case):
    prepared = prepare_case(case, BRATS, ["tumor"], settings_with("foreground"))
    image = prepared.image.astype(np.float32)
    inside = image[:, 38:42, 38:42]
    brightest = inside.mean(axis=(1, 2)).argmax(axis=1)
    z = prepared.grid.origin[2] + 2 * brightest
    np.testing.assert_allclose(z, [plane + 1.5 for plane in BRIGHT.values()], atol=1.5)
    # The same voxels of a grid that holds the whole brain, whose mean is 0 and deviation 1.
    large = replace(settings_with("foreground"), size=(120, 120, 80))
    whole = prepare_case(case, BRATS, ["tumor"], large).image.astype(np.float32)
    np.testing.assert_array_equal(whole[:, 20:100, 20:100, 16:64], image)
    for channel in whole:
        assert channel[channel != 0].mean() == pytest.approx(0, abs=1e-3)
        assert channel[channel != 0].std() == pytest.approx(1, abs=1e-3)
    assert (whole[:, 0, 0] == 0).all()
