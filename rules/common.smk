"""The study: its settings, checked; its paths; and what rules ask of them."""

import hashlib
import os
import re
import shutil
import tokenize
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from dicegrad import study
from dicegrad.data import download
from dicegrad.data.cases import check_names, get_adapter, raw_files
from dicegrad.errors import InputError
from dicegrad.preprocessing.epsilon import heuristic_multiple
from dicegrad.schemas import read_yaml, with_defaults


def read_study():
    """The config, the experiments, the datasets and what the table's columns may hold.

    One line where they cannot be used.
    """
    folder = Path(workflow.basedir) / "config"
    schemas = {
        name: read_yaml(folder / "schemas" / f"{name}.schema.yaml")
        for name in ("config", "experiments", "dataset")
    }
    where = ", ".join(map(str, workflow.configfiles)) or "config"
    settings = with_defaults(config, schemas["config"], where)
    rows = study.read_experiments(Path(settings["experiments"]), schemas["experiments"])
    datasets = study.read_datasets(
        (row["dataset"] for row in rows),
        folder / "datasets",
        settings["datasets"],
        schemas["dataset"],
        where,
    )
    for row in rows:
        study.check_experiment(row, datasets[row["dataset"]], Path(settings["experiments"]))
    for name, dataset in datasets.items():
        study.folds_to_run(settings["folds"], dataset["folds"]["count"], name)
    return settings, rows, datasets, schemas["experiments"]["properties"]


def about(name, dataset):
    """What tables and figures need to know of a dataset."""
    adapter = get_adapter(dataset["adapter"], Path(dataset["root"]))
    check_names(dataset, adapter, f"dataset {name}")
    return {
        "groups": list(adapter.groups),
        "classes": dataset["classes"],
        "missing": dataset["missing"],
    }


def originals(dataset):
    """The files of a data set as the user placed it, or what stands for one that is made here.

    That is the folder of a phantom, and of a download the marker that is written last.

    One rule names all these files, and writes a table that holds a fingerprint of each case. What
    reads a file through that table runs again when the file changes, and planning a large study
    does not look at every file once per job.
    """
    root = Path(dataset["root"])
    if "phantom" in dataset:
        return str(root)
    if "download" not in dataset or download.is_placed(root):
        return raw_files(dataset["adapter"], root)
    marker = root / download.MARKER
    if not marker.is_file():
        source = download.Source.from_dict(dataset["download"])
        download.check_available(dataset["adapter"], root, source)
    return str(marker)


# Jobs import dicegrad from here, also those that run in an environment of their own.
environment = os.environ
environment.update(
    PYTHONPATH=os.pathsep.join([str(workflow.basedir), environment.get("PYTHONPATH", "")])
)

try:
    SETTINGS, ROWS, DATASETS, COLUMNS = read_study()
    ABOUT = {name: about(name, dataset) for name, dataset in DATASETS.items()}
    ORIGINALS = {name: originals(dataset) for name, dataset in DATASETS.items()}
except InputError as error:
    raise WorkflowError(str(error)) from None

STUDY = SETTINGS["study"]
RESULTS = f"results/{STUDY}"
EXPERIMENTS = Paramspace(pd.DataFrame(ROWS), filename_params=[])
EXPERIMENT = f"{RESULTS}/{EXPERIMENTS.wildcard_pattern}"
FOLD = f"{EXPERIMENT}/fold~{{fold}}"


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),
    labeling="full|partial(-[0-9]+)?",
    fold=r"\d+",
    loss="|".join(COLUMNS["loss"]["enum"]),
    phi="|".join(COLUMNS["phi"]["enum"]),


def gpu(wildcards):
    """GPUs that a training asks for; the profile says how many there are.

    `auto` is one where this machine has one, and on a cluster, whose login node has none, always.
    """
    cluster = workflow.non_local_exec or workflow.remote_exec
    auto = cluster or shutil.which("nvidia-smi") is not None
    return int({"cpu": False, "cuda": True, "auto": auto}[SETTINGS["device"]])


