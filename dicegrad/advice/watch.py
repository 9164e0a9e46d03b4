"""The push meter for a training loop of one's own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.files import write_table
from dicegrad.losses.push_meter import PushMeter, warnings


class PushWatch:
    """Watches a loss from step to step, and says when a class is being unlearnt.

    Args:
        loss: A `DiceLoss`, `CrossEntropyLoss` or `DiceCELoss` (of another package's loss, its
            ``twin`` that `identify` names).
        classes: Names of the classes; channel 0 is background unless there is a single channel.
        every: Steps that a row sums up, at least 1.
        report: Takes the warnings; by default they are printed.

    Attributes:
        rows: One per ``every`` steps: ``step`` and the columns of `push_meter.PushMeter.take`.

    Raises:
        InputError: ``every`` is below 1; in a call, the loss is one that cannot be measured.

    Example:
        >>> import torch
        >>> from dicegrad import DiceLoss
        >>> loss = DiceLoss("BI", activation="sigmoid")
        >>> watch = PushWatch(loss, ["a"], every=20)
        >>> y = torch.zeros(2, 8, 8, 4, dtype=torch.uint8)
        >>> y[0, :4] = 1  # the second map has no true voxel
        >>> for _ in range(60):
        ...     y_pred = torch.zeros(2, 1, 8, 8, 4, requires_grad=True)
        ...     loss(y_pred, y).backward()
        ...     watch(y_pred, y)
        a: 25 % of the push comes from maps without a true voxel, which this loss learns as empty
    """

    def __init__(
        self,
        loss: nn.Module,
        classes: Sequence[str],
        every: int = 10,
        report: Callable[[str], None] = print,
    ) -> None:
        if every < 1:
            raise InputError(f"every is {every}; it must be at least 1")
        self.meter, self.every, self.report = PushMeter(loss, classes), every, report
        self.rows: list[dict[str, float]] = []
        self.step = 0

    def __call__(
        self, y_pred: Tensor, y: Tensor, annotated: Tensor | None = None, mask: Tensor | None = None
    ) -> None:
        """Measure a step; arguments as for the loss. No gradient changes."""
        self.meter.add(y_pred, y, annotated, mask)
        self.step += 1
        if self.step % self.every == 0:
            self.rows.append({"step": self.step, **self.meter.take()})
            for line in warnings(self.rows, self.meter.classes):
                self.report(line)

    def write(self, path: Path | str) -> None:
        """Write the rows as a table.

        Raises:
            InputError: There is none yet.
        """
        if not self.rows:
            raise InputError(f"{path}: no row yet; a row takes {self.every} steps")
        write_table(self.rows, path, digits=6)
