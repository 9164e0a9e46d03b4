import numpy as np
import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.losses import CrossEntropyLoss, DiceLoss
from dicegrad.preprocessing.labeling import write_annotated
from dicegrad.study import Experiment
from dicegrad.training import experiment as module
from dicegrad.training.experiment import PreparedFiles, train_experiment
from dicegrad.training.run import derive_seed

SETTINGS = {
    "classes": ["box"],
    "fold_count": 2,
    "sampling": {"ED": 2},
    "training": {"epochs": 1, "stop_patience": 0},
    "network": {
        "encoder": [[2, 2], [4, 4]],
        "decoder": [[2, 2]],
        "kernels": [[3, 3, 3], [3, 3, 1]],
        "pools": [[2, 2, 1]],
    },
}


@pytest.fixture
def folder(toy, tmp_path):
    """What the workflow prepares of four cases: two subjects at two phases."""
    data = toy(4)
    (tmp_path / "labels").mkdir()
    (tmp_path / "epsilon").mkdir()
    np.save(tmp_path / "images.npy", data.images.numpy())
    np.save(tmp_path / "labels" / "partial.npy", data.labels.numpy())
    np.save(tmp_path / "labels.npy", data.labels.numpy())
    lines = ["case\tsubject\tgroup\tlabel\timage_cine"]
    lines += [f"{s}_{g}\t{s}\t{g}\tl.nii\ti.nii" for s in ("p1", "p2") for g in ("ED", "ES")]
    (tmp_path / "cases.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "folds.tsv").write_text("subject\tfold\np1\t0\np2\t1\n")
    (tmp_path / "epsilon" / "partial.tsv").write_text(
        "dataset\tlabeling\tfold\tclass\tepsilon\n"
        "toy\tpartial\t0\tbox\t24.5\ntoy\tpartial\t1\tbox\t40\n"
    )
    return tmp_path


def row(**changes):
    values = {"labeling": "partial", "loss": "dice", "phi": "I", "epsilon": "1e-7"}
    return Experiment(**({"dataset": "toy", **values, "batch_size": 2} | changes))


def run(folder, experiment, fold=0, **changes):
    files = PreparedFiles.of(folder, experiment)
    out = folder / "out"
    return train_experiment(experiment, fold, files, SETTINGS | changes, "study", 3, out)


@pytest.fixture
def given(monkeypatch):
    """What `train` is called with."""
    calls = []
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


def test_a_row_becomes_a_training_on_all_folds_but_one(folder, given):
    run(folder, row(phi="BI"), fold=1)
    (data, split, network, settings, objective, batch_size, seed, out, _), words = given[0]
    assert data.cases == ("p1_ED", "p1_ES", "p2_ED", "p2_ES")
    assert split.train == (0, 0, 1)  # ED is listed twice
    assert split.validation == (2, 3)
    assert (network.in_channels, network.out_channels, network.pools) == (1, 1, ((2, 2, 1),))
    assert settings.epochs == 1
    assert (batch_size, out) == (2, folder / "out")
    assert seed == derive_seed(3, "study", "toy", "partial", "dice", "BI", "1e-7", "2", 1)
    assert words["identity"]["fold"] == 1
    logits, label = torch.randn(2, 1, 8, 8, 4), data.labels[:2]
    assert torch.equal(
        objective(logits, label), DiceLoss("BI", 1e-7, activation="sigmoid")(logits, label)
    )


def test_validation_looks_at_a_share_of_the_training_subjects_and_never_at_the_held_out_fold(
    folder, given
):
    """Three subjects to learn from, one of which is set aside; the log names it."""
    lines = ["case\tsubject\tgroup\tlabel\timage_cine"]
    lines += [f"p{number}\tp{number}\tED\tl.nii\ti.nii" for number in range(4)]
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "folds.tsv").write_text("subject\tfold\np0\t0\np1\t0\np2\t0\np3\t1\n")
    files, said = PreparedFiles.of(folder, row()), []
    training = {"epochs": 1, "validation": 0.3}
    for settings in (SETTINGS, SETTINGS | {"training": training}):
        arguments = (row(), 1, files, settings, "study", 3, folder / "out")
        train_experiment(*arguments, report=said.append)
    (_, paper, *_), (_, share, *_) = (call[0] for call in given)
    assert (paper.train, paper.validation) == ((0, 0, 1, 1, 2, 2), (3,))
    assert 3 not in share.train + share.validation
    assert len(share.validation) == 1
    assert sorted({*share.train, *share.validation}) == [0, 1, 2]
    assert not set(share.train) & set(share.validation)
    held, aside = (line for line in said if line.startswith("validation loss and DSC below are of"))
    assert "of the held-out fold, as in the paper" in held
    assert f"of 30 % of the training subjects (p{share.validation[0]})" in aside
    trained = given[1][1]["trained"]
    assert trained.training_cases == tuple(f"p{number}" for number in sorted(set(share.train)))


def test_the_heuristic_epsilon_is_that_of_the_fold(folder, given):
    run(folder, row(epsilon="heuristic"), fold=1)
    data, objective = given[0][0][0], given[0][0][4]
    logits, label = torch.randn(2, 1, 8, 8, 4), data.labels[:2]
    expected = DiceLoss("I", 40.0, activation="sigmoid")(logits, label)
    assert torch.equal(objective(logits, label), expected)
    assert given[0][1]["identity"]["epsilon_value"] == "[40.0]"


