"""A row with several seeds, trained, scored and reported by Snakemake."""

import pytest
import torch
import yaml

from dicegrad.checksums import verify_all
from dicegrad.cli import main
from dicegrad.evaluation.scores import read_scores
from dicegrad.files import read_table
from dicegrad.reporting.tables import TABLE1
from tests.workflow.conftest import HEADER, new_study, work
from tests.workflow.test_reruns import trainings

pytestmark = [pytest.mark.xdist_group("study"), pytest.mark.slow]
ROW = "heart\tpartial\tdice\tI\t1e-7\t2\n"
FOLDER = "dataset~heart/labeling~partial/loss~dice/phi~I/epsilon~1e-7/batch_size~2"


def small(folder, **changes):
    """One row, one fold, one epoch."""
    study = new_study(folder)
    study.table.write_text(HEADER + ROW)
    study.set("training", {"epochs": 1, "passes": 1})
    study.write_config(folds=[0], outputs=["table1"], **changes)
    return study


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A study of the seed 3, finished; then of the seeds 3 and 8."""
    study = small(tmp_path_factory.mktemp("seeds"), seed=3)
    study.run()
    before = {name: (study.results / name).read_bytes() for name in ("scores.tsv", "table1.tsv")}
    config = study.config()
    del config["seed"]
    study.config_file.write_text(yaml.safe_dump({**config, "seeds": [3]}))
    same = study.work()
    study.write_config(seeds=[3, 8])
    planned = study.run("-n")
    study.run()
    return study, before, same, planned


def test_a_list_of_one_seed_is_that_seed(two):
    _, _, same, _ = two
    assert same == {}


def test_another_seed_trains_its_own_runs_and_leaves_the_first_as_they_are(two):
    study, _, _, planned = two
    assert trainings(planned) == {
        "heart, partial labels: dice I, epsilon 1e-7, batch size 2, seed 8, fold 0"
    }
    jobs = work(planned)
    assert (jobs["train"], jobs["predict"], jobs["evaluate"]) == (1, 1, 1)
    assert not {"resample", "folds", "label", "cases", "heuristic"} & set(jobs)
    assert "Nothing to be done" in study.run("-n")


def test_scores_of_the_first_seed_are_those_that_it_had_alone(two):
    study, before, _, _ = two
    scores = read_scores(study.results / "scores.tsv")
    assert scores["seed"].unique().tolist() == [3, 8]
    alone = study.folder / "alone.tsv"
    alone.write_bytes(before["scores.tsv"])
    first = scores[scores["seed"] == 3].drop(columns="seed")
    assert first.equals(read_scores(alone))
    second = scores[scores["seed"] == 8]
    assert first["dsc"].tolist() != second["dsc"].tolist()


def test_tables_hold_the_mean_of_each_case_and_the_spread_over_the_seeds(two):
    study, before, _, _ = two
    table = read_table(study.results / "table1.tsv", TABLE1)
    assert (table["seeds"] == 2).all()
    scores = read_scores(study.results / "scores.tsv")
    means = scores.groupby(["class", "group", "seed"])["dsc"].mean()
    for row in table.to_dict("records"):
        of_seeds = means[row["class"], row["group"]]
        assert row["dsc"] == pytest.approx(of_seeds.mean(), abs=1e-6)
        assert row["dsc_seed_sd"] == pytest.approx(of_seeds.std(), abs=1e-6)
        assert row["n"] == 2  # subjects of the fold, at one phase
    assert b"seeds" not in before["table1.tsv"]
    assert "standard deviation over them" in (study.results / "table1.md").read_text()
    assert " ± " in (study.results / "table1.md").read_text()
    assert "Mean over 2 seeds" in (study.results / "summary.txt").read_text()


def test_files_of_every_seed_are_in_the_record(two, capsys):
    study, _, _, _ = two
    sums = (study.results / "SHA256SUMS").read_text()
    assert f"  {FOLDER}/fold~0/weights.pt\n" in sums
    assert f"  {FOLDER}/seed~8/fold~0/weights.pt\n" in sums
    assert main(["verify", str(study.results)]) == 0
    verify_all([study.results / FOLDER / "seed~8" / "fold~0" / "predictions"])
    assert "are as they were" in capsys.readouterr().out
    assert "experiment" not in study.python("dicegrad.cli plan").stdout


def test_a_seed_of_several_trains_what_it_trains_alone(two, tmp_path):
    study, _, _, _ = two
    alone = small(tmp_path, seed=8)
    target = f"results/tiny/{FOLDER}/fold~0/weights.pt"
    alone.run(target)
    files = alone.folder / target, study.results / FOLDER / "seed~8/fold~0/weights.pt"
    one, other = (torch.load(file, weights_only=True) for file in files)
    assert other["trained"]["seed"] == 8
    assert one["trained"] == other["trained"]
    assert all(torch.equal(one["state"][k], other["state"][k]) for k in one["state"])
