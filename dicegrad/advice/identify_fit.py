"""Compare a form with what was measured: weights by least squares, the rest by Gauss-Newton."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicegrad.advice.identify_call import Measured
from dicegrad.advice.identify_forms import Form, terms, through_activation
from dicegrad.advice.identify_probes import Array, Probe

# A form is the loss if nothing is further off than this share of the largest derivative of a probe.
AGREES = 1e-5
_EXACT = 1e-13  # float64 on both sides: nothing is left to explain
_HOPELESS = 0.5  # of the largest derivative: two epsilons do not explain that
_ROUNDING = 1e-6  # what is so much smaller than usual is no derivative
SINGLE = 5e-2  # the same where sums are those of float32, which has seven digits
_NO_EPSILON = 1e-10  # in voxels: below it nothing may be there
_VOXELS = 4  # of a probe whose derivatives a fit looks at; the check looks at all
_STARTS = (1e-12, 1e-7, 1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3)
_LOWEST, _HIGHEST = np.log(1e-14), np.log(1e7)

Seen = Sequence[tuple[Probe, Measured]]
Residual = Callable[[Array], Array]


@dataclass(frozen=True)
class Fit:
    """A form with its weights.

    Attributes:
        form: The form.
        weights: Of the terms; the Dice part is subtracted, see `identify_forms`.
        offset: What is added.
        dice: How many of the terms, the first, belong to the Dice part.
        exclusion: How many, the last, belong to the exclusion part.
        worst: Largest disagreement, as a share of the largest derivative of its probe.
        spread: Uncertainty of each fitted number: of log epsilon, of alpha, beta, gamma.
        ambiguous: Whether a form with another norm or shape agrees as well.
        same_phi: Reductions with which the form is the same function.
    """

    form: Form
    weights: Array
    offset: float
    dice: int
    exclusion: int
    worst: float
    spread: dict[str, float]
    ambiguous: bool = False
    same_phi: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the form is the loss on these probes."""
        return bool(self.worst <= AGREES)


def fit(form: Form, seen: Seen, free: Sequence[str] = (), grid: bool = True) -> Fit:
    """The best member of the family with a form's words.

    Epsilon above and below are one number first, and two only if that fits better.

    Args:
        form: Words, and where to start from if `grid` is False.
        seen: Probes and what was measured on them.
        free: Which of floor, alpha, beta and gamma are fitted beside epsilon.
        grid: Whether to try a grid of epsilons for a start.
    """
    one = _or_none(_fit(form, seen, ("epsilon", *free), grid), seen)
    if one.worst < _EXACT or one.worst > _HOPELESS:
        return one
    both = ("above", "below", *free)
    best = _fit(one.form, seen, both, grid=False)
    if best.worst > _EXACT:
        best = min(best, _fit(one.form, seen, both, grid=True), key=lambda each: each.worst)
    return best if best.worst < 0.5 * one.worst else one


def _or_none(found: Fit, seen: Seen) -> Fit:
    """Without epsilon, where that fits no worse: the start of a fit is no finding."""
    if found.form.below > _NO_EPSILON:
        return found
    none = _fit(replace(found.form, above=0.0, below=0.0), seen, (), grid=False)
    blind = {"above": np.inf, "below": np.inf}
    return replace(none, spread=found.spread | blind) if none.worst <= found.worst else found


def weigh(form: Form, seen: Seen, spread: dict[str, float]) -> Fit:
    """A form as it is, with the weights that suit it best."""
    found = _fit(form, seen, (), grid=False)
    return replace(found, spread=spread)


def _fit(form: Form, seen: Seen, free: Sequence[str], grid: bool) -> Fit:
    parts = _parts(seen)
    start = _vector(form, free)
    if grid:
        start = _best_start(form, seen, parts, free)

    def residual_of(x: Array) -> Array:
        return _residual(_with(form, free, x), seen, parts)[0]

    x, residual = _gauss_newton(start, residual_of)
    found = _with(form, free, x)
    _, weights, offset, (dice, apart) = _residual(found, seen, parts)
    worst = float(np.abs(_residual(found, seen, None, (weights, offset))[0]).max())
    spread = dict(zip(free, _spread(x, residual, residual_of).tolist(), strict=True))
    if "epsilon" in spread:
        spread["above"] = spread["below"] = spread.pop("epsilon")
    return Fit(found, weights, offset, dice, apart, worst, spread)


