"""Train the network of one experiment and fold."""

from pathlib import Path

import torch

from dicegrad.data.cases import read_cases
from dicegrad.logs import job
from dicegrad.preprocessing.epsilon import read_epsilon
from dicegrad.preprocessing.folds import read_folds
from dicegrad.training.dataset import load_prepared
from dicegrad.training.loop import Split, derive_seed, train
from dicegrad.training.network import NetworkSettings
from dicegrad.training.objective import make_objective
from dicegrad.training.settings import TrainingSettings

with job(snakemake.log[0]) as report:
    row, params = snakemake.wildcards, snakemake.params
    fold = int(row.fold)
    torch.set_num_threads(snakemake.threads)
    device = "cuda" if snakemake.resources.gpu and torch.cuda.is_available() else "cpu"

    cases = read_cases(Path(snakemake.input.cases))
    folds = read_folds(Path(snakemake.input.folds), {c.subject for c in cases}, params.fold_count)
    data = load_prepared(
        Path(snakemake.input.images),
        Path(snakemake.input.labels),
        [case.case for case in cases],
        params.classes,
        device,
    )
    held_out = [folds[case.subject] == fold for case in cases]
    split = Split(
        train=tuple(
            i
            for i, case in enumerate(cases)
            for _ in range(params.sampling.get(case.group, 1))
            if not held_out[i]
        ),
        validation=tuple(i for i, out in enumerate(held_out) if out),
    )
    if row.epsilon == "heuristic":
        epsilon = read_epsilon(Path(snakemake.input.epsilon), fold, params.classes)
    else:
        epsilon = float(row.epsilon)
    experiment = {key: getattr(row, key) for key in ("dataset", "labeling", "loss", "phi")}
    experiment |= {"epsilon": row.epsilon, "batch_size": row.batch_size}
    seed = derive_seed(params.seed, params.study, *experiment.values(), fold)
    report(f"{experiment} fold {fold}: epsilon {epsilon}, seed {seed}, on {device}")
    train(
        data,
        split,
        NetworkSettings.from_dict(params.network, data.images.shape[1], len(params.classes)),
        TrainingSettings.from_dict(params.training),
        make_objective(row.loss, row.phi, epsilon, params.classes),
        int(row.batch_size),
        seed,
        Path(snakemake.output.weights).parent,
        report,
        identity={**experiment, "epsilon_value": str(epsilon), "fold": fold},
    )
