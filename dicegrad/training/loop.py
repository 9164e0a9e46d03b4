"""The training of one network, top to bottom."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dicegrad.errors import InputError, Interrupted
from dicegrad.training.checkpoint import load_checkpoint, save_atomically
from dicegrad.training.dataset import PreparedData
from dicegrad.training.history import Row, write_history
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import numerics, settle
from dicegrad.training.objective import Objective
from dicegrad.training.run import Run, Split, derive_seed
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.signals import stop_signals

__all__ = ["Report", "Split", "derive_seed", "train"]

Report = Callable[[str], None]


def train(
    data: PreparedData,
    split: Split,
    network_settings: NetworkSettings,
    settings: TrainingSettings,
    objective: Objective,
    batch_size: int,
    seed: int,
    out: Path,
    report: Report = lambda line: None,
    identity: dict | None = None,
    set_aside: bool = False,
) -> UNet:
    """Train a network, or go on with a training that was cut off.

    Args:
        data: The prepared cases, on the device to train on.
        split: Training and validation cases.
        network_settings: The network.
        settings: Optimiser, schedule, augmentation.
        objective: Loss of logits (B, K, X, Y, Z) and labels (B, X, Y, Z).
        batch_size: Cases in a batch; the last batch of an epoch may be smaller and is kept.
        seed: Of initialisation, order and augmentation.
        out: Folder for `weights.pt`, `history.tsv` and, while it runs, `checkpoint.pt`.
        report: Takes one line an epoch.
        identity: What else tells this training from another, for the checkpoint.
        set_aside: Rename a checkpoint of another training and start anew, instead of refusing it.

    Returns:
        The network with the weights that were kept.

    Raises:
        InputError: The loss stopped being a number; the checkpoint is of another training; the
            batch size is below 1.
        Interrupted: SIGTERM, SIGINT or SIGUSR1 came; the checkpoint is written.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it starts at 1")
    out.mkdir(parents=True, exist_ok=True)
    settings = settle(settings, data.device)
    configuration = {
        **_by_key("network", asdict(network_settings)),
        **_by_key("training", settings.to_dict()),
        **{"batch_size": batch_size, "seed": seed, "split": str(split)},
        "data": data.fingerprint(),
        **(identity or {}),
    }
    del configuration["training.checkpoint_minutes"]  # changes nothing of the result
    run = Run(data, split, network_settings, settings, objective, batch_size, seed)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        _take_up(run, checkpoint, configuration, set_aside, report)
    saved = time.monotonic()
    with stop_signals() as caught, numerics(settings):
        while run.epoch < settings.epochs and not run.schedule.stops(settings):
            started = time.monotonic()
            for _ in run.steps():
                due = time.monotonic() - saved > 60 * settings.checkpoint_minutes
                if due or caught:
                    save_atomically(run.state(configuration), checkpoint)
                    saved = time.monotonic()
                if caught:
                    raise Interrupted(f"stopped by {caught[0]} at step {run.step}; {checkpoint}")
            row = run.finish_epoch()
            write_history(run.history, out / "history.tsv")
            report(_line(row, settings, time.monotonic() - started, len(split.train)))
    save_atomically(run.kept, out / "weights.pt")
    checkpoint.unlink(missing_ok=True)
    run.network.load_state_dict(run.kept)
    return run.network


def _take_up(
    run: Run, checkpoint: Path, configuration: dict, set_aside: bool, report: Report
) -> None:
    """Go on from a checkpoint of this training; refuse, or rename, one of another."""
    try:
        run.restore(load_checkpoint(checkpoint, configuration))
        report(f"goes on from {checkpoint} at epoch {run.epoch + 1}, step {run.step}")
    except InputError as error:
        if not set_aside:
            raise
        report(f"{error}; renamed to {checkpoint.name}.old, training starts anew")
        checkpoint.replace(checkpoint.with_name(f"{checkpoint.name}.old"))


def _by_key(prefix: str, settings: dict) -> dict:
    """Nested settings as one dictionary of dotted keys."""
    flat: dict[str, object] = {}
    for key, value in settings.items():
        name = f"{prefix}.{key}"
        flat |= _by_key(name, value) if isinstance(value, dict) else {name: value}
    return flat


def _line(row: Row, settings: TrainingSettings, seconds: float, cases: int) -> str:
    dice = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k.startswith("dsc_"))
    return (
        f"epoch {row['epoch']:.0f}/{settings.epochs}  loss {row['train_loss']:.4f}  "
        f"val_loss {row['val_loss']:.4f}  {dice}  lr {row['learning_rate']:.2g}  "
        f"{cases * settings.passes / seconds:.1f} cases/s"
    )
