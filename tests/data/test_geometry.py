import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicegrad.data.geometry import Grid, difference, same_grid, straightened

AXES = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
GRID = Grid((24, 20, 16), (2.0, 2.0, 5.0), (-20.0, 30.0, 7.0), AXES)


def turned(grid, axes):
    """The grid turned about its centre."""
    middle = [(n - 1) / 2 for n in grid.size]
    axes = np.asarray(axes) @ grid.axes
    origin = np.subtract(grid.point(middle), axes @ np.multiply(middle, grid.spacing))
    return Grid(grid.size, grid.spacing, tuple(origin), tuple(axes.ravel()))


def moved(grid, *distance):
    return Grid(grid.size, grid.spacing, tuple(np.add(grid.origin, distance)), grid.direction)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (moved(GRID, 100, 0, 0), "100.0 mm off"),
        (moved(GRID, 0, 0.3, 0), "0.3 mm off"),
        (turned(GRID, np.diag([1, -1, 1])), "flipped along y"),
        (turned(GRID, np.diag([-1, 1, -1])), "flipped along x and z"),
        (turned(GRID, [[0, 1, 0], [1, 0, 0], [0, 0, 1]]), "its axes are in another order"),
        (turned(GRID, Rotation.from_euler("z", 30, degrees=True).as_matrix()), "rotated by 30.0"),
        (
            moved(turned(GRID, np.diag([1, -1, 1])), 0, 0, 40),
            "flipped along y and 40.0 mm off",
        ),
        (Grid(GRID.size, (2.0, 2.0, 4.0), GRID.origin, AXES), "spacing 2 x 2 x 4 mm instead of"),
    ],
)
def test_what_differs_is_said(other, said):
    assert not same_grid(GRID, other)
    assert difference(GRID, other).startswith(said)


@given(st.integers(0, 2**32 - 1))
def test_rounding_is_no_difference(seed):
    rng = np.random.default_rng(seed)
    grid = turned(GRID, Rotation.random(random_state=seed % 2**31).as_matrix())
    rounded = Grid(
        grid.size,
        tuple(np.multiply(grid.spacing, 1 + 1e-6 * rng.uniform(-1, 1, 3))),
        tuple(np.multiply(grid.origin, 1 + 1e-6 * rng.uniform(-1, 1, 3))),
        tuple(np.add(grid.direction, 1e-6 * rng.uniform(-1, 1, 9))),
    )
    assert same_grid(grid, rounded)
    assert same_grid(rounded, grid)


def test_a_tenth_of_a_voxel_is_forgiven_also_at_the_far_corner():
    assert same_grid(GRID, moved(GRID, 0.19, 0, 0))
    assert not same_grid(GRID, moved(GRID, 0.21, 0, 0))
    stretched = Grid(GRID.size, (2.0 * (1 + 0.09 / 23), 2.0, 5.0), GRID.origin, AXES)
    assert same_grid(GRID, stretched)
    stretched = Grid(GRID.size, (2.0 * (1 + 0.11 / 23), 2.0, 5.0), GRID.origin, AXES)
    assert not same_grid(GRID, stretched)


def test_straightened_axes_are_the_nearest_ones_at_right_angles():
    axes = np.eye(3)
    axes[0, 1] = 0.004
    found = np.reshape(straightened(axes.ravel()), (3, 3))
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    # The tilt is shared between both axes.
    np.testing.assert_allclose(found[0, 1], 0.002, atol=1e-5)
    np.testing.assert_allclose(found[1, 0], -0.002, atol=1e-5)
    axes[0, 1] = 0.1
    assert straightened(axes.ravel()) is None
    assert straightened([np.nan] * 9) is None


def test_an_index_is_where_its_point_lies():
    grid = turned(GRID, Rotation.from_euler("xz", [20, 30], degrees=True).as_matrix())
    np.testing.assert_allclose(grid.index(np.array([grid.point((3, 4.5, 6))])), [[3, 4.5, 6]])
    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid
