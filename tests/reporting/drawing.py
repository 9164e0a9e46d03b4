"""Figures as they were drawn, and what makes one readable."""

from itertools import combinations

import numpy as np


def assert_readable(figures):
    ((figure, texts),) = figures.items()
    assert texts
    for text, (low, high) in texts.items():
        inside = (low >= -0.01).all() and (high <= figure.get_size_inches() + 0.01).all()
        assert inside, f"{text.get_text()!r} is cut off"
    for (a, one), (b, two) in combinations(texts.items(), 2):
        common = np.minimum(one[1], two[1]) - np.maximum(one[0], two[0])
        assert common.min() < 0.015, f"{a.get_text()!r} and {b.get_text()!r} overlap"


def assert_written(paths, out_stem):
    assert [path.name for path in paths] == [f"{out_stem.name}.png", f"{out_stem.name}.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[0].stat().st_size > 1000
    assert "</svg>" in paths[1].read_text()


def texts_of(figures):
    (texts,) = figures.values()
    return [text.get_text() for text in texts]
