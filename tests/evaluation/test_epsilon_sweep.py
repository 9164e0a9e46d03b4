from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from dicegrad import dice_gradient
from dicegrad.data.adapter import Case
from dicegrad.evaluation.epsilon_sweep import (
    TRANSITION_COLUMNS,
    relative_push,
    tipping_point,
    transition,
    voxels_of,
)
from tests.conftest import refusal

ABOUT = {"x": {"missing": {"group": "LGG", "classes": ["tumor"]}}}


def gradient(true, predicted, overlap, epsilon, where):
    """The derivative of image-wise Dice in a map of 400 voxels, at a voxel where y is `where`."""
    p, y = torch.zeros(1, 1, 400, dtype=torch.float64), torch.zeros(1, 400, dtype=torch.uint8)
    y[0, :true] = 1
    p[0, 0, true - overlap : true - overlap + predicted] = 1
    at = int(np.flatnonzero(y[0].numpy() == where)[0])
    return dice_gradient(p, y, "I", epsilon)[0, 0, at].item()


@pytest.mark.parametrize("epsilon", [0.5, 20.0, 100.0, 700.0])
def test_the_push_is_the_gradient_of_an_empty_map_against_its_maximum(epsilon):
    push, most = (gradient(0, 100, 0, e, 0) for e in (epsilon, 100.0))
    assert relative_push(epsilon / 100) == pytest.approx(push / most)
    assert most == pytest.approx(1 / 400)


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_at_the_tipping_point_empty_and_labelled_maps_hold_the_balance(share):
    epsilon = 100 * tipping_point(share)
    push, pull = gradient(0, 100, 0, epsilon, 0), gradient(100, 100, 100, epsilon, 1)
    assert share * push + (1 - share) * pull == pytest.approx(0, abs=1e-12)
    more = 1.5 * epsilon
    push, pull = gradient(0, 100, 0, more, 0), gradient(100, 100, 100, more, 1)
    assert share * push + (1 - share) * pull > 0


def test_with_half_of_the_labels_missing_no_epsilon_is_enough():
    assert tipping_point(0.5) == tipping_point(0.2) == float("inf")
    assert tipping_point(1.0) == 0
    for epsilon in (1.0, 100.0, 1e4):
        push, pull = gradient(0, 100, 0, epsilon, 0), gradient(100, 100, 100, epsilon, 1)
        assert push + pull < 0


def cases():
    return [
        Case(f"{group}{i}", f"{group}{i}", group, (), None)
        for group in ("HGG", "LGG")
        for i in range(4)
    ]


FOLDS = {case.case: int(case.case[-1]) % 2 for case in cases()}
FULL = np.array([[200], [220], [240], [260], [100], [120], [140], [160]])


def study(epsilons, dsc, labeling="partial"):
    """Scores of fold 0, where the missing group has these DSC for these epsilons."""
    rows = [
        {
            "dataset": "x",
            "labeling": labeling,
            "loss": "dice",
            "phi": "I",
            "epsilon": epsilon,
            "batch_size": 2,
            "fold": 0,
            "class": "tumor",
            "case": case.case,
            "subject": case.subject,
            "group": case.group,
            "dsc": value if case.group == "LGG" else 0.9,
        }
        for epsilon, value in zip(epsilons, dsc, strict=True)
        for case in cases()
        if FOLDS[case.subject] == 0
    ]
    return pd.DataFrame(rows)


def doses(labeling="partial", emptied=(4, 5, 6, 7)):
    """The heuristic epsilon, and the volumes on full and on the labeling's labels."""
    seen = FULL.copy()
    seen[list(emptied)] = 0
    epsilon = pd.DataFrame(
        {"dataset": "x", "labeling": labeling, "fold": [0, 1], "class": "tumor", "epsilon": [70, 9]}
    )
    voxels = [
        voxels_of(cases(), FOLDS, ["tumor"], volumes).assign(dataset="x", labeling=name)
        for name, volumes in (("full", FULL), (labeling, seen))
    ]
    return epsilon, pd.concat(voxels)


