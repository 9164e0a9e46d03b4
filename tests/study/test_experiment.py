"""The row: its columns, its grammar and its folder."""

from dataclasses import asdict, fields

import pytest

from dicegrad.study.experiment import (
    COLUMNS,
    DEFAULTS,
    REQUIRED,
    Experiment,
    epsilon_number,
    heuristic_multiple,
)
from dicegrad.study.losses import AS_EMPTY, UNANNOTATED
from tests.conftest import refusal
from tests.study.conftest import ROW, read_one

# The columns


def test_the_fields_are_the_columns_and_only_later_ones_have_a_default():
    assert tuple(field.name for field in fields(Experiment)) == COLUMNS
    assert REQUIRED == ("dataset", "labeling", "loss", "phi", "epsilon", "batch_size")
    assert DEFAULTS == {"unannotated": AS_EMPTY}


def test_a_row_stays_as_it_is_written_but_for_the_batch_size():
    experiment = Experiment.from_row(ROW | {"epsilon": "1.0e-07"})
    assert asdict(experiment) == ROW | {
        "epsilon": "1.0e-07",
        "batch_size": 2,
        "unannotated": AS_EMPTY,
    }


@pytest.mark.parametrize("unannotated", UNANNOTATED)
def test_the_folder_of_a_row_leads_back_to_it(unannotated):
    experiment = Experiment.from_row(ROW | {"unannotated": unannotated})
    path = f"results/tiny/{experiment.path}/fold~3/weights.pt"
    assert Experiment.from_path(path) == experiment
    assert "fold" not in experiment.path


def test_a_row_that_holds_a_default_keeps_the_folder_it_had_before_the_column_was_there():
    old = "dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~1e-7/batch_size~2"
    assert Experiment.from_row(ROW).path == old
    assert Experiment.from_row(ROW | {"unannotated": AS_EMPTY}).path == old
    assert Experiment.from_row(ROW | {"unannotated": "ignored"}).path == (
        f"{old}/unannotated~ignored"
    )


@pytest.mark.parametrize("path", ["results/demo/scores.tsv", "dataset~heart/loss~dice", ""])
def test_another_folder_is_refused(path):
    assert refusal(Experiment.from_path, path) == f"{path}: is not the folder of an experiment"


def test_a_title_has_what_tells_the_row_from_others():
    assert Experiment.from_row(ROW).title == (
        "heart, partial labels: dice I, epsilon 1e-7, batch size 2"
    )
    ignored = Experiment.from_row(ROW | {"unannotated": "ignored", "labeling": "as-annotated"})
    assert ignored.title.endswith("batch size 2, not annotated: ignored")
    alone = Experiment.from_row(ROW | {"loss": "cross_entropy", "phi": "none", "epsilon": "none"})
    assert alone.title == "heart, partial labels: cross_entropy, batch size 2"


def test_one_number_written_in_two_ways_is_one_experiment():
    def key(epsilon):
        return Experiment.from_row(ROW | {"epsilon": epsilon}).key

    assert key("1e-7") == key("0.0000001") == key("1.0e-07")
    assert key("heuristic") == key("1xheuristic")
    assert len({key("1"), key("heuristic"), key("0.1xheuristic"), key("none")}) == 4


# The grammar of epsilon


@pytest.mark.parametrize(
    ("text", "multiple"),
    [("heuristic", 1.0), ("0.1xheuristic", 0.1), ("2xheuristic", 2.0), ("1e-7", None)],
)
def test_a_multiple_of_the_heuristic_is_read(text, multiple):
    assert heuristic_multiple(text) == multiple


@pytest.mark.parametrize(
    "text",
    [
        "1_0xheuristic",
        "1 xheuristic",
        "\u0661xheuristic",
        "1e-50xheuristic",
        "xheuristic",
        "0xheuristic",
        "-1xheuristic",
        "nanxheuristic",
        "1heuristic",
        "a heuristic",
    ],
)
def test_a_factor_that_is_no_positive_number_is_refused(text):
    message = refusal(heuristic_multiple, text)
    assert message == f"epsilon is {text!r}; write a multiple of the heuristic as 0.1xheuristic"


def test_an_epsilon_in_voxels_is_a_number_above_0():
    assert epsilon_number("1e-7") == 1e-7
    for text in ("0", "-1", "inf", "nan", "1e-999", "1e999"):
        assert refusal(epsilon_number, text).startswith(
            f"epsilon is {text}, but Dice of two empty maps needs one above 0"
        )
    for text in ("small", "1_0", " 1e-7", "1e-7 ", "\u0661", "+1", "0x1"):
        assert refusal(epsilon_number, text).startswith(f"epsilon is {text!r}; give a number, heur")


