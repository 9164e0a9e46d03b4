"""Time and memory of preprocessing one BRATS-shaped case, against SimpleITK alone.

Usage:
    python benchmarks/preprocessing.py [--repeats 5]

A case of 240 x 240 x 155 voxels with four modalities and a label map is written to a temporary
folder. Measured are (a) reading the five files and resampling them to 2 mm with SimpleITK, and
(b) `prepare_case`, which also checks, smooths, normalises and crops, in turns; the median of each
and their ratio are printed, and the peak memory of this process.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from dicegrad.data.adapter import Case
from dicegrad.data.cases import get_adapter
from dicegrad.preprocessing.prepare import prepare_case
from dicegrad.preprocessing.settings import Preprocessing

SETTINGS = Preprocessing.from_dict(
    {
        "spacing": [2, 2, 2],
        "size": [80, 80, 48],
        "crop": "label",
        "label": "linear",
        "normalisation": {"over": "nonzero"},
    }
)


def write_case(folder: Path) -> Case:
    """Noise in an ellipsoid head, a ball of tumor with values 1, 2 and 4."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[-1:1:155j, -1:1:240j, -1:1:240j]
    head = z**2 / 0.8 + y**2 / 0.55 + x**2 / 0.4 < 1
    paths = []
    for name in ("flair", "t1", "t1ce", "t2"):
        volume = np.where(head, rng.normal(500, 100, head.shape), 0).clip(0).astype(np.int16)
        paths.append(folder / f"case_{name}.nii.gz")
        sitk.WriteImage(sitk.GetImageFromArray(volume), str(paths[-1]), True)
    radius = np.sqrt((z - 0.2) ** 2 + (y + 0.3) ** 2 + (x - 0.2) ** 2)
    label = np.select([radius < 0.05, radius < 0.12, radius < 0.2], [1, 4, 2], 0).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(label), str(folder / "case_seg.nii.gz"), True)
    return Case("case", "case", "HGG", tuple(paths), folder / "case_seg.nii.gz")


def simpleitk_alone(case: Case) -> None:
    """Read five files and resample them to 2 mm, nothing else."""
    grid = sitk.Image([120, 120, 78], sitk.sitkUInt8)
    grid.SetSpacing((2.0, 2.0, 2.0))
    for path in (*case.images, case.label):
        image = sitk.ReadImage(str(path))
        sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    adapter = get_adapter("brats")
    alone, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        case = write_case(Path(folder))
        for _ in range(repeats):
            start = time.perf_counter()
            simpleitk_alone(case)
            middle = time.perf_counter()
            prepare_case(case, adapter, ["tumor"], SETTINGS)
            alone.append(middle - start)
            ours.append(time.perf_counter() - middle)
    reading, preparing = np.median(alone), np.median(ours)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2)
    sys.stdout.write(
        f"SimpleITK alone {reading:.2f} s, prepare_case {preparing:.2f} s, "
        f"ratio {preparing / reading:.2f} (at most 1.5), peak memory {peak:.2f} GB\n"
    )


if __name__ == "__main__":
    main()
