"""Tables as the paper prints them: TSV, Markdown, HTML, LaTeX and XLSX.

Columns are DSC and volume difference, each for the always-labelled group(s) and then the missing
one, each for every setup. Italic: significantly inferior to the reference. Highlighted: theory
expects empty maps. All formats but Markdown are written by pandas' Styler from one layout.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape as escape_html
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from dicegrad.errors import InputError, visible
from dicegrad.reporting.layout import Wide, widen
from dicegrad.reporting.looks import look
from dicegrad.reporting.marks import TITLES, css
from dicegrad.reporting.names import for_latex, for_markdown
from dicegrad.reporting.tables import Datasets
from dicegrad.reporting.workbook import write_xlsx


def to_markdown(wide: Wide, caption: str) -> str:
    """The table as a Markdown pipe table; bold stands for highlighting."""
    heads = list(wide.heads)
    heads += [
        f"{TITLES[metric]} {for_markdown(group)}<br>{look(setup).html}"
        for metric, group, setup in wide.texts.columns[wide.width :]
    ]
    lines = [f"{caption}\n", _pipe(heads), _pipe(["---"] * 2 + ["---:"] * (len(heads) - 2))]
    texts, marks = (frame.iloc[:, wide.width :].to_numpy() for frame in (wide.texts, wide.marks))
    for keys, row, marked in zip(wide.keys, texts, marks, strict=True):
        stars = ["*" * (("italic" in mark) + 2 * ("highlighted" in mark)) for mark in marked]
        cells = [f"{star}{text}{star}" for star, text in zip(stars, row, strict=True)]
        lines.append(_pipe([*map(for_markdown, keys), *cells]))
    note = "**Bold**: theory expects empty maps. *Italic*: significantly inferior to the reference."
    return "\n".join([*lines, "", note, ""])


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; max-width: 60em; padding-bottom: .8em; }
th, td { padding: .2em .7em; text-align: right; font-variant-numeric: tabular-nums; }
th { font-weight: 600; text-align: center; }
.text { text-align: left; }
thead tr:last-child th { border-bottom: 1px solid; }
.empty { background: #ffe3a8; }
.long { font-size: 85%; }
.long th, .long td { padding: .1em .5em; }
""".strip()


def to_html(wide: Wide, caption: str) -> str:
    """The table as a page of its own (no script, nothing fetched)."""
    styler = _style(wide, escape_html, lambda setup: look(setup).html)
    firsts = range(wide.width, wide.texts.shape[1], max(wide.span, 1))
    rules = {
        ", ".join(f".col{column}" for column in firsts): "padding-left: 1.6em",
        ", ".join(f"td.row{row}" for row in wide.starts): "border-top: 1px solid #999",
        ", ".join(f"td.row{row}" for row in _quoted_rows(wide)): "font-size: 92%; padding-top: 0",
        ", ".join(f".col{column}" for column in (0, 1, 3)[: wide.width - 1]): "text-align: left",
    }
    styles = [{"selector": where, "props": what} for where, what in rules.items() if where]
    styler.set_table_styles(styles, overwrite=False)
    note = (
        '<span class="empty">Highlighted</span>: theory expects empty maps. '
        "<i>Italic</i>: significantly inferior to the reference."
    )
    return _page(styler, caption, f"{escape_html(caption)}<br>{note}")


def _quoted_rows(wide: Wide) -> list[int]:
    return [row for row, mark in enumerate(wide.marks.iloc[:, 0]) if mark == "quoted"]


def _style(wide: Wide, escape: Callable[[str], str], spell: Callable[[str], str]) -> Styler:
    """The printed texts with their marks; names escaped, setups spelt."""
    titles = {metric: escape(title) for metric, title in TITLES.items()}

    def name(label: str) -> str:
        return escape(label) if label in wide.heads else spell(label)

    styler = wide.texts.style.hide(axis="index").format(escape)
    styler.format_index(lambda metric: titles.get(metric, ""), axis="columns", level=0)
    styler.format_index(lambda group: escape(visible(group)), axis="columns", level=1)
    styler.format_index(name, axis="columns", level=2)
    return styler.apply(lambda _: wide.marks.map(css), axis=None)


_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{amsmath}
\usepackage{booktabs}
\usepackage[table]{xcolor}
\usepackage{graphicx}
\pagestyle{empty}
\begin{document}
"""


def to_latex(wide: Wide, caption: str) -> str:
    r"""The table as a LaTeX document (booktabs) that compiles on its own.

    A paper that `\input`s only the table takes what lies between the two `% table` comments.
    """
    styler = _style(wide, for_latex, lambda setup: look(setup).latex)
    columns = "llrl"[: wide.width] + "r" * (wide.texts.shape[1] - wide.width)
    text = styler.to_latex(column_format=columns, hrules=True, multicol_align="c", convert_css=True)
    note = (
        r"\colorbox[HTML]{FFE3A8}{Highlighted}: theory expects empty maps. "
        r"\emph{Italic}: significantly inferior to the reference."
    )
    fit = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    return "\n".join(
        [
            _PREAMBLE + "% table begins",
            r"\begin{table}\centering",
            rf"\caption{{{for_latex(caption)} {note}}}",
            fit,
            *_ruled(wide, text.splitlines()),
            "}",
            r"\end{table}",
            "% table ends",
            "\\end{document}\n",
        ]
    )


def _ruled(wide: Wide, lines: list[str]) -> list[str]:
    """Add what Styler has no word for: rules below the groups and between the datasets."""
    body = lines.index(r"\midrule") + 1
    for row in reversed(wide.starts):
        lines.insert(body + row, r"\midrule")
    first, last, span = wide.width + 1, wide.texts.shape[1], max(wide.span, 1)
    rules = (rf"\cmidrule(lr){{{start}-{start + span - 1}}}" for start in range(first, last, span))
    lines.insert(lines.index(r"\toprule") + 3, "".join(rules))
    return lines


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
    table = table.reset_index(drop=True)
    kinds = pd.api.types
    words = [
        name
        for name in table
        if not kinds.is_numeric_dtype(table[name]) or kinds.is_bool_dtype(table[name])
    ]
    if table.empty:
        table = pd.DataFrame([["none", *[""] * (table.shape[1] - 1)]], columns=table.columns)
        words = list(table)
    numbers = [name for name in table if name not in words]
    styler = table.style.hide(axis="index")
    styler.format(lambda text: escape_html(visible(text)), subset=words)
    styler.format(_number, subset=numbers)
    styler.format_index(lambda name: escape_html(visible(name)), axis="columns")
    classes = pd.DataFrame("text", index=table.index, columns=words)
    styler.set_td_classes(classes)
    Path(path).write_text(_page(styler, caption, escape_html(caption), "long"), encoding="utf-8")


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}".replace("-", "−")


def _page(styler: Styler, title: str, caption: str, kind: str = "wide") -> str:
    """A page that holds one table: no script, nothing fetched."""
    table = styler.set_uuid("").set_caption(caption).to_html(
        table_attributes=f'class="{kind}"', sparse_columns=True
    )  # fmt: skip
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape_html(title.split('.')[0])}</title>",
            f"<style>\n{_STYLE}\n</style>\n</head>\n<body>",
            table,
            "</body>\n</html>\n",
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
            raise InputError(f"{path}: no table format .{kind}; use {known} or xlsx")