def test_epsilon_is_measured_in_volumes_of_the_missing_groups_training_cases():
    scores = study(["1e-7", "0.1xheuristic", "heuristic", "35"], [0.9, 0.8, 0.1, 0.2])
    table = transition(scores, *doses(), ABOUT)
    assert list(table.columns) == list(TRANSITION_COLUMNS)
    assert set(table["volume_voxels"]) == {(120 + 160) / 2}  # LGG of fold 1, which is trained on
    gone = table[table["missing"]]
    assert gone["epsilon"].tolist() == ["1e-7", "0.1xheuristic", "35", "heuristic"]
    assert gone["epsilon_voxels"].tolist() == pytest.approx([1e-7, 7, 35, 70])
    assert gone["epsilon_over_v"].tolist()[1:] == pytest.approx([0.05, 0.25, 0.5])
    assert gone["dsc"].tolist() == pytest.approx([0.9, 0.8, 0.2, 0.1])
    assert set(table["share_missing"]) == {1.0}
    assert set(table.loc[~table["missing"], "group"]) == {"HGG"}


def test_halfway_is_found_between_two_epsilons():
    scores = study(["1e-7", "0.14", "14", "140"], [0.8, 0.8, 0.0, 0.0])
    table = transition(scores, *doses(), ABOUT)
    assert table["halfway"].to_numpy() == pytest.approx(np.full(8, 0.01))  # between 1e-3 and 0.1
    assert table["halfway_push"].to_numpy() == pytest.approx(np.full(8, relative_push(0.01)))
    level = transition(study(["1e-7", "14"], [0.8, 0.7]), *doses(), ABOUT)
    assert level["halfway"].isna().all()
    unlearnt = transition(study(["1e-7", "14", "140"], [0.0, 0.3, 0.2]), *doses(), ABOUT)
    assert unlearnt["halfway"].isna().all()


def test_a_share_is_that_of_the_training_cases():
    scores = study(["1e-7", "14"], [0.8, 0.7], "partial-25")
    table = transition(scores, *doses("partial-25", emptied=[5]), ABOUT)
    assert set(table["share_missing"]) == {0.5}  # LGG1 of LGG1 and LGG3


def test_other_reductions_losses_and_classes_are_left_out():
    scores = study(["1e-7", "14"], [0.8, 0.7])
    other = [scores.assign(phi="BI"), scores.assign(loss="leaf"), scores.assign(**{"class": "LV"})]
    table = transition(pd.concat([scores, *other]), *doses(), ABOUT)
    assert len(table) == 4
    assert transition(pd.concat(other[:2]), *doses(), ABOUT).empty


def test_a_loss_that_is_told_what_is_annotated_has_a_line_of_its_own():
    taken, told = study(["1e-7", "14"], [0.8, 0.2]), study(["1e-7", "14"], [0.8, 0.7])
    table = transition(pd.concat([taken, told.assign(unannotated="ignored")]), *doses(), ABOUT)
    assert list(table.columns) == list(TRANSITION_COLUMNS)
    gone = table[table["missing"]].groupby("unannotated")
    assert gone["dsc"].apply(list).to_dict() == {
        "as_empty": pytest.approx([0.8, 0.2]),
        "ignored": pytest.approx([0.8, 0.7]),
    }
    assert gone["halfway"].first().notna().to_dict() == {"as_empty": True, "ignored": False}


def test_the_heuristic_is_that_of_the_rows_own_way_with_unannotated_maps():
    scores = study(["1e-7", "heuristic"], [0.9, 0.1])
    scores = pd.concat([scores, scores.assign(unannotated="ignored")])
    epsilon, voxels = doses()
    annotated = epsilon.assign(epsilon=[210, 230])
    both = pd.concat([epsilon.assign(annotated_only=False), annotated.assign(annotated_only=True)])
    for tables in (both, both.iloc[::-1]):
        table = transition(scores, tables, voxels, ABOUT)
        size = table[table["epsilon"] == "heuristic"].groupby("unannotated")["epsilon_voxels"]
        assert size.unique().apply(list).to_dict() == {"as_empty": [70], "ignored": [210]}


def test_two_heuristics_that_nothing_tells_apart_are_refused():
    epsilon, voxels = doses()
    told = refusal(transition, study(["heuristic"], [0.1]), pd.concat([epsilon] * 2), voxels, ABOUT)
    assert told == (
        "epsilon.tsv: dataset x, labeling partial, class tumor has two heuristics in fold 0; "
        "delete the table to make it again"
    )


