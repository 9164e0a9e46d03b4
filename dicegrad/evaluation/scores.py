"""From prediction files to `scores.tsv`: one row per case x class."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress, cycle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.data.adapter import Case
from dicegrad.data.cases import check_originals
from dicegrad.data.checks import geometry_problem
from dicegrad.errors import InputError
from dicegrad.evaluation.label_maps import check_values, read_labels
from dicegrad.evaluation.metrics import dice, hd95_of, surface_dice_of, surface_distances
from dicegrad.files import Columns, read_table, write_table
from dicegrad.preprocessing.about import About
from dicegrad.preprocessing.folds import held_out
from dicegrad.study.experiment import COLUMNS, DEFAULTS, Experiment

# Of each case and class, beside the columns of its experiment.
CASE_COLUMNS = ("fold", "case", "subject", "group", "class")
METRIC_COLUMNS = ("dsc", "volume_true_ml", "volume_pred_ml", "hd95_mm", "surface_dice")
SCORE_COLUMNS = (*COLUMNS, *CASE_COLUMNS, *METRIC_COLUMNS)
SCORES = Columns(
    text=(*(name for name in COLUMNS if name != "batch_size"), "setup", *CASE_COLUMNS[1:]),
    numbers=(*METRIC_COLUMNS, "volume_map_ml"),
    whole=("batch_size", "fold", "seed"),
    optional=(*DEFAULTS, "setup", "seed", "hd95_mm", "surface_dice", "volume_map_ml"),
)
SOFT_VOLUMES = Columns(text=("case",), rest="number")
TOLERANCE_MM = 2.0


def score_case(
    prediction_path: Path | str,
    label_path: Path | str,
    class_values: Mapping[str, tuple[int, ...]],
    *,
    tolerance_mm: float = TOLERANCE_MM,
    surfaces: bool = True,
    masked: Collection[str] = (),
    annotated: Collection[str] | None = None,
    ignore: int | None = None,
    align: bool = False,
) -> list[dict[str, Any]]:
    """Score one predicted label map against the full truth, at the original resolution.

    Args:
        prediction_path: NIfTI label map (X, Y, Z) in the dataset's own label values.
        label_path: NIfTI truth on the same grid.
        class_values: For each class, the label values that belong to it in either file.
        tolerance_mm: Distance that the surface Dice tolerates.
        surfaces: Also HD95 and surface Dice (else NaN); about 0.1 s a class.
        masked: Classes whose truth is taken to be empty.
        annotated: Classes that were looked for in the case, all if None; others have no score.
        ignore: Label value of voxels of which no label is known; they are left out of both maps.
        align: Whether a truth that lies elsewhere is resampled to the prediction's voxels.

    Returns:
        One row per class: class, dsc, volume_true_ml, volume_pred_ml, hd95_mm, surface_dice.
        Volumes are voxel count times the header's voxel volume. DSC is 1 where truth and
        prediction are both empty, 0 where one of them is.

    Raises:
        InputError: A file cannot be read, the two lie on different voxels, or a label value is not
            an integer or, in the prediction, not one of the classes'.
    """
    label_path, prediction_path = Path(label_path), Path(prediction_path)
    prediction, predicted_where = read_labels(prediction_path)
    truth, where = read_labels(label_path, predicted_where if align else None)
    if problem := geometry_problem(label_path, where, prediction_path, predicted_where):
        raise InputError(problem)
    spacing = where.grid.spacing
    check_values(prediction, class_values, prediction_path)
    rows = []
    for name, values in class_values.items():
        masks = np.isin(truth, () if name in masked else values), np.isin(prediction, values)
        if ignore is not None:
            masks = masks[0], masks[1] & (truth != ignore)
        row = _score_masks(*masks, spacing, tolerance_mm, surfaces)
        if annotated is not None and name not in annotated:
            row |= dict.fromkeys(set(row) - {"volume_pred_ml"}, float("nan"))
        rows.append({"class": name, **row})
    return rows


def _score_masks(
    truth: npt.NDArray[np.bool_],
    prediction: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    tolerance_mm: float,
    surfaces: bool,
) -> dict[str, float]:
    """All metrics of one class; the distance maps are computed once for both surface metrics."""
    voxel_ml = float(np.prod(spacing)) / 1000
    there = truth.any(), prediction.any()
    row = {
        "dsc": dice(truth, prediction),
        "volume_true_ml": int(truth.sum()) * voxel_ml,
        "volume_pred_ml": int(prediction.sum()) * voxel_ml,
        "hd95_mm": float("nan"),
        "surface_dice": float(not any(there)) if surfaces else float("nan"),
    }
    if surfaces and all(there):
        distances = surface_distances(truth, prediction, spacing)
        row["hd95_mm"] = hd95_of(*distances)
        row["surface_dice"] = surface_dice_of(*distances, tolerance_mm)
    return row


def score_fold(
    cases: Sequence[Case],
    predictions: Iterable[Path | str],
    class_values: Mapping[str, tuple[int, ...]],
    experiment: Experiment,
    fold: int,
    *,
    tolerance_mm: float = TOLERANCE_MM,
    surfaces: bool = True,
    masked: Mapping[str, Any] | None = None,
    ignore: int | None = None,
    align: bool = False,
) -> pd.DataFrame:
    """Score the held-out cases of one experiment and fold.

    Args:
        cases: Cases that the fold holds out.
        predictions: One file per case, in the same order.
        class_values: As for `score_case`.
        experiment: The row of the experiment table.
        fold: 0-based.
        tolerance_mm: As for `score_case`.
        surfaces: As for `score_case`.
        masked: The group and the classes whose truth is taken to be empty, as the authors' table
            does with labels that a training run did not see. None: the full truth, as the paper
            says.
        ignore: As for `score_case`.
        align: As for `score_case`.

    Returns:
        Table with `SCORE_COLUMNS`, one row per case x class; NaN where a class was not annotated.
    """
    rows = [
        {**scored, "case": case.case, "subject": case.subject, "group": case.group}
        for case, prediction in zip(cases, predictions, strict=True)
        for scored in score_case(
            prediction,
            case.label,
            class_values,
            tolerance_mm=tolerance_mm,
            surfaces=surfaces,
            masked=masked["classes"] if masked and case.group == masked["group"] else (),
            annotated=case.annotated,
            ignore=ignore,
            align=align,
        )
    ]
    columns = [*experiment.row, *CASE_COLUMNS, *METRIC_COLUMNS]
    return pd.DataFrame(rows).assign(**experiment.row, fold=fold).reindex(columns=columns)


def score_folds(
    cases: Sequence[Case],
    table: Path,
    count: int,
    predictions: Mapping[int, Path],
    about: About,
    experiment: Experiment,
    *,
    masked: Mapping[str, Any] | None = None,
    soft: bool = False,
) -> pd.DataFrame:
    """Score what the networks of an experiment predicted for the cases that they held out.

    Args:
        cases: All cases of the dataset.
        table: Fold of each subject.
        count: Number of folds.
        predictions: Fold -> folder of its predictions.
        about: The prepared dataset.
        experiment: The row of the experiment table.
        masked: As for `score_fold`.
        soft: Whether the sums of probabilities take the place of the predicted volumes.

    Returns:
        As `score_fold`, of all these folds.

    Raises:
        InputError: See `score_case`; or a label map is not the one that was checked.
    """
    tables = []
    for fold, folder in predictions.items():
        chosen = list(compress(cases, held_out(cases, table, count, fold)))
        for case in chosen:
            check_originals(case, [case.label])
        files = [folder / f"{case.case}.nii.gz" for case in chosen]
        scores = score_fold(
            chosen,
            files,
            about.class_values,
            experiment,
            fold,
            masked=masked,
            ignore=about.ignore,
            align=about.align,
        )
        tables.append(with_soft_volumes(scores, folder / "soft_volumes.tsv") if soft else scores)
    return pd.concat(tables)


def with_soft_volumes(scores: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put the sums of probabilities in place of the predicted volumes.

    Args:
        scores: From `score_fold`.
        path: Table of the soft volumes in ml: case, and a column per class.

    Returns:
        The table, with the volumes of the label maps moved to `volume_map_ml`; see
        `map_volumes`.
    """
    soft = read_table(path, SOFT_VOLUMES).set_index("case")
    volumes = [soft.at[row["case"], row["class"]] for _, row in scores.iterrows()]
    return scores.assign(volume_pred_ml=volumes, volume_map_ml=scores["volume_pred_ml"])


