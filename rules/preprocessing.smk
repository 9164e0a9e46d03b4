"""From files to arrays: resampling, labelings, folds, epsilon. Shared by all studies."""


rule resample:
    input:
        cases="resources/{dataset}/cases.tsv",
    output:
        images="resources/{dataset}/images.npy",
        labels="resources/{dataset}/labels.npy",
        about="resources/{dataset}/prepared.json",
    log:
        "logs/{dataset}/resample.log",
    benchmark:
        "logs/{dataset}/resample.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt, threads: 500 * (1 + threads) * attempt,
        runtime=growing(60),
    params:
        adapter=setting("adapter"),
        root=setting("root"),
        classes=setting("classes"),
        preprocessing=setting("preprocessing"),
        # What derives from the output is no reason to run again.
        settings=lambda wildcards, output: dataset_of(wildcards).settings,
    message:
        "Resampling and normalising the cases of {wildcards.dataset}"
    script:
        "../scripts/resample.py"


rule annotate:
    input:
        cases="resources/{dataset}/cases.tsv",
        labels="resources/{dataset}/labels.npy",
    output:
        "resources/{dataset}/annotated/{labeling}.tsv",
    log:
        "logs/{dataset}/annotate_{labeling}.log",
    benchmark:
        "logs/{dataset}/annotate_{labeling}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        classes=setting("classes"),
        removals=removals_of,
        # What derives from the output is no reason to run again.
        overlapping=lambda wildcards, output: OVERLAPPING[wildcards.dataset],
    message:
        "What is annotated in {wildcards.dataset}, {wildcards.labeling} labels"
    script:
        "../scripts/annotate.py"


rule label:
    input:
        cases="resources/{dataset}/cases.tsv",
        labels="resources/{dataset}/labels.npy",
        annotated="resources/{dataset}/annotated/{labeling}.tsv",
    output:
        labels="resources/{dataset}/labels/{labeling}.npy",
    log:
        "logs/{dataset}/label_{labeling}.log",
    benchmark:
        "logs/{dataset}/label_{labeling}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        classes=setting("classes"),
        removals=removals_of,
        # What derives from the output is no reason to run again.
        overlapping=lambda wildcards, output: OVERLAPPING[wildcards.dataset],
    message:
        "Making the {wildcards.labeling} labels of {wildcards.dataset}"
    script:
        "../scripts/label.py"


rule count:
    input:
        cases="resources/{dataset}/cases.tsv",
        labels=lambda wildcards: (
            f"resources/{wildcards.dataset}/{paths.labels_file(wildcards.labeling)}"
        ),
    output:
        "resources/{dataset}/volumes/{labeling}.tsv",
    log:
        "logs/{dataset}/count_{labeling}.log",
    benchmark:
        "logs/{dataset}/count_{labeling}.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        classes=setting("classes"),
        # What derives from the output is no reason to run again.
        overlapping=lambda wildcards, output: OVERLAPPING[wildcards.dataset],
    message:
        "Counting the voxels of the {wildcards.labeling} labels of {wildcards.dataset}"
    script:
        "../scripts/count.py"


rule folds:
    input:
        cases="resources/{dataset}/cases.tsv",
        # Balanced folds look at which maps are filled.
        volumes=lambda wildcards: (
            f"resources/{wildcards.dataset}/volumes/full.tsv"
            if dataset_of(wildcards).folds.method == "balanced"
            else []
        ),
        splits=lambda wildcards: dataset_of(wildcards).folds.file or [],
    output:
        "resources/{dataset}/folds.tsv",
    log:
        "logs/{dataset}/folds.log",
    benchmark:
        "logs/{dataset}/folds.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        folds=setting("folds"),
    message:
        "Assigning the subjects of {wildcards.dataset} to folds"
    script:
        "../scripts/folds.py"


rule heuristic:
    input:
        cases="resources/{dataset}/cases.tsv",
        folds="resources/{dataset}/folds.tsv",
        volumes="resources/{dataset}/volumes/{labeling}.tsv",
        # A loss that knows what is annotated counts annotated maps alone.
        annotated=lambda wildcards: (
            f"resources/{wildcards.dataset}/annotated/{wildcards.labeling}.tsv"
            if wildcards.counted
            else []
        ),
    output:
        "resources/{dataset}/epsilon/{labeling}{counted}.tsv",
    log:
        "logs/{dataset}/heuristic_{labeling}{counted}.log",
    benchmark:
        "logs/{dataset}/heuristic_{labeling}{counted}.benchmark.tsv"
    wildcard_constraints:
        counted=r"(?:\.annotated)?",
        labeling="[A-Za-z0-9._-]+?",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        fold_count=setting("folds", "count"),
        sampling=lambda wildcards: dataset_of(wildcards).listed(wildcards.labeling),
    message:
        "Heuristic epsilon of {wildcards.dataset}, {wildcards.labeling} labels"
    script:
        "../scripts/heuristic.py"


rule epsilon_table:
    input:
        list(paths.epsilon_files(STUDY)),
    output:
        f"{RESULTS}/epsilon.tsv",
    log:
        f"logs/{STUDY.name}/epsilon_table.log",
    benchmark:
        f"logs/{STUDY.name}/epsilon_table.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        # Tables that were made without it are made again.
        annotated_only=list(paths.epsilon_files(STUDY).values()),
    message:
        "Collecting the heuristic epsilons"
    script:
        "../scripts/epsilon_table.py"


rule checked:
    """Every data set has been read and found good: only then is an hour spent on training."""
    input:
        # Alone, as ever: where it runs again, Snakemake passes over changed settings of the jobs
        # that wait for it. The script finds the cases and labels beside it.
        expand("resources/{dataset}/prepared.json", dataset=STUDY.datasets),
    output:
        f"{RESULTS}/checked",
    log:
        f"logs/{STUDY.name}/checked.log",
    localrule: True
    conda:
        "../envs/training.yaml"
    params:
        # What derives from the output is no reason to run again.
        datasets=lambda wildcards, output: {
            name: dataset.settings for name, dataset in STUDY.datasets.items()
        },
        rows=lambda wildcards, output: [
            {"path": each.path, "weights": weights_of(each)} for each in STUDY.experiments
        ],
        folds=lambda wildcards, output: {name: STUDY.folds(name) for name in STUDY.datasets},
        device=lambda wildcards, output: STUDY.device,
        threads_of_training=lambda wildcards, output: STUDY.training_threads,
        cores=lambda wildcards, output: workflow.resource_settings.cores or 1,
        cluster=lambda wildcards, output: on_cluster(),
    message:
        "Looking at the data, and timing the first steps"
    script:
        "../scripts/checked.py"
