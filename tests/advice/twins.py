"""A twin that `identify` has named, built from its words and held against the loss."""

import torch

import dicegrad


class Twin:
    """A loss that can be scaled and added up, as the words do."""

    def __init__(self, call):
        self.call = call

    def __mul__(self, factor):
        return Twin(lambda *given: factor * self.call(*given))

    def __add__(self, other):
        if isinstance(other, Twin):
            return Twin(lambda *given: self.call(*given) + other.call(*given))
        return Twin(lambda *given: self.call(*given) + other)

    __rmul__, __radd__ = __mul__, __add__

    def __neg__(self):
        return -1 * self

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other


def build(words):
    """The twin, a function of prediction, truth and what is annotated."""
    names = {name: _maker(name) for name in dicegrad.__all__ if name.endswith("Loss")}
    return eval(words, {"__builtins__": {}}, names).call


def _maker(name):
    return lambda *settings, **named: Twin(getattr(dicegrad, name)(*settings, **named))


def gives_the_same(loss, found):
    """Whether the twin has the value and the gradient of the loss, on input that is new to both."""
    torch.manual_seed(17)
    channels = found["channels"]
    logits = torch.randn(3, channels, 7, 6, dtype=torch.float64)
    values = torch.randint(0, max(channels, 2), (3, 7, 6))
    ignored = [v for v in found["ignore_index"] if f"ignore_index={v}" in found["twin"]]
    labels = values
    for label in ignored:
        labels = labels.masked_fill(torch.rand(3, 7, 6) < 0.3, label)
    given = logits if found["activation"] != "none" else logits.softmax(1)
    if channels == 1 and found["activation"] == "none":
        given = logits.sigmoid()
    annotated = []
    if found["twin_annotated"] is not None:
        told = [c in found["twin_annotated"] for c in range(channels)]
        annotated = [torch.tensor([told] * 3)]
    twin = build(found["twin"])
    value, slope = _both(lambda x: twin(x, labels, *annotated), given)
    theirs, its_slope = _both(lambda x: loss(x, _truth(labels, found)), given)
    near = 1e-5 * slope.abs().max()
    return abs(value - theirs) < 1e-5 and bool(((slope - its_slope).abs() <= near).all())


def _truth(labels, found):
    kind = found["takes"][0]
    if kind == "one-hot":
        wanted = range(found["channels"]) if found["channels"] > 1 else [1]
        return torch.stack([labels == c for c in wanted], 1).double()
    return labels if kind == "map (B, *)" else labels[:, None]


def _both(function, given):
    x = given.clone().requires_grad_()
    value = function(x)
    (slope,) = torch.autograd.grad(value, x)
    return value.item(), slope
