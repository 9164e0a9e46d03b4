"""Every figure is written whole, readable (no text on text, none cut off), and the same twice."""

from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dicegrad.errors import InputError
from dicegrad.evaluation.comparisons import compare
from dicegrad.evaluation.gaps import gaps
from dicegrad.evaluation.roc_curves import roc_table
from dicegrad.reporting.figures import roc, style, transition
from dicegrad.reporting.figures.distributions import plot_distributions
from dicegrad.reporting.figures.examples import plot_examples
from dicegrad.reporting.figures.finding import plot_finding
from dicegrad.reporting.figures.gaps import plot_gaps
from dicegrad.reporting.figures.learning_curves import plot_learning_curves
from dicegrad.reporting.figures.roc import plot_roc
from dicegrad.reporting.figures.transition import plot_transition
from dicegrad.reporting.figures.views import Example, view_case
from dicegrad.reporting.figures.volumes import plot_volumes
from dicegrad.reporting.tables import table1
from dicegrad.study import Experiment
from tests.conftest import with_setups

EXPERIMENT = ["dataset", "labeling", "loss", "phi", "epsilon", "batch_size", "fold"]


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they were saved -> {text that was really drawn: its box in inches}."""
    figures: dict[Figure, dict[Text, np.ndarray]] = {}
    draw_figure, draw_text = Figure.draw, Text.draw

    def begin(figure, renderer):
        figures[figure] = {}  # only the last pass counts: layout needs several
        draw_figure(figure, renderer)

    def remember(text, renderer):
        if text.get_visible() and text.get_text().strip():
            figure = text.get_figure(root=True)
            figures[figure][text] = text.get_window_extent(renderer).get_points() / figure.dpi
        draw_text(text, renderer)

    monkeypatch.setattr(Figure, "draw", begin)
    monkeypatch.setattr(Text, "draw", remember)
    monkeypatch.setattr(style, "DPI", 50)  # the layout is in inches; this only saves time
    return figures


def assert_readable(figures):
    ((figure, texts),) = figures.items()
    assert texts
    for text, (low, high) in texts.items():
        inside = (low >= -0.01).all() and (high <= figure.get_size_inches() + 0.01).all()
        assert inside, f"{text.get_text()!r} is cut off"
    for (a, one), (b, two) in combinations(texts.items(), 2):
        common = np.minimum(one[1], two[1]) - np.maximum(one[0], two[0])
        assert common.min() < 0.015, f"{a.get_text()!r} and {b.get_text()!r} overlap"


def assert_written(paths, out_stem):
    assert [path.name for path in paths] == [f"{out_stem.name}.png", f"{out_stem.name}.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[0].stat().st_size > 1000
    assert "</svg>" in paths[1].read_text()


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
        return plot_finding(table1(scores, comparisons, datasets), stem)
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
    ],
    ids=["one", "both, four batch sizes", "two epsilons", "nothing"],
)
def test_the_transition_is_readable(table, tmp_path, drawn):
    stem = tmp_path / "transition"
    assert_written(plot_transition(table, stem), stem)
    assert_readable(drawn)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("study", ["both datasets", "four batch sizes"])
def test_figures_are_readable(name, study, scores, batch_scores, datasets, tmp_path, drawn):
    chosen = scores if study == "both datasets" else batch_scores
    stem = tmp_path / "figures" / f"{name}.v1"  # a dot in the name is no suffix
    assert_written(draw(name, chosen, datasets, stem), stem)
    assert_readable(drawn)


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


def test_the_same_figure_gives_the_same_files(table, tmp_path):
    table = table[table["dataset"] == "tumor"]
    one, two = plot_finding(table, tmp_path / "a"), plot_finding(table, tmp_path / "b")
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_drawing_leaves_matplotlibs_settings_alone(table, tmp_path):
    table = table[table["dataset"] == "tumor"]
    before = dict(mpl.rcParams)
    plot_finding(table, tmp_path / "a")
    assert dict(mpl.rcParams) == before


HEART = {"LV": (3,), "MYO": (2,), "RV": (1,)}


@pytest.fixture
def heart(save_nifti):
    """A ring around a cavity and a box beside it, in slices 2 to 4 of 6."""
    x, y = np.meshgrid(np.arange(40), np.arange(36), indexing="ij")
    radius = np.hypot(x - 25, y - 18)
    plane = np.where(radius < 4, 3, np.where(radius < 8, 2, 0)).astype(np.uint8)
    plane[10:15, 14:22] = 1
    label = np.zeros((40, 36, 6), np.uint8)
    label[..., 2:5] = plane[..., None]
    image = (label * 50 + np.random.default_rng(0).normal(0, 5, label.shape)).astype(np.float32)
    empty = np.where(label == 2, 0, label).astype(np.uint8)
    return {
        "image": save_nifti("image", image),
        "truth": save_nifti("truth", label),
        "same": save_nifti("same", label),
        "empty": save_nifti("empty", empty),
    }


def examples(heart, batch_sizes=(2,), without=()):
    predictions = {"I": heart["same"], "BI": heart["empty"], "I_eps": heart["empty"]}
    predictions = {name: path for name, path in predictions.items() if name not in without}
    return [
        Example(f"p1_{g}", g, heart["image"], heart["truth"], predictions, gone, size)
        for size in batch_sizes
        for g, gone in (("ED", ()), ("ES", ("MYO",)))
    ]


@pytest.mark.parametrize("batch_sizes", [(2,), (1, 8)])
def test_examples_are_readable(heart, batch_sizes, tmp_path, drawn):
    stem = tmp_path / "examples"
    paths = plot_examples(examples(heart, batch_sizes), HEART, stem, title="heart")
    assert_written(paths, stem)
    assert_readable(drawn)


def test_a_prediction_that_is_missing_leaves_its_panel_empty(heart, tmp_path, drawn):
    first, _ = examples(heart, without=("BI",))
    _, second = examples(heart)
    plot_examples([first, second], HEART, tmp_path / "examples")
    (texts,) = drawn.values()
    assert [text.get_text() for text in texts].count("not\nrun") == 1
    assert plot_examples([], HEART, tmp_path / "none")[0].exists()


def test_the_slice_holds_the_structure_and_is_cut_across_the_largest_voxels(heart):
    view = view_case(examples(heart)[1], HEART)
    assert set(np.unique(view.labels["truth"])) == {0, 1, 2, 3}
    assert 2 not in view.labels["BI"]
    assert view.pixel_mm == (1.5, 1.5)
    assert view.marks == ("R", "A")
    assert view.image.shape == view.labels["truth"].shape


def corner(save_nifti, affine, plane_axes=(0, 1)):
    """A case whose one labelled voxel block lies at the patient's right and front."""
    label = np.zeros((20, 20, 4), np.uint8)
    ras = np.zeros((20, 20), np.uint8)
    ras[15:18, 14:18] = 3  # x grows to the right, y to the front
    for axis in plane_axes:
        if affine[axis, axis] < 0:
            ras = np.flip(ras, axis)
    label[..., 1:3] = ras[..., None]
    paths = [save_nifti(name, label.astype(np.int16), affine) for name in ("i", "t", "p")]
    return Example("case", "ED", paths[0], paths[1], {"I": paths[2]})


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (-1, -1)])
def test_patient_right_is_on_the_left_and_front_on_top(save_nifti, signs):
    affine = np.diag([signs[0] * 2.0, signs[1] * 2.0, 8.0, 1.0])
    view = view_case(corner(save_nifti, affine), HEART)
    rows, columns = np.nonzero(view.labels["truth"])
    height, width = view.labels["truth"].shape
    # The block is nearer to the image's front and right border, so the crop shows it off-centre.
    assert rows.mean() < height / 2
    assert columns.mean() < width / 2


