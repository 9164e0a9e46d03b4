"""A dataset as its user writes it, typed; every fault is one line that names key and value."""

from dataclasses import replace

import pytest
import yaml

from dicegrad.data.acdc import ACDC
from dicegrad.errors import InputError
from dicegrad.study import Dataset, Experiment, Folds
from dicegrad.study.dataset import OF_TRAINING, RELEASED
from dicegrad.study.dataset_checks import merge
from dicegrad.study.labeling import Removal
from tests.conftest import refusal
from tests.study.conftest import ROW, read_one


def row(**changes):
    return Experiment.from_row(ROW | changes)


def test_settings_come_as_types():
    heart = read_one(folds={"count": 3, "method": "modulo", "seed": 7})
    assert heart.classes == ("LV", "MYO", "RV")
    assert heart.missing == Removal("ES", ("MYO",))
    assert heart.folds == Folds(3, "modulo", 7)
    assert heart.block("preprocessing", "size") == heart.settings["preprocessing"]["size"]
    assert heart.block("download", "url", default="none") == "none"


def test_the_heuristic_and_its_multiples_are_sampled_as_the_dataset_says():
    heart = read_one(sampling={"partial": {"ED": 3}})
    for labeling, epsilon, times in (
        ("partial", "heuristic", {"ED": 3}),
        ("partial-50", "10xheuristic", {"ED": 3}),
        ("full", "heuristic", {}),
        ("partial", "1e-7", {}),
    ):
        assert heart.sampling_of(row(labeling=labeling, epsilon=epsilon)) == times
    assert heart.listed("partial") == {"ED": 3}
    assert read_one().listed("partial") == {}


def test_a_labeling_whose_name_begins_with_full_is_not_sampled_as_full():
    named = {name: [{"classes": ["RV"]}] for name in ("full-no-rv", "partially", "sites-full")}
    heart = read_one(labelings=named, sampling={"full": {"ED": 3}, "partial": {"ES": 2}})
    assert heart.listed("full") == {"ED": 3}
    assert heart.listed("partial-50") == heart.listed("partial") == {"ES": 2}
    for labeling in (*named, "as-annotated"):
        assert heart.listed(labeling) == {}
    assert heart.sampling_of(row(labeling="full-no-rv", epsilon="heuristic")) == {}


@pytest.mark.parametrize(
    ("changes", "switches"),
    [
        ({}, ["loss_scale", "masked_scores", "soft_volumes"]),
        ({"labeling": "full"}, ["loss_scale", "soft_volumes"]),
        (
            {"epsilon": "heuristic"},
            ["loss_scale", "epsilon_broadcast", "patience", "masked_scores", "soft_volumes"],
        ),
        (
            {"epsilon": "0.1xheuristic", "labeling": "full"},
            ["loss_scale", "epsilon_broadcast", "soft_volumes"],
        ),
        ({"loss": "leaf"}, ["masked_scores", "soft_volumes"]),
        ({"loss": "dice_ce", "epsilon": "heuristic", "labeling": "full"}, ["soft_volumes"]),
    ],
)
def test_a_switch_of_the_released_code_is_of_the_experiments_that_depend_on_it(changes, switches):
    heart = read_one(released=list(RELEASED), sampling={"partial": {"ED": 3}})
    experiment = row(**changes)
    assert list(heart.released_of(experiment)) == switches
    assert heart.released_training(experiment) == [s for s in switches if s in OF_TRAINING]
    assert read_one(released=[]).released_of(experiment) == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["LV", "MYA"]}, "classes names 'MYA'; the classes of its data are LV, MYO"),
        ({"missing": {"group": "SE"}}, "missing.group names 'SE'; the groups of its data are ED"),
        ({"sampling": {"partial": {"DE": 3}}}, "sampling.partial names 'DE'; the groups"),
        ({"examples": {"EE": "patient001_ED"}}, "examples names 'EE'; the groups"),
        ({"labelings": {"one": [{"group": "EE"}]}}, "labelings names 'EE'; the groups"),
    ],
)
def test_a_class_or_group_that_the_data_do_not_have_is_named(settings, message):
    known = ACDC.class_values, ACDC.groups
    read_one().check_names(*known)
    settings = {"missing": {"group": "ES", "classes": ["LV"]}, **settings}
    settings["missing"] = {"classes": ["LV"], "group": "ES"} | settings["missing"]
    text = refusal(read_one(**settings).check_names, *known)
    assert text.startswith(f"dataset heart: {message}")


