"""`suspects`: maps without a true voxel in which a blind network sees the structure all the same.

A Dice loss with phi I and a small epsilon has no gradient in a map without a true voxel. A network
trained with it says nothing of whether such a map is empty or missing, so that what it predicts
there, in a case that it was not trained on, is evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicegrad.arrays import open_array
from dicegrad.data.cases import read_cases
from dicegrad.errors import InputError
from dicegrad.prediction.inference import build_network, probabilities
from dicegrad.preprocessing.about import read_about
from dicegrad.preprocessing.coding import Coding
from dicegrad.study.experiment import Experiment, epsilon_number
from dicegrad.study.paths import labels_file
from dicegrad.training.checkpoint import Weights, load_weights
from dicegrad.training.network import NetworkSettings

_BLIND = 1.0  # voxels; a larger epsilon pushes empty maps down
_LIKELY = 0.5  # from here on a voxel is of a class that may overlap others


_Picture = tuple[np.ndarray, np.ndarray]  # image and prediction of a slice


@dataclass(frozen=True)
class Suspect:
    """A map without a true voxel in the labels that were trained on.

    Attributes:
        experiment: Folder of the experiment.
        case: The case.
        group: Its group.
        name: The class.
        plausibility: Geometric mean of the three parts below, 0 to 1.
        volume: How well the predicted volume fits the filled maps of the class: 1 within their
            range, below it their smallest share of it, above it the largest by it.
        probability: Mean probability of the predicted voxels; 0 if there is none.
        agreement: Mean DSC of that prediction with those of the other folds' networks; NaN if
            there is a single fold.
        voxels: Predicted voxels, on the grid of the network.
        missing: Whether the full labels, if the study has them, hold the structure.
    """

    experiment: str
    case: str
    group: str
    name: str
    plausibility: float
    volume: float
    probability: float
    agreement: float
    voxels: int
    missing: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with `class` for the class."""
        given = asdict(self)
        name = given.pop("name")
        return {"class": name, **given}


_Found = tuple[Suspect, _Picture]


@dataclass(frozen=True)
class Suspects:
    """Maps without a true voxel, the most plausible structures first.

    Attributes:
        suspects: The maps.
        pictures: Of the first ones: image and prediction of the slice that shows most of it.
    """

    suspects: tuple[Suspect, ...]
    pictures: tuple[_Picture, ...]


def find_suspects(results: Path, resources: Path | None = None, pictures: int = 12) -> Suspects:
    """Rank the maps without a true voxel of a study by how plausible the predicted structure is.

    A map that several experiments predict is there once, with its most plausible prediction.

    Args:
        results: Folder of a study, such as results/demo, with weights of Dice I.
        resources: Where its prepared datasets lie; by default resources/ beside results/.
        pictures: How many of the first ones to keep images of.

    Raises:
        InputError: There is no such experiment, or a file is missing.
    """
    results = Path(results)
    place = Path(resources) if resources else results.resolve().parent.parent / "resources"
    folders = sorted({path.parent.parent for path in results.glob("dataset~*/**/weights.pt")})
    blind = [(folder, e) for folder in folders if (e := _blind(folder.as_posix())) is not None]
    if not blind:
        raise InputError(
            f"{results}: no weights of Dice with phi I and an epsilon below {_BLIND:g}, which is "
            "blind to maps without a true voxel; train such a row on the labels in question"
        )
    found: list[_Found] = []
    for folder, experiment in blind:
        name = folder.relative_to(results).as_posix()
        found += _of_experiment(folder, name, experiment, place / experiment.dataset)
    if not found:
        raise InputError(f"{results}: every map that was trained on holds a true voxel")
    found.sort(key=lambda each: (-each[0].plausibility, each[0].case, each[0].name))
    first: dict[tuple[str, str, str], _Found] = {}
    for each in found:
        first.setdefault(_map_of(each[0]), each)
    ranked = list(first.values())
    shown = tuple(picture for _, picture in ranked[:pictures])
    return Suspects(tuple(suspect for suspect, _ in ranked), shown)


def _map_of(suspect: Suspect) -> tuple[str, str, str]:
    return Experiment.from_path(suspect.experiment).dataset, suspect.case, suspect.name


