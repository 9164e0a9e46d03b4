"""`dicegrad train`: one experiment, without the workflow."""

import argparse
from pathlib import Path

from dicegrad.cli.dataset import device_there, read_dataset
from dicegrad.errors import InputError


def add_train(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    train = commands.add_parser(
        "train",
        help="train one experiment from prepared arrays, without the workflow",
        description="Train one experiment and fold from a folder such as resources/acdc, which "
        "the workflow prepares. Needs torch, numpy and PyYAML only; goes on from its checkpoint.",
    )
    train.add_argument("prepared", type=Path, help="folder with cases.tsv, images.npy, labels/")
    train.add_argument("dataset", type=Path, help="settings, e.g. config/datasets/acdc.yaml")
    train.add_argument("out", type=Path, help="folder for weights.pt and history.tsv")
    train.add_argument(
        "--labeling", default="partial", help="full, partial, or partial-50 (default: partial)"
    )
    losses = ("dice", "marginal", "leaf", "dice_ce", "cross_entropy")
    train.add_argument("--loss", choices=losses, default="dice", help="(default: dice)")
    train.add_argument("--phi", choices=("I", "CI", "BI", "BCI"), help="(default: I)")
    train.add_argument("--epsilon", help="a number, heuristic, or 0.1xheuristic (default: 1e-7)")
    train.add_argument("--batch-size", type=int, default=2, help="cases (default: 2)")
    train.add_argument("--fold", type=int, default=0, help="the one held out (default: 0)")
    train.add_argument("--study", default="command-line", help="part of the seed")
    train.add_argument("--seed", type=int, default=0, help="from 0 up (default: 0)")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    train.add_argument(
        "--tensorboard", action="store_true", help="write OUT/tensorboard for TensorBoard to show"
    )
    train.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> None:
    from dicegrad.study import sampling_of
    from dicegrad.terminal import shown
    from dicegrad.training.experiment import Experiment, PreparedFiles, train_experiment

    settings = read_dataset(options.dataset, ("classes", "folds", "network", "training"))
    device = device_there(options.device)
    phi, epsilon = _phi_and_epsilon(options)
    _check_training(options, settings, phi, epsilon)
    sampling = sampling_of(settings, options.labeling, epsilon)
    words = (options.loss, phi, epsilon, str(options.batch_size))
    with shown() as report:
        train_experiment(
            Experiment(options.dataset.stem, options.labeling, *words),
            options.fold,
            PreparedFiles.of(options.prepared, options.labeling),
            {**settings, "fold_count": settings["folds"]["count"], "sampling": sampling},
            options.study,
            options.seed,
            options.out,
            device,
            report,
            tensorboard=options.out / "tensorboard" if options.tensorboard else None,
        )
    print(f"{options.out / 'weights.pt'} and history.tsv written")


def _check_training(options: argparse.Namespace, settings: dict, phi: str, epsilon: str) -> None:
    """See that the words fit each other and the dataset, before a file is looked for."""
    from dicegrad.preprocessing.labeling import missing_share
    from dicegrad.study import check_loss, folds_to_run

    check_loss({"loss": options.loss, "phi": phi, "epsilon": epsilon}, settings["classes"])
    missing_share(options.labeling)
    folds_to_run([options.fold], settings["folds"]["count"], options.dataset.stem)
    if options.seed < 0:
        raise InputError(f"seed is {options.seed}; give a whole number from 0 up")
    weights: Path = options.out / "weights.pt"
    if weights.exists():
        raise InputError(f"{weights}: is there already; name another folder, or remove it")


def _phi_and_epsilon(options: argparse.Namespace) -> tuple[str, str]:
    """Both as the experiment table would hold them."""
    from dicegrad.preprocessing.epsilon import NONE

    if options.loss == "cross_entropy":
        if options.phi or options.epsilon:
            raise InputError(
                "loss cross_entropy has neither phi nor epsilon; leave out --phi and --epsilon"
            )
        return NONE, NONE
    return options.phi or "I", options.epsilon or "1e-7"
