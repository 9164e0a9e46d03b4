"""The workbook holds numbers in the paper's layout, marked as the page is."""

import pytest
from openpyxl import load_workbook

from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.layout import widen
from dicegrad.reporting.tables import table1
from tests.reporting.written import CAPTION, row_of, write_table


def test_a_workbook_holds_numbers_and_the_papers_layout(paper_study, tmp_path):
    table, about, beside = paper_study
    write_table(table, about, [tmp_path / "table1.xlsx"], CAPTION, beside)
    book = load_workbook(tmp_path / "table1.xlsx")
    sheet, values = book["table"], book["values"]
    assert sheet["A1"].value.startswith(CAPTION)
    assert [sheet.cell(5, column).value for column in range(1, 8)] == [
        "Dataset",
        "Labeling",
        "B",
        None,
        "I",
        "BI",
        "Iε",
    ]
    lines = list(sheet.iter_rows(min_row=6, values_only=True))
    wide = widen(table, about, beside)
    assert len(lines) == len(wide.keys)
    numbers = [value for line in lines for value in line[4:]]
    assert all(isinstance(value, int | float) for value in numbers)
    assert lines[0][:4] == ("brats", "full", 1, "study")
    assert lines[0][4:] == pytest.approx(row_of(wide.numbers, wide, 0))
    assert [line[:4] for line in lines[1:3]] == [
        (None, None, None, "paper"),
        (None, None, None, "difference"),
    ]
    assert sheet.cell(6, 5).number_format == "0.00"
    assert sheet.cell(8, 5).number_format == "+0.00;-0.00;0.00"
    assert values.max_row == len(table) + 1
    heads = [cell.value for cell in values[1]]
    assert heads == list(table.columns)
    assert values.cell(2, heads.index("dsc") + 1).value == pytest.approx(table["dsc"].iloc[0])


def test_a_workbook_marks_what_the_page_marks(table, datasets, tmp_path):
    write_table(table, datasets, [tmp_path / "table1.xlsx"], CAPTION)
    sheet = load_workbook(tmp_path / "table1.xlsx")["table"]
    wide = widen(table, datasets)
    cell = sheet.cell(6 + 3, 4 + 4)
    assert row_of(wide.marks, wide, 3)[4] == "italic highlighted"
    assert cell.font.italic
    assert cell.fill.fgColor.rgb.endswith("FFE3A8")
    assert not sheet.cell(6, 4).font.italic


def test_a_study_of_one_setup_has_its_headings(scores, datasets, tmp_path):
    one = scores[
        (scores["phi"] == "I") & (scores["epsilon"] == "1e-7") & (scores["loss"] == "dice")
    ]
    table = table1(one, compare(one), datasets)
    write_table(table, datasets, [tmp_path / "one.xlsx", tmp_path / "one.html"], CAPTION)
    sheet = load_workbook(tmp_path / "one.xlsx")["table"]
    heads = [[cell.value for cell in line] for line in sheet.iter_rows(3, 5)]
    assert heads[0][3:] == ["DSC", None, "ΔV [ml]", None]
    assert heads[1][3:] == ["HGG / ED", "LGG / ES"] * 2
    assert heads[2] == ["Dataset", "Labeling", "B", "I", "I", "I", "I"]
