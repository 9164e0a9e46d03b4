from dataclasses import replace

import numpy as np
import pytest

from dicegrad.data.adapter import Case
from dicegrad.planning.look import Data, look
from dicegrad.planning.minutes import JOB, Estimate, estimate, rows_to_do, time_rows
from dicegrad.planning.overview import Machine, Overview, overview
from dicegrad.planning.pace import Pace
from dicegrad.study import Dataset, Experiment
from dicegrad.study.labeling import FULL, PARTIAL
from dicegrad.study.losses import NONE
from tests.conftest import refusal

SETTINGS = {
    "adapter": "nnunet",
    "root": "data/mine",
    "classes": ["organ", "lesion"],
    "missing": {"group": "B", "classes": ["lesion"]},
    "preprocessing": {"spacing": [1, 1, 2], "size": [8, 8, 4]},
    "folds": {"count": 2, "method": "stratified"},
    "network": {
        "encoder": [[4], [8]],
        "decoder": [[4]],
        "kernels": [[3, 3, 3]],
        "pools": [[2, 2, 2]],
    },
    "training": {"epochs": 10, "passes": 2, "stop_patience": 0},
    "sampling": {"partial": {"A": 3}},
}
# Six subjects, three of each group; case 0 was not searched for lesions, case 1 has none.
CASES = [
    Case(f"c{n}", f"s{n}", "AB"[n % 2], (), None, ("organ",) if n == 0 else None) for n in range(6)
]
VOLUMES = np.array([[9, 0], [9, 0], [9, 5], [9, 5], [9, 5], [9, 5]])


@pytest.fixture
def dataset():
    return Dataset.from_settings("mine", SETTINGS)


@pytest.fixture
def data():
    folds = {f"s{n}": int(n >= 4) for n in range(6)}  # four in the first, two in the second
    extents = np.array([[8.0, 8, 8]] * 5 + [[8.0, 12, 8]])
    slice_mm = np.full((6, 2), 2.0)
    return Data(CASES, VOLUMES.copy(), folds, extents, ("MR",), False, np.ones(6), slice_mm)


def row(labeling=PARTIAL, epsilon="1e-7"):
    return Experiment("mine", labeling, "dice", "I", epsilon, 2)


def test_the_smallest_structures_of_a_plan_are_those_of_least_volume(data):
    small = {"labelings": {"small": [{"classes": ["organ"], "smallest": 0.2}]}}
    dataset = Dataset.from_settings("mine", SETTINGS | small)
    # Case 4, which the second fold holds out, is the only one with thin slices.
    data = replace(data, voxel_mm3=np.array([10.0, 10, 10, 10, 5, 10]))
    found = look(data, dataset, [dataset.labeling("small")], [0, 1])
    assert [each.maps["organ"].not_annotated for each in found.folds] == [1, 0]


def test_a_plan_refuses_slices_of_a_grid_that_is_finer_than_the_images(data):
    data.slice_mm[4, 0] = 5.0  # of the image
    changes = {"labelings": {"sparse": [{"group": "A", "slices": 2}]}}
    dataset = Dataset.from_settings("mine", SETTINGS | changes)
    sparse = dataset.labeling("sparse")
    assert "dataset mine: labeling sparse leaves out" in refusal(look, data, dataset, [sparse], [0])
    assert look(data, dataset, [dataset.labeling(FULL)], [0])
    assert look(data, replace(dataset, engine="nnunet"), [sparse], [0])


def test_maps_of_a_training_fold_are_filled_empty_or_not_annotated(dataset, data):
    labelings = [dataset.labeling(FULL), dataset.labeling(PARTIAL)]
    found = look(data, dataset, labelings, [0, 1])
    maps = {(each.labeling, each.fold): vars(each.maps["lesion"]) for each in found.folds}
    assert [(each.training, each.held_out) for each in found.folds[:2]] == [(2, 4), (4, 2)]
    assert maps["full", 0] == {"filled": 2, "empty": 0, "not_annotated": 0}
    assert maps["full", 1] == {"filled": 2, "empty": 1, "not_annotated": 1}
    assert maps["partial", 0] == {"filled": 1, "empty": 0, "not_annotated": 1}
    assert maps["partial", 1] == {"filled": 1, "empty": 0, "not_annotated": 3}
    text = "\n".join(found.lines())
    assert "partial   1     4         -           2         4/0/0  1/0/3" in text
    assert "1 of 6 images are larger than the grid" in text


