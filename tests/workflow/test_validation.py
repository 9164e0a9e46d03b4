"""Validation on a share of the training subjects, through Snakemake."""

import pytest
import torch

from tests.workflow.conftest import HEADER, new_study
from tests.workflow.test_lost_results import one_error

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.slow]
ROWS = "heart\tfull\tdice\tI\t1e-7\t2\nheart\tpartial\tdice\tI\t1e-7\t2\n"


def small(folder, share):
    study = new_study(folder)
    study.table.write_text(HEADER + ROWS)
    study.set("training", {"epochs": 1, "passes": 1, "validation": share})
    study.write_config(folds=[0], outputs=[], seeds=[0, 1])
    return study


def test_every_row_and_seed_sets_the_same_subject_aside(tmp_path):
    study = small(tmp_path, 0.5)
    study.run()
    weights = sorted(study.results.rglob("weights.pt"))
    assert len(weights) == 4
    learnt = [torch.load(path, weights_only=True)["trained"]["training_cases"] for path in weights]
    folds = (study.folder / "resources/heart/folds.tsv").read_text().splitlines()[1:]
    training = {line.split("\t")[0] for line in folds if not line.endswith("\t0")}
    assert len(training) == 2
    (subject,) = {case.rpartition("_")[0] for cases in learnt for case in cases}
    (aside,) = training - {subject}
    for log in study.results.rglob("train.log"):
        assert f"of 50 % of the training subjects ({aside}), which it does not" in log.read_text()


def test_a_share_that_is_no_subject_is_one_line(tmp_path):
    study = small(tmp_path, 0.1)
    done = study.snakemake("--until", "train")
    assert done.returncode == 1
    line = one_error(done.stderr)
    assert "training: validation is 0.1, which of the 2 training subjects of fold 0" in line
