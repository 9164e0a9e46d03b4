"""A user's folder in nnU-Net layout whose groups are called `1` and `2`, as scanners and sites are.

From raw files to tables: a group that a reader takes for a number is no group of the settings.
"""

import json
import shutil

import pytest
import yaml

from dicegrad.data.phantoms import write_phantom
from dicegrad.files import read_table, write_table
from dicegrad.reporting.tables import TABLE1
from tests.conftest import find_cases
from tests.workflow.conftest import HEADER, NETWORK, Study, copy_workflow

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]
ABOUT = {
    "channel_names": {"0": "cine"},
    "labels": {"background": 0, "RV": 1, "MYO": 2, "LV": 3},
    "file_ending": ".nii.gz",
}
GROUPS = {"ED": "1", "ES": "2"}
ROWS = "scans\tfull\tdice\tI\t1e-7\t2\nscans\tpartial\tdice\tI\t1e-7\t2\n"


def write_nnunet(root, hearts):
    """The phantom hearts in another layout; cases and subjects have numbers for names."""
    rows = []
    for number, case in enumerate(find_cases("acdc", hearts)):
        name = f"{number:03d}"
        for folder, end, path in (
            ("imagesTr", "_0000", case.images[0]),
            ("labelsTr", "", case.label),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / folder / f"{name}{end}.nii.gz")
        rows.append({"case": name, "subject": case.subject[-1], "group": GROUPS[case.group]})
    write_table(rows, root / "groups.tsv")
    (root / "dataset.json").write_text(json.dumps(ABOUT))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The study, run to its end."""
    folder = tmp_path_factory.mktemp("digits")
    study = Study(folder, copy_workflow(folder / "workflow"))
    write_phantom("heart", study.folder / "hearts", 6, 0)
    write_nnunet(study.folder / "mine", study.folder / "hearts")
    settings = {
        "adapter": "nnunet",
        "root": "mine",
        "classes": ["LV", "MYO", "RV"],
        "missing": {"group": "2", "classes": ["MYO"]},
        "preprocessing": {
            "spacing": [6, 6, 10],
            "size": [16, 16, 6],
            "crop": "center",
            "allow_lost": True,
        },
        "folds": {"count": 2, "method": "modulo"},
        "network": NETWORK,
        "training": {"epochs": 2, "passes": 1},
    }
    config = {"study": "tiny", "experiments": "experiments.tsv", "device": "cpu", "draws": 1000}
    study.config_file.write_text(yaml.safe_dump(config))
    dataset = study.workflow / "config" / "datasets" / "scans.yaml"
    dataset.write_text(yaml.safe_dump(settings))
    study.table.write_text(HEADER + ROWS)
    study.run()
    return study


def test_table_1_has_its_p_values(digits):
    table = read_table(digits.results / "table1.tsv", TABLE1)
    assert set(table["group"]) == {"1", "2"}
    partial = table[table["labeling"] == "partial"]
    assert len(partial) == 2
    assert partial["p_value"].notna().all()
    assert partial["p_value_volume"].notna().all()


def test_the_summary_says_nothing_false(digits):
    summary = (digits.results / "summary.txt").read_text()
    assert "MYO" in summary
    assert "no case of" not in summary


def test_the_finding_is_drawn(digits):
    for kind in ("png", "svg"):
        assert (digits.results / "figures" / f"finding.{kind}").stat().st_size > 5000
