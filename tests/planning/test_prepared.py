"""Prepared files whose settings were edited since are not taken for the study."""

import json
import shutil

import pytest

from dicegrad.data.adapters import adapter_of
from dicegrad.data.annotated import marked_by_table
from dicegrad.data.cases import write_cases
from dicegrad.planning.look import look, original_data, prepared_data
from dicegrad.planning.prepared import is_prepared
from dicegrad.preprocessing.folds import make_folds, write_folds
from dicegrad.preprocessing.prepare import prepare_dataset
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.reporting.origin import write_made_with
from dicegrad.study import Dataset
from tests.conftest import refusal
from tests.decathlon import CLASSES, write_decathlon
from tests.planning.test_minutes import SETTINGS


def dataset_of(root, classes=CLASSES, count=3):
    settings = {
        **{key: SETTINGS[key] for key in ("network", "training")},
        "adapter": "nnunet",
        "root": str(root),
        "classes": [*classes],
        "preprocessing": {"spacing": [1, 1, 1.5], "size": [20, 20, 12]},
        "folds": {"count": count, "method": "modulo"},
    }
    return Dataset.from_settings("balls", settings)


@pytest.fixture
def root(tmp_path):
    """Six cases, in two of which nobody drew the box."""
    return write_decathlon(tmp_path / "balls", annotated={0: "ball", 1: "ball"})


@pytest.fixture
def folder(root, tmp_path):
    """The cases as the workflow prepares them, with three folds."""
    dataset, folder = dataset_of(root), tmp_path / "resources"
    folder.mkdir()
    adapter = adapter_of(dataset)
    cases, _ = marked_by_table(adapter.scan(root).cases, root, dataset.block("annotated"), adapter)
    write_cases(folder / "cases.tsv", cases, adapter.channels)
    places = [folder / name for name in ("images.npy", "labels.npy", "prepared.json")]
    settings = Preprocessing.from_dict(dataset.block("preprocessing"))
    prepare_dataset(cases, adapter, dataset.classes, settings, *places)
    write_folds(folder / "folds.tsv", make_folds(cases, 3, "modulo"))
    write_made_with(folder / "folds.tsv", {"folds": vars(dataset.folds)})
    return folder


def maps_of(data, dataset):
    (found,) = look(data, dataset, [dataset.labeling("full")], [0]).folds
    return {name: vars(each) for name, each in found.maps.items()}


@pytest.mark.parametrize("classes", [CLASSES[::-1], CLASSES[1:]])
def test_cases_that_are_prepared_for_other_classes_are_read_anew(root, folder, classes):
    before, now = dataset_of(root), dataset_of(root, classes)
    assert is_prepared(folder, before)
    assert not is_prepared(folder, now)
    known = maps_of(prepared_data(folder, before), before)
    assert maps_of(original_data(now), now) == {name: known[name] for name in classes}
    assert known["ball"] != known["box"]


def test_cases_whose_classes_have_other_values_now_are_read_anew(root, folder):
    about = json.loads((root / "dataset.json").read_text())
    about["labels"] = {"0": "background", "1": CLASSES[1], "2": CLASSES[0]}
    (root / "dataset.json").write_text(json.dumps(about))
    assert not is_prepared(folder, dataset_of(root))


def test_prepared_cases_outlive_their_originals(root, folder):
    shutil.rmtree(root)
    assert is_prepared(folder, dataset_of(root))
    (folder / "labels.npy").unlink()
    assert not is_prepared(folder, dataset_of(root))


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("noted", [True, False], ids=["with settings", "of an earlier version"])
def test_folds_of_other_settings_are_drawn_as_the_workflow_will(root, folder, count, noted):
    if not noted:
        (folder / "folds.settings.yaml").unlink()
    data = prepared_data(folder, dataset_of(root, count=count))
    assert data.folds == make_folds(data.cases, count, "modulo")


def test_folds_that_were_edited_are_kept_and_refused_where_they_are_wrong(root, folder):
    table = folder / "folds.tsv"
    lines = table.read_text().splitlines()
    edited = [lines[0], *(line[:-1] + str(n % 2 + n // 5) for n, line in enumerate(lines[1:]))]
    table.write_text("\n".join(edited) + "\n")
    data = prepared_data(folder, dataset_of(root))
    assert list(data.folds.values()) == [0, 1, 0, 1, 0, 2]
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert "has no fold; add a line for it" in refusal(prepared_data, folder, dataset_of(root))
