"""With the real schemas: every fault is one line that names file, key and value."""

from pathlib import Path

import pytest
import yaml
from dicegrad.schemas import read_yaml

from dicegrad import study
from dicegrad.errors import InputError
from tests.conftest import refusal

CONFIG = Path(__file__).parents[1] / "config"
SCHEMAS = {
    name: read_yaml(CONFIG / "schemas" / f"{name}.schema.yaml")
    for name in ("dataset", "experiments")
}
HEADER = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n"
ROW = dict(zip(study.COLUMNS, ("heart", "partial", "dice", "I", "1e-7", "2"), strict=True))


def line(**changes):
    return "\t".join((ROW | changes).values()) + "\n"


@pytest.fixture
def table(tmp_path):
    """A table of the given text, read with the real schema."""
    path = tmp_path / "experiments.tsv"

    def write(text, encoding="utf-8"):
        path.write_bytes(text.encode(encoding))
        return path, SCHEMAS["experiments"]

    return write


def read_one(name="heart", **overrides):
    """A shipped dataset with settings changed by the config."""
    folder, changes = CONFIG / "datasets", {name: overrides}
    return study.read_datasets([name], folder, changes, SCHEMAS["dataset"], "mine.yaml")[name]


# The experiment table


def test_a_table_is_read_as_it_is_written(table):
    text = (
        "# losses\n" + HEADER + "\n# hearts\n" + line(epsilon="1.0e-07") + line(phi="BI") + "  \n"
    )
    rows = study.read_experiments(*table(text))
    assert rows == [ROW | {"epsilon": "1.0e-07"}, ROW | {"phi": "BI"}]


def test_a_table_of_a_spreadsheet_is_read(table):
    text = (HEADER + line()).replace("\n", "\r\n")
    assert study.read_experiments(*table(text, "utf-8-sig")) == [ROW]
    assert "is not UTF-8 text" in refusal(study.read_experiments, *table(text, "utf-16"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the columns are none; they should be, separated by tabs: dataset, labeling, loss"),
        ("dataset loss\n", "the columns are dataset loss; they should be, separated by tabs"),
        (HEADER, "no experiment in it; add a row"),
        (HEADER + "# " + line(), "no experiment in it; add a row"),
        (HEADER + line() + line(phi="X"), "experiment 2: phi is 'X'; allowed: I, CI, BI, BCI"),
        (HEADER + line(loss="focal"), "experiment 1: loss is 'focal'; allowed: dice, marginal"),
        (
            HEADER + line(labeling="none"),
            "labeling is 'none'; it should be full, partial, or a share",
        ),
        (HEADER + line(epsilon="-1"), "epsilon is '-1'; it should be heuristic, a multiple such"),
        (HEADER + line(epsilon="xheuristic"), "epsilon is 'xheuristic'; it should be heuristic"),
        (HEADER + line(epsilon="big"), "epsilon is 'big'; it should be heuristic, a multiple such"),
        (HEADER + line(batch_size="0"), "batch_size is '0'; it should be a whole number from 1"),
        (HEADER + line(batch_size="1.5"), "batch_size is '1.5'; it should be a whole number"),
        (HEADER + line(dataset="../x"), "dataset is '../x'; it does not match"),
        (HEADER + "heart\tfull\tdice\n", "experiment 1 has an empty column; fill it, and separate"),
        (HEADER + line().strip() + "\tnew\n", "experiment 1 goes on after batch_size with ['new']"),
        (
            HEADER + line() + line(phi="BI") + line(),
            "experiment 3 repeats experiment 1; remove one",
        ),
    ],
)
def test_a_fault_of_the_table_is_named_by_row_column_and_value(table, text, message):
    path, schema = table(text)
    refused = refusal(study.read_experiments, path, schema)
    assert refused.startswith(f"{path}: ")
    assert message in refused


