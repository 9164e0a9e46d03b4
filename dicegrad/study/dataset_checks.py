"""A dataset file checked against its schema, and its parts against each other."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from dicegrad.errors import InputError, nearest
from dicegrad.study.labeling import PARTIAL, WORDS, Removal
from dicegrad.study.losses import ANNOTATED
from dicegrad.study.schemas import Settings, check, shown, with_numbers

UNET, NNUNET = "unet", "nnunet"
GRID, SLIDE = "grid", "slide"  # of prediction.window


def checked(settings: Settings, schema: Settings, where: str) -> Settings:
    """Settings that were checked against the schema; without jsonschema, at least against its keys.

    A bare machine that trains from prepared arrays has no jsonschema: there a key that is missing
    or unknown is still told, and each block is checked once more where it is read.
    """
    if find_spec("jsonschema"):
        settings = with_numbers(settings, schema)
        check(settings, schema, where)
    else:
        _check_keys(settings, schema, where)
    return settings


def _check_keys(settings: Settings, schema: Settings, where: str, block: str = "") -> None:
    known = schema["properties"]
    if not isinstance(settings, Mapping):
        raise InputError(f"{where}: {block[:-1]} is {shown(settings)}; it should hold settings")
    if unknown := [key for key in settings if key not in known]:
        raise InputError(f"{where}: unknown key {block}{unknown[0]}{nearest(unknown[0], known)}")
    if absent := [key for key in schema.get("required", ()) if key not in settings]:
        raise InputError(f"{where}: {block}{absent[0]} is missing; add it")
    for key, value in settings.items():
        if "properties" in known[key]:
            _check_keys(value, known[key], where, f"{block}{key}.")


def merge(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with changes laid over them; mappings merge, all else is replaced."""
    result = dict(settings)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else value
    return result


def check_sense(settings: Settings, where: str) -> None:
    """What a schema cannot say: that parts of the settings fit each other.

    Raises:
        InputError: They do not.
    """
    if "missing" in settings:
        Removal.from_dict(settings["missing"]).check(f"{where}: missing", settings["classes"])
    _check_labelings(settings, where)
    if "download" in settings and settings["adapter"] not in ("acdc", "brats"):
        raise InputError(
            f"{where}: download is for the adapters acdc and brats, not {settings['adapter']}; "
            "remove it, and put the data at `root`"
        )
    if settings.get("engine") == NNUNET:
        _check_nnunet(settings, where)
    listed = settings["folds"]["method"] == "listed"
    if listed != ("file" in settings["folds"]):
        raise InputError(
            f"{where}: folds: method listed {'needs' if listed else 'alone takes'} a file, such as "
            f"splits_final.json; {'add' if listed else 'leave out'} folds.file"
        )
    for switch in ("loss_scale", "epsilon_broadcast"):
        if switch in settings.get("released", ()) and len(settings["classes"]) == 1:
            raise InputError(
                f"{where}: released has {switch}, which is about the mean over several classes; "
                f"there is only {settings['classes'][0]}: remove it"
            )
    _check_test(settings, where)
    _check_network(settings["network"], settings["preprocessing"]["size"], where)


def _check_test(settings: Settings, where: str) -> None:
    """Refuse a test set that would be predicted where its true labels lie, or normalised there."""
    block = settings["preprocessing"]
    if not settings.get("test") or block.get("crop") != "label":
        return
    slide = settings.get("prediction", {}).get("window") == SLIDE
    if not slide or block.get("normalisation", {}).get("over") == "whole":
        raise InputError(
            f"{where}: test is true, and preprocessing.crop is label, the position of the true "
            "label, which networks may not know of a test image; set crop to snap or foreground, "
            "or remove test"
        )


def _check_labelings(settings: Settings, where: str) -> None:
    """See that labelings have names of their own, and entries that make sense."""
    first: dict[str, str] = {}
    for name, entries in settings.get("labelings", {}).items():
        other = first.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(
                f"{where}: labelings has {other!r} and {name!r}, which are one folder where a disk "
                "does not tell upper and lower case apart; give them different names"
            )
        if name.casefold() in WORDS or name.casefold().startswith(f"{PARTIAL}-"):
            raise InputError(
                f"{where}: labelings has {name!r}, a reserved word; give it another name"
            )
        if name.endswith(ANNOTATED):
            raise InputError(
                f"{where}: labelings has {name!r}, and {ANNOTATED} ends the tables of what was "
                "annotated in another labeling; give it another name"
            )
        for number, entry in enumerate(entries, start=1):
            place = f"{where}: labelings.{name}, entry {number}"
            Removal.from_dict(entry).check(place, settings["classes"])


def _check_nnunet(settings: Settings, where: str) -> None:
    """Refuse what is of the other engine."""
    if settings.get("released"):
        raise InputError(
            f"{where}: released is of the engine {UNET}, and engine is {NNUNET}; remove released"
        )
    if "validation" in settings["training"]:
        raise InputError(
            f"{where}: training.validation is of the engine {UNET}; nnU-Net trains to its last "
            "epoch whatever its validation says: remove training.validation"
        )
    if settings.get("prediction"):
        raise InputError(
            f"{where}: prediction is of the engine {UNET}, and engine is {NNUNET}, which slides "
            "its own window; remove prediction"
        )
    if settings.get("test"):
        raise InputError(
            f"{where}: test is of the engine {UNET}, and engine is {NNUNET}; remove test, and let "
            "nnUNetv2_predict segment imagesTs"
        )


def _check_network(network: Settings, size: list[int], where: str) -> None:
    levels = len(network["encoder"])
    if not len(network["decoder"]) == len(network["pools"]) == levels - 1:
        raise InputError(
            f"{where}: network has {levels} encoder levels, so {levels - 1} decoder levels and "
            f"pools; got {len(network['decoder'])} and {len(network['pools'])}"
        )
    lengths = [len(block) for block in (*network["encoder"], *network["decoder"])]
    if not min(lengths):
        raise InputError(f"{where}: network has a block without a convolution; give it features")
    if max(lengths) > len(network["kernels"]):
        raise InputError(
            f"{where}: network.kernels names {len(network['kernels'])}, but a block has "
            f"{max(lengths)} convolutions; add a kernel for each"
        )
    divisors = [math.prod(axis) for axis in zip(*network["pools"], strict=True)]
    for axis, length, divisor in zip("xyz", size, divisors, strict=True):
        if length % divisor:
            raise InputError(
                f"{where}: preprocessing.size {shown(size)} cannot be pooled; its {axis} must be a "
                f"multiple of {divisor}"
            )
    if list(size) == divisors:
        raise InputError(
            f"{where}: preprocessing.size {shown(size)} is pooled to a single voxel, which cannot "
            "be normalised; leave out a level of the network"
        )
