import re
import shutil
import subprocess

import pandas as pd
import pytest
from openpyxl import load_workbook

from dicegrad import files
from dicegrad.errors import InputError, visible
from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.formats import (
    to_html,
    to_latex,
    to_markdown,
    write_page,
)
from dicegrad.reporting.layout import widen
from dicegrad.reporting.tables import TABLE1, table1, table_losses
from tests.conftest import with_setups
from tests.reporting.written import (
    CAPTION,
    KINDS,
    Balance,
    groups_of,
    row_of,
    setups_of,
    write_table,
)


def test_layout_is_the_papers(table, datasets):
    wide = widen(table, datasets)
    assert groups_of(wide) == ["HGG / ED", "LGG / ES"]
    assert setups_of(wide) == ["I", "BI", "I_eps"]  # comparators have their own table
    assert list(wide.keys) == [
        ("tumor", "full", "2"),
        ("tumor", "partial", "2"),
        ("heart", "full", "2"),
        ("heart", "partial", "2"),
    ]
    assert wide.texts.shape == wide.numbers.shape == wide.marks.shape == (4, 3 + 2 * 2 * 3)
    texts, marks = row_of(wide.texts, wide, 3), row_of(wide.marks, wide, 3)
    assert ["highlighted" in mark for mark in marks[:6]] == [False] * 3 + [False, True, True]
    assert texts[4:6] == ["0.02", "0.02"]
    assert "italic" in marks[4]
    assert wide.texts.iloc[:, 0].tolist() == ["tumor", "", "heart", ""]  # each said once


def test_losses_are_one_row_per_class(scores, comparisons, datasets):
    wide = widen(table_losses(scores, comparisons, datasets), datasets)
    assert setups_of(wide) == ["I", "marginal", "leaf"]
    assert [keys[0] for keys in wide.keys] == ["heart LV", "heart MYO", "heart RV"]


def test_table1_keeps_the_papers_form_where_cross_entropy_is_in_the_study(scores, datasets):
    image_wise = scores[(scores["loss"] == "dice") & (scores["phi"] == "I")]
    image_wise = image_wise[image_wise["epsilon"] == "1e-7"]
    both = image_wise.assign(loss="dice_ce")
    more = with_setups(pd.concat([scores, both], ignore_index=True))
    wide = widen(table1(more, compare(more), datasets), datasets)
    assert setups_of(wide) == ["I", "BI", "I_eps"]
    few = with_setups(pd.concat([image_wise, both], ignore_index=True))
    assert setups_of(widen(table1(few, compare(few), datasets), datasets)) == ["I", "I+CE"]


def test_batch_sizes_are_rows(batch_scores, datasets):
    wide = widen(table1(batch_scores, compare(batch_scores), datasets), datasets)
    assert [keys[1:] for keys in wide.keys] == [
        (labeling, str(size)) for labeling in ("full", "partial") for size in (1, 2, 4, 8)
    ]


def test_a_training_that_was_not_run_is_a_dash(table, datasets):
    gone = table[~((table["labeling"] == "full") & (table["setup"] == "BI"))]
    wide = widen(gone, datasets)
    assert row_of(wide.texts, wide, 0)[:3].count("–") == 1


def test_zero_millilitres_has_no_sign(table, datasets):
    wide = widen(table.assign(delta_volume_ml=-0.004), datasets)
    assert row_of(wide.texts, wide, 0)[6] == "0.00"
    wide = widen(table.assign(delta_volume_ml=-129.4), datasets)
    assert row_of(wide.texts, wide, 0)[6] == "−129"


def test_markdown_is_a_table_with_marks(table, datasets):
    text = to_markdown(widen(table, datasets), CAPTION)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert len({line.count("|") for line in rows}) == 1
    assert "***0.02***" in rows[-1]


def test_html_is_well_formed_and_stands_alone(table, datasets):
    text = to_html(widen(table, datasets), CAPTION)
    page = Balance()
    page.feed(text)
    assert page.open == []
    assert set(page.columns) == {3 + 12}
    assert "http" not in text
    assert "<script" not in text
    assert text.count(">0.02</td>") == 4
    assert re.search(r"{\s+font-style: italic;\s+background-color: #FFE3A8;\s+}", text)
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
    assert r"\itshape {\cellcolor[HTML]{FFE3A8}} 0.02" in text


