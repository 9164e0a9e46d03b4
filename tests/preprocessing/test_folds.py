import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.errors import InputError
from dicegrad.preprocessing.folds import (
    folds_of_splits,
    held_out,
    make_folds,
    read_folds,
    validation_part,
    write_folds,
)
from tests.conftest import refusal


def case(subject, group, annotated=None):
    return SimpleNamespace(subject=subject, group=group, annotated=annotated)


def patients(count):
    return [case(f"patient{i:03d}", phase) for i in range(1, count + 1) for phase in ("ED", "ES")]


def tumors(high, low):
    # Shuffled on purpose: the folds must not depend on the order of the cases.
    cases = [case(f"B{i:03d}", "HGG") for i in range(high)]
    cases += [case(f"A{i:03d}", "LGG") for i in range(low)]
    return cases[::-1]


def test_modulo_is_the_authors_rule_for_acdc():
    folds = make_folds(patients(100), 5, "modulo")
    assert all(folds[f"patient{i:03d}"] == (i - 1) % 5 for i in range(1, 101))


def test_legacy_shuffle_is_the_authors_rule_for_brats():
    folds = make_folds(tumors(210, 75), 5, "legacy_shuffle", seed=0)
    assert Counter(folds.values()) == dict.fromkeys(range(5), 57)
    # In the sorted list of BRATS 2018, CBICA_BFB_1 is the 104th HGG and TCIA13_630_1 the 68th LGG;
    # the authors show them as held out in the first and in the second fold.
    assert folds["B103"] == 0
    assert folds["A067"] == 1


def test_legacy_shuffle_cuts_as_evenly_as_it_can():
    folds = make_folds(tumors(7, 4), 3, "legacy_shuffle")
    assert sorted(Counter(folds.values()).values()) == [3, 4, 4]


@given(st.integers(2, 20), st.integers(0, 20), st.integers(2, 5), st.integers(0, 99))
def test_stratified_folds_have_their_share_of_every_group(high, low, count, seed):
    cases = tumors(high, low)
    if len(cases) < count:
        with pytest.raises(InputError, match="only"):
            make_folds(cases, count, "stratified", seed)
        return
    folds = make_folds(cases, count, "stratified", seed)
    assert set(folds) == {c.subject for c in cases}
    everyone = [Counter(folds.values())[k] for k in range(count)]
    assert max(everyone) - min(everyone) <= 1
    for group in ("HGG", "LGG"):
        members = Counter(folds[c.subject] for c in cases if c.group == group)
        assert max(members[k] for k in range(count)) - min(members[k] for k in range(count)) <= 1


def test_folds_depend_on_the_seed_and_on_nothing_else():
    cases = tumors(12, 9)
    for method in ("stratified", "legacy_shuffle"):
        folds = make_folds(cases, 3, method, seed=1)
        assert folds == make_folds(cases[::-1], 3, method, seed=1)
        assert folds != make_folds(cases, 3, method, seed=2)


def test_folds_survive_the_file(tmp_path):
    folds = make_folds(patients(7), 3)
    write_folds(tmp_path / "folds.tsv", folds)
    assert read_folds(tmp_path / "folds.tsv", folds, 3) == folds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject\tfold\na\t0\na\t1\nb\t1\n", "subject 'a' is listed twice"),
        ("subject\tfold\na\t0\nb\t1\nc\t1\n", "subject 'c' is not in the dataset"),
        ("subject\tfold\na\t0\n", "subject 'b' has no fold"),
        ("subject\tfold\na\t0\nb\t2\n", "fold of b is 2; give 0 to 1"),
        (
            "subject\tfold\na\t0\nb\tone\n",
            "line 3 has 'one' in column fold, which holds whole numbers",
        ),
        ("subject\tfold\na\t0\nb\t0\n", "fold 1 has no subject"),
        ("subject,fold\na,0\n", "column subject, fold is missing; it has subject,fold"),
        ("subject\tfold\na 0\n", "line 2 has 1 cells"),
        ("subject\tfold\na\t0\n\udcff\t1\n", "is not UTF-8 text"),
    ],
)
def test_an_edited_file_is_checked(tmp_path, text, message):
    path = tmp_path / "folds.tsv"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=message) as caught:
        read_folds(path, ["a", "b"], 2)
    assert str(caught.value).endswith(f"; or delete {path} to have it made again")


def test_a_fold_holds_out_all_cases_of_its_subjects(tmp_path):
    write_folds(tmp_path / "folds.tsv", {"patient001": 0, "patient002": 1, "patient003": 0})
    found = [held_out(patients(3), tmp_path / "folds.tsv", 2, fold) for fold in (0, 1)]
    assert found[0] == [True, True, False, False, True, True]
    assert found[1] == [not out for out in found[0]]


def maps(subject, group="all", annotated=None):
    return SimpleNamespace(case=subject, subject=subject, group=group, annotated=annotated)


def test_balanced_folds_share_the_cases_that_lack_a_class():
    cases = [maps(f"s{number:02d}") for number in range(20)]
    filled = np.array([[True, number < 10] for number in range(20)])
    folds = make_folds(cases, 5, "balanced", filled=filled)
    for fold in range(5):
        assert sum(folds[case.subject] == fold for case in cases[:10]) == 2
        assert sum(folds[case.subject] == fold for case in cases[10:]) == 2


def test_balanced_folds_tell_empty_maps_from_those_that_are_not_annotated():
    cases = [maps(f"s{n:02d}", annotated=("LV",) if n < 10 else None) for n in range(20)]
    folds = make_folds(cases, 2, "balanced", filled=np.zeros((20, 2), bool))
    assert sum(folds[case.subject] for case in cases[:10]) == 5


