"""New images, of which there are no labels: a folder in nnU-Net's naming, or files by hand."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dicegrad.data.cases import repeated
from dicegrad.data.checks import header_problems
from dicegrad.errors import InputError

# The images of a case, in the order of the channels, by its name.
Images = Mapping[str, tuple[Path, ...]]

_ENDINGS = r"\.(nii|nii\.gz|mha|mhd|nrrd|nhdr|png|bmp|tiff?|jpe?g)$"
_ENDING = re.compile(_ENDINGS, re.IGNORECASE)
_CHANNEL = re.compile(r"(.+)_([0-9]{4})" + _ENDINGS, re.IGNORECASE)


def find_images(inputs: Sequence[Path], channels: Sequence[str]) -> Images:
    """Find the images to segment, and look at their headers.

    Args:
        inputs: A folder of ``NAME_0000.nii.gz``, ``NAME_0001.nii.gz``, ..., one file a channel;
            other files in it, such as the label map ``NAME.nii.gz``, are passed over. Or a folder
            of ``NAME.nii.gz``, one file a case, 4-D where there are several channels. Or image
            files: the channels of one case in their order; where there is one channel, a case each.
        channels: Names of the dataset's channels.

    Returns:
        Name -> images, by name. A name is that of the (first) file without ``_0000`` and ending.

    Raises:
        InputError: One line per problem: no image, one without a channel number among others, a
            channel missing or too many, a file that cannot be read or is no single volume, channels
            on different voxels.
    """
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; name a folder of images, or images")
    if len(inputs) == 1 and inputs[0].is_dir():
        found, problems = _of_folder(inputs[0], channels)
    else:
        found, problems = _of_files(inputs, channels), []
    for paths in found.values():
        problems += [
            f"{path}: a folder, or a link that leads nowhere; put the image there"
            for path in paths
            if not path.is_file()
        ]
        problems += header_problems(path for path in paths if path.is_file())
    if problems:
        raise InputError(*problems)
    return found


def line_on_folders(inputs: Sequence[Path], out: Path) -> str:
    """What `dicegrad predict` passes over: images in folders within; empty if there are none.

    Args:
        inputs: As for `find_images`.
        out: The folder for label maps, which may be one of those within.
    """
    folder = inputs[0]
    within = [
        Path(where, name).relative_to(folder)
        for where, _, names in os.walk(folder)
        if Path(where) != folder and not Path(where).resolve().is_relative_to(out.resolve())
        for name in names
        if _ENDING.search(name)
    ]
    shown = [path for path in sorted(within) if not any(part[0] == "." for part in path.parts)]
    if not shown:
        return ""
    return (
        f"{folder}: {_count(shown, 'image')} in folders within it, such as {shown[0]}, "
        f"{'is' if len(shown) == 1 else 'are'} passed over; predict each folder by itself"
    )


def _of_folder(folder: Path, channels: Sequence[str]) -> tuple[Images, list[str]]:
    """The cases of a folder, and what is wrong with them."""
    files = [p for p in sorted(folder.iterdir()) if p.name[0] != "." and _ENDING.search(p.name)]
    matches = [(path, _CHANNEL.match(path.name)) for path in files]
    numbered: dict[str, list[tuple[int, Path]]] = {}
    for path, match in matches:
        if match:
            numbered.setdefault(match[1], []).append((int(match[2]), path))
    if not numbered:
        if files:
            # As the Medical Segmentation Decathlon has it: one file a case, with all channels.
            names = [_ENDING.sub("", path.name) for path in files]
            twice = [f"two images of {folder} are called {n}; remove one" for n in repeated(names)]
            return dict(zip(names, ((p,) * len(channels) for p in files), strict=True)), twice
        raise InputError(
            f"{folder}: no image in it; put NAME_0000.nii.gz there, one file a channel"
        )
    found: dict[str, tuple[Path, ...]] = {}
    problems = [
        f"{path}: has no channel number, and others have; call it {name}_0000, with its ending, or "
        "move it elsewhere"
        for path, match in matches
        if not match and (name := _ENDING.sub("", path.name)) not in numbered
    ]
    for name, pairs in sorted(numbered.items()):
        wrong = list(_channel_problems(folder, name, [number for number, _ in pairs], channels))
        problems += wrong
        if not wrong:
            found[name] = tuple(path for _, path in pairs)
    return found, problems


def _channel_problems(
    folder: Path, name: str, numbers: Sequence[int], channels: Sequence[str]
) -> Iterable[str]:
    """Lines on the channels that a case of a folder lacks or has too many of."""
    for number, channel in enumerate(channels):
        if number not in numbers:
            path = folder / f"{name}_{number:04d}.nii.gz"
            yield f"case {name}: channel {channel} is missing; add {path}"
    if max(numbers) >= len(channels):
        yield (
            f"case {name}: has {folder / name}_{max(numbers):04d}, but the dataset has "
            f"{_named(channels)}; remove it, or name another dataset"
        )
    for text in repeated(f"{number:04d}" for number in numbers):
        yield f"case {name}: has {folder / name}_{text} with two endings; remove one"


def _of_files(paths: Sequence[Path], channels: Sequence[str]) -> Images:
    """The cases that some image files are."""
    for path in paths:
        if path.is_dir() or not _ENDING.search(path.name):
            what = "a folder among several inputs" if path.is_dir() else "not an image"
            raise InputError(
                f"{path}: {what}; name one folder, or files such as .nii.gz, .mha or .png"
            )
    if len(channels) == 1:
        cases: list[tuple[Path, ...]] = [(path,) for path in paths]
    elif len(paths) == len(channels):
        cases = [tuple(paths)]
    else:
        raise InputError(
            f"{paths[0]}: {_count(paths, 'file')}, but the dataset has {_named(channels)}; name "
            "one file a channel, in that order, or a folder"
        )
    names = [_ENDING.sub("", case[0].name).removesuffix("_0000") for case in cases]
    if "" in names:  # its label map would be a hidden file
        raise InputError(f"{cases[names.index('')][0]}: has no name before its ending; rename it")
    if twice := repeated(names):
        raise InputError(f"two images are called {twice[0]}; predict them into different folders")
    return dict(sorted(zip(names, cases, strict=True)))


def _named(channels: Sequence[str]) -> str:
    return f"{_count(channels, 'channel')}, {', '.join(channels)}"


def _count(things: Sequence, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"
