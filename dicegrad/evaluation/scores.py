"""From prediction files to `scores.tsv`: one row per case x class."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.data.volumes import Header, geometry_problem, read_volume
from dicegrad.errors import InputError
from dicegrad.evaluation.metrics import dice, hd95_of, surface_dice_of, surface_distances

EXPERIMENT_COLUMNS = ("dataset", "labeling", "loss", "phi", "epsilon", "batch_size")
SCORE_COLUMNS = (
    *EXPERIMENT_COLUMNS,
    *("fold", "case", "subject", "group", "class"),
    *("dsc", "volume_true_ml", "volume_pred_ml", "hd95_mm", "surface_dice"),
)
NUMBERS = ("dsc", "volume_true_ml", "volume_pred_ml", "hd95_mm", "surface_dice", "volume_map_ml")
REQUIRED = SCORE_COLUMNS[:-2]  # the surface metrics may be left out
TOLERANCE_MM = 2.0


def score_case(
    prediction_path: Path | str,
    label_path: Path | str,
    class_values: Mapping[str, tuple[int, ...]],
    *,
    tolerance_mm: float = TOLERANCE_MM,
    surfaces: bool = True,
    masked: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Score one predicted label map against the full truth, at the original resolution.

    Args:
        prediction_path: NIfTI label map (X, Y, Z) in the dataset's own label values.
        label_path: NIfTI truth on the same grid.
        class_values: For each class, the label values that belong to it in either file.
        tolerance_mm: What the surface Dice forgives.
        surfaces: Also HD95 and surface Dice (else NaN); about 0.1 s a class.
        masked: Classes whose truth is taken for empty.

    Returns:
        One row per class: class, dsc, volume_true_ml, volume_pred_ml, hd95_mm, surface_dice.
        Volumes are voxel count times the header's voxel volume. DSC is 1 where truth and
        prediction are both empty, 0 where one of them is.

    Raises:
        InputError: A file cannot be read, the two lie on different voxels, or a label value is not
            an integer or, in the prediction, not one of the classes'.
    """
    label_path, prediction_path = Path(label_path), Path(prediction_path)
    truth, where = _read_labels(label_path)
    prediction, predicted_where = _read_labels(prediction_path)
    if problem := geometry_problem(label_path, where, prediction_path, predicted_where):
        raise InputError(problem)
    spacing = where.grid.spacing
    _check_values(prediction, class_values, prediction_path)
    rows = []
    for name, values in class_values.items():
        masks = np.isin(truth, () if name in masked else values), np.isin(prediction, values)
        rows.append({"class": name, **_score_masks(*masks, spacing, tolerance_mm, surfaces)})
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
    cases: pd.DataFrame,
    predictions: Iterable[Path | str],
    class_values: Mapping[str, tuple[int, ...]],
    experiment: Mapping[str, Any],
    fold: int,
    *,
    tolerance_mm: float = TOLERANCE_MM,
    surfaces: bool = True,
    masked: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Score the held-out cases of one experiment and fold.

    Args:
        cases: Rows of cases.tsv (case, subject, group, label) that the fold holds out.
        predictions: One file per case, in the same order.
        class_values: As for `score_case`.
        experiment: dataset, labeling, loss, phi, epsilon (text), batch_size.
        fold: 0-based.
        tolerance_mm: As for `score_case`.
        surfaces: As for `score_case`.
        masked: The group and the classes whose truth is taken for empty, as the authors' table
            does with what a training did not see. None, as the paper says: the full truth.

    Returns:
        Table with `SCORE_COLUMNS`, one row per case x class.
    """
    rows = [
        {**scored, "case": case.case, "subject": case.subject, "group": case.group}
        for case, prediction in zip(cases.itertuples(), predictions, strict=True)
        for scored in score_case(
            prediction,
            case.label,
            class_values,
            tolerance_mm=tolerance_mm,
            surfaces=surfaces,
            masked=masked["classes"] if masked and case.group == masked["group"] else (),
        )
    ]
    table = pd.DataFrame(rows).assign(
        **{key: experiment[key] for key in EXPERIMENT_COLUMNS}, fold=fold
    )
    return table.reindex(columns=list(SCORE_COLUMNS))


def with_soft_volumes(scores: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Put the sums of probabilities in place of the predicted volumes.

    Args:
        scores: Of `score_fold`.
        path: Table of the soft volumes in ml: case, and a column per class.

    Returns:
        The table with what were the predicted volumes in `volume_map_ml`; see `map_volumes`.
    """
    soft = pd.read_csv(path, sep="\t", dtype={"case": str}).set_index("case")
    volumes = [soft.at[row["case"], row["class"]] for _, row in scores.iterrows()]
    return scores.assign(volume_pred_ml=volumes, volume_map_ml=scores["volume_pred_ml"])


def map_volumes(scores: pd.DataFrame) -> pd.Series:
    """Volumes (ml) of the predicted label maps: 0 where one is empty, as no sum of p ever is."""
    if "volume_map_ml" not in scores:
        return scores["volume_pred_ml"]
    return scores["volume_map_ml"].fillna(scores["volume_pred_ml"])


def read_scores(paths: Iterable[Path | str] | Path | str) -> pd.DataFrame:
    """Read one or more scores.tsv as one table.

    Names stay text (a group may be called `NA`, an epsilon `1e-7`); only `NUMBERS` may be missing.

    Raises:
        InputError: A column is absent, or a number is not one.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    return pd.concat([_read_one(Path(path)) for path in paths], ignore_index=True)


def _read_one(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    absent = [column for column in REQUIRED if column not in table]
    if absent:
        raise InputError(f"{path}: column {', '.join(absent)} is missing; have {list(table)}")
    numbers = [column for column in NUMBERS if column in table]
    try:
        return table.assign(
            **{c: [float(text or "nan") for text in table[c]] for c in numbers},
            **{c: table[c].astype(int) for c in ("batch_size", "fold")},
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}; fix the value or score the fold again") from error


def write_scores(scores: pd.DataFrame, path: Path | str) -> None:
    """Write a table as TSV; NaN becomes `nan`, so that no cell is silently empty."""
    scores.to_csv(path, sep="\t", index=False, na_rep="nan", float_format="%.8g")


def _read_labels(path: Path) -> tuple[npt.NDArray[np.int64], Header]:
    """Label map (X, Y, Z) as integers, and where it lies."""
    volume = read_volume(path)
    values = volume.voxels
    if not np.issubdtype(values.dtype, np.integer):
        rounded = np.rint(values)
        if not np.array_equal(rounded, values) or np.abs(rounded).max() > 2**24:
            raise InputError(f"{path}: label values are not all integers; save a label map")
        values = rounded
    return values.astype(np.int64), volume.header


def _check_values(
    prediction: npt.NDArray[np.int64],
    class_values: Mapping[str, tuple[int, ...]],
    path: Path,
) -> None:
    known = {0}.union(*class_values.values())
    unknown = sorted(set(np.unique(prediction).tolist()) - known)
    if unknown:
        raise InputError(
            f"{path}: label value {unknown[0]} belongs to no class of {dict(class_values)}"
        )
