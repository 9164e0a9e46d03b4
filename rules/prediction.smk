"""Held-out cases, segmented and brought back to their original grid."""


rule predict:
    input:
        cases="resources/{dataset}/cases.tsv",
        folds="resources/{dataset}/folds.tsv",
        images="resources/{dataset}/images.npy",
        grids="resources/{dataset}/grids.json",
        weights=f"{FOLD}/weights.pt",
    output:
        directory(f"{FOLD}/predictions"),
    log:
        f"{FOLD}/predict.log",
    benchmark:
        f"{FOLD}/predict.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: SETTINGS["training_threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=gpu,
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        classes=dataset_setting("classes"),
        fold_count=fold_count,
        network=dataset_setting("network"),
        restoration=dataset_setting("preprocessing", "restoration", default="linear"),
        soft_volumes=soft_volumes,
    message:
        "Predicting fold {wildcards.fold} of {wildcards.dataset}, {wildcards.labeling} labels:"
        " {wildcards.loss} {wildcards.phi}, epsilon {wildcards.epsilon}"
    script:
        "../scripts/predict.py"
