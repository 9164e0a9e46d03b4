"""Eq. 3 and Eq. 4 written out over explicit subsets in NumPy, independent of the package."""

import itertools

import numpy as np
import pytest
import torch


def subsets(batch, channels, phi):
    """The family Phi: for every subset, the list of its (b, c) pairs."""
    pairs = list(itertools.product(range(batch), range(channels)))
    key = {
        "I": lambda b, c: (b, c),
        "CI": lambda b, c: b,
        "BI": lambda b, c: c,
        "BCI": lambda b, c: 0,
    }[phi]
    groups = {}
    for b, c in pairs:
        groups.setdefault(key(b, c), []).append((b, c))
    return list(groups.values())


def equations(p, y, phi, epsilon, norm="l1"):
    """Loss (Eq. 3) and derivative (Eq. 4) for p and y of shape (B, C, *spatial)."""
    p, y = np.asarray(p, np.float64), np.asarray(y, np.float64)
    power = 1 if norm == "l1" else 2
    family = subsets(*p.shape[:2], phi)
    dice, gradient = [], np.zeros_like(p)
    for subset in family:
        eps = epsilon if np.isscalar(epsilon) else epsilon[subset[0][1]]
        b, c = zip(*subset, strict=True)
        ys, ps = y[b, c], p[b, c]
        numerator = 2 * (ys * ps).sum() + eps
        denominator = (ys**power + ps**power).sum() + eps
        dice.append(numerator / denominator)
        inner = 1 if norm == "l1" else 2 * ps
        gradient[b, c] = -(2 * ys / denominator - inner * numerator / denominator**2) / len(family)
    return 1 - float(np.mean(dice)), gradient


@pytest.fixture(scope="session")
def eq3_and_4():
    return equations


@pytest.fixture(scope="session")
def phi_subsets():
    return subsets


@pytest.fixture(scope="session")
def one_hot():
    def convert(y, channels):
        """(B, *spatial) labels to (B, C, *spatial) maps; a single channel stands for label 1."""
        labels = [1] if channels == 1 else range(channels)
        return torch.stack([y == label for label in labels], 1).double()

    return convert


@pytest.fixture(scope="session")
def make_case():
    def make(batch=2, channels=4, shape=(5, 4, 3), seed=0, dtype=torch.float64):
        """Logits and a label map."""
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(batch, channels, *shape, generator=generator, dtype=torch.float64)
        y = torch.randint(0, max(channels, 2), (batch, *shape), generator=generator)
        return logits.to(dtype), y

    return make
