import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest
from openpyxl import load_workbook

from dicegrad.errors import InputError
from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.formats import (
    read_table,
    to_html,
    to_latex,
    to_markdown,
    write_page,
    write_table,
)
from dicegrad.reporting.layout import widen
from dicegrad.reporting.paper import beside_paper
from dicegrad.reporting.tables import table1, table_losses
from tests.reporting.conftest import DATASETS, make_scores

KINDS = ("tsv", "md", "html", "tex", "xlsx")
CAPTION = "Mean DSC & ΔV. 95 % of a_b < c."


def test_layout_is_the_papers(table, datasets):
    wide = widen(table, datasets)
    assert wide.groups == ("HGG / ED", "LGG / ES")
    assert wide.setups == ("I", "BI", "I_eps")  # comparators have their own table
    assert [row.keys for row in wide.rows] == [
        ("tumor", "full", "2"),
        ("tumor", "partial", "2"),
        ("heart", "full", "2"),
        ("heart", "partial", "2"),
    ]
    assert all(len(row.cells) == 2 * 2 * 3 for row in wide.rows)
    partial = wide.rows[3].cells
    assert [cell.highlighted for cell in partial[:6]] == [False] * 3 + [False, True, True]
    assert [cell.text for cell in partial[3:6]][1:] == ["0.02", "0.02"]
    assert partial[4].italic


def test_losses_are_one_row_per_class(scores, comparisons, datasets):
    wide = widen(table_losses(scores, comparisons, datasets), datasets)
    assert wide.setups == ("I", "marginal", "leaf")
    assert [row.keys[0] for row in wide.rows] == ["heart LV", "heart MYO", "heart RV"]


def test_table1_keeps_the_papers_form_where_cross_entropy_is_in_the_study(scores, datasets):
    image_wise = scores[(scores["loss"] == "dice") & (scores["phi"] == "I")]
    image_wise = image_wise[image_wise["epsilon"] == "1e-7"]
    both = image_wise.assign(loss="dice_ce")
    more = pd.concat([scores, both], ignore_index=True)
    assert widen(table1(more, compare(more), datasets), datasets).setups == ("I", "BI", "I_eps")
    few = pd.concat([image_wise, both], ignore_index=True)
    assert widen(table1(few, compare(few), datasets), datasets).setups == ("I", "I+CE")


def test_batch_sizes_are_rows(batch_scores, datasets):
    wide = widen(table1(batch_scores, compare(batch_scores), datasets), datasets)
    assert [row.keys[1:] for row in wide.rows] == [
        (labeling, str(size)) for labeling in ("full", "partial") for size in (1, 2, 4, 8)
    ]


def test_a_training_that_was_not_run_is_a_dash(table, datasets):
    gone = table[~((table["labeling"] == "full") & (table["setup"] == "BI"))]
    first = widen(gone, datasets).rows[0].cells
    assert [cell.text for cell in first[:3]].count("–") == 1


def test_zero_millilitres_has_no_sign(table, datasets):
    wide = widen(table.assign(delta_volume_ml=-0.04), datasets)
    assert wide.rows[0].cells[6].text == "0.0"
    wide = widen(table.assign(delta_volume_ml=-129.4), datasets)
    assert wide.rows[0].cells[6].text == "−129"


def test_markdown_is_a_table_with_marks(table, datasets):
    text = to_markdown(widen(table, datasets), CAPTION)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert len({line.count("|") for line in rows}) == 1
    assert "***0.02***" in rows[-1]


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


def test_html_is_well_formed_and_stands_alone(table, datasets):
    text = to_html(widen(table, datasets), CAPTION)
    page = Balance()
    page.feed(text)
    assert page.open == []
    assert set(page.columns) == {3 + 12}
    assert "http" not in text
    assert "<script" not in text
    assert text.count('class="empty"><i>0.02</i>') + text.count('empty"><i>0.02') >= 4
    assert "a_b &lt; c" in text


