"""A class that stays behind is told once, while the training run can still be stopped."""

from math import nan

from dicegrad.training.behind import stays_behind


def told(anterior, posterior):
    """After which epochs there is a line, and the lines."""
    rows = [
        {"dsc_Anterior": one, "dsc_Posterior": other}
        for one, other in zip(anterior, posterior, strict=True)
    ]
    lines = {n: stays_behind(rows[:n], ["Anterior", "Posterior"]) for n in range(1, len(rows) + 1)}
    return {number: found for number, found in lines.items() if found}


def test_a_class_that_stays_at_nothing_while_another_learns_is_told_once():
    (((number, (line,)),)) = told([0.01] * 25, [0.5] * 25).items()
    assert number == 10
    assert line.startswith("DSC Anterior has been below 0.05 for 10 epochs, while Posterior is at")


def test_it_is_told_again_if_it_happens_again():
    assert list(told([0.01] * 12 + [0.2] + [0.01] * 12, [0.5] * 25)) == [10, 23]


def test_it_is_told_when_another_class_learns_only_later():
    late = [0.02 * epoch for epoch in range(40)]
    (((number, (line,)),)) = told([0.0] * 40, late).items()
    assert number == 17  # the first epoch above 0.3
    assert line.startswith("DSC Anterior has been below 0.05 for 17 epochs, while Posterior is at")


def test_it_is_told_once_where_the_other_class_goes_up_and_down():
    assert list(told([0.0] * 30, [0.5, 0.2] * 15)) == [11]


def test_where_nothing_learns_or_nobody_has_the_class_there_is_no_line():
    assert not told([0.01] * 25, [0.02] * 25)
    assert not told([nan] * 25, [0.5] * 25)
    assert not told([0.06] * 25, [0.5] * 25)
