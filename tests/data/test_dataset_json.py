import json

import pytest

from dicegrad.data.adapters import get_adapter
from tests.conftest import refusal


@pytest.fixture
def root(tmp_path):
    for name in ("001", "002"):
        for path in (f"imagesTr/{name}_0000", f"labelsTr/{name}"):
            (tmp_path / f"{path}.nii.gz").parent.mkdir(exist_ok=True)
            (tmp_path / f"{path}.nii.gz").touch()
    return tmp_path


def write_about(root, **further):
    about = {
        "channel_names": {"0": "flair"},
        "labels": {"background": 0, "core": 1},
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about | further))


def problems(root):
    return get_adapter("nnunet", root).scan(root).problems


@pytest.mark.parametrize("said", [1, 3, 0])
def test_another_number_of_cases_than_dataset_json_says_is_told(root, said):
    write_about(root, numTraining=said)
    assert problems(root) == (
        f"{root / 'dataset.json'}: numTraining is {said}, but there are 2 cases; see which is "
        "missing or too many, or write 2",
    )
    write_about(root, numTraining=2)
    assert problems(root) == ()


@pytest.mark.parametrize("said", ["2", 2.5, True, -1, [2]])
def test_a_number_of_cases_that_is_none_is_refused(root, said):
    write_about(root, numTraining=said)
    assert f"numTraining is {said!r}; write the number" in refusal(get_adapter, "nnunet", root)


def test_a_training_list_of_fewer_cases_than_there_are_is_told(root):
    entry = {"image": "./imagesTr/001.nii.gz", "label": "./labelsTr/001.nii.gz"}
    write_about(root, training=[entry])
    assert problems(root) == (
        f"{root / 'dataset.json'}: training lists 1 of the 2 cases, and leaves out 1, such as "
        "002.nii.gz; list them too, or move their files elsewhere",
    )


@pytest.mark.parametrize(
    "training",
    [
        [{"label": "labelsTr/002.nii.gz"}, {"label": "labelsTr/001.nii.gz"}],
        [{"label": "labelsTr/of-others.nii.gz"}],
        [{"label": "labelsTr/001.nii.gz"}, "002"],
        [],
        7,
    ],
)
def test_a_training_list_of_all_cases_or_of_another_form_is_none_to_tell(root, training):
    write_about(root, training=training)
    assert problems(root) == ()
