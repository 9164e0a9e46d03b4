import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dicegrad import dice_gradient, epsilon_heuristic, solve_epsilon
from dicegrad.errors import InputError

sizes = st.floats(1, 1e6)


def test_heuristic_is_the_mean_volume_with_empty_maps():
    assert epsilon_heuristic([10, 30, 0, 0]) == 10
    table = [[10, 1], [20, 3]]
    for volumes in (table, np.array(table), torch.tensor(table), torch.tensor(table).float()):
        assert epsilon_heuristic(volumes) == (15, 2)


def test_heuristic_of_acdc_with_the_es_myocardium_removed():
    # mean myocardium of the 100 ED cases on the network's grid, each drawn three times, ES empty
    assert epsilon_heuristic([18320.8] * 3 + [0]) == pytest.approx(13740.6)


@pytest.mark.parametrize(
    ("volumes", "named"),
    [([], "(0,)"), ([[[1.0]]], "(1, 1, 1)"), ([-1.0, 2], "-1"), ([np.nan], "nan"), ([0, 0], "0")],
)
def test_heuristic_names_what_is_wrong(volumes, named):
    with pytest.raises(InputError) as error:
        epsilon_heuristic(volumes)
    assert named in str(error.value)


@given(sizes, st.floats(0.01, 1), st.floats(1, 4))
@settings(max_examples=100, deadline=None)
def test_every_root_solves_equation_5(v, a, b):
    roots = solve_epsilon(v, a, b)
    filled = 2 * a * v / (b * v) ** 2
    for epsilon in roots:
        assert epsilon / (v + epsilon) ** 2 == pytest.approx(filled, rel=1e-6)
    r = 2 * a / b**2
    assert len(roots) == (0 if r > 0.25 * (1 + 1e-12) else 2 if r < 0.25 * (1 - 1e-12) else 1)
    assert list(roots) == sorted(roots)


@given(sizes)
@settings(max_examples=20, deadline=None)
def test_half_overlap_of_equal_volumes_gives_v(v):
    assert solve_epsilon(v) == (v,)


@given(sizes, st.floats(1e-7, 1e8))
@settings(max_examples=50, deadline=None)
def test_no_epsilon_learns_an_empty_map_faster_than_v(v, epsilon):
    assert epsilon / (v + epsilon) ** 2 <= 1 / (4 * v) * (1 + 1e-9)


def test_solved_epsilon_gives_an_empty_map_the_gradient_of_the_batch():
    # batch-wise: 50 % overlap, equal volumes; image-wise: the same prediction, empty truth
    p = torch.zeros(1, 1, 100, dtype=torch.float64)
    p[..., :40] = 1
    y = torch.zeros(1, 100, dtype=torch.uint8)
    y[:, 20:60] = 1
    filled = dice_gradient(p, y, "BI", 1e-7)[0, 0, -1]
    (epsilon,) = solve_epsilon(40.0)
    empty = dice_gradient(p, torch.zeros_like(y), "I", epsilon)[0, 0, -1]
    assert empty.item() == pytest.approx(filled.item())
    assert empty.item() == pytest.approx(1 / 160)


@pytest.mark.parametrize("arguments", [(0, 1, 1), (1, -1, 1), (1, 1, np.inf), (np.nan, 1, 1)])
def test_solve_names_what_is_wrong(arguments):
    with pytest.raises(InputError, match="must be finite and above 0"):
        solve_epsilon(*arguments)
