"""One fault of the many that `make test-faults` tries; and the harness itself can fail."""

import shutil

import pytest

from tests.faults.kinds import Trial
from tests.faults.study import FOLD, Base, Run, result_hashes
from tests.faults.trial import SAME, TOLD, Outcome, _follow, try_fault

pytestmark = pytest.mark.xdist_group("study")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Base:
    """The study that nothing disturbed."""
    return Base.make(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("number", [4])
def test_a_fault_comes_out_as_promised(base, tmp_path, number):
    outcome = try_fault(base, tmp_path / "fault", 0, number)
    assert outcome.result in (SAME, TOLD), outcome
    assert not (tmp_path / "fault").exists()


def finished(base, folder) -> Trial:
    """A finished study whose run has ended well."""
    shutil.copytree(base.folder, folder / "study", symlinks=True)
    (folder / "tmp").mkdir()
    run = Run.start(folder / "study", folder / "run-1.txt", "--version")
    assert run.wait() == 0
    return Trial(run, folder / "study", None)


@pytest.mark.slow
def test_a_changed_result_is_told_by_verify_and_made_again(base, tmp_path):
    trial, outcome = finished(base, tmp_path), Outcome(0, "flip")
    history = trial.folder / FOLD / "history.tsv"
    history.write_text(history.read_text().replace("0", "1", 1))
    assert result_hashes(trial.folder) != base.hashes
    _follow(base, trial, outcome)
    assert outcome.result == TOLD, outcome
    assert "history.tsv: has changed since the study was finished" in outcome.lines[0]


def test_a_result_that_is_silently_wrong_is_found_out(base, tmp_path):
    trial, outcome = finished(base, tmp_path), Outcome(0, "forged")
    history = trial.folder / FOLD / "history.tsv"
    history.write_text(history.read_text().replace("0", "1", 1))
    sums = trial.folder / "results" / "tiny" / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.open() if "history.tsv" not in line))
    _follow(base, trial, outcome)
    assert outcome.result.startswith("SILENTLY WRONG: ['results/tiny/")
