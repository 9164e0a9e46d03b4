"""The study, and what rules ask of it."""

import os
import re
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from dicegrad.data import download
from dicegrad.data.adapters import adapter_of
from dicegrad.data.annotated import find_table
from dicegrad.errors import InputError
from dicegrad.provenance import code_of
from dicegrad.reporting.outputs import OUTPUTS, files_of, wanted_files
from dicegrad.reporting.record import add_command
from dicegrad.study import Experiment, Study
from dicegrad.study.labeling import AS_ANNOTATED, FULL
from dicegrad.study.losses import AS_EMPTY
from dicegrad.training.trained import Source

# Jobs import dicegrad from here, also those that run in an environment of their own.
environment = os.environ
environment.update(
    PYTHONPATH=os.pathsep.join([str(workflow.basedir), environment.get("PYTHONPATH", "")])
)

try:
    where = ", ".join(map(str, workflow.configfiles)) or "config"
    STUDY = Study.read(config, where, Path(workflow.basedir) / "config")
    ABOUT, ORIGINALS, SOURCES = {}, {}, {}
    for name, dataset in STUDY.datasets.items():
        adapter = adapter_of(dataset)
        dataset.check_names(adapter.class_values, adapter.groups)
        SOURCES[name] = Source.of(dataset, adapter).to_dict()
        ABOUT[name] = dataset.about(adapter.groups, STUDY.labelings(name))
        # One rule names all original files and writes a fingerprint of each case; what reads them
        # through that table runs again when a file changes.
        ORIGINALS[name] = download.originals(dataset, adapter)
    WANTED = wanted_files(STUDY)
except InputError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{STUDY.name}"
EXPERIMENT = f"{RESULTS}/{{experiment}}"
FOLD = f"{EXPERIMENT}/fold~{{fold}}"


wildcard_constraints:
    dataset="|".join(map(re.escape, STUDY.datasets)),
    experiment=r"dataset~[^/]+/labeling~[^/]+(?:/[a-z_]+~[^/]+)+?",
    labeling="[A-Za-z0-9._-]+",
    fold=r"\d+",


def experiment_of(wildcards):
    """The experiment that a job belongs to."""
    return Experiment.from_path(wildcards.experiment)


def dataset_of(wildcards):
    """The dataset that a job belongs to."""
    name = getattr(wildcards, "dataset", None) or experiment_of(wildcards).dataset
    return STUDY.datasets[name]


def prepared(name):
    """An input function: a file of the dataset in resources/."""
    return lambda wildcards: f"resources/{dataset_of(wildcards).name}/{name}"


def setting(*keys, default=None):
    """A params function: one slice of the dataset's settings, and no more.

    A rule that takes only what it uses runs again only when that changes.
    """
    return lambda wildcards: dataset_of(wildcards).block(*keys, default=default)


def growing(amount):
    """A resource that grows with each attempt."""
    return lambda wildcards, attempt: amount * attempt


def gpu(wildcards):
    """GPUs that a training run asks for; the profile says how many there are.

    `auto` is one where this machine has one, and on a cluster, whose login node has none, always.
    """
    cluster = workflow.non_local_exec or workflow.remote_exec
    auto = cluster or shutil.which("nvidia-smi") is not None
    return int({"cpu": False, "cuda": True, "auto": auto}[STUDY.device])


def fold_files(experiments, name):
    """One file of each fold of each experiment."""
    return [
        f"{RESULTS}/{each.path}/fold~{fold}/{name}"
        for each in experiments
        for fold in STUDY.folds(each.dataset)
    ]


def labels_of(dataset, labeling):
    """The training labels of a labeling; full labels are those that were prepared."""
    name = "labels.npy" if labeling in (FULL, AS_ANNOTATED) else f"labels/{labeling}.npy"
    return f"resources/{dataset}/{name}"


def epsilon_file(experiment):
    """The table of heuristic epsilons that an experiment would take its own from."""
    counted = "" if experiment.unannotated == AS_EMPTY else ".annotated"
    return f"resources/{experiment.dataset}/epsilon/{experiment.labeling}{counted}.tsv"


def releases(switch):
    """A params function: whether a switch of the authors' code is on for an experiment."""
    return lambda wildcards: switch in dataset_of(wildcards).released_of(experiment_of(wildcards))


def epsilon_of(wildcards):
    """The table of heuristic epsilons, for experiments that ask for it."""
    experiment = experiment_of(wildcards)
    return [] if experiment.multiple is None else epsilon_file(experiment)


def annotated_of(wildcards):
    """The table of what is annotated, for losses that know it."""
    experiment = experiment_of(wildcards)
    if experiment.unannotated == AS_EMPTY:
        return []
    return f"resources/{experiment.dataset}/annotated/{experiment.labeling}.tsv"


def removals_of(wildcards):
    """What a labeling takes away, as plain values."""
    labeling = dataset_of(wildcards).labeling(wildcards.labeling)
    return [vars(removal) for removal in labeling.removals]


def annotated_table(name):
    """The user's table of what was annotated, where there is one."""
    dataset = STUDY.datasets[name]
    table = find_table(dataset.root, dataset.block("annotated"))
    return [str(table)] if table else []


def run_locally_all_but(*names):
    """Let these rules alone be jobs of a cluster."""
    workflow.localrules(*({each.name for each in workflow.rules} - set(names)))
