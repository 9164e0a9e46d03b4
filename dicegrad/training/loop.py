"""Training one network, from start to end."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dicegrad.errors import InputError, Interrupted
from dicegrad.locks import locked
from dicegrad.logs import Report
from dicegrad.losses.push_meter import warnings
from dicegrad.training.behind import stays_behind
from dicegrad.training.checkpoint import (
    load_checkpoint,
    remove_checkpoint,
    save_atomically,
    save_weights,
)
from dicegrad.training.dataset import PreparedData
from dicegrad.training.history import Row, write_history
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.numerics import numerics, settle
from dicegrad.training.objective import Objective
from dicegrad.training.progress import Progress, Stopwatch, peak_memory
from dicegrad.training.progress_figure import ProgressFigure
from dicegrad.training.run import FORMAT, Run, Split
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.signals import stop_signals
from dicegrad.training.tensorboard import scalars
from dicegrad.training.trained import Trained
from dicegrad.whole import remove_unfinished


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
    identity: Mapping[str, object] | None = None,
    set_aside: bool = False,
    tensorboard: Path | None = None,
    trained: Trained | None = None,
    keep_checkpoint: bool = False,
) -> UNet:
    """Train a network, or resume a training run that was interrupted.

    Args:
        data: The prepared cases, on the device to train on.
        split: Training and validation cases.
        network_settings: The network.
        settings: Optimiser, schedule, augmentation.
        objective: Loss of logits (B, K, X, Y, Z) and labels (B, X, Y, Z).
        batch_size: Cases in a batch; the last batch of an epoch may be smaller and is kept.
        seed: Of initialisation, order and augmentation.
        out: Folder for `weights.pt` and `history.tsv`; during training also `checkpoint.pt` and,
            every half a minute, `progress.png`. No other process can train there meanwhile.
        report: Takes the progress after each epoch, and a line on what else is worth knowing.
        identity: What else tells this training run from another, for the checkpoint.
        set_aside: Rename a checkpoint of another training run and start from scratch, instead of
            refusing it.
        tensorboard: Folder for what TensorBoard shows, if that is asked for.
        trained: What goes into `weights.pt` beside the parameters.
        keep_checkpoint: Leave the last checkpoint, from which weights that get lost are written
            again at once.

    Returns:
        The network with the weights that were kept.

    Raises:
        InputError: The loss stopped being a number, or training diverges; the checkpoint is of
            another training run; disk or GPU memory is full; the batch size is below 1; another
            process trains in `out`.
        Interrupted: SIGTERM, SIGINT or SIGUSR1 came; the checkpoint is written, at the latest
            when the step or the batch of a validation is over in which it came.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; it must be at least 1")
    settings = settle(settings, data.device)
    configuration = {
        **_settings_told(network_settings, settings),
        "batch_size": batch_size,
        "seed": seed,
        "split": str(split),
        "data": data.fingerprint(),
        **(identity or {}),
    }
    run = Run(data, split, network_settings, settings, objective, batch_size, seed)
    watch, checkpoint = Stopwatch(), out / "checkpoint.pt"
    saver = _Saver(run, watch, checkpoint, configuration)
    with locked(out, report=report):
        for name in ("history.tsv", "weights.pt"):  # what a kill left half written
            remove_unfinished(out / name)
        if checkpoint.exists():
            _resume(run, watch, checkpoint, configuration, set_aside, report)
        figure = ProgressFigure(
            out / "progress.png", report, fresh=run.step == 0, share=settings.validation
        )
        with (
            stop_signals() as saver.caught,
            numerics(settings, data.device),
            scalars(tensorboard, run.epoch) as write_scalars,
        ):
            while not run.over():
                saver.pause()
                watch.start()
                for _ in run.steps():
                    saver.pause()
                progress = _progress(run.finish_epoch(saver.pause), run, watch)
                write_history(run.history, out / "history.tsv")
                report(progress)
                for tell in (warnings, stays_behind):
                    for line in tell(run.history, data.classes):
                        report(line)
                write_scalars(progress)
                figure.update(run.history, watch.epochs, progress)
            if keep_checkpoint:
                saver.save()
            _write_results(run, trained, configuration, out)
        if not keep_checkpoint:
            remove_checkpoint(checkpoint)
    run.network.load_state_dict(run.kept)
    return run.network


