# Dicegrad: a study is a table of experiments; each row becomes a trained, tested and scored model,
# and the whole table the paper's tables and figures.
#
#     snakemake --cores 2                                      the demo (config/config.yaml)
#     snakemake --cores all --configfile config/acdc.yaml      another study
#     snakemake --cores 2 epsilon                              only the heuristic epsilon
#     snakemake --report results/demo/report.html              the report of a finished study
from snakemake.utils import min_version

min_version("9.4")

if not workflow.configfiles:

    configfile: "config/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/preprocessing.smk"
include: "rules/training.smk"
include: "rules/prediction.smk"
include: "rules/evaluation.smk"
include: "rules/reporting.smk"
include: "rules/record.smk"


rule all:
    default_target: True
    input:
        study_files(),
        prepared_files(),
        rules.checksums.output,


rule epsilon:
    input:
        f"{RESULTS}/epsilon.tsv",


# On a cluster these are worth a job; everything else takes seconds and runs where snakemake runs.
run_locally_all_but("resample", "train", "predict", "evaluate")


onstart:
    add_command(Path(RESULTS), sys.argv)


onsuccess:
    show_summary()


onerror:
    show_errors(log)
