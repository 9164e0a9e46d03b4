"""Data sets: generated here, fetched, or found where the user put them."""

# Two data sets may be made of the same files: the rule of the first makes them for both.
PHANTOMS = {d.root: d for d in reversed(STUDY.datasets.values()) if d.block("phantom")}

for phantom in PHANTOMS.values():

    rule:
        name:
            f"phantom_{phantom.name}"
        output:
            directory(str(phantom.root)),
        log:
            f"logs/{phantom.name}/phantom.log",
        benchmark:
            f"logs/{phantom.name}/phantom.benchmark.tsv"
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            phantom=phantom.block("phantom"),
        message:
            f"Generating the phantom {phantom.name}"
        script:
            "../scripts/phantom.py"


# Here too the rule of the first fetches them for both.
DOWNLOADS = {d.root: d for d in reversed(STUDY.datasets.values()) if d.block("download")}

for dataset in DOWNLOADS.values():

    rule:
        name:
            f"{'download' if 'url' in dataset.block('download') else 'unpack'}_{dataset.name}"
        output:
            # Data that the user placed are verified, and nothing is written.
            [] if download.is_placed(dataset.root) else ORIGINALS[dataset.name],
        log:
            f"logs/{dataset.name}/download.log",
        benchmark:
            f"logs/{dataset.name}/download.benchmark.tsv"
        localrule: True
        conda:
            "../envs/analysis.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(240),
        params:
            adapter=dataset.adapter,
            root=str(dataset.root),
            download=dataset.block("download"),
        message:
            f"Getting {dataset.name}"
        script:
            "../scripts/download.py"


rule cases:
    input:
        lambda wildcards: ORIGINALS[wildcards.dataset],
        annotated=lambda wildcards: (
            [] if wildcards.dataset in TESTED else annotated_table(wildcards.dataset)
        ),
    output:
        "resources/{dataset}/cases.tsv",
    log:
        "logs/{dataset}/cases.log",
    benchmark:
        "logs/{dataset}/cases.benchmark.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(20),
    params:
        adapter=setting("adapter"),
        root=setting("root"),
        # With a test set, what the table says of training: a line on a test case trains nothing.
        annotated=lambda wildcards: (
            MARKS[wildcards.dataset]
            if wildcards.dataset in TESTED
            else setting("annotated")(wildcards)
        ),
        # What derives from the output is no reason to run again.
        table=lambda wildcards, output: setting("annotated")(wildcards),
        # Resampling runs again when it changes; that finds the same cases.
        align=lambda wildcards, output: setting("preprocessing", "align", default=False)(wildcards),
    message:
        "Finding and checking the cases of {wildcards.dataset}"
    script:
        "../scripts/cases.py"
