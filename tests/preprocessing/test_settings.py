from dataclasses import asdict

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
        (Preprocessing, GRID | {"offset": [1, 2]}, "give three numbers of mm"),
        (Normalisation, {"mean": 3}, "mean needs a window"),
        (Normalisation, {"window": [1, 2], "mean": 3}, "window needs numbers"),
        (Normalisation, {"window": [2, 1], "mean": 3, "std": 1}, "window needs numbers"),
        (
            Normalisation,
            {"window": [1, 2], "mean": 1, "std": 1, "over": "whole"},
            "over and window exclude each other",
        ),
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


def test_a_window_is_read_back_as_it_was_written():
    settings = Normalisation.from_dict({"window": [-160, 240], "mean": 60, "std": 50})
    assert Normalisation.from_dict(asdict(settings)) == settings
