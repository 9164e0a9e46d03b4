"""Which form a loss has: what it pools and activates is measured, the rest fitted and checked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicegrad.advice.identify_call import Convention, Measured, call, measure
from dicegrad.advice.identify_empty import nearest, with_empty
from dicegrad.advice.identify_fit import AGREES, Fit, Seen, disagreement, fit
from dicegrad.advice.identify_forms import Form
from dicegrad.advice.identify_probes import Probe, all_probes, hard_probes

_FEW = 4  # forms that are fitted in full, the nearest of all first
_SINGLE = 1e-4  # forms that are nearer may be the loss, but for sums in float32


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        how: How the loss is called.
        fit: The form that agrees wherever each map is filled; None if none does.
        confirmed: Kinds of probes on which it agrees.
        differentiable: Whether there is a gradient.
        consistent: Whether the gradient is that of the value.
        undefined: Kinds of probes on which the loss is not finite.
        softmax: Whether it does not change if all logits of a voxel do.
        constant: Whether the prediction makes no difference.
        never: A class whose voxels it ignores, so that the probes have none; or None.
    """

    how: Convention
    fit: Fit | None
    confirmed: tuple[str, ...]
    differentiable: bool
    consistent: bool
    undefined: tuple[str, ...]
    softmax: bool
    constant: bool = False
    never: int | None = None

    @property
    def probes(self) -> list[Probe]:
        """What it was compared with."""
        return probes_for(self.how.channels, self.differentiable, self.never)


def search(
    loss: Callable, how: Convention, activation: str | None = None, never: int | None = None
) -> Found:
    """Find the form of a loss that is called in a given way.

    Args:
        loss: The loss.
        how: Form of its arguments.
        activation: "softmax", "sigmoid" or "none" where it is known.
        never: A class whose voxels it ignores.
    """
    probe = all_probes(how.channels, never=never)[0]
    differentiable = measure(loss, how, probe, None).gradient is not None
    probes = probes_for(how.channels, differentiable, never)
    count = sum(each.kind == "full" for each in probes)
    softmax = differentiable and how.channels > 1 and _shift_changes_nothing(loss, how, probe)
    if _is_constant(loss, how, probes):
        return Found(how, None, (), differentiable, True, (), False, constant=True, never=never)
    pooled = _pools_the_batch(loss, how, probes[0])
    wanted: list[str | None] = ["softmax"] if softmax else ["sigmoid", None]
    if not differentiable:
        wanted = [None]
    if activation is not None:
        wanted = [None if activation == "none" else activation]
    looked = []
    for each in wanted:
        seen, undefined = _look(loss, how, probes, each)
        filled = [pair for pair in seen if pair[0].kind == "full"]
        if len(filled) >= count:
            looked.append((each, filled, seen, undefined))
    # Logits given to what wants probabilities are steep: one activation that fits is enough.
    fits = (_gradient_fits_value(loss, how, filled[:3], each) for each, filled, _, _ in looked)
    consistent = not looked or any(fits)
    best: tuple[Fit, Seen, tuple[str, ...]] | None = None
    for more in (False, True):  # the usual forms of all activations, then the others
        for each, filled, seen, undefined in looked:
            if best is None and (differentiable or not more):
                found = _filled(filled, each, how.channels, pooled, more)
                best = None if found is None else (found, seen, undefined)
    if best is None:
        seen, undefined = _look(loss, how, probes, wanted[-1])
        return Found(how, None, (), differentiable, consistent, undefined, softmax, never=never)
    whole = replace(
        with_empty(best[0], best[1]), ambiguous=best[0].ambiguous, same_phi=best[0].same_phi
    )
    kinds = dict.fromkeys(probe.kind for probe, _ in best[1])
    confirmed = tuple(
        kind
        for kind in kinds
        if disagreement(whole, [pair for pair in best[1] if pair[0].kind == kind], best[1])
        <= AGREES
    )
    return Found(how, whole, confirmed, differentiable, consistent, best[2], softmax, never=never)


def probes_for(channels: int, differentiable: bool, never: int | None = None) -> list[Probe]:
    """What a loss is compared with; certain predictions if it has no gradient, as metrics need."""
    return all_probes(channels, never=never) if differentiable else hard_probes(channels)


def _is_constant(loss: Callable, how: Convention, probes: Sequence[Probe]) -> bool:
    """Whether the prediction makes no difference: the arguments are not what it takes them for."""
    values = []
    for probe in probes[:3]:
        given = probe.probabilities(None)
        for each in (given, given[..., ::-1].copy()):
            values.append(call(loss, how, each, probe, gradient=False).value)
    return bool(np.ptp(values) < 1e-9)


def _look(
    loss: Callable, how: Convention, probes: Sequence[Probe], activation: str | None
) -> tuple[Seen, tuple[str, ...]]:
    """Measure the probes; those that give no finite number are left out, and their kinds named."""
    seen: list[tuple[Probe, Measured]] = []
    undefined = []
    for probe in probes:
        try:
            measured = measure(loss, how, probe, activation)
        except Exception:  # a foreign loss may refuse a probe with any error
            undefined.append(probe.kind)
            continue
        gradient = measured.gradient
        if np.isfinite(measured.value) and (gradient is None or np.isfinite(gradient).all()):
            seen.append((probe, measured))
        else:
            undefined.append(probe.kind)
    return seen, tuple(dict.fromkeys(undefined))


