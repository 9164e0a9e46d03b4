"""`suspects` puts maps that nobody drew before truly empty ones; networks are trained for it."""

import json
import math
import shutil

import numpy as np
import pytest

from dicegrad.advice.suspects import Suspect, find_suspects, ranking
from dicegrad.cli import main
from dicegrad.files import read_cells
from dicegrad.prediction.inference import build_network, probabilities
from dicegrad.study import Experiment
from dicegrad.training.checkpoint import load_weights
from dicegrad.training.experiment import PreparedFiles, train_experiment
from dicegrad.training.network import NetworkSettings
from tests.conftest import refusal

SIZE, COUNT = (8, 8, 4), 18
SETTINGS = {
    "classes": ["box"],
    "fold_count": 2,
    "sampling": {},
    "training": {"epochs": 25, "stop_patience": 0, "learning_rate": 0.02, "schedule": "one_cycle"},
    "network": {
        "encoder": [[2, 2], [4, 4]],
        "decoder": [[2, 2]],
        "kernels": [[3, 3, 3], [3, 3, 1]],
        "pools": [[2, 2, 1]],
    },
}
ROW = {"dataset": "toy", "labeling": "partial", "loss": "dice", "phi": "I", "epsilon": "1e-7"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A third of the cases filled, a third not drawn, a third truly empty; two folds trained."""
    boxes, random = _boxes()
    full = np.where(np.arange(COUNT)[:, None, None, None] % 3 < 2, boxes, 0).astype(np.uint8)
    partial = full.copy()
    partial[1::3] = 0
    images = full[:, None] + 0.2 * random.standard_normal((COUNT, 1, *SIZE))
    return _train(tmp_path_factory.mktemp("suspects"), images, full, partial, {"box": [1]})


@pytest.fixture(scope="module")
def overlapping_study(tmp_path_factory):
    """Whole, and core in one slice of it: a third drawn, a third missing, a third empty."""
    boxes, random = _boxes()
    core = boxes & (np.arange(COUNT)[:, None, None, None] % 3 < 2)
    core[np.arange(COUNT), :, :, random.integers(1, 3, COUNT)] = 0
    full = (boxes + 2 * core).astype(np.uint8)  # bit 0 is whole, bit 1 core
    partial = full.copy()
    partial[1::3] = boxes[1::3]
    images = (boxes + 2 * core)[:, None] + 0.2 * random.standard_normal((COUNT, 1, *SIZE))
    values = {"whole": [1, 2], "core": [2]}
    return _train(tmp_path_factory.mktemp("overlapping"), images, full, partial, values)


def _boxes():
    """Boxes of 4 x 4 x 2 voxels, one in each case."""
    random = np.random.default_rng(0)
    boxes = np.zeros((COUNT, *SIZE), np.uint8)
    for box in boxes:
        x, y = random.integers(0, 4, 2)
        box[x : x + 4, y : y + 4, 1:3] = 1
    return boxes, random


def _train(root, images, full, partial, values):
    """Prepared arrays, and two folds of Dice I trained on the partial labels."""
    place = root / "resources" / "toy"
    (place / "labels").mkdir(parents=True)
    np.save(place / "images.npy", images.astype(np.float16))
    np.save(place / "labels.npy", full)
    np.save(place / "labels" / "partial.npy", partial)
    names = [f"p{i:02}" for i in range(COUNT)]
    lines = ["case\tsubject\tgroup\tlabel\timage_a"]
    lines += [f"{name}\t{name}\tall\tl.nii\ti.nii" for name in names]
    (place / "cases.tsv").write_text("\n".join(lines) + "\n")
    folds = [f"{name}\t{i // 3 % 2}" for i, name in enumerate(names)]
    (place / "folds.tsv").write_text("subject\tfold\n" + "\n".join(folds) + "\n")
    about = {"channels": ["a"], "classes": [*values], "class_values": values, "ignore": None}
    (place / "prepared.json").write_text(json.dumps(about | {"cases": {}}))
    experiment = Experiment(**ROW, batch_size=3)
    grid = {"spacing": [1, 1, 1], "size": list(SIZE), "crop": "center"}
    source = about | {"preprocessing": grid}
    settings = SETTINGS | {"classes": [*values], "source": source}
    for fold in (0, 1):
        out = root / "results" / "study" / experiment.path / f"fold~{fold}"
        out.mkdir(parents=True)
        files = PreparedFiles.of(place, experiment)
        train_experiment(experiment, fold, files, settings, "study", 0, out)
    return root / "results" / "study"


@pytest.mark.slow
def test_maps_that_nobody_drew_come_before_empty_ones(study):
    found = find_suspects(study)
    assert len(found.suspects) == 2 * COUNT // 3
    told = ranking(found.suspects, COUNT // 3)
    assert (told["missing"], told["empty"]) == (COUNT // 3, COUNT // 3)
    assert told["auc"] > 0.9
    assert told["precision"] > 0.8
    first = found.suspects[0]
    assert first.missing
    assert 0 < first.agreement <= 1
    assert all(each.missing is not None for each in found.suspects)


@pytest.mark.slow
def test_a_missing_core_is_a_suspect_of_its_own_though_the_whole_around_it_is_drawn(
    overlapping_study,
):
    found = find_suspects(overlapping_study).suspects
    assert {each.name for each in found} == {"core"}
    told = {each.case: each.missing for each in found}
    assert told == {f"p{i:02}": i % 3 == 1 for i in range(COUNT) if i % 3}
    place = overlapping_study.parent.parent / "resources" / "toy"
    images = np.load(place / "images.npy")
    for each in found:
        number = int(each.case[1:])
        fold = overlapping_study / each.experiment / f"fold~{number // 3 % 2}"
        weights = load_weights(fold / "weights.pt")
        network = build_network(NetworkSettings(**weights.trained.network), weights)
        assert each.voxels == (probabilities(network, images[number])[2] > 0.5).sum()


@pytest.mark.slow
def test_the_command_writes_a_table_and_a_sheet(study, tmp_path, capsys):
    assert main(["suspects", str(study), "--out", str(tmp_path), "--first", "5"]) == 0
    text = capsys.readouterr().out
    assert "AUC" in text
    assert "suspects.tsv and suspects.png written" in text
    header, rows = read_cells(tmp_path / "suspects.tsv")
    assert header[:4] == ["rank", "class", "experiment", "case"]
    assert len(list(rows)) == 2 * COUNT // 3
    assert (tmp_path / "suspects.png").stat().st_size > 10_000
    assert "--first is 0" in failed(capsys, study, "--first", "0")


@pytest.mark.slow
def test_a_map_that_two_experiments_predict_is_one_suspect(study, tmp_path):
    twice = tmp_path / "study"
    shutil.copytree(study, twice)
    shutil.copytree(
        study / Experiment(**ROW, batch_size=3).path, twice / Experiment(**ROW, batch_size=5).path
    )
    found = find_suspects(twice, study.parent.parent / "resources")
    assert [each.case for each in found.suspects] == [s.case for s in find_suspects(study).suspects]


def failed(capsys, study, *words):
    assert main(["suspects", str(study), *words]) == 1
    return capsys.readouterr().err


def test_a_study_without_a_blind_loss_is_refused(tmp_path):
    row = "dataset~toy/labeling~partial/loss~dice/phi~BI/epsilon~1e-7/batch_size~2/fold~0"
    (tmp_path / row).mkdir(parents=True)
    (tmp_path / row / "weights.pt").touch()
    assert "no weights of Dice with phi I" in refusal(find_suspects, tmp_path)


def suspect(plausibility, missing):
    return Suspect("", "c", "g", "a", plausibility, 1, 1, 1, 9, missing)


def test_auc_and_precision_are_those_of_the_ranking():
    suspects = [suspect(p, m) for p, m in [(0.9, True), (0.8, False), (0.7, True), (0.1, False)]]
    told = ranking(suspects, 2)
    assert told["auc"] == 0.75  # three of four pairs are in order
    assert told["precision"] == 0.5
    assert math.isnan(ranking(suspects[:1], 1)["auc"])
    assert ranking([suspect(0.5, None)], 1)["missing"] == 0
