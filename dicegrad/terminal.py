"""Progress display for long-running commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dicegrad.logs import Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@contextmanager
def shown() -> Iterator[Report]:
    """Show a training run on standard output.

    Yields:
        A function that takes what a training run reports. On a terminal it shows a table that grows
        by a row an epoch, above a bar with the time left; elsewhere, or without the package rich,
        plain lines.
    """
    try:
        from rich.console import Console
    except ImportError:  # a bare GPU machine
        yield _print
        return
    console = Console(highlight=False, emoji=False)
    if console.is_terminal:
        with _table(console) as report:
            yield report
    else:
        yield _print


@contextmanager
def counted(total: int, silent: bool = False) -> Iterator[Callable[[str], None]]:
    """Show work done piece by piece on standard output.

    Args:
        total: How many pieces.
        silent: Print nothing, since standard output is for a program to read.

    Yields:
        A function that takes a line on each piece that is done. It is printed after its number; on
        a terminal above a bar with the time left.
    """
    if silent:
        yield lambda line: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(highlight=False, emoji=False)
    shown = console.is_terminal
    with Bar(console=console, transient=True, disable=not shown) as bars:
        bar, done = bars.add_task("", total=total), 0

        def report(line: str) -> None:
            nonlocal done
            done += 1
            line = f"{done}/{total}  {line}"
            if shown:
                console.print(line, markup=False, soft_wrap=True)
                bars.update(bar, completed=done)
            else:
                _print(line)

        yield report


def _print(line: object) -> None:
    print(line, flush=True)


@contextmanager
def _table(console: "Console") -> Iterator[Report]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from dicegrad.training.progress import Progress

    columns = (BarColumn(24), TextColumn("{task.description}"))
    with Bar(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("loading", total=None)
        begun = False

        def report(what: object) -> None:
            nonlocal begun
            if not isinstance(what, Progress):
                bars.console.print(str(what), markup=False, style="dim")
                return
            words = what.words()
            left = words.pop("left")
            if not begun:
                bars.console.print(_row(words, dict(zip(words, words, strict=True)), "bold"))
            begun = True
            bars.console.print(_row(words, words))
            done, total = what.row["epoch"], what.epochs
            text = f"epoch {words['epoch']}, time left {left}"
            bars.update(bar, completed=done, total=total, description=text)

        yield report


def _row(words: dict[str, str], cells: dict[str, str], style: str = "") -> "Text":
    """Cells right-aligned under their names, wide enough for what later epochs say."""
    from rich.text import Text

    widths = {name: max(len(name), len(text), 6) for name, text in words.items()}
    total = words["epoch"].partition("/")[2]
    widths["epoch"] = 2 * len(total) + 1
    widths["lr"] = 7
    text = "  ".join(cells[name].rjust(width) for name, width in widths.items())
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
