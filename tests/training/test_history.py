import math

from dicegrad.training.history import write_history
from tests.conftest import files_in


def test_a_history_is_a_table_of_one_row_an_epoch(tmp_path):
    rows = [
        {"epoch": 1, "step": 3, "train_loss": 0.123456789, "dsc_box": math.nan},
        {"epoch": 2, "step": 1234567, "train_loss": 1e-9, "dsc_box": 0.5},
    ]
    write_history(rows, tmp_path / "history.tsv")
    assert (tmp_path / "history.tsv").read_text() == (
        "epoch\tstep\ttrain_loss\tdsc_box\n1\t3\t0.123457\tnan\n2\t1234567\t1e-09\t0.5\n"
    )
    assert files_in(tmp_path) == ["history.tsv"]