class _Saver:
    """Writes the checkpoint of a training run, from time to time and when it is stopped."""

    def __init__(
        self, run: Run, watch: Stopwatch, checkpoint: Path, configuration: Mapping[str, Any]
    ) -> None:
        self.run, self.watch = run, watch
        self.checkpoint, self.configuration = checkpoint, configuration
        self.caught: list[str] = []  # signals that came
        self.saved = time.monotonic()

    def save(self) -> None:
        """Write it now."""
        seconds = self.watch.state()
        state = {"configuration": self.configuration, "seconds": seconds, **self.run.state()}
        save_atomically(state, self.checkpoint)
        self.saved = time.monotonic()

    def pause(self) -> None:
        """Between two batches: write it if it is time, and stop if a signal came."""
        waited = time.monotonic() - self.saved
        if self.caught or waited > 60 * self.run.settings.checkpoint_minutes:
            self.save()
        if self.caught:
            raise Interrupted(
                f"stopped by {self.caught[0]} at step {self.run.step}; {self.checkpoint}"
            )


def _settings_told(network: NetworkSettings, settings: TrainingSettings) -> dict[str, object]:
    """What of the settings tells one training run from another."""
    told = {
        "checkpoint.format": FORMAT,
        **_by_key("network", asdict(network)),
        **_by_key("training", settings.to_dict()),
    }
    del told["training.checkpoint_minutes"]  # changes nothing of the result
    if not settings.validation:  # so that a checkpoint of an earlier version is one of this
        del told["training.validation"]
    return told


def _write_results(
    run: Run, trained: Trained | None, configuration: Mapping[str, Any], out: Path
) -> None:
    """Write history and weights."""
    write_history(run.history, out / "history.tsv")  # again: the file may be gone since
    if trained:
        trained = replace(trained, training=run.settings.to_dict(), data=str(configuration["data"]))
    save_weights(run.kept, trained, out / "weights.pt")


def _resume(
    run: Run,
    watch: Stopwatch,
    checkpoint: Path,
    configuration: Mapping[str, Any],
    set_aside: bool,
    report: Report,
) -> None:
    """Resume from a checkpoint of this training run; refuse, or rename, one of another."""
    try:
        state = load_checkpoint(checkpoint, configuration)
        run.restore(state)
        watch.restore(state["seconds"])
        where = "its end" if run.over() else f"epoch {run.epoch + 1}, step {run.step}"
        report(f"resumes from {checkpoint} at {where}")
    except InputError as error:
        if not set_aside:
            raise
        report(f"{error}; renamed to {checkpoint.name}.old, training starts from scratch")
        checkpoint.replace(checkpoint.with_name(f"{checkpoint.name}.old"))


def _by_key(prefix: str, settings: Mapping[str, Any]) -> dict[str, object]:
    """Nested settings as one dictionary of dotted keys."""
    flat: dict[str, object] = {}
    for key, value in settings.items():
        name = f"{prefix}.{key}"
        flat |= _by_key(name, value) if isinstance(value, Mapping) else {name: value}
    return flat


def _progress(row: Row, run: Run, watch: Stopwatch) -> Progress:
    seconds, settings = watch.stop(), run.settings
    return Progress(
        row=row,
        epochs=settings.epochs,
        seconds=seconds,
        speed=len(run.split.train) * settings.passes / seconds,
        left=0.0 if run.over() else watch.left(settings.epochs - run.epoch),
        early=settings.stop_patience > 0,
        memory=peak_memory(run.data.device),
    )
