"""`identify`: a passport of any loss, found by probing it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dicegrad.advice.identify_call import Convention, conventions, measure, working
from dicegrad.advice.identify_fit import AGREES, deviation
from dicegrad.advice.identify_passport import UNKNOWN, Passport
from dicegrad.advice.identify_probes import all_probes
from dicegrad.advice.identify_push import (
    IGNORED,
    LEARNT,
    Push,
    ignored_values,
    leaves_out_nothing,
    push_of,
)
from dicegrad.advice.identify_search import Found, probes_for, search
from dicegrad.advice.identify_spec import load_loss
from dicegrad.advice.identify_twin import Settings, find_twin, settings_of
from dicegrad.errors import InputError


def identify(
    loss: Callable | str,
    *,
    channels: int | None = None,
    dims: int | None = None,
    labels: str | None = None,
    activation: str | None = None,
) -> Passport:
    """Find out what a loss is by probing it with small synthetic maps.

    Args:
        loss: A callable of prediction (B, C, *spatial) and truth, or an import path with arguments
            such as ``"monai.losses:DiceLoss(batch=True, softmax=True)"``.
        channels: 4 or 1 channels; tried if None.
        dims: 2 or 3 axes of space; tried if None.
        labels: "one-hot", "map (B, 1, *)" or "map (B, *)"; tried if None.
        activation: What the loss has inside: "softmax", "sigmoid" or "none"; tried if None.

    Raises:
        InputError: The loss cannot be imported, built or called.
    """
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    if activation not in (None, "softmax", "sigmoid", "none"):
        raise InputError(f"activation is {activation!r}; allowed are softmax, sigmoid, none")
    function = load_loss(loss) if isinstance(loss, str) else loss
    probes = {c: all_probes(c)[0] for c in (4, 1)}
    ways = working(function, conventions(channels, dims, labels), probes)
    found = _first_known(function, ways, activation)
    takes = dict.fromkeys(each.labels for each in ways if each.channels == found.how.channels)
    passport = _measured_only(name, found, tuple(takes))
    inside = found.fit.form.activation if found.fit else ("softmax" if found.softmax else None)
    if found.differentiable:
        values, semantics = ignored_values(function, ways, inside, found.fit)
        passport = replace(passport, ignore_index=tuple(values), ignored_voxels=semantics)
    push = push_of(function, found.how, found.fit, inside)
    passport = replace(passport, nothing_predicted=push.nothing)
    if found.fit is None or not found.consistent:
        return replace(passport, empty_map=_empty_map_unknown(found, push))
    return _named(passport, function, found, push)


def _first_known(loss: Callable, ways: list[Convention], activation: str | None) -> Found:
    """The first way of calling that shows a known form; calls that give the same count once.

    What takes several channels is what it is in these. A single channel would hide what it does
    between them, and show a form that is not that of the loss.
    """
    tried: dict[tuple, Found] = {}
    for how in ways:
        if how.channels == 1 and any(c > 1 and not it.constant for (c, _), it in tried.items()):
            break
        value = measure(loss, how, all_probes(how.channels)[0], None, gradient=False).value
        key = (how.channels, round(value, 5))
        if key in tried:
            continue
        tried[key] = search(loss, how, activation)
        if tried[key].fit is not None:
            return tried[key]
    found = list(tried.values())
    return next((each for each in found if not each.constant), found[0])


def _measured_only(name: str, found: Found, takes: tuple[str, ...]) -> Passport:
    gradient = "of the value" if found.consistent else "not of the value"
    return Passport(
        name,
        gradient=gradient if found.differentiable else "none",
        activation="softmax" if found.softmax else UNKNOWN,
        takes=takes,
        channels=found.how.channels,
        confirmed=found.confirmed,
    )


def _empty_map_unknown(found: Found, push: Push) -> str:
    """Of a loss without a known form: only what was measured without one."""
    if not found.consistent or push.ratio is None:
        return "undefined" if "one_empty" in found.undefined else UNKNOWN
    return _by_ratio(push.ratio)


def _by_ratio(ratio: float) -> str:
    if ratio < IGNORED:
        return "ignored"
    return "learnt" if ratio >= LEARNT else UNKNOWN


def _named(passport: Passport, loss: Callable, found: Found, push: Push) -> Passport:
    fit = found.fit
    assert fit is not None
    form = fit.form
    known = settings_of(fit, lambda name: _is_zero(found, loss, name))
    dice = any(known.weights)
    even = len(set(known.weights)) == 1
    level = known.weights[0] if even else 1.0
    entropy_even = len(set(known.entropy)) == 1 and known.positive == 1
    entropy = known.entropy[0] if entropy_even else (UNKNOWN if any(known.entropy) else 0.0)
    focal = form.gamma is not None
    named = replace(
        passport,
        activation=form.activation or "none",
        cross_entropy=0.0 if focal else entropy,
        cross_entropy_weights=None if entropy_even or focal else known.entropy,
        focal=entropy if focal else 0.0,
        focal_gamma=round(form.gamma, 4) if form.gamma is not None else None,
        reduction=form.reduction,
        sign="score" if known.weights[0] < 0 or entropy_negative(known) else "loss",
        offset=round(fit.offset, 5) + 0.0,
    )
    if not dice:
        named = replace(
            named,
            phi="none",
            shape="none",
            norm="none",
            background=UNKNOWN,
            dice_factor=0.0,
            weights=None,
            mean="none",
        )
    elif not fit.ambiguous:
        named = replace(
            named,
            phi=form.phi,
            same_phi=_same_phi(found),
            norm=form.norm,
            shape=form.shape,
            alpha=round(form.alpha, 6),
            beta=round(form.beta, 6),
            background="binary" if found.how.channels == 1 else 0 in form.classes,
            weights=None if even else known.weights,
            dice_factor=abs(level),
            epsilon_numerator=UNKNOWN if known.above is None else known.above,
            epsilon_denominator=UNKNOWN if known.below is None else known.below,
        )
    if dice and _kinds(found) <= set(found.confirmed):
        floor = float(f"{form.floor:.3g}") * (1 if form.shape in ("jaccard", "tversky") else 2)
        named = replace(named, mean=form.mode, denominator_floor=floor)
    named = replace(named, **_empty(named, loss, found, push, bool(any(known.entropy))))
    if not (dice and fit.ambiguous):
        twin, differs = find_twin(loss, found.how, fit, known)
        named = replace(named, twin=twin, twin_differs=tuple(differs))
    return named


def _same_phi(found: Found) -> tuple[str, ...]:
    """A single channel has no classes to pool."""
    assert found.fit is not None
    if found.how.channels == 1:
        return ("CI",) if found.fit.form.phi == "I" else ("BCI",)
    return found.fit.same_phi


def _kinds(found: Found) -> set[str]:
    return {each.kind for each in probes_for(found.how.channels, found.differentiable)}


def entropy_negative(known: Settings) -> bool:
    """Whether only a cross-entropy is there, and larger is better."""
    return not any(known.weights) and any(w < 0 for w in known.entropy)


def _empty(
    named: Passport, loss: Callable, found: Found, push: Push, entropy: bool
) -> dict[str, Any]:
    """empty_map and push_ratio, where the form holds for maps without a true voxel."""
    if "one_empty" not in found.confirmed:
        empty = "undefined" if "one_empty" in found.undefined else UNKNOWN
        return {"empty_map": empty}
    ratio = push.ratio if push.ratio is not None else UNKNOWN
    if named.gradient == "none":  # a metric pushes nothing
        fit = found.fit
        undefined = fit is not None and leaves_out_nothing(loss, found.how, fit)
        return {"empty_map": "undefined" if undefined else UNKNOWN}
    if named.mean == "merged":
        return {"empty_map": "background", "push_ratio": ratio}
    if entropy:
        return {"empty_map": "learnt", "push_ratio": ratio}
    if push.ratio is None:
        return {"empty_map": UNKNOWN}
    return {"empty_map": _by_ratio(push.ratio), "push_ratio": float(f"{push.ratio:.6g}")}


def _is_zero(found: Found, loss: Callable, name: str) -> bool:
    """Whether the loss tells an epsilon of 0 from one of 1e-8, and has 0."""
    fit = found.fit
    assert fit is not None
    seen = []
    if not found.differentiable and not leaves_out_nothing(loss, found.how, fit):
        return False
    for probe in probes_for(found.how.channels, found.differentiable):
        if probe.kind not in found.confirmed:
            continue
        seen.append((probe, measure(loss, found.how, probe, fit.form.activation)))
    zero = replace(fit.form, **{name: 0.0})  # type: ignore[arg-type]
    small = replace(fit.form, **{name: 1e-8})  # type: ignore[arg-type]
    none, some = deviation(zero, seen), deviation(small, seen)
    if not found.differentiable:  # 0 / 0 is left out, and what is defined shows no epsilon
        return none <= AGREES
    return none <= AGREES and none < 0.3 * some
