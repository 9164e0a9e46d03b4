"""`progress.png`: curves of a training run, redrawn while it runs."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.errors import InputError
from dicegrad.training.history import Row
from dicegrad.training.progress import Progress
from dicegrad.whole import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito


class ProgressFigure:
    """Draws `progress.png` now and then, so that it costs next to nothing.

    Args:
        path: The picture.
        report: Takes a line where it cannot be drawn, which is no reason to stop training.
        fresh: Remove the picture of an earlier training run.
        every: Seconds between two pictures, and before the first one; a training run that is over
            sooner leaves none.
        share: Of the training subjects that validation looks at; 0 is the held-out fold.
    """

    def __init__(
        self,
        path: Path,
        report: Callable[[str], None],
        fresh: bool = False,
        every: float = 30,
        share: float = 0.0,
    ) -> None:
        self.path, self.report, self.every, self.share = path, report, every, share
        self.drawn = time.monotonic()
        self.wanted = True
        if fresh:
            path.unlink(missing_ok=True)

    def update(self, history: Sequence[Row], seconds: Sequence[float], now: Progress) -> None:
        """Draw if the last picture is old enough, or training is over."""
        old = time.monotonic() - self.drawn >= self.every
        if self.wanted and (old or (now.left == 0 and self.path.exists())):
            self.draw(history, seconds, now)

    def draw(self, history: Sequence[Row], seconds: Sequence[float], now: Progress) -> None:
        """Draw now; a line says why if that fails, and it is not tried again."""
        try:
            figure = draw_curves(history, seconds, now, self.share)
            with whole_file(self.path, lasting=False, checked=False) as file:
                figure.savefig(file, format="png", dpi=110)
        except ImportError:
            self.wanted = False
            self.report(f"{self.path.name} is not drawn: matplotlib is not installed")
        except InputError as error:
            self.wanted = False
            self.report(f"{self.path.name} is not drawn: {error}")
        self.drawn = time.monotonic()


def validated_on(share: float) -> str:
    """What validation looks at, in words.

    Args:
        share: `TrainingSettings.validation`.

    Example:
        >>> validated_on(0.2), validated_on(0.0)
        ('20 % of the training subjects', 'the held-out fold')
    """
    return f"{100 * share:.3g} % of the training subjects" if share else "the held-out fold"


def draw_curves(
    history: Sequence[Row], seconds: Sequence[float], now: Progress, share: float = 0.0
) -> "Figure":
    """Losses, DSC of each class, learning rate and duration over epochs.

    Args:
        history: The rows so far.
        seconds: Duration of each epoch.
        now: Where the training run stands; goes into the title.
        share: As for `ProgressFigure`.

    Raises:
        ImportError: matplotlib is not there.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    metered = _metered(history)
    figure = Figure(figsize=(15.5 if metered else 11, 6.5), layout="constrained")
    panels = figure.subplots(2, 3 if metered else 2, sharex=True)
    (losses, dice), (rate, duration) = panels[:, :2]
    epochs = [row["epoch"] for row in history]

    for key, name, colour in (
        ("train_loss", "training", _COLOURS[0]),
        ("val_loss", "validation", _COLOURS[1]),
    ):
        _curve(losses, epochs, [row[key] for row in history], name, colour)
    losses.set_ylabel("Loss")

    _draw_dice(dice, epochs, history, window=min(10.0, max(1.0, now.epochs / 20)))
    _draw_rate(rate, epochs, [row["learning_rate"] for row in history])
    _curve(duration, epochs, seconds, "", "#444444")
    duration.set_ylim(bottom=0)
    duration.set_ylabel("Seconds an epoch")

    if metered:
        _draw_push(panels[0, 2], panels[1, 2], history, metered)
    for axes in panels.flat:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(0, 1.02 * max(2, epochs[-1]))
    for axes in panels[1]:
        axes.set_xlabel("Epoch")
    losses.legend(frameon=False)
    words = now.words()
    figure.suptitle(
        f"epoch {words['epoch']}   {words['cases/s']} cases/s   time left: {words['left']}   "
        f"validation: {validated_on(share)}",
        fontsize=11,
    )
    return figure


def _draw_dice(
    axes: "Axes", epochs: Sequence[float], history: Sequence[Row], window: float
) -> None:
    classes = [key for key in history[0] if key.startswith("dsc_")]
    for number, key in enumerate(classes):
        values, colour = [row[key] for row in history], _COLOURS[number % len(_COLOURS)]
        axes.plot(epochs, values, color=colour, alpha=0.3, linewidth=1)
        _curve(axes, epochs, moving_average(values, window), key.removeprefix("dsc_"), colour)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("DSC against the labels of training")
    # With a window of one epoch the average is the value itself.
    title = f"average over {window:.3g} epochs" if window > 1 else None
    axes.legend(frameon=False, title=title, loc="lower right")


def _metered(history: Sequence[Row]) -> list[str]:
    """Classes with a map without a true voxel, as the push meter saw it."""
    start = "predicted_empty_"
    names = [key.removeprefix(start) for key in history[0] if key.startswith(start)]
    return [name for name in names if any(not math.isnan(row[f"{start}{name}"]) for row in history)]


def _draw_push(
    share: "Axes", volume: "Axes", history: Sequence[Row], classes: Sequence[str]
) -> None:
    """Where the push on a class comes from, and what is predicted in maps without a true voxel."""
    epochs = [row["epoch"] for row in history]
    for number, name in enumerate(classes):
        colour = _COLOURS[number % len(_COLOURS)]
        empty, missing, predicted = (
            [100 * row[f"{column}_{name}"] for row in history]
            for column in ("push_empty", "push_missing", "predicted_empty")
        )
        _curve(share, epochs, empty, name, colour)
        if any(value > 0 for value in missing):
            share.plot(epochs, missing, color=colour, linestyle="--", linewidth=1.5)
        _curve(volume, epochs, predicted, name, colour)
    share.set_ylim(-2, 102)
    share.set_ylabel("Push without a true voxel (%)")
    share.legend(frameon=False, title="dashed: not annotated")
    volume.set_ylim(bottom=0)
    volume.set_ylabel("Predicted there (% of filled maps)")


def _draw_rate(axes: "Axes", epochs: Sequence[float], rates: Sequence[float]) -> None:
    """The learning rate, on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullLocator

    _curve(axes, epochs, rates, "", "#444444")
    axes.set_yscale("log")
    axes.set_ylim(min(rates) / 1.6, max(rates) * 1.6)  # wide enough for a label or two
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:.0e}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("Learning rate")


def moving_average(values: Sequence[float], window: float) -> list[float]:
    """Exponential moving average.

    Args:
        values: One per epoch; NaN is passed over, such as the DSC of a class that no case has.
        window: Number of epochs after which the weight of a value has fallen to about 1/e, at
            least 1; with 1, the values themselves.
    """
    averages: list[float] = []
    average = math.nan
    for value in values:
        if not math.isnan(value):
            average = value if math.isnan(average) else average + (value - average) / window
        averages.append(average)
    return averages


def _curve(axes: "Axes", x: Sequence[float], y: Sequence[float], name: str, colour: str) -> None:
    marker = "o" if len(x) == 1 else None  # a line of one point cannot be seen
    axes.plot(x, y, label=name, color=colour, linewidth=1.8, marker=marker, markersize=4)
