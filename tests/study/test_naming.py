"""An experiment has one name in its whole study, and two experiments have two."""

import pytest

from dicegrad.errors import InputError
from dicegrad.study.experiment import Experiment
from dicegrad.study.losses import UNANNOTATED
from dicegrad.study.naming import name_setups, setup_name
from tests.study.conftest import ROW


@pytest.mark.parametrize(
    ("loss", "phi", "epsilon", "name"),
    [
        ("dice", "I", "1e-7", "I"),
        ("dice", "I", "0.9", "I"),
        ("dice", "BI", "1e-07", "BI"),
        ("dice", "I", "heuristic", "I_eps"),
        ("dice", "CI", "1e-7", "CI"),
        ("dice", "BCI", "heuristic", "BCI_eps"),
        ("dice", "I", "8789", "I_8789"),
        ("dice", "I", "0.1xheuristic", "I_0.1eps"),
        ("dice", "BI", "10xheuristic", "BI_10eps"),
        ("marginal", "I", "1e-7", "marginal"),
        ("leaf", "I", "1e-7", "leaf"),
        ("dice_ce", "I", "1e-7", "I+CE"),
        ("dice_ce", "BI", "heuristic", "BI_eps+CE"),
        ("cross_entropy", "none", "none", "CE"),
    ],
)
def test_setups_have_the_papers_names(loss, phi, epsilon, name):
    assert setup_name(loss, phi, epsilon) == name


@pytest.mark.parametrize("epsilon", ["-1", "0", "nan", "many"])
def test_an_epsilon_that_is_no_number_is_refused(epsilon):
    with pytest.raises(InputError, match=epsilon):
        setup_name("dice", "I", epsilon)


@pytest.mark.parametrize("loss", ["dice", "dice_ce"])
def test_another_treatment_of_unannotated_maps_is_another_setup(loss):
    names = {setup_name(loss, "BI", "1e-7", each) for each in UNANNOTATED}
    assert len(names) == len(UNANNOTATED)
    assert setup_name("dice", "BI", "1e-7", "ignored") == "BI,ignored"


def rows(*epsilons, **changes):
    return [Experiment.from_row(ROW | {"epsilon": each} | changes) for each in epsilons]


def names(experiments):
    return list(name_setups(experiments).values())


def test_two_negligible_epsilons_of_one_study_stay_apart():
    assert names(rows("1e-5", "1e-7", "heuristic")) == ["I_1e-5", "I", "I_eps"]


def test_an_experiment_has_one_name_whatever_labels_it_is_trained_on():
    full, partial = rows("1e-7", labeling="full"), rows("1e-5", labeling="partial")
    assert names([*full, *partial]) == ["I", "I_1e-5"]
    assert names([*partial, *full]) == ["I_1e-5", "I"]


def test_two_epsilons_beside_cross_entropy_stay_apart():
    table = [
        *rows("1e-5", "1e-7", loss="dice_ce"),
        *rows("none", loss="cross_entropy", phi="none"),
        *rows("1e-7"),
    ]
    assert names(table) == ["I_1e-5+CE", "I+CE", "CE", "I"]


def test_a_multiple_written_in_two_ways_has_one_name():
    assert names(rows("heuristic", "1xheuristic")) == ["I_eps", "I_eps"]
    assert names(rows("0.1xheuristic", "0.10xheuristic")) == ["I_0.1eps", "I_0.1eps"]


def test_another_dataset_does_not_change_a_name():
    assert names([*rows("1e-5"), *rows("1e-7", dataset="tumor")]) == ["I", "I"]


def test_no_experiment_has_no_name():
    assert name_setups([]) == {}
