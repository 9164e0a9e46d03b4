"""Every config, dataset and table that comes with the repository can be used as it is."""

from pathlib import Path

import pytest
from dicegrad.schemas import read_yaml, with_defaults

from dicegrad import study
from dicegrad.training.network import NetworkSettings
from dicegrad.training.settings import TrainingSettings

CONFIG = Path(__file__).parents[1] / "config"
SCHEMAS = {
    name: read_yaml(CONFIG / "schemas" / f"{name}.schema.yaml")
    for name in ("config", "dataset", "experiments")
}


def dataset_of(name):
    return study.read_datasets([name], CONFIG / "datasets", {}, SCHEMAS["dataset"])[name]


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_can_be_run(path):
    settings = with_defaults(read_yaml(path), SCHEMAS["config"], str(path))
    table = CONFIG.parent / settings["experiments"]
    rows = study.read_experiments(table, SCHEMAS["experiments"])
    names = [row["dataset"] for row in rows]
    folder = CONFIG / "datasets"
    datasets = study.read_datasets(names, folder, settings["datasets"], SCHEMAS["dataset"])
    assert set(datasets) == set(names)
    for row in rows:
        study.check_experiment(row, datasets[row["dataset"]], table)
        count = datasets[row["dataset"]]["folds"]["count"]
        assert study.folds_to_run(settings["folds"], count, row["dataset"])


def test_every_shipped_table_belongs_to_a_study():
    used = {read_yaml(path)["experiments"] for path in CONFIG.glob("*.yaml")}
    shipped = {f"config/experiments/{path.name}" for path in CONFIG.glob("experiments/*.tsv")}
    assert used == shipped


@pytest.mark.parametrize("path", sorted(CONFIG.glob("datasets/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_dataset_is_valid_and_makes_a_network_and_a_training(path):
    settings = dataset_of(path.stem)
    network = NetworkSettings.from_dict(settings["network"], 1, len(settings["classes"]))
    divisors = network.divisors
    sizes = settings["preprocessing"]["size"]
    assert all(size % divisor == 0 for size, divisor in zip(sizes, divisors, strict=True))
    assert TrainingSettings.from_dict(settings["training"]).epochs == settings["training"]["epochs"]


def test_the_paper_is_32_experiments_and_160_trainings():
    rows = study.read_experiments(CONFIG / "experiments" / "paper.tsv", SCHEMAS["experiments"])
    folds = {name: dataset_of(name)["folds"]["count"] for name in ("acdc", "brats")}
    assert len(rows) == 32
    assert sum(len(study.folds_to_run("all", folds[row["dataset"]], "x")) for row in rows) == 160
