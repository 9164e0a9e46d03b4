"""Tables as an output of a study writes them, and how to read them back."""

from html.parser import HTMLParser

from dicegrad import files
from dicegrad.reporting.formats import (
    write_paper_table,
)

KINDS = ("tsv", "md", "html", "tex", "xlsx")

CAPTION = "Mean DSC & ΔV. 95 % of a_b < c."


def write_table(table, datasets, paths, caption, beside=None):
    """Write a table as an output of the study does: the long one, and the paper's layout."""
    for path in paths:
        if path.suffix == ".tsv":
            files.write_table(table, path, digits=6)
    paper = [path for path in paths if path.suffix != ".tsv"]
    write_paper_table(table, datasets, paper, caption, beside)


def groups_of(wide):
    return list(wide.texts.columns[wide.width :].unique(level=1))


def setups_of(wide):
    return list(wide.texts.columns[wide.width :].unique(level=2))


def row_of(frame, wide, number):
    """One row without its keys."""
    return frame.iloc[number, wide.width :].tolist()


class Balance(HTMLParser):
    """Fails where a tag is not closed, and counts the columns of every row."""

    def __init__(self):
        super().__init__()
        self.open, self.columns = [], []

    def handle_starttag(self, tag, attrs):
        if tag in {"meta", "br"}:
            return
        self.open.append(tag)
        if tag == "tr":
            self.columns.append(0)
        if tag in {"td", "th"}:
            self.columns[-1] += int(dict(attrs).get("colspan", 1))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
