# Dicegrad: a study is a table of experiments; each row becomes a trained, tested and scored model,
# and the whole table the paper's tables and figures.
#
#     snakemake --cores 2                                      the demo (config/config.yaml)
#     snakemake --cores all --configfile config/acdc.yaml      another study
#     snakemake --cores 2 epsilon                              only the heuristic epsilon
#     snakemake --report results/demo/report.html              the report of a finished study
from pathlib import Path

from snakemake.utils import min_version

min_version("9.4")

if not workflow.configfiles:
    # In another folder than this one: the workflow's own.
    demo = Path("config/config.yaml")

    configfile: demo if demo.exists() else f"{workflow.current_basedir}/{demo}"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/preprocessing.smk"
include: "rules/training.smk"
include: "rules/prediction.smk"
include: "rules/evaluation.smk"
include: "rules/reporting.smk"
include: "rules/record.smk"


if TESTED:

    include: "rules/test_set.smk"


if NNUNETS:

    include: "rules/nnunet.smk"


rule all:
    default_target: True
    input:
        paths.study_files(STUDY, WANTED),
        paths.prepared_files(STUDY),
        rules.checksums.output,


rule epsilon:
    input:
        f"{RESULTS}/epsilon.tsv",


# On a cluster these are worth a job; everything else takes seconds and runs where snakemake runs.
DEAR = {"resample", "train", "predict", "evaluate"}
DEAR |= {"test_predict", "test_evaluate"}
DEAR |= {"nnunet_plan", "nnunet_preprocess", "nnunet_train", "nnunet_predict"}
workflow.localrules(*({each.name for each in workflow.rules} - DEAR))


onstart:
    add_command(Path(RESULTS), sys.argv)


onsuccess:
    summary = Path(RESULTS, "summary.txt")
    if summary.exists():
        print(f"\n{summary.read_text()}", file=sys.stderr)


onerror:
    # The lines that matter, last, where a reader looks first.
    for line in errors_in(map(Path, log)):
        print(f"\n{line}", file=sys.stderr)