def dataset_setting(*keys, default=None):
    """An input or params function: one slice of the dataset's settings, and no more.

    A rule that takes only what it uses runs again only when that changes.
    """

    def get(wildcards):
        value = DATASETS[wildcards.dataset]
        for key in keys[:-1]:
            value = value[key]
        return value.get(keys[-1], default)

    return get


def fold_count(wildcards):
    """Number of folds that the subjects of a dataset are dealt to."""
    return DATASETS[wildcards.dataset]["folds"]["count"]


def folds_of(dataset):
    """Numbers of the folds that the study runs."""
    return study.folds_to_run(SETTINGS["folds"], DATASETS[dataset]["folds"]["count"], dataset)


def experiments(**wanted):
    """Rows of the experiment table that have these values."""
    return [row for row in ROWS if all(row[key] == value for key, value in wanted.items())]


def path_of(row, fold=None):
    """The folder of an experiment, or of one of its folds."""
    parts = [f"{key}~{value}" for key, value in row.items()]
    return str(Path(RESULTS, *parts, *([] if fold is None else [f"fold~{fold}"])))


def fold_paths(rows, name):
    """One file of each fold of each experiment."""
    return [f"{path_of(row, fold)}/{name}" for row in rows for fold in folds_of(row["dataset"])]


def row_of(wildcards):
    """The experiment that a job belongs to."""
    return {key: getattr(wildcards, key) for key in ROWS[0]}


def heuristic_epsilon(wildcards):
    """The table of heuristic epsilons, for experiments that ask for it."""
    if heuristic_multiple(wildcards.epsilon) is None:
        return []
    return f"resources/{wildcards.dataset}/epsilon/{wildcards.labeling}.tsv"


def sampling_of(wildcards):
    """How often the cases of a group are listed, for experiments that use the heuristic."""
    return study.sampling_of(DATASETS[wildcards.dataset], wildcards.labeling, wildcards.epsilon)


def released(wildcards):
    """Which switches of the authors' code a dataset turns on, as far as an experiment feels them."""
    dice, heuristic = wildcards.loss == "dice", wildcards.epsilon == "heuristic"
    felt = {
        "loss_scale": dice,
        "epsilon_broadcast": dice and heuristic,
        "patience": bool(sampling_of(wildcards)),
        "masked_scores": wildcards.labeling == "partial",
        "soft_volumes": True,
    }
    chosen = DATASETS[wildcards.dataset].get("released", [])
    return [switch for switch, feels in felt.items() if feels and switch in chosen]


def released_training(wildcards):
    """Those of them that change a training."""
    return [s for s in released(wildcards) if s in ("loss_scale", "epsilon_broadcast", "patience")]


def masked(wildcards):
    """What is scored against empty labels: nothing, unless `masked_scores` is released."""
    dataset = DATASETS[wildcards.dataset]
    return dataset["missing"] if "masked_scores" in released(wildcards) else None


def soft_volumes(wildcards):
    """Whether predicted volumes are sums of probabilities."""
    return "soft_volumes" in released(wildcards)


def run_locally_all_but(*names):
    """Let these rules alone be jobs of a cluster."""
    workflow.localrules(*({each.name for each in workflow.rules} - set(names)))


def track_code_of_scripts():
    """Make the code of its script a parameter of each rule.

    What a changed script makes is made again, but not for a comment, nor after a `git pull`.
    Snakemake itself would go by the date of the file, and train everything anew.
    """
    layout = {tokenize.NEWLINE: "\n", tokenize.INDENT: "{", tokenize.DEDENT: "}"}
    for each in workflow.rules:
        if not each.script:
            continue
        with Path(workflow.basedir, "rules", each.script).open() as lines:
            code = " ".join(
                layout.get(token.type, token.string)
                for token in tokenize.generate_tokens(lines.readline)
                if token.type not in (tokenize.COMMENT, tokenize.NL)
            )
        each.set_params(code=hashlib.sha256(code.encode()).hexdigest()[:16])
