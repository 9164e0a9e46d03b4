"""`dicegrad predict` with a config of a study, and with weights that know their settings."""

import pytest

from tests.cli.predicting import SETTINGS, change_settings, contents, predict, tell


def test_settings_that_a_study_replaces_are_taken_from_its_config(capsys, place):
    study = place / "study.yaml"
    study.write_text("datasets: {toy: {preprocessing: {spacing: [1, 1, 4]}}, other: {classes: []}}")
    code, _, _ = predict(capsys, place, "--configfile", study)
    assert code == 0
    change_settings(place, preprocessing=SETTINGS["preprocessing"] | {"spacing": [1, 1, 4]})
    predict(capsys, place, out="same")
    assert contents(place / "same") == contents(place / "out")
    study.write_text("study: demo\ndatasets:")
    assert predict(capsys, place, "--configfile", study, out="plain")[0] == 0
    assert contents(place / "same") == contents(place / "plain")


@pytest.mark.parametrize(
    ("changes", "key", "theirs", "ours"),
    [
        (
            {"classes": ["RV", "MYO", "LV"]},
            "classes",
            "['LV', 'MYO', 'RV']",
            "['RV', 'MYO', 'LV']",
        ),
        (
            {"preprocessing": SETTINGS["preprocessing"] | {"spacing": [1, 1, 4]}},
            "preprocessing.spacing",
            "[2.0, 2.0, 4.0]",
            "[1.0, 1.0, 4.0]",
        ),
    ],
)
def test_settings_that_are_not_those_of_the_weights_are_refused(
    capsys, place, changes, key, theirs, ours
):
    for name in ("a.pt", "b.pt"):
        tell(place / name)
    assert predict(capsys, place, out="right")[0] == 0
    change_settings(place, **changes)
    code, _, err = predict(capsys, place)
    assert code == 1
    assert err == (
        f"error: {place}/a.pt: was trained with {key} {theirs}, but {place}/toy.yaml has {ours}; "
        "name the dataset file of that training run, or other weights\n"
    )
    assert not (place / "out").exists()


@pytest.mark.parametrize("content", ["[toy]", "{toy: }", "{toy: 3}"])
def test_a_config_whose_datasets_hold_no_settings_is_one_line(capsys, place, content):
    study = place / "study.yaml"
    study.write_text(f"datasets: {content}")
    code, _, err = predict(capsys, place, "--configfile", study)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: {study}: datasets has ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("datasets: {toys: {}}", "datasets has no 'toy'; did you mean 'toys'?; correct the name"),
        ("dataset: {toy: {}}", "unknown key dataset; did you mean 'datasets'?"),
    ],
)
def test_a_misspelt_name_in_a_config_is_one_line_and_not_the_plain_settings(
    capsys, place, content, line
):
    study = place / "study.yaml"
    study.write_text(content)
    code, _, err = predict(capsys, place, "--configfile", study)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: {study}: {line}")
