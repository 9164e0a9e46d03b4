"""The record of the study beside its results: settings, and a checksum of every file."""


rule settings:
    """What the user wrote, as it was when the results were made. Nothing reads it."""
    input:
        experiments=config["experiments"],
    output:
        paths.settings_files(STUDY),
    log:
        f"logs/{STUDY.name}/settings.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        config=dict(config),
        datasets={name: dataset.settings for name, dataset in STUDY.datasets.items()},
    message:
        "Copying the settings"
    script:
        "../scripts/settings.py"


rule checksums:
    """SHA256SUMS of the finished study, for `dicegrad verify` and `sha256sum -c`."""
    input:
        paths.study_files(STUDY, WANTED),
    output:
        f"{RESULTS}/SHA256SUMS",
    log:
        f"logs/{STUDY.name}/checksums.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    message:
        "Writing the checksums"
    script:
        "../scripts/checksums.py"
