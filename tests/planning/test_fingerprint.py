import nibabel
import numpy as np
import pytest

from dicegrad.data.adapters import get_adapter
from dicegrad.planning.fingerprint import take_fingerprint
from tests.conftest import find_cases, refusal
from tests.decathlon import CLASSES, write_decathlon


def taken(root, classes=CLASSES):
    return take_fingerprint(root, get_adapter("nnunet", root), find_cases("nnunet", root), classes)


@pytest.fixture
def root(tmp_path):
    return write_decathlon(tmp_path / "balls", count=4, spacing=(1.0, 1.0, 2.0))


def test_it_holds_spacing_volumes_and_how_far_labels_reach(root):
    known = taken(root)
    assert known.spacing == (1.0, 1.0, 2.0)
    assert known.volumes.shape == (4, 2)
    assert np.all((known.volumes > 0.04) & (known.volumes < 0.5))  # ml
    for facts in known.facts:
        assert facts.size == (20, 18, 12)
        for low, high, length in zip(facts.low, facts.high, facts.size, strict=True):
            assert -length / 2 <= low < high <= length / 2
    assert known.filled.all()
    assert known.annotated.all()


def test_reach_is_that_of_the_chosen_classes(root):
    every, box = taken(root), taken(root, ("box",))
    assert box.volumes.shape == (4, 1)
    for one, both in zip(box.facts, every.facts, strict=True):
        assert all(a >= b for a, b in zip(one.low, both.low, strict=True))
        assert all(a <= b for a, b in zip(one.high, both.high, strict=True))
        assert one.low[0] > both.low[0]  # the ball lies before the box


@pytest.mark.parametrize(("modality", "ct"), [("CT", True), ("MRI", False), ("T1 CT mix", True)])
def test_ct_is_known_by_its_name(tmp_path, modality, ct):
    assert taken(write_decathlon(tmp_path / "balls", count=2, modality=modality)).ct is ct


def test_intensities_are_those_of_labelled_voxels(root):
    (of,) = taken(root).intensities
    assert 100 < of.low < of.mean < of.high < 300
    assert of.lowest < 50


def test_a_class_that_no_case_holds_is_named(tmp_path):
    root = write_decathlon(tmp_path / "balls", count=2, annotated={0: "ball", 1: "ball"})
    assert "no case has a voxel of box; leave it out, as --classes ball" in refusal(taken, root)


def test_spacings_are_compared_after_the_axes_were_turned(root):
    for path in sorted(root.glob("*Tr/scan_001.nii.gz")):
        image = nibabel.load(path)
        turn = [[1, -1], [2, 1], [0, 1]]  # x becomes y, reversed
        nibabel.save(image.as_reoriented(np.array(turn)), path)
    stored = nibabel.load(root / "imagesTr" / "scan_001.nii.gz")
    assert stored.shape != (20, 18, 12)
    known = taken(root)
    assert known.orientation == "RAS"
    assert {facts.size for facts in known.facts} == {(20, 18, 12)}
    assert {facts.spacing for facts in known.facts} == {(1.0, 1.0, 2.0)}


def test_a_label_is_not_turned_where_its_image_says_nothing_of_place(root):
    for kind in ("images", "labels"):
        for path in root.glob(f"{kind}Tr/*.nii.gz"):
            image = nibabel.load(path)
            image = image.as_reoriented(np.array([[1, -1], [2, 1], [0, 1]]))
            for form in (image.set_qform, image.set_sform):
                form(None if kind == "images" else image.affine, int(kind == "labels"))
            nibabel.save(image, path)
    stored = nibabel.load(next(root.glob("labelsTr/*.nii.gz"))).shape
    assert {facts.size for facts in taken(root).facts} == {stored}
