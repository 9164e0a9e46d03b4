"""The optimiser: torch's fused Adam, without the class around it.

The first use of `torch.optim.Adam` imports torch's compiler, which costs every training run a
second; the function beneath it does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-7  # of Keras


@dataclass(frozen=True)
class _Group:
    """Parameters with one weight decay; the means of their gradients and of the squares."""

    parameters: list[Tensor]
    decay: float
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


class Adam:
    """Adam (Kingma and Ba, 2015) with the constants of Keras.

    Args:
        groups: Parameters and their weight decay: the gradient is that of the loss plus decay
            times the parameter.
        rate: Learning rate; may be changed before each step.
    """

    def __init__(self, groups: Iterable[tuple[Sequence[Tensor], float]], rate: float) -> None:
        self.rate = rate
        self.groups = [
            _Group(
                list(parameters),
                decay,
                [torch.zeros_like(p) for p in parameters],
                [torch.zeros_like(p) for p in parameters],
                [torch.zeros((), device=p.device) for p in parameters],
            )
            for parameters, decay in groups
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by their gradients."""
        for group in self.groups:
            adam(
                group.parameters,
                [_gradient(parameter) for parameter in group.parameters],
                group.means,
                group.squares,
                [],
                group.steps,
                fused=True,
                amsgrad=False,
                beta1=_BETA1,
                beta2=_BETA2,
                lr=self.rate,
                weight_decay=group.decay,
                eps=_EPSILON,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, besides parameters and gradients."""
        return {"rate": self.rate, **self._tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.rate = state["rate"]
        for name, tensors in self._tensors().items():
            for tensor, saved in zip(tensors, state[name], strict=True):
                tensor.copy_(saved)

    def _tensors(self) -> dict[str, list[Tensor]]:
        names = ("means", "squares", "steps")
        return {name: [t for group in self.groups for t in getattr(group, name)] for name in names}


def _gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        raise RuntimeError("a parameter has no gradient; every one takes part in the loss")
    return parameter.grad