def test_classes_that_overlap_need_values_of_their_own():
    regions = dict(ACDC.class_values) | {"RV": (3,), "LV": (1, 3)}
    read_one().check_names(regions, ACDC.groups)
    values = dict(ACDC.class_values) | {"RV": (1, 3), "LV": (3, 1)}
    text = refusal(read_one().check_names, values, ACDC.groups)
    assert "classes LV and RV have the same label values; name one of them" in text


def test_changes_are_merged_key_by_key_and_lists_replaced():
    settings = {"a": {"b": {"c": 1, "d": 2}, "e": [1, 2]}, "f": 3}
    changes = {"a": {"b": {"c": 9}, "e": [5]}, "g": {"h": 1}}
    expected = {"a": {"b": {"c": 9, "d": 2}, "e": [5]}, "f": 3, "g": {"h": 1}}
    assert merge(settings, changes) == expected
    assert settings == {"a": {"b": {"c": 1, "d": 2}, "e": [1, 2]}, "f": 3}


def test_the_config_changes_one_setting_of_a_dataset_and_leaves_the_others():
    changed, shipped = read_one(training={"epochs": 2}), read_one()
    training = {**shipped.block("training"), "epochs": 2}
    assert changed.settings == {**shipped.settings, "training": training}
    assert replace(changed, settings={}) == replace(shipped, settings={})


def test_a_root_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert str(read_one(root="~/data").root) == "/home/me/data"
    assert str(read_one(root="data/~heart").root) == "data/~heart"


def test_a_root_that_can_be_no_path_is_refused():
    assert "~nobody-here/data: there is no such user" in refusal(
        lambda: read_one(root="~nobody-here/data")
    )
    assert "has a zero byte" in refusal(lambda: read_one(root="a\0b"))


def test_a_download_of_another_layout_is_refused():
    message = refusal(lambda: read_one("acdc", adapter="nnunet"))
    assert "mine.yaml: datasets.acdc: download is for the adapters acdc and brats" in message


def test_a_switch_of_the_released_code_that_would_do_nothing_is_refused():
    assert "released has loss_scale" in refusal(lambda: read_one("tumor", released=["loss_scale"]))
    message = refusal(lambda: read_one("heart", released=["scale"]))
    assert "allowed: loss_scale, epsilon_broadcast, patience" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training": {"learning_rat": 1}},
            "unknown key training.learning_rat; did you mean 'learning_rate'?",
        ),
        ({"training": {"learning_rate": "low"}}, "training.learning_rate is 'low'; it is not of"),
        ({"training": {"epochs": 0}}, "training.epochs is 0; it is less than the minimum of 1"),
        (
            {"training": {"learning_rate": float("nan")}},
            "learning_rate is nan; it should be a finit",
        ),
        ({"training": {"learning_rate": "inf"}}, "learning_rate is inf; it should be a finite"),
        ({"training": {"epochs": 2.0}}, "training.epochs is 2.0; it is not of type 'integer'"),
        ({"training": {"epochs": 1 << 63}}, "it is not of type 'integer'"),
        ({"training": {"augmentation": {"flip": [0.5, 2, 0]}}}, "flip.1 is 2; it is greater than"),
        ({"training": {"augmentation": {"rotation": [-1, 0, 0]}}}, "rotation.0 is -1; it is less"),
        ({"preprocessing": {"offset": [float("nan"), 0, 0]}}, "offset.0 is nan; it should be"),
        ({"root": ""}, "root is ''; it should be non-empty"),
        (
            {"labelings": {"a\n": [{"group": "ES"}]}},
            "labelings is 'a\\n'; a name begins with a letter",
        ),
        (
            {"network": {"background": None}},
            "network.background is None; write a value of type number",
        ),
        ({"labelings": {"a" * 101: [{"group": "ES"}]}}, "it is too long"),
        ({"adapter": 3}, "adapter is 3; it is not of type 'string'"),
        ({"classes": []}, "classes is []; it should be non-empty"),
        ({"folds": {"count": 1}}, "folds.count is 1; it is less than the minimum of 2"),
        ({"folds": {"count": True}}, "folds.count is True; it is not of type 'integer'"),
        ({"folds": {"method": "random"}}, "folds.method is 'random'; allowed: modulo, legacy"),
        ({"folds": {"seed": -1}}, "folds.seed is -1; it is less than the minimum of 0"),
        ({"missing": {"class": "MYO"}}, "unknown key missing.class; did you mean 'classes'?"),
        ({"sampling": {"partly": {"ED": 3}}}, "unknown key sampling.partly; did you mean"),
        ({"sampling": {"partial": 3}}, "sampling.partial is 3; it is not of type 'object'"),
        ({"sampling": {"partial": {"ED": 0}}}, "sampling.partial.ED is 0; it is less than"),
        ({"sampling": [1]}, "sampling is [1]; it is not of type 'object'"),
        (
            {"missing": {"classes": ["AO"]}},
            "missing: classes has 'AO'; the classes are LV",
        ),
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


