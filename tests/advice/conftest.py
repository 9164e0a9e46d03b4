import pytest

from tests.advice.labels import block, write


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        write(tmp_path / "labels" / f"p1_{i}.nii.gz", block(2 + i, 10 + i), (1, 1, 2))
    write(tmp_path / "labels" / "p2_0.nii.gz", block(0, 0))
    return tmp_path / "labels"
