"""What nnU-Net's plans say, in words, about maps that nobody drew."""

from collections.abc import Mapping
from pathlib import Path

from dicegrad.advice.audit_types import Counts
from dicegrad.errors import InputError
from dicegrad.files import read_json, user_path


def read_plans(path: Path, classes: Mapping[str, Counts]) -> list[str]:
    """One line per configuration.

    Args:
        path: nnUNetPlans.json.
        classes: Counts by class.

    Raises:
        InputError: The file cannot be read or has no configuration with batch_dice.
    """
    plans = read_json(user_path(path))
    found = plans.get("configurations") if isinstance(plans, dict) else None
    if not isinstance(found, dict):
        raise InputError(f"{path}: no configurations; name nnUNetPlans.json of nnU-Net 2")
    lines = []
    for name, own in found.items():
        if settings := _resolved(found, own):
            lines.append(_line(name, settings, classes))
    if not lines:
        raise InputError(f"{path}: no configuration has batch_dice; name nnUNetPlans.json")
    return lines


def _resolved(found: dict, own: object) -> dict | None:
    """A configuration with what it inherits."""
    chain: list[dict] = []
    while isinstance(own, dict) and len(chain) < 10:
        chain.append(own)
        own = found.get(own.get("inherits_from"))
    merged: dict = {}
    for each in reversed(chain):
        merged |= each
    return merged if "batch_dice" in merged and "patch_size" in merged else None


def _line(name: str, settings: Mapping, classes: Mapping[str, Counts]) -> str:
    patch = " x ".join(str(size) for size in settings["patch_size"])
    batch = "true" if settings["batch_dice"] else "false"
    start = f"{name}: patches of {patch}, batch_dice {batch}"
    missing = {c: n.not_annotated for c, n in classes.items() if n.not_annotated}
    empty = {c: n.empty for c, n in classes.items() if n.empty}
    if missing:
        listed = ", ".join(f"{count} of {name}" for name, count in missing.items())
        total = sum(missing.values())
        which = f"the {total} map{'' if total == 1 else 's'} that nobody drew ({listed})"
        if settings["batch_dice"]:
            return (
                f"{start}: with batch_dice true and cross-entropy, {which} will be learnt as "
                "background if they are given as empty"
            )
        return (
            f"{start}: the Dice alone would ignore {which}, but the cross-entropy beside it will "
            "learn them as background if they are given as empty"
        )
    if empty:
        listed = ", ".join(f"{count} of {name}" for name, count in empty.items())
        by = "Dice and cross-entropy" if settings["batch_dice"] else "cross-entropy, not from Dice"
        return f"{start}: empty maps ({listed}) will be learnt as empty, from {by}"
    return f"{start}: every map is filled, so that batch_dice decides only about patches without it"
