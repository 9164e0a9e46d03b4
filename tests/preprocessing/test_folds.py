from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.errors import InputError
from dicegrad.preprocessing.folds import held_out, make_folds, read_folds, write_folds


def case(subject, group):
    return SimpleNamespace(subject=subject, group=group)


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
    ],
)
def test_an_edited_file_is_checked(tmp_path, text, message):
    path = tmp_path / "folds.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_folds(path, ["a", "b"], 2)
    assert str(path) in str(caught.value)


def test_a_fold_holds_out_all_cases_of_its_subjects(tmp_path):
    write_folds(tmp_path / "folds.tsv", {"patient001": 0, "patient002": 1, "patient003": 0})
    found = [held_out(patients(3), tmp_path / "folds.tsv", 2, fold) for fold in (0, 1)]
    assert found[0] == [True, True, False, False, True, True]
    assert found[1] == [not out for out in found[0]]
