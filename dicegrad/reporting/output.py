"""What an output of a study is: tables, a figure, a text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dicegrad.study import Study

TABLE_FORMATS = ("tsv", "md", "html", "tex", "xlsx")
FIGURE_FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Table:
    """A table that an output makes.

    Attributes:
        make: `module:function` within the package.
        columns: `module:constant`, what its columns hold, if another output reads it.
        title: In the report.
        caption: Above the table; its first sentence is the title of its page.
        layout: `long` (TSV alone), `page` (TSV, and a page for the report) or `paper` (the paper's
            layout, in all formats).
        shown: `module:function` from the table to what its page shows, if that is another one.
        beside: `module:function` that gives the paper's own numbers, to be printed below.
    """

    make: str
    columns: str = ""
    title: str = ""
    caption: str = ""
    layout: str = "long"
    shown: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Output:
    """One thing to make of the scores.

    Attributes:
        category: Chapter of the report.
        reads: What its functions take, by name: files that the workflow has, and settings.
        tables: Name -> table. Later ones, and the figure, may read earlier ones by name.
        figure: `module:function` that draws, or empty.
        text: `module:function` that gives a text, or empty.
        title: Of the figure in the report.
        folder: Of the tables, within the results of the study.
        caption: Name of the caption in report/ if it is not that of the output.
        word: What the config calls it, if it is part of another output.
        of_each_dataset: Whether there is one for each dataset.
        applies: Whether a study can answer it, if the config asks for all.
    """

    category: str
    reads: tuple[str, ...]
    tables: Mapping[str, Table] = field(default_factory=dict)
    figure: str = ""
    text: str = ""
    title: str = ""
    folder: str = ""
    caption: str = ""
    word: str = ""
    of_each_dataset: bool = False
    applies: Callable[[Study], bool] = lambda study: True

    @property
    def modules(self) -> list[str]:
        """The modules whose code the output depends on."""
        functions = [*(table.make for table in self.tables.values()), self.figure, self.text]
        return [f"dicegrad.{each.partition(':')[0]}" for each in functions if each]
