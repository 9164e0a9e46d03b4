"""The push meter for training loops of others: it listens to the loss and says what is unlearnt.

`push_lightning`, `push_monai` and the trainer in `nnunet` are its callbacks there.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, is_grad_enabled, nn
from torch.nn.modules.loss import _Loss

from dicegrad.errors import InputError
from dicegrad.files import Columns, read_rows, write_table
from dicegrad.losses.push_meter import PushMeter, warnings
from dicegrad.losses.push_terms import can_be_measured

_ROWS = 50  # that a warning looks back at


class PushWatch:
    """Watches a loss from step to step, and says when a class is being unlearnt.

    Args:
        loss: A `DiceLoss`, `CrossEntropyLoss` or `DiceCELoss`, or a module that holds one and no
            other loss, such as a loss of `interop.monai` or a deep supervision. With ``twin``, any
            module, such as a sum of losses.
        classes: Names of the classes; channel 0 is background unless there is a single channel.
        every: Steps that a row sums up, at least 1.
        report: Takes the warnings; by default they are printed.
        twin: Of a loss of another package, the same one of this package, which is measured in its
            place; `dicegrad identify` names it.

    Attributes:
        rows: One per ``every`` steps: ``step`` and the columns of `push_meter.PushMeter.take`.

    Raises:
        InputError: ``every`` is below 1, or the loss cannot be measured, or holds several losses.

    Example:
        >>> import torch
        >>> from dicegrad import DiceLoss
        >>> loss = DiceLoss("BI", activation="sigmoid")
        >>> watch = PushWatch(loss, ["a"], every=20)
        >>> y = torch.zeros(2, 8, 8, 4, dtype=torch.uint8)
        >>> y[0, :4] = 1  # the second map has no true voxel
        >>> with watch.listening():
        ...     for _ in range(60):
        ...         y_pred = torch.zeros(2, 1, 8, 8, 4, requires_grad=True)
        ...         loss(y_pred, y).backward()
        a: 25 % of the push comes from maps without a true voxel, which this loss learns as empty
    """

    def __init__(
        self,
        loss: nn.Module,
        classes: Sequence[str],
        every: int = 10,
        report: Callable[[str], None] = print,
        twin: nn.Module | None = None,
    ) -> None:
        if every < 1:
            raise InputError(f"every is {every}; it must be at least 1")
        self.outer = loss
        self.inner = loss if twin is not None else _measured_in(loss)
        self.meter = PushMeter(self.inner if twin is None else _measured_in(twin), classes)
        self.every, self.report = every, report
        self.rows: list[dict[str, float]] = []
        self.step = 0
        self._told: set[tuple[str, bool]] = set()
        self._hooks: list[Any] = []
        self._first = True  # of the calls of `inner` within one of `outer`

    def __call__(
        self, y_pred: Tensor, y: Tensor, annotated: Tensor | None = None, mask: Tensor | None = None
    ) -> None:
        """Measure a step; arguments as for the loss. No gradient changes."""
        self.meter.add(y_pred, y, annotated, mask)
        self.step += 1
        if self.step % self.every == 0:
            self.rows.append({"step": self.step, **self.meter.take()})
            self._warn()

    @contextmanager
    def listening(self) -> Iterator["PushWatch"]:
        """Within it, each call of the loss with a gradient is a step that is measured."""
        self.listen()
        try:
            yield self
        finally:
            self.close()

    def listen(self) -> None:
        """Measure each call of the loss with a gradient, until `close`.

        Of a deep supervision the finest resolution is measured, which comes first.
        """
        self.close()
        if self.outer is not self.inner:
            begin = self.outer.register_forward_pre_hook(self._begin)
            self._hooks.append(begin)
        hook = self.inner.register_forward_hook(self._heard, with_kwargs=True)
        self._hooks.append(hook)

    def close(self) -> None:
        """Listen no longer."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    @property
    def fresh(self) -> dict[str, float]:
        """The columns of the row that the last step has completed; empty where it has not."""
        if not self.rows or self.step % self.every:
            return {}
        return {name: value for name, value in self.rows[-1].items() if name != "step"}

    def finish(self, table: Path | str | None) -> None:
        """Listen no longer, and write the rows, if there are any and a table is wanted."""
        self.close()
        if table is not None and self.rows:
            self.write(table)

    def write(self, path: Path | str) -> None:
        """Write the rows as a table.

        Raises:
            InputError: There is none yet.
        """
        if not self.rows:
            raise InputError(f"{path}: no row yet; a row takes {self.every} steps")
        write_table(self.rows, path, digits=6)

    def go_on(self, path: Path | str, step: int) -> None:
        """Go on after a step of an earlier run, with its rows of the table, if that is there.

        Raises:
            InputError: The table cannot be read.
        """
        self.step = step
        if step and Path(path).is_file():
            rows = read_rows(path, Columns(whole=("step",), rest="number"))
            self.rows = [{**row} for row in rows if row["step"] <= step]

    def _begin(self, *given: object) -> None:
        self._first = True

    def _heard(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], value: object) -> None:
        y_pred, y, named = _arguments(module, args, kwargs)
        if not self._first or not is_grad_enabled() or not y_pred.requires_grad:
            return
        self._first = self.outer is self.inner
        self(y_pred, y, named.get("annotated"), named.get("mask"))

    def _warn(self) -> None:
        for line in warnings(self.rows[-_ROWS:], self.meter.classes):
            kind = line.partition(":")[0], "predicted volume" in line
            if kind not in self._told:
                self._told.add(kind)
                self.report(line)


def _measured_in(loss: nn.Module) -> nn.Module:
    """The loss itself, or the only one in it, if that can be measured."""
    found = list({id(each): each for each in _losses_in(loss)}.values())
    if not any(map(can_be_measured, found)):
        raise InputError(
            f"the push of {loss} cannot be measured, and it holds no loss whose push can be: give "
            "twin=, the same loss of this package, which `dicegrad identify` names"
        )
    if len(found) > 1:  # their factors, and what is done with their values, are in its code alone
        names = ", ".join(type(each).__name__ for each in found)
        raise InputError(
            f"the push of {type(loss).__name__} does not follow from the {len(found)} losses that "
            f"it holds ({names}): give twin=, the same sum as one loss of this package, such as "
            "twin=DiceCELoss(...)"
        )
    return found[0]


def _losses_in(module: nn.Module) -> Iterator[nn.Module]:
    """The module if it can be measured; else the losses within it, or itself if it is one."""
    if can_be_measured(module):
        yield module
        return
    within = [loss for child in module.children() for loss in _losses_in(child)]
    # Losses that cannot be measured count too: what they push on a class would be left out.
    package = type(module).__module__.startswith("dicegrad.losses.")
    yield from within or ([module] if package or isinstance(module, _Loss) else [])


def _arguments(
    module: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Prediction and labels, the first of several resolutions, and what else is named."""
    signature = inspect.signature(module.forward)
    given: list[Any] = []
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        several = kind is inspect.Parameter.VAR_POSITIONAL  # nnU-Net's deep supervision
        given += [(name, each) for each in value] if several else [(name, value)]
    (_, first), (_, second) = given[:2]
    y_pred = first[0] if isinstance(first, list | tuple) else first
    y = second[0] if isinstance(second, list | tuple) else second
    return y_pred, y, dict(given[2:])
