"""The one reader and the one writer of image volumes.

NIfTI-1 and NIfTI-2, compressed or not, are read here; every other format by SimpleITK (.mha,
.nrrd, .png, ...), in a process of its own. What comes out owns its memory. A file that is cut,
damaged (the checksum of gzip is held), no regular file, or larger than it can be, is refused in
one line, in bounded memory and time.
"""

import errno
import stat
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from dicegrad.data.forms import Forms, grid_of
from dicegrad.data.geometry import Grid
from dicegrad.data.nifti import LONGEST, Nifti, build, parse
from dicegrad.data.streams import (
    CHUNK,
    Inflated,
    check_length,
    check_possible,
    check_rest,
    fill,
)
from dicegrad.errors import InputError
from dicegrad.whole import whole_path

if TYPE_CHECKING:
    from dicegrad.data.apart import Information

_NIFTI = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz")


@dataclass(frozen=True)
class Header:
    """Where a volume lies.

    Attributes:
        grid: Its voxels in patient space.
        forms: How a NIfTI file says so; None of other formats.
        placed: Whether the file says anything of place. A NIfTI header without forms does not, nor
            does a picture; only its size and spacing count then.
    """

    grid: Grid
    forms: Forms | None = None
    placed: bool = True

    @classmethod
    def of_affine(cls, size: Sequence[int], affine: np.ndarray) -> Self:
        """The header of new voxels, from a (4, 4) affine in mm to RAS, as in nibabel."""
        forms = Forms.of_affine(affine)
        x, y, z = size
        return cls(grid_of((x, y, z), forms), forms)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The header that `to_json` wrote."""
        forms = values["forms"]
        return cls(
            Grid.from_json(values["grid"]),
            None if forms is None else Forms.from_json(forms),
            bool(values["placed"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain lists, ready for a JSON file."""
        forms = None if self.forms is None else self.forms.to_json()
        return {"grid": self.grid.to_json(), "forms": forms, "placed": self.placed}


@dataclass(frozen=True)
class Volume:
    """The voxels of a file and where they lie.

    Attributes:
        voxels: (X, Y, Z); whole numbers in the number type of the file, others as float32. It owns
            its memory. x varies fastest.
        header: Where they lie.
    """

    voxels: np.ndarray
    header: Header

    @property
    def grid(self) -> Grid:
        """Its voxels in patient space."""
        return self.header.grid


def read_header(path: Path, channels: int = 1) -> Header:
    """Read where a volume lies, and see from the file's size that no voxel is missing.

    Args:
        path: A volume; a picture or a NIfTI file of two dimensions is one slice.
        channels: How many volumes the file should hold: those of a 4-D NIfTI file are the channels
            of one case.

    Raises:
        InputError: The file cannot be read, ends before its last voxel, or holds anything but that
            many volumes with one real number per voxel.
    """
    with _opened(path) as stream:
        if not _is_nifti(path):
            header = _other(path, stream)[1]
            _check_channels(header.grid.size, 1, channels)
            return header
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        first = Inflated(stream).read(LONGEST) if zipped else stream.read(LONGEST)
        nifti = parse(first)
        _check_channels(nifti.shape, nifti.count, channels)
        check_length(stream, nifti.end, zipped)
        return _header(nifti)


def read_headers(paths: Sequence[Path]) -> Iterator[Header]:
    """The headers of the images of a case, one a file, read as they are asked for.

    Args:
        paths: As for `read_channels`.

    Raises:
        InputError: As for `read_header`.
    """
    return (read_header(path, count) for path, count in Counter(paths).items())


def read_volume(path: Path) -> Volume:
    """Read a file that holds one volume.

    Args:
        path: As for `read_header`.

    Raises:
        InputError: As for `read_header`; or a checksum does not fit, or there is not enough memory.
    """
    return _read(path, 1)[0]


def read_channels(paths: Sequence[Path]) -> list[Volume]:
    """Read the images of a case.

    Args:
        paths: One a channel. A file that is named several times holds that many channels, as the
            4-D files of the Medical Segmentation Decathlon do, in their order.

    Raises:
        InputError: As for `read_volume`.
    """
    volumes = {path: iter(_read(path, count)) for path, count in Counter(paths).items()}
    return [next(volumes[path]) for path in paths]


