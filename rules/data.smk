"""Data sets: generated here, fetched, or found where the user put them."""

PHANTOMS = {name: settings["root"] for name, settings in DATASETS.items() if "phantom" in settings}

for name, root in PHANTOMS.items():

    rule:
        name:
            f"phantom_{name}"
        output:
            directory(root),
        log:
            f"logs/{name}/phantom.log",
        benchmark:
            f"logs/{name}/phantom.benchmark.tsv"
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=lambda wildcards, attempt: 1000 * attempt,
            runtime=lambda wildcards, attempt: 10 * attempt,
        params:
            phantom=DATASETS[name]["phantom"],
        message:
            f"Generating the phantom {name}"
        script:
            "../scripts/phantom.py"


# Two data sets may be made of the same files: the rule of the first fetches them for both.
DOWNLOADS = {
    settings["root"]: name
    for name, settings in reversed(DATASETS.items())
    if "download" in settings
}

for root, name in DOWNLOADS.items():

    rule:
        name:
            f"{'download' if 'url' in DATASETS[name]['download'] else 'unpack'}_{name}"
        output:
            # Data that the user placed are verified, and nothing is written.
            [] if download.is_placed(Path(root)) else ORIGINALS[name],
        log:
            f"logs/{name}/download.log",
        benchmark:
            f"logs/{name}/download.benchmark.tsv"
        localrule: True
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=lambda wildcards, attempt: 1000 * attempt,
            runtime=lambda wildcards, attempt: 240 * attempt,
        params:
            adapter=DATASETS[name]["adapter"],
            root=root,
            download=DATASETS[name]["download"],
        message:
            f"Getting {name}"
        script:
            "../scripts/download.py"


rule cases:
    input:
        lambda wildcards: ORIGINALS[wildcards.dataset],
    output:
        "resources/{dataset}/cases.tsv",
    log:
        "logs/{dataset}/cases.log",
    benchmark:
        "logs/{dataset}/cases.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        adapter=dataset_setting("adapter"),
        root=dataset_setting("root"),
        groups=lambda wildcards: [DATASETS[wildcards.dataset]["missing"]["group"]],
    message:
        "Finding and checking the cases of {wildcards.dataset}"
    script:
        "../scripts/cases.py"