def _shift_changes_nothing(loss: Callable, how: Convention, probe: Probe) -> bool:
    """Whether one number added to all channels of a voxel leaves the loss as it is: softmax."""
    rng = np.random.default_rng(3)
    shift = rng.normal(0, 2, (probe.logits.shape[0], 1, probe.logits.shape[2]))
    try:
        before = call(loss, how, probe.logits, probe, gradient=False).value
        after = call(loss, how, probe.logits + shift, probe, gradient=False).value
        moved = call(loss, how, probe.logits[:, ::-1].copy(), probe, gradient=False).value
    except Exception:  # it may refuse what is no probability
        return False
    return abs(before - after) < 1e-5 * max(abs(before), 1e-2) and before != moved


def _pools_the_batch(loss: Callable, how: Convention, probe: Probe) -> bool:
    """Whether what is predicted in one element changes what another one counts for."""
    given = probe.probabilities(None)
    values = {}
    for first in (False, True):
        for second in (False, True):
            changed = given.copy()
            changed[0] = changed[0][:, ::-1] if first else changed[0]
            changed[1] = changed[1][:, ::-1] if second else changed[1]
            values[first, second] = call(loss, how, changed, probe, gradient=False).value
    both, none = values[True, True], values[False, False]
    mixed = none - values[False, True] - values[True, False] + both
    return abs(mixed) > 1e-5 * max(abs(none), 1e-2)


def _gradient_fits_value(
    loss: Callable, how: Convention, seen: Seen, activation: str | None
) -> bool:
    """Whether a small step changes the value as the gradient says; a detached term does not."""
    rng = np.random.default_rng(5)
    for probe, measured in seen:
        if measured.gradient is None:
            return True
        given = probe.logits if activation else probe.probabilities(None)
        step = 1e-2 * rng.normal(size=given.shape)
        if not activation:
            step *= np.minimum(given, 1 - given)  # stays a probability
        up, down = (call(loss, how, given + s * step, probe, False).value for s in (1, -1))
        told = 2 * float((measured.gradient * step).sum())
        noise = 1e-6 * max(abs(measured.value), 1.0)
        if abs(up - down - told) > 0.01 * np.linalg.norm(measured.gradient * step) + noise:
            return False
    return True


def _filled(
    seen: Seen, activation: str | None, channels: int, pooled: bool, more: bool
) -> Fit | None:
    """The form that agrees where every map has true voxels, of the usual ones or the others."""
    entropy = seen[0][1].gradient is not None
    forms = [replace(f, entropy=entropy) for f in _candidates(activation, channels, pooled)]
    if not entropy:  # certain predictions are their own squares
        forms = [form for form in forms if form.norm == "l1"]
    if not more:
        return _usual(forms, seen)
    dice = [form for form in forms if form.shape == "dice" and form.reduction == "mean"]
    plain = sorted(dice, key=lambda form: nearest(form, seen))[:3]
    free = ("alpha", "beta")
    for form in plain:
        if (found := fit(replace(form, shape="tversky"), seen, free)).agrees:
            return found
    for form in [each for each in plain if each.norm == "l1"][:1]:
        focal = replace(form, gamma=2.0)
        if (found := fit(focal, seen, ("gamma",))).agrees:
            return found
    return _usual([replace(form, exclusion=True) for form in dice], seen) if entropy else None


def _usual(forms: Sequence[Form], seen: Seen) -> Fit | None:
    """The usual form that agrees; if none does, that which agrees as far as float32 goes."""
    near = sorted((nearest(form, seen), number) for number, form in enumerate(forms))[:_FEW]
    agree: list[Fit] = []
    for distance, number in near:
        if agree and distance > 1e-3:
            break  # what agrees as well is near as well
        if (found := fit(forms[number], seen)).agrees:
            agree.append(found)
    if not agree and forms[0].entropy:
        rounded = [replace(forms[number], single=True) for d, number in near if d < _SINGLE]
        agree = [found for form in rounded if (found := fit(form, seen)).agrees]
    return _clearly_best(agree)


def _clearly_best(agree: Sequence[Fit]) -> Fit | None:
    """The one that agrees best; others that are no worse are reported beside it.

    CI and BCI of a softmax over all classes differ in epsilon alone, since the volumes add up to a
    constant. If epsilon is 0 they are the same function, and either name is right.
    """
    ranked = sorted(agree, key=lambda each: each.worst)
    if not ranked:
        return None
    near = [each for each in ranked if ranked[0].worst > 0.03 * each.worst]
    phis = tuple(sorted({each.form.phi for each in near}, key=len))
    others = {(each.form.norm, each.form.shape) for each in near}
    if len(others) > 1:
        return replace(ranked[0], ambiguous=True)
    if len(phis) > 1:
        first = next(each for each in near if each.form.phi == phis[0])
        return replace(first, same_phi=phis[1:])
    return ranked[0]


def _candidates(activation: str | None, channels: int, pooled: bool) -> Iterator[Form]:
    # What shows no pooling may pool all the same: the volumes of a softmax over all classes add up
    # to a constant, and BCI is CI then, up to epsilon.
    pairs = [("BI", "BCI")] if pooled else [("I", "CI"), ("BI", "BCI")]
    for alone, together in pairs:
        yield from _forms_of(activation, channels, alone, together)


def _forms_of(activation: str | None, channels: int, alone: str, together: str) -> Iterator[Form]:
    everything = tuple(range(channels))
    for norm in ("l1", "l2"):
        for shape, share in (("dice", 0.5), ("jaccard", 1.0)):
            form = Form(activation, alone, norm, shape, classes=everything, alpha=share, beta=share)
            yield form
            if alone == "I":
                yield replace(form, reduction="sum")
            if channels > 1:
                yield replace(form, phi=together)
                yield replace(form, phi=together, classes=everything[1:])
    for shape in ("generalized-square", "generalized-simple") if channels > 1 else ():
        for classes in (everything, everything[1:]):
            yield Form(activation, together, shape=shape, classes=classes)
