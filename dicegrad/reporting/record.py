"""The record of a study beside its results: settings, commands, and a checksum of every file."""

import hashlib
import platform
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicegrad import __version__
from dicegrad.errors import InputError, without_passwords
from dicegrad.files import Columns, read_rows, read_text, write_table
from dicegrad.logs import made_in
from dicegrad.provenance import commit
from dicegrad.whole import whole_file

SUMS = "SHA256SUMS"
SETTINGS = "study"  # folder of the settings
COMMANDS = f"{SETTINGS}/commands.tsv"
_COMMANDS = Columns(text=("date", "version", "commit", "host", "command"))
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True)
class Record:
    """What `dicegrad verify` found in the folder of a study.

    Attributes:
        files: How many files are listed.
        changed: Those of them whose content has changed.
        missing: Those that are gone.
        commands: One line per command that was run, in order.
        made: Stage and version that made it -> how many of its jobs.
        settings: Copies of the settings.
    """

    files: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    commands: tuple[str, ...]
    made: Mapping[str, int]
    settings: tuple[Path, ...]


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write settings to a file, without passwords in addresses."""
    import yaml

    with whole_file(path, lasting=False) as file:
        file.write(yaml.safe_dump(plain(content), sort_keys=False).encode())


def write_settings(
    folder: Path,
    config: Mapping[str, Any],
    experiments: Path,
    datasets: Mapping[str, Mapping[str, Any]],
) -> None:
    """Copy what a user wrote: config.yaml, experiments.tsv, datasets/<name>.yaml.

    Args:
        folder: Where to.
        config: The config of the study, those of the command line included.
        experiments: The experiment table.
        datasets: Settings of each dataset, with what the config replaces.
    """
    contents = {"config.yaml": config}
    contents |= {f"datasets/{name}.yaml": settings for name, settings in datasets.items()}
    for name, content in contents.items():
        write_yaml(folder / name, content)
    with whole_file(folder / "experiments.tsv", lasting=False) as file:
        shutil.copyfileobj(experiments.open("rb"), file)


def plain(value: Any) -> Any:  # noqa: ANN401
    """What YAML can hold: mappings, lists, and text for paths, without passwords in addresses."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (str, Path)):
        return without_passwords(str(value))
    return value


def add_command(results: Path, words: Sequence[str]) -> None:
    """Add a snakemake command to the list of those that have made the results of a study.

    Args:
        results: Folder of the study.
        words: Of the command line, the program first.
    """
    path = results / COMMANDS
    row = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        "version": __version__,
        "commit": commit(),
        "host": platform.node(),
        "command": " ".join(plain(shlex.join(["snakemake", *words[1:]])).split()),
    }
    before = read_rows(path, _COMMANDS) if path.exists() else []
    write_table([*before, row], path)


def write_sums(folder: Path, files: Iterable[Path]) -> int:
    """Write SHA256SUMS of files of a study, which `sha256sum -c` reads too.

    Args:
        folder: Results of the study.
        files: Files and folders in it; others are left out, and so are hidden ones.

    Returns:
        How many files are listed.
    """
    every = {each for path in files for each in ([path] if path.is_file() else path.rglob("*"))}
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in every
        if path.is_file() and path.is_relative_to(folder) and not path.name.startswith(".")
    )
    with whole_file(folder / SUMS) as file:
        for name in names:
            file.write(f"{_sha256(folder / name)}  {name}\n".encode())
    return len(names)


def read_record(folder: Path) -> Record:
    """Check the files of a finished study, and collect what made them.

    Raises:
        InputError: There is no SHA256SUMS, or it cannot be used.
    """
    sums = _read_sums(folder / SUMS)
    missing = tuple(name for name in sums if not (folder / name).is_file())
    changed = tuple(
        name for name, sha in sums.items() if name not in missing and _sha256(folder / name) != sha
    )
    path = folder / COMMANDS
    rows = read_rows(path, _COMMANDS) if path.exists() else []
    commands = tuple(
        f"{row['date']}  dicegrad {row['version']} {row['commit']}  {row['command']}"
        for row in rows
    )
    settings = tuple(sorted((folder / SETTINGS).rglob("*.yaml")))
    table = folder / SETTINGS / "experiments.tsv"
    return Record(
        len(sums),
        changed,
        missing,
        commands,
        _makers(folder),
        (*settings, *([table] if table.is_file() else [])),
    )


def _read_sums(path: Path) -> dict[str, str]:
    """Name -> SHA-256, of the files in SHA256SUMS."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the study to its end first")
    sums = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if not found or not _is_inside(found[2]):
            raise InputError(
                f"{path}: line {number} is not a checksum and a file of the study; delete it and "
                "run the study again"
            )
        sums[found[2]] = found[1]
    if not sums:
        raise InputError(f"{path}: is empty; delete it and run the study again")
    return sums


def _is_inside(name: str) -> bool:
    """Whether a name can be that of a file of the study."""
    path = Path(name)
    within = ".." not in path.parts and not path.is_absolute()
    if "\0" in name or len(name.encode()) > 2048:
        return False
    return within and all(len(part.encode()) <= 255 for part in path.parts)


def _makers(folder: Path) -> dict[str, int]:
    """What the logs in the folders of experiments and folds say of who made them."""
    found: Counter[str] = Counter()
    for log in sorted(folder.rglob("*.log")):
        if made := made_in(log):
            found[f"{log.stem}: dicegrad {made.version} {made.commit or '(no commit)'}"] += 1
    return dict(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
