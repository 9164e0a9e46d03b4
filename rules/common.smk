"""The study: its settings, checked; its paths; and what rules ask of them."""

import hashlib
import os
import re
import shutil
import sys
import tokenize
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace

from dicegrad import study
from dicegrad.data import download
from dicegrad.data.cases import get_adapter, raw_files
from dicegrad.errors import InputError
from dicegrad.preprocessing.epsilon import heuristic_multiple
from dicegrad.preprocessing.labeling import missing_share


def read_study():
    """The config, the experiments and the datasets; one line where they cannot be used."""
    folder = Path(workflow.basedir) / "config"
    schemas = {
        name: study.read_yaml(folder / "schemas" / f"{name}.schema.yaml")
        for name in ("config", "experiments", "dataset")
    }
    where = ", ".join(map(str, workflow.configfiles)) or "config"
    settings = study.with_defaults(config, schemas["config"], where)
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
    return settings, rows, datasets


def about(dataset):
    """What tables and figures need to know of a dataset."""
    adapter = get_adapter(dataset["adapter"], Path(dataset["root"]))
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
    SETTINGS, ROWS, DATASETS = read_study()
    ABOUT = {name: about(dataset) for name, dataset in DATASETS.items()}
    ORIGINALS = {name: originals(dataset) for name, dataset in DATASETS.items()}
except InputError as error:
    raise WorkflowError(str(error)) from None

TABLES = ["table1", "table_losses"]
TABLE_FORMATS = ["tsv", "md", "html", "tex", "xlsx"]
FIGURES = ["finding", "transition", "roc", "distributions", "volumes", "learning_curves"]
# What Table 1 has no room for, and what the report calls it.
SUPPLEMENT = {
    "empty_decisions": "Empty maps: hits and false alarms",
    "dice_rules": "Rules for empty maps",
    "surfaces": "HD95 and surface Dice",
    "agreement": "Agreement of volumes",
    "areas": "Areas under the ROC curves",
    "beside_paper": "The paper's Table 1 beside ours",
}
TITLES = {
    "finding": "At a glance",
    "table1": "Table 1",
    "table_losses": "I, marginal and leaf",
    "transition": "DSC against ε/v",
    "roc": "ROC",
    "distributions": "DSC of every case",
    "volumes": "Predicted and true volumes",
    "learning_curves": "Learning curves",
    "versions": "Versions",
    **SUPPLEMENT,
}
STUDY = SETTINGS["study"]
RESULTS = f"results/{STUDY}"
EXPERIMENTS = Paramspace(pd.DataFrame(ROWS), filename_params=[])
EXPERIMENT = f"{RESULTS}/{EXPERIMENTS.wildcard_pattern}"
FOLD = f"{EXPERIMENT}/fold~{{fold}}"


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),
    labeling="full|partial(-[0-9]+)?",
    fold=r"\d+",
    loss="dice|marginal|leaf",
    phi="I|CI|BI|BCI",


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


def table(name):
    """A table in all its formats; the report shows the one for browsers."""
    files = {kind: f"{RESULTS}/{name}.{kind}" for kind in TABLE_FORMATS}
    files["html"] = in_report(files["html"], name, "1. The finding")
    return files


def page(name):
    """A table of the supplement as the report shows it."""
    return in_report(f"{RESULTS}/supplement/{name}.html", name, "6. Supplement", "supplement")


def in_report(path, name, category, caption=None):
    """A file of the report: what it shows, and of which data."""
    labels = {"result": TITLES.get(name, name), "with data": ", ".join(DATASETS)}
    if name.startswith("examples"):
        labels = {"result": "Examples", "with data": "{dataset}"}
    caption = f"../report/{caption or name}.rst"
    return report(path, category=category, caption=caption, labels=labels)


def figure(name, category, caption=None):
    """A figure in all its formats; the report shows the SVG, sharp and of a size for a window."""
    stem = f"{RESULTS}/figures/{name}"
    return {"png": f"{stem}.png", "svg": in_report(f"{stem}.svg", name, category, caption)}


def with_missing_labels(dataset):
    """The experiments of a dataset under its labeling with the most missing labels."""
    rows = [row for row in experiments(dataset=dataset) if row["labeling"] != "full"]
    most = max((missing_share(row["labeling"]) for row in rows), default=0)
    return [row for row in rows if missing_share(row["labeling"]) == most]


def study_outputs():
    """What a reader of the study wants: all that its table can answer, or what the config names."""
    partial = [row for row in ROWS if row["labeling"] != "full"]
    sweeps = {(row["dataset"], row["labeling"]): set() for row in ROWS}
    for row in experiments(loss="dice", phi="I"):
        sweeps[row["dataset"], row["labeling"]].add(row["epsilon"])
    has = {
        "table_losses": any(row["loss"] != "dice" for row in partial),
        "transition": any(len(epsilons) > 1 for epsilons in sweeps.values()),
    }
    shown = {
        **{name: [f"{name}.{kind}" for kind in TABLE_FORMATS] for name in TABLES},
        **{name: [f"figures/{name}.{kind}" for kind in ("png", "svg")] for name in FIGURES},
        "examples": [
            f"figures/examples_{dataset}.{kind}"
            for dataset in DATASETS
            if with_missing_labels(dataset)
            for kind in ("png", "svg")
        ],
        "supplement": [
            f"supplement/{name}.{kind}" for name in SUPPLEMENT for kind in ("tsv", "html")
        ],
    }
    shown["table1"] += ["comparisons.tsv", "summary.txt"]
    shown["roc"].append("roc.tsv")
    shown["transition"].append("transition.tsv")
    wanted = SETTINGS["outputs"]
    if wanted == "all":
        wanted = [name for name in shown if has.get(name, True)]
    files = ["scores.tsv", "epsilon.tsv", "versions.tsv"]
    files += [file for name in wanted for file in shown[name]]
    return [f"{RESULTS}/{file}" for file in files]


def show_summary():
    """The finding, once the whole study is there."""
    summary = Path(RESULTS, "summary.txt")
    if summary.exists():
        print(f"\n{summary.read_text()}", file=sys.stderr)


def show_errors(snakemake_logs):
    """The lines that matter, last, where a reader looks first."""
    text = "".join(Path(path).read_text() for path in snakemake_logs)
    for path in dict.fromkeys(re.findall(r"^ +log: (\S+)", text, re.MULTILINE)):
        lines = Path(path).read_text().splitlines() if Path(path).exists() else []
        for line in lines:
            if line.startswith("error: "):
                print(f"\n{line}", file=sys.stderr)
