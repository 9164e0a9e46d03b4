"""Figures say of each group whether its labels were there, by what the labeling takes from it."""

import pandas as pd
import pytest

from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.figures.distributions import plot_distributions
from dicegrad.reporting.figures.finding import plot_finding
from dicegrad.reporting.figures.transition import plot_transition
from dicegrad.reporting.figures.volumes import plot_volumes
from dicegrad.reporting.tables import table1
from tests.reporting.conftest import DATASETS, make_scores
from tests.reporting.drawing import assert_readable, texts_of
from tests.reporting.test_figures import lines_of_a_transition


def taking(**labelings):
    """What the hearts say of labelings that take a share of MYO: {name: {group: share}}."""
    shares = {
        name: {group: {"LV": 0, "MYO": taken.get(group, 0), "RV": 0} for group in ("ED", "ES")}
        for name, taken in {"full": {}, **labelings}.items()
    }
    heart = {**DATASETS["heart"], "missing": {"group": "", "classes": ["MYO"]}}
    return {"heart": {**heart, "labelings": shares}}


DROP_ED = taking(**{"drop-ed": {"ED": 1}})


@pytest.fixture(scope="module")
def dropped():
    """Scores of a study in which ED is the group that lacks labels, and BI leaves it empty."""
    scores = make_scores(("heart",))
    swapped = scores.assign(group=scores["group"].map({"ED": "ES", "ES": "ED"}))
    return swapped.assign(labeling=swapped["labeling"].replace("partial", "drop-ed"))


def tabled(scores, datasets):
    return table1(scores, compare(scores), datasets)


def faces(figure, panel):
    """DSC of each point of a panel of the finding -> whether it is drawn open."""
    dots = [line for line in figure.axes[panel].lines if line.get_marker() not in ("None", "_")]
    return {float(dot.get_ydata()[0]): dot.get_markerfacecolor() == "white" for dot in dots}