def typeset(folder, name):
    """What LaTeX says about a table."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
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
    again = files.read_table(paths[0], TABLE1)
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
    assert re.findall(r"<td[^>]*>(.*?)</td>", text)[:3] == ["x &amp; y", "3", "−0.123"]
    assert text.count("–") == 1
    write_page(table.iloc[:0], tmp_path / "none.html", "Nothing.")
    assert ">none</td>" in (tmp_path / "none.html").read_text()


def test_both_halves_of_the_paper_stand_below_a_study_of_them(paper_study):
    wide = widen(*paper_study)
    assert wide.heads == ("Dataset", "Labeling", "B", "")
    assert len(wide.keys) == 3 * (2 * 4 + 2)

    def line(frame, *keys):
        return row_of(frame, wide, wide.keys.index(keys))

    texts = line(wide.texts, "brats", "partial", "4", "paper")
    assert texts[:6] == ["0.89", "0.82", "0.83", "0.88", "0.20", "0.20"]
    assert texts[6:] == ["−6", "−12", "−12", "−15", "−93", "−94"]
    assert line(wide.texts, "acdc", "partial", "2", "paper")[3:6] == ["0.88", "0.08", "0.06"]
    ours, paper, between = (
        line(wide.numbers, "acdc", "partial", "2", source)
        for source in ("study", "paper", "difference")
    )
    for our, printed, difference in zip(ours, paper, between, strict=True):
        assert difference == pytest.approx(our - printed)
    texts = line(wide.texts, "acdc", "partial", "2", "difference")
    assert texts[4] == "−0.06"  # 0.02 against 0.08
    assert texts[10].startswith("+")  # a volume that is not as much too small


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
    assert re.findall(r">(paper|difference)</td>", paths[2].read_text()).count("paper") == 10
    tex = paths[3].read_text()
    assert tex.count(r"\color[HTML]{666666} paper") == 10


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_with_the_paper_compiles(paper_study, tmp_path):
    table, about, beside = paper_study
    write_table(table, about, [tmp_path / "table1.tex"], CAPTION, beside)
    assert "Overfull" not in typeset(tmp_path, "table1")


def test_the_comparison_of_losses_has_no_line_of_the_paper(scores, comparisons, datasets):
    wide = widen(table_losses(scores, comparisons, datasets), datasets, table_of_nothing())
    assert not (wide.marks == "quoted").any(axis=None)


def table_of_nothing():
    return pd.DataFrame(columns=["dataset", "class", "labeling", "batch_size"])


def test_an_empty_table_is_written_without_a_crash(table, datasets, tmp_path):
    paths = [tmp_path / f"none.{kind}" for kind in KINDS]
    write_table(table.iloc[:0], datasets, paths, CAPTION)
    assert all(path.exists() for path in paths)


EVIL = "=cmd|' /C calc'!A1"
HOSTILE = [
    EVIL,
    "@SUM(1)",
    "a|b",
    "<script>alert(1)</script>",
    "*x*_y_",
    "x\ny\x1b[31m",
    "$x$ & 5 %",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_in_every_format(name, table, datasets, tmp_path):
    """No formula, no tag, no column more, no line break, no terminal code."""
    odd = table.assign(
        group=table["group"].replace("ED", name), dataset=table["dataset"].replace("heart", name)
    )
    heart = {**datasets["heart"], "groups": [name, "ES"]}
    paths = [tmp_path / f"table1.{kind}" for kind in KINDS]
    write_table(odd, {"tumor": datasets["tumor"], name: heart}, paths, CAPTION)
    book = load_workbook(paths[4])
    cells = [cell for sheet in book.worksheets for line in sheet.iter_rows() for cell in line]
    assert not [cell.value for cell in cells if cell.data_type in "fe"]
    assert visible(name) in [cell.value for cell in cells]
    rows = [line for line in paths[1].read_text().splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    for path in paths[1:4]:
        assert "\x1b" not in path.read_text()
        assert "<script" not in path.read_text()
    page = Balance()
    page.feed(paths[2].read_text())
    assert (page.open, set(page.columns)) == ([], {3 + 12})


def test_a_page_of_the_supplement_escapes_names(tmp_path):
    write_page(pd.DataFrame({"group": HOSTILE, "n": 1}), tmp_path / "page.html", "Names.")
    text = (tmp_path / "page.html").read_text()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
