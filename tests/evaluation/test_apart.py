"""Whether the groups can be told apart, by images and by what the networks did."""

from pathlib import Path

import numpy as np
import pytest

from dicegrad.data.adapter import Case
from dicegrad.evaluation.apart import Images, alike_row, apart_table, features
from tests.reporting.conftest import DATASETS, make_scores

HEART = {"heart": DATASETS["heart"]}


def images_of(scores, shift):
    """Images of the cases of some scores: those of ES are brighter in one corner by `shift`."""
    rng = np.random.default_rng(0)
    rows = scores.drop_duplicates("case")[["case", "subject", "group"]].itertuples(index=False)
    cases = [
        Case(case=c, subject=s, group=g, images=(Path("i"),), label=Path("l")) for c, s, g in rows
    ]
    stack = rng.normal(0, 1, (len(cases), 1, 12, 12, 6))
    for case, image in zip(cases, stack, strict=True):
        image[0, :6, :6] += shift * (case.group == "ES")
    return {"heart": Images(cases, stack.astype(np.float16))}


@pytest.fixture(scope="module")
def blind():
    """A study of which no setup learns what is missing."""
    scores = make_scores(("heart",), subjects=60)
    rng = np.random.default_rng(1)
    noise = rng.normal(1, 0.05, len(scores))
    return scores.assign(dsc=0.9, volume_pred_ml=scores["volume_true_ml"] * noise)


def test_groups_that_look_alike_and_that_no_network_told_apart_are_alike(blind):
    (row,) = apart_table(blind, images_of(blind, 0.0), HEART).to_dict("records")
    assert (row["group"], row["class"], row["share_missing"]) == ("ES", "MYO", 0.5)
    assert row["auc_images"] < 0.7
    assert row["auc_volumes"] < 0.7
    assert row["alike"]


@pytest.mark.parametrize(("ed", "es"), [(2, 4), (3, 10), (7, 11)])
def test_groups_that_lack_equally_many_labels_are_not_compared(blind, ed, es):
    cases = [*blind.loc[blind["group"] == "ED", "case"].unique()[:ed]]
    cases += [*blind.loc[blind["group"] == "ES", "case"].unique()[:es]]
    half = blind[blind["case"].isin(cases) & (blind["labeling"] == "partial")]
    shares = {"ED": {"MYO": 0.7}, "ES": {"MYO": 0.7}}
    about = HEART["heart"] | {"labelings": {"hidden": shares}}
    assert apart_table(half.assign(labeling="hidden"), {}, {"heart": about}).empty


def test_groups_that_a_simple_classifier_tells_apart_are_not_alike(blind):
    (row,) = apart_table(blind, images_of(blind, 2.0), HEART).to_dict("records")
    assert row["auc_images"] > 0.95
    assert not row["alike"]


def test_groups_that_a_network_told_apart_are_not_alike():
    scores = make_scores(("heart",), subjects=60)
    (row,) = apart_table(scores, images_of(scores, 0.0), HEART).to_dict("records")
    assert row["setup"] in ("BI", "I_eps")
    assert row["auc_volumes"] == 1
    assert not row["alike"]


def test_too_few_cases_are_no_proof(blind):
    few = blind[blind["subject"].astype(int) < 12]
    (row,) = apart_table(few, images_of(few, 0.0), HEART).to_dict("records")
    assert not row["alike"]
    (row,) = apart_table(blind, {}, HEART).to_dict("records")
    assert np.isnan(row["auc_images"])
    assert not row["alike"]


def test_many_cases_of_one_subject_are_no_proof(blind):
    """One patient of the group, scanned 60 times, among many of the others."""
    one = blind.assign(subject=blind["subject"].where(blind["group"] == "ED", "one"))
    (row,) = apart_table(one, images_of(one, 0.0), HEART).to_dict("records")
    assert row["auc_images"] < 0.75
    assert row["auc_images_high"] > 0.85
    assert not row["alike"]


def test_full_labels_have_no_row_and_a_row_is_found_by_its_names(blind):
    full = blind[blind["labeling"] == "full"]
    assert apart_table(full, {}, HEART).empty
    table = apart_table(blind, images_of(blind, 0.0), HEART)
    where = {"dataset": "heart", "labeling": "partial", "class": "MYO"}
    assert alike_row(table, {**where, "group": "ES"}) is not None
    assert alike_row(table, {**where, "group": "ED"}) is None
    assert alike_row(None, {**where, "group": "ES"}) is None


def test_features_are_block_means_and_quantiles():
    image = np.arange(8 * 8 * 3, dtype=float).reshape(1, 8, 8, 3)
    found = features(image)
    assert len(found) == 6 * 6 * 3 + 7
    assert found[0] == image[0, 0, 0, 0]  # edges of 8 voxels in 6 blocks: 0, 1, 2, 4, 5, 6
    assert found[-5] == pytest.approx(np.median(image))
