"""The workflow runs from where a user wants it: another folder, or within another workflow."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY

MODULE = """
configfile: "config.yaml"


module dicegrad:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from dicegrad
"""


def snakemake(folder, *arguments):
    """Snakemake in a folder, with the package installed as this test has it."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def plans_the_demo(done):
    """Whether a dry run without a target would train the demo's 14 networks."""
    assert done.returncode == 0, done.stdout + done.stderr
    return re.search(r"^train +14$", done.stdout, re.M)


@pytest.mark.slow
def test_another_workflow_takes_it_in_as_a_module(study):
    (study.folder / "Snakefile").write_text(MODULE.format(snakefile=REPOSITORY / "Snakefile"))
    study.write_config(outputs=["table1"])
    done = snakemake(study.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (study.results / "table1.md").exists()
    assert (study.results / "SHA256SUMS").exists()


def test_a_dataset_of_the_workflow_is_found_from_another_folder(tmp_path):
    assert plans_the_demo(snakemake(tmp_path, "-n", "-s", str(REPOSITORY / "Snakefile")))


def test_two_datasets_of_one_phantom_are_planned_and_it_is_made_once(tmp_path):
    shutil.copytree(REPOSITORY / "config" / "datasets", tmp_path / "config" / "datasets")
    datasets = tmp_path / "config" / "datasets"
    shutil.copy(datasets / "heart.yaml", datasets / "again.yaml")
    header = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n"
    rows = "".join(f"{name}\tfull\tdice\tI\t1e-7\t2\n" for name in ("heart", "again"))
    (tmp_path / "two.tsv").write_text(header + rows)
    settings = {"study": "two", "experiments": "two.tsv", "folds": [0]}
    (tmp_path / "config" / "two.yaml").write_text(yaml.safe_dump(settings))
    snakefile = str(REPOSITORY / "Snakefile")
    done = snakemake(tmp_path, "-n", "-s", snakefile, "--configfile", "config/two.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^train +2$", done.stdout, re.M)
    assert re.search(r"^phantom_heart +1$", done.stdout, re.M)
    assert "phantom_again" not in done.stdout


def test_the_workflow_lies_where_the_catalog_looks_for_it(tmp_path):
    snakefile = REPOSITORY / "workflow" / "Snakefile"
    assert plans_the_demo(snakemake(tmp_path, "-n", "-s", str(snakefile)))
    assert (REPOSITORY / "config" / "README.md").exists()
    catalog = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())
    assert catalog["usage"]["software-stack-deployment"]["conda"] is True


def test_the_workflow_as_snakedeploy_takes_it_in_plans_a_whole_study(tmp_path):
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")  # as snakedeploy does
    snakefile = REPOSITORY / "workflow" / "Snakefile"
    text = MODULE.format(snakefile=snakefile).replace("config.yaml", "config/config.yaml")
    (tmp_path / "Snakefile").write_text(text)
    assert plans_the_demo(snakemake(tmp_path, "-n"))


def test_the_image_is_made_of_files_that_are_there_and_let_in():
    text = (REPOSITORY / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*)", text, re.M) for name in line.split()[:-1]]
    let_in = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for name in copied:
        assert (REPOSITORY / name).exists(), name
        assert f"!{name}" in let_in
    needed = {"Snakefile", "config", "rules", "scripts", "report", "dicegrad", "requirements.lock"}
    assert needed <= set(copied)
