"""What was copied from elsewhere is told by the settings that lie beside it."""

import shutil
from pathlib import Path

import pytest
import yaml

from dicegrad.errors import InputError
from dicegrad.reporting.origin import (
    PREPARED,
    _note,
    _prepared,
    check_origin,
    write_made_with,
)
from dicegrad.reporting.record import write_settings, write_yaml
from dicegrad.study import Study, paths

TABLE = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\nheart\tfull\tdice\tI\t1e-7\t2\n"
CONFIG = {"study": "mine", "experiments": "experiments.tsv", "folds": [0]}
DATASETS = Path(__file__).parents[2] / "config"


def study_of(**changes):
    """A study, and its config as the workflow has it."""
    Path("experiments.tsv").write_text(TABLE)
    config = {**CONFIG, **changes}
    return Study.read(config, "config.yaml", DATASETS), config


def finish(noted=False):
    """What a finished study leaves; the notes of Snakemake only if so wanted."""
    study, config = study_of()
    settings = {name: dataset.settings for name, dataset in study.datasets.items()}
    folder = Path("results") / study.name / "study"
    write_settings(folder, config, Path("experiments.tsv"), settings)
    write_yaml(Path("resources") / "heart" / PREPARED, settings["heart"])
    weights = paths.fold_files(study, study.experiments, "weights.pt")
    for file in (*weights, *paths.score_files(study), "resources/heart/images.npy"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
        if noted:
            _note(file).parent.mkdir(parents=True, exist_ok=True)
            _note(file).touch()


def set_here(**blocks):
    return {"datasets": {"heart": blocks}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_new_study_has_nothing_to_compare():
    check_origin(*study_of())


def test_copied_results_under_the_same_settings_are_accepted():
    finish()
    check_origin(*study_of())


def test_results_of_another_study_are_refused_with_and_without_notes():
    for noted in (False, True):
        finish(noted)
        Path("results/mine").rename("results/yours")
        with pytest.raises(InputError, match=r"results/yours: holds the results of .*'mine'"):
            check_origin(*study_of(study="yours"))
        Path("results/yours").rename("results/mine")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (set_here(training={"epochs": 99}), r"training.epochs was \d+ \(results/mine/study/dat"),
        (set_here(network={"background": 0.5}), "network.background was .* and is now 0.5; set it"),
        (set_here(classes=["RV", "MYO", "LV"]), "classes was "),
        ({"seed": 1}, r"seed was 0 \(results/mine/study/config.yaml\) and is now 1; set it back"),
        ({"draws": 1000}, "draws was 100000 "),
    ],
)
def test_copied_results_under_other_settings_are_refused(changes, said):
    finish()
    with pytest.raises(InputError, match=f"with other settings: {said}"):
        check_origin(*study_of(**changes))


def test_where_snakemake_has_its_notes_other_settings_are_its_business():
    finish(noted=True)
    check_origin(*study_of(**set_here(training={"epochs": 99})))


@pytest.mark.parametrize(
    "changes",
    [set_here(root="/elsewhere"), set_here(training={"checkpoint_minutes": 99}), {"outputs": []}],
)
def test_what_changes_nothing_of_a_result_may_differ(changes):
    finish()
    check_origin(*study_of(**changes))


def test_copied_cases_that_were_prepared_in_another_way_are_refused():
    finish()
    Path("results").rename("gone")
    check_origin(*study_of(**set_here(training={"epochs": 99})))
    with pytest.raises(InputError, match=r"heart/images.npy: .* preprocessing.spacing was "):
        check_origin(*study_of(**set_here(preprocessing={"spacing": [1, 1, 1]})))


def test_copied_results_that_say_nothing_of_their_settings_are_refused():
    finish()
    shutil.rmtree("results/mine/study")
    with pytest.raises(
        InputError, match=r"weights.pt: .* nothing says with which settings; move"
    ) as error:
        check_origin(*study_of())
    place = Path(str(error.value).rpartition(" copy that to ")[2])
    place.parent.mkdir()
    place.write_text(yaml.safe_dump(CONFIG))
    check_origin(*study_of())
    with pytest.raises(InputError, match="with other settings: seed was 0 "):
        check_origin(*study_of(seed=1))


def test_results_that_snakemake_was_making_when_it_was_killed_are_its_business():
    finish()
    shutil.rmtree("results/mine/study")
    study, _ = study_of()
    for file in (
        *paths.fold_files(study, study.experiments, "weights.pt"),
        *paths.score_files(study),
    ):
        note = _note(file, Path(".snakemake/incomplete"))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    check_origin(*study_of())


def prepare(**changes):
    """Folds, labels and epsilons of a study, as the workflow makes them, without its notes."""
    study, _ = study_of(**changes)
    for file, settings in _prepared(study):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
        write_made_with(Path(file), settings)


PARTIAL = TABLE.replace("full", "partial").replace("1e-7", "heuristic")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            set_here(folds={"seed": 9}),
            r"heart/folds.tsv: .* folds.seed was 0 \(resources/heart/folds.se",
        ),
        (set_here(folds={"count": 3}), "heart/folds.tsv: .* folds.count was 2 "),
        (set_here(classes=["RV", "MYO", "LV"]), "heart/annotated/partial.tsv: .*: classes was"),
        (
            set_here(missing={"group": "ES", "classes": ["LV"]}),
            "heart/annotated/partial.tsv: .*: removals was ",
        ),
        (set_here(sampling={"partial": {"ES": 7}}), "epsilon/partial.tsv: .* sampling.ES was "),
    ],
)
def test_copied_folds_labels_and_epsilons_that_were_made_otherwise_are_refused(
    monkeypatch, changes, said
):
    monkeypatch.setattr("tests.reporting.test_origin.TABLE", PARTIAL)
    prepare()
    check_origin(*study_of())
    with pytest.raises(InputError, match=said) as error:
        check_origin(*study_of(**changes))
    assert "set it back, or move resources/heart/" in str(error.value)
    file = Path(str(error.value).partition(":")[0])
    _note(str(file)).parent.mkdir(parents=True, exist_ok=True)
    for name, _ in _prepared(study_of(**changes)[0]):
        _note(name).touch()
    check_origin(*study_of(**changes))  # of what was made here Snakemake knows


def test_folds_of_an_earlier_version_and_folds_that_were_edited_are_accepted():
    prepare()
    Path("resources/heart/folds.tsv").write_text("edited")
    check_origin(*study_of())
    Path("resources/heart/folds.settings.yaml").unlink()
    check_origin(*study_of(**set_here(folds={"seed": 9})))


def test_a_damaged_copy_of_the_settings_says_what_to_delete():
    finish()
    copy = Path("results/mine/study/config.yaml")
    copy.write_text(copy.read_text().replace("mine", "nine"))
    with pytest.raises(InputError, match="has changed since it was written; delete results/mine/s"):
        check_origin(*study_of())
