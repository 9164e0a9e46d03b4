"""Which form a loss has: what it pools and activates is measured, the rest fitted and checked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicegrad.advice.identify_call import Convention, Measured, call, measure
from dicegrad.advice.identify_fit import AGREES, Fit, Seen, deviation, disagreement, fit, weigh
from dicegrad.advice.identify_forms import MODES, Form
from dicegrad.advice.identify_probes import Probe, all_probes, hard_probes

_FEW = 4  # forms that are fitted in full, the nearest of all first


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
    """

    how: Convention
    fit: Fit | None
    confirmed: tuple[str, ...]
    differentiable: bool
    consistent: bool
    undefined: tuple[str, ...]
    softmax: bool


def search(loss: Callable, how: Convention, activation: str | None = None) -> Found:
    """Find the form of a loss that is called in a given way.

    Args:
        loss: The loss.
        how: Form of its arguments.
        activation: "softmax", "sigmoid" or "none" where it is known.
    """
    probe = all_probes(how.channels)[0]
    differentiable = measure(loss, how, probe, None).gradient is not None
    probes = probes_for(how.channels, differentiable)
    count = sum(each.kind == "full" for each in probes)
    softmax = differentiable and how.channels > 1 and _shift_changes_nothing(loss, how, probe)
    if _is_constant(loss, how, probes):
        return Found(how, None, (), differentiable, True, (), False)
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
        return Found(how, None, (), differentiable, consistent, undefined, softmax)
    whole = replace(
        _with_empty(best[0], best[1]), ambiguous=best[0].ambiguous, same_phi=best[0].same_phi
    )
    kinds = dict.fromkeys(probe.kind for probe, _ in best[1])
    confirmed = tuple(
        kind
        for kind in kinds
        if disagreement(whole, [pair for pair in best[1] if pair[0].kind == kind], best[1])
        <= AGREES
    )
    return Found(how, whole, confirmed, differentiable, consistent, best[2], softmax)


def probes_for(channels: int, differentiable: bool) -> list[Probe]:
    """What a loss is held against; certain predictions if it has no gradient, as metrics need."""
    return all_probes(channels) if differentiable else hard_probes(channels)


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
    """Measure the probes; those that give no finite number are left out, and their kinds told."""
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
        near = sorted((_nearest(form, seen), number) for number, form in enumerate(forms))
        agree: list[Fit] = []
        for distance, number in near[:_FEW]:
            if agree and distance > 1e-3:
                break  # what agrees as well is near as well
            if (found := fit(forms[number], seen)).agrees:
                agree.append(found)
        return _clearly_best(agree)
    plain = [form for form in forms if form.shape == "dice" and form.reduction == "mean"]
    plain = sorted(plain, key=lambda form: _nearest(form, seen))[:3]
    free = ("alpha", "beta")
    for form in plain:
        if (found := fit(replace(form, shape="tversky"), seen, free)).agrees:
            return found
    for form in [each for each in plain if each.norm == "l1"][:1]:
        focal = replace(form, gamma=2.0)
        if (found := fit(focal, seen, ("gamma",))).agrees:
            return found
    return None


def _clearly_best(agree: Sequence[Fit]) -> Fit | None:
    """The one that agrees best; others that are no worse are told beside it.

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


def _nearest(form: Form, seen: Seen) -> float:
    """How near a form comes with the best of some epsilons."""
    values = (1e-9, 1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3)
    pairs = [(form.above, form.below), *((v, v) for v in values), *((0.0, v) for v in values[3:])]
    return min(deviation(replace(form, above=n, below=d), seen) for n, d in pairs)


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


def _with_empty(filled: Fit, seen: Seen) -> Fit:
    """The same form, with what it does to maps without a true voxel."""
    form = filled.form
    weights = filled.weights[: filled.dice]
    if "C" not in form.phi:
        largest = np.abs(weights).max()
        kept = [c for c, w in zip(form.classes, weights, strict=True) if abs(w) > 1e-4 * largest]
        form = replace(form, classes=tuple(kept))
    if form.shape.startswith("generalized") or form.reduction == "sum":
        modes: tuple[str, ...] = ("counted",)
    else:
        modes = MODES
    free = tuple(name for name in filled.spread if name in ("alpha", "beta", "gamma"))
    tries = []
    forms = [
        replace(form, mode=mode)
        for mode in modes
        if mode != "merged" or (form.phi == "I" and form.classes[:2] == (0, 1))
    ]
    for each in sorted(forms, key=lambda each: _nearest(each, seen))[:3]:
        found = fit(each, seen, free)
        if found.agrees:
            # With nothing in the numerator, an empty map counts as any other and has Dice 0.
            counted = weigh(replace(found.form, mode="counted"), seen, found.spread)
            return _surer(counted if counted.agrees else found, filled, seen)
        tries.append(found)
    for mode in ("counted", "zeroed"):
        start = replace(form, mode=mode, floor=1e-5)
        found = fit(start, seen, (*free, "floor"), grid=False)
        if found.agrees:
            return found
        tries.append(found)
    filled_only = [pair for pair in seen if pair[0].kind == "full"]
    same = [each for each in tries if disagreement(each, filled_only) <= AGREES]
    again = fit(form, filled_only, free, grid=False)
    return min(same, key=lambda each: each.worst, default=again)


def _surer(found: Fit, filled: Fit, seen: Seen) -> Fit:
    """Epsilon of the filled maps, where all maps together say less about it."""
    if filled.spread["below"] > 1e-3 and filled.spread["above"] > 1e-3:
        return found
    form = replace(found.form, above=filled.form.above, below=filled.form.below)
    same = weigh(form, seen, filled.spread)
    return same if same.agrees else found