def ranking(suspects: Sequence[Suspect], k: int) -> dict[str, float]:
    """How well plausibility tells missing maps from empty ones, where the full labels are known.

    Args:
        suspects: As ranked.
        k: How many are looked at, at least 1.

    Returns:
        ``auc`` (NaN unless there are maps of both kinds), ``precision`` among the first k, ``k``,
        and how many are ``missing`` and ``empty``.
    """
    from scipy.stats import rankdata

    known = [each for each in suspects if each.missing is not None]
    missing = np.array([bool(each.missing) for each in known], dtype=bool)
    ranks = rankdata([each.plausibility for each in known]) if known else np.zeros(0)
    hits, others = int(missing.sum()), int((~missing).sum())
    auc = float("nan")
    if hits and others:
        auc = float((ranks[missing].sum() - hits * (hits + 1) / 2) / (hits * others))
    first = missing[:k]
    precision = float(first.mean()) if len(first) else float("nan")
    return {
        "auc": auc,
        "precision": precision,
        "k": len(first),
        "missing": hits,
        "empty": others,
    }


def _blind(path: str) -> Experiment | None:
    """The experiment of a folder, if its loss is blind to maps without a true voxel."""
    experiment = Experiment.from_path(path)
    if experiment.loss != "dice" or experiment.phi != "I" or experiment.multiple is not None:
        return None
    return experiment if epsilon_number(experiment.epsilon) < _BLIND else None


def _of_experiment(folder: Path, name: str, experiment: Experiment, place: Path) -> list[_Found]:
    cases = read_cases(place / "cases.tsv")
    shape = (len(cases), None, None, None)
    images = open_array(place / "images.npy", np.float16, (len(cases), None, None, None, None))
    labels = open_array(place / labels_file(experiment.labeling), np.uint8, shape)
    full = open_array(place / "labels.npy", np.uint8, shape)
    about = read_about(place / "prepared.json")
    classes, coding = about.classes, Coding.of(about.class_values, about.classes)
    volumes = np.array([coding.counts(label) for label in labels])
    if volumes.all():
        return []
    weights = [_weights(path) for path in sorted(folder.glob("fold~*/weights.pt"))]
    networks = [
        build_network(NetworkSettings(**each.trained.network), each)  # type: ignore[union-attr]
        for each in weights
    ]
    differs = any(not np.array_equal(labels[i], full[i]) for i in range(len(cases)))
    found = []
    for number, case in enumerate(cases):
        without = np.flatnonzero((volumes[number] == 0) & volumes.any(axis=0))
        own = next((i for i, w in enumerate(weights) if _held_out(w, case.case)), None)
        if not len(without) or own is None:
            continue
        maps = [probabilities(network, images[number]) for network in networks]
        there = coding.counts(full[number]) > 0
        for k in without.tolist():
            filled = volumes[:, k]
            missing = bool(there[k]) if differs else None
            masks = [_mask(each, k, coding.overlapping) for each in maps]
            parts = _parts(masks, own, maps[own][k + 1], filled[filled > 0])
            suspect = Suspect(name, case.case, case.group, classes[k], **parts, missing=missing)
            found.append((suspect, _picture(images[number], masks[own])))
    return found


def _picture(image: np.ndarray, mask: np.ndarray) -> _Picture:
    """The first channel and the mask in the slice that shows most of the mask."""
    z = int(mask.sum((0, 1)).argmax())
    return np.asarray(image[0, :, :, z], dtype=float), mask[:, :, z]


def _mask(maps: np.ndarray, k: int, overlapping: bool) -> np.ndarray:
    """The voxels predicted as the k-th class, of (K + 1, X, Y, Z) probabilities."""
    if overlapping:
        return maps[k + 1] > _LIKELY
    return maps.argmax(0) == k + 1


def _parts(
    masks: Sequence[np.ndarray], own: int, likely: np.ndarray, filled: np.ndarray
) -> dict[str, Any]:
    """What is predicted in a map, and how plausible that is."""
    mask = masks[own]
    voxels = int(mask.sum())
    low, high = int(filled.min()), int(filled.max())
    volume = min(1.0, voxels / low, high / max(voxels, 1))
    probability = float(likely[mask].mean()) if voxels else 0.0
    others = [_dice(mask, each) for i, each in enumerate(masks) if i != own]
    agreement = float(np.mean(others)) if others else float("nan")
    counted = [volume, probability, *([agreement] if others else [])]
    plausibility = float(np.prod(counted) ** (1 / len(counted)))
    return {
        "plausibility": plausibility,
        "volume": volume,
        "probability": probability,
        "agreement": agreement,
        "voxels": voxels,
    }


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    total = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0


def _weights(path: Path) -> Weights:
    weights = load_weights(path)
    if weights.trained is None:
        raise InputError(
            f"{path}: does not say which cases it was trained on, since an earlier version wrote "
            "it; train it again"
        )
    return weights


def _held_out(weights: Weights, case: str) -> bool:
    return weights.trained is not None and case not in weights.trained.training_cases


def as_rows(suspects: Sequence[Suspect]) -> list[Mapping[str, Any]]:
    """Rows of suspects.tsv."""
    return [{"rank": rank, **suspect.to_dict()} for rank, suspect in enumerate(suspects, start=1)]
