from itertools import pairwise

import pytest

from dicegrad.errors import InputError
from dicegrad.training.schedule import Schedule
from dicegrad.training.settings import TrainingSettings


def follow(losses, **settings):
    """Learning rate after each epoch, and the epoch after which training stops."""
    settings = TrainingSettings(learning_rate=1.0, **settings)
    schedule, rates, stop = Schedule(), [], None
    for epoch, loss in enumerate(losses, start=1):
        schedule.update(loss, settings)
        rates.append(schedule.learning_rate(0.5, settings))
        if stop is None and schedule.stops(settings):
            stop = epoch
    return rates, stop


def test_plateau_lowers_the_rate_after_patience_epochs_and_counts_anew():
    # Keras' ReduceLROnPlateau(factor=0.2, patience=2, min_delta=1e-4) by hand: an improvement is
    # below best - 1e-4; 0.99995 is none; the count starts anew after a reduction, the best stays.
    losses = [1.0, 0.99995, 1.2, 0.9, 0.9, 0.89995, 0.95, 0.95, 0.5, 0.6]
    rates, _ = follow(losses, patience=2, stop_patience=0)
    expected = [1, 1, 0.2, 0.2, 0.2, 0.04, 0.04, 0.008, 0.008, 0.008]
    assert rates == pytest.approx(expected)


def test_early_stopping_counts_through_reductions():
    losses = [1.0, 0.8, 0.8, 0.9, 0.79999, 0.85, 0.1]
    rates, stop = follow(losses, patience=2, stop_patience=4)
    assert stop == 6
    assert rates == pytest.approx([1, 1, 1, 0.2, 0.2, 0.04, 0.04])


def test_an_improvement_starts_early_stopping_anew():
    assert follow([1.0, 1.0, 0.5, 0.6, 0.6], stop_patience=2)[1] == 5
    assert follow([1.0, 1.0, 0.5, 0.6], stop_patience=2)[1] is None


def test_stop_patience_zero_never_stops():
    assert follow([1.0] * 200, stop_patience=0)[1] is None


def test_a_loss_that_is_no_number_is_no_improvement():
    assert follow([1.0, float("nan"), float("nan")], stop_patience=2)[1] == 3


def test_one_cycle_rises_for_a_tenth_to_the_learning_rate_and_falls_to_nothing():
    settings = TrainingSettings(learning_rate=4e-3, schedule="one_cycle")
    rates = [Schedule().learning_rate(step / 1000, settings) for step in range(1000)]
    peak = rates.index(max(rates))
    assert peak == 100
    assert rates[peak] == pytest.approx(4e-3)
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a > b for a, b in pairwise(rates[100:]))
    assert 0 < rates[-1] < 0.01 * 4e-3
    assert 0 < rates[0] < 0.02 * 4e-3


def test_one_cycle_is_positive_in_the_shortest_of_trainings():
    settings = TrainingSettings(learning_rate=1.0, schedule="one_cycle")
    assert 0 < Schedule().learning_rate(0.0, settings) <= 1
    assert all(0 < Schedule().learning_rate(step / 3, settings) <= 1 for step in range(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine"}, "schedule is 'cosine'; allowed: plateau, one_cycle"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"passes": 0}, "passes is 0; it must be at least 1"),
        ({"keep_every": 0}, "keep_every is 0; it must be at least 1"),
        ({"precision": "half"}, "precision is 'half'; allowed: auto, float32, tf32, bfloat16"),
        ({"deterministic": "yes"}, "deterministic is 'yes'; give true or false"),
        ({"compile": 1}, "compile is 1; give true or false"),
        ({"learning_rat": 1.0}, "unknown key 'learning_rat'; allowed: epochs, passes"),
        ({"augmentation": {"rotate": 1}}, "unknown key 'rotate'; allowed: distribution, rotation"),
        ({"augmentation": {"distribution": "beta"}}, "distribution is 'beta'; allowed: normal"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        TrainingSettings.from_dict(settings)
