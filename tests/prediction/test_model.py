"""A model is what its weights say; settings that are given beside them have to agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.prediction.inference import (
    build_network,
    check_prepared,
    load_network,
    mean_probabilities,
)
from dicegrad.prediction.model import Given, Model, read_weights, settings_of
from dicegrad.preprocessing.about import About
from dicegrad.training.checkpoint import load_weights, save_weights
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.trained import Source
from tests.conftest import trained_as

NETWORK = NetworkSettings.from_dict(
    {
        "encoder": [[2, 2], [4, 4]],
        "decoder": [[2, 2]],
        "kernels": [[3, 3, 3], [3, 3, 1]],
        "pools": [[2, 2, 1]],
    },
    1,
    3,
)
PREPROCESSING = {"spacing": [6, 6, 10], "size": [16, 16, 6]}
SOURCE = {
    "channels": ["cine"],
    "classes": ["LV", "MYO", "RV"],
    "class_values": {"LV": [3], "MYO": [2], "RV": [1]},
    "preprocessing": PREPROCESSING,
}
EXPERIMENT = {"dataset": "acdc", "labeling": "partial", "phi": "I"}
ACDC = Path("config/datasets/acdc.yaml")


def write(path, seed=0, source=SOURCE, told=True, **row):
    torch.manual_seed(seed)
    trained = trained_as(
        dataset="acdc",
        experiment={**EXPERIMENT, **row},
        fold=seed,
        study="acdc",
        network=vars(NETWORK),
        source=Source.from_dict(source),
    )
    save_weights(UNet(NETWORK).state_dict(), trained if told else None, path)
    return path


def given(network=NETWORK, **changes):
    return Given(Source.from_dict({**SOURCE, **changes}), network, ACDC)


def refused(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_weights_alone_make_a_model(tmp_path):
    paths = [write(tmp_path / f"{seed}.pt", seed) for seed in (0, 1)]
    model = Model.from_weights(read_weights(paths))
    assert model.classes == ("LV", "MYO", "RV")
    assert model.class_values == {"LV": (3,), "MYO": (2,), "RV": (1,)}
    assert model.channels == ("cine",)
    assert model.preprocessing.spacing == (6.0, 6.0, 10.0)
    image = np.random.default_rng(0).normal(size=(1, 16, 16, 6)).astype(np.float16)
    networks = [load_network(NETWORK, path) for path in paths]
    expected = mean_probabilities(networks, image)
    np.testing.assert_array_equal(mean_probabilities(model.networks, image), expected)


@pytest.mark.parametrize(
    ("changes", "key", "theirs", "ours"),
    [
        (
            {"classes": ["RV", "MYO", "LV"]},
            "classes",
            "['LV', 'MYO', 'RV']",
            "['RV', 'MYO', 'LV']",
        ),
        ({"channels": ["T2"]}, "channels", "['cine']", "['T2']"),
        (
            {"class_values": {"LV": [1], "MYO": [2], "RV": [3]}},
            "class_values",
            "{'LV': [3], 'MYO': [2], 'RV': [1]}",
            "{'LV': [1], 'MYO': [2], 'RV': [3]}",
        ),
        (
            {"preprocessing": {**PREPROCESSING, "spacing": [3, 3, 5]}},
            "preprocessing.spacing",
            "[6.0, 6.0, 10.0]",
            "[3.0, 3.0, 5.0]",
        ),
        (
            {"preprocessing": {**PREPROCESSING, "restoration": "nearest"}},
            "preprocessing.restoration",
            "'linear'",
            "'nearest'",
        ),
    ],
)
def test_other_settings_are_refused_by_key_with_both_values(tmp_path, changes, key, theirs, ours):
    weights = read_weights([write(tmp_path / "w.pt")])
    assert refused(settings_of, weights, given(**changes)) == (
        f"{tmp_path}/w.pt: was trained with {key} {theirs}, but {ACDC} has {ours}; name the "
        "dataset file of that training run, or other weights"
    )


def test_settings_that_do_not_change_a_prediction_may_differ(tmp_path):
    weights = read_weights([write(tmp_path / "w.pt")])
    changed = given(preprocessing={**PREPROCESSING, "label": "linear", "ties": "shared"})
    assert settings_of(weights, changed) is changed


def test_another_network_is_told_by_what_differs_in_it(tmp_path):
    weights = read_weights([write(tmp_path / "w.pt")])
    other = replace(NETWORK, encoder=((2, 2), (8, 8)))
    message = refused(settings_of, weights, given(other))
    assert "network.encoder [[2, 2], [4, 4]], but" in message
    assert "network.encoder" in refused(build_network, other, weights[0])


def test_weights_of_two_experiments_are_not_averaged(tmp_path):
    paths = [write(tmp_path / "a.pt"), write(tmp_path / "b.pt", 1, phi="BI")]
    message = refused(read_weights, paths)
    assert "b.pt: was trained with phi 'BI', but" in message
    assert "name the folds of one experiment" in message


def test_weights_that_are_named_twice_would_count_twice(tmp_path):
    path = write(tmp_path / "fold~0/weights.pt")
    (tmp_path / "link.pt").symlink_to(path)
    assert "is named twice, and would count twice in the mean" in refused(
        read_weights, [path, tmp_path / "link.pt"]
    )


def test_weights_of_two_preprocessings_are_not_averaged(tmp_path):
    coarse = {**SOURCE, "preprocessing": {**PREPROCESSING, "size": [32, 32, 6]}}
    weights = read_weights([write(tmp_path / "a.pt"), write(tmp_path / "b.pt", 1, coarse)])
    assert "b.pt: was trained with preprocessing.size [32, 32, 6], but" in refused(
        settings_of, weights
    )


def test_weights_of_an_earlier_version_need_the_dataset_file(tmp_path):
    torch.save(load_weights(write(tmp_path / "w.pt")).state, tmp_path / "old.pt")
    weights = read_weights([tmp_path / "old.pt"])
    message = refused(Model.from_weights, weights)
    assert "old.pt: holds no settings, since an earlier version wrote it; name the da" in message
    assert Model.from_weights(weights, given()).classes == ("LV", "MYO", "RV")


def test_a_crop_on_the_label_needs_another_one_for_new_images(tmp_path):
    oracle = {**SOURCE, "preprocessing": {**PREPROCESSING, "crop": "label"}}
    weights = read_weights([write(tmp_path / "w.pt", source=oracle)])
    assert "add --crop foreground or center" in refused(Model.from_weights, weights)
    assert Model.from_weights(weights, crop="center").preprocessing.crop == "center"


def test_held_out_cases_are_predicted_by_networks_of_their_own_classes(tmp_path):
    weights = load_weights(write(tmp_path / "w.pt"))
    values = {"LV": (3,), "MYO": (2,), "RV": (1,)}
    about = About(("cine",), ("LV", "MYO", "RV"), values, None, {}, {})
    where = Path("resources/acdc/prepared.json")
    check_prepared(weights, about, where)
    message = refused(check_prepared, weights, replace(about, classes=("RV", "MYO", "LV")), where)
    assert f"but {where} has ['RV', 'MYO', 'LV']; delete them to train again" in message
