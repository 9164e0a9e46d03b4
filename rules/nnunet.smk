"""The engine nnunet: the same files, made by nnU-Net's planning, preprocessing, trainer, predictor."""

NNUNET_NAMES = "|".join(map(re.escape, NNUNETS))
NNUNET_ROWS = rf"dataset~(?:{NNUNET_NAMES})/{ROW}"
NNUNET_FOLDER = "resources/{dataset}/nnunet"


ruleorder: nnunet_train > train
ruleorder: nnunet_predict > predict
ruleorder: nnunet_count > count


rule nnunet_plan:
    input:
        cases="resources/{dataset}/cases.tsv",
    output:
        raw=directory(f"{NNUNET_FOLDER}/raw"),
        plans=f"{NNUNET_FOLDER}/plans.json",
        fingerprint=f"{NNUNET_FOLDER}/dataset_fingerprint.json",
    log:
        "logs/{dataset}/nnunet_plan.log",
    benchmark:
        "logs/{dataset}/nnunet_plan.benchmark.tsv"
    wildcard_constraints:
        dataset=NNUNET_NAMES,
    conda:
        "../envs/nnunet.yaml"
    threads: 4
    resources:
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        adapter=setting("adapter"),
        root=setting("root"),
        classes=setting("classes"),
        align=setting("preprocessing", "align", default=False),
        orientation=setting("preprocessing", "orientation", default="as-is"),
        configuration=setting("nnunet", "configuration", default="3d_fullres"),
        planner=setting("nnunet", "planner", default="ExperimentPlanner"),
        memory=setting("nnunet", "memory"),
    message:
        "nnU-Net plans for {wildcards.dataset}"
    script:
        "../scripts/nnunet_plan.py"


rule nnunet_preprocess:
    input:
        cases="resources/{dataset}/cases.tsv",
        annotated="resources/{dataset}/annotated/{labeling}.tsv",
        raw=f"{NNUNET_FOLDER}/raw",
        plans=f"{NNUNET_FOLDER}/plans.json",
        fingerprint=f"{NNUNET_FOLDER}/dataset_fingerprint.json",
    output:
        directory(f"{NNUNET_FOLDER}/preprocessed/{{labeling}}"),
    log:
        "logs/{dataset}/nnunet_preprocess_{labeling}.log",
    benchmark:
        "logs/{dataset}/nnunet_preprocess_{labeling}.benchmark.tsv"
    wildcard_constraints:
        dataset=NNUNET_NAMES,
    conda:
        "../envs/nnunet.yaml"
    threads: 4
    resources:
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        classes=setting("classes"),
        removals=removals_of,
        configuration=setting("nnunet", "configuration", default="3d_fullres"),
    message:
        "nnU-Net preprocesses {wildcards.dataset}, {wildcards.labeling} labels"
    script:
        "../scripts/nnunet_preprocess.py"


rule nnunet_count:
    """Voxels on nnU-Net's grid, which is what its loss sums over: of them is the heuristic."""
    input:
        cases="resources/{dataset}/cases.tsv",
        labels=f"{NNUNET_FOLDER}/preprocessed/{{labeling}}",
    output:
        "resources/{dataset}/volumes/{labeling}.tsv",
    log:
        "logs/{dataset}/nnunet_count_{labeling}.log",
    benchmark:
        "logs/{dataset}/nnunet_count_{labeling}.benchmark.tsv"
    wildcard_constraints:
        dataset=NNUNET_NAMES,
    conda:
        "../envs/nnunet.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        classes=setting("classes"),
        configuration=setting("nnunet", "configuration", default="3d_fullres"),
    message:
        "Counting the voxels of the {wildcards.labeling} labels of {wildcards.dataset}"
    script:
        "../scripts/nnunet_count.py"


rule nnunet_train:
    input:
        ancient(rules.checked.output),
        epsilon=prepared(paths.needed_epsilon),
        annotated=prepared(paths.annotated_file),
        cases=prepared("cases.tsv"),
        folds=prepared("folds.tsv"),
        labels=prepared(lambda row: f"nnunet/preprocessed/{row.labeling}"),
    output:
        weights=f"{FOLD}/weights.pt",
        history=f"{FOLD}/history.tsv",
    log:
        f"{FOLD}/train.log",
    benchmark:
        f"{FOLD}/train.benchmark.tsv"
    wildcard_constraints:
        experiment=NNUNET_ROWS,
    conda:
        "../envs/nnunet.yaml"
    threads: STUDY.training_threads
    resources:
        mem_mb=growing(24000),
        runtime=growing(2880),
        gpu=gpu,
    params:
        classes=setting("classes"),
        fold_count=setting("folds", "count"),
        nnunet=setting("nnunet"),
        sampling=lambda wildcards: dataset_of(wildcards).sampling_of(experiment_of(wildcards)),
        study=STUDY.name,
        seed=seed_of,
        # What derives from the output is no reason to run again.
        device=lambda wildcards, output: STUDY.device,
        title=title_of,
    message:
        "nnU-Net trains {params.title}, fold {wildcards.fold}"
    script:
        "../scripts/nnunet_train.py"


rule nnunet_predict:
    input:
        cases=prepared("cases.tsv"),
        folds=prepared("folds.tsv"),
        about=prepared("prepared.json"),
        raw=prepared("nnunet/raw"),
        weights=f"{FOLD}/weights.pt",
    output:
        directory(f"{FOLD}/predictions"),
    log:
        f"{FOLD}/predict.log",
    benchmark:
        f"{FOLD}/predict.benchmark.tsv"
    wildcard_constraints:
        experiment=NNUNET_ROWS,
    conda:
        "../envs/nnunet.yaml"
    threads: STUDY.training_threads
    resources:
        mem_mb=growing(16000),
        runtime=growing(240),
        gpu=gpu,
    params:
        fold_count=setting("folds", "count"),
        title=title_of,
    message:
        "nnU-Net predicts fold {wildcards.fold} of {params.title}"
    script:
        "../scripts/nnunet_predict.py"
