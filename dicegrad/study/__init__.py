"""What a user writes: experiments, datasets, studies. Checked once, typed from there on."""

from dicegrad.study.dataset import Dataset, Folds
from dicegrad.study.experiment import Experiment
from dicegrad.study.labeling import Labeling, Removal
from dicegrad.study.losses import LOSSES
from dicegrad.study.study import Study

__all__ = ["LOSSES", "Dataset", "Experiment", "Folds", "Labeling", "Removal", "Study"]
