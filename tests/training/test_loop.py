import math
import resource
from collections import Counter
from itertools import combinations

import pytest
import torch

from dicegrad.errors import InputError
from dicegrad.losses import DiceLoss
from dicegrad.training import run
from dicegrad.training.augmentation import augment
from dicegrad.training.checkpoint import load_weights
from dicegrad.training.loop import train
from dicegrad.training.network import UNet, kernels_of
from dicegrad.training.run import Split, derive_seed
from tests.conftest import files_in

VARIED = {"flip": [0.5, 0, 0], "rotation": [0, 0, 0.3], "intensity_shift": 0.1, "noise": 0.1}


def constant(logits, label, annotated=None):
    """A loss of 0.25 without a gradient."""
    return 0.25 + 0 * logits.sum()


def first_weights(arguments):
    torch.manual_seed(derive_seed(arguments["seed"], "weights"))
    return UNet(arguments["network_settings"])


def test_a_seed_is_made_of_all_its_parts_and_the_same_on_every_machine():
    assert derive_seed(0, "acdc", 1) == 8562148269175109129
    seeds = [derive_seed(*parts) for parts in [(0, 1), (1, 0), (0, 1, ""), ("weights", 0), (0,)]]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_seed_gives_the_same_bits(fit, fingerprint, tmp_path):
    for folder, seed in (("first", 1), ("again", 1), ("other", 2)):
        fit({"augmentation": VARIED}, folder, seed=seed)
    first, again, other = (fingerprint(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_nothing_outside_moves_or_is_moved_by_the_randomness_of_a_training(
    fit, fingerprint, tmp_path
):
    fit(folder="first")
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    fit(folder="second")
    assert torch.equal(torch.rand(3), expected)
    assert fingerprint(tmp_path / "first") == fingerprint(tmp_path / "second")


def test_a_training_leaves_weights_and_history_alone(fit, tmp_path):
    network = fit()
    assert files_in(tmp_path / "out") == ["history.tsv", "weights.pt"]
    weights = load_weights(tmp_path / "out" / "weights.pt").state
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_the_history_counts_epochs_and_steps(fit, history, tmp_path):
    fit({"epochs": 3, "schedule": "plateau", "patience": 1, "min_delta": 10})
    rows = history(tmp_path / "out")
    always = ["epoch", "step", "learning_rate", "train_loss", "val_loss", "dsc_box"]
    metered = ["push_empty_box", "push_missing_box", "predicted_empty_box"]
    assert list(rows) == always + metered
    assert rows["epoch"] == [1, 2, 3]
    assert rows["step"] == [3, 6, 9]
    assert rows["learning_rate"] == pytest.approx([0.01, 0.01, 0.002])


def test_training_stops_early_once_nothing_improves(fit, history, tmp_path):
    fit({"epochs": 20, "stop_patience": 2, "min_delta": 10})
    assert history(tmp_path / "out")["epoch"] == [1, 2, 3]


def test_a_box_is_learnt(fit, history, tmp_path):
    fit({"epochs": 40, "learning_rate": 0.02, "schedule": "one_cycle", "stop_patience": 0})
    rows = history(tmp_path / "out")
    assert rows["train_loss"][-1] < 0.3 * rows["train_loss"][0]
    assert rows["val_loss"][-1] < 0.3 * rows["val_loss"][0]
    assert rows["dsc_box"][-1] > 0.9


def test_every_case_is_seen_once_an_epoch_in_an_order_of_its_own(fit, toy, watched):
    data = toy()
    data.labels.zero_()
    for case in range(7):
        data.labels[case, 0, 0, 0] = 1
        data.labels[case, 1].view(-1)[:case] = 1  # a case is told by its volume
    fit({"epochs": 4}, data=data, objective=watched)
    assert [len(batch) for batch in watched.batches] == [2, 2, 1] * 4
    seen = [int(label.sum()) - 1 for batch in watched.batches for label in batch]
    epochs = [seen[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1

    listed, watched.batches = Split((0, 0, 0, 1), (5,)), []
    fit({"epochs": 2, "passes": 2}, "listed", data=data, objective=watched, split=listed)
    seen = [int(label.sum()) - 1 for batch in watched.batches for label in batch]
    assert all(Counter(epoch) == {0: 6, 1: 2} for epoch in (seen[:8], seen[8:]))


def test_a_case_is_varied_afresh_each_time_it_is_seen(fit, monkeypatch, watched):
    seen = []

    def watched(image, *rest):
        varied, label = augment(image, *rest)
        seen.append(varied)
        return varied, label

    monkeypatch.setattr(run, "augment", watched)
    once = Split((0,), (5,))
    fit({"epochs": 2, "passes": 2, "augmentation": {"noise": 0.1}}, split=once, batch_size=1)
    assert len(seen) == 4
    assert not any(torch.equal(a, b) for a, b in combinations(seen, 2))


def test_the_penalty_adds_twice_l2_times_the_kernel_to_the_gradient(arguments, tmp_path):
    l2 = 3e-7  # so small that Adam's epsilon tells one gradient from twice that gradient
    given = arguments(
        tmp_path, {"epochs": 1, "l2": l2}, objective=constant, split=Split((0, 1), (5, 6))
    )
    before, after = first_weights(given), train(**given)
    kernels = {id(kernel) for kernel in kernels_of(before)}
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        gradient = 2 * l2 * old if id(old) in kernels else torch.zeros_like(old)
        # The first step of Adam divides the gradient by its own size and epsilon.
        expected = old - 0.01 * gradient / (gradient.abs() + 1e-7)
        torch.testing.assert_close(new, expected, atol=1e-6, rtol=1e-4)


def test_the_penalty_is_part_of_the_validation_loss_alone(fit, history, tmp_path):
    network = fit({"epochs": 1, "l2": 1e-3}, objective=constant)
    penalty = 1e-3 * sum(float(kernel.detach().square().sum()) for kernel in kernels_of(network))
    rows = history(tmp_path / "out")
    assert penalty > 1e-3
    assert rows["val_loss"] == pytest.approx([0.25 + penalty], rel=1e-5)
    assert rows["train_loss"] == [0.25]


@pytest.mark.parametrize(("keep_every", "kept"), [(1, 5), (2, 4), (3, 3), (5, 5), (9, 5)])
def test_the_weights_of_the_last_multiple_are_kept(fit, fingerprint, tmp_path, keep_every, kept):
    fit({"epochs": 5, "keep_every": keep_every}, "out")
    fit({"epochs": kept}, "shorter")
    assert fingerprint(tmp_path / "out")[0] == fingerprint(tmp_path / "shorter")[0]


def test_a_loss_that_is_no_number_names_epoch_batch_cases_and_what_to_try(fit, toy):
    data = toy()
    data.images[3] = math.nan
    with pytest.raises(InputError) as error:
        fit(data=data)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("the loss is nan in epoch 1 at batch ")
    assert "case3" in message
    assert "lower training.learning_rate (now 0.01)" in message


def test_a_loss_that_breaks_in_a_later_epoch_names_that_epoch_and_batch(fit, toy, watched):

    def objective(logits, label, annotated):
        loss = watched(logits, label)
        return loss * math.nan if len(watched.batches) == 5 and loss.requires_grad else loss

    with pytest.raises(InputError, match="the loss is nan in epoch 2 at batch 2 ") as error:
        fit(objective=objective)
    labels = toy().labels
    named = [n for n in range(7) if f"case{n}" in str(error.value)]
    assert len(named) == 2
    batch = sorted(label.flatten().tolist() for label in watched.batches[4])
    assert sorted(labels[n].flatten().tolist() for n in named) == batch


def test_a_validation_loss_that_is_no_number_stops_the_training(fit, toy, tmp_path):
    data = toy()
    data.images[6] = math.nan
    with pytest.raises(InputError, match="the validation loss is nan after epoch 1") as error:
        fit(data=data)
    assert "look at the held-out cases, or lower training.learning_rate" in str(error.value)
    assert not (tmp_path / "out" / "weights.pt").exists()


def test_a_training_that_runs_away_with_a_finite_loss_is_stopped(fit, tmp_path):
    with pytest.raises(InputError, match="training diverges: after epoch 1 the penalty") as error:
        fit({"learning_rate": 1e3})
    assert "a Dice loss is at most 1; lower training.learning_rate (now 1000)" in str(error.value)
    assert not (tmp_path / "out" / "weights.pt").exists()


def test_a_state_that_is_no_number_does_not_replace_a_good_checkpoint(fit, watched, tmp_path):
    def objective(logits, label, annotated):
        loss = watched(logits, label)
        return loss * math.nan if len(watched.batches) == 3 and loss.requires_grad else loss

    with pytest.raises(InputError, match="the loss is nan in epoch 1 at batch 3"):
        fit({"checkpoint_minutes": 0}, objective=objective)
    state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    assert all(value.isfinite().all() for value in state["network"].values())


def test_progress_is_reported_after_every_epoch(fit):
    reported = []
    fit({"stop_patience": 2}, report=reported.append)
    assert [progress.row["epoch"] for progress in reported] == [1, 2, 3]
    assert all(progress.speed > 0 and progress.early for progress in reported)
    assert reported[0].left > reported[-1].left == 0
    assert reported[1].left == pytest.approx((reported[0].seconds + reported[1].seconds) / 2)


def test_a_split_without_cases_or_a_batch_without_one_is_refused(fit):
    with pytest.raises(InputError, match="no training cases; change the fold assignment"):
        Split((), (1,))
    with pytest.raises(InputError, match="no validation cases; change the fold assignment"):
        Split((1,), ())
    with pytest.raises(InputError, match="batch_size is 0; it must be at least 1"):
        fit(batch_size=0)


def test_a_disk_that_is_full_at_the_end_is_said_in_one_line(fit, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # enough for the history alone
    try:
        with pytest.raises(InputError, match=r"weights.pt: could not be written"):
            fit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "weights.pt" not in files_in(tmp_path / "out")


def test_the_push_meter_changes_no_bit_of_the_weights(fit, toy, tmp_path, monkeypatch):
    data = toy()
    data.labels[::2] = 0  # half of the maps have no true voxel
    with_meter = fit({"epochs": 2}, data=data, objective=DiceLoss("BI", activation="sigmoid"))
    rows = (tmp_path / "out" / "history.tsv").read_text()
    assert "push_empty_box" in rows
    monkeypatch.setattr("dicegrad.training.run.make_meter", lambda *given: None)
    without = fit(
        {"epochs": 2}, "without", data=data, objective=DiceLoss("BI", activation="sigmoid")
    )
    assert "push_empty_box" not in (tmp_path / "without" / "history.tsv").read_text()
    assert state_of(with_meter) == state_of(without)


def state_of(network):
    return {name: value.tolist() for name, value in network.state_dict().items()}