def test_cross_entropy_asks_for_no_epsilon(folder, given):
    run(folder, row(loss="cross_entropy", phi="none", epsilon="none"), fold=1)
    data, objective = given[0][0][0], given[0][0][4]
    logits, label = torch.randn(2, 1, 8, 8, 4), data.labels[:2]
    expected = CrossEntropyLoss(activation="sigmoid")(logits, label)
    assert torch.equal(objective(logits, label), expected)


def test_the_released_patience_counts_epochs_as_if_every_case_were_listed_once(folder, given):
    training = {"patience": 40, "stop_patience": 80, "keep_every": 31, "epochs": 1000}
    run(folder, row(), training=training, sampling={"ED": 3}, released=["patience"])
    run(folder, row(), training=training, sampling={}, released=["patience"])
    run(folder, row(), training=training, sampling={"ED": 3})
    names = ("patience", "stop_patience", "keep_every", "epochs")
    chosen = [[getattr(call[0][3], name) for name in names] for call in given]
    # As 160 / 320: of the two cases of a subject ED is listed three times.
    assert chosen == [[20, 40, 15, 1000], [40, 80, 31, 1000], [40, 80, 31, 1000]]
    identities = [call[1]["identity"] for call in given]
    assert [identity.get("released") for identity in identities] == ["patience", "patience", None]


def test_the_released_patience_never_turns_early_stopping_off(folder, given):
    for stop_patience in (1, 0):
        training = {"stop_patience": stop_patience}
        run(folder, row(), training=training, sampling={"ED": 3}, released=["patience"])
    assert [call[0][3].stop_patience for call in given] == [1, 0]


def test_it_trains(folder):
    run(folder, row())
    assert (folder / "out" / "weights.pt").is_file()
    assert len((folder / "out" / "history.tsv").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["cases.tsv", "folds.tsv", "images.npy", "labels/partial.npy"])
def test_a_file_that_is_not_prepared_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=name):
        run(folder, row())


def test_an_epsilon_that_is_none_is_named(folder):
    with pytest.raises(InputError, match="epsilon is 'small'; give a number, heuristic, or"):
        run(folder, row(epsilon="small"))
    (folder / "epsilon" / "partial.tsv").unlink()
    with pytest.raises(InputError, match=r"epsilon is heuristic, but .*partial.tsv does not exist"):
        run(folder, row(epsilon="heuristic"))


def test_a_fold_that_is_none_is_said(folder):
    with pytest.raises(InputError, match="no validation cases; change the fold assignment"):
        run(folder, row(), fold=5)


def test_full_labels_are_those_that_were_prepared(folder):
    assert PreparedFiles.of(folder, row(labeling="full")).labels == folder / "labels.npy"
    assert PreparedFiles.of(folder, row()).labels == folder / "labels" / "partial.npy"


def test_a_default_of_a_later_column_changes_no_seed(folder, given):
    run(folder, row())
    run(folder, row(unannotated="as_empty"))
    assert given[0][0][6] == given[1][0][6]
    assert given[0][1]["identity"] == given[1][1]["identity"]


def test_what_is_annotated_reaches_the_loss_where_the_row_says_so(folder, given):
    (folder / "annotated").mkdir()
    names, known = ["p1_ED", "p1_ES", "p2_ED", "p2_ES"], np.array([[True], [False]] * 2)
    write_annotated(folder / "annotated" / "partial.tsv", names, ["box"], known)
    run(folder, row())
    run(folder, row(unannotated="ignored"))
    assert given[0][0][0].annotated is None
    assert given[1][0][0].annotated.tolist() == known.tolist()
    assert given[0][0][6] != given[1][0][6]
    assert given[1][1]["identity"]["unannotated"] == "ignored"


def test_what_sampling_and_partial_labels_do_to_the_log_is_said(folder, given):
    lines = []
    for sampling in ({"ED": 3}, {}):
        experiment = row(epsilon="heuristic", batch_size=1)
        files = PreparedFiles.of(folder, experiment)
        settings = SETTINGS | {"sampling": sampling}
        given_words = (experiment, 1, files, settings, "study", 3, folder / "out", "cpu")
        train_experiment(*given_words, lines.append)
    told = [line for line in lines if line.startswith("sampling")]
    (line,) = told
    assert "lists cases of ED 3 times: 4 steps an epoch instead of 2; compare with" in line
    assert (
        sum(line.startswith("DSC below is of the maps that partial labels hold") for line in lines)
        == 2
    )


def test_with_a_validation_share_the_held_out_fold_changes_nothing_of_a_training_run(folder):
    """Not the learning rate under a plateau either; without one, it does."""
    lines = ["case\tsubject\tgroup\tlabel\timage_cine"]
    lines += [f"p{number}\tp{number}\tES\tl.nii\ti.nii" for number in range(4)]
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    (folder / "folds.tsv").write_text("subject\tfold\np0\t0\np1\t0\np2\t0\np3\t1\n")
    plateau = {"epochs": 3, "schedule": "plateau", "patience": 1, "precision": "float32"}

    def histories(labels):
        np.save(folder / "labels" / "partial.npy", labels)
        found = []
        for number, share in enumerate(({"validation": 0.3}, {})):
            out = folder / f"out{number}"
            settings = SETTINGS | {"training": plateau | share}
            files = PreparedFiles.of(folder, row())
            train_experiment(row(), 1, files, settings, "study", 3, out)
            found.append((out / "history.tsv").read_text())
            (out / "weights.pt").unlink()
        return found

    labels = np.load(folder / "labels" / "partial.npy")
    share, paper = histories(labels)
    labels[3] = labels[3][::-1]
    labels[3, :4] = 0
    share_again, paper_again = histories(labels)
    assert share_again == share
    assert paper_again != paper
