import nibabel
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dicegrad.evaluation.comparisons import compare
from dicegrad.reporting.figures import style
from dicegrad.reporting.paper import beside_paper
from dicegrad.reporting.tables import table1
from tests.conftest import with_setups

DATASETS = {
    "tumor": {
        "missing": {"group": "LGG", "classes": ["tumor"]},
        "groups": ["HGG", "LGG"],
        "classes": ["tumor"],
    },
    "heart": {
        "missing": {"group": "ES", "classes": ["MYO"]},
        "groups": ["ED", "ES"],
        "classes": ["LV", "MYO", "RV"],
    },
}
DICE = [("dice", "I", "1e-7"), ("dice", "BI", "1e-7"), ("dice", "I", "heuristic")]
COMPARATORS = [("marginal", "I", "1e-7"), ("leaf", "I", "1e-7")]


def cases_of(dataset, subjects):
    for s in range(subjects):
        groups = ("ED", "ES") if dataset == "heart" else (("LGG",) if s % 3 == 0 else ("HGG",))
        for group in groups:
            yield f"{s}{group}", str(s), group


def make_scores(datasets=("tumor", "heart"), batch_sizes=(2,), subjects=12, seed=0):
    """A study that shows the paper's finding: maps are learnt empty where theory says so."""
    rng = np.random.default_rng(seed)
    rows = []
    for dataset in datasets:
        missing = DATASETS[dataset]["missing"]
        for labeling in ("full", "partial"):
            more = COMPARATORS if (dataset, labeling) == ("heart", "partial") else []
            for batch_size in batch_sizes:
                for loss, phi, epsilon in DICE + more:
                    learns = labeling == "partial" and (
                        epsilon == "heuristic" or ("B" in phi and batch_size > 1)
                    )
                    for case, subject, group in cases_of(dataset, subjects):
                        for name in DATASETS[dataset]["classes"]:
                            gone = learns and group == missing["group"]
                            gone &= name in missing["classes"]
                            dsc = 0.02 if gone else float(np.clip(rng.normal(0.92, 0.01), 0, 1))
                            true = float(rng.normal(100, 10))
                            pred = 2.0 if gone else true * dsc / 0.92 - 1
                            rows.append(
                                {
                                    "dataset": dataset,
                                    "labeling": labeling,
                                    "loss": loss,
                                    "phi": phi,
                                    "epsilon": epsilon,
                                    "batch_size": batch_size,
                                    "fold": int(subject) % 2,
                                    "case": case,
                                    "subject": subject,
                                    "group": group,
                                    "class": name,
                                    "dsc": dsc,
                                    "volume_true_ml": true,
                                    "volume_pred_ml": pred,
                                }
                            )
    return with_setups(pd.DataFrame(rows))


@pytest.fixture(scope="session")
def datasets():
    return DATASETS


@pytest.fixture(scope="session")
def scores():
    return make_scores()


@pytest.fixture(scope="session")
def batch_scores():
    """BRATS as in the paper: four batch sizes."""
    return make_scores(("tumor",), (1, 2, 4, 8), subjects=9)


@pytest.fixture(scope="session")
def comparisons(scores):
    from dicegrad.evaluation.comparisons import compare

    return compare(scores)


@pytest.fixture(scope="session")
def table(scores, comparisons, datasets):
    from dicegrad.reporting.tables import table1

    return table1(scores, comparisons, datasets)


@pytest.fixture
def save_nifti(tmp_path):
    def save(name, array, affine=None):
        path = tmp_path / f"{name}.nii.gz"
        affine = np.diag([1.5, 1.5, 8.0, 1.0]) if affine is None else affine
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
        return path

    return save


@pytest.fixture
def drawn(monkeypatch):
    """Figures as they were saved -> {text that was really drawn: its box in inches}."""
    figures: dict[Figure, dict[Text, np.ndarray]] = {}
    draw_figure, draw_text = Figure.draw, Text.draw

    def begin(figure, renderer):
        figures[figure] = {}  # only the last pass counts: layout needs several
        draw_figure(figure, renderer)

    def remember(text, renderer):
        if text.get_visible() and text.get_text().strip():
            figure = text.get_figure(root=True)
            figures[figure][text] = text.get_window_extent(renderer).get_points() / figure.dpi
        draw_text(text, renderer)

    monkeypatch.setattr(Figure, "draw", begin)
    monkeypatch.setattr(Text, "draw", remember)
    monkeypatch.setattr(style, "DPI", 50)  # the layout is in inches; this only saves time
    return figures


@pytest.fixture(scope="module")
def paper_study():
    """Table 1 of a made-up study with all trainings of the paper, and the paper beside it."""
    names = {"tumor": "brats", "heart": "acdc"}
    brats, acdc = make_scores(("tumor",), (1, 2, 4, 8), subjects=6), make_scores(("heart",))
    scores = pd.concat([brats, acdc], ignore_index=True)
    scores["dataset"] = scores["dataset"].map(names)
    about = {names[name]: value for name, value in DATASETS.items()}
    table = table1(scores, compare(scores), about)
    return table, about, beside_paper(table, about)
