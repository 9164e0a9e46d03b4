"""The study, and what rules ask of it."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from dicegrad.errors import InputError
from dicegrad.interrupts import pass_on_interrupts
from dicegrad.workflow_errors import check_room, errors_in, one_line_each

# First of all, since what follows takes a second or two.
pass_on_interrupts()
one_line_each()
try:
    check_room()
except InputError as error:
    raise WorkflowError(str(error)) from None

from snakemake.settings.types import DeploymentMethod

from dicegrad.data import download
from dicegrad.data.adapters import adapter_of
from dicegrad.data.annotated import find_table
from dicegrad.data.test_set import labelled_test_cases, marks_of_training
from dicegrad.engines.nnunet import check_installed
from dicegrad.plan import ASKED
from dicegrad.provenance import code_of
from dicegrad.reporting.chapters import chapters, is_shown
from dicegrad.reporting.origin import check_origin
from dicegrad.reporting.outputs import OUTPUTS, files_of, wanted_files
from dicegrad.reporting.record import add_command
from dicegrad.study import Experiment, Study, paths
from dicegrad.study.dataset_checks import GRID, NNUNET, SLIDE
from dicegrad.study.labeling import FULL
from dicegrad.study.regions import check_loss, overlap
from dicegrad.study.schemas import read_yaml
from dicegrad.training.trained import Source

# Where this workflow lies, also when another one takes it in as a module.
HOME = Path(os.path.normpath(str(workflow.current_basedir))).parent
# From another folder: a table that is not there is the workflow's own.
table = str(config.get("experiments"))
if not Path(table).exists() and (HOME / table).exists():
    config["experiments"] = str(HOME / table)
# Jobs import dicegrad from here, also those that run in an environment of their own.
environment = os.environ
places = [str(HOME), environment.get("PYTHONPATH", "")]
environment["PYTHONPATH"] = os.pathsep.join(places)

try:
    where = ", ".join(map(str, workflow.configfiles)) or "config"
    # A user's datasets lie below the working folder, which may be another one than the workflow's.
    for file in workflow.configfiles:
        read_yaml(Path(file))  # of two equal keys Snakemake takes the last, and says nothing
    STUDY = Study.read(config, where, (Path("config"), HOME / "config"))
    ABOUT, ORIGINALS, OVERLAPPING, SOURCES, TESTED, MARKS = {}, {}, {}, {}, {}, {}
    for name, dataset in STUDY.datasets.items():
        adapter = adapter_of(dataset)
        dataset.check_names(adapter.class_values, adapter.groups)
        source = Source.of(dataset, adapter)
        SOURCES[name], OVERLAPPING[name] = source.to_dict(), overlap(source.class_values)
        ABOUT[name] = dataset.about(adapter.groups, STUDY.labelings(name))
        # One rule names all original files and writes a fingerprint of each case; what reads them
        # through that table runs again when a file changes.
        ORIGINALS[name] = download.originals(dataset, adapter)
        if dataset.block("test"):
            TESTED[name] = labelled_test_cases(dataset.root, adapter)
            named = dataset.block("annotated")
            MARKS[name] = marks_of_training(dataset.root, adapter, named)
    for each in STUDY.experiments:
        if OVERLAPPING[each.dataset]:
            check_loss(each.loss, each.unannotated)
    WANTED = wanted_files(STUDY)
    if getattr(workflow, "is_main_process", True):
        check_origin(STUDY, config)
    NNUNETS = [name for name, dataset in STUDY.datasets.items() if dataset.engine == NNUNET]
    if NNUNETS and DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
        check_installed(NNUNETS[0])
except InputError as error:
    raise WorkflowError(str(error)) from None

if asked := environment.get(ASKED):
    told = {"config": config, "where": where, "folder": os.getcwd(), "home": str(HOME)}
    Path(asked).write_text(json.dumps(told), encoding="utf-8")

RESULTS = f"results/{STUDY.name}"
# The folder of an experiment, below that of its dataset.
ROW = r"labeling~[^/]+(?:/(?!seed~)[a-z_]+~[^/]+)+?"
# Behind the experiment, the seed: nothing for the study's first.
SEEDED = f"{RESULTS}/{{experiment}}{{seeded}}"
FOLD = f"{SEEDED}/fold~{{fold}}"


wildcard_constraints:
    dataset="|".join(map(re.escape, STUDY.datasets)),
    experiment=rf"dataset~[^/]+/{ROW}",
    seeded=paths.SEEDED,
    labeling="[A-Za-z0-9._-]+",
    fold=r"\d+",


def experiment_of(wildcards):
    """The experiment that a job belongs to."""
    return Experiment.from_path(wildcards.experiment)


def seed_of(wildcards):
    """The seed of a training run."""
    return paths.seed_of(STUDY, wildcards.seeded)


def title_of(wildcards, output):
    """A params function for messages: the row in words, and which of several seeds.

    What derives from the output is no reason to run again.
    """
    several = f", seed {seed_of(wildcards)}" if len(STUDY.seeds) > 1 else ""
    return experiment_of(wildcards).title + several


def dataset_of(wildcards):
    """The dataset that a job belongs to."""
    name = getattr(wildcards, "dataset", None) or experiment_of(wildcards).dataset
    return STUDY.datasets[name]


def prepared(file):
    """An input function: a file of the dataset in resources/, by name or found by experiment."""

    def path(wildcards):
        name = file(experiment_of(wildcards)) if callable(file) else file
        return f"resources/{dataset_of(wildcards).name}/{name}" if name else []

    return path


def setting(*keys, default=None):
    """A params function: one slice of the dataset's settings, and no more.

    A rule that takes only what it uses runs again only when that changes.
    """
    return lambda wildcards: dataset_of(wildcards).block(*keys, default=default)


def growing(amount):
    """A resource that grows with each attempt."""
    return lambda wildcards, attempt: amount * attempt


def on_cluster():
    """Whether training runs are jobs on other machines than this one."""
    return bool(workflow.non_local_exec or workflow.remote_exec)


def weights_of(experiment):
    """The weights of all training runs of an experiment."""
    return paths.fold_files(STUDY, [experiment], "weights.pt")


def gpu(wildcards):
    """GPUs that a training run asks for; the profile says how many there are.

    `auto` is one where this machine has one, and on a cluster, whose login node has none, always.
    """
    auto = on_cluster() or shutil.which("nvidia-smi") is not None
    return int({"cpu": False, "cuda": True, "auto": auto}[STUDY.device])


def releases(switch):
    """A params function: whether a switch of the authors' code is on for an experiment."""
    return lambda wildcards: switch in dataset_of(wildcards).released_of(experiment_of(wildcards))


def removals_of(wildcards):
    """What a labeling takes away, as plain values."""
    labeling = dataset_of(wildcards).labeling(wildcards.labeling)
    return [vars(removal) for removal in labeling.removals]


def window_of(wildcards):
    """How held-out images are looked at: `grid` or `slide`."""
    return setting("prediction", "window", default=GRID)(wildcards)


def originals_to_predict(wildcards):
    """The original files, where a window slides over them; else none."""
    name = dataset_of(wildcards).name
    return ORIGINALS[name] if window_of(wildcards) == SLIDE else []


def annotated_table(name):
    """The user's table of what was annotated, where there is one."""
    dataset = STUDY.datasets[name]
    table = find_table(dataset.root, dataset.block("annotated"))
    return [str(table)] if table else []
