"""Which cases the example figure shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dicegrad.data.adapter import Case
from dicegrad.evaluation.experiments import one_score_each
from dicegrad.evaluation.setups import share_missing, with_missing_labels
from dicegrad.preprocessing.about import About
from dicegrad.reporting.figures.examples import plot_examples
from dicegrad.reporting.figures.views import Example
from dicegrad.study.experiment import COLUMNS, Experiment


def plot_chosen(
    scores: pd.DataFrame,
    cases: Iterable[Case],
    prepared: About,
    predictions: Sequence[Path],
    dataset: str,
    datasets: Mapping[str, Mapping[str, Any]],
    chosen: Mapping[str, str],
    out_stem: Path,
) -> list[Path]:
    """Draw the examples of a dataset; see `choose_examples` and `plot_examples`."""
    about = datasets[dataset]
    folder = Experiment.from_path(predictions[0].as_posix()).path
    results = Path(predictions[0].as_posix().partition(folder)[0])
    examples = [
        replace(example, align=prepared.align)
        for example in choose_examples(scores, cases, dataset, about, chosen, results)
    ]
    return plot_examples(examples, prepared.class_values, out_stem, title=dataset)


def choose_examples(
    scores: pd.DataFrame,
    cases: Iterable[Case],
    dataset: str,
    about: Mapping[str, Any],
    chosen: Mapping[str, str],
    results: Path,
) -> list[Example]:
    """Choose one case per group and batch size, segmented after training on partial labels.

    Args:
        scores: scores.tsv.
        cases: The case table of the dataset.
        dataset: Its name.
        about: Its `groups`, `classes` and `missing`.
        chosen: Group -> case to show. A group that is not named here, or whose case the study
            has not scored, shows the case with the median true volume of the missing class.
        results: Folder of the study.

    Returns:
        Examples, by batch size and then in the order of the groups.
    """
    named = one_score_each(scores)
    named = with_missing_labels(named[named["dataset"] == dataset], {dataset: about})
    files = {case.case: case for case in cases}
    missing = about["missing"]
    examples = []
    for batch_size, trained in named.groupby("batch_size"):
        for group in about["groups"]:
            of_group = trained[trained["group"] == group]
            if of_group.empty:
                continue
            name = _pick(of_group, chosen.get(group), missing["classes"][0])
            of_case = of_group[of_group["case"] == name].drop_duplicates("setup")
            examples.append(
                Example(
                    case=name,
                    group=group,
                    image=files[name].images[0],
                    truth=files[name].label,
                    predictions={
                        row["setup"]: _prediction(row, results) for _, row in of_case.iterrows()
                    },
                    emptied=tuple(
                        each
                        for each in about["classes"]
                        if share_missing(about, trained["labeling"].iloc[0], group, each) == 1
                    ),
                    batch_size=int(batch_size),
                    channels=files[name].images.count(files[name].images[0]),
                )
            )
    return examples


def _pick(scores: pd.DataFrame, wanted: str | None, class_name: str) -> str:
    """The wanted case, or the one of median true volume; the earlier name where two tie.

    Where the true volume of some is unknown, it is of the others.
    """
    if wanted in set(scores["case"]):
        return str(wanted)
    volumes = scores[scores["class"] == class_name].groupby("case")["volume_true_ml"].first()
    known = volumes.dropna() if volumes.notna().any() else volumes
    order = known.sort_index().sort_values(kind="stable")
    return str(order.index[(len(order) - 1) // 2])


def _prediction(row: pd.Series, results: Path) -> Path:
    """Where the workflow put the prediction of one row of scores."""
    experiment = Experiment(**{name: row[name] for name in COLUMNS})
    folder = results / experiment.path / f"fold~{row['fold']}"
    return folder / "predictions" / f"{row['case']}.nii.gz"
