import numpy as np
import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.training.dataset import PreparedData, load_prepared


@pytest.fixture
def prepared(tmp_path):
    """Files of three cases with two channels, and what they hold."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 2, 4, 5, 6)).astype(np.float16)
    labels = rng.integers(0, 3, (3, 4, 5, 6)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    return tmp_path / "images.npy", tmp_path / "labels.npy", images, labels


def load(prepared, cases=("a", "b", "c")):
    return load_prepared(*prepared[:2], cases, ["x", "y"])


def test_a_batch_holds_the_cases_asked_for_in_that_order(prepared):
    image, label, annotated = load(prepared).batch([2, 0, 2])
    assert annotated is None
    assert (image.dtype, label.dtype) == (torch.float32, torch.uint8)
    np.testing.assert_array_equal(image.numpy(), prepared[2][[2, 0, 2]].astype(np.float32))
    np.testing.assert_array_equal(label.numpy(), prepared[3][[2, 0, 2]])


def test_the_files_stay_as_they_are_whatever_is_done_to_the_arrays(prepared):
    before = [path.read_bytes() for path in prepared[:2]]
    data = load(prepared)
    data.images.zero_()
    data.labels.zero_()
    assert [path.read_bytes() for path in prepared[:2]] == before


def test_arrays_that_do_not_fit_the_cases_are_refused(prepared):
    with pytest.raises(InputError, match=r"of shape \(3, 2, 4, 5, 6\), but float16 of sha"):
        load(prepared, ("a", "b"))
    with pytest.raises(InputError, match=r"labels \(1, 4, 4, 5\); expected \(1, C, X, Y, Z\)"):
        PreparedData(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 4, 4, 5), ("a",), ("x",))


def test_labels_beyond_the_classes_are_refused(prepared):
    with pytest.raises(InputError, match=r"labels go up to 2, but there are 1 classes \(x\)"):
        load_prepared(*prepared[:2], ("a", "b", "c"), ["x"])


def test_the_fingerprint_tells_a_single_voxel_of_image_or_label(prepared):
    data = load(prepared)
    first = data.fingerprint()
    assert load(prepared).fingerprint() == first
    data.images[2, 1, 0, 0, 0] += 1
    second = data.fingerprint()
    data.labels[0, 3, 4, 5] += 1
    assert len({first, second, data.fingerprint()}) == 3


def test_a_batch_holds_what_is_annotated_in_its_cases(prepared):
    known = np.array([[True, False], [False, False], [True, True]])
    data = load_prepared(*prepared[:2], ("a", "b", "c"), ["x", "y"], annotated=known)
    _, _, annotated = data.batch(data.numbers([2, 0]))
    assert annotated.tolist() == [[True, True], [True, False]]
    assert data.fingerprint() != load(prepared).fingerprint()


def test_ignored_voxels_are_no_class(prepared):
    data = load(prepared)
    assert not data.has_ignored
    prepared[3][0, 0, 0, 0] = 255
    np.save(prepared[1], prepared[3])
    assert load(prepared).has_ignored