def dsc_of(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return list(table["dsc"])


def test_the_finding_draws_the_emptied_group_open_and_names_it(dropped, tmp_path, drawn):
    table = tabled(dropped, DROP_ED)
    plot_finding(table, DROP_ED, tmp_path / "finding")
    assert {"ED: labels missing if drop-ed", "ES: always labelled"} <= set(texts_of(drawn))
    (figure,) = drawn
    for panel, labeling in enumerate(["full", "drop-ed"]):
        seen = faces(figure, panel)
        assert all(seen[dsc] for dsc in dsc_of(table, labeling=labeling, group="ED"))
        assert not any(seen[dsc] for dsc in dsc_of(table, labeling=labeling, group="ES"))
    assert_readable(drawn)


def test_a_named_labeling_counts_and_not_the_group_that_partial_labels_would_lack(
    dropped, tmp_path, drawn
):
    """The key `missing` of the dataset says ES; the study trains on a labeling that drops ED."""
    about = {"heart": {**DROP_ED["heart"], "missing": DATASETS["heart"]["missing"]}}
    plot_finding(tabled(dropped, about), about, tmp_path / "finding")
    assert {"ED: labels missing if drop-ed", "ES: always labelled"} <= set(texts_of(drawn))
    drawn.clear()
    plot_volumes(dropped, about, tmp_path / "volumes")
    assert "heart MYO, ED\nlabels missing in training" in texts_of(drawn)


def test_groups_that_lack_labels_in_turn_are_open_where_they_lack_them(dropped, tmp_path, drawn):
    other = make_scores(("heart",))
    other = other[other["labeling"] == "partial"].assign(labeling="drop-es")
    both = pd.concat([dropped, other])
    about = taking(**{"drop-ed": {"ED": 1}, "drop-es": {"ES": 1}})
    table = tabled(both, about)
    plot_finding(table, about, tmp_path / "finding")
    assert {"labelled", "labels missing", "from the left: ED, ES"} <= set(texts_of(drawn))
    (figure,) = drawn
    for panel, (labeling, gone) in enumerate(
        {"full": "", "drop-ed": "ED", "drop-es": "ES"}.items()
    ):
        seen = faces(figure, panel)
        for group in ("ED", "ES"):
            points = [seen[dsc] for dsc in dsc_of(table, labeling=labeling, group=group)]
            assert set(points) == {group == gone}
    assert_readable(drawn)


def test_a_group_that_lacks_one_class_and_has_another_is_open_for_the_one_it_lacks(
    dropped, tmp_path, drawn
):
    sites = taking(**{"drop-ed": {"ED": 1}})
    sites["heart"]["missing"]["classes"] = ["MYO", "RV"]
    sites["heart"]["labelings"]["drop-ed"]["ES"]["RV"] = 1
    plot_finding(tabled(dropped, sites), sites, tmp_path / "finding")
    assert {"labelled", "labels missing", "from the left: ED, ES"} <= set(texts_of(drawn))


def test_panels_of_the_finding_stand_by_how_many_labels_are_missing(dropped, tmp_path, drawn):
    kept = dropped[dropped["labeling"] == "drop-ed"].assign(labeling="take-few")
    about = taking(**{"drop-ed": {"ED": 1}, "take-few": {"ED": 0.1}})
    plot_finding(tabled(pd.concat([dropped, kept]), about), about, tmp_path / "finding")
    titles = [text for text in texts_of(drawn) if text.startswith("heart MYO: ")]
    assert [title.split()[-2] for title in titles] == ["full", "take-few", "drop-ed"]


def test_volumes_are_titled_by_the_labels_that_were_there(dropped, tmp_path, drawn):
    plot_volumes(dropped, DROP_ED, tmp_path / "volumes")
    assert "heart MYO, ED\nlabels missing in training" in texts_of(drawn)
    assert "heart MYO, ES\nlabels in training" in texts_of(drawn)
    drawn.clear()
    plot_volumes(dropped, taking(**{"drop-ed": {"ED": 0.5}}), tmp_path / "volumes")
    assert "heart MYO, ED\nsome labels missing in training" in texts_of(drawn)
    assert_readable(drawn)


def test_distributions_mark_the_group_that_lacks_labels(dropped, tmp_path, drawn):
    plot_distributions(dropped, compare(dropped), DROP_ED, tmp_path / "distributions")
    assert {"heart MYO, ED (missing if partial)", "heart MYO, ES"} <= set(texts_of(drawn))


def test_the_transition_lists_labelings_by_the_share_that_is_missing(tmp_path, drawn):
    table = lines_of_a_transition()
    names = {"partial": "all-of-it", "partial-75": "most-of-it"}
    plot_transition(table.assign(labeling=table["labeling"].replace(names)), tmp_path / "t")
    labels = [text for text in texts_of(drawn) if text.endswith(" labels") and "DSC" not in text]
    assert labels == ["full labels", "most-of-it labels", "all-of-it labels"]


def test_the_legend_names_a_shade_only_where_there_is_one(table, datasets, tmp_path, drawn):
    heart = table[table["dataset"] == "heart"]
    plot_finding(heart[heart["setup"] == "I"], datasets, tmp_path / "none")
    assert "theory expects empty maps" not in texts_of(drawn)
    drawn.clear()
    plot_finding(heart, datasets, tmp_path / "some")
    assert "theory expects empty maps" in texts_of(drawn)


def test_the_legend_says_nothing_of_missing_labels_where_none_are(table, datasets, tmp_path, drawn):
    heart = table[table["dataset"] == "heart"]
    plot_finding(heart[heart["labeling"] == "full"], datasets, tmp_path / "full")
    assert not any("missing" in text for text in texts_of(drawn))
    drawn.clear()
    odd = heart.assign(labeling=heart["labeling"].replace({"partial": "hidden"}))
    plot_finding(odd, datasets, tmp_path / "hidden")
    assert "ES: labels missing if hidden" in texts_of(drawn)
