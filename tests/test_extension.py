"""A loss, a layout, a column or a figure is a file of its own and one line elsewhere."""

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

import dicegrad

PACKAGE = Path(dicegrad.__file__).parent


@dataclass(frozen=True)
class Copy:
    """A copy of the package that a test may add to."""

    folder: Path

    def add(self, name: str, text: str) -> None:
        """A new file."""
        path = self.folder / "dicegrad" / name
        assert not path.exists()
        path.write_text(textwrap.dedent(text))

    def add_line(self, name: str, before: str, line: str) -> None:
        """A line, before another."""
        path = self.folder / "dicegrad" / name
        text = path.read_text()
        assert text.count(before) == 1
        path.write_text(text.replace(before, f"{line}\n{before}"))

    def python(self, *words: object) -> str:
        """What a run of Python says, with this package."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, script: str) -> str:
        return self.python("-c", textwrap.dedent(script))


@pytest.fixture
def copy(tmp_path):
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "dicegrad", ignore=unwanted)
    return Copy(tmp_path)


def test_a_loss(copy):
    copy.add(
        "training/brier.py",
        '''
        """The Brier score: the mean squared difference of probability and truth."""


        def brier(wanted):
            def loss(logits, label, annotated=None):
                p = logits.sigmoid()
                return ((p - (label[:, None] > 0).float()) ** 2).mean()

            return loss
        ''',
    )
    line = '    "brier": Loss("dicegrad.training.brier:brier", "Brier", ()),'
    copy.add_line("study/losses.py", '    "dice": Loss(', line)
    said = copy.run(
        """
        import torch
        from dicegrad.cli import _parser
        from dicegrad.study import Experiment
        from dicegrad.study.naming import name_setups
        from dicegrad.training.objective import Wanted, make_objective

        row = dict(dataset="d", labeling="partial", loss="brier", phi="none", epsilon="none")
        experiment = Experiment.from_row({**row, "batch_size": "2"})
        experiment.check(["tumor"])
        logits = torch.zeros(2, 1, 4, 4, 2, requires_grad=True)
        loss = make_objective(Wanted(experiment, None, ("tumor",)))
        value = loss(logits, torch.ones(2, 4, 4, 2, dtype=torch.uint8), None)
        value.backward()
        print(value.item(), bool(logits.grad.abs().min() > 0), *name_setups([experiment]).values())
        given = _parser().parse_args(["train", "a", "b", "c", "--loss", "brier"])
        print(given.loss)
        """
    )
    assert said.split() == ["0.25", "True", "Brier", "brier"]


def test_a_layout(copy):
    copy.add(
        "data/flat.py",
        '''
        """A folder of NAME.nii.gz and NAME_seg.nii.gz."""

        from dicegrad.data.adapter import Adapter, Case, Layout, Scan

        SEG = "_seg.nii.gz"


        def files(root):
            return sorted(root.glob("*.nii.gz"))


        def scan(root):
            names = [path.name.removesuffix(SEG) for path in files(root) if path.name.endswith(SEG)]
            return Scan(
                tuple(
                    Case(name, name, "all", (root / f"{name}.nii.gz",), root / f"{name}{SEG}")
                    for name in names
                )
            )


        FLAT = Adapter("flat", ("ct",), ("all",), {"organ": (1,)}, scan, files)
        LAYOUT = Layout(lambda root: FLAT, lambda root: bool(files(root)), "NAME_seg.nii.gz")
        ''',
    )
    line = '    "flat": __import__("dicegrad.data.flat").data.flat.LAYOUT,'
    copy.add_line("data/adapters.py", '    "acdc": ', line)
    root = copy.folder / "organs"
    copy.run(
        f"""
        import nibabel, numpy
        from pathlib import Path
        root = Path({str(root)!r})
        root.mkdir()
        voxels = numpy.arange(512, dtype=numpy.int16).reshape(8, 8, 8)
        for name in "ab":
            for end, array in (("", voxels), ("_seg", (voxels > 300).astype(numpy.uint8))):
                image = nibabel.Nifti1Image(array, numpy.eye(4))
                nibabel.save(image, root / f"{{name}}{{end}}.nii.gz")
        """
    )
    said = copy.python("-m", "dicegrad.cli", "check", root)
    assert "layout flat" in said
    assert "2 cases of 2 subjects (2 all); all good" in said


def test_a_column(copy):
    """Finished results keep their folder; rows that differ in it have folders of their own."""
    line = '    network: str = "unet"'
    copy.add_line("study/experiment.py", "    unannotated: str = AS_EMPTY\n\n    @property", line)
    said = copy.run(
        """
        from pathlib import Path
        import pandas as pd
        from dicegrad.errors import InputError
        from dicegrad.evaluation.scores import SCORES, read_scores, write_scores
        from dicegrad.evaluation.comparisons import compare
        from dicegrad.study.study import read_experiments

        header = "dataset labeling loss phi epsilon batch_size".split()
        row = "heart partial dice I 1e-7 2".split()
        table = Path("rows.tsv")
        table.write_text("\\t".join(header) + "\\n" + "\\t".join(row) + "\\n")
        (old,) = read_experiments(table)
        lines = ["\\t".join([*header, "network"])]
        lines += ["\\t".join([*row, network]) for network in ("unet", "nnunet")]
        table.write_text("\\n".join(lines) + "\\n")
        same, other = read_experiments(table)
        print(same == old, same.path == old.path, other.path == f"{old.path}/network~nnunet")
        print(type(other).from_path(other.path) == other)

        case = dict(fold=0, case="a", subject="a", group="ES", dsc=0.5, setup="I")
        case |= {"class": "MYO", "volume_true_ml": 1.0, "volume_pred_ml": 1.0}
        scores = pd.DataFrame([{**vars(each), **case} for each in (same, other)])
        write_scores(scores, "scores.tsv")
        scores = read_scores("scores.tsv")
        print(scores["network"].tolist())
        try:
            compare(scores)
        except InputError as error:
            print("two experiments have the same name" in str(error))
        """
    )
    assert said.splitlines() == ["True True True", "True", "['unet', 'nnunet']", "True"]


def test_a_figure_and_a_table(copy):
    copy.add(
        "reporting/figures/scatter.py",
        '''
        """DSC against volume."""

        import pandas as pd

        from dicegrad.reporting.figures.style import save


        def volumes_table(scores):
            return scores.groupby("class", as_index=False)["volume_true_ml"].mean()


        def plot_scatter(scores, out_stem):
            from matplotlib.figure import Figure

            figure = Figure(figsize=(2, 2))
            figure.subplots().plot(scores["volume_true_ml"], scores["dsc"], ".")
            return save(figure, out_stem)
        ''',
    )
    where = "reporting.figures.scatter"
    table = f'{{"means": Table("{where}:volumes_table")}}'
    line = f'    "scatter": Output("8. Mine", ("scores",), {table}, "{where}:plot_scatter"),'
    copy.add_line("reporting/outputs.py", '    "versions": Output(', line)
    said = copy.run(
        """
        from pathlib import Path
        import pandas as pd
        from dicegrad.evaluation.scores import write_scores
        from dicegrad.reporting.outputs import OUTPUTS, WORDS, files_of
        from dicegrad.reporting.produce import produce
        from dicegrad.study import Experiment

        row = vars(Experiment("heart", "partial", "dice", "I", "1e-7", 2))
        case = dict(fold=0, case="a", subject="a", group="ES", setup="I", dsc=0.5)
        case |= {"class": "MYO", "volume_true_ml": 3.0, "volume_pred_ml": 1.0}
        write_scores(pd.DataFrame([{**row, **case}]), "scores.tsv")
        Path("figures").mkdir()
        produce("scatter", {"scores": ["scores.tsv"]}, {}, files_of("scatter"), print)
        print("scatter" in WORDS, Path("means.tsv").read_text().split())
        print(Path("figures/scatter.png").stat().st_size > 500)
        """
    )
    assert said.splitlines()[-2:] == ["True ['class', 'volume_true_ml', 'MYO', '3']", "True"]


def test_a_new_figure_is_a_rule_of_the_workflow(copy):
    """Without a line in the rules."""
    test_a_figure_and_a_table(copy)
    for name in ("rules", "scripts", "config", "report", "envs", "profiles"):
        shutil.copytree(PACKAGE.parent / name, copy.folder / name)
    shutil.copyfile(PACKAGE.parent / "Snakefile", copy.folder / "Snakefile")
    (copy.folder / "report" / "scatter.rst").write_text("DSC against volume.\n")
    planned = copy.python(
        *("-m", "snakemake", "-n", "--cores", "1", "results/demo/figures/scatter.png")
    )
    assert "Making scatter" in planned