def test_latex_escapes_names_and_has_as_many_columns_as_cells(table, datasets):
    odd = table.assign(dataset=table["dataset"].replace("heart", "he_art & 100 %"))
    names = {"he_art & 100 %": datasets["heart"]}
    text = to_latex(widen(odd, names), CAPTION)
    assert r"he\_art \& 100 \%" in text
    body = re.search(r"\\midrule\n(.*)\\bottomrule", text, re.S).group(1).splitlines()
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text).group(1)
    for line in body:
        assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
    assert r"\cellcolor{yellow!35}\textit{0.02}" in text


def typeset(folder, name):
    """What LaTeX says about a table."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout[-2000:]
    assert (folder / f"{name}.pdf").stat().st_size > 10_000
    return run.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(table, scores, comparisons, datasets, tmp_path):
    write_table(table, datasets, [tmp_path / "table1.tex"], CAPTION)
    write_table(
        table_losses(scores, comparisons, datasets), datasets, [tmp_path / "losses.tex"], CAPTION
    )
    for name in ("table1", "losses"):
        assert "Overfull \\hbox" not in typeset(tmp_path, name)


def test_every_format_is_written_and_the_long_table_read_back(table, datasets, tmp_path):
    paths = [tmp_path / f"table1.{kind}" for kind in KINDS]
    table = table.assign(group=table["group"].replace("ED", "NA"))
    write_table(table, datasets, paths, CAPTION)
    again = read_table(paths[0])
    assert again["reference"].tolist() == table["reference"].tolist()
    assert again["setup"].tolist() == table["setup"].tolist()
    assert again["group"].tolist() == table["group"].tolist()
    assert again["learns_empty"].tolist() == table["learns_empty"].tolist()
    assert again["dsc"].to_numpy() == pytest.approx(table["dsc"].to_numpy(), rel=1e-5)
    assert all(path.stat().st_size > 200 for path in paths)
    with pytest.raises(InputError, match="docx"):
        write_table(table, datasets, [tmp_path / "table1.docx"], CAPTION)


def test_a_page_shows_any_table(tmp_path):
    table = pd.DataFrame({"a<b": ["x & y", "z"], "n": [3, 4], "dsc": [-0.12345, float("nan")]})
    write_page(table, tmp_path / "page.html", "Some <words>. More.")
    text = (tmp_path / "page.html").read_text()
    page = Balance()
    page.feed(text)
    assert page.open == []
    assert set(page.columns) == {3}
    assert "<title>Some &lt;words&gt;</title>" in text
    assert '<td class="text">x &amp; y</td><td>3</td><td>−0.123</td>' in text
    assert text.count("–") == 1
    write_page(table.iloc[:0], tmp_path / "none.html", "Nothing.")
    assert ">none</td>" in (tmp_path / "none.html").read_text()


@pytest.fixture(scope="module")
def paper_study():
    """Table 1 of a made-up study with all trainings of the paper, and the paper beside it."""
    names = {"tumor": "brats", "heart": "acdc"}
    brats, acdc = make_scores(("tumor",), (1, 2, 4, 8), subjects=6), make_scores(("heart",))
    scores = pd.concat([brats, acdc], ignore_index=True)
    scores["dataset"] = scores["dataset"].map(names)
    about = {names[name]: value for name, value in DATASETS.items()}
    table = table1(scores, compare(scores), about)
    return table, about, beside_paper(table, about)


def test_both_halves_of_the_paper_stand_below_a_study_of_them(paper_study):
    wide = widen(*paper_study)
    assert wide.heads == ("Dataset", "Labeling", "B", "")
    assert len(wide.rows) == 3 * (2 * 4 + 2)
    lines = {row.keys: row.cells for row in wide.rows}
    texts = [cell.text for cell in lines["brats", "partial", "4", "paper"]]
    assert texts[:6] == ["0.89", "0.82", "0.83", "0.88", "0.20", "0.20"]
    assert texts[6:] == ["−6", "−12", "−12", "−15", "−93", "−94"]
    ours = lines["acdc", "partial", "2", "study"]
    paper = lines["acdc", "partial", "2", "paper"]
    between = lines["acdc", "partial", "2", "difference"]
    assert [cell.text for cell in paper[3:6]] == ["0.88", "0.08", "0.06"]
    for our, printed, difference in zip(ours, paper, between, strict=True):
        assert difference.value == pytest.approx(our.value - printed.value)
    assert between[4].text == "−0.06"  # 0.02 against 0.08
    assert between[10].text.startswith("+")  # a volume that is not as much too small


def test_every_format_shows_the_paper(paper_study, tmp_path):
    table, about, beside = paper_study
    paths = [tmp_path / f"table1.{kind}" for kind in KINDS]
    write_table(table, about, paths, CAPTION, beside)
    markdown = paths[1].read_text()
    assert markdown.count("| paper |") == markdown.count("| difference |") == 10
    assert "| brats | partial | 4 | paper | 0.89 | 0.82 | 0.83 |" in markdown
    page = Balance()
    page.feed(paths[2].read_text())
    assert set(page.columns) == {4 + 12}
    assert paths[2].read_text().count('<tr class=quoted><td class="text"></td>') == 20
    tex = paths[3].read_text()
    assert tex.count(r"\textcolor{gray}{paper}") == 10


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_with_the_paper_compiles(paper_study, tmp_path):
    table, about, beside = paper_study
    write_table(table, about, [tmp_path / "table1.tex"], CAPTION, beside)
    assert "Overfull" not in typeset(tmp_path, "table1")


def test_the_comparison_of_losses_has_no_line_of_the_paper(scores, comparisons, datasets):
    wide = widen(table_losses(scores, comparisons, datasets), datasets, table_of_nothing())
    assert not any(row.quoted for row in wide.rows)


def table_of_nothing():
    return pd.DataFrame(columns=["dataset", "class", "labeling", "batch_size"])


def test_a_workbook_holds_numbers_and_the_papers_layout(paper_study, tmp_path):
    table, about, beside = paper_study
    write_table(table, about, [tmp_path / "table1.xlsx"], CAPTION, beside)
    book = load_workbook(tmp_path / "table1.xlsx")
    sheet, values = book["table"], book["values"]
    assert sheet["A1"].value.startswith(CAPTION)
    assert [sheet.cell(5, column).value for column in range(1, 8)] == [
        *("Dataset", "Labeling", "B", None, "I", "BI", "Iε")
    ]
    lines = list(sheet.iter_rows(min_row=6, values_only=True))
    assert len(lines) == len(widen(table, about, beside).rows)
    numbers = [value for line in lines for value in line[4:]]
    assert all(isinstance(value, int | float) for value in numbers)
    first = widen(table, about, beside).rows[0]
    assert lines[0][:4] == ("brats", "full", 1, "study")
    assert lines[0][4:] == pytest.approx([cell.value for cell in first.cells])
    assert sheet.cell(6, 5).number_format == "0.00"
    assert values.max_row == len(table) + 1
    heads = [cell.value for cell in values[1]]
    assert heads == list(table.columns)
    assert values.cell(2, heads.index("dsc") + 1).value == pytest.approx(table["dsc"].iloc[0])


def test_a_workbook_marks_what_the_page_marks(table, datasets, tmp_path):
    write_table(table, datasets, [tmp_path / "table1.xlsx"], CAPTION)
    sheet = load_workbook(tmp_path / "table1.xlsx")["table"]
    marked = widen(table, datasets).rows[3].cells[4]
    cell = sheet.cell(6 + 3, 4 + 4)
    assert marked.italic
    assert marked.highlighted
    assert cell.font.italic
    assert cell.fill.fgColor.rgb.endswith("FFE3A8")
    assert not sheet.cell(6, 4).font.italic


def test_an_empty_table_is_written_without_a_crash(table, datasets, tmp_path):
    paths = [tmp_path / f"none.{kind}" for kind in KINDS]
    write_table(table.iloc[:0], datasets, paths, CAPTION)
    assert all(path.exists() for path in paths)
