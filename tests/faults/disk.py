"""A small disk in place of a folder."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Turn a folder of a study into a disk of a few megabytes with the same files.

    Raises:
        PermissionError: Only root may do so.
    """
    folder.mkdir(exist_ok=True)
    kept = folder.with_name(f"{folder.name}.kept")
    shutil.copytree(folder, kept, symlinks=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(kept)
        raise PermissionError(done.stderr.strip())
    try:
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        yield folder
    finally:
        shutil.rmtree(kept)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
