"""A passport as text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicegrad.advice.identify import Passport

UNKNOWN = "unknown"
_EMPTY = {
    "ignored": "ignored: a class that nobody drew is left alone, an empty map teaches nothing",
    "learnt": "learnt as empty: a class that nobody drew is unlearnt",
    "background": "counted as background: its prediction joins that of the background",
    "undefined": "undefined: NaN, or left out of the mean",
    UNKNOWN: "unknown",
}
_MEAN = {
    "counted": "every subset counts",
    "zeroed": "a subset without a true voxel has loss 0, but counts in the mean",
    "leaf": "a subset without a true voxel has Dice 0 and no gradient, but counts in the mean",
    "dropped": "over the subsets with a true voxel",
    "dropped_per_image": "over the classes that an image has, then over images",
    "dropped_per_class": "over the images that have a class, then over classes",
    "merged": "classes without a true voxel join the background",
    "none": "no Dice part",
    UNKNOWN: UNKNOWN,
}
_KINDS = {
    "full": "maps that are filled",
    "one_empty": "a map without a true voxel beside a filled one",
    "batch_empty": "a class that is absent from the batch",
    "all_empty": "images without any foreground",
}


def describe(found: "Passport") -> str:
    """One line per finding; what is unknown is said to be."""
    inside = found.activation + ", it takes probabilities" * (found.activation == "none")
    lines = [found.loss, ""]
    rows = [
        ("phi", _phi(found)),
        ("epsilon", _epsilon(found)),
        ("shape, norm", f"{_shape(found)}, {found.norm}"),
        (
            "background",
            _background(found.background),
        ),
        ("activation inside", inside),
        ("Dice part", _dice(found)),
        ("cross-entropy", _entropy(found)),
        *([("exclusion", text)] if (text := _exclusion(found)) else []),
        *([("joined to background", _channels(found.joined))] if found.joined else []),
        ("mean", _MEAN[found.mean]),
        ("map without true voxel", _EMPTY[found.empty_map]),
        ("push on it", _push(found)),
        ("ignored labels", _ignored(found)),
        ("gradient", found.gradient),
        ("labels it takes", ", ".join(found.takes) or UNKNOWN),
        ("in dicegrad", _twin(found)),
        ("confirmed on", "; ".join(_KINDS[kind] for kind in found.confirmed) or "nothing"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join([*lines, *(f"{name:{width}}  {text}" for name, text in rows)])


def _phi(found: "Passport") -> str:
    if found.phi == UNKNOWN and found.channels > 1:
        return f"{UNKNOWN} in {found.channels} channels; --channels 1 asks about a single one"
    return found.phi + (f" (the same as {', '.join(found.same_phi)})" * bool(found.same_phi))


def _background(found: bool | str) -> str:
    if isinstance(found, str):
        return found
    return "counted" if found else "left out"


def _epsilon(found: "Passport") -> str:
    above, below = found.epsilon_numerator, found.epsilon_denominator
    if found.phi == "none":
        return "none"
    floor = found.denominator_floor
    cut = f", denominator at least {floor:g}" if isinstance(floor, float) and floor > 0 else ""
    return (f"{_g(above)}" if above == below else f"{_g(above)} above, {_g(below)} below") + cut


def _shape(found: "Passport") -> str:
    if found.shape == "tversky":
        return f"tversky (alpha {found.alpha}, beta {found.beta})"
    return found.shape


def _dice(found: "Passport") -> str:
    if found.phi in ("none", UNKNOWN):
        return found.phi
    weights = f", class weights {found.weights}" if found.weights else ""
    return f"factor {_g(found.dice_factor)}, {found.reduction}, a {found.sign}{weights}"


def _entropy(found: "Passport") -> str:
    if found.focal not in (0.0, UNKNOWN):
        return f"focal, factor {_g(found.focal)}, exponent {found.focal_gamma}"
    if found.cross_entropy_weights and found.cross_entropy_weights != UNKNOWN:
        return f"weighted by label {found.cross_entropy_weights}"
    return "none" if found.cross_entropy == 0 else f"factor {_g(found.cross_entropy)}"


def _exclusion(found: "Passport") -> str:
    """Nothing where there is no such term, as in nearly every loss."""
    if found.exclusion_weights:
        return f"Dice(p, 1 - y) added, weighted by channel {found.exclusion_weights}"
    if found.exclusion in (0.0, UNKNOWN):
        return ""
    return f"{_g(found.exclusion)} times the mean of Dice(p, 1 - y) over the foreground"


def _channels(numbers: tuple[int, ...]) -> str:
    return f"channel{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _push(found: "Passport") -> str:
    if not isinstance(found.push_ratio, float):
        return "none, there is no gradient" if found.gradient == "none" else UNKNOWN
    return (
        f"{found.push_ratio:.3g} times that on a filled map of {found.push_volume} voxels, "
        "in a batch of the two"
    )


def _ignored(found: "Passport") -> str:
    if not found.ignore_index:
        return found.ignored_voxels
    return f"{', '.join(map(str, found.ignore_index))} ({found.ignored_voxels})"


def _twin(found: "Passport") -> str:
    words = found.twin
    if found.twin_annotated:
        words += f", told that {_channels(found.twin_annotated)} are annotated"
    if found.twin_differs:
        words += f", but for {'; '.join(_KINDS[kind] for kind in found.twin_differs)}"
    return words


def _g(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
