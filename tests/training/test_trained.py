"""Weights carry what they were trained as, and the parameters alone make their hash."""

import json
import shutil
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dicegrad.arrays import new_array
from dicegrad.checksums import sum_file
from dicegrad.errors import InputError
from dicegrad.preprocessing.settings import Preprocessing
from dicegrad.study import Dataset, Experiment
from dicegrad.training.checkpoint import load_weights, save_weights, state_hash
from dicegrad.training.experiment import PreparedFiles, train_experiment
from dicegrad.training.trained import Source, Trained, check_same

PREPROCESSING = {
    "spacing": [2, 2, 4],
    "size": [8, 8, 4],
    "normalisation": {"over": "whole", "clip": ["1/101", "100/101"]},
}
SOURCE = {
    "channels": ["cine"],
    "classes": ["box"],
    "class_values": {"box": [3]},
    "preprocessing": PREPROCESSING,
}
NETWORK = {
    "encoder": [[2, 2], [4, 4]],
    "decoder": [[2, 2]],
    "kernels": [[3, 3, 3], [3, 3, 1]],
    "pools": [[2, 2, 1]],
}
SETTINGS = {
    "classes": ["box"],
    "fold_count": 2,
    "sampling": {},
    "training": {"epochs": 1, "stop_patience": 0},
    "network": NETWORK,
}
ROW = Experiment("toy", "partial", "dice", "BI", "1e-7", 2)


@pytest.fixture(scope="module")
def prepared(toy, tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("prepared"), toy(4)
    (folder / "labels").mkdir()
    np.save(folder / "images.npy", data.images.numpy())
    np.save(folder / "labels" / "partial.npy", data.labels.numpy())
    lines = ["case\tsubject\tgroup\tlabel\timage_cine\tfingerprint"]
    lines += [f"{s}_{g}\t{s}\t{g}\tl.nii\ti.nii\t0-1" for s in ("p1", "p2") for g in ("ED", "ES")]
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "folds.tsv").write_text("subject\tfold\np1\t0\np2\t1\n")
    return folder


def fit(prepared, out, **more):
    torch.set_num_threads(1)  # sums of other blocks are others in the last bit
    files = PreparedFiles.of(prepared, ROW)
    train_experiment(ROW, 1, files, SETTINGS | more, "study", 3, out)
    return out / "weights.pt"


@pytest.fixture(scope="module")
def weights(prepared, tmp_path_factory):
    return fit(prepared, tmp_path_factory.mktemp("out"), source=SOURCE)


def refused(path):
    with pytest.raises(InputError) as error:
        load_weights(path)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_weights_say_what_they_were_trained_as(weights):
    trained = load_weights(weights).trained
    assert trained.experiment == {
        "dataset": "toy",
        "labeling": "partial",
        "loss": "dice",
        "phi": "BI",
        "epsilon": "1e-7",
        "batch_size": 2,
        "unannotated": "as_empty",
    }
    assert (trained.dataset, trained.fold, trained.study, trained.seed) == ("toy", 1, "study", 3)
    assert trained.epsilon == 1e-7
    assert trained.training_cases == ("p1_ED", "p1_ES")
    assert trained.network["encoder"] == ((2, 2), (4, 4))
    assert trained.training["epochs"] == 1
    assert trained.source == Source.from_dict(SOURCE)
    assert len(trained.data) == 16
    assert trained.made["torch"] == str(torch.__version__)
    assert len(trained.made["code"]) == 16


def test_they_are_plain_values_that_torch_reads_without_running_anything(weights):
    content = torch.load(weights, weights_only=True)
    assert content["trained"]["source"]["class_values"] == {"box": (3,)}
    json.dumps(content["trained"])  # raises for anything else


def test_the_parameters_are_the_same_whatever_else_stands_in_the_file(prepared, weights, tmp_path):
    other = fit(prepared, tmp_path / "untold")
    assert load_weights(other).trained.source is None
    assert state_hash(other) == state_hash(weights)
    plain = tmp_path / "plain.pt"
    torch.save(load_weights(weights).state, plain)
    assert state_hash(plain) == state_hash(weights)
    assert load_weights(plain).trained is None


