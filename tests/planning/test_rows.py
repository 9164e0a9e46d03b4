from pathlib import Path

import numpy as np
import pytest

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.planning.fingerprint import Facts, Fingerprint
from dicegrad.planning.rows import HIDDEN, propose_rows
from dicegrad.study.labeling import Removal, make_labelings
from dicegrad.study.regions import check_loss


def known(volumes, classes=("LV", "RV"), groups=None, annotated=None, values=None, per_subject=1):
    """A fingerprint of cases with so many voxels of each class."""
    groups = groups or ["all"] * len(volumes)
    facts = []
    for number, each in enumerate(volumes):
        drawn = annotated[number] if annotated else None
        case = Case(f"c{number}", f"c{number // per_subject}", groups[number], (), Path("l"), drawn)
        facts.append(Facts(case, (8, 8, 8), (1.0, 1.0, 1.0), tuple(each), (-2.0,) * 3, (2.0,) * 3))
    values = values or {name: (k,) for k, name in enumerate(classes, start=1)}
    adapter = Adapter(
        "nnunet",
        ("MRI",),
        tuple(dict.fromkeys(groups)),
        values,
        lambda root: Scan(()),
        lambda r: [],
    )
    return Fingerprint(Path("root"), adapter, tuple(classes), tuple(facts), ())


def rows_of(proposal):
    return [row for question in proposal.questions for row in question.rows]


def test_full_labels_ask_for_dice_with_and_without_cross_entropy():
    proposal = propose_rows(known([(9, 5)] * 4))
    assert rows_of(proposal) == [
        ("full", "dice_ce", "I", "as_empty"),
        ("full", "dice", "I", "as_empty"),
    ]
    (entries, why) = proposal.labelings[HIDDEN]
    assert entries == [{"classes": ["RV"], "share": 0.5}]
    assert "RV" in why


def test_gaps_ask_for_all_three_treatments_on_labels_as_they_are_and_hidden():
    drawn = [("LV",), ("LV",), None, None]
    proposal = propose_rows(known([(9, 0), (9, 0), (9, 5), (9, 5)], annotated=drawn))
    asked = {(labeling, treatment) for labeling, _, _, treatment in rows_of(proposal)}
    words = ("as_empty", "ignored", "marginal")
    assert asked == {(labeling, w) for labeling in ("as-annotated", HIDDEN) for w in words}
    assert proposal.labelings[HIDDEN][0] == [{"classes": ["RV"], "share": 0.5}]


@pytest.mark.parametrize("annotated", [None, [("whole",)] + [None] * 5])
def test_classes_that_overlap_get_no_row_that_needs_a_background(annotated):
    regions = {"whole": (1, 2), "core": (2,)}
    volumes = [(9, 0 if annotated else 5)] + [(9, 5)] * 5
    data = known(volumes, tuple(regions), ["A", "B"] * 3, annotated, regions)
    asked = propose_rows(data)
    for _, loss, _, unannotated in rows_of(asked):
        check_loss(loss, unannotated)
    assert {row[3] for row in rows_of(asked)} == {"as_empty", "ignored"}
    assert not any("marginal" in question.comment for question in asked.questions)


def test_what_is_hidden_is_of_the_groups_that_have_the_gaps():
    drawn = [("LV",), None, None, None, None, None]
    groups = ["A", "A", "A", "B", "B", "B"]
    volumes = [(9, 0)] + [(9, 5)] * 5
    proposal = propose_rows(known(volumes, groups=groups, annotated=drawn))
    (entry,) = proposal.labelings[HIDDEN][0]
    # With the first seed it would be the subject that was not annotated.
    assert entry == {"group": "A", "classes": ["RV"], "share": 0.33, "seed": 1}


def test_a_class_that_a_whole_group_lacks_leaves_nothing_to_hide():
    drawn = [("LV",), ("LV",), None]
    groups = ["A", "A", "B"]
    proposal = propose_rows(known([(9, 0), (9, 0), (9, 5)], groups=groups, annotated=drawn))
    assert not proposal.labelings
    assert {row[0] for row in rows_of(proposal)} == {"as-annotated"}


def test_groups_with_full_labels_ask_for_partial():
    proposal = propose_rows(known([(9, 5)] * 4, groups=["ED", "ED", "ED", "ES"]))
    block, _ = proposal.missing
    assert block == {"group": "ES", "classes": ["RV"]}
    labelings = make_labelings(Removal.from_dict(block), {})
    assert {row[0] for row in rows_of(proposal)} <= set(labelings)


def test_what_partial_takes_from_a_group_another_group_still_shows():
    groups = ["HGG"] * 6 + ["LGG"] * 6
    volumes = [(100, 50, 10)] * 6 + [(100, 50, 0)] * 6
    proposal = propose_rows(known(volumes, ("whole", "core", "enhancing"), groups))
    block, why = proposal.missing
    assert block == {"group": "LGG", "classes": ["core"]}
    assert "core, the smallest class that several groups have," in why


def test_groups_that_share_no_class_ask_for_full_labels():
    proposal = propose_rows(known([(9, 0)] * 3 + [(0, 5)] * 3, groups=["A"] * 3 + ["B"] * 3))
    assert proposal.missing is None
    assert {row[0] for row in rows_of(proposal)} == {"full"}


def test_a_single_class_is_never_marginal():
    drawn = [(), None, None]
    proposal = propose_rows(known([(0,), (5,), (5,)], classes=("tumor",), annotated=drawn))
    assert {row[3] for row in rows_of(proposal)} == {"as_empty", "ignored"}


def test_every_row_is_an_experiment_of_its_classes():
    single = known([(5,)] * 3, classes=("tumor",), groups=["A", "A", "B"])
    for each in (single, known([(9, 5)] * 3, groups=["A", "A", "B"]), known([(9, 5)] * 3)):
        for group in propose_rows(each).experiments("mine", 2):
            for experiment in group:
                experiment.check(each.classes)


def test_volumes_are_in_millilitres():
    assert np.allclose(known([(1000, 2000)]).volumes, [[1.0, 2.0]])
