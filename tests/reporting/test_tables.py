import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.tables import TABLE1_COLUMNS, learns_empty, table1, table_losses
from tests.conftest import with_setups

FIRST = [
    "dataset",
    "labeling",
    "batch_size",
    "setup",
    "group",
    "class",
    "n",
    "dsc",
    "delta_volume_ml",
    "p_value",
    "reference",
    "learns_empty",
]


def one(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_table_has_the_columns_and_one_row_per_training_and_group(table):
    assert list(table.columns) == list(TABLE1_COLUMNS)
    assert list(table.columns[: len(FIRST)]) == FIRST
    assert len(table) == 2 * 2 * 3 + 2 * (2 * 3 + 2)  # tumor, then heart with two comparators
    assert set(table["class"]) == {"tumor", "MYO"}
    keys = ["dataset", "labeling", "batch_size", "setup", "group", "class"]
    assert not table.duplicated(keys).any()


def test_means_are_those_of_the_scores(table, scores):
    row = one(table, dataset="heart", labeling="full", setup="BI", group="ED")
    cases = scores[
        (scores["dataset"] == "heart")
        & (scores["labeling"] == "full")
        & (scores["phi"] == "BI")
        & (scores["group"] == "ED")
        & (scores["class"] == "MYO")
    ]
    assert row["n"] == len(cases) == 12
    assert row["dsc"] == pytest.approx(cases["dsc"].mean())
    delta = cases["volume_pred_ml"] - cases["volume_true_ml"]
    assert row["delta_volume_ml"] == pytest.approx(delta.mean())
    assert row["dsc_low"] < row["dsc"] < row["dsc_high"]


def test_only_bi_and_i_eps_on_partial_labels_should_learn_empty_maps_of_the_missing_group(table):
    expected = table[table["learns_empty"]]
    assert set(expected["setup"]) == {"BI", "I_eps"}
    assert set(expected["labeling"]) == {"partial"}
    assert set(expected["group"]) == {"LGG", "ES"}
    assert len(expected) == 4


def test_references_are_full_labels_or_setup_i(table):
    full = table[table["labeling"] == "full"]
    assert full["p_value"].isna().all()
    assert (full["reference"] == "").all()
    partial = table[table["labeling"] == "partial"]
    assert partial["p_value"].notna().all()
    references = dict(zip(partial["setup"], partial["reference"], strict=True))
    assert references == {
        "I": "full/I",
        "BI": "full/BI",
        "I_eps": "full/I_eps",
        "marginal": "partial/I",
        "leaf": "partial/I",
    }


def test_p_value_is_the_one_of_the_comparison(table, comparisons):
    row = one(table, dataset="heart", labeling="partial", setup="I", group="ES")
    test = comparisons[
        (comparisons["dataset"] == "heart")
        & (comparisons["question"] == "labeling")
        & (comparisons["setup_a"] == "I")
        & (comparisons["group"] == "ES")
        & (comparisons["class"] == "MYO")
    ].set_index("metric")
    assert row["p_value"] == test.loc["dsc", "p_value"]
    assert row["p_value_volume"] == test.loc["volume_error_ml", "p_value"]
    assert row["p_holm"] == test.loc["dsc", "p_holm"]


def test_inferior_needs_both_significance_and_a_worse_mean(table, comparisons, scores, datasets):
    lost = one(table, dataset="heart", labeling="partial", setup="BI", group="ES")
    assert lost["inferior_dsc"]
    assert lost["inferior_volume"]
    better = comparisons.assign(difference=comparisons["difference"].abs())
    swapped = table1(scores, better, datasets)
    assert not one(swapped, dataset="heart", labeling="partial", setup="BI", group="ES")[
        "inferior_dsc"
    ]
    strict = table1(scores, comparisons, datasets, alpha=0.0)
    assert not strict["inferior_dsc"].any()


def test_a_study_of_partial_labels_alone_has_no_p_values(scores, datasets):
    partial = scores[(scores["labeling"] == "partial") & (scores["loss"] == "dice")]
    table = table1(partial, compare(partial), datasets)
    assert len(table) == 12
    assert table["p_value"].isna().all()
    assert (table["reference"] == "").all()
    assert not table["inferior_dsc"].any()


def test_missing_folds_and_groups_leave_rows_out(scores, datasets):
    some = scores[(scores["fold"] == 0) & (scores["group"] != "ES")]
    table = table1(some, compare(some), datasets)
    assert "ES" not in set(table["group"])
    assert (table["n"] <= 6).all()
    assert table1(scores.iloc[:0], compare(scores.iloc[:0]), datasets).empty


def test_batch_sizes_are_rows_of_their_own(batch_scores, datasets):
    table = table1(batch_scores, compare(batch_scores), datasets)
    assert sorted(set(table["batch_size"])) == [1, 2, 4, 8]
    bi = table[(table["setup"] == "BI") & table["learns_empty"]]
    assert bi["batch_size"].tolist() == [2, 4, 8]  # with one case, BI is I


@pytest.mark.parametrize(
    ("phi", "epsilon", "batch_size", "loss", "expected"),
    [
        ("I", "1e-7", 8, "dice", False),
        ("BI", "1e-7", 1, "dice", False),
        ("BI", "1e-7", 2, "dice", True),
        ("I", "heuristic", 1, "dice", True),
        ("CI", "1e-7", 1, "dice", True),  # LV and RV keep their labels
        ("BI", "1e-7", 2, "leaf", False),
        ("I", "0.1xheuristic", 2, "dice", True),
        ("I", "10xheuristic", 2, "dice", True),
        ("I", "0.001xheuristic", 2, "dice", False),
        ("I", "1e-7", 1, "dice_ce", True),
        ("none", "none", 1, "cross_entropy", True),
    ],
)
def test_what_theory_expects(phi, epsilon, batch_size, loss, expected, datasets):
    row = {
        "labeling": "partial",
        "loss": loss,
        "phi": phi,
        "epsilon": epsilon,
        "batch_size": batch_size,
    }
    about = datasets["heart"]
    assert learns_empty(row, "ES", "MYO", about) is expected
    assert not learns_empty(row, "ED", "MYO", about)
    assert not learns_empty(row, "ES", "LV", about)
    assert not learns_empty({**row, "labeling": "full"}, "ES", "MYO", about)
    assert not learns_empty({**row, "labeling": "partial-50"}, "ES", "MYO", about)
    assert learns_empty({**row, "labeling": "partial-75"}, "ES", "MYO", about) is expected


def test_class_wise_reduction_of_the_only_class_learns_nothing_from_empty_maps(datasets):
    row = {"labeling": "partial", "loss": "dice", "phi": "CI", "epsilon": "1e-7", "batch_size": 2}
    assert not learns_empty(row, "LGG", "tumor", datasets["tumor"])


def test_losses_are_compared_on_all_classes(scores, comparisons, datasets):
    table = table_losses(scores, comparisons, datasets)
    assert set(table["dataset"]) == {"heart"}
    assert len(table) == 3 * 3 * 2  # setups x classes x groups
    assert set(table["labeling"]) == {"partial"}
    own = table[table["setup"] == "I"]
    assert (own["reference"] == "").all()
    assert set(table.loc[table["setup"] != "I", "reference"]) == {"partial/I"}
    assert table.loc[table["setup"] != "I", "p_value"].notna().all()


@pytest.fixture
def with_cross_entropy(scores):
    """The study with I + CE and CE in it, on full and partial labels, as good as I."""
    image_wise = scores[(scores["loss"] == "dice") & (scores["phi"] == "I")]
    image_wise = image_wise[image_wise["epsilon"] == "1e-7"]
    alone = image_wise.assign(loss="cross_entropy", phi="none", epsilon="none")
    rows = [scores, image_wise.assign(loss="dice_ce"), alone]
    return with_setups(pd.concat(rows, ignore_index=True))


def test_cross_entropy_stands_beside_i_in_the_table_of_losses(with_cross_entropy, datasets):
    table = table_losses(with_cross_entropy, compare(with_cross_entropy), datasets)
    tumor, heart = (table[table["dataset"] == name] for name in ("tumor", "heart"))
    assert list(dict.fromkeys(tumor["setup"])) == ["I", "I+CE", "CE"]
    assert list(dict.fromkeys(heart["setup"])) == ["I", "marginal", "leaf", "I+CE", "CE"]
    assert set(table.loc[table["setup"] != "I", "reference"]) == {"partial/I"}
    assert set(table.loc[table["learns_empty"], "setup"]) == {"I+CE", "CE"}


def test_in_table1_cross_entropy_is_held_against_itself_on_full_labels(
    with_cross_entropy, datasets, table
):
    more = table1(with_cross_entropy, compare(with_cross_entropy), datasets)
    partial = more[(more["labeling"] == "partial") & more["setup"].isin(["I+CE", "CE"])]
    assert set(partial["reference"]) == {"full/I+CE", "full/CE"}
    same = more[~more["setup"].isin(["I+CE", "CE"])].reset_index(drop=True)
    # All others as before, but for Holm's correction, which counts the tests of a study.
    columns = [column for column in TABLE1_COLUMNS if column not in ("p_holm",)]
    losses = same["setup"].isin(["marginal", "leaf"])  # ranked together with the new ones
    pd.testing.assert_frame_equal(same.loc[~losses, columns], table.loc[~losses, columns])


def test_without_comparators_there_is_no_table_of_losses(scores, datasets):
    dice = scores[scores["loss"] == "dice"]
    table = table_losses(dice, compare(dice), datasets)
    assert table.empty
    assert list(table.columns) == list(TABLE1_COLUMNS)


def test_a_dataset_without_scores_is_left_out(scores, comparisons, datasets):
    more = {**datasets, "lung": datasets["tumor"]}
    assert len(table1(scores, comparisons, more)) == len(table1(scores, comparisons, datasets))
    assert isinstance(table1(scores, comparisons, more), pd.DataFrame)
    assert np.isfinite(table1(scores, comparisons, more)["dsc"]).all()


def test_a_group_of_which_nobody_drew_the_class_has_no_number(scores, comparisons, datasets):
    hidden = scores["dataset"].eq("heart") & scores["group"].eq("ES") & scores["class"].eq("MYO")
    undrawn = scores.assign(
        volume_true_ml=scores["volume_true_ml"].mask(hidden, 0.0),
        dsc=scores["dsc"].mask(hidden, 0.0),
    )
    table = table1(undrawn, comparisons, datasets)
    heart = table[table["dataset"] == "heart"]
    es, ed = (heart[heart["group"] == group] for group in ("ES", "ED"))
    assert es[["dsc", "delta_volume_ml", "dsc_low"]].isna().all().all()
    assert (es["n"] == 0).all()
    assert ed["dsc"].notna().all()
