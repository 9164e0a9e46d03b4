import pytest

from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Normalisation, Preprocessing

GRID = {"spacing": [2, 2, 2], "size": [80, 80, 48]}


def test_defaults_and_fractions():
    settings = Preprocessing.from_dict(
        GRID | {"normalisation": {"over": "whole", "clip": ["1/101", "100/101"]}}
    )
    assert settings.normalisation == Normalisation("whole", (1 / 101, 100 / 101))
    assert (settings.crop, settings.label, settings.restoration) == ("center", "distance", "linear")


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (Preprocessing, GRID | {"spacings": 1}, "preprocessing: unknown key 'spacings'"),
        (Preprocessing, {"size": [1, 1, 1]}, "spacing is missing"),
        (Preprocessing, GRID | {"spacing": [2, 2]}, "three positive numbers"),
        (Preprocessing, GRID | {"size": [80, 80, 0]}, r"size is \[80, 80, 0\]"),
        (Preprocessing, GRID | {"size": [80, 80, 4.5]}, "size is"),
        (Preprocessing, GRID | {"crop": "heart"}, "crop is 'heart'; choose one of center"),
        (Preprocessing, GRID | {"antialias": "yes"}, "antialias is 'yes'"),
        (Preprocessing, GRID | {"allow_lost": 1}, "allow_lost is 1"),
        (
            Preprocessing,
            GRID | {"ties": "mine"},
            "ties is 'mine'; choose one of background, shared",
        ),
        (Preprocessing, GRID | {"spacing": [1, 1, "natural"]}, "or the word native"),
        (Preprocessing, GRID | {"spacing": "native"}, "or the word native"),
        (Preprocessing, GRID | {"label": "cubic"}, "label is 'cubic'"),
        (Normalisation, {"over": "brain"}, "over is 'brain'"),
        (Normalisation, {"over": "mask"}, "over is 'mask'; choose one of whole, nonzero"),
        (Normalisation, {"clip": [0.9, 0.1]}, "clip is"),
        (Normalisation, {"clip": "all"}, "clip is 'all'"),
    ],
)
def test_a_wrong_value_is_named(read, values, message):
    with pytest.raises(InputError, match=message):
        read.from_dict(values)


def test_spacing_may_be_the_images_own():
    settings = Preprocessing.from_dict(GRID | {"spacing": [1.5, 2, "native"]})
    assert settings.spacing == (1.5, 2.0, "native")


@pytest.mark.parametrize(
    ("values", "ties"),
    [({}, "background"), ({"crop": "snap"}, "shared"), ({"ties": "shared"}, "shared")],
)
def test_ties_are_the_papers_but_for_snap(values, ties):
    assert Preprocessing.from_dict(GRID | values).ties == ties
