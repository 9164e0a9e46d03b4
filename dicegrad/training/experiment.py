"""One row of the experiment table, one fold: from prepared files to a trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dicegrad.checksums import verify
from dicegrad.data.adapter import Case
from dicegrad.data.cases import read_cases
from dicegrad.errors import InputError
from dicegrad.logs import Report
from dicegrad.preprocessing.epsilon import read_epsilon
from dicegrad.preprocessing.folds import held_out, validation_part
from dicegrad.preprocessing.labeling import read_annotated
from dicegrad.provenance import TRAINING, made_by
from dicegrad.study.experiment import Experiment, epsilon_number
from dicegrad.study.labeling import FULL
from dicegrad.study.losses import NONE
from dicegrad.study.paths import annotated_file, epsilon_file, labels_file
from dicegrad.study.regions import overlap
from dicegrad.training.dataset import PreparedData, load_prepared
from dicegrad.training.loop import train
from dicegrad.training.network import NetworkSettings, UNet
from dicegrad.training.objective import Objective, Wanted, make_objective
from dicegrad.training.opening import labeling_words, longer, validated_words
from dicegrad.training.run import Split, derive_seed
from dicegrad.training.seen import seen_in
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.trained import Source, Trained


@dataclass(frozen=True)
class PreparedFiles:
    """What preprocessing left of a dataset under one labeling.

    Attributes:
        cases: Case table.
        folds: Fold of each subject.
        images: (N, C, X, Y, Z) array.
        labels: (N, X, Y, Z) array of the labeling.
        epsilon: Heuristic epsilons of the labeling, for experiments that ask for them.
        annotated: Which maps are annotated, for losses that know it.
    """

    cases: Path
    folds: Path
    images: Path
    labels: Path
    epsilon: Path | None = None
    annotated: Path | None = None

    @classmethod
    def of(cls, folder: Path, experiment: Experiment) -> "PreparedFiles":
        """The files of an experiment in a folder such as `resources/acdc`."""
        annotated = annotated_file(experiment)
        return cls(
            folder / "cases.tsv",
            folder / "folds.tsv",
            folder / "images.npy",
            folder / labels_file(experiment.labeling),
            folder / epsilon_file(experiment),
            folder / annotated if annotated else None,
        )

    def check(self) -> None:
        """See that all files are there, and as they were written.

        Raises:
            InputError: One is not; the file of epsilons may be missing, since not all ask for it.
        """
        for path in (self.cases, self.folds, self.images, self.labels):
            if not path.is_file():
                raise InputError(
                    f"{path}: no such file; prepare the dataset with the workflow first"
                )
            verify(path)
        for optional in (self.epsilon, self.annotated):
            if optional is not None:
                verify(optional)


def train_experiment(
    experiment: Experiment,
    fold: int,
    files: PreparedFiles,
    settings: Mapping[str, Any],
    study: str,
    seed: int,
    out: Path,
    device: torch.device | str = "cpu",
    report: Report = lambda line: None,
    set_aside: bool = False,
    tensorboard: Path | None = None,
    keep_checkpoint: bool = False,
) -> UNet:
    """Train the network of one experiment on all folds but one.

    Args:
        experiment: The row.
        fold: The fold that is held out, 0-based.
        files: The prepared dataset.
        settings: `classes`, `fold_count`, `network`, `training`; `sampling`: how often the cases
            of a group are listed; perhaps `released`: switches of the authors' code, those of
            `make_objective` and `patience`, see `scaled_patience`; and perhaps `source`: what
            `trained.Source` holds, which goes into the weights.
        study: Its name; part of the seed.
        seed: Of the study.
        out: Folder for weights, history and checkpoint.
        device: Where to train.
        report: Takes the progress after each epoch, and a line on what else is worth knowing.
        set_aside: Rename a checkpoint of another training run and start from scratch, instead of
            refusing it.
        tensorboard: Folder for what TensorBoard shows, if that is asked for.
        keep_checkpoint: Leave the last checkpoint; see `train`.

    Raises:
        InputError: A prepared file is missing or damaged; see also `train`, `read_folds`,
            `read_epsilon`.
    """
    files.check()
    cases, data, source = _load(files, settings, device)
    training = TrainingSettings.from_dict(settings["training"])
    split = _split(cases, fold, files.folds, settings, training.validation)
    epsilon = epsilon_of(experiment, files.epsilon, fold, settings["classes"])
    released = sorted(settings.get("released", ()))
    if "patience" in released:
        training = scaled_patience(training, split)
    network = _network(settings["network"], data, files.images)
    row = {name: str(value) for name, value in experiment.row.items()}
    derived = derive_seed(seed, study, *row.values(), fold)
    identity = {**row, "epsilon_value": str(epsilon), "fold": fold}
    if released:
        identity["released"] = ", ".join(released)
    training_cases = tuple(data.cases[number] for number in sorted(set(split.train)))
    trained = Trained(
        dataset=experiment.dataset,
        experiment=vars(experiment),
        fold=fold,
        study=study,
        seed=seed,
        network=asdict(network),
        training=training.to_dict(),
        epsilon=epsilon,
        sampling=dict(settings["sampling"]),
        released=tuple(released),
        training_cases=training_cases,
        source=source,
        made={**made_by(TRAINING), "torch": str(torch.__version__), "device": str(device)},
        seen=seen_in(files.images, training_cases),
    )
    if line := longer(settings["sampling"], split, experiment.batch_size):
        report(line)
    report(f"{experiment.title}, fold {fold}: epsilon {epsilon}, seed {derived}, on {device}")
    report(validated_words(training.validation, [cases[number] for number in split.validation]))
    if experiment.labeling != FULL:
        report(labeling_words(experiment.labeling, experiment.unannotated))
    return train(
        data,
        split,
        network,
        training,
        _objective(experiment, epsilon, released, data),
        experiment.batch_size,
        derived,
        out,
        report,
        identity=identity,
        set_aside=set_aside,
        tensorboard=tensorboard,
        trained=trained,
        keep_checkpoint=keep_checkpoint,
    )


def _load(
    files: PreparedFiles, settings: Mapping[str, Any], device: torch.device | str
) -> tuple[list[Case], PreparedData, Source | None]:
    """The cases, their arrays on the device, and where they come from if that is known."""
    classes, cases = settings["classes"], read_cases(files.cases)
    names = [case.case for case in cases]
    annotated = read_annotated(files.annotated, names, classes) if files.annotated else None
    source = Source.from_dict(settings["source"]) if settings.get("source") else None
    overlapping = bool(source and overlap(source.class_values))
    data = load_prepared(files.images, files.labels, names, classes, device, annotated, overlapping)
    return cases, data, source


def _objective(
    experiment: Experiment,
    epsilon: float | list[float] | None,
    released: Sequence[str],
    data: PreparedData,
) -> Objective:
    """The loss of an experiment on its data."""
    voxels, classes = data.labels[0].numel(), tuple(data.classes)
    return make_objective(
        Wanted(experiment, epsilon, classes, released, voxels, data.has_ignored, data.overlapping)
    )


def _split(
    cases: Sequence[Case],
    fold: int,
    folds: Path,
    settings: Mapping[str, Any],
    share: float,
) -> Split:
    """Training and validation cases by number; a group is listed as often as `sampling` says.

    Validation looks at the share of the training cases that is set aside; if there is none, at the
    held-out ones.
    """
    out = held_out(cases, folds, settings["fold_count"], fold)
    aside = validation_part(cases, out, share, fold)
    validation = aside if any(aside) else out
    return Split(
        train=tuple(
            number
            for number, case in enumerate(cases)
            for _ in range(settings["sampling"].get(case.group, 1))
            if not out[number] and not aside[number]
        ),
        validation=tuple(number for number, chosen in enumerate(validation) if chosen),
    )


def _network(settings: Mapping[str, Any], data: PreparedData, images: Path) -> NetworkSettings:
    """The network for some images, whose size it has to fit."""
    channels, classes = data.images.shape[1], len(data.classes)
    network = NetworkSettings.from_dict(settings, channels, classes, data.overlapping)
    x, y, z = data.images.shape[2:]
    network.check_size((x, y, z), images)
    return network


def scaled_patience(settings: TrainingSettings, split: Split) -> TrainingSettings:
    """Count epochs as if every training case were listed once, as the authors' code does.

    Where cases are listed several times an epoch is longer, and what is counted in epochs is
    multiplied by cases / length of the list, rounded down; to 1 at least, since a `stop_patience`
    of 0 would never stop.
    """
    cases, listed = len(set(split.train)), len(split.train)
    counts = {name: getattr(settings, name) for name in ("patience", "stop_patience", "keep_every")}
    return replace(
        settings, **{name: max(n * cases // listed, min(n, 1)) for name, n in counts.items()}
    )


def epsilon_of(
    experiment: Experiment, table: Path | None, fold: int, classes: Sequence[str]
) -> float | list[float] | None:
    """The epsilon of an experiment in one fold.

    Args:
        experiment: The row.
        table: Heuristic epsilons of its labeling, if it asks for them.
        fold: 0-based.
        classes: Foreground classes, in network order.

    Returns:
        One epsilon, the heuristic one of each class or a multiple of it, or None of a loss without.

    Raises:
        InputError: The table is needed and does not exist.
    """
    multiple = experiment.multiple
    if experiment.epsilon == NONE:
        return None
    if multiple is None:
        return epsilon_number(experiment.epsilon)
    if table is None or not table.is_file():
        raise InputError(f"epsilon is {experiment.epsilon}, but {table} does not exist; prepare it")
    return [multiple * value for value in read_epsilon(table, fold, classes)]