def test_an_epsilon_that_single_precision_takes_for_0_or_infinity_is_refused():
    for text in ("1e-46", "1e39"):
        assert refusal(epsilon_number, text) == (
            f"epsilon is {text}, which single precision does not hold; write one from 1e-37 to "
            "1e+37"
        )


# What fits together


@pytest.mark.parametrize(
    ("dataset", "changes"),
    [
        ("heart", {"loss": "leaf"}),
        ("heart", {"loss": "marginal"}),
        ("tumor", {"loss": "leaf"}),
        ("heart", {"phi": "BI", "epsilon": "heuristic"}),
        ("tumor", {"phi": "BCI", "epsilon": "heuristic"}),
        ("heart", {"phi": "BCI", "epsilon": "100"}),
        ("heart", {"labeling": "partial-50", "epsilon": "0.1xheuristic"}),
        ("tumor", {"loss": "dice_ce"}),
        ("heart", {"loss": "dice_ce", "phi": "BI", "epsilon": "heuristic"}),
        ("heart", {"loss": "cross_entropy", "phi": "none", "epsilon": "none"}),
    ],
)
def test_experiments_that_make_sense_are_let_through(dataset, changes):
    Experiment.from_row(ROW | changes).check(read_one(dataset).classes)


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        ("heart", {"loss": "leaf", "phi": "BI"}, "loss leaf takes phi I and a num"),
        (
            "heart",
            {"loss": "marginal", "epsilon": "heuristic"},
            "loss marginal takes phi I and",
        ),
        ("tumor", {"loss": "marginal"}, "which a single class (tumor) has not"),
        ("heart", {"phi": "CI", "epsilon": "heuristic"}, "phi CI sums over classes"),
        ("heart", {"epsilon": "0"}, "epsilon is 0, but Dice of two empty maps needs one above 0"),
        ("heart", {"epsilon": "1e-999"}, "epsilon is 1e-999, but"),
        ("heart", {"epsilon": "1e999"}, "epsilon is 1e999, but"),
        ("heart", {"epsilon": "0xheuristic"}, "epsilon is '0xheuristic'; write a multiple"),
        ("heart", {"phi": "BCI", "epsilon": "2xheuristic"}, "phi BCI sums over classes"),
        (
            "heart",
            {"loss": "leaf", "epsilon": "2xheuristic"},
            "loss leaf takes phi I and a num",
        ),
        ("heart", {"loss": "cross_entropy"}, "has neither phi nor epsilon; write none for both"),
        ("heart", {"loss": "cross_entropy", "phi": "none"}, "write none for both"),
        ("tumor", {"loss": "cross_entropy", "epsilon": "none"}, "write none for both"),
        ("heart", {"phi": "none"}, "loss dice needs a phi and an epsilon, say I and 1e-7; none is"),
        ("heart", {"epsilon": "none"}, "none is for cross_entropy, marginal_ce alone"),
        (
            "heart",
            {"loss": "dice_ce", "phi": "none", "epsilon": "none"},
            "loss dice_ce needs a phi",
        ),
        ("heart", {"loss": "dice_ce", "epsilon": "0"}, "epsilon is 0, but Dice of two empty maps"),
        ("heart", {"loss": "dice_ce", "phi": "CI", "epsilon": "heuristic"}, "phi CI sums over"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(dataset, changes, message):
    def read():
        Experiment.from_row(ROW | changes).check(read_one(dataset).classes)

    assert message in refusal(read)


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        (
            "heart",
            {"loss": "leaf", "unannotated": "marginal"},
            "loss leaf takes unannotated",
        ),
        (
            "heart",
            {"loss": "marginal", "unannotated": "ignored"},
            "marginal takes unannotated",
        ),
        ("tumor", {"unannotated": "marginal"}, "single class tumor has none; write ignored"),
        (
            "heart",
            {"unannotated": "marginal", "epsilon": "heuristic"},
            "takes the background's map too; write ignored, or a number",
        ),
        (
            "heart",
            {"unannotated": "skipped"},
            "unannotated is 'skipped'; allowed: as_empty",
        ),
    ],
)
def test_a_treatment_of_unannotated_maps_that_a_loss_does_not_know_is_refused(
    dataset, changes, message
):
    test_experiments_that_make_no_sense_are_refused(dataset, changes, message)
