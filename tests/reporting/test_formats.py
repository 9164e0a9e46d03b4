import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from dicegrad.errors import InputError
from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.formats import read_table, to_html, to_latex, to_markdown, write_table
from dicegrad.reporting.layout import widen
from dicegrad.reporting.tables import table1, table_losses

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


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(table, scores, comparisons, datasets, tmp_path):
    write_table(table, datasets, [tmp_path / "table1.tex"], CAPTION)
    write_table(
        table_losses(scores, comparisons, datasets), datasets, [tmp_path / "losses.tex"], CAPTION
    )
    for name in ("table1", "losses"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stdout[-2000:]
        assert (tmp_path / f"{name}.pdf").stat().st_size > 10_000
        assert "Overfull \\hbox" not in run.stdout


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


def test_an_empty_table_is_written_without_a_crash(table, datasets, tmp_path):
    paths = [tmp_path / f"none.{kind}" for kind in KINDS]
    write_table(table.iloc[:0], datasets, paths, CAPTION)
    assert all(path.exists() for path in paths)
