"""What has to be in a study for a table or figure to say something."""

from dicegrad.study import Study
from dicegrad.study.labeling import FULL


def has_other_losses(study: Study) -> bool:
    """Whether I and a loss besides Dice are trained on the same partial labels."""
    named: dict[tuple[str, str, int], set[str]] = {}
    for each in study.experiments:
        if each.labeling != FULL and (each.loss != "dice" or study.setups[each] == "I"):
            here = named.setdefault((each.dataset, each.labeling, each.batch_size), set())
            here.add(study.setups[each])
    return any("I" in setups and len(setups) > 1 for setups in named.values())


def has_sweep(study: Study) -> bool:
    """Whether image-wise Dice is trained with three epsilons or more, all else the same.

    Two points, such as those of I and I_eps, show no transition that Table 1 does not.
    """
    epsilons: dict[tuple[str, str, str, int], set[str]] = {}
    for each in study.experiments:
        if each.loss == "dice" and each.phi == "I":
            line = (each.dataset, each.labeling, each.unannotated, each.batch_size)
            epsilons.setdefault(line, set()).add(each.epsilon)
    return any(len(found) > 2 for found in epsilons.values())


def has_partial(study: Study) -> bool:
    """Whether something is trained on labels that lack something."""
    return any(each.labeling != FULL for each in study.experiments)


def has_groups(study: Study) -> bool:
    """Whether a labeling takes maps from some groups alone, which a volume can then tell."""
    trained = {(each.dataset, each.labeling) for each in study.experiments}
    return any(
        removal.group is not None and removal.slices is None
        for dataset, labeling in trained
        for removal in study.datasets[dataset].labeling(labeling).removals
    )


def has_gaps(study: Study) -> bool:
    """Whether one dataset is trained under several labelings that lack something."""
    return any(len(set(study.labelings(name)) - {FULL}) > 1 for name in study.datasets)


def has_test(study: Study) -> bool:
    """Whether a dataset has a test set that is scored."""
    return any(dataset.block("test") for dataset in study.datasets.values())
