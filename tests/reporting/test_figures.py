"""Every figure is written whole, readable (no text on text, none cut off), and the same twice."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.gaps import gaps
from dicegrad.evaluation.roc_curves import roc_table
from dicegrad.reporting.figures import learning_curves, roc, transition
from dicegrad.reporting.figures.distributions import plot_distributions
from dicegrad.reporting.figures.finding import plot_finding
from dicegrad.reporting.figures.gaps import plot_gaps
from dicegrad.reporting.figures.learning_curves import plot_learning_curves
from dicegrad.reporting.figures.roc import plot_roc
from dicegrad.reporting.figures.transition import plot_transition
from dicegrad.reporting.figures.volumes import plot_volumes
from dicegrad.reporting.tables import table1
from dicegrad.study import Experiment
from tests.conftest import with_setups
from tests.reporting.drawing import assert_readable, assert_written, texts_of

EXPERIMENT = ["dataset", "labeling", "loss", "phi", "epsilon", "batch_size", "fold"]


def make_histories(scores):
    """What training runs left, and the names of their setups."""
    parts, setups = [], {}
    for keys, rows in scores.groupby(EXPERIMENT, sort=False):
        rate = np.exp(-np.arange(8) / 3)
        columns = {"epoch": range(8), "step": np.arange(8) * 50, "train_loss": rate}
        columns |= {"val_loss": rate + 0.05, "learning_rate": 1e-3, "seconds": 1.0}
        names = ["tumor"] if keys[0] == "tumor" else ["LV", "MYO", "RV"]
        columns |= {f"dsc_{name}": 1 - rate for name in names}
        path = Experiment(*keys[:-1]).path
        setups[path] = rows["setup"].iloc[0]
        row = {**dict(zip(EXPERIMENT, keys, strict=True)), "experiment": path}
        parts.append(pd.DataFrame({**row, **columns}))
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), setups


def draw(name, scores, datasets, stem):
    if name == "roc":
        return plot_roc(roc_table(scores, datasets), stem)
    if name == "volumes":
        return plot_volumes(scores, datasets, stem)
    if name == "curves":
        return plot_learning_curves(*make_histories(scores), stem)
    if name == "gaps":
        return plot_gaps(gaps(scores, datasets), stem)
    comparisons = compare(scores)
    if name == "finding":
        return plot_finding(table1(scores, comparisons, datasets), datasets, stem)
    return plot_distributions(scores, comparisons, datasets, stem)


FIGURES = ["roc", "volumes", "curves", "finding", "gaps", "distributions"]


@pytest.fixture(scope="module")
def sweep(scores):
    """A study of the transition: four epsilons, half and all of the labels missing."""
    heart = scores[(scores["dataset"] == "heart") & (scores["loss"] == "dice")]
    plain = heart[(heart["phi"] == "I") & (heart["epsilon"] == "1e-7")]
    learnt = heart[(heart["epsilon"] == "heuristic") & (heart["labeling"] == "partial")]
    parts = [plain.assign(labeling=name) for name in ("full", "partial-50", "partial")]
    for epsilon in ("0.01xheuristic", "heuristic", "10xheuristic"):
        parts.append(plain[plain["labeling"] == "full"].assign(epsilon=epsilon))
        parts += [learnt.assign(labeling=x, epsilon=epsilon) for x in ("partial-50", "partial")]
    study = pd.concat(parts)
    keys = [*EXPERIMENT, "case", "class"]
    return with_setups(study.drop_duplicates(keys, ignore_index=True))


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_sweep_are_readable(name, sweep, datasets, tmp_path, drawn):
    assert_written(draw(name, sweep, datasets, tmp_path / name), tmp_path / name)
    assert_readable(drawn)


def lines_of_a_transition(datasets=("heart",), sizes=(2,), epsilons=(0.0, 0.01, 0.1, 1.0, 10.0)):
    """transition.tsv of a made-up study."""
    rows = [
        {
            "dataset": dataset,
            "class": "MYO",
            "labeling": labeling,
            "unannotated": "as_empty",
            "batch_size": size,
            "epsilon_over_v": x,
            "share_missing": share,
            "group": group,
            "missing": missing,
            "dsc": 0.9 - 0.8 * missing * min(x, 1),
            "dsc_low": 0.05,
            "dsc_high": 0.95,
        }
        for dataset in datasets
        for labeling, share in (("full", 0.0), ("partial-75", 0.75), ("partial", 1.0))
        for size in sizes
        for group, missing in (("ED", False), ("ES", True))
        for x in epsilons
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "table",
    [
        lines_of_a_transition(),
        lines_of_a_transition(("heart", "tumor"), (1, 2, 4, 8)),
        lines_of_a_transition(epsilons=(0.0, 1.0)),
        lines_of_a_transition().iloc[:0],
        lines_of_a_transition().assign(epsilon_over_v=np.nan),
    ],
    ids=["one", "both, four batch sizes", "two epsilons", "nothing", "no voxel"],
)
def test_the_transition_is_readable(table, tmp_path, drawn):
    stem = tmp_path / "transition"
    assert_written(plot_transition(table, stem), stem)
    assert_readable(drawn)


def test_lines_of_a_loss_that_is_told_what_is_annotated_are_named_and_hollow(tmp_path, drawn):
    table = lines_of_a_transition()
    told = table[table["labeling"] == "partial-75"].assign(unannotated="ignored", dsc=0.85)
    plot_transition(pd.concat([table, told]), tmp_path / "transition")
    assert_readable(drawn)
    assert {"partial-75 labels", "partial-75 labels, ignored"} <= set(texts_of(drawn))
    (figure,) = drawn
    fills = [line.get_fillstyle() for line in figure.axes[0].lines if line.get_marker() == "s"]
    assert sorted(fills) == ["full"] * 3 + ["none"]
    drawn.clear()
    plot_transition(told, tmp_path / "ignored")
    assert "theory: empty maps win above this ε / v" not in texts_of(drawn)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("study", ["both datasets", "four batch sizes"])
def test_figures_are_readable(name, study, scores, batch_scores, datasets, tmp_path, drawn):
    chosen = scores if study == "both datasets" else batch_scores
    stem = tmp_path / "figures" / f"{name}.v1"  # a dot in the name is no suffix
    assert_written(draw(name, chosen, datasets, stem), stem)
    assert_readable(drawn)


def test_the_heat_map_of_gaps_shows_every_batch_size(batch_scores, datasets, tmp_path, drawn):
    table = gaps(batch_scores, datasets)
    plot_gaps(table, tmp_path / "gaps")
    texts = texts_of(drawn)
    gapped = table[table["labeling"] == "partial"]
    for _, row in gapped.iterrows():
        cell = f"{row['dsc']:.2f}\n{row['dsc_low']:.2f}–{row['dsc_high']:.2f}"
        assert cell in texts
    assert sum("–" in text for text in texts) == len(gapped)
    assert {"I\nB=1", "BI\nB=8"} <= set(texts)


def test_a_row_of_the_heat_map_names_what_full_labels_reach(scores, datasets, tmp_path, drawn):
    table = gaps(scores, datasets)
    plot_gaps(table, tmp_path / "gaps")
    best = table.loc[table["labeling"] == "partial", "dsc_full"].iloc[0]
    assert f"tumor: partial\nfull labels: {best:.2f}" in texts_of(drawn)
    assert not any("full\n" in text for text in texts_of(drawn))


def test_the_legend_of_distributions_names_what_is_drawn(scores, datasets, tmp_path, drawn):
    explained = {"full labels", "partial labels", "one case"}
    draw("distributions", scores, datasets, tmp_path / "both")
    assert explained <= set(texts_of(drawn))
    drawn.clear()
    draw("distributions", scores[scores["labeling"] == "full"], datasets, tmp_path / "full")
    assert explained & set(texts_of(drawn)) == {"full labels"}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("study", ["one subject", "full only", "nothing"])
def test_figures_of_half_a_study_are_drawn_too(name, study, scores, datasets, tmp_path, drawn):
    chosen = {
        "one subject": scores[(scores["subject"] == "1") & (scores["labeling"] == "partial")],
        "full only": scores[(scores["labeling"] == "full") & (scores["dataset"] == "heart")],
        "nothing": scores.iloc[:0],
    }[study]
    stem = tmp_path / name
    assert_written(draw(name, chosen, datasets, stem), stem)
    assert_readable(drawn)


def test_the_same_figure_gives_the_same_files(table, datasets, tmp_path):
    table = table[table["dataset"] == "tumor"]
    one, two = (plot_finding(table, datasets, tmp_path / name) for name in "ab")
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_drawing_leaves_matplotlibs_settings_alone(table, datasets, tmp_path):
    table = table[table["dataset"] == "tumor"]
    before = dict(mpl.rcParams)
    plot_finding(table, datasets, tmp_path / "a")
    assert dict(mpl.rcParams) == before


def test_names_with_dollars_and_control_characters_are_drawn_as_text(
    scores, datasets, tmp_path, drawn
):
    odd = {**datasets["heart"], "groups": ["$ED$", "E\nS\x1b"]}
    odd["missing"] = {"group": "E\nS\x1b", "classes": ["MYO"]}
    names = {"ED": "$ED$", "ES": "E\nS\x1b"}
    heart = scores[scores["dataset"] == "heart"]
    heart = heart.assign(group=heart["group"].replace(names))
    for name in FIGURES:
        drawn.clear()
        draw(name, heart, {"heart": odd}, tmp_path / name)
        assert_readable(drawn)


def test_a_line_style_means_the_same_batch_size_in_every_panel(batch_scores, tmp_path, monkeypatch):
    few = (batch_scores["labeling"] == "full") & (batch_scores["batch_size"] != 2)
    histories, setups = make_histories(batch_scores[~few])
    styles = {}
    monkeypatch.setattr(
        learning_curves, "legend", lambda figure, *_: styles.update(_styles_by_panel(figure))
    )
    plot_learning_curves(histories, setups, tmp_path / "curves")
    full = next(lines for title, lines in styles.items() if "full" in title)
    partial = next(lines for title, lines in styles.items() if "partial" in title)
    assert full == {"-."}
    assert partial > full


def _styles_by_panel(figure):
    return {
        axes.get_title("left"): {line.get_linestyle() for line in axes.lines}
        for axes in figure.axes
        if axes.get_title("left")
    }


def test_learning_curves_of_one_epoch_can_be_seen_and_say_what_the_dsc_is_against(
    scores, tmp_path, drawn
):
    histories, setups = make_histories(scores[scores["dataset"] == "heart"])
    plot_learning_curves(histories[histories["epoch"] == 1], setups, tmp_path / "curves")
    (figure,) = drawn
    lines = [line for panel in figure.axes for line in panel.lines]
    assert lines
    assert all(len(line.get_xdata()) == 1 and line.get_marker() == "o" for line in lines)
    labels = texts_of(drawn)
    assert any(text.startswith("Validation DSC, MYO\nagainst partial labels") for text in labels)
    assert "Validation DSC, MYO" in labels


def test_a_study_of_two_epsilons_or_of_one_group_has_nothing_to_draw(datasets):
    row = {"dataset": "heart", "labeling": "partial", "loss": "dice", "phi": "I", "batch_size": 2}
    study = pd.DataFrame([{**row, "epsilon": epsilon} for epsilon in ("1e-7", "heuristic", "9")])
    assert transition.worth_drawing(study)
    assert not transition.worth_drawing(study.iloc[:2])
    assert roc.worth_drawing(study, datasets)
    assert not roc.worth_drawing(study.assign(labeling="full"), datasets)
    assert not roc.worth_drawing(study, {"heart": {**datasets["heart"], "groups": ["ES"]}})
