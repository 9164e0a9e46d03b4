"""Unpacking an archive from elsewhere: every member is inspected before the first is written."""

import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from dicegrad.errors import InputError

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    OverflowError,  # a length of a tar header beyond 64 bits
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
)
# An archive that unpacks to more than this many times its size, and to more than a GiB, is a bomb:
# medical images are compressed already.
_MOST_TIMES, _ALWAYS_FINE = 50, 1 << 30
_LONGEST = 255  # bytes of a name, on every usual file system

# Name as the archive spells it, `file`, `folder` or what is wrong with it, and unpacked bytes.
Member = tuple[str, str, int]


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip or tar archive (compressed or not) into a folder.

    Args:
        archive: The archive.
        folder: Where its members go; made where it does not exist.

    Returns:
        The files written, in the archive's order.

    Raises:
        InputError: The archive is missing, no zip or tar, or damaged; or a member would be written
            outside the folder, comes twice, or is a link, a device or encrypted; or the archive
            unpacks to far more than it holds. In the latter cases nothing has been written.
    """
    if not archive.is_file():
        raise InputError(f"{archive}: no such archive; put it there")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                files = _inspected(archive, map(_zip_member, opened.infolist()))
                opened.extractall(folder)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                files = _inspected(archive, map(_tar_member, tar))
                # Python before 3.11.4 has no filter; the members were inspected above all the same.
                safely: dict = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                tar.extractall(folder, **safely)
        else:
            raise InputError(f"{archive}: neither zip nor tar, or incomplete; fetch it again")
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk that it is unpacked to
        raise InputError(
            f"{archive}: damaged or incomplete ({error}); delete it and fetch it again"
        ) from error
    return [folder / path for path in files]


def _zip_member(info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    what = "folder" if info.filename.endswith("/") else "file"
    if info.flag_bits & 0x1:
        what = "is encrypted"
    elif stat.S_ISLNK(mode):
        what = "is a symbolic link"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "is a special file"
    return info.filename, what, info.file_size


def _tar_member(info: tarfile.TarInfo) -> Member:
    kinds = ((info.isreg(), "file"), (info.isdir(), "folder"), (info.issym(), "is a symbolic link"))
    other = "is a hard link" if info.islnk() else "is a special file"
    return info.name, next((name for holds, name in kinds if holds), other), info.size


def _inspected(archive: Path, members: Iterable[Member]) -> list[PurePosixPath]:
    """The files of an archive, once every member was found harmless."""
    files: list[PurePosixPath] = []
    total, most = 0, max(_ALWAYS_FINE, _MOST_TIMES * archive.stat().st_size)
    for name, problem, path, size in _problems(members):
        if problem:
            raise InputError(
                f"{archive}: member {name!r} {problem}; nothing was unpacked, fetch the archive "
                "from its official source"
            )
        if path is not None:
            files.append(path)
        total += size
        if total > most:  # at once, since the next member of a tar is behind all of this one
            raise InputError(
                f"{archive}: unpacks to {total / 2**30:.1f} GiB, more than {_MOST_TIMES} times its "
                "size; nothing was unpacked, fetch the archive from its official source"
            )
    return files


def _problems(
    members: Iterable[Member],
) -> Iterator[tuple[str, str | None, PurePosixPath | None, int]]:
    """Name, what is wrong, path if it is a file, and size of each member."""
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for name, what, size in members:
        path = PurePosixPath(name.replace("\\", "/"))
        problem = _problem(name, what, path)
        if what == "file" and not problem:
            if path in folders or files.intersection((path, *path.parents)):
                problem = "comes twice"
            files.add(path)
            folders.update(path.parents)
        yield name, problem, path if what == "file" else None, size


def _problem(name: str, what: str, path: PurePosixPath) -> str | None:
    if path.is_absolute() or PureWindowsPath(name).drive:
        return "is an absolute path"
    if ".." in path.parts or "\0" in name:
        return "leads out of the folder"
    if what not in ("file", "folder"):
        return what
    if any(len(part.encode(errors="replace")) > _LONGEST for part in path.parts):
        return f"has a name of more than {_LONGEST} bytes"
    return None if path.parts or what == "folder" else "has no name"
