"""Can a network tell the group whose labels are missing from the others?

Where it cannot, a missing label is one of many labels of images that look alike, and it is learnt
as an empty map only if more than half of them are missing. Two signs are looked for: whether any
network of the study did tell the groups apart, and whether a simple classifier can.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dicegrad.data.adapter import Case
from dicegrad.evaluation.auc import Auc, auc
from dicegrad.evaluation.experiments import NAMED_BY
from dicegrad.evaluation.setups import share_missing
from dicegrad.files import Columns
from dicegrad.study.labeling import FULL

# Groups count as told apart if the area under the ROC curve is this large, and its interval does
# not reach one half.
TOLD_APART = 0.75
# They count as alike only where the interval of the classifier stays below this.
SURE = 0.85
_BLOCKS = 6  # of an image along each axis, whose means the classifier sees
_FOLDS = 5
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

APART = Columns(
    text=("dataset", "labeling", "group", "class", "setup"),
    flags=("alike",),
    rest="number",
)
_COLUMNS = (
    "dataset",
    "labeling",
    "group",
    "class",
    "share_missing",
    "auc_images",
    "auc_images_low",
    "auc_images_high",
    "setup",
    "auc_volumes",
    "auc_volumes_low",
    "auc_volumes_high",
    "alike",
)


@dataclass(frozen=True)
class Images:
    """The prepared images of a dataset.

    Attributes:
        cases: N cases.
        images: (N, C, X, Y, Z), which may lie on the disk.
    """

    cases: Sequence[Case]
    images: npt.NDArray[Any]


def apart_table(
    scores: pd.DataFrame, images: Mapping[str, Images], datasets: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Whether each group that lacks labels can be told from those that have them.

    Args:
        scores: scores.tsv.
        images: Prepared images by dataset.
        datasets: {name: `Dataset.about`}.

    Returns:
        A row for each dataset, labeling, class and group that the labeling takes more labels from
        than from the rest. `share_missing`: of all maps of the class. `auc_images`: area under the
        ROC curve of a classifier that sees block means and quantiles of the images
        (cross-validated, subjects kept together). `auc_volumes`: the largest of any `setup`, of the
        predicted volume as a share of the true one: a network that outputs empty maps for one
        group alone tells it from the others. `alike`: neither tells the groups apart, and there are
        enough cases to see it.
    """
    rows = []
    for name, about in datasets.items():
        of_dataset = scores[scores["dataset"] == name]
        known: dict[str, Auc | None] = {}
        for labeling in of_dataset["labeling"].unique():
            for group, class_name, share in _lacking(of_dataset, about, labeling):
                if group not in known:
                    known[group] = _by_images(images.get(name), group)
                here = of_dataset[of_dataset["labeling"] == labeling]
                setup, by_volume = _by_volumes(here[here["class"] == class_name], group)
                by_image = known[group]
                rows.append(
                    {
                        "dataset": name,
                        "labeling": labeling,
                        "group": group,
                        "class": class_name,
                        "share_missing": share,
                        **_fields("auc_images", by_image),
                        "setup": setup,
                        **_fields("auc_volumes", by_volume),
                        "alike": _is_alike(by_image, by_volume),
                    }
                )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def alike_row(apart: pd.DataFrame | None, where: Mapping[str, str]) -> pd.Series | None:
    """The row on a group that cannot be told from the others, if there is one.

    Args:
        apart: From `apart_table`; None where nobody has looked.
        where: Column -> value; of dataset, labeling, group and class.
    """
    if apart is None or apart.empty:
        return None
    found = apart[apart["alike"] & apart[list(where)].eq(list(where.values())).all(axis=1)]
    return found.iloc[0] if len(found) else None


def _lacking(
    scores: pd.DataFrame, about: Mapping[str, Any], labeling: str
) -> list[tuple[str, str, float]]:
    """Group, class and overall share, where a labeling takes more from a group than on average."""
    found: list[tuple[str, str, float]] = []
    cases = scores.drop_duplicates("case")
    counts = cases["group"].value_counts()
    if labeling == FULL or len(counts) < 2:
        return found
    for class_name in about["classes"]:
        shares = {
            group: share_missing(about, labeling, group, class_name) for group in counts.index
        }
        overall = float(sum(shares[g] * n for g, n in counts.items()) / counts.sum())
        found += [
            (g, class_name, overall)
            for g, share in shares.items()
            if share > overall and not math.isclose(share, overall)
        ]
    return found


def _by_volumes(scores: pd.DataFrame, group: str) -> tuple[str, Auc | None]:
    """How well predicted over true volume tells a group, in the setup that does best."""
    best: tuple[str, Auc | None] = ("", None)
    drawn = scores[scores["volume_true_ml"] > 0]
    for keys, cases in drawn.groupby(NAMED_BY, sort=False):
        positive = (cases["group"] != group).to_numpy()
        if positive.all() or not positive.any():
            continue
        found = (cases["volume_pred_ml"] / cases["volume_true_ml"]).to_numpy()
        area = auc(found, positive, cases["subject"].to_numpy())
        if best[1] is None or area.value > best[1].value:
            best = str(keys[NAMED_BY.index("setup")]), area
    return best


def _by_images(images: Images | None, group: str) -> Auc | None:
    """How well a ridge classifier of coarse images tells a group from the others."""
    if images is None:
        return None
    positive = np.array([case.group != group for case in images.cases])
    subjects = np.array([case.subject for case in images.cases])
    owners = np.unique(subjects)
    if positive.all() or not positive.any() or len(owners) < 4 * _FOLDS:
        return None
    seen = np.array([features(image) for image in images.images])
    seen = (seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-6)
    kernel = seen @ seen.T / seen.shape[1]
    fold_of = dict(
        zip(np.random.default_rng(0).permutation(owners), range(len(owners)), strict=True)
    )
    folds = np.array([fold_of[subject] % _FOLDS for subject in subjects])
    margin = np.zeros(len(positive))
    for fold in range(_FOLDS):
        out, known = folds == fold, folds != fold
        target = positive[known] - positive[known].mean()
        ridge = kernel[np.ix_(known, known)] + np.eye(known.sum())
        margin[out] = kernel[np.ix_(out, known)] @ np.linalg.solve(ridge, target)
    return auc(margin, positive, subjects)


def features(image: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What a simple classifier sees of an image: means of blocks, quantiles and deviation.

    Args:
        image: (C, X, Y, Z).
    """
    found = []
    for channel in np.asarray(image, np.float32):
        blocks = channel
        for axis, length in enumerate(channel.shape):
            edges = np.linspace(0, length, min(_BLOCKS, length) + 1).astype(int)[:-1]
            sizes = np.diff([*edges, length]).reshape([-1 if a == axis else 1 for a in range(3)])
            blocks = np.add.reduceat(blocks, edges, axis=axis) / sizes
        spread = [*np.quantile(channel, _QUANTILES), channel.std(), (channel**3).mean()]
        found.append(np.concatenate([blocks.ravel(), spread]))
    return np.concatenate(found).astype(float)


def _is_alike(by_image: Auc | None, by_volume: Auc | None) -> bool:
    """Whether the images were looked at closely enough, and nothing tells the groups apart."""
    looked = by_image is not None and by_image.high < SURE
    return looked and not any(map(_tells, (by_image, by_volume)))


def _tells(area: Auc | None) -> bool:
    return area is not None and area.value >= TOLD_APART and area.low > 0.5


def _fields(name: str, area: Auc | None) -> dict[str, float]:
    values = (area.value, area.low, area.high) if area else (float("nan"),) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
