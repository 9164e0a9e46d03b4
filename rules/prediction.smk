"""Held-out cases, segmented and brought back to their original grid."""


rule predict:
    input:
        cases=prepared("cases.tsv"),
        folds=prepared("folds.tsv"),
        images=prepared("images.npy"),
        about=prepared("prepared.json"),
        weights=f"{FOLD}/weights.pt",
        # A window that slides sees more of an image than was prepared.
        originals=originals_to_predict,
    output:
        directory(f"{FOLD}/predictions"),
    log:
        f"{FOLD}/predict.log",
    benchmark:
        f"{FOLD}/predict.benchmark.tsv"
    conda:
        "../envs/training.yaml"
    threads: STUDY.training_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=gpu,
    params:
        fold_count=setting("folds", "count"),
        network=setting("network"),
        restoration=setting("preprocessing", "restoration", default="linear"),
        soft_volumes=releases("soft_volumes"),
        # Another window is another set of input files.
        window=lambda wildcards, output: window_of(wildcards),
        preprocessing=lambda wildcards, output: setting("preprocessing")(wildcards),
        title=title_of,
    message:
        "Predicting fold {wildcards.fold} of {params.title}"
    script:
        "../scripts/predict.py"
