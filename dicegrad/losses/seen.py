"""What a Dice loss had of its last training step, so that the push meter need not read it again."""

import weakref

from torch import Tensor

from dicegrad.losses.masks import Masks

_Inputs = tuple[tuple[weakref.ref[Tensor], int] | None, ...]


class Seen:
    """Sums and coefficients of the last batch that a `DiceLoss` was given with a gradient.

    It keeps no prediction alive, and is empty in a copy of the loss.
    """

    def __init__(self) -> None:
        self._inputs: _Inputs = ()
        self._found: tuple[Tensor, Tensor, Masks] | None = None

    def begin(self, *inputs: Tensor | None) -> None:
        """Forget the last batch; the next one is made of these tensors."""
        self._inputs, self._found = tuple(_name(each) for each in inputs), None

    def keep(self, sums: Tensor, coefficients: Tensor, masks: Masks) -> None:
        """Keep the sums (3, B, C), the coefficients of Eq. 4 (2, B, C), and the masks."""
        self._found = sums, coefficients, masks

    def of(self, *inputs: Tensor | None) -> tuple[Tensor, Tensor, Masks] | None:
        """What was kept, if it is of these very tensors, unchanged since."""
        if self._found is None or len(inputs) != len(self._inputs):
            return None
        pairs = zip(inputs, self._inputs, strict=True)
        return self._found if all(_is(each, name) for each, name in pairs) else None

    def __reduce__(self) -> tuple[type["Seen"], tuple[()]]:
        return Seen, ()


def _name(tensor: Tensor | None) -> tuple[weakref.ref[Tensor], int] | None:
    return None if tensor is None else (weakref.ref(tensor), _version(tensor))


def _is(tensor: Tensor | None, name: tuple[weakref.ref[Tensor], int] | None) -> bool:
    if tensor is None or name is None:
        return tensor is name
    return name[0]() is tensor and name[1] == _version(tensor)


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version
