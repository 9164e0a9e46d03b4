"""The study's answer: tables, figures, a summary. Everything that a reader wants is in the report."""

TABLE_FORMATS = ["tsv", "md", "html", "tex"]
ABOUT = {
    name: {
        "groups": list(get_adapter(dataset["adapter"], Path(dataset["root"])).groups),
        "classes": dataset["classes"],
        "missing": dataset["missing"],
    }
    for name, dataset in DATASETS.items()
}


def table(name):
    """A table in all its formats; the report shows the one for browsers."""
    files = {kind: f"{RESULTS}/{name}.{kind}" for kind in TABLE_FORMATS}
    files["html"] = report(
        files["html"],
        category="1. The finding",
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " ")},
    )
    return files


def figure(name, category, caption=None):
    """A figure in all its formats; the report shows the PNG."""
    stem = f"{RESULTS}/figures/{name}"
    shown = report(
        f"{stem}.png",
        category=category,
        caption=f"../report/{caption or name}.rst",
        labels={"what": name.replace("_", " ")},
    )
    return {"png": shown, "svg": f"{stem}.svg"}


rule table1:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **table("table1"),
    params:
        datasets=ABOUT,
    log:
        f"logs/{STUDY}/table1.log",
    benchmark:
        f"benchmarks/results/{STUDY}/table1.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Making Table 1"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/table1.py"


rule table_losses:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **table("table_losses"),
    params:
        datasets=ABOUT,
    log:
        f"logs/{STUDY}/table_losses.log",
    benchmark:
        f"benchmarks/results/{STUDY}/table_losses.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Comparing I with the marginal and the leaf Dice loss"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/table_losses.py"


rule roc:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        table=f"{RESULTS}/roc.tsv",
        **figure("roc", "2. Empty maps as a classifier"),
    params:
        datasets=ABOUT,
    log:
        f"logs/{STUDY}/roc.log",
    benchmark:
        f"benchmarks/results/{STUDY}/roc.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "ROC of the predicted volume"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/roc.py"


rule finding:
    input:
        f"{RESULTS}/table1.tsv",
    output:
        **figure("finding", "1. The finding"),
    log:
        f"logs/{STUDY}/finding.log",
    benchmark:
        f"benchmarks/results/{STUDY}/finding.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing the finding"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/finding.py"


rule distributions:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **figure("distributions", "3. Case by case"),
    params:
        datasets=ABOUT,
    log:
        f"logs/{STUDY}/distributions.log",
    benchmark:
        f"benchmarks/results/{STUDY}/distributions.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing the DSC of every case"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/distributions.py"


rule volumes:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        **figure("volumes", "3. Case by case"),
    params:
        datasets=ABOUT,
    log:
        f"logs/{STUDY}/volumes.log",
    benchmark:
        f"benchmarks/results/{STUDY}/volumes.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing predicted against true volumes"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/volumes.py"


rule learning_curves:
    input:
        fold_paths(ROWS, "history.tsv"),
    output:
        **figure("learning_curves", "4. How the networks learnt"),
    params:
        trainings=[{**row, "fold": fold} for row in ROWS for fold in folds_of(row["dataset"])],
    log:
        f"logs/{STUDY}/learning_curves.log",
    benchmark:
        f"benchmarks/results/{STUDY}/learning_curves.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing the learning curves"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/learning_curves.py"


rule examples:
    input:
        scores=f"{RESULTS}/scores.tsv",
        cases="resources/{dataset}/cases.tsv",
        predictions=lambda wildcards: fold_paths(
            experiments(dataset=wildcards.dataset, labeling="partial"), "predictions"
        ),
    output:
        **figure("examples_{dataset}", "3. Case by case", "examples"),
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        dataset=lambda wildcards: ABOUT[wildcards.dataset],
        chosen=dataset_setting("examples", default={}),
        results=RESULTS,
    log:
        f"logs/{STUDY}/examples_{{dataset}}.log",
    benchmark:
        f"benchmarks/results/{STUDY}/examples_{{dataset}}.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing examples of {wildcards.dataset}"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/examples.py"


rule summary:
    input:
        f"{RESULTS}/table1.tsv",
    output:
        f"{RESULTS}/summary.txt",
    params:
        datasets=ABOUT,
        results=RESULTS,
    log:
        f"logs/{STUDY}/summary.log",
    benchmark:
        f"benchmarks/results/{STUDY}/summary.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    message:
        "Summing up"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/summary.py"
