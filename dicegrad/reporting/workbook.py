"""The paper's table as a workbook: numbers that a spreadsheet can go on computing with."""

from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dicegrad.errors import visible
from dicegrad.reporting.layout import Wide
from dicegrad.reporting.looks import plain
from dicegrad.reporting.marks import TITLES, css

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

HEAD = 3  # first line of the headings, below the caption and an empty line
BODY = HEAD + 3


def write_xlsx(wide: Wide, table: pd.DataFrame, caption: str, path: Path) -> None:
    """Write the table in two sheets: `table` in the paper's layout, `values` with all columns.

    Args:
        wide: The layout.
        table: The long table that it was made from.
        caption: Plain text.
        path: Ending in .xlsx.
    """
    note = " Shaded: theory expects empty maps. Italic: significantly inferior."
    flat = range(wide.numbers.shape[1])
    numbers = wide.numbers.set_axis(flat, axis="columns")
    numbers[2] = [int(size) if size else "" for size in numbers[2]]  # B
    styler = numbers.style.apply(lambda _: _css(wide).set_axis(flat, axis="columns"), axis=None)
    names = table.map(lambda value: visible(value) if isinstance(value, str) else value)
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        styler.to_excel(
            book, sheet_name="table", startrow=BODY - 1, header=False, index=False, na_rep="–"
        )
        names.to_excel(book, sheet_name="values", index=False, freeze_panes=(1, 0))
        sheet = book.sheets["table"]
        sheet["A1"] = caption + note
        _write_heads(sheet, wide)
        sheet.freeze_panes = sheet.cell(BODY, wide.width + 1)
        for each in book.sheets.values():
            _keep_text(each)


def _css(wide: Wide) -> pd.DataFrame:
    """Marks and number formats as CSS; a cell is shown rounded and holds all digits."""
    styles = wide.marks.map(css)
    for column in wide.numbers.columns[wide.width :]:
        zeros = "0.00" if column[0] == "dsc" else "0.0"
        # Styler writes § for the semicolon of a number format.
        formats = [
            f"+{zeros}§-{zeros}§{zeros}" if keys[-1] == "difference" else zeros
            for keys in wide.keys
        ]
        styles[column] = [
            f"{style}; number-format: {shown}"
            for style, shown in zip(styles[column], formats, strict=True)
        ]
    return styles


def _write_heads(sheet: "Worksheet", wide: Wide) -> None:
    """Three lines, equal neighbours merged: metric, group, setup."""
    from openpyxl.styles import Alignment, Border, Font, Side

    keys = list(wide.numbers.columns)
    for level in range(3):
        row, column = HEAD + level, 1
        for _, same in groupby(keys, itemgetter(slice(0, level + 1))):
            run = list(same)
            width, name = len(run), run[0][level]
            text = (TITLES.get(name, ""), visible(name), name)[level]
            if level == 2 and column > wide.width:
                text = plain(name)
            cell = sheet.cell(row, column, text or None)
            cell.font = Font(bold=True)
            cell.alignment = Alignment(horizontal="left" if column <= wide.width else "center")
            if width > 1 and column > wide.width:
                sheet.merge_cells(None, row, column, row, column + width - 1)
            column += width
    for cell in sheet[BODY - 1]:
        cell.border = Border(bottom=Side("thin"))


def _keep_text(sheet: "Worksheet") -> None:
    """Store a name that begins with = or looks like an error as text, not as a formula."""
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, str) and cell.data_type != "s":
                cell.data_type = "s"
                cell.quotePrefix = True
