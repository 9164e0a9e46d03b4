"""One training run by nnU-Net: a row of the experiment table and a fold.

The row travels to nnU-Net's trainer in a block `dicegrad` of the plans, which nnU-Net keeps in its
checkpoints. nnU-Net itself is imported where it is called, so that a workflow plans without it.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dicegrad.data.adapter import Case
from dicegrad.engines.nnunet import NAME, PLANS, NnunetSettings, configuration_of, read_plans
from dicegrad.logs import Report
from dicegrad.study.experiment import Experiment
from dicegrad.training.checkpoint import NNUNET_FORMAT, save_atomically
from dicegrad.training.history import Row, write_history
from dicegrad.whole import whole_file

BLOCK = "dicegrad"
IDENTITY = "identity.json"


@dataclass(frozen=True)
class Task:
    """What a training run is told beside nnU-Net's plans. Plain values, for a JSON file.

    Attributes:
        experiment: Column -> value, defaults included.
        classes: Foreground classes, in network order.
        epsilon: Voxels on nnU-Net's grid, one number or one per class; None of a loss without it.
        train: Names of the training cases; a case may be listed several times.
        validation: Names of the held-out cases.
        annotated: Case -> classes that were looked for, of cases that are not annotated for all.
            Empty if the loss does not know it.
        settings: Fields of `NnunetSettings`.
        seed: Of this training run.
    """

    experiment: Mapping[str, Any]
    classes: tuple[str, ...]
    epsilon: float | list[float] | None
    train: tuple[str, ...]
    validation: tuple[str, ...]
    annotated: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, Any]
    seed: int

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        cases: Sequence[Case],
        held_out: Sequence[bool],
        sampling: Mapping[str, int],
        annotated: np.ndarray | None,
        classes: Sequence[str],
        epsilon: float | list[float] | None,
        settings: NnunetSettings,
        seed: int,
    ) -> "Task":
        """The task of a row and a fold.

        Args:
            experiment: The row.
            cases: N cases of the case table.
            held_out: Which of them the fold holds out.
            sampling: Group -> how often its cases are listed.
            annotated: (N, K) bool; None for a loss that does not know it.
            classes: K foreground classes.
            epsilon: As for the class.
            settings: The block `nnunet` of the dataset.
            seed: Of this training run.
        """
        folds = list(zip(cases, held_out, strict=True))
        listed = [
            case for case, out in folds if not out for _ in range(sampling.get(case.group, 1))
        ]
        partly: dict[str, tuple[str, ...]] = {}
        for case, flags in zip(cases, () if annotated is None else annotated, strict=False):
            if not all(flags):
                known = zip(classes, flags, strict=True)
                partly[case.case] = tuple(name for name, flag in known if flag)
        return cls(
            experiment=vars(experiment),
            classes=tuple(classes),
            epsilon=epsilon,
            train=tuple(case.case for case in listed),
            validation=tuple(case.case for case, out in folds if out),
            annotated=partly,
            settings=asdict(settings),
            seed=seed,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Task":
        """What `asdict` gave, perhaps through JSON."""
        return cls(**values)


def train(
    make_trainer: Callable[..., Any],
    task: Task,
    fold: int,
    preprocessed: Path,
    out: Path,
    device: str,
    report: Report,
) -> None:
    """Train one network, or go on with it, and write weights.pt and history.tsv.

    An interrupted run goes on from nnU-Net's last checkpoint in `out`/nnunet, as its `--c` does; a
    checkpoint of another task is set aside.

    Args:
        make_trainer: The class of nnU-Net's trainer, such as `interop.nnunet_study` has.
        task: What to train.
        fold: 0-based; for nnU-Net, part of a path.
        preprocessed: Folder of the labeling.
        out: Folder of the fold.
        device: Such as `cpu` or `cuda:0`.
        report: Takes a line after each epoch.

    Raises:
        InputError: The plans have no such configuration, or a file cannot be used.
    """
    from nnunetv2.run.run_training import maybe_load_checkpoint

    settings = NnunetSettings.from_dict(task.settings)
    about = read_plans(preprocessed / NAME / "dataset.json")
    plans = _plans_of(task, preprocessed, report)
    _set_others_aside(out / "nnunet", {"plans": plans, "dataset": about}, report)
    with (out / "nnunet" / "console.txt").open("a") as console, redirect_stdout(console):
        trainer = make_trainer(
            {**plans, "continue_training": True},
            settings.configuration,
            fold,
            about,
            torch.device(device),
        )
        trainer.report = report
        maybe_load_checkpoint(trainer, continue_training=True, validation_only=False)
        if trainer.current_epoch:
            report(f"goes on after epoch {trainer.current_epoch} of {settings.epochs}")
        if trainer.current_epoch < settings.epochs:
            trainer.run_training()
    write_history(history_of(trainer, task), out / "history.tsv")
    save_atomically(_weights(trainer, plans, about, settings), out / "weights.pt", checked=True)


def _plans_of(task: Task, preprocessed: Path, report: Report) -> dict[str, Any]:
    """nnU-Net's plans with the batch size of the row, and with the task."""
    plans = read_plans(preprocessed / NAME / f"{PLANS}.json")
    chosen = configuration_of(plans, task.settings["configuration"])
    report(f"nnU-Net planned a batch size of {chosen['batch_size']}")
    chosen["batch_size"] = task.experiment["batch_size"]
    return {**plans, BLOCK: json.loads(json.dumps(asdict(task)))}


def _set_others_aside(folder: Path, identity: Mapping[str, Any], report: Report) -> None:
    """Leave a checkpoint of this very task alone, and rename a folder of any other."""
    path, text = folder / IDENTITY, json.dumps(identity, sort_keys=True, indent=1)
    if folder.exists() and not (path.is_file() and path.read_text() == text):
        aside = folder.with_name(f"{folder.name}.set-aside")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        report(f"{folder}: is of another training run; set aside as {aside.name}")
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        with whole_file(path) as file:
            file.write(text.encode())


def _weights(
    trainer: Any,  # noqa: ANN401
    plans: Mapping[str, Any],
    about: Mapping[str, Any],
    settings: NnunetSettings,
) -> dict[str, Any]:
    """What `weights.pt` holds: all that prediction needs, as tensors and plain values."""
    network = getattr(trainer.network, "_orig_mod", trainer.network)  # as torch.compile wraps it
    return {
        "format": NNUNET_FORMAT,
        "state": {name: value.cpu() for name, value in network.state_dict().items()},
        "plans": json.dumps(plans),
        "dataset": json.dumps(about),
        "configuration": settings.configuration,
        "mirrored": list(trainer.inference_allowed_mirroring_axes or ()),
    }


def history_of(trainer: Any, task: Task) -> list[Row]:  # noqa: ANN401
    """A row for each epoch, with the columns that our own training has.

    Args:
        trainer: Whose logger holds a list of values for each word.
        task: What was trained.

    Returns:
        epoch, step, train_loss, val_loss, dsc_<class>: nnU-Net's pseudo Dice of patches.
    """
    logged = trainer.logger.get_checkpoint()
    epochs = zip(
        logged["train_losses"],
        logged["val_losses"],
        logged["dice_per_class_or_region"],
        strict=True,
    )
    rows = []
    for epoch, (train_loss, val_loss, dice) in enumerate(epochs, start=1):
        scores = {f"dsc_{name}": float(d) for name, d in zip(task.classes, dice, strict=True)}
        numbers = {"train_loss": float(train_loss), "val_loss": float(val_loss)}
        step = epoch * task.settings["iterations"]
        rows.append({"epoch": epoch, "step": step, **numbers, **scores})
    return rows