def test_lines_are_told_apart_with_several_seeds_too():
    one = study(["1e-7", "14"], [0.8, 0.2])
    both = pd.concat([one.assign(unannotated="as_empty"), one.assign(unannotated="ignored", dsc=1)])
    runs = pd.concat([both.assign(seed=0), both.assign(seed=1, dsc=both["dsc"] / 2)])
    table = transition(both, *doses(), ABOUT, runs)
    spread = table[table["missing"]].set_index(["unannotated", "epsilon"])["dsc_seed_sd"]
    for line, dsc in (("as_empty", 0.8), ("ignored", 1.0)):
        assert spread[line, "1e-7"] == pytest.approx(dsc / 2 / np.sqrt(2))


def both_groups(labeling="half", groups=("HGG", "LGG")):
    """A dataset without a single missing group, and a labeling that takes half of these groups."""
    shares = {group: {"tumor": 0.5 * (group in groups)} for group in ("HGG", "LGG")}
    about = {"missing": {"group": "", "classes": ["tumor"]}, "groups": ["HGG", "LGG"]}
    return {"x": {**about, "labelings": {"full": {}, labeling: shares}}}


def test_without_a_single_missing_group_v_is_of_all_groups_that_lack_labels():
    scores = study(["1e-7", "15.9", "200"], [0.9, 0.9, 0.0], "half")
    table = transition(scores, *doses("half", emptied=[1, 5]), both_groups())
    volume = (220 + 260 + 120 + 160) / 4  # of fold 1, which is trained on
    assert set(table["volume_voxels"]) == {volume}
    assert set(table["share_missing"]) == {0.5}
    assert set(table["missing"]) == {True}
    assert sorted(set(table["epsilon_over_v"])) == pytest.approx(
        [1e-7 / volume, 15.9 / volume, 200 / volume]
    )
    # Both groups together fall from 0.9 to 0.45, half of it, at the last epsilon.
    assert table["halfway"].to_numpy() == pytest.approx(np.full(6, 200 / volume))


def test_v_is_of_the_groups_that_the_rows_own_labeling_takes_from():
    table = transition(
        study(["1e-7", "10"], [0.9, 0.9], "half"),
        *doses("half", emptied=[1]),
        {"x": {**both_groups(groups=("HGG",))["x"], **ABOUT["x"]}},
    )
    assert set(table["volume_voxels"]) == {(220 + 260) / 2}
    assert set(table.loc[table["missing"], "group"]) == {"HGG"}


def test_full_labels_lie_on_the_axis_of_the_labels_that_are_missing():
    partial, voxels = doses("half", emptied=[5])
    scores = pd.concat([study(["1e-7", "10"], [0.9, 0.9], name) for name in ("full", "half")])
    table = transition(scores, partial, voxels, both_groups(groups=("LGG",)))
    assert set(table["volume_voxels"]) == {140}
    alone = transition(scores[scores["labeling"] == "full"], partial, voxels, both_groups())
    assert set(alone["volume_voxels"]) == {(220 + 260 + 120 + 160) / 4}
    assert set(alone["missing"]) == {False}
    assert alone["halfway"].isna().all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("drawn", [True, False])
def test_a_group_without_a_voxel_of_the_class_has_no_x_and_stops_nothing(drawn):
    epsilon, voxels = doses()
    voxels.loc[voxels["group"] == "LGG", "voxels"] = 0 if drawn else np.nan
    table = transition(study(["1e-7", "heuristic"], [0.9, 0.1]), epsilon, voxels, ABOUT)
    assert len(table) == 4
    assert table[["epsilon_over_v", "relative_push", "halfway"]].isna().all(axis=None)
    assert set(table["share_missing"]) == {0.0 if drawn else 1.0}


def test_maps_that_nobody_looked_for_have_no_volume():
    undrawn = [replace(case, annotated=() if case.case == "LGG1" else None) for case in cases()]
    known = voxels_of(undrawn, FOLDS, ["tumor"], FULL).set_index("case")["voxels"]
    assert known.isna().sum() == 1
    assert np.isnan(known["LGG1"])
    both = pd.concat(
        voxels_of(undrawn, FOLDS, ["tumor"], FULL).assign(dataset="x", labeling=name)
        for name in ("full", "as-annotated")
    )
    scores = study(["1e-7", "14"], [0.9, 0.1], "as-annotated")
    about = {"x": {"missing": {"group": "", "classes": ["tumor"]}}}
    table = transition(scores, doses()[0], both, about)
    assert set(table["volume_voxels"]) == {160}  # of LGG3: a mean with LGG1's 0 is none
    assert set(table["share_missing"]) == {0.5}
    assert set(table.loc[table["missing"], "group"]) == {"LGG"}
