"""`dicegrad train`: one experiment, without the workflow."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicegrad.cli.device import device_there, use_threads
from dicegrad.errors import InputError
from dicegrad.study.losses import AS_EMPTY, LOSSES, NONE, PHIS, UNANNOTATED

if TYPE_CHECKING:
    from dicegrad.study import Dataset, Experiment


def add_train(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    train = commands.add_parser(
        "train",
        help="train one experiment from prepared arrays, without the workflow",
        description="Train one experiment and fold from a folder such as resources/acdc, which "
        "the workflow prepares. Needs torch, numpy and PyYAML only; resumes from its checkpoint.",
    )
    train.add_argument("prepared", type=Path, help="folder with cases.tsv, images.npy, labels/")
    train.add_argument("dataset", type=Path, help="settings, e.g. config/datasets/acdc.yaml")
    train.add_argument("out", type=Path, help="folder for weights.pt and history.tsv")
    train.add_argument(
        "--labeling", default="partial", help="full, partial, or partial-50 (default: partial)"
    )
    train.add_argument("--loss", choices=tuple(LOSSES), default="dice", help="(default: dice)")
    train.add_argument("--phi", choices=PHIS, help="(default: I)")
    train.add_argument("--epsilon", help="a number, heuristic, or 0.1xheuristic (default: 1e-7)")
    train.add_argument(
        "--unannotated",
        choices=UNANNOTATED,
        default=AS_EMPTY,
        help="how the loss treats a map that is not annotated (default: as_empty)",
    )
    train.add_argument("--batch-size", type=int, default=2, help="cases (default: 2)")
    train.add_argument("--fold", type=int, default=0, help="the one that is held out (default: 0)")
    train.add_argument("--study", default="command-line", help="part of the seed")
    train.add_argument("--seed", type=int, default=0, help="at least 0 (default: 0)")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    train.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of torch on a CPU; more than the idle cores make it slower (default: 1)",
    )
    train.add_argument(
        "--tensorboard", action="store_true", help="write OUT/tensorboard for TensorBoard"
    )
    train.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> None:
    from dicegrad.study import Dataset
    from dicegrad.terminal import shown
    from dicegrad.training.experiment import PreparedFiles, train_experiment

    dataset = Dataset.read(options.dataset)
    if dataset.engine != "unet":
        raise InputError(
            f"{options.dataset}: engine is {dataset.engine}, which snakemake runs; this command "
            "trains the engine unet"
        )
    experiment = _experiment(options, dataset.classes)
    dataset.labeling(experiment.labeling)
    dataset.folds_to_run([options.fold])
    if options.seed < 0:
        raise InputError(f"seed is {options.seed}; it must be at least 0")
    if options.threads < 1:
        raise InputError(f"threads is {options.threads}; it must be at least 1")
    weights: Path = options.out / "weights.pt"
    if weights.exists():
        raise InputError(f"{weights}: already exists; name another folder, or remove it")
    device = device_there(options.device)
    use_threads(options.threads)
    with shown() as report:
        train_experiment(
            experiment,
            options.fold,
            PreparedFiles.of(options.prepared, experiment),
            _settings(options.prepared, dataset, experiment),
            options.study,
            options.seed,
            options.out,
            device,
            report,
            tensorboard=options.out / "tensorboard" if options.tensorboard else None,
        )
    print(f"{weights} and history.tsv written")


def _settings(prepared: Path, dataset: "Dataset", experiment: "Experiment") -> dict[str, Any]:
    """What `train_experiment` takes of a dataset file."""
    from dicegrad.training.trained import Source

    source = Source.beside(prepared, dataset)
    return {
        "classes": list(dataset.classes),
        "fold_count": dataset.folds.count,
        "network": dataset.block("network"),
        "training": dataset.block("training"),
        "sampling": dataset.sampling_of(experiment),
        "released": dataset.released_training(experiment),
        "source": source.to_dict() if source else None,
    }


def _experiment(options: argparse.Namespace, classes: Sequence[str]) -> "Experiment":
    """The experiment that the words name, checked before a file is looked for."""
    from dicegrad.study import Experiment

    phi, epsilon = options.phi or "I", options.epsilon or "1e-7"
    if not LOSSES[options.loss].phis:
        if options.phi or options.epsilon:
            raise InputError(
                f"loss {options.loss} has neither phi nor epsilon; leave out --phi and --epsilon"
            )
        phi = epsilon = NONE
    experiment = Experiment.from_row(
        {
            "dataset": options.dataset.stem,
            "labeling": options.labeling,
            "loss": options.loss,
            "phi": phi,
            "epsilon": epsilon,
            "batch_size": str(options.batch_size),
            "unannotated": options.unannotated,
        }
    )
    experiment.check(classes)
    return experiment
