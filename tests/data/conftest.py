"""Small datasets, written into a temporary folder by the phantoms."""

import pytest

from dicegrad.data.phantoms import write_phantom


@pytest.fixture
def heart(tmp_path):
    """Root of a heart phantom of two patients, ACDC layout."""
    write_phantom("heart", tmp_path / "acdc", subjects=2, seed=0)
    return tmp_path / "acdc"


@pytest.fixture
def tumor(tmp_path):
    """Root of a tumor phantom of three subjects, BRATS layout: HGG, LGG, HGG."""
    write_phantom("tumor", tmp_path / "brats", subjects=3, seed=0, shape=(24, 24, 12))
    return tmp_path / "brats"
