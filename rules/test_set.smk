"""A test set that no network has seen, segmented by those of all folds together, and scored."""

TESTED_ROWS = rf"dataset~(?:{'|'.join(map(re.escape, TESTED))})/{ROW}"


rule test_cases:
    input:
        files=lambda wildcards: [
            str(file)
            for case in TESTED[wildcards.dataset]
            for file in dict.fromkeys((*case.images, case.label))
        ],
        cases="resources/{dataset}/cases.tsv",
        annotated=lambda wildcards: annotated_table(wildcards.dataset),
    output:
        "resources/{dataset}/test_cases.tsv",
    log:
        "logs/{dataset}/test_cases.log",
    benchmark:
        "logs/{dataset}/test_cases.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        adapter=setting("adapter"),
        root=setting("root"),
        align=setting("preprocessing", "align", default=False),
        # The table itself is an input; what derives from the output is no reason to run again.
        annotated=lambda wildcards, output: setting("annotated")(wildcards),
    message:
        "Finding and checking the test set of {wildcards.dataset}"
    script:
        "../scripts/test_cases.py"


rule test_predict:
    input:
        cases=prepared("test_cases.tsv"),
        weights=lambda wildcards: paths.fold_files(
            STUDY, [experiment_of(wildcards)], "weights.pt", [seed_of(wildcards)]
        ),
    output:
        directory(f"{SEEDED}/test_predictions"),
    log:
        f"{SEEDED}/test_predict.log",
    benchmark:
        f"{SEEDED}/test_predict.benchmark.tsv"
    wildcard_constraints:
        experiment=TESTED_ROWS,
    conda:
        "../envs/training.yaml"
    threads: STUDY.training_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpu,
    params:
        window=window_of,
        title=title_of,
    message:
        "Predicting the test set with all folds of {params.title}"
    script:
        "../scripts/test_predict.py"


rule test_evaluate:
    input:
        cases=prepared("test_cases.tsv"),
        about=prepared("prepared.json"),
        predictions=f"{SEEDED}/test_predictions",
    output:
        f"{SEEDED}/test_scores.tsv",
    log:
        f"{SEEDED}/test_evaluate.log",
    benchmark:
        f"{SEEDED}/test_evaluate.benchmark.tsv"
    wildcard_constraints:
        experiment=TESTED_ROWS,
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=code_of(["dicegrad.evaluation.test_set"], HOME / "scripts/test_evaluate.py"),
        title=title_of,
    message:
        "Scoring the test set of {params.title}"
    script:
        "../scripts/test_evaluate.py"


rule test_scores:
    input:
        paths.test_files(STUDY, "test_scores.tsv"),
    output:
        f"{RESULTS}/test_scores.tsv",
    log:
        f"logs/{STUDY.name}/test_scores.log",
    benchmark:
        f"logs/{STUDY.name}/test_scores.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        setups=[
            setup
            for each, setup in STUDY.setups.items()
            if each.dataset in TESTED
            for _ in STUDY.seeds
        ],
        # The files are those of the seeds, so this is no reason of its own to run again.
        seeds=lambda wildcards, output: list(STUDY.seeds),
    message:
        "Collecting the scores on the test set"
    script:
        "../scripts/test_scores.py"
