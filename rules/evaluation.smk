"""Scores per case. Evaluation is cheap: it runs again when the code that it calls changes."""


rule evaluate:
    input:
        cases=prepared("cases.tsv"),
        folds=prepared("folds.tsv"),
        about=prepared("prepared.json"),
        predictions=lambda wildcards: paths.fold_files(
            STUDY, [experiment_of(wildcards)], "predictions", [seed_of(wildcards)]
        ),
    output:
        f"{SEEDED}/scores.tsv",
    log:
        f"{SEEDED}/evaluate.log",
    benchmark:
        f"{SEEDED}/evaluate.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        fold_count=setting("folds", "count"),
        folds=lambda wildcards: STUDY.folds(dataset_of(wildcards).name),
        # Against what labels: the full ones, unless the authors' code is followed there too.
        masked=lambda wildcards: (
            dataset_of(wildcards).block("missing")
            if releases("masked_scores")(wildcards)
            else None
        ),
        soft_volumes=releases("soft_volumes"),
        code=code_of(["dicegrad.evaluation.scores"], HOME / "scripts/evaluate.py"),
        title=title_of,
    message:
        "Scoring {params.title}"
    script:
        "../scripts/evaluate.py"


rule scores:
    input:
        paths.score_files(STUDY),
    output:
        f"{RESULTS}/scores.tsv",
    log:
        f"logs/{STUDY.name}/scores.log",
    benchmark:
        f"logs/{STUDY.name}/scores.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        setups=[setup for setup in STUDY.setups.values() for _ in STUDY.seeds],
        # The files are those of the seeds, so this is no reason of its own to run again.
        seeds=lambda wildcards, output: list(STUDY.seeds),
    message:
        "Collecting the scores"
    script:
        "../scripts/scores.py"
