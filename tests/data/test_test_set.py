"""A test case whose subject is trained on is told, whatever the spelling."""

import numpy as np
import pytest

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.data.test_set import problems_of_test_set
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
