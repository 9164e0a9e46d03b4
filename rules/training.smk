"""One network per experiment and fold."""


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
    log:
        f"{FOLD}/train.log",
    benchmark:
        f"{FOLD}/train.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: SETTINGS["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 12000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
        gpu=gpu,
    params:
        classes=dataset_setting("classes"),
        fold_count=fold_count,
        network=dataset_setting("network"),
        training=dataset_setting("training"),
        sampling=sampling_of,
        released=released_training,
        study=STUDY,
        seed=SETTINGS["seed"],
        # What derives from the output is no reason to run again.
        device=lambda wildcards, output: SETTINGS["device"],
        tensorboard=lambda wildcards, output: (
            f"{Path(output.weights).parent}/tensorboard" if SETTINGS["tensorboard"] else None
        ),
    message:
        "Training {wildcards.dataset}, {wildcards.labeling} labels: {wildcards.loss} {wildcards.phi},"
        " epsilon {wildcards.epsilon}, batch size {wildcards.batch_size}, fold {wildcards.fold}"
    script:
        "../scripts/train.py"
