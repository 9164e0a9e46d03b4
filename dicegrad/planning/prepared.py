"""Whether what lies prepared in resources/ is of the settings that a study has now."""

from collections.abc import Sequence
from pathlib import Path

from dicegrad.data.adapter import Case
from dicegrad.data.adapters import adapter_of
from dicegrad.errors import InputError
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.folds import read_folds
from dicegrad.reporting.origin import read_made_with
from dicegrad.study import Dataset


def is_prepared(folder: Path, dataset: Dataset) -> bool:
    """Whether a folder holds the cases of a data set, prepared for the classes that it has now.

    Args:
        folder: Such as `resources/acdc`.
        dataset: Its settings, perhaps edited since.

    Raises:
        InputError: `prepared.json` is damaged.
    """
    if not all((folder / name).is_file() for name in ("labels.npy", "prepared.json")):
        return False
    about = read_about(folder / "prepared.json")
    if about.classes != tuple(dataset.classes):
        return False
    try:
        known = adapter_of(dataset).class_values
    except InputError:  # the data themselves are gone, and what is prepared is all there is
        return True
    values = {name: tuple(known.get(name, ())) for name in dataset.classes}
    return dict(about.class_values) == values


def written_folds(table: Path, cases: Sequence[Case], dataset: Dataset) -> dict[str, int] | None:
    """The folds of folds.tsv.

    Args:
        table: Its path.
        cases: Those of the data set.
        dataset: Its settings, perhaps edited since.

    Returns:
        Subject -> fold; None where the workflow will write the table, or write it again.

    Raises:
        InputError: The table is of these settings, and damaged or edited into something else.
    """
    made_with = read_made_with(table).get("folds")
    if not table.is_file() or made_with not in (None, vars(dataset.folds)):
        return None
    try:
        return read_folds(table, {case.subject for case in cases}, dataset.folds.count)
    except InputError:
        if made_with:  # somebody edited it since, and the workflow would keep it
            raise
        return None  # of an earlier version, and of other settings
