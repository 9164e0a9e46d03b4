"""The real schema of a config: every fault is one line that names file, key and value."""

import pytest

from dicegrad.study.schemas import read_schema, read_yaml, with_defaults
from tests.conftest import refusal

SCHEMA = read_schema("config")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2\n", "not valid YAML at line 2"),
        (b"a: 1\nb: 2\na: 3\n", "line 3: key 'a' comes twice (first in line 1); remove one"),
        (b"- a\n- b\n", "holds ['a', 'b']; it should hold keys and values"),
        (b"", "holds None; it should hold keys and values"),
        (b"a: \xff\xfe\n", "is not UTF-8 text (byte 4); save it as UTF-8"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    text = refusal(read_yaml, path)
    assert text.startswith(f"{path}: ")
    assert message in text


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert refusal(read_yaml, tmp_path / "no.yaml") == f"{tmp_path}/no.yaml: no such file"
    assert refusal(read_yaml, tmp_path) == f"{tmp_path}: is not a regular file"


def config(**changes):
    return {"study": "mine", "experiments": "mine.tsv", **changes}


def test_what_a_config_leaves_out_has_its_default():
    settings = with_defaults(config(seed=4), SCHEMA, "mine.yaml")
    assert settings == {
        "study": "mine",
        "experiments": "mine.tsv",
        "seed": 4,
        "folds": "all",
        "device": "auto",
        "training_threads": 1,
        "tensorboard": False,
        "datasets": {},
        "outputs": "all",
        "draws": 100000,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bach_size": 2}, "unknown key bach_size; the keys there are study, experiments, seed"),
        ({"study": "a b"}, "study is 'a b'; a name begins with a letter or digit and has"),
        ({"study": None}, "study is None; write a text, or leave the key out"),
        ({"datasets": None}, "datasets is None; write keys and values, or leave the key out"),
        ({"study": 3}, "study is 3; it is not of type 'string'"),
        ({"folds": "some"}, "folds is 'some'; it "),
        ({"folds": []}, "folds is []; it should be non-empty"),
        ({"folds": [0, 0]}, "folds is [0, 0]; it has non-unique elements"),
        ({"folds": [-1]}, "folds.0 is -1; it is less than the minimum of 0"),
        ({"folds": [True]}, "folds.0 is True; it is not of type 'integer'"),
        ({"device": "gpu"}, "device is 'gpu'; allowed: auto, cpu, cuda"),
        ({"seed": -1}, "seed is -1; it is less than the minimum of 0"),
        ({"seed": 1.5}, "seed is 1.5; it is not of type 'integer'"),
        ({"outputs": [3]}, "outputs.0 is 3; it is not of type 'string'"),
        ({"draws": 10}, "draws is 10; it is less than the minimum of 1000"),
        ({"datasets": {"heart": 3}}, "datasets.heart is 3; it is not of type 'object'"),
    ],
)
def test_a_fault_of_the_config_is_named_by_key_and_value(changes, message):
    text = refusal(with_defaults, config(**changes), SCHEMA, "mine.yaml")
    assert text.startswith(f"mine.yaml: {message}")


def test_a_key_that_is_missing_is_named():
    text = refusal(with_defaults, {"study": "a"}, SCHEMA, "mine.yaml")
    assert text == "mine.yaml: experiments is missing; add it"


def test_a_key_replaces_what_a_merge_brings_along(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert read_yaml(path)["mine"] == {"a": 1, "b": 3}
