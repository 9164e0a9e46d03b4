"""Label maps of a few voxels, made on the spot."""

import nibabel as nib
import numpy as np


def write(path, values, spacing=(1, 1, 1), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.asarray(values, dtype), np.diag([*spacing, 1.0]))
    image.header.set_zooms(spacing)
    nib.save(image, path)
    return path


def block(value, voxels, shape=(4, 4, 4)):
    map = np.zeros(shape, int)
    map.ravel()[:voxels] = value
    return map
