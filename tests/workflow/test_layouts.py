"""Every layout as people have it, from the check to table 1, in one study."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from dicegrad.cli import main
from dicegrad.files import read_table
from dicegrad.reporting.tables import TABLE1
from tests.layouts import LAYOUTS, write_layouts
from tests.workflow.conftest import HEADER, NETWORK, Study, copy_workflow

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]


def settings(name, root):
    """A dataset file: small enough for seconds, large enough to see both balls."""
    flat = name == "pictures"
    return {
        "adapter": "auto",
        "root": str(root),
        "classes": list(LAYOUTS[name][2]),
        "preprocessing": {
            "spacing": [1, 1, 1] if flat else [2, 2, 4],
            "size": [24, 24, 1] if flat else [24, 24, 8],
            "orientation": "RAS",
        },
        "folds": {"count": 2, "method": "modulo"},
        "network": {**NETWORK, "kernels": [[3, 3, 1], [3, 3, 1]]} if flat else NETWORK,
        "training": {"epochs": 3, "passes": 1, "learning_rate": 0.01},
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of all of them, run to its end."""
    folder = tmp_path_factory.mktemp("layouts")
    study = Study(folder, copy_workflow(folder / "workflow"))
    rows = []
    for name, root in write_layouts(folder / "data"):
        file = study.workflow / "config" / "datasets" / f"{name}.yaml"
        file.write_text(yaml.safe_dump(settings(name, root)))
        rows.append(f"{name}\tfull\tdice_ce\tI\t1\t2\n")
    study.table.write_text(HEADER + "".join(rows))
    config = {"study": "tiny", "experiments": "experiments.tsv", "device": "cpu", "draws": 1000}
    study.config_file.write_text(yaml.safe_dump({**config, "folds": [0]}))
    study.run()
    return study


@pytest.mark.parametrize("name", LAYOUTS)
def test_check_needs_no_layout(tmp_path, capsys, name):
    LAYOUTS[name][0](tmp_path / name)
    assert main(["check", str(tmp_path / name), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert f"layout {LAYOUTS[name][1]}" in said
    assert "all good" in said


def test_table_1_has_every_layout(study):
    table = read_table(study.results / "table1.tsv", TABLE1)
    assert set(table["dataset"]) == set(LAYOUTS)
    for name, (_, _, classes) in LAYOUTS.items():
        assert set(table[table["dataset"] == name]["class"]) == set(classes)
    assert table["dsc"].notna().all()


def predictions(study, name):
    """Image and predicted map of each case of fold 0."""
    (folder,) = study.results.glob(f"dataset~{name}/**/fold~0/predictions")
    images = study.folder / "data" / name / "imagesTr"
    return [(images / path.name, path) for path in sorted(folder.glob("*.nii.gz"))]


def test_maps_of_images_stored_either_way_overlay_them(study):
    seen = set()
    for image, found in predictions(study, "decathlon"):
        of_image, of_map = nib.load(image), nib.load(found)
        seen.add(nib.aff2axcodes(of_image.affine))
        np.testing.assert_array_equal(of_map.affine, of_image.affine)
        assert of_map.shape == of_image.shape[:3]
        one, other = sitk.ReadImage(str(image)), sitk.ReadImage(str(found))
        assert other.GetSpacing() == one.GetSpacing()[:3]
        assert other.GetOrigin() == one.GetOrigin()[:3]
        first_three = np.reshape(one.GetDirection(), (4, 4))[:3, :3]
        np.testing.assert_allclose(np.reshape(other.GetDirection(), (3, 3)), first_three)
    assert len(seen) == 2


def test_a_picture_gives_a_map_of_one_slice(study):
    for _, found in predictions(study, "pictures"):
        assert nib.load(found).shape[2:] in ((), (1,))