def disagreement(found: Fit, seen: Seen, beside: Seen = ()) -> float:
    """Largest disagreement of a fit on other probes.

    Args:
        found: The fit.
        seen: The probes.
        beside: More probes, which say what size of a derivative is usual.
    """
    fixed = (found.weights, found.offset)
    usual = _usual(beside or seen)
    return float(np.abs(_residual(found.form, seen, None, fixed, usual)[0]).max())


def deviation(form: Form, seen: Seen) -> float:
    """Root of the mean squared disagreement of a form, its weights fitted."""
    return float(np.sqrt(np.mean(_residual(form, seen, _parts(seen))[0] ** 2)))


def _with(form: Form, free: Sequence[str], x: Array) -> Form:
    values: dict[str, float] = {}
    for name, value in zip(free, x, strict=True):
        if name in ("alpha", "beta", "gamma"):
            values[name] = float(value)
            continue
        number = float(np.exp(np.clip(value, _LOWEST, _HIGHEST)))
        number = 0.0 if value <= _LOWEST else number
        values.update({"above": number, "below": number} if name == "epsilon" else {name: number})
    return replace(form, **values)  # type: ignore[arg-type]


def _vector(form: Form, free: Sequence[str]) -> Array:
    start = []
    for name in free:
        value = getattr(form, "above" if name == "epsilon" else name)
        linear = name in ("alpha", "beta", "gamma")
        start.append(value if linear else np.log(max(value, 1e-14)))
    return np.array(start, float)


def _best_start(form: Form, seen: Seen, parts: list[Array], free: Sequence[str]) -> Array:
    """Of a grid of numerators and denominators, the pair that fits best."""
    pairs = [(v, v) for v in _STARTS]
    if "epsilon" not in free:
        values = (1e-12, 1e-5, 1e-2, 1.0, form.below)
        pairs = [(n, d) for n in values for d in values]
        pairs.append(_linear_start(form, seen, parts))
    tried = [replace(form, above=n, below=d) for n, d in pairs]
    return _vector(min(tried, key=lambda each: _squares(each, seen, parts)), free)


def _linear_start(form: Form, seen: Seen, parts: list[Array]) -> tuple[float, float]:
    """Both epsilons if they are far below every volume: the residual is linear in them then."""
    least, step = 1e-14, 1e-6
    none = _residual(replace(form, above=least, below=least), seen, parts)[0]
    top = _residual(replace(form, above=step, below=least), seen, parts)[0] - none
    bottom = _residual(replace(form, above=least, below=step), seen, parts)[0] - none
    both = np.linalg.lstsq(np.column_stack([top, bottom]) / step, -none, rcond=None)[0]
    # What is a thousandth of the other is rounding.
    both = np.where(both < 1e-3 * both.max(), least, both)
    return float(max(both[0], least)), float(max(both[1], least))


def _squares(form: Form, seen: Seen, parts: list[Array]) -> float:
    return float(np.mean(_residual(form, seen, parts)[0] ** 2))


def _parts(seen: Seen) -> list[Array]:
    """Which voxels of each probe a fit looks at, always the same."""
    rng = np.random.default_rng(7)
    return [rng.permutation(probe.logits.shape[2])[:_VOXELS] for probe, _ in seen]


