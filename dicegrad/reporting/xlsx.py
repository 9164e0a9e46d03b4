"""The paper's table as a workbook: numbers that a spreadsheet can go on computing with."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dicegrad.reporting.layout import METRICS, Cell, Row, Wide, shown_keys
from dicegrad.reporting.setups import plain

if TYPE_CHECKING:
    from openpyxl.cell import Cell as SheetCell
    from openpyxl.worksheet.worksheet import Worksheet

_NAMES = {"dsc": "DSC", "delta_volume_ml": "ΔV [ml]"}
_FIRST_ROW = 3  # below the caption and a line of its own


def write_xlsx(wide: Wide, table: pd.DataFrame, caption: str, path: Path) -> None:
    """Write the table in two sheets: `table` in the paper's layout, `values` with all columns.

    Args:
        wide: The layout.
        table: The long table that it was made from.
        caption: Plain text.
        path: Ending in .xlsx.
    """
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "table"
    sheet["A1"] = caption + " Shaded: theory expects empty maps. Italic: significantly inferior."
    _write_heads(sheet, wide)
    for number, (row, shown) in enumerate(zip(wide.rows, shown_keys(wide), strict=True)):
        _write_row(sheet, _FIRST_ROW + 3 + number, row, shown)
    sheet.freeze_panes = sheet.cell(_FIRST_ROW + 3, len(wide.heads) + 1)
    values = book.create_sheet("values")
    values.append(list(table.columns))
    for numbers in table.astype(object).itertuples(index=False):
        values.append([None if isinstance(v, float) and math.isnan(v) else v for v in numbers])
    values.freeze_panes = "A2"
    book.save(path)


def _write_heads(sheet: "Worksheet", wide: Wide) -> None:
    """Three lines: metric, group, setup."""
    from openpyxl.styles import Alignment, Border, Font, Side

    span, each = len(wide.setups), len(wide.groups) * len(wide.setups)
    first = len(wide.heads) + 1
    for m, metric in enumerate(METRICS):
        sheet.cell(_FIRST_ROW, first + m * each, _NAMES[metric])
        for g, group in enumerate(wide.groups):
            start = first + m * each + g * span
            sheet.cell(_FIRST_ROW + 1, start, group)
            for s, setup in enumerate(wide.setups):
                sheet.cell(_FIRST_ROW + 2, start + s, plain(setup))
            if span > 1:
                sheet.merge_cells(None, _FIRST_ROW + 1, start, _FIRST_ROW + 1, start + span - 1)
        if each > 1:
            last = first + (m + 1) * each - 1
            sheet.merge_cells(None, _FIRST_ROW, first + m * each, _FIRST_ROW, last)
    for column, head in enumerate(wide.heads, start=1):
        sheet.cell(_FIRST_ROW + 2, column, head)
    for row in sheet.iter_rows(_FIRST_ROW, _FIRST_ROW + 2):
        for cell in row:
            cell.font = Font(bold=True)
            cell.alignment = Alignment(horizontal="left" if cell.column < first else "center")
            if cell.row == _FIRST_ROW + 2:
                cell.border = Border(bottom=Side("thin"))


def _write_row(sheet: "Worksheet", at: int, row: Row, shown: tuple[str, ...]) -> None:
    from openpyxl.styles import Font

    for column, text in enumerate(shown, start=1):
        cell = sheet.cell(at, column, int(text) if text.isdigit() else text or None)
        cell.font = Font(color="777777" if row.quoted else None)
    dsc = len(row.cells) // len(METRICS)
    for number, content in enumerate(row.cells):
        cell = sheet.cell(at, len(shown) + 1 + number)
        _fill(cell, content, row.quoted, 2 if number < dsc else 1)


def _fill(cell: "SheetCell", content: Cell, quoted: bool, decimals: int) -> None:
    """One number, shown with so many decimals and stored with all."""
    from openpyxl.styles import Font, PatternFill

    if math.isnan(content.value):
        cell.value = content.text
    else:
        cell.value = content.value
        zeros = "0." + "0" * decimals
        signed = quoted and content.text[:1] in "+−"
        cell.number_format = f"+{zeros};-{zeros};{zeros}" if signed else zeros
    cell.font = Font(italic=content.italic, color="777777" if quoted else None)
    if content.highlighted:
        cell.fill = PatternFill("solid", fgColor="FFE3A8")
