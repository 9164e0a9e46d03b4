from types import SimpleNamespace

import pytest

from dicegrad.planning import budget
from dicegrad.planning.budget import PRESETS, Means, memory_of, plan_training
from dicegrad.planning.grids import plan_grid
from dicegrad.planning.pace import Pace
from tests.planning.test_grids import known


@pytest.fixture
def paced(monkeypatch):
    """A machine on which a case takes a second for each 8 features; what is timed is listed."""
    timed = []

    def time_step(size, network, *_):
        width = network.encoder[0][0]
        timed.append(width)
        return Pace(width / 8, width / 32)

    monkeypatch.setattr(budget, "time_step", time_step)
    return timed


def means(seconds, memory=1e12, cases=10):
    adapter = SimpleNamespace(channels=("MRI",))
    data = known(*[((32, 32, 32), (1.0, 1.0, 1.0))] * cases, adapter=adapter)
    return Means(data, plan_grid(data, 10**6), PRESETS["minutes"], seconds, 5, memory, {})


def test_a_training_run_fits_its_time(paced):
    plan = plan_training(means(1000))
    assert plan.seconds <= 1000
    assert plan.steps == plan.epochs * 4  # 8 cases, two in a batch


def test_the_widest_network_that_gets_its_steps_is_taken(paced):
    plan = plan_training(means(3000))
    assert plan.steps >= PRESETS["minutes"].steps
    assert plan.width == 24
    assert paced == [8, 12, 16, 24, 32]


def test_where_time_is_short_the_narrowest_gets_the_least_steps_and_more_time(paced):
    plan = plan_training(means(10))
    assert plan.width == 8
    assert plan.steps >= PRESETS["minutes"].least_steps
    assert plan.seconds > 10
    assert plan.affordable < PRESETS["minutes"].least_steps


def test_where_memory_is_short_a_batch_is_one_case_and_then_there_is_no_plan(paced):
    all_of_it = means(3000)
    one = memory_of(all_of_it.grid, 8, 1, 1, 1)
    assert plan_training(means(3000, memory=1.5 * one)).batch_size == 1
    assert plan_training(means(3000, memory=0.5 * one)) is None
