"""Numbers of a prepared label map: one for each class, or a bit for each where they overlap."""

from dataclasses import replace

import numpy as np
import pytest

from dicegrad.data.brats import BRATS
from dicegrad.data.geometry import Grid
from dicegrad.errors import InputError
from dicegrad.preprocessing.coding import Coding, raw_codes, written_values
from dicegrad.preprocessing.encoding import encode, encode_label, resample_coded
from dicegrad.preprocessing.epsilon import class_volumes
from dicegrad.preprocessing.labeling import IGNORE, apply_labeling
from dicegrad.preprocessing.resampling import resample_label
from dicegrad.preprocessing.settings import Preprocessing

# BRATS as nnU-Net writes it: 1 edema, 2 necrosis, 3 enhancing.
REGIONS = {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}
NAMES = tuple(REGIONS)
ADAPTER = replace(BRATS, class_values=REGIONS, ignore=4)
RAW = np.array([0, 1, 2, 3, 4], np.uint8).reshape(5, 1, 1)
AXES = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)


def test_each_class_of_a_voxel_is_a_bit():
    label = encode(RAW, ADAPTER, NAMES)
    assert label.ravel().tolist() == [0, 0b001, 0b011, 0b111, IGNORE]
    assert Coding(3, True).counts(label).tolist() == [3, 2, 1]
    assert class_volumes(label[None], 3, True).tolist() == [[3, 2, 1]]
    with pytest.raises(InputError, match="share label values"):
        encode_label(RAW, ADAPTER, NAMES)


def test_classes_that_do_not_overlap_keep_their_numbers():
    label = encode(RAW, ADAPTER, ("core",))
    assert label.ravel().tolist() == [0, 0, 1, 1, IGNORE]
    assert encode_label(RAW, ADAPTER, ("core",)).ravel().tolist() == [0, 0, 1, 1, 2]
    assert Coding(1).counts(label).tolist() == [2]


def test_a_prediction_is_written_with_the_value_that_stands_for_its_classes():
    coding, codes = raw_codes(REGIONS, NAMES)
    assert coding == Coding(3, True)
    table = written_values(REGIONS, NAMES)
    for value, code in codes.items():
        assert table[code] == value
    assert table[0b010] == 2  # a core outside the whole: core, and so whole
    assert table[0b100] == 3
    assert table[0] == 0


def test_a_value_of_several_classes_is_found_where_neither_includes_the_other():
    table = written_values({"left": (1, 2), "right": (2, 3)}, ("left", "right"))
    assert table[:4].tolist() == [0, 1, 3, 2]
    apart = written_values({"a": (1,), "b": (2,), "c": (2, 3)}, ("a", "b", "c"))
    assert apart[0b001] == 1
    assert apart[0b110] == 2
    assert apart[0b101] in (1, 3)  # none stands for both; one of them is kept


def test_a_class_that_was_not_annotated_loses_its_bit_alone():
    labels = np.stack([encode(RAW, ADAPTER, NAMES)] * 2)
    annotated = np.array([[True, True, True], [True, False, True]])
    result = apply_labeling(labels, annotated, [()] * 2, overlapping=True)
    assert result[0].tolist() == labels[0].tolist()
    assert result[1].ravel().tolist() == [0, 0b001, 0b001, 0b101, IGNORE]


@pytest.mark.parametrize("method", ["distance", "linear"])
def test_every_combination_is_resampled_as_a_class_of_its_own(method):
    x, y, z = np.indices((24, 20, 12))
    r = (x - 12) ** 2 + (y - 10) ** 2 + (z - 6) ** 2
    raw = np.select([r < 8, r < 20, r < 35], [3, 2, 1], 0).astype(np.uint8)
    label = encode(raw, ADAPTER, NAMES)
    original = Grid((24, 20, 12), (1.0, 1, 1), (0.0, 0, 0), AXES)
    grid = Grid((13, 11, 7), (1.7, 1.6, 1.5), (0.4, 0.3, 0.2), AXES)
    settings = Preprocessing((1.7, 1.6, 1.5), (13, 11, 7), label=method)
    found = resample_coded(label, original, grid, Coding(3, True), settings)
    exclusive = resample_label(raw, original, grid, 3, method)
    np.testing.assert_array_equal(found, np.array([0, 1, 3, 7], np.uint8)[exclusive])
