"""Precision, determinism and compilation are settings, and change nothing but that."""

import math

import pytest
import torch

from dicegrad.errors import InputError, Interrupted
from dicegrad.losses import DiceLoss
from dicegrad.training import numerics as numbers
from dicegrad.training.loop import train
from dicegrad.training.numerics import autocast, memory_format, numerics, settle
from dicegrad.training.run import Run
from dicegrad.training.settings import TrainingSettings

VARIED = {"flip": [0.5, 0, 0], "rotation": [0, 0, 0.3], "elastic": [1, 1, 1], "noise": 0.1}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@needs_cuda
def test_auto_is_bfloat16_on_a_gpu_that_computes_in_it():
    recent = torch.cuda.get_device_capability() >= (8, 0)
    expected = "bfloat16" if recent else "float32"
    assert settle(TrainingSettings(), CUDA).precision == expected


def test_auto_is_float32_on_a_cpu_and_what_is_asked_for_stays():
    assert settle(TrainingSettings(), CPU).precision == "float32"
    asked = TrainingSettings(precision="tf32")
    assert settle(asked, CUDA) == asked


def test_values_lie_channels_last_but_where_that_would_cost_copies(monkeypatch):
    last, contiguous = torch.channels_last_3d, torch.contiguous_format
    for triton, norm, device, compiled, order in (
        (False, "instance", CPU, False, last),
        (False, "batch", CUDA, False, last),
        (False, "instance", CUDA, False, contiguous),
        (True, "instance", CUDA, False, last),
        (True, "batch", CPU, True, contiguous),
    ):
        kernels = object() if triton else None
        monkeypatch.setattr(numbers, "fused_norm", lambda found=kernels: found)
        assert memory_format(norm, device, compiled) == order


@pytest.mark.parametrize(
    ("precision", "deterministic", "tf32"),
    [("float32", True, False), ("tf32", False, True), ("bfloat16", True, True)],
)
def test_switches_are_set_for_a_training_and_put_back(precision, deterministic, tf32):
    cudnn = torch.backends.cudnn
    before = (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark)
    settings = TrainingSettings(precision=precision, deterministic=deterministic)
    with numerics(settings, torch.device("cpu")):
        now = (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark)
    assert now == (True, tf32, deterministic, not deterministic)
    assert (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == before


def test_only_bfloat16_casts():
    for precision, dtype in [("bfloat16", torch.bfloat16), ("float32", torch.float32)]:
        with autocast(precision, torch.device("cpu")):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_training_in_bfloat16_learns_nearly_the_same_and_repeats(
    fit, fingerprint, history, tmp_path
):
    settings = {"epochs": 5, "learning_rate": 0.02, "augmentation": VARIED}
    for folder, precision in (("full", "float32"), ("half", "bfloat16"), ("again", "bfloat16")):
        fit(settings | {"precision": precision}, folder)
    full, half = history(tmp_path / "full"), history(tmp_path / "half")
    names = [name for name in half if not name.startswith("predicted_empty")]  # here no map is
    assert all(math.isfinite(value) for name in names for value in half[name])
    assert half["train_loss"] != full["train_loss"]
    assert half["train_loss"][0] == pytest.approx(full["train_loss"][0], abs=0.02)
    assert half["val_loss"][-1] == pytest.approx(full["val_loss"][-1], abs=0.1)
    assert fingerprint(tmp_path / "half") == fingerprint(tmp_path / "again")


def test_weights_and_loss_stay_float32_in_bfloat16(fit, watched):
    seen = []

    def objective(logits, label, annotated):
        seen.append(logits.dtype)
        return watched(logits, label)

    network = fit({"precision": "bfloat16", "epochs": 1}, objective=objective)
    assert set(seen) == {torch.float32}
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_auto_and_what_it_stands_for_are_one_configuration(fit, stop_at):
    with pytest.raises(Interrupted):
        fit(objective=stop_at(2))
    with pytest.raises(InputError, match=r"training.precision was 'float32' and is now 'bfloat16'"):
        fit({"precision": "bfloat16"})
    with pytest.raises(InputError, match=r"training.deterministic was True and is now False"):
        fit({"deterministic": False})
    fit({"precision": "float32"})


@pytest.mark.slow
def test_a_compiled_training_learns_the_same(fit, history, tmp_path):
    settings = {"epochs": 2, "augmentation": VARIED}
    fit(settings, "plain")
    fit(settings | {"compile": True}, "compiled")
    plain, compiled = history(tmp_path / "plain"), history(tmp_path / "compiled")
    assert compiled["train_loss"] == pytest.approx(plain["train_loss"], abs=1e-3)
    assert compiled["val_loss"] == pytest.approx(plain["val_loss"], abs=1e-3)


def test_a_full_gpu_is_one_line(fit):
    def objective(logits, label, annotated):
        raise torch.cuda.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 ..."
        )

    with pytest.raises(InputError, match=r"is full \(CUDA out of memory\); lower batch_size, or"):
        fit(objective=objective)


def on_cuda(arguments):
    """The arguments of a training with its data on the GPU."""
    data = arguments["data"]
    moved = type(data)(data.images.cuda(), data.labels.cuda(), data.cases, data.classes)
    return arguments | {"data": moved}


@needs_cuda
def test_the_same_seed_gives_the_same_bits_on_a_gpu(arguments, fingerprint, tmp_path):
    for folder in ("first", "again"):
        train(**on_cuda(arguments(tmp_path / folder, {"augmentation": VARIED})))
    assert fingerprint(tmp_path / "first") == fingerprint(tmp_path / "again")


@needs_cuda
@pytest.mark.parametrize("epsilon", [1e-7, (5.0,)], ids=["a number", "one per class"])
def test_no_step_of_an_epoch_waits_for_the_gpu(arguments, tmp_path, epsilon):
    objective = DiceLoss("I", epsilon, activation="sigmoid")
    settings = {"augmentation": VARIED, "precision": "bfloat16"}
    given = on_cuda(arguments(tmp_path, settings, objective=objective))
    names = ("data", "split", "network_settings", "settings", "objective", "batch_size", "seed")
    run = Run(*(given[name] for name in names))
    list(run.steps())  # what is made once is made
    run.losses = []
    steps = run.steps()
    next(steps)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert sum(1 for _ in steps) == run.steps_per_epoch - 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