def _residual(
    form: Form,
    seen: Seen,
    parts: list[Array] | None,
    fixed: tuple[Array, float] | None = None,
    usual: float | None = None,
) -> tuple[Array, Array, float, tuple[int, int]]:
    """What is left of the measured values and derivatives, the weights, the offset, and how many.

    The last are the numbers of weights of the Dice part and of the exclusion part.
    """
    rows, wanted, dice, apart = [], [], 0, 0
    size = max(1.0, float(np.median([abs(each.value) for _, each in seen])))
    least = (SINGLE if form.single else _ROUNDING) * (_usual(seen) if usual is None else usual)
    for number, (probe, measured) in enumerate(seen):
        voxels = slice(None) if parts is None else parts[number]
        made = terms(form, probe, voxels)
        dice, apart = made.dice, made.exclusion
        sign = np.where(np.arange(len(made.values)) < dice, -1.0, 1.0)
        rows.append(np.append(made.values * sign, made.scale)[None] / size)
        wanted.append(np.array([measured.value / size]))
        if measured.gradient is None:
            continue
        p = probe.probabilities(form.activation)[..., voxels]
        slope = through_activation(made.slopes, p, form.activation) * sign[:, None, None, None]
        unit = max(largest(measured), least, 1e-30)
        flat = slope.reshape(len(sign), -1).T / unit
        rows.append(np.column_stack([flat, np.zeros(len(flat))]))
        wanted.append(measured.gradient[..., voxels].reshape(-1) / unit)
    matrix, target = np.concatenate(rows), np.concatenate(wanted)
    if fixed is not None:
        return matrix @ np.append(*fixed) - target, fixed[0], fixed[1], (dice, apart)
    with np.errstate(over="ignore"):  # a form without epsilon, on an empty map
        norms = np.linalg.norm(matrix, axis=0)
    norms[norms == 0] = 1
    q, r = np.linalg.qr(matrix / norms)  # tall and narrow: far cheaper than its singular values
    solution = np.linalg.lstsq(r, q.T @ target, rcond=1e-12)[0] / norms
    return matrix @ solution - target, solution[:-1], float(solution[-1]), (dice, apart)


def _usual(seen: Seen) -> float:
    return float(np.median([largest(each) for _, each in seen]))


def largest(measured: Measured) -> float:
    """The largest derivative that was measured."""
    return 0.0 if measured.gradient is None else float(np.abs(measured.gradient).max())


def _gauss_newton(x: Array, residual_of: Residual) -> tuple[Array, Array]:
    """Levenberg and Marquardt's step, with the slopes by differences."""
    residual = residual_of(x)
    damping = 1e-3
    for _ in range(25 if len(x) else 0):
        slopes = _slopes(x, residual, residual_of)
        gradient, curvature = slopes.T @ residual, slopes.T @ slopes
        size = np.diag(curvature).copy() + 1e-30
        for _ in range(8):
            step = -np.linalg.lstsq(curvature + damping * np.diag(size), gradient, rcond=None)[0]
            tried = x + np.clip(step, -4, 4)
            there = residual_of(tried)
            if there @ there < residual @ residual:
                damping = max(damping / 10, 1e-14)
                break
            damping *= 10
        else:
            break
        gained = 1 - (there @ there) / max(float(residual @ residual), 1e-300)
        x, residual = tried, there
        if gained < 1e-4 or residual @ residual < 1e-26 * len(residual):
            break
    return x, residual


def _slopes(x: Array, residual: Array, residual_of: Residual) -> Array:
    columns = []
    for i in range(len(x)):
        moved = x.copy()
        moved[i] += 1e-4
        columns.append((residual_of(moved) - residual) / 1e-4)
    return np.column_stack(columns)


def _spread(x: Array, residual: Array, residual_of: Residual) -> Array:
    """One standard deviation of each fitted number; infinite where the data say nothing."""
    if not len(x):
        return x
    slopes = _slopes(x, residual, residual_of)
    noise = max(float(np.sqrt(np.mean(residual**2))), 1e-15)
    information = np.linalg.pinv(slopes.T @ slopes, rcond=1e-14)
    blind = np.linalg.norm(slopes, axis=0) < 1e3 * noise
    return np.where(blind, np.inf, noise * np.sqrt(np.abs(np.diag(information))))
