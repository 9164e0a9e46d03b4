"""The study's answer: one rule for each line of OUTPUTS. What a reader wants is in the report."""

CHAPTERS = chapters(WANTED, STUDY.datasets)


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
        "histories": paths.fold_files(STUDY, STUDY.experiments, "history.tsv"),
        "cases": "resources/{dataset}/cases.tsv",
        "images": [
            f"resources/{dataset}/{file}"
            for dataset in STUDY.datasets
            for file in ("images.npy", "cases.tsv")
        ],
        "prepared": "resources/{dataset}/prepared.json",
        "predictions": lambda wildcards: paths.fold_files(
            STUDY,
            STUDY.most_missing(wildcards.dataset, ABOUT[wildcards.dataset]["groups"]),
            "predictions",
            STUDY.seeds[:1],
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
    # What another output needs, and the study itself has no use for, is made and not shown.
    wanted = output.of_each_dataset or path.removeprefix(f"{RESULTS}/") in WANTED
    if not wanted or not is_shown(kind):
        return path
    labels = {"result": table.title if table else output.title}
    labels["with data"] = "{dataset}" if output.of_each_dataset else ", ".join(STUDY.datasets)
    category = CHAPTERS.get(output.category, output.category)  # without a number: not made
    caption = f"../report/{output.caption or name}.rst"
    return report(path, category=category, caption=caption, labels=labels)


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
            code=code_of(
                ["dicegrad.reporting.produce", *output.modules],
                HOME / "scripts/output.py",
            ),
        message:
            f"Making {name}"
        script:
            "../scripts/output.py"
