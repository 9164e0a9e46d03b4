"""One network per experiment and fold."""


rule train:
    input:
        ancient(rules.checked.output),
        epsilon=prepared(paths.needed_epsilon),
        annotated=prepared(paths.annotated_file),
        cases=prepared("cases.tsv"),
        folds=prepared("folds.tsv"),
        images=prepared("images.npy"),
        labels=prepared(lambda experiment: paths.labels_file(experiment.labeling)),
    output:
        weights=f"{FOLD}/weights.pt",
        history=f"{FOLD}/history.tsv",
    log:
        f"{FOLD}/train.log",
    benchmark:
        f"{FOLD}/train.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: STUDY.training_threads
    resources:
        mem_mb=growing(12000),
        runtime=growing(1440),
        gpu=gpu,
    params:
        classes=setting("classes"),
        fold_count=setting("folds", "count"),
        network=setting("network"),
        training=setting("training"),
        sampling=lambda wildcards: dataset_of(wildcards).sampling_of(experiment_of(wildcards)),
        released=lambda wildcards: dataset_of(wildcards).released_training(experiment_of(wildcards)),
        study=STUDY.name,
        seed=seed_of,
        # What derives from the output is no reason to run again.
        source=lambda wildcards, output: SOURCES[experiment_of(wildcards).dataset],
        device=lambda wildcards, output: STUDY.device,
        tensorboard=lambda wildcards, output: (
            f"{Path(output.weights).parent}/tensorboard" if STUDY.tensorboard else None
        ),
        title=title_of,
    message:
        "Training {params.title}, fold {wildcards.fold}"
    script:
        "../scripts/train.py"
