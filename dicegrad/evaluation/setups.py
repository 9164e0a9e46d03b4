"""Names for what an experiment row configures: the paper's I, BI, I_eps, marginal, leaf; CE."""

from collections.abc import Iterable

import pandas as pd

from dicegrad.errors import InputError
from dicegrad.preprocessing.epsilon import HEURISTIC, NONE, heuristic_multiple
from dicegrad.preprocessing.labeling import missing_share

# Below one voxel, the gradient epsilon / (v + epsilon)^2 of an empty map (Eq. 4) is less than
# 4 / v of what batch-wise reduction gives: negligible for any structure worth segmenting.
NEGLIGIBLE_EPSILON = 1.0
CE = "CE"


def setup_name(loss: str, phi: str, epsilon: str | float) -> str:
    """Name the setup of one experiment row.

    Args:
        loss: `dice`, `marginal`, `leaf`, `dice_ce` or `cross_entropy`.
        phi: Reduction: `I`, `CI`, `BI` or `BCI`.
        epsilon: A number of voxels (may be text), `heuristic`, or a multiple of it.

    Returns:
        `marginal`, `leaf`, or `CE` for cross-entropy; of Dice phi where epsilon is negligible
        (under one voxel), phi + `_eps` where it is the heuristic (`_0.1eps` for a tenth of it), and
        phi + `_` + the number where it is another number. `+CE` follows where cross-entropy is
        added.

    Raises:
        InputError: epsilon is none of these.

    Example:
        >>> setup_name("dice", "I", "1e-7"), setup_name("dice", "I", "heuristic")
        ('I', 'I_eps')
        >>> setup_name("dice", "BI", 1e-7), setup_name("leaf", "I", 1e-7)
        ('BI', 'leaf')
        >>> setup_name("dice", "I", 8789), setup_name("dice", "I", "0.1xheuristic")
        ('I_8789', 'I_0.1eps')
        >>> setup_name("dice_ce", "I", "1e-7"), setup_name("cross_entropy", "none", "none")
        ('I+CE', 'CE')
    """
    if loss == "cross_entropy":
        return CE
    if loss == "dice_ce":
        return f"{setup_name('dice', phi, epsilon)}+{CE}"
    if loss != "dice":
        return loss if phi == "I" else f"{loss}_{phi}"
    if str(epsilon) == HEURISTIC:
        return f"{phi}_eps"
    multiple = heuristic_multiple(str(epsilon))
    if multiple is not None:
        return f"{phi}_{multiple:g}eps"
    value = epsilon_value(epsilon)
    return phi if value < NEGLIGIBLE_EPSILON else f"{phi}_{value:g}"


def epsilon_value(epsilon: str | float) -> float:
    """Read a numeric epsilon (voxels, >= 0).

    Raises:
        InputError: It is not such a number.
    """
    try:
        value = float(epsilon)
    except ValueError:
        value = float("nan")
    if not value >= 0:
        raise InputError(f"epsilon: {epsilon!r} is neither a number >= 0 nor '{HEURISTIC}'")
    return value


def sort_labelings(labelings: Iterable[str]) -> list[str]:
    """Unique labelings, the more labels are missing the later.

    Example:
        >>> sort_labelings(["partial", "full", "partial-50", "partial"])
        ['full', 'partial-50', 'partial']
    """
    return sorted(set(labelings), key=missing_share)


def with_missing_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each dataset's labeling with the most missing labels: `partial` where it is.

    Args:
        table: Columns dataset and labeling (and any other).

    Returns:
        Those rows; none of a dataset that was only trained on full labels.
    """
    shares = table["labeling"].map(missing_share).astype(float)
    most = shares.groupby(table["dataset"]).transform("max")
    return table[(shares == most) & (shares > 0)]


def add_setup(scores: pd.DataFrame) -> pd.DataFrame:
    """Give every row its setup, and keep rows of different epsilon apart.

    Args:
        scores: Columns dataset, labeling, loss, phi, epsilon, batch_size (and any other).

    Returns:
        A copy with the text column `setup`. Where one study holds several negligible epsilons of
        the same reduction, the smallest keeps the plain name and the others carry their epsilon as
        it is written, so that no two experiments are pooled by accident.
    """
    named = scores.assign(epsilon=scores["epsilon"].astype(str))
    keys = ["dataset", "loss", "phi", "epsilon"]
    kinds = named[keys].drop_duplicates()
    kinds = kinds.assign(
        setup=[setup_name(*row) for row in kinds[keys[1:]].to_numpy()],
        size=[_size(epsilon) for epsilon in kinds["epsilon"]],
    ).sort_values("size", kind="stable")
    again = kinds.duplicated(["dataset", "setup"])
    kinds.loc[again, "setup"] = [
        _marked(*row) for row in kinds.loc[again, ["setup", "epsilon"]].to_numpy()
    ]
    return named.drop(columns="setup", errors="ignore").merge(
        kinds.drop(columns="size"), on=keys, how="left", validate="many_to_one"
    )


def _size(epsilon: str) -> float:
    """What to sort the epsilons of a study by: voxels, or multiples of the heuristic."""
    if epsilon == NONE:
        return 0.0
    return heuristic_multiple(epsilon) or epsilon_value(epsilon)


def _marked(setup: str, epsilon: str) -> str:
    """A setup with its epsilon as it is written: `I_1e-5`, `I_1e-5+CE`."""
    dice, plus, added = setup.partition("+")
    return f"{dice}_{epsilon}{plus}{added}"
