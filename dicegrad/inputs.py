"""What a job of the workflow sees to before it reads its inputs."""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from dicegrad.checksums import verify_all
from dicegrad.errors import InputError

# Snakemake dates a directory that a rule has made by this file in it.
_STAMP = ".snakemake_timestamp"
# Clocks of machines that share a disk differ by less; longer waits are not worth it.
_SOON = 60.0  # seconds


def check_inputs(paths: Iterable[Path | str]) -> None:
    """See that the inputs of a job are there, as they were written, and not of the future.

    Raises:
        InputError: One is gone, is damaged, or has a date in the future; names it and the
            remedy.
    """
    files = [Path(path) for path in paths]
    if gone := [path for path in files if not path.exists()]:
        raise InputError(
            f"{gone[0]}: was removed while the study ran; put it back if it is yours, and start "
            "the same command again"
        )
    check_dates(files)
    verify_all(files)


def check_dates(paths: Iterable[Path], soon: float = _SOON) -> None:
    """Refuse files from the future; wait for a date that comes within `soon` seconds.

    Snakemake deletes what a job has made if it is older than an input of the job, which is what
    comes of a clock that was set back: better to know before an hour of training.

    Raises:
        InputError: Names the newest file and its date.
    """
    dates = {path: _date(path) for path in paths if path.exists()}
    newest = max(dates, key=lambda path: dates[path], default=None)
    if newest is None or (ahead := dates[newest] - time.time()) <= 0:
        return
    if ahead > soon:
        raise InputError(
            f"{newest}: is dated {datetime.fromtimestamp(dates[newest]):%Y-%m-%d %H:%M:%S}, which "
            "is in the future, so Snakemake would delete what is made of it; set the clock of "
            "this machine, or bring all such files to the present: "
            f"find {_top(newest)} -newermt now -exec touch -d now {{}} +"
        )
    time.sleep(ahead)


def _date(path: Path) -> float:
    stamp = path / _STAMP
    return (stamp if stamp.exists() else path).stat().st_mtime


def _top(path: Path) -> str:
    """The folders in which the workflow has such files."""
    found = [name for name in ("data", "resources", "results") if Path(name).is_dir()]
    within = path.parts[0] in found and not path.is_absolute()
    return " ".join(found if within else [*found, str(path)])