def test_one_bit_of_a_parameter_changes_the_hash(weights, tmp_path):
    state = {name: tensor.clone() for name, tensor in load_weights(weights).state.items()}
    first = next(iter(state.values())).view(-1)
    first[0] = torch.nextafter(first[0], torch.tensor(9.0))
    save_weights(state, None, tmp_path / "other.pt")
    assert state_hash(tmp_path / "other.pt") != state_hash(weights)


@pytest.mark.parametrize("with_sum", [True, False], ids=["checksum", "no-checksum"])
def test_no_flipped_bit_makes_other_weights(weights, tmp_path, with_sum):
    content, expected = weights.read_bytes(), state_hash(weights)
    path = tmp_path / "weights.pt"
    for place in np.random.default_rng(0).integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (int(place) % 8)
        path.write_bytes(damaged)
        if with_sum:
            sum_file(path).write_text(sum_file(weights).read_text())
            refused(path)
            continue
        with suppress(InputError):  # the padding between the parts of the archive harms nothing
            assert state_hash(path) == expected


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    assert "holds no weights, or is damaged (it is compressed)" in refused(path)


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(1).expand(10**12)}, tmp_path / "wide.pt")
    assert "weight in it is larger than its values" in refused(tmp_path / "wide.pt")


@pytest.mark.parametrize("content", [[1], {}, {"format": "dicegrad weights 9"}, {"weight": 3}])
def test_what_is_no_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    assert "holds no weights, or is damaged" in refused(tmp_path / "other.pt")


def test_a_later_version_may_add_to_what_stands_in_weights(weights):
    values = load_weights(weights).trained.to_dict()
    assert Trained.from_dict({**values, "moon": "full"}) == Trained.from_dict(values)


def test_preprocessing_survives_the_way_through_a_file():
    source = Source.from_dict(SOURCE)
    assert Source.from_dict(source.to_dict()) == source
    assert source.preprocessing == Preprocessing.from_dict(PREPROCESSING)


def test_what_changes_a_prediction_differs_and_what_does_not_does_not():
    source = Source.from_dict(SOURCE)
    labels = Source.from_dict({**SOURCE, "preprocessing": {**PREPROCESSING, "label": "linear"}})
    assert source.differences(labels) == {}
    coarse = Source.from_dict({**SOURCE, "preprocessing": {**PREPROCESSING, "spacing": [3, 3, 4]}})
    assert source.differences(coarse) == {
        "preprocessing.spacing": ((2.0, 2.0, 4.0), (3.0, 3.0, 4.0))
    }
    values = Source.from_dict({**SOURCE, "class_values": {"box": [1]}})
    assert list(source.differences(values)) == ["class_values"]


def test_a_difference_names_both_files_the_key_both_values_and_the_remedy():
    with pytest.raises(InputError) as error:
        check_same("w.pt", "acdc.yaml", {"classes": (("LV", "RV"), ("RV", "LV"))}, "give another")
    assert str(error.value) == (
        "w.pt: was trained with classes ['LV', 'RV'], but acdc.yaml has ['RV', 'LV']; give another"
    )


def test_damaged_arrays_are_told_before_a_network_is_trained_on_them(prepared, tmp_path):
    folder = tmp_path / "prepared"
    shutil.copytree(prepared, folder)
    images = np.load(prepared / "images.npy")
    with new_array(folder / "images.npy", images.shape, np.float16) as array:
        array[:] = images
    assert fit(folder, tmp_path / "good").is_file()
    content = bytearray((folder / "images.npy").read_bytes())
    content[-5] ^= 4
    (folder / "images.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"images.npy: has changed since it was written; delete"):
        fit(folder, tmp_path / "bad")


def test_the_source_of_a_bare_machine_is_prepared_json(tmp_path):
    heart = Dataset.read(Path(__file__).parents[2] / "config" / "datasets" / "heart.yaml")
    dataset = replace(heart, classes=("box",), settings={"preprocessing": PREPROCESSING})
    assert Source.beside(tmp_path, dataset) is None
    (tmp_path / "prepared.json").write_text('{"cases": {}}')  # of an earlier version
    assert Source.beside(tmp_path, dataset) is None
    (tmp_path / "prepared.json").write_text('{"channels": ["cine"], "class_values": {"box": [3]}}')
    assert Source.beside(tmp_path, dataset) == Source.from_dict(SOURCE)
    (tmp_path / "prepared.json").write_text("[")
    with pytest.raises(InputError, match=r"prepared.json: is damaged; delete it"):
        Source.beside(tmp_path, dataset)
