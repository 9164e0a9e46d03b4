"""What every dataset is turned into: cases, and the adapter that finds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dicegrad.errors import InputError


@dataclass(frozen=True)
class Case:
    """One image volume with its label map.

    Attributes:
        case: Unique id, e.g. ``patient001_ED``.
        subject: The unit that folds keep together, e.g. ``patient001``.
        group: What separates the cases whose labels stay from those whose labels go, e.g. ``ED``.
        images: One file per channel, in the adapter's channel order; a file that holds several
            channels is named once for each, see `volumes.read_channels`.
        label: The label map, in the dataset's own values.
        annotated: The classes that were looked for in this case; None is all of them.
        fingerprint: What the case table says of the contents of label and images; empty of a case
            that was not read from one.
        table: That case table, or None.
    """

    case: str
    subject: str
    group: str
    images: tuple[Path, ...]
    label: Path
    annotated: tuple[str, ...] | None = None
    fingerprint: str = field(default="", compare=False)
    table: Path | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Scan:
    """What lies under a root: the cases, and what is wrong with the folders themselves.

    Attributes:
        cases: Every case that could be named, its files present or not.
        problems: One line for each folder that names no case.
    """

    cases: tuple[Case, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adapter:
    """How one dataset is laid out and what its label values mean.

    Attributes:
        name: The word of its layout, a key of `data.adapters.ADAPTERS`.
        channels: Names of the image channels, in order.
        groups: Names of the groups, in order.
        class_values: For every class the raw label values it consists of. The first is the one
            that predictions are written with.
        scan: Finds the cases under a root without opening a volume.
        files: Lists the files that a study of a root reads, without opening a volume.
        ignore: The label value of voxels of which no label is known, if the dataset has one.
        test: Finds the cases of a test set that lies beside those for training, labelled or not;
            None in a layout without one.
    """

    name: str
    channels: tuple[str, ...]
    groups: tuple[str, ...]
    class_values: Mapping[str, tuple[int, ...]]
    scan: Callable[[Path], Scan]
    files: Callable[[Path], list[Path]]
    ignore: int | None = None
    test: Callable[[Path], Scan] | None = None

    @property
    def raw_values(self) -> tuple[int, ...]:
        """Label values that the dataset may hold, background included, ascending."""
        ignored = () if self.ignore is None else (self.ignore,)
        return tuple(sorted({0}.union(*self.class_values.values(), ignored)))


@dataclass(frozen=True)
class Layout:
    """A layout that is known by a word.

    Attributes:
        make: Makes the adapter of a root; most layouts are the same for every root.
        found: Whether a folder that exists is laid out like this.
        holds: What such a folder holds, for messages.
    """

    make: Callable[[Path], Adapter]
    found: Callable[[Path], bool]
    holds: str


def existing_root(root: Path, holds: str) -> Path:
    """Return ``root`` as a path, or say what it should have held.

    Args:
        root: Folder named by the dataset's settings.
        holds: What the folder is expected to hold, for the message.

    Raises:
        InputError: The folder does not exist or is a file.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise InputError(
            f"root {root}: {what}; put (or link) there {holds}, or set `root` in the dataset's "
            "settings to the folder that holds them"
        )
    return root


def nifti(stem: Path) -> Path:
    """Return ``stem.nii.gz``, or ``stem.nii`` where only that exists."""
    compressed = stem.with_name(stem.name + ".nii.gz")
    plain = stem.with_name(stem.name + ".nii")
    return plain if plain.exists() and not compressed.exists() else compressed