def splits(tmp_path, *validated):
    path = tmp_path / "splits_final.json"
    every = {name for names in validated for name in names}
    folds = [{"train": sorted(every - set(names)), "val": names} for names in validated]
    path.write_text(json.dumps(folds))
    return path


def test_splits_of_nnunet_are_the_folds_that_validate(tmp_path):
    path = splits(tmp_path, ["b"], ["a", "c"])
    cases = [maps("a"), maps("b"), maps("c")]
    assert folds_of_splits(cases, path, 2) == {"a": 1, "b": 0, "c": 1}


@pytest.mark.parametrize(
    ("validated", "message"),
    [
        ((["a", "b"], ["a", "c"]), "case a is in `val` of two folds; keep one"),
        ((["b"], ["a", "c", "a"]), "case a is in `val` of fold 1 twice; keep one"),
        ((["a"], ["b"]), "case c is in `val` of no fold; add it"),
        ((["a"], ["b", "c", "d"]), "case 'd' is not in the dataset; remove it"),
        ((["a", "b", "c"],), "has 1 folds, but folds.count is 2; write 1"),
    ],
)
def test_splits_that_do_not_fit_the_cases_are_refused(tmp_path, validated, message):
    cases = [maps("a"), maps("b"), maps("c")]
    assert message in refusal(folds_of_splits, cases, splits(tmp_path, *validated), 2)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ({"train": [], "val": ["b"]}, "case a is neither in `train` nor in `val` of fold 1, and"),
        ({"train": ["a", "b"], "val": ["b"]}, "`train` of fold 1 has b, which is in its `val`"),
        ({"train": ["a", "x"], "val": ["b"]}, "`train` of fold 1 has x, which is in its `val`, or"),
        ({"val": ["b"]}, "is no list of folds"),
        ({"train": ["a"], "val": "b"}, "is no list of folds"),
        ({"train": ["a"], "val": [2]}, "is no list of folds"),
        ({"train": ["a", "b"], "val": []}, "`val` of fold 1 is empty; name cases, or remove it"),
    ],
)
def test_splits_that_a_study_would_not_follow_are_refused(tmp_path, fold, message):
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": ["b"], "val": ["a"]}, fold]))
    assert message in refusal(folds_of_splits, [maps("a"), maps("b")], path, 2)


def test_splits_never_separate_a_subject(tmp_path):
    cases = [maps("a"), maps("b")]
    cases[1].subject = "a"
    assert "cases of subject a are in two folds" in refusal(
        folds_of_splits, cases, splits(tmp_path, ["a"], ["b"]), 2
    )


def test_splits_nested_without_end_are_refused_in_one_line(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text("[" * 100_000)
    assert "nested too deeply" in refusal(folds_of_splits, [maps("a")], path, 1)


def test_a_file_that_holds_no_splits_is_refused(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text('{"train": []}')
    assert "is no list of folds" in refusal(folds_of_splits, [maps("a")], path, 1)


def set_aside(cases, out, share, fold=0):
    chosen = validation_part(cases, out, share, fold)
    return [each for each, aside in zip(cases, chosen, strict=True) if aside]


@given(st.integers(2, 40), st.integers(0, 40), st.floats(0.05, 0.95), st.integers(0, 4))
def test_validation_takes_whole_subjects_of_the_training_folds_from_each_group(
    high, low, share, fold
):
    cases = tumors(high, low) * 2  # two images of each
    folds = make_folds(cases, 2)
    out = [folds[each.subject] == fold % 2 for each in cases]
    known = Counter({c.subject: c.group for c, o in zip(cases, out, strict=True) if not o}.values())
    count = int(share * known.total() + 0.5)
    if not 0 < count < known.total():
        return
    chosen = set_aside(cases, out, share, fold)
    subjects = {each.subject: each.group for each in chosen}
    assert len(chosen) == 2 * len(subjects)
    assert len(subjects) == count
    assert not {c.subject for c, o in zip(cases, out, strict=True) if o} & set(subjects)
    for group, number in Counter(subjects.values()).items():
        assert abs(number - share * known[group]) <= 1.5


def test_validation_is_the_same_draw_whatever_the_order_of_the_cases_and_another_in_another_fold():
    cases = patients(40)
    out = [int(each.subject[-3:]) % 5 == 0 for each in cases]
    first = {each.subject for each in set_aside(cases, out, 0.25)}
    again = {each.subject for each in set_aside(cases[::-1], out[::-1], 0.25)}
    assert first == again
    assert len(first) == 8
    assert first != {each.subject for each in set_aside(cases, out, 0.25, fold=1)}


def test_subjects_with_the_same_classes_annotated_give_their_share():
    half = [case(f"a{i}", "all", ("LV",)) for i in range(10)]
    half += [case(f"b{i}", "all", ("LV", "RV")) for i in range(10)]
    chosen = set_aside(half, [False] * 20, 0.2)
    assert Counter(each.subject[0] for each in chosen) == {"a": 2, "b": 2}


def test_a_share_that_is_no_subject_or_all_is_refused():
    cases, none = patients(3), [False] * 6
    assert validation_part(cases, none, 0, 0) == none
    said = refusal(validation_part, cases, none, 0.1, 0)
    assert said.startswith(
        "training: validation is 0.1, which of the 3 training subjects of fold 0"
    )
    assert "leaves none to validate on; give a larger share" in said
    assert "leaves none to learn from; give a smaller" in refusal(
        validation_part, cases, none, 0.9, 0
    )
