"""Every config, dataset and table that comes with the repository can be used as it is."""

import pytest

from dicegrad.reporting.outputs import ALWAYS, wanted_files
from dicegrad.study import Dataset, Study
from dicegrad.study.schemas import read_yaml
from dicegrad.study.study import read_experiments
from dicegrad.training.network import NetworkSettings
from dicegrad.training.settings import TrainingSettings
from tests.study.conftest import CONFIG


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_can_be_run(path, monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    study = Study.read(read_yaml(path), str(path), CONFIG)
    assert study.experiments
    assert set(study.datasets) == {each.dataset for each in study.experiments}
    assert all(study.folds(name) for name in study.datasets)
    assert set(ALWAYS) < set(wanted_files(study))


def test_every_shipped_table_belongs_to_a_study():
    used = {read_yaml(path)["experiments"] for path in CONFIG.glob("*.yaml")}
    shipped = {f"config/experiments/{path.name}" for path in CONFIG.glob("experiments/*.tsv")}
    assert used == shipped


@pytest.mark.parametrize("path", sorted(CONFIG.glob("datasets/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_dataset_is_valid_and_makes_a_network_and_a_training(path):
    dataset = Dataset.read(path)
    network = NetworkSettings.from_dict(dataset.block("network"), 1, len(dataset.classes))
    sizes = dataset.block("preprocessing", "size")
    assert all(size % n == 0 for size, n in zip(sizes, network.divisors, strict=True))
    training = dataset.block("training")
    assert TrainingSettings.from_dict(training).epochs == training["epochs"]


def test_the_paper_is_32_experiments_and_160_trainings():
    rows = read_experiments(CONFIG / "experiments" / "paper.tsv")
    folds = {
        name: Dataset.read(CONFIG / "datasets" / f"{name}.yaml").folds_to_run("all")
        for name in ("acdc", "brats")
    }
    assert len(rows) == 32
    assert sum(len(folds[row.dataset]) for row in rows) == 160
