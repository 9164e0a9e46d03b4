"""Tests on a real SLURM, for `make test-slurm` alone: they start daemons and take minutes."""

import os
from pathlib import Path

import pytest

from tests.slurm import cluster

STATE = os.environ.get("DICEGRAD_SLURM")
collect_ignore = [] if STATE else ["test_cluster.py"]


@pytest.fixture(scope="session")
def slurm():
    """A cluster for the length of the tests; its state lies in the folder DICEGRAD_SLURM."""
    if reason := cluster.obstacle():
        pytest.skip(reason)
    folder = Path(STATE)
    try:
        cluster.start(folder)
        yield cluster
    finally:
        cluster.stop(folder)
