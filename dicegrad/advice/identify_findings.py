"""From what a search found to the lines of a passport."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dicegrad.advice.identify_call import measure
from dicegrad.advice.identify_fit import AGREES, deviation
from dicegrad.advice.identify_passport import UNKNOWN, Known, Passport
from dicegrad.advice.identify_push import IGNORED, LEARNT, Push, leaves_out_nothing
from dicegrad.advice.identify_search import Found
from dicegrad.advice.identify_settings import Settings, settings_of


def measured_only(name: str, found: Found, takes: tuple[str, ...]) -> Passport:
    """What is known of a loss whatever its form."""
    gradient = "of the value" if found.consistent else "not of the value"
    return Passport(
        name,
        gradient=gradient if found.differentiable else "none",
        activation="softmax" if found.softmax else UNKNOWN,
        takes=takes,
        channels=found.how.channels,
        confirmed=found.confirmed,
    )


def empty_map_unknown(found: Found, push: Push) -> str:
    """Of a loss without a known form: only what was measured without one."""
    if not found.consistent or push.ratio is None:
        return "undefined" if "one_empty" in found.undefined else UNKNOWN
    return _by_ratio(push.ratio)


def _by_ratio(ratio: float) -> str:
    if ratio < IGNORED:
        return "ignored"
    return "learnt" if ratio >= LEARNT else UNKNOWN


def named(
    passport: Passport, loss: Callable, found: Found, push: Push
) -> tuple[Passport, Settings]:
    """The passport with what its form says, and the form's numbers."""
    fit = found.fit
    assert fit is not None
    form = fit.form
    known = settings_of(fit, lambda name: _is_zero(found, loss, name), found.never)
    passport = replace(
        passport,
        activation=form.activation or "none",
        reduction=form.reduction,
        sign="score" if known.score else "loss",
        offset=round(fit.offset, 5) + 0.0,
        **_entropy(found, known),
        **_exclusion(known),
    )
    if not any(known.weights):
        passport = replace(
            passport,
            phi="none",
            shape="none",
            norm="none",
            background=UNKNOWN,
            dice_factor=0.0,
            weights=None,
            mean="none",
        )
    else:
        passport = replace(passport, **_dice(found, known))
    about = _empty(passport, loss, found, push, bool(any(known.entropy)))
    return replace(passport, **about), known


def _entropy(found: Found, known: Settings) -> dict[str, Any]:
    """Factors of cross-entropy, or of a focal part in its place."""
    assert found.fit is not None
    gamma = found.fit.form.gamma
    even = len(set(known.entropy)) == 1 and known.positive == 1
    factor: Known = known.entropy[0] if even else (UNKNOWN if any(known.entropy) else 0.0)
    if gamma is not None:
        return {
            "cross_entropy": 0.0,
            "cross_entropy_weights": None,
            "focal": factor,
            "focal_gamma": round(gamma, 4),
        }
    return {
        "cross_entropy": factor,
        "cross_entropy_weights": None if even else known.entropy,
        "focal": 0.0,
        "focal_gamma": None,
    }


def _exclusion(known: Settings) -> dict[str, Any]:
    """The factor of an exclusion term over the foreground, or one per channel."""
    if not any(known.exclusion):
        return {"exclusion": 0.0, "exclusion_weights": None}
    background, *foreground = known.exclusion if len(known.exclusion) > 1 else (0, *known.exclusion)
    if background or len(set(foreground)) > 1:
        return {"exclusion": UNKNOWN, "exclusion_weights": known.exclusion}
    return {"exclusion": foreground[0], "exclusion_weights": None}


def _dice(found: Found, known: Settings) -> dict[str, Any]:
    """What is known of the Dice part."""
    assert found.fit is not None
    form, about = found.fit.form, dict[str, Any]()
    if not found.fit.ambiguous:
        even = len(set(known.weights)) == 1
        about = {
            "phi": form.phi,
            "same_phi": _same_phi(found),
            "norm": form.norm,
            "shape": form.shape,
            "alpha": round(form.alpha, 6),
            "beta": round(form.beta, 6),
            "background": "binary" if found.how.channels == 1 else 0 in form.classes,
            "weights": None if even else known.weights,
            "dice_factor": abs(known.weights[0] if even else 1.0),
            "epsilon_numerator": UNKNOWN if known.above is None else known.above,
            "epsilon_denominator": UNKNOWN if known.below is None else known.below,
        }
    if {each.kind for each in found.probes} <= set(found.confirmed):
        unit = 1 if form.shape in ("jaccard", "tversky") else 2
        about |= {"mean": form.mode, "denominator_floor": float(f"{form.floor:.3g}") * unit}
    return about


def _same_phi(found: Found) -> tuple[str, ...]:
    """A single channel has no classes to pool."""
    assert found.fit is not None
    if found.how.channels == 1:
        return ("CI",) if found.fit.form.phi == "I" else ("BCI",)
    return found.fit.same_phi


def _empty(
    passport: Passport, loss: Callable, found: Found, push: Push, entropy: bool
) -> dict[str, Any]:
    """empty_map and push_ratio, where the form holds for maps without a true voxel."""
    if "one_empty" not in found.confirmed:
        empty = "undefined" if "one_empty" in found.undefined else UNKNOWN
        return {"empty_map": empty}
    ratio = push.ratio if push.ratio is not None else UNKNOWN
    if passport.gradient == "none":  # a metric pushes nothing
        fit = found.fit
        undefined = fit is not None and leaves_out_nothing(loss, found.how, fit)
        return {"empty_map": "undefined" if undefined else UNKNOWN}
    if passport.mean == "merged":
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
    for probe in found.probes:
        if probe.kind not in found.confirmed:
            continue
        seen.append((probe, measure(loss, found.how, probe, fit.form.activation)))
    zero = replace(fit.form, **{name: 0.0})  # type: ignore[arg-type]
    small = replace(fit.form, **{name: 1e-8})  # type: ignore[arg-type]
    none, some = deviation(zero, seen), deviation(small, seen)
    if not found.differentiable:  # 0 / 0 is left out, and what is defined shows no epsilon
        return none <= AGREES
    return none <= AGREES and none < 0.3 * some
