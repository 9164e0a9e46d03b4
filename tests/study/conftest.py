"""What tests of a study share."""

from pathlib import Path

from dicegrad.study import Dataset

CONFIG = Path(__file__).parents[2] / "config"
HEADER = "dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n"
ROW = {
    "dataset": "heart",
    "labeling": "partial",
    "loss": "dice",
    "phi": "I",
    "epsilon": "1e-7",
    "batch_size": "2",
}


def line(**changes):
    """A line of an experiment table."""
    return "\t".join((ROW | changes).values()) + "\n"


def read_one(name="heart", **overrides):
    """A shipped dataset with settings changed by the config."""
    return Dataset.read(CONFIG / "datasets" / f"{name}.yaml", overrides, "mine.yaml")
