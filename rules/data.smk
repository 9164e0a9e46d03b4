"""Data sets: generated here, or found where the user put them."""

PHANTOMS = {name: settings["root"] for name, settings in DATASETS.items() if "phantom" in settings}

for name, root in PHANTOMS.items():

    rule:
        name:
            f"phantom_{name}"
        output:
            directory(root),
        params:
            root=root,
            phantom=DATASETS[name]["phantom"],
        log:
            f"logs/{name}/phantom.log",
        benchmark:
            f"benchmarks/results/{name}/phantom.tsv"
        resources:
            mem_mb=lambda wildcards, attempt: 1000 * attempt,
            runtime=lambda wildcards, attempt: 10 * attempt,
        message:
            f"Generating the phantom {name}"
        conda:
            "../envs/analysis.yaml"
        script:
            "../scripts/phantom.py"


rule cases:
    input:
        original_files,
    output:
        "resources/{dataset}/cases.tsv",
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        groups=lambda wildcards: [DATASETS[wildcards.dataset]["missing"]["group"]],
    log:
        "logs/{dataset}/cases.log",
    benchmark:
        "benchmarks/results/{dataset}/cases.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    message:
        "Finding and checking the cases of {wildcards.dataset}"
    conda:
        "../envs/analysis.yaml"
    script:
        "../scripts/cases.py"
