"""The one table of what a study leaves for its readers.

Rules, report and the config's key `outputs` follow from `OUTPUTS`. To add a table or a figure,
write a function in a module of its own and add a line here.
"""

from dicegrad.errors import InputError, nearest
from dicegrad.reporting.applies import (
    has_gaps,
    has_groups,
    has_other_losses,
    has_partial,
    has_sweep,
    has_test,
)
from dicegrad.reporting.output import FIGURE_FORMATS, TABLE_FORMATS, Output, Table
from dicegrad.study import Study

ALWAYS = ("scores.tsv", "epsilon.tsv", "versions.tsv")


# The chapters of the report, in its order.
CHAPTERS = (
    "The finding",
    "The transition",
    "Empty maps as a classifier",
    "Case by case",
    "How the networks learnt",
    "Supplement",
    "How it was made",
)
_FINDING, _TRANSITION, _CLASSIFIER, _CASES, _LEARNING, _SUPPLEMENT, _MAKING = CHAPTERS

OUTPUTS: dict[str, Output] = {
    "comparisons": Output(
        "",
        ("scores", "draws"),
        {
            "comparisons": Table(
                "evaluation.comparisons:compare", "evaluation.comparisons:COMPARISONS"
            )
        },
        word="table1",
    ),
    "apart": Output(
        "",
        ("scores", "images", "datasets"),
        {"apart": Table("evaluation.apart:apart_table", "evaluation.apart:APART")},
        word="table1",
    ),
    "table1": Output(
        _FINDING,
        ("scores", "comparisons", "datasets", "apart"),
        {
            "table1": Table(
                "reporting.tables:table1",
                "reporting.tables:TABLE1",
                "Table 1",
                "Mean DSC and mean volume difference (predicted minus true) of the class with "
                "missing labels. The reference is the same setup trained on full labels "
                "(p < 0.05).",
                "paper",
                beside="reporting.paper:beside_paper",
            )
        },
    ),
    "table_losses": Output(
        _FINDING,
        ("scores", "comparisons", "datasets"),
        {
            "table_losses": Table(
                "reporting.tables:table_losses",
                "reporting.tables:TABLE1",
                "I and other losses",
                "The image-wise Dice loss beside other losses, all trained on the same partial "
                "labels. The reference is I (p < 0.05).",
                "paper",
            )
        },
        applies=has_other_losses,
    ),
    "summary": Output(
        "",
        ("table1", "datasets", "scores", "apart"),
        {"failed": Table("evaluation.failed:failed_runs", "evaluation.failed:FAILED")},
        text="reporting.summary:summarise",
        word="table1",
    ),
    "finding": Output(
        _FINDING,
        ("table1", "datasets"),
        figure="reporting.figures.finding:plot_finding",
        title="At a glance",
    ),
    "gaps": Output(
        _FINDING,
        ("scores", "datasets"),
        {"gaps": Table("evaluation.gaps:gaps", "evaluation.gaps:GAPS")},
        figure="reporting.figures.gaps:plot_gaps",
        title="Which loss survives which gap",
        applies=has_gaps,
    ),
    "test": Output(
        _FINDING,
        ("test_scores",),
        {
            "test": Table(
                "evaluation.test_set:table_of_test_set",
                "",
                "Held-out test set",
                "Held-out test set. Of imagesTs and labelsTs, which no network was trained on. "
                "Each case is segmented once: the probabilities of the networks of all folds are "
                "averaged. 95 % intervals by subject.",
                "page",
            )
        },
        applies=has_test,
    ),
    "transition": Output(
        _TRANSITION,
        ("scores", "epsilon", "voxels", "datasets"),
        {
            "transition": Table(
                "evaluation.epsilon_sweep:transition", "evaluation.epsilon_sweep:TRANSITION"
            )
        },
        figure="reporting.figures.transition:plot_transition",
        title="DSC against ε/v",
        applies=has_sweep,
    ),
    "roc": Output(
        _CLASSIFIER,
        ("scores", "datasets"),
        {"roc": Table("evaluation.roc_curves:roc_table", "evaluation.roc_curves:ROC")},
        figure="reporting.figures.roc:plot_roc",
        title="ROC",
        applies=has_groups,
    ),
    "distributions": Output(
        _CASES,
        ("scores", "comparisons", "datasets"),
        figure="reporting.figures.distributions:plot_distributions",
        title="DSC of every case",
    ),
    "volumes": Output(
        _CASES,
        ("scores", "datasets"),
        figure="reporting.figures.volumes:plot_volumes",
        title="Predicted and true volumes",
        applies=has_partial,
    ),
    "examples": Output(
        _CASES,
        ("scores", "cases", "prepared", "predictions", "dataset", "datasets", "chosen"),
        figure="reporting.figures.choice:plot_chosen",
        title="Examples",
        of_each_dataset=True,
    ),
    "learning_curves": Output(
        _LEARNING,
        ("histories", "setups"),
        figure="reporting.figures.learning_curves:plot_learning_curves",
        title="Learning curves",
    ),
    "supplement": Output(
        _SUPPLEMENT,
        ("scores", "table1", "roc", "datasets"),
        {
            "empty_decisions": Table(
                "evaluation.empty:empty_decisions",
                "",
                "Empty maps: hits and false alarms",
                "How often a missing class is output as an empty map, of the maps whose true "
                "labels hold it. Where it should be (missing group, partial labels) the rate is a "
                "sensitivity, elsewhere a rate of false alarms; 95 % intervals of Clopper and "
                "Pearson, by case.",
                "page",
            ),
            "dice_rules": Table(
                "evaluation.empty:dice_rules",
                "",
                "Rules for empty maps",
                "Mean DSC of the missing classes under the rules of four frameworks for empty "
                "maps. Against full labels they agree; against the labels used in training they "
                "differ.",
                "page",
                "evaluation.empty:rules_side_by_side",
            ),
            "surfaces": Table(
                "evaluation.surfaces:surfaces",
                "",
                "HD95 and surface Dice",
                "95th percentile Hausdorff distance and normalised surface Dice at 2 mm. HD95 has "
                "no value where a map is empty, and is a mean over hd95_n of the n cases.",
                "page",
            ),
            "agreement": Table(
                "evaluation.agreement:agreement",
                "",
                "Agreement of volumes",
                "Agreement of predicted with true volumes after Bland and Altman. Bias with its "
                "95 % interval, limits of agreement, correlation.",
                "page",
            ),
            "areas": Table(
                "reporting.paper:areas_beside_paper",
                "",
                "Areas under the ROC curves",
                "Areas under the ROC curves. Exact with 95 % interval; on the paper's grids of "
                "1,001 thresholds (ACDC) and of 1 ml (BRATS); the paper's own.",
                "page",
            ),
            "beside_paper": Table(
                "reporting.paper:beside_paper",
                "",
                "The paper's Table 1 beside ours",
                "The paper's Table 1 beside this study. Differences are this study minus the "
                "paper.",
                "page",
            ),
        },
        folder="supplement/",
        caption="supplement",
    ),
    "versions": Output(
        _MAKING,
        ("scores",),
        {
            "versions": Table(
                "reporting.versions:versions",
                "",
                "Versions",
                "Software of the environment that made the tables.",
                "page",
            )
        },
    ),
}
WORDS = tuple(name for name, output in OUTPUTS.items() if not output.word and name != "versions")


