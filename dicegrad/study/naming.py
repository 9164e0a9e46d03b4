"""Names of setups: what an experiment is called in every table and figure of its study."""

import re
from collections.abc import Iterable

from dicegrad.study.experiment import Experiment, epsilon_number, heuristic_multiple
from dicegrad.study.losses import AS_EMPTY, LOSSES, NONE

# Below one voxel, the gradient epsilon / (v + epsilon)^2 of an empty map (Eq. 4) is less than
# 4 / v of what batch-wise reduction gives: negligible for any structure worth segmenting.
NEGLIGIBLE_EPSILON = 1.0


def setup_name(loss: str, phi: str, epsilon: str, unannotated: str = AS_EMPTY) -> str:
    """Name the setup of one experiment.

    Args:
        loss: A key of `LOSSES`.
        phi: Reduction.
        epsilon: A number of voxels, `heuristic`, a multiple of it, or `none`.
        unannotated: How the loss treats a map that is not annotated.

    Returns:
        What `LOSSES` calls it. The Dice term is called phi where epsilon is negligible (under one
        voxel), phi + `_eps` where it is the heuristic (`_0.1eps` for a tenth of it), and phi + `_`
        + the number where it is another number. Another `unannotated` than `as_empty` follows
        after a comma.

    Example:
        >>> setup_name("dice", "I", "1e-7"), setup_name("dice", "I", "heuristic")
        ('I', 'I_eps')
        >>> setup_name("dice", "I", "8789"), setup_name("dice", "I", "0.1xheuristic")
        ('I_8789', 'I_0.1eps')
        >>> setup_name("leaf", "I", "1e-7"), setup_name("dice_ce", "I", "1e-7")
        ('leaf', 'I+CE')
        >>> setup_name("dice", "BI", "1e-7", "ignored")
        'BI,ignored'
    """
    name = LOSSES[loss].setup.format(dice=_dice_name(phi, epsilon))
    return name if unannotated == AS_EMPTY else f"{name},{unannotated}"


def _dice_name(phi: str, epsilon: str) -> str:
    if epsilon == NONE:
        return phi
    multiple = heuristic_multiple(epsilon)
    if multiple is not None:
        return f"{phi}_eps" if multiple == 1 else f"{phi}_{multiple:g}eps"
    value = epsilon_number(epsilon)
    return phi if value < NEGLIGIBLE_EPSILON else f"{phi}_{value:g}"


def name_setups(experiments: Iterable[Experiment]) -> dict[Experiment, str]:
    """Name the setups of a whole study, once, so that an experiment has one name everywhere.

    Where a dataset has several negligible epsilons of one reduction, the smallest keeps the plain
    name and the others carry their epsilon as it is written: no two experiments are pooled by
    accident.

    Example:
        >>> rows = [Experiment("d", "full", "dice", "I", "1e-7", 2),
        ...         Experiment("d", "partial", "dice", "I", "1e-5", 2)]
        >>> list(name_setups(rows).values())
        ['I', 'I_1e-5']
    """
    experiments = list(experiments)
    owners: dict[tuple[str, str], float] = {}
    for each in sorted(experiments, key=_epsilon_size):
        owners.setdefault((each.dataset, _setup(each)), _epsilon_size(each))
    return {
        each: _setup(each)
        if owners[each.dataset, _setup(each)] == _epsilon_size(each)
        else _marked(_setup(each), each.epsilon)
        for each in experiments
    }


def _setup(experiment: Experiment) -> str:
    return setup_name(experiment.loss, experiment.phi, experiment.epsilon, experiment.unannotated)


def _epsilon_size(experiment: Experiment) -> float:
    """What to sort the epsilons of a study by: voxels, or multiples of the heuristic."""
    if experiment.epsilon == NONE:
        return 0.0
    return experiment.multiple or epsilon_number(experiment.epsilon)


def _marked(setup: str, epsilon: str) -> str:
    """A setup with its epsilon as it is written: `I_1e-5`, `I_1e-5+CE`."""
    found = re.match(r"[A-Za-z_.0-9-]+", setup)
    base = found[0] if found else setup
    return f"{base}_{epsilon}{setup.removeprefix(base)}"
