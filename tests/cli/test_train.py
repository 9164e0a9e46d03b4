import os
import signal

import numpy as np
import pytest
import yaml

from dicegrad.study import Study
from dicegrad.training import experiment as module
from dicegrad.training.dataset import PreparedData
from tests.cli.conftest import run
from tests.study.conftest import CONFIG, HEADER, line


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "toy.yaml"
    network = {"encoder": [[2], [2]], "decoder": [[2]], "kernels": [[3] * 3], "pools": [[2, 2, 1]]}
    path.write_text(
        yaml.safe_dump(
            {
                "adapter": "brats",
                "root": "nowhere",
                "classes": ["tumor"],
                "missing": {"group": "LGG", "classes": ["tumor"]},
                "preprocessing": {"spacing": [2, 2, 2], "size": [8, 8, 4]},
                "folds": {"count": 2, "method": "modulo"},
                "network": network,
                "training": {"epochs": 2, "stop_patience": 0},
            }
        )
    )
    return path


@pytest.fixture
def prepared(tmp_path):
    folder = tmp_path / "prepared"
    (folder / "labels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.normal(size=(4, 1, 8, 8, 4)).astype(np.float16))
    np.save(folder / "labels" / "partial.npy", rng.integers(0, 2, (4, 8, 8, 4)).astype(np.uint8))
    lines = ["case\tsubject\tgroup\tlabel\timage_t1"]
    lines += [f"c{i}\tc{i}\tHGG\tl.nii\ti.nii" for i in range(4)]
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "folds.tsv").write_text("subject\tfold\nc0\t0\nc1\t1\nc2\t0\nc3\t1\n")
    return folder


def test_an_experiment_is_trained_from_a_prepared_folder(capsys, prepared, settings, tmp_path):
    out_folder = tmp_path / "out"
    code, out, err = run(capsys, "train", prepared, settings, out_folder, "--device", "cpu")
    assert (code, err) == (0, "")
    assert "epoch 2/2" in out
    assert f"{out_folder}/weights.pt and history.tsv written" in out.replace("\n", "")
    weights = (out_folder / "weights.pt").read_bytes()
    _, _, err = run(capsys, "train", prepared, settings, out_folder, "--epsilon", "1")
    assert err.startswith(f"error: {out_folder}/weights.pt: already exists; name another folder")
    assert (out_folder / "weights.pt").read_bytes() == weights


@pytest.mark.parametrize("loss", ["dice_ce", "cross_entropy"])
def test_cross_entropy_is_trained_without_naming_phi_or_epsilon(
    capsys, prepared, settings, tmp_path, loss
):
    given = ("train", prepared, settings, tmp_path / loss, "--device", "cpu", "--loss", loss)
    code, out, err = run(capsys, *given)
    assert (code, err) == (0, "")
    words = {"dice_ce": "dice_ce I, epsilon 1e-7", "cross_entropy": "cross_entropy"}[loss]
    assert f"toy, partial labels: {words}, batch size 2, fold 0: " in out.replace("\n", " ")
    assert (tmp_path / loss / "weights.pt").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epsilon", "small"], "epsilon is 'small'; give a number, heuristic, or 0.1xheuristic"),
        (["--epsilon", "heuristic"], "epsilon is heuristic, but "),
        (["--epsilon", "0"], "epsilon is 0, but Dice of two empty maps needs one above 0"),
        (["--batch-size", "0"], "batch_size is '0'; it must be a whole number from 1"),
        (["--fold", "2"], "2 is not a fold of toy; it has 0 to 1"),
        (["--seed", "-1"], "seed is -1; it must be at least 0"),
        (["--threads", "0"], "threads is 0; it must be at least 1"),
        (["--loss", "leaf", "--phi", "BI"], "loss leaf takes phi I and a numeric epsilon"),
        (["--loss", "leaf", "--epsilon", "heuristic"], "loss leaf takes phi I and a numeric"),
        (["--labeling", "half"], "labeling is 'half'; the dataset has full, as-annotated, partial"),
        (["--labeling", "full"], "labels.npy: no such file; prepare the dataset with the workflow"),
        (["--loss", "marginal"], "which a single class (tumor) has not"),
        (["--loss", "cross_entropy", "--phi", "I"], "neither phi nor epsilon; leave out --phi and"),
        (["--loss", "cross_entropy", "--epsilon", "1"], "neither phi nor epsilon; leave out --phi"),
        (["--device", "cpu:"], "device is 'cpu:'; choose auto, cpu, cuda"),
        (["--device", "gpu"], "device is 'gpu'; choose auto, cpu, cuda"),
        (["--device", "cuda:99"], "device is cuda:99, but "),
    ],
)
def test_an_experiment_that_cannot_be_trained_is_one_line(
    capsys, prepared, settings, tmp_path, words, message
):
    given = ("train", prepared, settings, tmp_path / "out", "--device", "cpu", *words)
    code, _, err = run(capsys, *given)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert message in err


