"""The push meter as a callback of Lightning. Tested with lightning 2.6.6."""

from collections.abc import Sequence
from pathlib import Path

import lightning
from torch import nn

from dicegrad.errors import InputError
from dicegrad.interop.push_watch import PushWatch


class PushCallback(lightning.Callback):
    """Says when a class is being unlearnt, and logs the columns of the push meter.

    Args:
        classes: Names of the classes.
        loss: Attribute of the LightningModule that holds the loss.
        every: Batches that a row sums up.
        twin: As for `PushWatch`, of a loss of another package.
        table: Where to write the rows at the end, or None. A run that goes on from a checkpoint
            (`ckpt_path`) adds its rows to those that lie there.

    Attributes:
        watch: The `PushWatch`, once training has begun.

    Example:
        ``Trainer(callbacks=[PushCallback(["LV", "RV"], table="push.tsv")])``
    """

    def __init__(
        self,
        classes: Sequence[str],
        loss: str = "loss",
        every: int = 10,
        twin: nn.Module | None = None,
        table: Path | str | None = None,
    ) -> None:
        self.classes, self.loss, self.every = tuple(classes), loss, every
        self.twin, self.table = twin, table
        self.watch: PushWatch | None = None

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin to listen to the loss.

        Raises:
            InputError: The module has no such loss, it cannot be measured, or the table of the
                first part of a run cannot be read.
        """
        loss = getattr(pl_module, self.loss, None)
        if not isinstance(loss, nn.Module):
            raise InputError(
                f"{type(pl_module).__name__}.{self.loss} is {type(loss).__name__}; loss= must name "
                "the attribute that holds the loss, a torch.nn.Module"
            )
        self.watch = PushWatch(loss, self.classes, self.every, twin=self.twin)
        if self.table:
            self.watch.go_on(self.table, trainer.fit_loop.total_batch_idx + 1)
        self.watch.listen()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        *given: object,
    ) -> None:
        """Log a row that has just become full."""
        if self.watch and (row := self.watch.fresh):
            pl_module.log_dict(row, on_step=True, on_epoch=False)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Listen no longer, and write the table."""
        if self.watch:
            self.watch.finish(self.table if trainer.is_global_zero else None)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """The same where training breaks off."""
        self.on_train_end(trainer, pl_module)
