"""Scores per case, and which of them differ."""


rule evaluate:
    input:
        cases="resources/{dataset}/cases.tsv",
        folds="resources/{dataset}/folds.tsv",
        predictions=lambda wildcards: [
            f"{path_of(row_of(wildcards), fold)}/predictions"
            for fold in folds_of(wildcards.dataset)
        ],
    output:
        f"{EXPERIMENT}/scores.tsv",
    log:
        f"{EXPERIMENT}/evaluate.log",
    benchmark:
        f"{EXPERIMENT}/evaluate.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        classes=dataset_setting("classes"),
        fold_count=fold_count,
        folds=lambda wildcards: folds_of(wildcards.dataset),
        experiment=row_of,
        masked=masked,
        soft_volumes=soft_volumes,
    message:
        "Scoring {wildcards.dataset}, {wildcards.labeling} labels: {wildcards.loss} {wildcards.phi},"
        " epsilon {wildcards.epsilon}, batch size {wildcards.batch_size}"
    script:
        "../scripts/evaluate.py"


rule scores:
    input:
        [f"{path_of(row)}/scores.tsv" for row in ROWS],
    output:
        f"{RESULTS}/scores.tsv",
    log:
        f"logs/{STUDY}/scores.log",
    benchmark:
        f"logs/{STUDY}/scores.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    message:
        "Collecting the scores"
    script:
        "../scripts/scores.py"


rule compare:
    input:
        f"{RESULTS}/scores.tsv",
    output:
        f"{RESULTS}/comparisons.tsv",
    log:
        f"logs/{STUDY}/compare.log",
    benchmark:
        f"logs/{STUDY}/compare.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        draws=SETTINGS["draws"],
    message:
        "Testing which results differ"
    script:
        "../scripts/compare.py"
