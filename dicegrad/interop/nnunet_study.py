"""nnU-Net's trainer for a row of an experiment table; see `engines.nnunet_train`."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dicegrad.engines.nnunet_train import BLOCK, Task
from dicegrad.interop.nnunet import nnUNetTrainerDicegrad
from dicegrad.interop.nnunet_masks import Table
from dicegrad.preprocessing.labeling import IGNORE
from dicegrad.study.experiment import Experiment
from dicegrad.study.losses import AS_EMPTY
from dicegrad.training.objective import Objective, Wanted, make_objective


class StudyLoss(nn.Module):
    """The loss of an experiment on nnU-Net's logits and target.

    Args:
        objective: On logits (B, C, *spatial), of which a single class is one sigmoid map.
        classes: Foreground classes.
        ignore: nnU-Net's ignore label.
    """

    def __init__(self, objective: Objective, classes: int, ignore: int | None) -> None:
        super().__init__()
        self.objective, self.classes, self.ignore = objective, classes, ignore
        self.annotated: Tensor | None = None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one resolution.

        Args:
            logits: (B, 1 + K, *spatial).
            target: (B, 1, *spatial) labels.
        """
        label = target[:, 0].to(torch.int64)
        if self.ignore is not None:
            label = torch.where(label == self.ignore, IGNORE, label)
        if self.classes == 1:  # the softmax of two maps is the sigmoid of their difference
            logits = logits[:, 1:] - logits[:, :1]
        return self.objective(logits, label, self.annotated)


class nnUNetTrainerStudy(nnUNetTrainerDicegrad):
    """Trains what the block `dicegrad` of the plans says."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.task = Task.from_dict(plans[BLOCK])
        settings = self.task.settings
        self.num_epochs = settings["epochs"]
        self.num_iterations_per_epoch = settings["iterations"]
        self.num_val_iterations_per_epoch = settings["validation_iterations"]
        self.save_every = settings["checkpoint_epochs"]
        self.report: Callable[[str], None] = lambda line: None

    def make_loss(self) -> nn.Module:
        """The loss of the row."""
        manager, task = self.label_manager, self.task
        patch = int(np.prod(self.configuration_manager.patch_size))
        wanted = Wanted(
            Experiment(**task.experiment),
            task.epsilon,
            tuple(task.classes),
            voxels=patch,
            ignored=manager.has_ignore_label,
        )
        return StudyLoss(make_objective(wanted), len(task.classes), manager.ignore_label)

    def _read_table(self) -> Table | None:
        """What the labeling leaves; a loss that takes missing for empty is not told."""
        if self.task.experiment["unannotated"] == AS_EMPTY:
            return None
        return {case: tuple(known) for case, known in self.task.annotated.items()}

    def do_split(self) -> tuple[list[str], list[str]]:
        """The folds are ours."""
        return list(self.task.train), list(self.task.validation)

    def on_train_start(self) -> None:
        """Begin from the seed; a run that goes on draws other numbers than it began with."""
        np.random.seed((self.task.seed + self.current_epoch) % 2**32)  # noqa: NPY002 -- as nnU-Net
        torch.manual_seed(self.task.seed + self.current_epoch)
        super().on_train_start()

    def initialize(self) -> None:
        """Build the network from the seed."""
        torch.manual_seed(self.task.seed)
        super().initialize()

    def on_epoch_end(self) -> None:
        """Report a line."""
        super().on_epoch_end()
        seconds = time.time() - self.logger.get_value("epoch_start_timestamps", step=-1)
        loss = self.logger.get_value("train_losses", step=-1)
        dice = self.logger.get_value("dice_per_class_or_region", step=-1)
        scores = ", ".join(
            f"{name} {float(d):.2f}" for name, d in zip(self.task.classes, dice, strict=True)
        )
        self.report(
            f"epoch {self.current_epoch}/{self.num_epochs}  loss {loss:.4f}  {scores}  "
            f"{seconds:.1f} s"
        )

    def save_checkpoint(self, filename: str) -> None:
        """Write it whole or not at all: a killed run leaves the one before."""
        super().save_checkpoint(f"{filename}.part")
        part = Path(f"{filename}.part")
        if part.is_file():
            part.replace(filename)