def test_a_number_that_yaml_takes_for_text_is_read_as_a_number():
    changes = yaml.safe_load("learning_rate: 1e-3")
    assert changes["learning_rate"] == "1e-3"
    assert read_one(training=changes).block("training", "learning_rate") == pytest.approx(1e-3)


def test_a_fault_of_a_dataset_file_is_named_by_its_path(tmp_path):
    settings = read_one().settings
    for changes, message in [
        ({"root": 3}, "root is 3; it is not of type 'string'"),
        ({"missing": {"group": "ES", "classes": ["AO"]}}, "missing: classes has 'AO'"),
    ]:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(settings | changes))
        text = refusal(Dataset.read, path)
        assert text.startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adapters": "acdc"}, "unknown key adapters; did you mean 'adapter'?"),
        ({"folds": {"cont": 2}}, "unknown key folds.cont; did you mean 'count'?"),
        ({"folds": 3}, "folds is 3; it should hold settings"),
        ({"preprocessing": {"normalisation": {"ovr": 1}}}, "unknown key preprocessing.norm"),
    ],
)
def test_without_jsonschema_a_wrong_key_is_still_named(monkeypatch, changes, message):
    monkeypatch.setattr("dicegrad.study.dataset_checks.find_spec", lambda name: None)
    assert read_one() == read_one(training={})
    assert refusal(lambda: read_one(**changes)).startswith(f"mine.yaml: datasets.heart: {message}")


def test_the_folds_to_run_are_all_or_those_named():
    heart = read_one(folds={"count": 3})
    assert heart.folds_to_run("all") == [0, 1, 2]
    assert heart.folds_to_run([2, 0]) == [2, 0]
    text = refusal(heart.folds_to_run, [1, 3])
    assert text == "folds: 3 is not a fold of heart; it has 0 to 2"


def test_the_engine_is_ours_unless_the_file_says_so():
    assert read_one().engine == "unet"
    assert read_one(engine="nnunet").engine == "nnunet"
    training = {"validation": 0.2}
    said = refusal(lambda: read_one(engine="nnunet", training=training))
    assert "training.validation is of the engine unet; nnU-Net trains to its last epoch" in said
    said = refusal(lambda: read_one(engine="nnunet", test=True))
    assert "test is of the engine unet, and engine is nnunet; remove test" in said
    said = refusal(lambda: read_one(training={"validation": 1}))
    assert "training.validation is 1; it should be a share of the training subjects" in said
    said = refusal(lambda: read_one(engine="nnunet", released=["soft_volumes"]))
    assert said.endswith("released is of the engine unet, and engine is nnunet; remove released")


def test_the_volume_of_a_case_is_no_epsilon_for_slices():
    flat = read_one(engine="nnunet", nnunet={"configuration": "2d"})
    flat.check_engine(row())
    said = refusal(flat.check_engine, row(epsilon="heuristic"))
    assert said.startswith("epsilon heuristic is the volume of a case")
    read_one(engine="nnunet").check_engine(row(epsilon="heuristic"))
