"""Which loss to take on labels that are really missing: the last line of such a study."""

import pandas as pd

from dicegrad.evaluation.bootstrap import mean_interval
from dicegrad.study.labeling import AS_ANNOTATED


def recommendation(scores: pd.DataFrame, dataset: str) -> str | None:
    """A sentence: which loss, by how much, and how sure.

    Args:
        scores: scores.tsv; a map that was not annotated has no DSC.
        dataset: One of them.

    Returns:
        None where fewer than two experiments were trained on labels as they were annotated. The
        best and the next best are compared on the annotated maps of held-out cases, with the 95 %
        bootstrap interval of the difference by subject. It is that of the pair as seen: choosing
        the best of several makes it look somewhat better than it is.
    """
    here = scores[(scores["dataset"] == dataset) & (scores["labeling"] == AS_ANNOTATED)]
    here = here.dropna(subset="dsc")
    several = here["batch_size"].nunique() > 1
    names = here["setup"] + (", B = " + here["batch_size"].astype(str) if several else "")
    wide = here.assign(name=names).pivot_table("dsc", ["subject", "case", "class"], "name").dropna()
    if wide.shape[1] < 2 or wide.empty:
        return None
    means = wide.mean().sort_values(ascending=False)
    best, other = means.index[:2]
    found = mean_interval(wide[best] - wide[other], wide.index.get_level_values("subject"))
    on = f"on {len(wide)} annotated maps of held-out cases"
    against = f"DSC {means[best]:.3f} against {means[other]:.3f} of {other}, the next best"
    if not found.low > 0:
        return (
            f"No loss is surely best {on}: {against}, a difference of {found.mean:.3f} "
            f"({_between(found.low, found.high)}). Take {best}, or run more folds"
        )
    return (
        f"Take {best} on these data: {against}, {on}; it is better by {found.mean:.3f} "
        f"({_between(found.low, found.high)})"
    )


def _between(low: float, high: float) -> str:
    return f"95 % interval {low:+.3f} to {high:+.3f}"
