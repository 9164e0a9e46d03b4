"""The engine `nnunet`: planning and preprocessing by nnU-Net's own commands.

Everything of a dataset lies in resources/<dataset>/nnunet/: `raw` (images, full labels),
`plans.json`, and for each labeling a folder `preprocessed/<labeling>`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dicegrad.data.adapter import Adapter, Case
from dicegrad.engines.nnunet_raw import write_labels, write_raw
from dicegrad.errors import InputError, nearest
from dicegrad.files import read_json
from dicegrad.logs import Report
from dicegrad.study.labeling import Labeling

NAME = "Dataset001_study"  # each folder holds one dataset, which is always called so
PLANS = "nnUNetPlans"


@dataclass(frozen=True)
class NnunetSettings:
    """The block `nnunet` of a dataset file.

    Attributes:
        configuration: `3d_fullres`, `3d_lowres` or `2d`.
        epochs: Of a training run.
        iterations: Batches in an epoch.
        validation_iterations: Batches of held-out cases after an epoch.
        checkpoint_epochs: Epochs between two checkpoints from which an interrupted run goes on.
        planner: Of nnU-Net, such as `nnUNetPlannerResEncM`.
        memory: GPU memory in GB that it plans for; its own default if it is not given.
    """

    configuration: str = "3d_fullres"
    epochs: int = 1000
    iterations: int = 250
    validation_iterations: int = 50
    checkpoint_epochs: int = 10
    planner: str = "ExperimentPlanner"
    memory: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> "NnunetSettings":
        """Settings from plain values; what is left out keeps its default.

        Raises:
            InputError: An unknown key.
        """
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(values or {}) - set(known)):
            raise InputError(f"nnunet: unknown key {unknown[0]}{nearest(unknown[0], known)}")
        return cls(**(values or {}))


def check_installed(dataset: str) -> None:
    """See that nnU-Net is there, without importing it.

    Raises:
        InputError: It is not.
    """
    if find_spec("nnunetv2") is None:
        raise InputError(
            f"dataset {dataset}: engine is nnunet, but nnunetv2 is not installed here; "
            "pip install '.[nnunet]', or run snakemake with --sdm conda"
        )


def environment(folder: Path, threads: int = 1, results: Path | None = None) -> dict[str, str]:
    """The variables by which nnU-Net knows its folders and how many processes it may start.

    Args:
        folder: Holds `raw` and `preprocessed`.
        threads: Of the job; a training run on one thread augments in its own process.
        results: Where trained networks go.
    """
    return {
        "nnUNet_raw": str((folder / "raw").absolute()),
        "nnUNet_preprocessed": str((folder / "preprocessed").absolute()),
        "nnUNet_results": str((results or folder / "results").absolute()),
        "nnUNet_def_n_proc": str(threads),
        "nnUNet_n_proc_DA": str(threads if threads > 1 else 0),
    }


def run(command: str, *arguments: str, folder: Path, threads: int, report: Report) -> None:
    """Run one of nnU-Net's own commands.

    Raises:
        InputError: nnU-Net is not installed, or the command fails; its last line says why.
    """
    program = Path(sys.executable).with_name(command)
    if not program.is_file():
        raise InputError(
            f"{program}: no such file; the engine nnunet needs pip install '.[nnunet]'"
        )
    own = {
        **environment(folder, threads),
        "nnUNet_n_proc_DA": str(threads),  # planning refuses 0 processes
        "PYTHONUNBUFFERED": "1",  # what is printed before an error comes before it
    }
    report(" ".join([command, *arguments]))
    done = subprocess.run(
        [program, *arguments],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    for line in lines:
        report(line)
    if done.returncode:
        last = lines[-1] if lines else f"exit status {done.returncode}"
        raise InputError(f"{command} failed: {last}; the log of this job holds all that it said")


def plan_dataset(
    cases: Sequence[Case],
    adapter: Adapter,
    classes: Sequence[str],
    preprocessing: Mapping[str, Any],
    settings: NnunetSettings,
    raw: Path,
    plans: Path,
    threads: int,
    report: Report,
) -> None:
    """Bring a dataset into nnU-Net's layout with full labels, and let it plan.

    Args:
        cases: Of the case table.
        adapter: Channels and label values of the data.
        classes: Foreground classes, in network order; class k becomes label k.
        preprocessing: `align` and `orientation`, as of `preprocessing.settings.Preprocessing`.
        settings: Planner and memory.
        raw: Folder to make, nnU-Net's raw folder.
        plans: Its plans; the fingerprint is written beside it.
        threads: Of the job.
        report: Takes lines for the log.

    Raises:
        InputError: A file cannot be used, or nnU-Net cannot plan.
    """
    write_raw(cases, adapter, classes, raw / NAME, report, **preprocessing)
    work = plans.with_name("planning")
    shutil.rmtree(work, ignore_errors=True)
    (work / "preprocessed").mkdir(parents=True)
    (work / "raw").symlink_to(raw.absolute())
    nnunet = partial(run, folder=work, threads=threads, report=report)
    nnunet("nnUNetv2_extract_fingerprint", "-d", "1", "-np", str(threads))
    memory = [] if settings.memory is None else ["-gpu_memory_target", str(settings.memory)]
    planner = ["-pl", settings.planner, "-overwrite_plans_name", PLANS]
    nnunet("nnUNetv2_plan_experiment", "-d", "1", *planner, *memory)
    found = work / "preprocessed" / NAME
    shutil.copy(found / "dataset_fingerprint.json", plans.with_name("dataset_fingerprint.json"))
    planned = read_plans(found / f"{PLANS}.json")
    chosen = configuration_of(planned, settings.configuration)
    report(f"{settings.configuration}: {json.dumps(chosen, default=str)}")
    shutil.copy(found / f"{PLANS}.json", plans)
    shutil.rmtree(work)


def read_plans(path: Path) -> dict[str, Any]:
    """nnU-Net's plans, as it wrote them.

    Raises:
        InputError: The file is missing or damaged.
    """
    return read_json(path, remedy="delete it to plan again")


def configuration_of(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One configuration of the plans.

    Raises:
        InputError: nnU-Net has not planned it: a dataset of small images has no 3d_lowres.
    """
    known = plans.get("configurations", {})
    if name not in known:
        raise InputError(
            f"nnunet.configuration is {name}, which nnU-Net has not planned for these images; it "
            f"has {', '.join(known)}"
        )
    return known[name]


