"""The one table of outputs: what a study leaves for its readers."""

import re
from pathlib import Path

import pytest
from snakemake.io import glob_wildcards

from dicegrad.reporting.outputs import ALWAYS, OUTPUTS, WORDS, files_of, wanted_files
from dicegrad.reporting.produce import load
from dicegrad.study import Study
from tests.conftest import refusal
from tests.study.conftest import CONFIG, HEADER, line

REPORT = CONFIG.parent / "report"


def study(tmp_path, text, header=HEADER, **changes):
    table = tmp_path / "mine.tsv"
    table.write_text(header + text)
    settings = {"study": "mine", "experiments": str(table), **changes}
    return Study.read(settings, "mine.yaml", CONFIG)


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_function_that_an_output_names_is_there(name):
    output = OUTPUTS[name]
    for table in output.tables.values():
        named = [table.make, table.columns, table.shown, table.beside]
        assert all(load(each) is not None for each in named if each)
    assert all(callable(load(each)) for each in (output.figure, output.text) if each)


def test_an_output_reads_what_the_workflow_has_or_an_earlier_output_made():
    known = {"scores", "epsilon", "voxels", "histories", "cases", "prepared", "predictions"}
    known |= {"images", "test_scores"}
    known |= {"datasets", "dataset", "chosen", "draws", "setups"}
    for output in OUTPUTS.values():
        assert set(output.reads) <= known
        known |= {name for name, table in output.tables.items() if table.columns}


def test_no_two_outputs_write_one_file():
    files = [file for name in OUTPUTS for file in files_of(name, "heart").values()]
    assert len(files) == len(set(files))


def test_what_the_report_shows_has_a_caption():
    for name, output in OUTPUTS.items():
        shown = output.figure or any(t.layout != "long" for t in output.tables.values())
        assert not shown or (REPORT / f"{output.caption or name}.rst").is_file()


def test_full_labels_alone_leave_out_what_is_about_other_losses_and_a_sweep(tmp_path):
    files = wanted_files(study(tmp_path, line(labeling="full")))
    assert set(ALWAYS) < set(files)
    assert "table1.tsv" in files
    about = "table_losses|transition|examples|volumes"
    assert not [file for file in files if re.search(about, file)]


def test_a_study_gets_what_its_rows_can_answer(tmp_path):
    partial = line() + line(epsilon="heuristic") + line(epsilon="10") + line(loss="leaf")
    files = wanted_files(study(tmp_path, line(labeling="full") + partial))
    for expected in ("table_losses.tsv", "transition.tsv", "figures/examples_heart.png"):
        assert expected in files
    assert len(files) == len(set(files))


def test_a_test_set_has_a_table_where_a_dataset_is_scored_on_it(tmp_path):
    assert "test.tsv" not in wanted_files(study(tmp_path, line()))
    assert "test.tsv" in wanted_files(study(tmp_path, line(), datasets={"heart": {"test": True}}))
    said = refusal(wanted_files, study(tmp_path, line(), outputs=["test"]))
    assert said == "outputs has 'test', but no dataset of the study has `test: true`; add it there"


def test_two_epsilons_are_no_transition_and_full_labels_no_roc_curve(tmp_path):
    files = wanted_files(study(tmp_path, line() + line(epsilon="heuristic")))
    assert "transition.tsv" not in files
    assert "roc.tsv" in files
    assert "figures/roc.png" not in wanted_files(study(tmp_path, line(labeling="full")))


@pytest.mark.parametrize("other", [{"batch_size": "4"}, {"unannotated": "ignored"}])
def test_epsilons_of_different_lines_are_no_transition(tmp_path, other):
    def rows(third):
        every = [{}, {"epsilon": "10"}, third]
        return "".join(line(**{"unannotated": "as_empty", **each}) for each in every)

    header = HEADER.replace("\n", "\tunannotated\n")
    for third, there in (({"epsilon": "100"}, True), ({"epsilon": "100", **other}, False)):
        files = wanted_files(study(tmp_path, rows(third), header))
        assert ("transition.tsv" in files) == there


def test_a_labeling_that_takes_labels_from_one_group_has_a_roc_curve(tmp_path):
    named = {
        "drop-ed": [{"group": "ED", "classes": ["MYO"]}],
        "thinned": [{"group": "ED", "slices": 2}],
        "halved": [{"share": 0.5}],
    }
    for labeling, drawn in (("drop-ed", True), ("thinned", False), ("halved", False)):
        changes = {"datasets": {"heart": {"labelings": named}}}
        files = wanted_files(study(tmp_path, line(labeling=labeling), **changes))
        assert ("roc.tsv" in files) is drawn


def test_what_the_config_names_is_all_there_is_and_brings_what_belongs_to_it(tmp_path):
    files = wanted_files(study(tmp_path, line(), outputs=["table1"]))
    assert {"table1.tsv", "comparisons.tsv", "summary.txt", *ALWAYS} <= set(files)
    assert not [file for file in files if file.startswith("figures/")]


def test_a_study_may_leave_it_at_the_scores(tmp_path):
    assert wanted_files(study(tmp_path, line(), outputs=[])) == list(ALWAYS)


def test_an_unknown_output_is_refused_with_the_nearest(tmp_path):
    text = refusal(lambda: wanted_files(study(tmp_path, line(), outputs=["table2"])))
    assert text.startswith("outputs has 'table2'; allowed: all, or a list of table1, ")
    assert text.endswith("; did you mean 'table1'?")
    assert "versions" not in WORDS


def test_snakemake_finds_the_wildcard_of_an_output_of_each_dataset(tmp_path):
    path = tmp_path / files_of("examples", "heart")["png"]
    path.parent.mkdir(parents=True)
    path.touch()
    pattern = str(tmp_path / files_of("examples", "{dataset}")["png"])
    assert glob_wildcards(pattern).dataset == ["heart"]
    assert Path(pattern).suffix == ".png"
