"""NIfTI files with headers as tests want them."""

import gzip
import struct

import nibabel as nib
import numpy as np

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
OBLIQUE = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -3], [0, 0, 4, 1], [0, 0, 0, 1]])
NOISE = np.random.default_rng(0).integers(-99, 999, (7, 6, 5)).astype(np.int16)


def save(path, array=NOISE, affine=AFFINE, kind=nib.Nifti1Image, codes=(0, 2), **fields):
    image = kind(array, affine)
    image.set_qform(affine if codes[0] else None, codes[0])
    image.set_sform(affine if codes[1] else None, codes[1])
    for name, value in fields.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def raw(path):
    return bytearray(gzip.decompress(path.read_bytes()))


def patched(path, place, form, *values):
    """The file with some bytes of its header replaced, its checksum right."""
    content = raw(path)
    struct.pack_into(form, content, place, *values)
    path.write_bytes(gzip.compress(bytes(content)))
    return path
