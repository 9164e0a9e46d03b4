"""Where files lie: prepared datasets in resources/, results of a study in results/<study>/."""

import re
from collections.abc import Iterable, Sequence

from dicegrad.study.experiment import Experiment
from dicegrad.study.labeling import AS_ANNOTATED, FULL
from dicegrad.study.losses import ANNOTATED, AS_EMPTY, annotated_only
from dicegrad.study.study import Study

_ALWAYS = ("cases.tsv", "folds.tsv", "images.npy", "labels.npy", "prepared.json")
# Of a training run with another seed than the first, between experiment and fold.
SEEDED = r"(?:/seed~\d+)?"
_OF_FOLDS = ("weights.pt", "history.tsv", "predictions")


def labels_file(labeling: str) -> str:
    """The training labels, below resources/<dataset>/; full labels are those that were prepared."""
    return "labels.npy" if labeling in (FULL, AS_ANNOTATED) else f"labels/{labeling}.npy"


def epsilon_file(experiment: Experiment) -> str:
    """The table of heuristic epsilons that an experiment would take its own from."""
    counted = ANNOTATED if annotated_only(experiment.unannotated) else ""
    return f"epsilon/{experiment.labeling}{counted}.tsv"


def needed_epsilon(experiment: Experiment) -> str | None:
    """As `epsilon_file`; None for an experiment that does not ask for the heuristic."""
    return None if experiment.multiple is None else epsilon_file(experiment)


def epsilon_files(study: Study) -> dict[str, bool]:
    """The tables of heuristic epsilons of all labelings that a study trains on.

    Returns:
        Path: whether only annotated maps count in it.
    """
    return {
        f"resources/{each.dataset}/{epsilon_file(each)}": annotated_only(each.unannotated)
        for each in study.experiments
    }


def annotated_file(experiment: Experiment) -> str | None:
    """The table of what is annotated; None for a loss that does not know it."""
    if experiment.unannotated == AS_EMPTY:
        return None
    return f"annotated/{experiment.labeling}.tsv"


def prepared_files(study: Study) -> list[str]:
    """What the training runs of a study need of resources/."""
    files = [f"resources/{dataset}/{name}" for dataset in study.datasets for name in _ALWAYS]
    for each in study.experiments:
        needed = (labels_file(each.labeling), needed_epsilon(each))
        files += [f"resources/{each.dataset}/{name}" for name in needed if name]
    return list(dict.fromkeys(files))


def seeded(study: Study, seed: int) -> str:
    """What follows the folder of an experiment for one of the seeds.

    Nothing for the first, so that a study which gets more seeds keeps the results that it has.
    """
    return "" if seed == study.seeds[0] else f"/seed~{seed}"


def seed_of(study: Study, folder: str) -> int:
    """The seed of the training runs in a folder; those of the first do not name it.

    Args:
        study: The study.
        folder: With or without `seed~<n>`, such as `seeded` gives it.
    """
    found = re.search(r"(?:^|/)seed~(\d+)(?:/|$)", folder)
    return int(found[1]) if found else study.seeds[0]


def fold_files(
    study: Study,
    experiments: Iterable[Experiment],
    name: str,
    seeds: Iterable[int] | None = None,
) -> list[str]:
    """One file of each fold of each experiment, with each of the seeds (all, if None)."""
    return [
        f"results/{study.name}/{each.path}{seeded(study, seed)}/fold~{fold}/{name}"
        for each in experiments
        for seed in (study.seeds if seeds is None else seeds)
        for fold in study.folds(each.dataset)
    ]


def seed_files(study: Study, experiments: Iterable[Experiment], name: str) -> list[str]:
    """One file of each experiment and seed, all folds together."""
    return [
        f"results/{study.name}/{each.path}{seeded(study, seed)}/{name}"
        for each in experiments
        for seed in study.seeds
    ]


def score_files(study: Study) -> list[str]:
    """The scores of each experiment, with each seed."""
    return seed_files(study, study.experiments, "scores.tsv")


def test_files(study: Study, name: str) -> list[str]:
    """One file of each experiment and seed on a dataset with a test set that is scored."""
    tested = [each for each in study.experiments if study.datasets[each.dataset].block("test")]
    return seed_files(study, tested, name)


def settings_files(study: Study) -> list[str]:
    """The copy of what the user wrote."""
    names = [
        "config.yaml",
        "experiments.tsv",
        *(f"datasets/{name}.yaml" for name in study.datasets),
    ]
    return [f"results/{study.name}/study/{name}" for name in names]


def study_files(study: Study, wanted: Sequence[str]) -> list[str]:
    """What a reader of a study wants, and what that was made of.

    A file that a failed rerun has lost is a target, so that the next run makes it again.

    Args:
        study: The study.
        wanted: Its tables and figures, below results/<study>/.
    """
    files = [f"results/{study.name}/{name}" for name in wanted]
    for name in _OF_FOLDS:
        files += fold_files(study, study.experiments, name)
    for name in ("test_predictions", "test_scores.tsv"):
        files += test_files(study, name)
    return files + score_files(study) + settings_files(study)
