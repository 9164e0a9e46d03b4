"""The push meter: which maps the gradient of a class comes from, while a network trains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from dicegrad.losses.push import MapSums, join, map_sums
from dicegrad.losses.push_terms import can_be_measured, terms_of
from dicegrad.losses.seen import Seen

STEPS = 40  # over which the predicted volume is compared
NOTABLE = 0.05  # share of the push from maps without a true voxel that is worth a warning
_COLUMNS = ("push_empty", "push_missing", "predicted_empty")


class PushMeter:
    """Sums up over steps what `push.map_push` says of every map.

    Args:
        loss: A loss that `push_terms.can_be_measured`.
        classes: Names of the classes; channel 0 is background unless there is a single channel.

    Example:
        >>> import torch
        >>> from dicegrad import DiceLoss
        >>> meter = PushMeter(DiceLoss("BI", activation="sigmoid"), ["tumor"])
        >>> y = torch.zeros(2, 8, 8, 4, dtype=torch.uint8)
        >>> y[0, :4] = 1  # the second map has no true voxel
        >>> meter.add(torch.zeros(2, 1, 8, 8, 4), y)
        >>> row = meter.take()
        >>> round(row["push_empty_tumor"], 3), row["predicted_empty_tumor"]
        (0.25, 1.0)
    """

    def __init__(self, loss: nn.Module, classes: Sequence[str]) -> None:
        self.loss, self.classes = loss, tuple(classes)
        self.steps: list[MapSums] = []  # a handful of numbers each, left on the device
        dice = terms_of(loss).dice
        if dice is not None and dice.seen is None:
            dice.seen = Seen()  # so that no voxel is read a second time

    def add(
        self, y_pred: Tensor, y: Tensor, annotated: Tensor | None = None, mask: Tensor | None = None
    ) -> None:
        """Take in a step; arguments as for the loss. After it, they cost least."""
        self.steps.append(map_sums(self.loss, y_pred, y, annotated, mask))

    def take(self) -> dict[str, float]:
        """What the steps since the last call were, by column.

        Returns:
            For every class ``push_empty_<class>`` and ``push_missing_<class>``: the share of the
            push on all its maps that fell on annotated maps without a true voxel, and on maps that
            are not annotated; and ``predicted_empty_<class>``: the mean predicted volume of a map
            without a true voxel, annotated or not, by that of a filled one. NaN where there was
            nothing to divide by.
        """
        if not self.steps:
            return {}
        found = join(self.steps).push()
        self.steps = []
        first = found.push.shape[1] - len(self.classes)
        known, there = found.annotated[:, first:], found.true[:, first:] > 0
        filled = known & there
        kinds = torch.stack([filled, known ^ filled, ~known, ~filled]).to(found.push.dtype)
        push, predicted = found.push[:, first:] * kinds[:3], found.predicted[:, first:] * kinds[::3]
        total = torch.cat([push, predicted, kinds[::3]]).sum(1).T.cpu().tolist()
        row: dict[str, float] = {}
        for name, (full, empty, missing, inside, outside, maps, others) in zip(
            self.classes, total, strict=True
        ):
            push_on_all = full + empty + missing
            mean = _ratio(outside, others), _ratio(inside, maps)
            values = (_ratio(empty, push_on_all), _ratio(missing, push_on_all), _ratio(*mean))
            row |= {f"{c}_{name}": value for c, value in zip(_COLUMNS, values, strict=True)}
        return row

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the steps since `take`."""
        return asdict(join(self.steps)) if self.steps else {}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Continue from a saved state."""
        if not state:
            self.steps = []
            return
        moved: dict[str, Any] = {
            name: None if each is None else each.to(device) for name, each in state.items()
        }
        self.steps = [MapSums(**moved)]


def make_meter(loss: object, classes: Sequence[str]) -> PushMeter | None:
    """A meter of a loss, or None if it cannot be measured."""
    if isinstance(loss, nn.Module) and can_be_measured(loss):
        return PushMeter(loss, classes)
    return None


def warnings(rows: Sequence[Mapping[str, float]], classes: Sequence[str]) -> list[str]:
    """What the last row shows and the one before did not, a line for every class.

    There are two lines. The first says that a notable share of the push on a class came from
    annotated maps without a true voxel over `STEPS` steps: such a loss learns them as empty. The
    second says that this has begun: the volume that is predicted there fell by half against that
    in filled maps.

    Args:
        rows: History, oldest first: ``step`` and the columns of `PushMeter.take`.
        classes: Names of the classes.
    """
    lines = []
    for name in classes:
        if told := _begun(rows, name):
            if not _begun(rows[:-1], name):
                lines.append(told)
        elif (told := _pushed(rows, name)) and not any(
            _pushed(rows[:count], name) for count in range(1, len(rows))
        ):
            lines.append(told)
    return lines


def _pushed(rows: Sequence[Mapping[str, float]], name: str) -> str:
    before, share = _window(rows, name)
    if before is None or share < NOTABLE:
        return ""
    return (
        f"{name}: {100 * share:.0f} % of the push comes from maps without a true voxel, which this "
        "loss learns as empty"
    )


def _begun(rows: Sequence[Mapping[str, float]], name: str) -> str:
    before, share = _window(rows, name)
    if before is None or share < NOTABLE:
        return ""
    last = rows[-1]
    then, now = (_number(row.get(f"predicted_empty_{name}")) for row in (before, last))
    if then <= 0 or now > then / 2:
        return ""
    return (
        f"{name}: {100 * share:.0f} % of the push comes from maps without a true voxel; predicted "
        f"volume there fell from {100 * then:.0f} % to {100 * now:.0f} % of that in filled maps "
        f"in {last['step'] - before['step']:.0f} steps"
    )


def _window(
    rows: Sequence[Mapping[str, float]], name: str
) -> tuple[Mapping[str, float] | None, float]:
    """The last row that is `STEPS` steps old, and the mean share of the push since then.

    Of annotated maps alone: a loss that is told which maps are not learns none of them as empty,
    even where they push on their class, as those that join the background do.
    """
    old = [i for i, row in enumerate(rows) if row["step"] <= rows[-1]["step"] - STEPS]
    if not old:
        return None, 0.0
    since = rows[old[-1] + 1 :]
    shares = [_number(row.get(f"{_COLUMNS[0]}_{name}")) for row in since]
    return rows[old[-1]], sum(shares) / len(since)


def _number(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
