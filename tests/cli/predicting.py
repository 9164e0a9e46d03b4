"""A network that predicts: its dataset file, weights and images, all tiny."""

from dataclasses import asdict

import nibabel as nib
import numpy as np
import torch
import yaml

from dicegrad.training import checkpoint
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.trained import Source
from tests.cli.conftest import run
from tests.conftest import trained_as

SETTINGS = {
    "adapter": "acdc",
    "root": "nowhere",
    "classes": ["LV", "MYO", "RV"],
    "missing": {"group": "ES", "classes": ["MYO"]},
    "folds": {"count": 5, "method": "modulo"},
    "training": {"epochs": 1},
    "preprocessing": {"spacing": [2, 2, 4], "size": [8, 8, 4], "crop": "center"},
    "network": {
        "encoder": [[2], [2]],
        "decoder": [[2]],
        "kernels": [[3, 3, 3]],
        "pools": [[2, 2, 1]],
    },
}


def save_weights(path, seed, **changes):
    """Weights of an earlier version, which hold no settings."""
    torch.manual_seed(seed)
    settings = NetworkSettings.from_dict({**SETTINGS["network"], **changes}, 1, 3)
    torch.save(UNet(settings).state_dict(), path)


def tell(path):
    """Put what weights were trained as into them."""
    source = {"channels": ["cine"], "class_values": {"LV": [3], "MYO": [2], "RV": [1]}}
    source |= {"classes": SETTINGS["classes"], "preprocessing": SETTINGS["preprocessing"]}
    trained = trained_as(
        dataset="toy",
        experiment={"phi": "I"},
        study="toy",
        network=asdict(NetworkSettings.from_dict(SETTINGS["network"], 1, 3)),
        source=Source.from_dict(source),
    )
    checkpoint.save_weights(checkpoint.load_weights(path).state, trained, path)


def write_image(path, seed=0):
    voxels = np.random.default_rng(seed).normal(100, 20, (20, 18, 5)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1.0, 4.0, 1.0])), path)
    return path


def predict(capsys, place, *words, source="new", out="out", weights=("a.pt", "b.pt")):
    given = ("predict", place / "toy.yaml", place / source, place / out, "--device", "cpu")
    weights = (place / name for name in weights)
    return run(capsys, *given, *words, "--weights", *weights)


def change_settings(place, **changes):
    (place / "toy.yaml").write_text(yaml.safe_dump(SETTINGS | changes))


def contents(folder):
    """Every file below a folder but checksums, and its bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".sum"]
    return {path.relative_to(folder): path.read_bytes() for path in files}