def _read(path: Path, channels: int) -> list[Volume]:
    """The volumes of a file that should hold that many."""
    with _opened(path) as stream:
        if not _is_nifti(path):
            from dicegrad.data.formats import read_voxels

            information, header = _other(path, stream)
            _check_channels(header.grid.size, 1, channels)
            return [Volume(read_voxels(Path(path), information), header)]
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        source = Inflated(stream) if zipped else stream
        first = source.read(LONGEST)
        nifti = parse(first)
        _check_channels(nifti.shape, nifti.count, channels)
        check_possible(stream, nifti.end, zipped)
        stored = np.empty(nifti.end - nifti.start, np.uint8)
        fill(source, first, nifti.start, stored)
        if isinstance(source, Inflated):
            check_rest(source)
        values, header = _values(stored, nifti), _header(nifti)
        return [Volume(values[..., channel], header) for channel in range(channels)]


def _check_channels(shape: Sequence[int], count: int, channels: int) -> None:
    """Refuse a file that holds more or fewer volumes than it should."""
    if count == channels:
        return
    if channels == 1:
        raise InputError(f"shape is {tuple(shape)}, 4-D; give one 3-D volume per file")
    held = "one volume" if count == 1 else f"{count} volumes"
    raise InputError(
        f"holds {held}, shape {tuple(shape)}, for {channels} channels; give one file a channel, or "
        f"a 4-D file of {channels} volumes"
    )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, and put its name before what is wrong with it."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise InputError(f"is {kind}; name a file")
        if path.stat().st_size == 0:
            raise InputError("truncated, it is empty; fetch or write it again")
        with path.open("rb") as stream:
            yield stream
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except MemoryError:
        raise InputError(
            f"{path}: there is not enough memory for it; use a larger machine"
        ) from None
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({reason}); fetch or write it again") from None


def _is_nifti(path: Path) -> bool:
    return Path(path).name.lower().endswith(_NIFTI)


def _header(nifti: Nifti) -> Header:
    return Header(nifti.grid, nifti.forms, any(nifti.forms.codes))


def _values(stored: np.ndarray, nifti: Nifti) -> np.ndarray:
    """(X, Y, Z, volumes) values of the stored numbers."""
    stored_ = stored.view(nifti.dtype).reshape((*nifti.size, nifti.count), order="F")
    native = nifti.dtype.newbyteorder("=")
    if nifti.slope is None:
        kind = native if native.kind in "iu" else np.dtype(np.float32)
        with np.errstate(over="ignore"):
            return stored_.astype(kind, order="F", copy=False)
    from nibabel.volumeutils import apply_read_scaling

    with np.errstate(over="ignore"):
        scaled = apply_read_scaling(
            stored_.astype(native, order="F", copy=False),
            np.float32(nifti.slope),
            np.float32(nifti.inter),
        )
        return np.asfortranarray(scaled, np.float32)


def _other(path: Path, stream: BinaryIO) -> tuple["Information", Header]:
    """A file of another format than NIfTI: what its header says, and where its voxels lie."""
    from dicegrad.data.formats import PICTURES, read_information

    information, grid = read_information(Path(path), stream)
    return information, Header(grid, placed=Path(path).suffix.lower() not in PICTURES)


def write_volume(path: Path, voxels: np.ndarray, header: Header, checked: bool = False) -> None:
    """Write voxels as .nii.gz with the place of a header, as its own file says it.

    A NIfTI header's affines, form codes, units and spacing are written as they were, so that every
    tool lays the new file where it lays the old one. The file appears whole or not at all.

    Args:
        path: The file, ``.nii.gz``.
        voxels: (X, Y, Z) whole numbers or floats.
        header: Where they lie.
        checked: Write its checksum beside it, for a later job; see `dicegrad.checksums`.

    Raises:
        InputError: It cannot be written, since the disk is full, say.
    """
    if voxels.shape != header.grid.size:
        raise ValueError(f"{path}: voxels {voxels.shape} on a grid of {header.grid.size}")
    forms = header.forms or Forms.of_grid(header.grid)
    content = build(voxels.shape, voxels.dtype, forms)
    data = np.asarray(voxels.T, voxels.dtype.newbyteorder("<"), order="C")
    with whole_path(path, checked=checked) as temporary:
        with temporary.open("wb") as stream:
            squeeze = zlib.compressobj(4, zlib.DEFLATED, 31)
            stream.write(squeeze.compress(content))
            stream.write(squeeze.compress(memoryview(data.reshape(-1).view(np.uint8).data)))
            stream.write(squeeze.flush())
        # A full disk can show as late as here.
        with temporary.open("rb") as stream:
            written = Inflated(stream)
            size = sum(map(len, iter(lambda: written.read(CHUNK), b"")))
        if size != len(content) + data.nbytes:
            raise OSError(errno.ENOSPC, "the file is not whole")