def files_of(name: str, dataset: str = "") -> dict[str, str]:
    """The files that an output makes, by kind, within the results of the study.

    Keys are `<table>` and `<table>_<format>` for a table, `png` and `svg` for a figure, `text`.
    """
    output = OUTPUTS[name]
    files = {}
    for table, about in output.tables.items():
        files[table] = f"{output.folder}{table}.tsv"
        kinds = {"long": (), "page": ("html",), "paper": TABLE_FORMATS[1:]}[about.layout]
        files |= {f"{table}_{kind}": f"{output.folder}{table}.{kind}" for kind in kinds}
    if output.figure:
        stem = f"figures/{name}" + f"_{dataset}" * output.of_each_dataset
        files |= {kind: f"{stem}.{kind}" for kind in FIGURE_FORMATS}
    if output.text:
        files["text"] = f"{name}.txt"
    return files


def wanted_files(study: Study) -> list[str]:
    """What a reader of a study wants: all that its table can answer, or what the config names.

    Raises:
        InputError: The config names an output that there is none of.
    """
    for word in study.outputs if study.outputs != "all" else ():
        if word not in WORDS:
            raise InputError(
                f"outputs has {word!r}; allowed: all, or a list of {', '.join(WORDS)}"
                f"{nearest(word, WORDS)}"
            )
    if "test" in study.outputs and not has_test(study):
        raise InputError(
            "outputs has 'test', but no dataset of the study has `test: true`; add it there"
        )
    files = list(ALWAYS)
    for name, output in OUTPUTS.items():
        word = output.word or name
        applies = OUTPUTS[word].applies(study) if study.outputs == "all" else word in study.outputs
        if not applies:
            continue
        for dataset in study.datasets if output.of_each_dataset else ("",):
            if not dataset or study.has_missing(dataset):
                files += files_of(name, dataset).values()
    return list(dict.fromkeys(files))
