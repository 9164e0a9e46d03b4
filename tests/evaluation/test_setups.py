import pandas as pd
import pytest

from dicegrad.errors import InputError
from dicegrad.evaluation.setups import add_setup, setup_name, with_missing_labels


@pytest.mark.parametrize(
    ("loss", "phi", "epsilon", "name"),
    [
        ("dice", "I", "1e-7", "I"),
        ("dice", "I", 1e-7, "I"),
        ("dice", "I", "0", "I"),
        ("dice", "BI", "1e-07", "BI"),
        ("dice", "I", "heuristic", "I_eps"),
        ("dice", "CI", "1e-7", "CI"),
        ("dice", "BCI", "heuristic", "BCI_eps"),
        ("dice", "I", "8789", "I_8789"),
        ("dice", "I", "0.1xheuristic", "I_0.1eps"),
        ("dice", "BI", "10xheuristic", "BI_10eps"),
        ("marginal", "I", "1e-7", "marginal"),
        ("leaf", "I", "1e-7", "leaf"),
        ("leaf", "BI", "1e-7", "leaf_BI"),
        ("dice_ce", "I", "1e-7", "I+CE"),
        ("dice_ce", "BI", "heuristic", "BI_eps+CE"),
        ("cross_entropy", "none", "none", "CE"),
    ],
)
def test_setups_have_the_papers_names(loss, phi, epsilon, name):
    assert setup_name(loss, phi, epsilon) == name


@pytest.mark.parametrize("epsilon", ["-1", "nan", "many"])
def test_an_epsilon_that_is_no_number_is_refused(epsilon):
    with pytest.raises(InputError, match=epsilon):
        setup_name("dice", "I", epsilon)


def rows(*epsilons, dataset="heart"):
    return pd.DataFrame(
        {"dataset": dataset, "loss": "dice", "phi": "I", "epsilon": list(epsilons), "dsc": 0.5}
    )


def test_two_negligible_epsilons_of_one_study_stay_apart():
    named = add_setup(rows("1e-5", "1e-7", "heuristic", "1e-7"))
    assert named["setup"].tolist() == ["I_1e-5", "I", "I_eps", "I"]


def test_two_epsilons_beside_cross_entropy_stay_apart():
    table = rows("1e-5", "1e-7").assign(loss="dice_ce")
    alone = rows("none").assign(loss="cross_entropy", phi="none")
    named = add_setup(pd.concat([table, alone, rows("1e-7")]))
    assert named["setup"].tolist() == ["I_1e-5+CE", "I+CE", "CE", "I"]


def test_one_epsilon_written_in_two_ways_is_two_experiments():
    assert add_setup(rows("1e-7", "1.0e-7"))["setup"].nunique() == 2
    named = add_setup(rows("heuristic", "1xheuristic", "0.1xheuristic", "0.10xheuristic"))
    assert named["setup"].tolist() == ["I_eps", "I_1eps", "I_0.1eps", "I_0.1eps_0.10xheuristic"]


def test_the_labeling_with_the_most_missing_labels_is_found_per_dataset():
    rows = [
        ("a", "full"),
        ("a", "partial-50"),
        ("a", "partial-75"),
        ("b", "full"),
        ("c", "partial"),
    ]
    table = pd.DataFrame(rows, columns=["dataset", "labeling"])
    found = with_missing_labels(table)
    assert list(found.itertuples(index=False, name=None)) == [("a", "partial-75"), ("c", "partial")]
    assert with_missing_labels(table.iloc[:0]).empty


def test_another_dataset_does_not_change_a_name():
    both = pd.concat([rows("1e-5"), rows("1e-7", dataset="tumor")])
    assert add_setup(both)["setup"].tolist() == ["I", "I"]


def test_a_table_that_has_setups_gets_them_anew():
    named = add_setup(add_setup(rows("1e-7")))
    assert named["setup"].tolist() == ["I"]
    assert add_setup(rows()).empty
