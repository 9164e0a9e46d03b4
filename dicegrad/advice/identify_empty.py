"""What a form does to maps without a true voxel: which mode of the mean, and which floor."""

from dataclasses import replace

import numpy as np

from dicegrad.advice.identify_fit import AGREES, Fit, Seen, deviation, disagreement, fit, weigh
from dicegrad.advice.identify_forms import MODES, Form


def nearest(form: Form, seen: Seen) -> float:
    """How near a form comes with the best of some epsilons."""
    values = (1e-9, 1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3)
    pairs = [(form.above, form.below), *((v, v) for v in values), *((0.0, v) for v in values[3:])]
    return min(deviation(replace(form, above=n, below=d), seen) for n, d in pairs)


def with_empty(filled: Fit, seen: Seen) -> Fit:
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
    for each in sorted(forms, key=lambda each: nearest(each, seen))[:3]:
        found = fit(each, seen, free)
        if found.agrees:
            # With nothing in the numerator, an empty map counts as any other and has Dice 0.
            counted = weigh(replace(found.form, mode="counted"), seen, found.spread)
            return _surer(counted if counted.agrees else found, filled, seen)
        tries.append(found)
    for start in _with_floor(form):
        found = fit(start, seen, (*free, "floor"), grid=False)
        if found.agrees:
            return found
        tries.append(found)
    filled_only = [pair for pair in seen if pair[0].kind == "full"]
    same = [each for each in tries if disagreement(each, filled_only) <= AGREES]
    again = fit(form, filled_only, free, grid=False)
    return min(same, key=lambda each: each.worst, default=again)


def _with_floor(form: Form) -> list[Form]:
    """Where a fit of the lowest denominator starts; NiftyNet's generalised Dice has one voxel."""
    if form.shape.startswith("generalized"):
        return [replace(form, floor=floor) for floor in (0.5, 1e-5)]
    return [replace(form, mode=mode, floor=1e-5) for mode in ("counted", "zeroed")]


def _surer(found: Fit, filled: Fit, seen: Seen) -> Fit:
    """Epsilon of the filled maps, where all maps together say less about it."""
    if filled.spread["below"] > 1e-3 and filled.spread["above"] > 1e-3:
        return found
    form = replace(found.form, above=filled.form.above, below=filled.form.below)
    same = weigh(form, seen, filled.spread)
    return same if same.agrees else found
