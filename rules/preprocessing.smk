"""From files to arrays: resampling, labelings, folds, epsilon. Shared by all studies."""


rule resample:
    input:
        cases="resources/{dataset}/cases.tsv",
    output:
        images="resources/{dataset}/images.npy",
        labels="resources/{dataset}/labels.npy",
        grids="resources/{dataset}/grids.json",
    log:
        "logs/{dataset}/resample.log",
    benchmark:
        "logs/{dataset}/resample.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt, threads: 500 * (1 + threads) * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        classes=dataset_setting("classes"),
        preprocessing=dataset_setting("preprocessing"),
    message:
        "Resampling and normalising the cases of {wildcards.dataset}"
    script:
        "../scripts/resample.py"


rule label:
    input:
        cases="resources/{dataset}/cases.tsv",
        labels="resources/{dataset}/labels.npy",
    output:
        labels="resources/{dataset}/labels/{labeling}.npy",
        volumes="resources/{dataset}/volumes/{labeling}.tsv",
    log:
        "logs/{dataset}/label_{labeling}.log",
    benchmark:
        "logs/{dataset}/label_{labeling}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        classes=dataset_setting("classes"),
        missing=dataset_setting("missing"),
    message:
        "Making the {wildcards.labeling} labels of {wildcards.dataset}"
    script:
        "../scripts/label.py"


rule folds:
    input:
        cases="resources/{dataset}/cases.tsv",
    output:
        folds="resources/{dataset}/folds.tsv",
    log:
        "logs/{dataset}/folds.log",
    benchmark:
        "logs/{dataset}/folds.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        folds=dataset_setting("folds"),
    message:
        "Dealing the subjects of {wildcards.dataset} to folds"
    script:
        "../scripts/folds.py"


rule heuristic:
    input:
        cases="resources/{dataset}/cases.tsv",
        folds="resources/{dataset}/folds.tsv",
        volumes="resources/{dataset}/volumes/{labeling}.tsv",
    output:
        "resources/{dataset}/epsilon/{labeling}.tsv",
    log:
        "logs/{dataset}/heuristic_{labeling}.log",
    benchmark:
        "logs/{dataset}/heuristic_{labeling}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    params:
        fold_count=fold_count,
        sampling=lambda wildcards: study.sampling_of(
            DATASETS[wildcards.dataset], wildcards.labeling
        ),
    message:
        "Heuristic epsilon of {wildcards.dataset}, {wildcards.labeling} labels"
    script:
        "../scripts/heuristic.py"


rule epsilon_table:
    input:
        [
            f"resources/{dataset}/epsilon/{labeling}.tsv"
            for dataset in DATASETS
            for labeling in dict.fromkeys(row["labeling"] for row in experiments(dataset=dataset))
        ],
    output:
        f"{RESULTS}/epsilon.tsv",
    log:
        f"logs/{STUDY}/epsilon_table.log",
    benchmark:
        f"logs/{STUDY}/epsilon_table.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 500 * attempt,
        runtime=lambda wildcards, attempt: 5 * attempt,
    message:
        "Collecting the heuristic epsilons"
    script:
        "../scripts/epsilon_table.py"


rule checked:
    """Every data set has been read and found good: only then is an hour spent on training."""
    input:
        expand("resources/{dataset}/grids.json", dataset=DATASETS),
    output:
        touch(f"{RESULTS}/checked"),
    log:
        f"logs/{STUDY}/checked.log",
    localrule: True
