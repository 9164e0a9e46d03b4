"""The adapters: which layouts of a data set are known, by the word that a dataset file uses.

To add a layout, write a module like `nnunet.py` and add a line to `ADAPTERS`.
"""

from collections.abc import Mapping
from pathlib import Path

from dicegrad.data import acdc, brats, case_table, nnunet
from dicegrad.data.adapter import Adapter, Layout
from dicegrad.data.phantoms import mixed_adapter
from dicegrad.errors import InputError, nearest
from dicegrad.study import Dataset

AUTO = "auto"


# In the order in which `detect` asks: a table that the user wrote says most.
ADAPTERS: Mapping[str, Layout] = {
    "table": case_table.LAYOUT,
    "nnunet": nnunet.LAYOUT,
    "acdc": acdc.LAYOUT,
    "brats": brats.LAYOUT,
}


def adapter_of(dataset: Dataset) -> Adapter:
    """The adapter of a dataset, also of a phantom that is still to be written.

    Raises:
        InputError: See `get_adapter`.
    """
    phantom = dataset.block("phantom", default={})
    if phantom.get("kind") == "mixed":
        return mixed_adapter(phantom["subjects"])
    return get_adapter(dataset.adapter, dataset.root)


def get_adapter(name: str, root: Path) -> Adapter:
    """Return the adapter of that name.

    Args:
        name: A key of `ADAPTERS`; or `auto`, which finds out, see `detect`.
        root: The dataset's folder; some layouts name their channels and classes there.

    Raises:
        InputError: There is no such adapter, or the folder cannot be used.
    """
    root = Path(root)
    if name == AUTO:
        name = detect(root)
    if name not in ADAPTERS:
        known = (AUTO, *ADAPTERS)
        raise InputError(f"adapter is {name!r}; allowed: {', '.join(known)}{nearest(name, known)}")
    return ADAPTERS[name].make(root)


def detect(root: Path) -> str:
    """Find out how a folder is laid out, from the names in it.

    Args:
        root: The dataset's folder.

    Returns:
        A key of `ADAPTERS`.

    Raises:
        InputError: There is no such folder, or its layout is unknown; the message
            names a folder within it that is, if there is one.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise InputError(f"root {root}: {what}; name the folder that holds the data")
    if name := _layout(root):
        return name
    inside = [path for path in sorted(root.iterdir()) if path.is_dir()]
    if deeper := [path for path in inside if _layout(path)]:
        several = f" (one of {len(deeper)})" if len(deeper) > 1 else ""
        raise InputError(f"root {root}: no data set; did you mean {deeper[0]}{several}?")
    known = "; or ".join(layout.holds for layout in ADAPTERS.values())
    raise InputError(f"root {root}: unknown layout; it should hold {known}")


def _layout(root: Path) -> str | None:
    return next((name for name, layout in ADAPTERS.items() if layout.found(root)), None)
