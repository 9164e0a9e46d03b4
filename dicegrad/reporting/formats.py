"""Tables as the paper prints them: TSV, Markdown, HTML, LaTeX and XLSX.

Columns are DSC and volume difference, each for the always-labelled group(s) and then the missing
one, each for every setup. Italic: significantly inferior to the reference. Highlighted: theory
expects empty maps there.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape as escape_html
from pathlib import Path

import pandas as pd

from dicegrad.errors import InputError
from dicegrad.reporting.latex import to_latex
from dicegrad.reporting.layout import Cell, Wide, shown_keys, widen
from dicegrad.reporting.setups import look
from dicegrad.reporting.tables import Datasets
from dicegrad.reporting.xlsx import write_xlsx


def to_markdown(wide: Wide, caption: str) -> str:
    """The table as a Markdown pipe table; bold stands for highlighting."""
    heads = list(wide.heads)
    heads += [
        f"{metric} {group}<br>{look(setup).html}"
        for metric in ("DSC", "ΔV [ml]")
        for group in wide.groups
        for setup in wide.setups
    ]
    lines = [f"{caption}\n", _pipe(heads), _pipe(["---"] * 2 + ["---:"] * (len(heads) - 2))]
    lines += [_pipe([*row.keys, *map(_markdown_cell, row.cells)]) for row in wide.rows]
    note = "**Bold**: theory expects empty maps. *Italic*: significantly inferior to the reference."
    return "\n".join([*lines, "", note, ""])


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    mark = "*" * (cell.italic + 2 * cell.highlighted)
    return f"{mark}{cell.text}{mark}"


_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; max-width: 60em; padding-bottom: .8em; }
th, td { padding: .2em .7em; text-align: right; font-variant-numeric: tabular-nums; }
th { font-weight: 600; text-align: center; }
.text { text-align: left; }
.start { padding-left: 1.6em; }
thead tr:last-child th { border-bottom: 1px solid; }
tr.dataset td { border-top: 1px solid #999; }
.empty { background: #ffe3a8; }
.long { font-size: 85%; }
.long th, .long td { padding: .1em .5em; }
.quoted td { color: #666; font-size: 92%; padding-top: 0; }
""".strip()


def to_html(wide: Wide, caption: str) -> str:
    """The table as a page of its own (no script, nothing fetched)."""
    body = []
    for row, shown in zip(wide.rows, shown_keys(wide), strict=True):
        kind = "quoted" if row.quoted else "dataset" if shown[0] else ""
        heads = "".join(f'<td class="text">{escape_html(key)}</td>' for key in shown)
        cells = "".join(_html_cell(c, i % len(wide.setups) == 0) for i, c in enumerate(row.cells))
        body.append(f"<tr{f' class={kind}' if kind else ''}>{heads}{cells}</tr>")
    note = (
        '<span class="empty">Highlighted</span>: theory expects empty maps. '
        "<i>Italic</i>: significantly inferior to the reference."
    )
    return _page(caption, f"{escape_html(caption)}<br>{note}", _html_head(wide), body)


def _html_head(wide: Wide) -> str:
    span, each = len(wide.setups), len(wide.groups) * len(wide.setups)
    metrics = "".join(f'<th colspan="{each}" class="start">{m}</th>' for m in ("DSC", "ΔV [ml]"))
    groups = 2 * "".join(
        f'<th colspan="{span}" class="start">{escape_html(g)}</th>' for g in wide.groups
    )
    setups = "".join(
        f"<th{' class=start' if i == 0 else ''}>{look(setup).html}</th>"
        for _ in range(2 * len(wide.groups))
        for i, setup in enumerate(wide.setups)
    )
    keys = "".join(f'<th class="text">{head}</th>' for head in wide.heads)
    blank = f'<th colspan="{len(wide.heads)}"></th>'
    return "\n".join(f"<tr>{row}</tr>" for row in (blank + metrics, blank + groups, keys + setups))


def _html_cell(cell: Cell, starts: bool) -> str:
    classes = " ".join(["start"] * starts + ["empty"] * cell.highlighted)
    attribute = f' class="{classes}"' if classes else ""
    text = f"<i>{cell.text}</i>" if cell.italic else cell.text
    return f"<td{attribute}>{text}</td>"


FORMATS: Mapping[str, Callable[[Wide, str], str]] = {
    "md": to_markdown,
    "html": to_html,
    "tex": to_latex,
}


def write_page(table: pd.DataFrame, path: Path | str, caption: str) -> None:
    """Write any table as a page of its own, numbers with three digits.

    Args:
        table: Text and numbers.
        path: Of the page.
        caption: Plain text; its first sentence is the title.
    """
    kinds = pd.api.types
    numeric = [kinds.is_numeric_dtype(k) and not kinds.is_bool_dtype(k) for k in table.dtypes]
    heads = "".join(f"<th>{escape_html(str(name))}</th>" for name in table)
    lines = []
    for values in table.itertuples(index=False):
        cells = (
            f"<td>{_number(value)}</td>"
            if is_number
            else f'<td class="text">{escape_html(str(value))}</td>'
            for value, is_number in zip(values, numeric, strict=True)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    if not lines:
        lines = [f'<tr><td class="text" colspan="{len(table.columns)}">none</td></tr>']
    page = _page(caption, escape_html(caption), f"<tr>{heads}</tr>", lines, "long")
    Path(path).write_text(page, encoding="utf-8")


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}".replace("-", "−")


def _page(title: str, caption: str, head: str, body: Sequence[str], style: str = "") -> str:
    """A page that holds one table: no script, nothing fetched."""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape_html(title.split('.')[0])}</title>",
            f"<style>\n{_STYLE}\n</style>\n</head>\n<body>",
            f'<table class="{style}">' if style else "<table>",
            f"<caption>{caption}</caption>\n<thead>\n{head}\n</thead>\n<tbody>",
            *body,
            "</tbody>\n</table>\n</body>\n</html>\n",
        ]
    )


def write_paper_table(
    table: pd.DataFrame,
    datasets: Datasets,
    paths: Sequence[Path | str],
    caption: str,
    beside: pd.DataFrame | None = None,
) -> None:
    """Write a long table to each path, in the format of its suffix.

    Args:
        table: From `table1` or `table_losses`.
        datasets: As for `table1`.
        paths: Files ending in .md, .html, .tex (the paper's layout) or .xlsx (both).
        caption: Plain text; its first sentence is the title.
        beside: The paper's numbers, to stand below the study's: from `paper.beside_paper`.

    Raises:
        InputError: Another suffix.
    """
    wide = widen(table, datasets, beside)
    for path in map(Path, paths):
        kind = path.suffix.removeprefix(".")
        if kind == "xlsx":
            write_xlsx(wide, table, caption, path)
        elif kind in FORMATS:
            path.write_text(FORMATS[kind](wide, caption), encoding="utf-8")
        else:
            known = ", ".join(FORMATS)
            raise InputError(f"{path}: no table format .{kind}; take {known}, xlsx")
