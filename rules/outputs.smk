"""What a study leaves for its readers: tables, figures, the pages of the report, last words."""

import sys

import pandas as pd

from dicegrad.evaluation import setups

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
    "table_losses": "I and other losses",
    "transition": "DSC against ε/v",
    "roc": "ROC",
    "distributions": "DSC of every case",
    "volumes": "Predicted and true volumes",
    "learning_curves": "Learning curves",
    "versions": "Versions",
    **SUPPLEMENT,
}


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
    table = pd.DataFrame(experiments(dataset=dataset))
    return setups.with_missing_labels(table).to_dict("records")


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
