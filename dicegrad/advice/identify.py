"""`identify`: a passport of any loss, found by probing it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dicegrad.advice.identify_call import Convention, conventions, measure, working
from dicegrad.advice.identify_findings import empty_map_unknown, measured_only, named
from dicegrad.advice.identify_joined import joined_channels, without_joined
from dicegrad.advice.identify_passport import Passport
from dicegrad.advice.identify_probes import all_probes
from dicegrad.advice.identify_push import ignored_values, push_of
from dicegrad.advice.identify_search import Found, search
from dicegrad.advice.identify_spec import load_loss
from dicegrad.advice.identify_twin import Aside, find_twin
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
        channels: 1 to 4 channels; if None, 4 and 1 are tried, and 3 and 2 if it takes neither.
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
    ways = working(function, conventions(channels, dims, labels))
    found = _first_known(function, ways, activation)
    takes = dict.fromkeys(each.labels for each in ways if each.channels == found.how.channels)
    values: list[int] = []
    semantics = "unknown"
    if found.differentiable:
        values, semantics = ignored_values(function, ways, _inside(found), found.fit)
    seen = _beside(function, ways, found, values if semantics == "removed" else [], activation)
    passport = measured_only(name, seen.found, tuple(takes))
    passport = replace(
        passport,
        channels=found.how.channels,
        ignore_index=tuple(values),
        ignored_voxels=semantics,
        joined=seen.aside.joined,
    )
    return _described(passport, function, found.how if seen.maps is None else seen.maps, seen)


@dataclass(frozen=True)
class _Seen:
    """A loss without what it does beside its form.

    Attributes:
        loss: The loss of the channels that are left.
        found: What a search came to.
        aside: What it does beside that.
        maps: How it is called with label maps, if it is.
    """

    loss: Callable
    found: Found
    aside: Aside
    maps: Convention | None


def _beside(
    loss: Callable,
    ways: list[Convention],
    found: Found,
    ignored: list[int],
    activation: str | None,
) -> _Seen:
    """Look again at what has no known form: a class may be ignored, or joined to the background."""
    channels = found.how.channels
    maps = next((w for w in ways if w.labels != "one-hot" and w.channels == channels), None)
    if found.fit is not None:
        aside = Aside(ignored[0]) if len(ignored) == 1 and maps else Aside()
        return _Seen(loss, found, aside, maps if aside.ignored is not None else None)
    classes = [value for value in ignored if 0 <= value < channels]
    if len(classes) == 1 and maps and channels == 4:
        again = search(loss, maps, activation, never=classes[0])
        if again.fit is not None:
            return _Seen(loss, again, Aside(classes[0], never=True), maps)
    if found.differentiable and not found.constant:
        softmax = found.softmax
        if joined := joined_channels(loss, found.how, softmax):
            left, how = without_joined(loss, found.how, joined, softmax)
            # Without a softmax inside, what it is given and adds up has to be probabilities.
            again = search(left, how, activation if softmax else "none")
            if again.fit is not None and again.softmax == softmax:
                return _Seen(left, again, Aside(joined=joined), None)
    return _Seen(loss, found, Aside(), None)


def _described(passport: Passport, loss: Callable, how: Convention, seen: _Seen) -> Passport:
    """The passport with the form of the loss, what it does to an empty map, and its twin."""
    found = seen.found
    push = push_of(seen.loss, found.how, found.fit, _inside(found), found.never)
    passport = replace(passport, nothing_predicted=push.nothing)
    if found.fit is None or not found.consistent:
        return replace(passport, empty_map=empty_map_unknown(found, push))
    passport, known = named(passport, seen.loss, found, push)
    if found.fit.ambiguous and any(known.weights):
        return passport
    twin = find_twin(loss, how, found.fit, known, seen.aside)
    return replace(
        passport, twin=twin.words, twin_differs=twin.differs, twin_annotated=twin.annotated
    )


def _inside(found: Found) -> str | None:
    if found.fit is not None:
        return found.fit.form.activation
    return "softmax" if found.softmax else None


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
