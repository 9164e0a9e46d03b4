"""One network per experiment and fold."""


def heuristic_epsilon(wildcards):
    """The table of heuristic epsilons, for experiments that ask for it."""
    if wildcards.epsilon != "heuristic":
        return []
    return f"resources/{wildcards.dataset}/epsilon/{wildcards.labeling}.tsv"


def sampling_of(wildcards):
    """How often the cases of a group are listed, for experiments that use the heuristic."""
    if wildcards.epsilon != "heuristic":
        return {}
    return DATASETS[wildcards.dataset].get("sampling", {}).get(wildcards.labeling, {})


rule train:
    input:
        ancient(rules.checked.output),
        epsilon=heuristic_epsilon,
        cases="resources/{dataset}/cases.tsv",
        folds="resources/{dataset}/folds.tsv",
        images="resources/{dataset}/images.npy",
        labels="resources/{dataset}/labels/{labeling}.npy",
    output:
        weights=f"{FOLD}/weights.pt",
        history=f"{FOLD}/history.tsv",
    params:
        classes=dataset_setting("classes"),
        fold_count=fold_count,
        network=dataset_setting("network"),
        training=dataset_setting("training"),
        sampling=sampling_of,
        study=STUDY,
        seed=SETTINGS["seed"],
    log:
        f"{FOLD}/train.log",
    benchmark:
        f"{FOLD}/train.benchmark.tsv"
    threads: SETTINGS["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
        gpu=GPU,
    message:
        "Training {wildcards.dataset}, {wildcards.labeling} labels: {wildcards.loss} {wildcards.phi},"
        " epsilon {wildcards.epsilon}, batch size {wildcards.batch_size}, fold {wildcards.fold}"
    conda:
        "../envs/training.yaml"
    script:
        "../scripts/train.py"