def map_volumes(scores: pd.DataFrame) -> pd.Series:
    """Volumes (ml) of the predicted label maps: exactly 0 for an empty one, unlike a sum of p."""
    if "volume_map_ml" not in scores:
        return scores["volume_pred_ml"]
    return scores["volume_map_ml"].fillna(scores["volume_pred_ml"])


def read_scores(path: Path | str, columns: Columns = SCORES) -> pd.DataFrame:
    """Read a scores.tsv, or with `TEST_SCORES` a test_scores.tsv.

    Raises:
        InputError: See `files.read_rows`.
    """
    scores = read_table(path, columns)
    return scores.assign(**{k: v for k, v in DEFAULTS.items() if k not in scores})


def collect_scores(
    paths: Iterable[Path | str],
    setups: Iterable[str],
    seeds: Sequence[int] = (),
    columns: Columns = SCORES,
) -> pd.DataFrame:
    """The scores of a whole study, with the name of each experiment's setup.

    Args:
        paths: scores.tsv of each experiment, with each seed in turn.
        setups: Setup of each file; see `study.naming.name_setups`.
        seeds: Those of the study.
        columns: As for `read_scores`.

    Returns:
        One table. A column of defaults alone is left out, and so is that of a single seed.
    """
    pairs = zip(paths, setups, strict=True)
    tables = [read_scores(path, columns).assign(setup=setup) for path, setup in pairs]
    if len(seeds) > 1:
        tables = [table.assign(seed=seed) for table, seed in zip(tables, cycle(seeds))]
    scores = pd.concat(tables, ignore_index=True)
    plain = [name for name, default in DEFAULTS.items() if (scores[name] == default).all()]
    names = (*COLUMNS, "setup", "seed", *scores)
    order = [name for name in names if name in scores and name not in plain]
    return scores[list(dict.fromkeys(order))]


def write_scores(scores: pd.DataFrame, path: Path | str) -> None:
    """Write scores as TSV; NaN becomes `nan`, so that no cell is silently empty."""
    write_table(scores, path)
