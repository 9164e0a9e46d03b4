"""A test case whose subject is trained on is told, whatever the spelling."""

import gzip
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.test_set import problems_of_test_set
from tests.cli.conftest import run
from tests.decathlon import write_decathlon
from tests.nifti_files import NOISE, save

ADAPTER = Adapter("toy", ("mri",), ("all",), {"tumor": (1,)}, lambda root: Scan(()), list)


def case(folder, name, subject):
    image, label = folder / f"{name}_image.nii.gz", folder / f"{name}_label.nii.gz"
    save(image, NOISE + ord(name))  # no copy of another case's
    save(label, np.ones(NOISE.shape, np.uint8))
    return Case(name, subject, "all", (image,), label, fingerprint=f"{name}-{name}")


@pytest.mark.parametrize(
    ("subject", "told"),
    [("P1", ["is in imagesTr too"]), ("p1", ["upper and lower case alone"]), ("P2", [])],
)
def test_a_subject_of_training_in_another_spelling_is_told(tmp_path, subject, told):
    known, new = case(tmp_path, "a", "P1"), case(tmp_path, "b", subject)
    lines = problems_of_test_set([new], [known], ADAPTER)
    assert len(lines) == len(told)
    assert all(words in line for words, line in zip(told, lines, strict=True))


def recompress(path, copy):
    copy.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=1))


@pytest.mark.parametrize("make", [shutil.copyfile, os.link, recompress])
def test_one_image_of_a_training_case_is_enough_however_it_was_copied(tmp_path, make):
    known, new = case(tmp_path, "a", "P1"), case(tmp_path, "b", "P2")
    more = save(tmp_path / "more.nii.gz", NOISE - np.int16(5))
    both = replace(ADAPTER, channels=("mri", "ct"))
    known, new = (replace(each, images=(*each.images, more)) for each in (known, new))
    new = replace(new, images=(new.images[0], tmp_path / "copy.nii.gz"))
    make(more, new.images[1])
    assert problems_of_test_set([new], [known], both) == [
        "test case b: has an image of the case a in imagesTr; remove it from one of the two"
    ]


def test_a_copy_is_told_by_its_digest_where_the_training_images_are_gone(tmp_path):
    known, new = (replace(case(tmp_path, n, n), fingerprint=f"{n}-x") for n in "ab")
    known.images[0].unlink()
    assert "has an image of the case a" in problems_of_test_set([new], [known], ADAPTER)[0]


def test_check_and_init_tell_a_test_image_that_is_trained_on(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = write_decathlon(tmp_path / "balls")
    for folder in ("imagesTs", "labelsTs"):
        (root / folder).mkdir()
    recompress(root / "imagesTr" / "scan_002.nii.gz", root / "imagesTs" / "new.nii.gz")
    shutil.copy(root / "labelsTr" / "scan_002.nii.gz", root / "labelsTs" / "new.nii.gz")
    line = "test case new: has an image of the case scan_002 in imagesTr; remove it from one"
    for command in ("check", "init"):
        code, out, _ = run(capsys, command, root)
        assert code == 0
        assert out.count(line) == 1
