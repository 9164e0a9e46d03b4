"""The numbers printed in the paper, to compare a study with. No result is computed from them.

Bertels et al., "The Dice loss in the context of missing or empty labels", MICCAI 2022, Table 1.
"""

from collections.abc import Mapping

import pandas as pd

from dicegrad.evaluation.roc_curves import AREA_COLUMNS
from dicegrad.reporting.tables import Datasets

# dataset, labeling, B, then I BI I_eps for: DSC kept, DSC missing, delta V kept, delta V missing.
_TABLE1 = """
BRATS full    1  0.89 0.89 0.89  0.89 0.89 0.89   -4  -4  -7   -8   -7   -9
BRATS full    2  0.89 0.89 0.89  0.89 0.88 0.88   -5  -5  -7   -9  -10  -12
BRATS full    4  0.89 0.89 0.89  0.88 0.90 0.89   -6  -5  -7  -11   -7  -11
BRATS full    8  0.89 0.89 0.89  0.89 0.88 0.89   -6  -4  -6  -12  -10   -9
BRATS partial 1  0.89 0.89 0.83  0.88 0.88 0.23   -5  -5 -12  -11  -12  -88
BRATS partial 2  0.89 0.83 0.82  0.88 0.24 0.16   -6 -12 -13  -12  -89  -96
BRATS partial 4  0.89 0.82 0.83  0.88 0.20 0.20   -6 -12 -12  -15  -93  -94
BRATS partial 8  0.89 0.82 0.83  0.88 0.20 0.23   -6 -12 -12  -14  -94  -90
ACDC  full    2  0.88 0.88 0.87  0.89 0.89 0.89   -1   0  -2   -3    0   -3
ACDC  partial 2  0.88 0.80 0.80  0.88 0.08 0.06    0 -11 -14   -5 -129 -131
"""
GROUPS = {"BRATS": ("HGG", "LGG"), "ACDC": ("ED", "ES")}
CLASSES = {"BRATS": "tumor", "ACDC": "MYO"}
SETUPS = ("I", "BI", "I_eps")
# In the legend of the released ACDC figure (partial labels, B = 2); BRATS has none in print.
_AUC = {"I": 0.43, "BI": 0.92, "I_eps": 0.94}


def paper_table1() -> pd.DataFrame:
    """Table 1 of the paper as a long table.

    Returns:
        Columns dataset (BRATS or ACDC), labeling, batch_size, setup, group, class, dsc,
        delta_volume_ml; 60 rows.
    """
    rows = []
    for line in _TABLE1.strip().splitlines():
        dataset, labeling, batch_size, *numbers = line.split()
        for g, group in enumerate(GROUPS[dataset]):
            for s, setup in enumerate(SETUPS):
                rows.append(
                    {
                        "dataset": dataset,
                        "labeling": labeling,
                        "batch_size": int(batch_size),
                        "setup": setup,
                        "group": group,
                        "class": CLASSES[dataset],
                        "dsc": float(numbers[3 * g + s]),
                        "delta_volume_ml": float(numbers[6 + 3 * g + s]),
                    }
                )
    return pd.DataFrame(rows)


def beside_paper(
    table1: pd.DataFrame, datasets: Datasets, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Put the paper's numbers beside a study's.

    Args:
        table1: From `tables.table1`.
        datasets: As for `tables.table1`; groups are matched as kept and missing.
        names: Study's dataset -> `BRATS` or `ACDC`; by default those whose name begins so.

    Returns:
        Rows of table1 that the paper has, with dsc, dsc_paper, dsc_difference (the study's minus
        the paper's) and the same of delta_volume_ml; none for phantoms or other datasets.
    """
    if names is None:
        known = {name: [p for p in GROUPS if name.upper().startswith(p)] for name in datasets}
        names = {name: found[0] for name, found in known.items() if found}
    keys = ["dataset", "labeling", "batch_size", "setup", "group", "class"]
    paper = paper_table1()
    parts = []
    for name, printed in names.items():
        missing = datasets[name]["missing"]
        kept = [group for group in datasets[name]["groups"] if group != missing["group"]]
        if len(kept) != 1 or len(missing["classes"]) != 1:
            continue  # the paper has one column of each kind
        groups = dict(zip(GROUPS[printed], (kept[0], missing["group"]), strict=True))
        part = paper[paper["dataset"] == printed]
        parts.append(
            part.assign(dataset=name, group=part["group"].map(groups)).replace(
                {"class": {CLASSES[printed]: missing["classes"][0]}}
            )
        )
    metrics = ("dsc", "delta_volume_ml")
    kinds = ("", "_paper", "_difference")
    columns = [*keys, "n", *(metric + kind for metric in metrics for kind in kinds)]
    if not parts:
        return pd.DataFrame(columns=columns)
    both = table1.merge(pd.concat(parts), on=keys, suffixes=("", "_paper"))
    for metric in metrics:
        both[f"{metric}_difference"] = both[metric] - both[f"{metric}_paper"]
    return both[columns]


def areas_beside_paper(roc: pd.DataFrame) -> pd.DataFrame:
    """The areas under a study's curves, exact and on the paper's grids, beside the paper's.

    Args:
        roc: roc.tsv.

    Returns:
        One row per curve: `AREA_COLUMNS` and auc_paper, which is NaN where the paper has none.
    """
    seed = ["seed"] if "seed" in roc else []
    areas = roc[[*AREA_COLUMNS, *seed]].drop_duplicates(ignore_index=True)
    acdc = areas["dataset"].astype(str).str.upper().str.startswith("ACDC")
    same = acdc & (areas["labeling"] == "partial") & (areas["batch_size"] == 2)
    return areas.assign(auc_paper=areas["setup"].map(_AUC).astype(float).where(same))