def test_a_class_that_no_training_case_shows_is_marked(dataset, data):
    data.volumes[4, 1] = 0  # of group A, whose lesions stay
    lines = look(data, dataset, [dataset.labeling(PARTIAL)], [0, 1]).lines()
    assert "! partial, fold 0: no training case shows lesion" in lines


def test_minutes_add_up(dataset, data, tmp_path):
    """By hand: 10 epochs, two passes, a second a case; half a second for one held out."""
    weights = [str(tmp_path / f"fold~{fold}" / "weights.pt") for fold in (0, 1)]
    rows = rows_to_do([(row(), weights)], dataset, data)
    seconds = [10 * (2 * 2 + 4 * 0.5), 10 * (4 * 2 + 2 * 0.5)]
    found = estimate(rows, 2, time_it=lambda *_: Pace(1.0, 0.5))
    assert found.seconds == (min(seconds), max(seconds))
    assert found.training == pytest.approx((JOB + max(seconds)) / 60)
    one_core = estimate(rows, 1, time_it=lambda *_: Pace(1.0, 0.5))
    assert one_core.training == pytest.approx((2 * JOB + sum(seconds)) / 60)
    two_threads = estimate(rows, 2, 2, time_it=lambda *_: Pace(1.0, 0.5))
    assert two_threads.training == one_core.training
    assert "2 training runs of about 60 seconds to 2 minutes" in one_core.lines()[0]


def test_cases_that_are_set_aside_are_validated_and_not_learnt_from(data, tmp_path):
    training = {**SETTINGS["training"], "validation": 0.25}  # one of the four subjects of fold 1
    dataset = Dataset.from_settings("mine", {**SETTINGS, "training": training})
    (rows,) = rows_to_do([(row(), [str(tmp_path / "fold~1" / "weights.pt")])], dataset, data)
    assert rows.seconds(Pace(1.0, 0.5), 1) == 10 * (3 * 2 + 1 * 0.5)
    (found,) = look(data, dataset, [dataset.labeling(FULL)], [1]).folds
    assert (found.training, found.aside, found.held_out) == (3, 1, 2)


def test_listed_cases_take_longer_and_done_runs_no_time(dataset, data, tmp_path):
    weights = [tmp_path / f"fold~{fold}" / "weights.pt" for fold in (0, 1)]
    weights[0].parent.mkdir()
    weights[0].touch()
    (rows,) = rows_to_do([(row(epsilon="heuristic"), list(map(str, weights)))], dataset, data)
    assert rows.folds == (1,)
    # Training cases of the fold: two of A, listed three times, and two of B.
    assert rows.seconds(Pace(1.0, 0.0), 1) == 10 * 2 * (2 * 3 + 2)
    weights[1].parent.mkdir()
    weights[1].touch()
    assert rows_to_do([(row(), list(map(str, weights)))], dataset, data) == []
    assert estimate([], 2) is None


@pytest.mark.parametrize(
    ("loss", "phi", "epsilon"),
    [("dice", "BI", "0.1xheuristic"), ("cross_entropy", NONE, NONE), ("dice_ce", "I", "1e-7")],
)
def test_the_steps_of_every_kind_of_row_are_timed(dataset, data, loss, phi, epsilon):
    kind = Experiment(
        "mine", PARTIAL, loss, phi, epsilon, 2, "ignored" if loss != "dice" else "as_empty"
    )
    (rows,) = rows_to_do([(kind, ["nowhere/fold~0/weights.pt"])], dataset, data)
    assert time_rows(rows, "cpu", 1).train > 0


def test_a_busy_machine_is_told_beside_the_minutes():
    found = Estimate(2, 2, 1.0, 1.0, False, (30.0, 30.0))
    assert len(Overview((), {}, 0.0, found, load=1.0).lines()) == 1
    assert (
        Overview((), {}, 0.0, found, load=7.0)
        .lines()[1]
        .startswith("! other programs are running here, 7 for each core")
    )


def test_a_study_of_a_cluster_is_not_timed_here(dataset, data):
    found = overview(
        [(dataset, data)],
        [(row(), ["nowhere/fold~0/weights.pt"])],
        {"mine": [0]},
        Machine(1, 1, ""),
    )
    assert found.estimate is None
    assert found.lines()[-1].endswith("jobs of a cluster")
    assert found.to_json()["datasets"][0]["folds"][0]["maps"]["organ"]["filled"] == 2
