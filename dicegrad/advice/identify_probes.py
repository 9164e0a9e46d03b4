"""Small synthetic maps that show what a loss does: filled, empty, absent from the batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

Array = np.ndarray

# Predicted volumes of an empty map, in voxels. Epsilon shows where it is of the order of these.
LADDER = (1e-8, 1e-6, 1e-4, 1e-2, 1.0, 10.0)


@dataclass(frozen=True)
class Probe:
    """A batch of logits and labels.

    Attributes:
        kind: `full` (each class in each element), `one_empty` (a class absent from an element,
            present in another), `batch_empty` (a class absent from all), `all_empty`.
        logits: Shape (B, C, N).
        labels: Shape (B, N), 0 to C - 1, or 0 and 1 if C is 1.
        grid: The N voxels as three axes.
    """

    kind: str
    logits: Array
    labels: Array
    grid: tuple[int, int, int]
    kept: dict = field(default_factory=dict, compare=False, repr=False)  # what was computed of it

    @cached_property
    def truth(self) -> Array:
        """One map per channel, shape (B, C, N); a single channel is label 1."""
        channels = self.logits.shape[1]
        wanted = np.arange(channels) if channels > 1 else np.array([1])
        return (self.labels[:, None] == wanted[:, None]).astype(float)

    def probabilities(self, activation: str | None) -> Array:
        """What the Dice sees; `None` is given a distribution over the channels as well."""
        if activation not in self.kept:
            self.kept[activation] = self._probabilities(activation)
        return self.kept[activation]

    def _probabilities(self, activation: str | None) -> Array:
        z = self.logits
        if activation == "sigmoid" or z.shape[1] == 1:
            return 1 / (1 + np.exp(-z))
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


@dataclass(frozen=True)
class Roles:
    """Which label plays which part in the probes.

    Attributes:
        channels: Of the prediction.
        never: A class that no voxel is labelled as, since the loss ignores its voxels; None if
            there is none.
    """

    channels: int
    never: int | None = None

    @property
    def absent(self) -> int:
        """The class that is left out of some elements."""
        if self.channels < 3:
            return 1
        return 1 if self.never == 2 else 2

    @property
    def filler(self) -> int:
        """The label of what is nothing else: background, unless it is ignored."""
        return 1 if self.never == 0 else 0

    @property
    def other(self) -> int:
        """A second class that is left out of some elements."""
        left = {1, 2, 3} - {self.never, self.absent, self.filler}
        return min(left)

    @property
    def labels(self) -> Array:
        """Those that voxels may have."""
        return np.array([v for v in range(max(self.channels, 2)) if v != self.never])


def full_probes(
    channels: int, rng: np.random.Generator, count: int = 5, never: int | None = None
) -> list[Probe]:
    """Batches in which each class has true voxels in each element, of several sizes.

    That of `never` has none, and is predicted with many volumes.
    """
    roles = Roles(channels, never)
    sizes = [(2, (4, 3, 3)), (3, (5, 4, 2)), (1, (6, 3, 2)), (2, (3, 5, 4)), (3, (4, 4, 2))]
    probes = []
    for number in range(count):
        batch, grid = sizes[number % len(sizes)]
        labels = _labels(batch, roles, prod(grid), rng)
        logits = rng.normal(0, 1.2, (batch, channels, prod(grid)))
        probes.append(Probe("full", logits, labels, grid))
    for sign in (6.0, -4.0):  # nearly right, and nearly everything wrong
        labels = _labels(2, roles, 40, rng)
        probe = Probe("full", rng.normal(0, 0.7, (2, channels, 40)), labels, (5, 4, 2))
        logits = probe.logits + sign * (2 * probe.truth - 1)
        probes.append(Probe("full", logits, labels, probe.grid))
    if never is None:
        return probes
    shown = []
    for number, probe in enumerate(probes):
        where = {(b, never) for b in range(len(probe.labels))}
        volume = LADDER[number % len(LADDER)]
        shown.append(_predicting(probe, "full", probe.labels, where, volume))
    return [*shown, probes[0]]


def empty_probes(channels: int, rng: np.random.Generator, never: int | None = None) -> list[Probe]:
    """Batches with maps that have no true voxel, at many predicted volumes."""
    roles = Roles(channels, never)
    probes = []
    out = roles.absent
    for volume in (1e-6, 1e-2, 3.0):
        probe = _random(2, roles, rng)
        labels = _without(probe.labels, out, 0, roles.filler)
        probes.append(_predicting(probe, "one_empty", labels, {(0, out)}, volume))
    if channels > 2:
        for volume in (1e-5, 5.0):  # two classes absent, each from another element
            probe = _random(3, roles, rng)
            labels = _without(probe.labels, out, 0, roles.filler)
            labels = _without(labels, roles.other, 2, roles.filler)
            where = {(0, out), (2, roles.other)}
            probes.append(_predicting(probe, "one_empty", labels, where, volume))
    for volume in LADDER:
        probe = _random(2, roles, rng)
        labels = probe.labels.copy()
        labels[labels == out] = roles.filler
        kind = "batch_empty" if channels > 2 else "all_empty"
        probes.append(_predicting(probe, kind, labels, {(0, out), (1, out)}, volume))
    # An image of nothing but what is ignored says nothing.
    for volume in LADDER[::2] if channels > 2 and never != 0 else ():
        probe = _random(2, roles, rng)
        where = {(b, c) for b in range(2) for c in range(1, channels)}
        probes.append(_predicting(probe, "all_empty", probe.labels * 0, where, volume))
    return probes


def nothing_at_all(channels: int, rng: np.random.Generator, never: int | None = None) -> Probe:
    """A class without a true voxel and without a trace of it in the prediction."""
    roles = Roles(channels, never)
    probe = _random(2, roles, rng)
    out = roles.absent
    labels = probe.labels.copy()
    labels[labels == out] = roles.filler
    logits = probe.logits.copy()
    logits[:, out if channels > 1 else 0] = -2000.0
    return Probe("nothing", logits, labels, probe.grid)


def push_probe(channels: int, volume: int = 1000, never: int | None = None) -> Probe:
    """Element 0: an empty map; element 1: one with an object of that volume; the same prediction.

    What is predicted has the volume of the object and, where there is one, half overlaps it.
    """
    grid = (24, 24, 16)
    n = prod(grid)
    roles = Roles(channels, never)
    out, filler = roles.absent, roles.filler
    labels = np.full((2, n), filler)
    labels[1, :volume] = out
    others = [c for c in range(1, channels) if c not in (out, filler, never)]
    for c in others:
        labels[:, volume * (2 + c) : volume * (2 + c) + 400] = c
    logits = np.full((2, channels, n), -9.0)
    if channels > 1:
        logits[:, filler] = 0.0
    for c in others:
        logits[:, c, volume * (2 + c) : volume * (2 + c) + 400] = 3.0
    logits[:, out if channels > 1 else 0, volume // 2 : volume // 2 + volume] = 3.0
    return Probe("push", logits, labels, grid)


def all_probes(
    channels: int, seed: int = 0, full: int = 5, never: int | None = None
) -> list[Probe]:
    """Everything that a form is compared with."""
    rng = np.random.default_rng(seed)
    return [*full_probes(channels, rng, full, never), *empty_probes(channels, rng, never)]


def hard_probes(channels: int, seed: int = 0) -> list[Probe]:
    """The same kinds for what has no gradient: each voxel predicted as one class, for certain."""
    rng = np.random.default_rng(seed)
    probes = []
    roles = Roles(channels)
    out = roles.absent
    for number in range(52):
        batch, grid = [(2, (4, 3, 3)), (3, (5, 4, 2)), (1, (6, 3, 2))][number % 3]
        labels = _labels(batch, roles, prod(grid), rng)
        kind = "full"
        if number >= 48:
            kind, labels = "all_empty", labels * 0
        elif number >= 44:
            kind = "batch_empty" if channels > 2 else "all_empty"
            labels[labels == out] = 0
        elif number >= 40:
            batch, kind = 2, "one_empty"
            grid = (4, 3, 3)
            labels = _without(_labels(2, roles, 36, rng), out, 0)
        probes.append(Probe(kind, _certain(labels, channels, rng), labels, grid))
    return probes


def hard_nothing(channels: int) -> Probe:
    """`nothing_at_all` with certain predictions."""
    rng = np.random.default_rng(4)
    labels = _labels(2, Roles(channels), 36, rng)
    out = Roles(channels).absent
    labels[labels == out] = 0
    logits = _certain(labels, channels, rng)
    channel = out if channels > 1 else 0
    if channels > 1:  # what was predicted as that class is background
        logits[:, 0] = np.maximum(logits[:, 0], logits[:, channel])
    logits[:, channel] = -1000.0
    return Probe("nothing", logits, labels, (4, 3, 3))


def _certain(labels: Array, channels: int, rng: np.random.Generator) -> Array:
    """Logits of a prediction that is right in half of the voxels, each class somewhere."""
    other = _labels(labels.shape[0], Roles(channels), labels.shape[1], rng)
    predicted = np.where(rng.random(labels.shape) < 0.4, labels, other)
    predicted[:, : max(channels, 2)] = np.arange(max(channels, 2))
    wanted = np.arange(channels) if channels > 1 else np.array([1])
    chosen = predicted[:, None] == wanted[:, None]
    return np.where(chosen, 1000.0, -1000.0)


def _labels(batch: int, roles: Roles, n: int, rng: np.random.Generator) -> Array:
    values = roles.labels
    labels = values[rng.integers(0, len(values), (batch, n))]
    labels[:, : 2 * len(values)] = np.tile(values, 2)  # two true voxels of each, at least
    return rng.permuted(labels, axis=1)


def _random(batch: int, roles: Roles, rng: np.random.Generator) -> Probe:
    labels = _labels(batch, roles, 36, rng)
    return Probe("full", rng.normal(0, 1.2, (batch, roles.channels, 36)), labels, (4, 3, 3))


def _without(labels: Array, label: int, element: int, filler: int = 0) -> Array:
    labels = labels.copy()
    labels[element][labels[element] == label] = filler
    return labels


def _predicting(
    probe: Probe, kind: str, labels: Array, where: set[tuple[int, int]], volume: float
) -> Probe:
    """Predict so many voxels of the absent maps."""
    logits = probe.logits.copy()
    n = logits.shape[2]
    share = volume / n
    for b, label in _sorted(where):
        if logits.shape[1] == 1:
            logits[b, 0] = np.log(share / (1 - share)) + 0.3 * logits[b, 0]
            continue
        others = np.delete(logits[b], label, 0)
        total = np.log(np.exp(others).sum(0))
        logits[b, label] = np.log(share) + total + 0.2 * logits[b, label]
    return Probe(kind, logits, labels, probe.grid)


def _sorted(where: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    return iter(sorted(where))
