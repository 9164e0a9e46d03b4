"""The study's answer: tables, figures, a summary. Everything that a reader wants is in the report."""

# Every labeling of every dataset, and the full labels, which tell the true volumes.
LABELED = [
    (dataset, labeling)
    for dataset in DATASETS
    for labeling in dict.fromkeys(
        ["full", *(row["labeling"] for row in experiments(dataset=dataset))]
    )
]


rule table1:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **table("table1"),
    log:
        f"logs/{STUDY}/table1.log",
    benchmark:
        f"logs/{STUDY}/table1.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Making Table 1"
    script:
        "../scripts/table.py"


rule table_losses:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **table("table_losses"),
    log:
        f"logs/{STUDY}/table_losses.log",
    benchmark:
        f"logs/{STUDY}/table_losses.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Comparing I with other losses"
    script:
        "../scripts/table.py"


rule roc:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        **figure("roc", "3. Empty maps as a classifier"),
        table=f"{RESULTS}/roc.tsv",
    log:
        f"logs/{STUDY}/roc.log",
    benchmark:
        f"logs/{STUDY}/roc.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "ROC of the predicted volume"
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
        f"logs/{STUDY}/finding.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Drawing the finding"
    script:
        "../scripts/finding.py"


rule transition:
    input:
        scores=f"{RESULTS}/scores.tsv",
        epsilon=f"{RESULTS}/epsilon.tsv",
        volumes=[f"resources/{dataset}/volumes/{labeling}.tsv" for dataset, labeling in LABELED],
        cases=[f"resources/{dataset}/cases.tsv" for dataset, _ in LABELED],
        folds=[f"resources/{dataset}/folds.tsv" for dataset, _ in LABELED],
    output:
        **figure("transition", "2. The transition"),
        table=f"{RESULTS}/transition.tsv",
    log:
        f"logs/{STUDY}/transition.log",
    benchmark:
        f"logs/{STUDY}/transition.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
        labeled=LABELED,
        fold_counts=[DATASETS[dataset]["folds"]["count"] for dataset, _ in LABELED],
    message:
        "Drawing the transition"
    script:
        "../scripts/transition.py"


rule distributions:
    input:
        scores=f"{RESULTS}/scores.tsv",
        comparisons=f"{RESULTS}/comparisons.tsv",
    output:
        **figure("distributions", "4. Case by case"),
    log:
        f"logs/{STUDY}/distributions.log",
    benchmark:
        f"logs/{STUDY}/distributions.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Drawing the DSC of every case"
    script:
        "../scripts/distributions.py"


rule volumes:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        **figure("volumes", "4. Case by case"),
    log:
        f"logs/{STUDY}/volumes.log",
    benchmark:
        f"logs/{STUDY}/volumes.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Drawing predicted against true volumes"
    script:
        "../scripts/volumes.py"


rule learning_curves:
    input:
        fold_paths(ROWS, "history.tsv"),
    output:
        **figure("learning_curves", "5. How the networks learnt"),
    log:
        f"logs/{STUDY}/learning_curves.log",
    benchmark:
        f"logs/{STUDY}/learning_curves.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        trainings=[{**row, "fold": fold} for row in ROWS for fold in folds_of(row["dataset"])],
    message:
        "Drawing the learning curves"
    script:
        "../scripts/learning_curves.py"


rule examples:
    input:
        scores=f"{RESULTS}/scores.tsv",
        cases="resources/{dataset}/cases.tsv",
        predictions=lambda wildcards: fold_paths(
            with_missing_labels(wildcards.dataset), "predictions"
        ),
    output:
        **figure("examples_{dataset}", "4. Case by case", "examples"),
    log:
        f"logs/{STUDY}/examples_{{dataset}}.log",
    benchmark:
        f"logs/{STUDY}/examples_{{dataset}}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        dataset=lambda wildcards: ABOUT[wildcards.dataset],
        chosen=dataset_setting("examples", default={}),
    message:
        "Drawing examples of {wildcards.dataset}"
    script:
        "../scripts/examples.py"


rule summary:
    input:
        f"{RESULTS}/table1.tsv",
        f"{RESULTS}/scores.tsv",
    output:
        f"{RESULTS}/summary.txt",
    log:
        f"logs/{STUDY}/summary.log",
    benchmark:
        f"logs/{STUDY}/summary.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Summing up"
    script:
        "../scripts/summary.py"


rule supplement:
    input:
        scores=f"{RESULTS}/scores.tsv",
        table1=f"{RESULTS}/table1.tsv",
        roc=f"{RESULTS}/roc.tsv",
    output:
        **{name: f"{RESULTS}/supplement/{name}.tsv" for name in SUPPLEMENT},
        **{f"{name}_page": page(name) for name in SUPPLEMENT},
    log:
        f"logs/{STUDY}/supplement.log",
    benchmark:
        f"logs/{STUDY}/supplement.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        datasets=ABOUT,
    message:
        "Making the supplementary tables"
    script:
        "../scripts/supplement.py"


rule versions:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        table=f"{RESULTS}/versions.tsv",
        page=in_report(f"{RESULTS}/versions.html", "versions", "7. How it was made"),
    log:
        f"logs/{STUDY}/versions.log",
    benchmark:
        f"logs/{STUDY}/versions.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    message:
        "Noting the versions"
    script:
        "../scripts/versions.py"
