"""The study's answer: one rule for each line of OUTPUTS. What a reader wants is in the report."""

SETTINGS = ["config.yaml", "experiments.tsv"]
SETTINGS += [f"datasets/{name}.yaml" for name in STUDY.datasets]


def study_files():
    """What a reader of the study wants, and what that was made of.

    A file that a failed rerun has lost is a target, so that the next run makes it again.
    """
    wanted = [f"{RESULTS}/{file}" for file in WANTED]
    for name in ("weights.pt", "history.tsv", "predictions"):
        wanted += fold_files(STUDY.experiments, name)
    wanted += [f"{RESULTS}/{each.path}/scores.tsv" for each in STUDY.experiments]
    return wanted + [f"{RESULTS}/study/{file}" for file in SETTINGS]


def prepared_files():
    """What the training runs need of resources/."""
    names = ("cases.tsv", "folds.tsv", "images.npy", "labels.npy", "prepared.json")
    files = [f"resources/{dataset}/{name}" for dataset in STUDY.datasets for name in names]
    for each in STUDY.experiments:
        files.append(labels_of(each.dataset, each.labeling))
        if each.multiple is not None:
            files.append(epsilon_file(each))
    return list(dict.fromkeys(files))


def read_by(output):
    """The files that an output reads, by name."""
    volumes = [
        f"resources/{dataset}/volumes/{labeling}.tsv"
        for dataset in STUDY.datasets
        for labeling in dict.fromkeys([FULL, *STUDY.labelings(dataset)])
    ]
    beside = [f"resources/{d}/{name}.tsv" for d in STUDY.datasets for name in ("cases", "folds")]
    files = {
        "voxels": volumes + beside,
        "histories": fold_files(STUDY.experiments, "history.tsv"),
        "cases": "resources/{dataset}/cases.tsv",
        "prepared": "resources/{dataset}/prepared.json",
        "predictions": lambda wildcards: fold_files(
            STUDY.most_missing(wildcards.dataset), "predictions"
        ),
    }
    return {
        name: files.get(name, f"{RESULTS}/{name}.tsv")
        for name in output.reads
        if name not in told_to(output)
    }


def told_to(output):
    """The settings that an output reads, by name."""
    settings = {
        "datasets": ABOUT,
        "draws": STUDY.draws,
        "setups": {each.path: setup for each, setup in STUDY.setups.items()},
        "dataset": lambda wildcards: wildcards.dataset,
        "chosen": setting("examples", default={}),
    }
    return {name: settings[name] for name in output.reads if name in settings}


def in_report(name, kind, path):
    """A file of an output as the report shows it; only pages and figures are shown."""
    output = OUTPUTS[name]
    table = output.tables.get(kind.removesuffix("_html"))
    if not (kind == "svg" or kind.endswith("_html")):
        return path
    labels = {"result": table.title if table else output.title}
    labels["with data"] = "{dataset}" if output.of_each_dataset else ", ".join(STUDY.datasets)
    caption = f"../report/{output.caption or name}.rst"
    return report(path, category=output.category, caption=caption, labels=labels)


for name, output in OUTPUTS.items():

    rule:
        name:
            name
        input:
            **read_by(output),
        output:
            **{
                kind: in_report(name, kind, f"{RESULTS}/{file}")
                for kind, file in files_of(name, "{dataset}").items()
            },
        log:
            f"logs/{STUDY.name}/{name}{'_{dataset}' * output.of_each_dataset}.log",
        benchmark:
            f"logs/{STUDY.name}/{name}{'_{dataset}' * output.of_each_dataset}.benchmark.tsv"
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(30),
        params:
            **told_to(output),
            output=name,
            settings=list(told_to(output)),
            code=code_of(["dicegrad.reporting.produce", *output.modules]),
        message:
            f"Making {name}"
        script:
            "../scripts/output.py"


def show_summary():
    """The finding, once the whole study is there."""
    summary = Path(RESULTS, "summary.txt")
    if summary.exists():
        print(f"\n{summary.read_text()}", file=sys.stderr)


def show_errors(snakemake_log):
    """The lines that matter, last, where a reader looks first."""
    text = "".join(Path(path).read_text() for path in snakemake_log)
    for path in dict.fromkeys(re.findall(r"^ +log: (\S+)", text, re.MULTILINE)):
        lines = Path(path).read_text().splitlines() if Path(path).exists() else []
        for line in lines:
            if line.startswith("error: "):
                print(f"\n{line}", file=sys.stderr)