def test_a_table_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "no.tsv"
    text = refusal(study.read_experiments, path, SCHEMAS["experiments"])
    assert text == f"{path}: no such experiment table; set `experiments` to one"


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
    study.check_experiment(ROW | changes, read_one(dataset), Path("mine.tsv"))


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        ("heart", {"loss": "leaf", "phi": "BI"}, "loss leaf is image-wise with a numeric epsilon"),
        ("heart", {"loss": "marginal", "epsilon": "heuristic"}, "loss marginal is image-wise"),
        ("tumor", {"loss": "marginal"}, "which a single class (tumor) has not"),
        ("heart", {"phi": "CI", "epsilon": "heuristic"}, "phi CI sums over classes"),
        ("heart", {"epsilon": "0"}, "epsilon is 0, but Dice of two empty maps needs one above 0"),
        ("heart", {"epsilon": "1e-999"}, "epsilon is 1e-999, but"),
        ("heart", {"epsilon": "1e999"}, "epsilon is 1e999, but"),
        ("heart", {"epsilon": "0xheuristic"}, "epsilon is '0xheuristic'; write a multiple"),
        ("heart", {"phi": "BCI", "epsilon": "2xheuristic"}, "phi BCI sums over classes"),
        ("heart", {"loss": "leaf", "epsilon": "2xheuristic"}, "loss leaf is image-wise"),
        ("heart", {"loss": "cross_entropy"}, "has neither phi nor epsilon; write none for both"),
        ("heart", {"loss": "cross_entropy", "phi": "none"}, "write none for both"),
        ("tumor", {"loss": "cross_entropy", "epsilon": "none"}, "write none for both"),
        ("heart", {"phi": "none"}, "loss dice needs a phi and an epsilon, say I and 1e-7; none is"),
        ("heart", {"epsilon": "none"}, "none is for cross_entropy alone"),
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
    row = ROW | changes
    text = refusal(study.check_experiment, row, read_one(dataset), Path("mine.tsv"))
    assert text.startswith(f"mine.tsv: {' '.join(row.values())}: ")
    assert message in text


def test_the_heuristic_and_its_multiples_are_sampled_as_the_dataset_says():
    dataset = {"sampling": {"partial": {"ED": 3}}}
    for labeling, epsilon, times in (
        ("partial", "heuristic", {"ED": 3}),
        ("partial-50", "10xheuristic", {"ED": 3}),
        ("full", "heuristic", {}),
        ("partial", "1e-7", {}),
    ):
        assert study.sampling_of(dataset, labeling, epsilon) == times
    assert study.sampling_of({}, "partial") == {}


def test_changes_are_merged_key_by_key_and_lists_replaced():
    settings = {"a": {"b": {"c": 1, "d": 2}, "e": [1, 2]}, "f": 3}
    changes = {"a": {"b": {"c": 9}, "e": [5]}, "g": {"h": 1}}
    expected = {"a": {"b": {"c": 9, "d": 2}, "e": [5]}, "f": 3, "g": {"h": 1}}
    assert study.merge(settings, changes) == expected
    assert settings == {"a": {"b": {"c": 1, "d": 2}, "e": [1, 2]}, "f": 3}


def test_the_config_changes_one_setting_of_a_dataset_and_leaves_the_others():
    changed, shipped = read_one(training={"epochs": 2}), read_one()
    assert changed["training"] == {**shipped["training"], "epochs": 2}
    assert {k: v for k, v in changed.items() if k != "training"} == {
        k: v for k, v in shipped.items() if k != "training"
    }


def test_a_root_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert read_one(root="~/data")["root"] == "/home/me/data"
    assert read_one(root="data/~heart")["root"] == "data/~heart"


def test_a_download_of_another_layout_is_refused():
    message = refusal(lambda: read_one("acdc", adapter="nnunet"))
    assert "mine.yaml: datasets.acdc: download is for the adapters acdc and brats" in message


def test_a_switch_of_the_released_code_that_would_do_nothing_is_refused():
    assert "released has loss_scale" in refusal(lambda: read_one("tumor", released=["loss_scale"]))
    message = refusal(lambda: read_one("heart", released=["scale"]))
    assert "allowed: loss_scale, epsilon_broadcast, patience" in message