def preprocess_labeling(
    cases: Sequence[Case],
    classes: Sequence[str],
    annotated: np.ndarray,
    labeling: Labeling,
    configuration: str,
    raw: Path,
    plans: Path,
    out: Path,
    threads: int,
    report: Report,
) -> None:
    """Let nnU-Net preprocess a dataset under one labeling.

    Args:
        cases: All N cases.
        classes: K foreground classes.
        annotated: (N, K) bool, the maps that the labeling leaves.
        labeling: Its slices are applied here.
        configuration: Of the plans.
        raw: From `plan_dataset`.
        plans: From `plan_dataset`.
        out: Folder to make, nnU-Net's preprocessed folder.
        threads: Of the job.
        report: Takes lines for the log.

    Raises:
        InputError: nnU-Net cannot preprocess it.
    """
    work = out.with_name(f"{out.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    target = work / "preprocessed" / NAME
    target.mkdir(parents=True)
    write_labels(cases, classes, annotated, labeling, raw / NAME, work / "raw" / NAME)
    shutil.copy(plans, target / f"{PLANS}.json")
    shutil.copy(plans.with_name("dataset_fingerprint.json"), target)
    shutil.copy(work / "raw" / NAME / "dataset.json", target)
    how = ("-d", "1", "-c", configuration, "-plans_name", PLANS, "-np", str(threads))
    run("nnUNetv2_preprocess", *how, folder=work, threads=threads, report=report)
    shutil.rmtree(out, ignore_errors=True)
    (work / "preprocessed").replace(out)
    shutil.rmtree(work)


def count_voxels(preprocessed: Path, configuration: str, case: str, classes: int) -> np.ndarray:
    """(K,) voxels of each class of a case on nnU-Net's grid. Needs nnU-Net.

    Raises:
        InputError: The case has not been preprocessed.
    """
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

    folder = data_folder(preprocessed, configuration)
    kind = infer_dataset_class(str(folder))
    if not list(folder.glob(f"{case}.*")):
        raise InputError(f"{folder}: has no case {case}; delete {preprocessed} to make it again")
    label = np.asarray(kind(str(folder), [case]).load_case(case)[1][:])
    counts = np.bincount(label[label > 0].ravel(), minlength=classes + 1)
    return counts[1 : classes + 1]


def data_folder(preprocessed: Path, configuration: str) -> Path:
    """Where nnU-Net has put the cases of a configuration."""
    plans = read_plans(preprocessed / NAME / f"{PLANS}.json")
    identifier = configuration_of(plans, configuration)["data_identifier"]
    return preprocessed / NAME / identifier