def test_a_prediction_on_another_grid_is_refused(heart, save_nifti, tmp_path):
    small = save_nifti("small", np.zeros((5, 5, 5), np.uint8))
    case = Example("p", "ED", heart["image"], heart["truth"], {"I": small})
    with pytest.raises(InputError, match=r"small\.nii\.gz"):
        plot_examples([case], HEART, tmp_path / "examples")


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


def test_the_legend_names_a_shade_only_where_there_is_one(table, tmp_path, drawn):
    heart = table[table["dataset"] == "heart"]
    plot_finding(heart[heart["setup"] == "I"], tmp_path / "none")
    assert "theory expects empty maps" not in texts_of(drawn)
    drawn.clear()
    plot_finding(heart, tmp_path / "some")
    assert "theory expects empty maps" in texts_of(drawn)


def test_the_legend_says_nothing_of_missing_labels_where_none_are(table, tmp_path, drawn):
    heart = table[table["dataset"] == "heart"]
    plot_finding(heart[heart["labeling"] == "full"], tmp_path / "full")
    assert not any("missing" in text for text in texts_of(drawn))
    drawn.clear()
    odd = heart.assign(labeling=heart["labeling"].replace({"partial": "hidden"}))
    plot_finding(odd, tmp_path / "hidden")
    assert "ES: labels missing if hidden" in texts_of(drawn)


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


def texts_of(figures):
    (texts,) = figures.values()
    return [text.get_text() for text in texts]


def test_titles_of_examples_with_one_setup_and_long_names_stay_apart(heart, tmp_path, drawn):
    cases = [
        replace(example, case=f"a_long_name_of_a_patient_{example.case}")
        for example in examples(heart, without=("BI", "I_eps"))
    ]
    plot_examples(cases, HEART, tmp_path / "examples", title="heart")
    assert_readable(drawn)


def test_a_study_of_two_epsilons_or_of_one_group_has_nothing_to_draw(datasets):
    row = {"dataset": "heart", "labeling": "partial", "loss": "dice", "phi": "I", "batch_size": 2}
    study = pd.DataFrame([{**row, "epsilon": epsilon} for epsilon in ("1e-7", "heuristic", "9")])
    assert transition.worth_drawing(study)
    assert not transition.worth_drawing(study.iloc[:2])
    assert roc.worth_drawing(study, datasets)
    assert not roc.worth_drawing(study.assign(labeling="full"), datasets)
    assert not roc.worth_drawing(study, {"heart": {**datasets["heart"], "groups": ["ES"]}})
