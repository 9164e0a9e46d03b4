"""The chapters of the report, numbered as a study has them."""

from collections.abc import Collection

from dicegrad.reporting.outputs import CHAPTERS, OUTPUTS, files_of


def chapters(wanted: Collection[str], datasets: Collection[str]) -> dict[str, str]:
    """The chapters that a report has, by name, with the number that it shows.

    Args:
        wanted: Files of the study that are made.
        datasets: Those of the study.
    """
    found = {
        output.category
        for name, output in OUTPUTS.items()
        for dataset in datasets
        for kind, file in files_of(name, dataset).items()
        if file in wanted and is_shown(kind)
    }
    there = [chapter for chapter in CHAPTERS if chapter in found]
    return {chapter: f"{number}. {chapter}" for number, chapter in enumerate(there, 1)}


def is_shown(kind: str) -> bool:
    """Whether the report shows a file of this kind: pages and figures are, no others."""
    return kind == "svg" or kind.endswith("_html")