def test_only_the_datasets_of_the_table_come_back_but_all_changes_are_checked():
    folder, schema = CONFIG / "datasets", SCHEMAS["dataset"]
    found = study.read_datasets(["tumor", "heart", "tumor"], folder, {"acdc": {}}, schema)
    assert list(found) == ["tumor", "heart"]
    changes = {"acdc": {"root": 3}}
    text = refusal(study.read_datasets, ["heart"], folder, changes, schema, "mine.yaml")
    assert text == "mine.yaml: datasets.acdc: root is 3; it is not of type 'string'"


@pytest.mark.parametrize("where", ["table", "config"])
def test_a_dataset_that_does_not_exist_is_named_with_those_that_do(where):
    folder = CONFIG / "datasets"
    names = ["lung"] if where == "table" else ["heart"]
    changes = {"lung": {}} if where == "config" else {}
    text = refusal(study.read_datasets, names, folder, changes, SCHEMAS["dataset"])
    assert text.startswith(f"dataset 'lung': no {folder / 'lung'}.yaml; there are ['acdc', ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"learning_rat": 1}}, "unknown key training.learning_rat; the keys there"),
        ({"training": {"learning_rate": "1e-3"}}, "training.learning_rate is '1e-3'; it is not of"),
        ({"training": {"epochs": 0}}, "training.epochs is 0; it is less than the minimum of 1"),
        ({"adapter": "dicom"}, "adapter is 'dicom'; allowed: acdc, brats, nnunet"),
        ({"classes": []}, "classes is []; it should be non-empty"),
        ({"missing": {"classes": ["AO"]}}, "missing.classes has 'AO'; the classes are LV, MYO, RV"),
        ({"preprocessing": {"size": [32, 32]}}, "preprocessing.size is [32, 32]; it is too short"),
        ({"preprocessing": {"size": [32, 30, 8]}}, "its y must be a multiple of 4"),
        ({"preprocessing": {"size": [4, 4, 2]}}, "[4, 4, 2] is pooled to a single voxel"),
        ({"network": {"pools": [[2, 2, 1]]}}, "so 2 decoder levels and pools; got 2 and 1"),
        ({"network": {"kernels": [[3, 3, 3]]}}, "network.kernels names 1, but a block has 2"),
        ({"network": {"decoder": [[8], []]}}, "network has a block without a convolution"),
    ],
)
def test_a_fault_of_a_changed_dataset_is_named_by_key_and_value(changes, message):
    with pytest.raises(InputError) as error:
        read_one(**changes)
    text = str(error.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("mine.yaml: datasets.heart: ")
    assert message in text


def test_a_number_that_yaml_takes_for_text_is_explained():
    changes = yaml.safe_load("learning_rate: 1e-3")
    with pytest.raises(InputError, match="YAML takes it for text, write a point and a sign"):
        read_one(training=changes)
    assert read_one(training=yaml.safe_load("learning_rate: 1.0e-3"))


def test_a_fault_of_a_dataset_file_is_named_by_its_path(tmp_path):
    settings = read_one()
    for changes, message in [
        ({"root": 3}, "root is 3; it is not of type 'string'"),
        ({"missing": {"group": "ES", "classes": ["AO"]}}, "missing.classes has 'AO'"),
    ]:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(settings | changes))
        text = refusal(study.read_datasets, ["mine"], tmp_path, {}, SCHEMAS["dataset"])
        assert text.startswith(f"{path}: {message}")


def test_the_folds_to_run_are_all_or_those_named():
    assert study.folds_to_run("all", 3, "heart") == [0, 1, 2]
    assert study.folds_to_run([2, 0], 3, "heart") == [2, 0]
    text = refusal(study.folds_to_run, [1, 3], 3, "heart")
    assert text == "folds: 3 is not a fold of heart; it has 0 to 2"
