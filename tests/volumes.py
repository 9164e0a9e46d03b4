"""Volumes and grids for tests, from arrays and from SimpleITK, which says where voxels lie."""

import numpy as np
import SimpleITK as sitk

from dicegrad.data.geometry import Grid
from dicegrad.data.volumes import Header, Volume


def volume_on(grid, voxels=None):
    """A volume on a grid; of zeros if there are no voxels."""
    voxels = np.zeros(grid.size, np.uint8) if voxels is None else voxels
    return Volume(np.asfortranarray(voxels), Header(grid))


def grid_of(image):
    """The grid of an image of SimpleITK."""
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def image_on(grid):
    """An empty image of SimpleITK on a grid."""
    image = sitk.Image(list(grid.size), sitk.sitkUInt8)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    return image
