"""The chapters of the report."""

from dicegrad.reporting.chapters import chapters
from dicegrad.reporting.outputs import CHAPTERS, OUTPUTS, wanted_files
from dicegrad.study import Study
from tests.study.conftest import CONFIG, HEADER, line


def test_the_chapters_of_a_report_are_numbered_without_a_gap(tmp_path):
    table = tmp_path / "mine.tsv"
    table.write_text(HEADER + line() + line(labeling="full"))
    study = Study.read({"study": "mine", "experiments": str(table)}, "mine.yaml", CONFIG)
    shown = chapters(wanted_files(study), study.datasets)
    assert "The transition" not in shown  # no sweep of epsilon
    assert list(shown.values()) == [f"{n}. {name}" for n, name in enumerate(shown, 1)]
    assert list(shown) == [chapter for chapter in CHAPTERS if chapter in shown]


def test_every_output_is_in_a_chapter_and_none_is_empty():
    assert {output.category for output in OUTPUTS.values() if output.category} == set(CHAPTERS)
