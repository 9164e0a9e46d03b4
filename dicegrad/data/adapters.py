"""The adapters: which layouts of a data set are known, by the word that a dataset file uses.

To add a layout, write a module like `nnunet.py` and add a line to `ADAPTERS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from dicegrad.data.acdc import ACDC
from dicegrad.data.adapter import Adapter
from dicegrad.data.brats import BRATS
from dicegrad.data.nnunet import nnunet_adapter
from dicegrad.data.phantoms import mixed_adapter
from dicegrad.errors import InputError, nearest
from dicegrad.study import Dataset

# Word -> what makes the adapter of a root; most layouts are the same for every root.
ADAPTERS: Mapping[str, Callable[[Path], Adapter]] = {
    "acdc": lambda root: ACDC,
    "brats": lambda root: BRATS,
    "nnunet": nnunet_adapter,
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
        name: A key of `ADAPTERS`.
        root: The dataset's folder; some layouts name their channels and classes there.

    Raises:
        InputError: There is no such adapter, or the folder cannot be used.
    """
    if name not in ADAPTERS:
        raise InputError(
            f"adapter is {name!r}; allowed: {', '.join(ADAPTERS)}{nearest(name, ADAPTERS)}"
        )
    return ADAPTERS[name](Path(root))