def test_a_training_that_is_stopped_says_how_it_goes_on(
    capsys, prepared, settings, tmp_path, monkeypatch
):
    batch, count = PreparedData.batch, [0]

    def stopped(*arguments):
        count[0] += 1
        if count[0] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch(*arguments)

    given = ("train", prepared, settings, tmp_path / "out", "--device", "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(PreparedData, "batch", stopped)
        code, _, err = run(capsys, *given)
    assert code == 1
    assert err.startswith("stopped by SIGTERM at step 1; ")  # before the second epoch
    assert err.endswith("; the same command resumes from there\n")
    code, _, err = run(capsys, *given, "--seed", "1")  # another training
    assert (code, err.count("\n")) == (1, 1)
    assert "is of another configuration: seed was" in err
    code, out, _ = run(capsys, *given)
    assert code == 0
    assert "resumes from" in out


@pytest.mark.parametrize("key", ["classes", "folds", "network", "training"])
def test_a_dataset_file_without_a_key_is_one_line(capsys, prepared, settings, tmp_path, key):
    content = yaml.safe_load(settings.read_text())
    del content[key]
    settings.write_text(yaml.safe_dump(content))
    code, _, err = run(capsys, "train", prepared, settings, tmp_path / "out")
    assert (code, err) == (1, f"error: {settings}: {key} is missing; add it\n")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("folds", {}, "folds.count is missing; add it"),
        ("network", None, "network is None; write keys and values, or leave the key out"),
        ("training", {"learning_rate": "low"}, "training.learning_rate is 'low'; it is not"),
        ("training", {"augmentation": {"rotation": 1}}, "training.augmentation.rotation is 1; it"),
    ],
)
def test_a_dataset_file_with_a_wrong_value_is_one_line(
    capsys, prepared, settings, tmp_path, key, value, message
):
    settings.write_text(yaml.safe_dump(yaml.safe_load(settings.read_text()) | {key: value}))
    code, _, err = run(capsys, "train", prepared, settings, tmp_path / "out")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: {settings}: {message}")


def test_a_network_that_the_images_do_not_fit_is_one_line(capsys, prepared, settings, tmp_path):
    content = yaml.safe_load(settings.read_text())
    content["network"]["pools"] = [[2, 3, 1]]
    content["preprocessing"]["size"] = [8, 9, 4]  # not that of the images any more
    settings.write_text(yaml.safe_dump(content))
    code, _, err = run(capsys, "train", prepared, settings, tmp_path / "out")
    assert (code, err.count("\n")) == (1, 1)
    assert "images are 8 x 8 x 4 voxels, but the network pools them by 2 x 3 x 1" in err


@pytest.mark.parametrize("epsilon", ["heuristic", "0.1xheuristic", "1e-7"])
@pytest.mark.parametrize("labeling", ["full", "partial"])
def test_the_workflow_and_the_command_train_with_the_same_settings(
    capsys, tmp_path, monkeypatch, epsilon, labeling
):
    """Switches of the released code depend on the row, and on nothing else."""
    changes = {
        "released": ["loss_scale", "epsilon_broadcast", "patience"],
        "sampling": {"partial": {"ED": 3}},
    }
    shipped = yaml.safe_load((CONFIG / "datasets" / "heart.yaml").read_text())
    (tmp_path / "datasets").mkdir()
    path = tmp_path / "datasets" / "heart.yaml"
    path.write_text(yaml.safe_dump(shipped | changes))
    table = tmp_path / "rows.tsv"
    table.write_text(HEADER + line(labeling=labeling, epsilon=epsilon))
    study = Study.read({"study": "s", "experiments": str(table)}, "config", tmp_path)
    (row,), heart = study.experiments, study.datasets["heart"]

    given = []
    monkeypatch.setattr(module, "train_experiment", lambda *words, **more: given.append(words))
    words = ("--labeling", labeling, "--epsilon", epsilon, "--study", "s", "--device", "cpu")
    assert run(capsys, "train", tmp_path, path, tmp_path / "out", *words)[0] == 0
    ((experiment, fold, _, settings, name, seed, *_),) = given
    assert (experiment, fold, name, seed) == (row, 0, "s", *study.seeds)
    assert settings["released"] == heart.released_training(row)
    assert settings["sampling"] == heart.sampling_of(row)
    assert ("epsilon_broadcast" in settings["released"]) == (epsilon != "1e-7")
