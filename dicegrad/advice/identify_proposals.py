"""Which losses of this package may be the twin of a form, nearest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from dicegrad.advice.identify_fit import Fit
from dicegrad.advice.identify_settings import Settings, rounded

_NO_EPSILON = 1e-12  # in place of 0, which a loss of this package does not take


@dataclass(frozen=True)
class Term:
    """One loss of this package, and its factor in a sum."""

    name: str
    positional: Sequence[Any] = ()
    named: dict[str, Any] = field(default_factory=dict)
    factor: float = 1.0

    @property
    def words(self) -> str:
        """How it is written in Python, the sign of its factor aside."""
        shown = [_shown(each) for each in self.positional]
        shown += [f"{key}={_shown(value)}" for key, value in self.named.items()]
        text = f"{self.name}({', '.join(shown)})"
        return text if abs(self.factor) == 1 else f"{abs(self.factor):g} * {text}"


@dataclass(frozen=True)
class Proposal:
    """A sum of losses, and whether it is told which maps are annotated."""

    terms: tuple[Term, ...]
    told: bool = False

    def ignoring(self, label: int) -> "Proposal":
        """The same with a label that is ignored."""
        terms = [replace(t, named={**t.named, "ignore_index": label}) for t in self.terms]
        return replace(self, terms=tuple(terms))

    def build(self) -> Callable[..., Tensor]:
        """The sum as a function of prediction, truth and, if it is told, what is annotated.

        Raises:
            InputError: A loss does not take the settings.
        """
        from dicegrad import losses

        made = [(getattr(losses, t.name)(*t.positional, **t.named), t.factor) for t in self.terms]

        def total(y_pred: Tensor, y: Tensor, *annotated: Tensor) -> Tensor:
            values = [factor * loss(y_pred, y, *annotated) for loss, factor in made]
            return sum(values[1:], values[0])

        return total

    def text(self, offset: float) -> str:
        """The sum with what is added to it, as an expression."""
        first, *more = self.terms
        if first.factor < 0:
            words = f"{offset:g} - {first.words}" if offset else f"-{first.words}"
            offset = 0.0
        else:
            words = first.words
        for term in more:
            words += f" {'-' if term.factor < 0 else '+'} {term.words}"
        return words if not offset else f"{words} {'-' if offset < 0 else '+'} {abs(offset):g}"


def proposals(fit: Fit, known: Settings, channels: int) -> list[Proposal]:
    """What may be the same function; whether it is remains to be seen.

    Args:
        fit: The form.
        known: Its numbers.
        channels: Of the prediction.
    """
    form = fit.form
    entropy = _even(known.entropy) if known.positive == 1 else None
    if entropy is None:
        return []
    if any(known.exclusion):
        return _with_exclusion(fit, known, entropy) if form.gamma is None else []
    cross_entropy = _cross_entropy(fit, entropy, channels)
    if not any(known.weights):
        return [Proposal((cross_entropy,))] if form.activation and entropy else []
    dice = _dice(fit, known, channels)
    if not entropy:
        return [Proposal((term,)) for term in dice]
    if not form.activation:
        return []
    found = [Proposal((term, cross_entropy)) for term in dice]
    if dice and dice[0].name == "DiceLoss" and not {"weight", "reduction"} & set(dice[0].named):
        factors = {"dice_factor": dice[0].factor, "ce_factor": cross_entropy.factor}
        factors = {name: value for name, value in factors.items() if value != 1}
        named = cross_entropy.named | dice[0].named | factors
        found[0] = Proposal((replace(dice[0], name="DiceCELoss", named=named, factor=1.0),))
    return found


def _dice(fit: Fit, known: Settings, channels: int) -> list[Term]:
    """Losses for the Dice part."""
    form = fit.form
    below = known.below or _NO_EPSILON
    first = min(form.classes)
    settings: dict[str, Any] = {"activation": form.activation} if form.activation else {}
    background: dict[str, Any] = {"include_background": False} if first else {}
    norm: dict[str, Any] = {"norm": form.norm} if form.norm != "l1" else {}
    norm |= {"reduction": "sum"} if form.reduction == "sum" else {}
    level = sum(known.weights) / len(known.weights)
    even = len(set(known.weights)) == 1 and len(form.classes) in (channels - first, channels)
    plain = [form.phi, below]
    if form.shape.startswith("generalized"):
        weighting = form.shape.partition("-")[2]
        kind: dict[str, Any] = {} if weighting == "square" else {"weighting": weighting}
        return [Term("GeneralizedDiceLoss", plain, kind | settings | background, level)]
    if form.shape == "tversky" and even:
        prices = [rounded(round(each, 9), 1e-6) for each in (form.alpha, form.beta)]
        return [Term("TverskyLoss", [*prices, *plain], settings | background | norm, level)]
    if form.shape == "jaccard" and even:
        return [Term("SoftJaccardLoss", plain, settings | background | norm, level)]
    if form.shape != "dice":
        return []
    if not even:
        weights = dict(zip(form.classes, known.weights, strict=True))
        counted = range(first, channels)
        # Their mean is over the classes that count, ours over all of these.
        share = len(counted) / len(form.classes)
        more = {"weight": [rounded(abs(weights.get(c, 0.0)) * share, 1e-6) for c in counted]}
        sign = -1.0 if level < 0 else 1.0
        return [Term("DiceLoss", plain, settings | background | norm | more, sign)]
    found = [Term("DiceLoss", plain, settings | background | norm, level)]
    if form.reduction == "sum":
        return found
    if form.phi == "I":
        whole: dict[str, Any] = {"include_background": True} if not first and channels > 1 else {}
        found.append(Term("LeafDiceLoss", [below], settings | whole | norm, level))
    if form.phi == "I" and form.norm == "l1":
        found.append(Term("MarginalDiceLoss", [below], settings, level))
    return found


def _with_exclusion(fit: Fit, known: Settings, entropy: float) -> list[Proposal]:
    """The losses that have an exclusion term, over the foreground."""
    form, level = fit.form, _even(known.weights)
    factor = _even(known.exclusion[1:])
    if not factor or known.exclusion[0] or level is None:
        return []
    if entropy and form.activation != "softmax":
        return []
    cross_entropy = Term("MarginalCrossEntropyLoss", factor=entropy)
    if not level:
        if not entropy:
            return []
        named = {"exclusion": rounded(factor / entropy, 1e-6)}
        terms: tuple[Term, ...] = (replace(cross_entropy, named=named),)
    else:
        settings: dict[str, Any] = {"activation": form.activation} if form.activation else {}
        named = settings | {"exclusion": rounded(factor / level, 1e-6)}
        below = known.below or _NO_EPSILON
        terms = (Term("MarginalDiceLoss", [below], named, level),)
        terms += (cross_entropy,) * bool(entropy)
    return [Proposal(terms), Proposal(terms, told=True)]


def _cross_entropy(fit: Fit, entropy: float, channels: int) -> Term:
    """Cross-entropy, or focal loss, which as a form is a mean over channels as well."""
    gamma, named = fit.form.gamma, {"activation": fit.form.activation}
    if gamma is None:
        return Term("CrossEntropyLoss", named=named, factor=entropy)
    factor = entropy / channels if fit.form.activation == "softmax" else entropy
    return Term("CrossEntropyLoss", named={**named, "gamma": round(gamma, 4)}, factor=factor)


def _even(weights: Sequence[float]) -> float | None:
    """The number that they all are, 0 of none; None if they differ."""
    if not weights:
        return 0.0
    return weights[0] if len(set(weights)) == 1 else None


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"
