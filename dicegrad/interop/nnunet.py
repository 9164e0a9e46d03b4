"""nnU-Net's trainer with a Dice and a cross-entropy that know what was annotated.

    export nnUNet_extTrainer="$(dicegrad nnunet-trainers)"
    nnUNetv2_train 1 3d_fullres 0 -tr nnUNetTrainerDicegrad

Tested with nnunetv2 2.8.1. docs/nnunet.md explains it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_raw
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor

from dicegrad.data.nnunet import case_names
from dicegrad.errors import InputError
from dicegrad.interop.nnunet_masks import (
    EPSILON,
    Table,
    annotated_maps,
    class_names,
    find_table,
    hard_counts,
    leave_out,
    make_loss,
    read_table,
    refuse_contradiction,
)
from dicegrad.interop.push_watch import PushWatch
from dicegrad.losses.inputs import Phi


class nnUNetTrainerDicegrad(nnUNetTrainer):
    """Trains as nnU-Net does, but a map that `annotated.tsv` says nobody drew teaches nothing.

    `annotated.tsv` lies beside dataset.json in the raw folder, with the columns case and annotated
    (names of dataset.json's labels, `all` or `none`). Without it, the loss is nnU-Net's own.

    To train with another reduction or epsilon, derive a class in a file of its own, in a folder
    that `nnUNet_extTrainer` names too, and set the attributes.

    Attributes:
        phi: Reduction of the Dice; None is what `batch_dice` of the plans says, "BI" or "I".
        epsilon: Its smoothing term in voxels.
    """

    phi: Phi | None = None
    epsilon: float = EPSILON

    table: Table | None = None  # of cases that are listed; None without annotated.tsv
    watch: PushWatch | None = None  # of a loss that can be measured, once training has begun

    def initialize(self) -> None:
        """Build network and loss as nnU-Net does, and read what is annotated.

        Raises:
            InputError: annotated.tsv cannot be used, or cannot be looked for.
        """
        first = not self.was_initialized
        super().initialize()
        if first:
            self.table = self._read_table()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the foreground channels."""
        return class_names(self.dataset_json["labels"], self.label_manager.has_regions)

    def _build_loss(self) -> torch.nn.Module:
        """Our loss in the place of nnU-Net's, below its deep supervision if that is on."""
        own = self.make_loss()
        theirs = super()._build_loss()
        if not self.enable_deep_supervision:
            return own
        theirs.loss = own
        return theirs

    def make_loss(self) -> torch.nn.Module:
        """The loss of one resolution; its attribute `annotated` is set before each step."""
        phi = self.phi or ("BI" if self.configuration_manager.batch_dice else "I")
        regions = len(self.class_names) if self.label_manager.has_regions else 0
        return make_loss(phi, self.epsilon, regions, self.label_manager.ignore_label, self.is_ddp)

    def _read_table(self) -> Table | None:
        name = self.plans_manager.dataset_name
        raw = Path(nnUNet_raw.require(), name) if nnUNet_raw.is_set() else None
        path = find_table(raw, Path(self.preprocessed_dataset_folder_base))
        if path is None:
            self.print_to_log_file(f"No annotated.tsv in {raw}: every map counts as annotated.")
            return None
        cases = self.dataset_class.get_identifiers(self.preprocessed_dataset_folder)
        tests = case_names(raw, self.dataset_json["file_ending"], "Ts") if raw else set()
        table = read_table(path, self.class_names, cases, tests)
        partly = {case: known for case, known in table.items() if known is not None}
        self._check_labels(path, partly)
        self.print_to_log_file(
            f"{path}: {len(partly)} of {len(cases)} cases are not annotated for every class."
        )
        return table

    def _check_labels(self, path: Path, partly: Mapping[str, tuple[str, ...]]) -> None:
        """See that no case has voxels of a class that it was not annotated for."""
        dataset = self.dataset_class(self.preprocessed_dataset_folder, list(partly))
        manager = self.label_manager
        labels = manager.foreground_regions if manager.has_regions else manager.foreground_labels
        for case, annotated in partly.items():
            places = dataset.load_case(case)[3]["class_locations"]
            voxels = {
                name: len(places.get(label, ()))
                for name, label in zip(self.class_names, labels, strict=True)
            }
            refuse_contradiction(path, case, annotated, voxels)

    def _of_batch(self, batch: Mapping[str, Any]) -> Tensor | None:
        """Tell the loss what is annotated in a batch; returns (B, K) bool."""
        loss = self.loss.loss if self.enable_deep_supervision else self.loss
        loss.annotated = None
        if self.table is not None:
            known = annotated_maps(self.table, batch["keys"], self.class_names)
            loss.annotated = known.to(self.device)
        return loss.annotated

    def make_watch(self) -> PushWatch:
        """The push meter of the loss, with a row for every epoch.

        Raises:
            InputError: The loss is one that cannot be measured.
        """
        return PushWatch(self.loss, self.class_names, self.num_iterations_per_epoch)

    def on_train_start(self) -> None:
        """Begin as nnU-Net does, and listen to the loss."""
        super().on_train_start()
        try:
            self.watch = self.make_watch()
        except InputError as error:  # a loss of the user's own is trained all the same
            self.print_to_log_file(f"The push meter is off: {error}")
            return
        self.watch.report = self.print_to_log_file
        self.watch.go_on(self._push_table, self.current_epoch * self.num_iterations_per_epoch)
        self.watch.listen()

    @property
    def _push_table(self) -> Path:
        return Path(self.output_folder, "push.tsv")

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """End an epoch as nnU-Net does, and write the row."""
        super().on_train_epoch_end(train_outputs)
        if self.watch and self.watch.rows and self.local_rank == 0:
            self.watch.write(self._push_table)

    def on_train_end(self) -> None:
        """End as nnU-Net does."""
        super().on_train_end()
        if self.watch:
            self.watch.close()

    def train_step(self, batch: dict) -> dict:
        """One step as nnU-Net makes it."""
        self._of_batch(batch)
        return super().train_step(batch)

    def validation_step(self, batch: dict) -> dict:
        """One step as nnU-Net makes it; its pseudo Dice is over annotated maps."""
        annotated = self._of_batch(batch)
        if annotated is None or bool(annotated.all()):
            return super().validation_step(batch)
        return self._masked_validation_step(batch, annotated)

    def _masked_validation_step(self, batch: dict, annotated: Tensor) -> dict:
        data, target = batch["data"].to(self.device), batch["target"]
        deep = isinstance(target, list)
        target = [each.to(self.device) for each in target] if deep else target.to(self.device)
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            output = self.network(data)
            loss = self.loss(output, target)
        if deep:
            output, target = output[0], target[0]
        manager = self.label_manager
        counts = hard_counts(output, target, annotated, manager.has_regions, manager.ignore_label)
        return {"loss": loss.detach().cpu().numpy(), **counts}

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Predict and score as nnU-Net does; a map that is not annotated has no score."""
        super().perform_actual_validation(save_probabilities)
        if self.table is None or self.local_rank != 0:
            return
        manager = self.label_manager
        labels = manager.foreground_regions if manager.has_regions else manager.foreground_labels
        path = Path(self.output_folder, "validation", "summary.json")
        try:
            summary = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path}: not valid JSON; remove it and validate again") from error
        names = {str(label): name for label, name in zip(labels, self.class_names, strict=True)}
        leave_out(summary, self.table, names, self.dataset_json["file_ending"])
        path.write_text(json.dumps(summary, indent=4) + "\n")
        mean = summary["foreground_mean"]["Dice"]
        self.print_to_log_file(f"Mean validation Dice of annotated maps alone: {mean}")
