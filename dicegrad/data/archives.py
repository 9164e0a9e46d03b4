"""Unpacking an archive from elsewhere: every member is looked at before the first is written."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from dicegrad.errors import InputError

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
)


@dataclass(frozen=True)
class Member:
    """One entry of a zip or tar archive.

    Attributes:
        name: As the archive spells it.
        kind: ``file``, ``folder``, or what is wrong with it.
        size: Bytes, unpacked.
        open: Opens it for reading.
    """

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip or tar archive (compressed or not) into a folder.

    Args:
        archive: The archive.
        folder: Where its members go; made where it does not exist.

    Returns:
        The files written, in the archive's order.

    Raises:
        InputError: The archive is missing, no zip or tar, or damaged; or a member would be written
            outside the folder, comes twice, or is a link, a device or encrypted. In the latter
            cases nothing has been written.
    """
    if not archive.is_file():
        raise InputError(f"{archive}: no such archive; put it there")
    try:
        with ExitStack() as stack:
            members = _members(archive, stack)
            _refuse_hostile(archive, members)
            return [_write(m, folder) for m in members if m.kind == "file"]
    except _BROKEN as error:
        raise InputError(
            f"{archive}: damaged or incomplete ({error}); delete it and fetch it again"
        ) from error


def _members(archive: Path, stack: ExitStack) -> list[Member]:
    if zipfile.is_zipfile(archive):
        opened = stack.enter_context(zipfile.ZipFile(archive))
        return [_zip_member(opened, info) for info in opened.infolist()]
    if tarfile.is_tarfile(archive):
        tar = stack.enter_context(tarfile.TarFile.open(archive))
        return [_tar_member(tar, info) for info in tar.getmembers()]
    raise InputError(f"{archive}: neither zip nor tar, or incomplete; fetch it again")


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "file"
    if info.flag_bits & 0x1:
        kind = "is encrypted"
    elif stat.S_ISLNK(mode):
        kind = "is a symbolic link"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "is a special file"
    return Member(info.filename, kind, info.file_size, lambda: opened.open(info))


def _tar_member(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kinds = ((info.isreg(), "file"), (info.isdir(), "folder"), (info.issym(), "is a symbolic link"))
    other = "is a hard link" if info.islnk() else "is a special file"
    kind = next((name for holds, name in kinds if holds), other)
    return Member(info.name, kind, info.size, lambda: opened.extractfile(info))


def _refuse_hostile(archive: Path, members: Iterable[Member]) -> None:
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for member in members:
        path = _path(member)
        fault = _fault(member, path)
        if member.kind == "file" and not fault:
            if path in folders or files.intersection((path, *path.parents)):
                fault = "comes twice"
            files.add(path)
            folders.update(path.parents)
        if fault:
            raise InputError(
                f"{archive}: member {member.name!r} {fault}; nothing was unpacked, fetch the "
                "archive from its official source"
            )


def _fault(member: Member, path: PurePosixPath) -> str | None:
    if path.is_absolute() or PureWindowsPath(member.name).drive:
        return "is an absolute path"
    if ".." in path.parts or "\0" in member.name:
        return "leads out of the folder"
    if member.kind not in ("file", "folder"):
        return member.kind
    return None if path.parts or member.kind == "folder" else "has no name"


def _path(member: Member) -> PurePosixPath:
    return PurePosixPath(member.name.replace("\\", "/"))


def _write(member: Member, folder: Path) -> Path:
    path = folder / _path(member)
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if path.stat().st_size != member.size:
        raise EOFError(f"member {member.name} ends early")
    return path
