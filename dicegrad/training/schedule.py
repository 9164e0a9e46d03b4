"""Learning rate and the end of training, decided after every epoch.

One small class holds both, because both hang on the same count of epochs without improvement.
"""

from dataclasses import asdict, dataclass

from dicegrad.training.settings import TrainingSettings

# one_cycle: the share of it that goes up, and where it starts and ends as shares of the peak.
_WARM_UP, _FIRST, _LAST = 0.1, 1e-2, 1e-3


@dataclass
class Schedule:
    """The state that plateau and early stopping carry from epoch to epoch.

    Attributes:
        best: Lowest validation loss that was an improvement.
        waited: Epochs since, for early stopping.
        plateau: Epochs since the last improvement or reduction.
        reductions: How often the learning rate was lowered.
    """

    best: float = float("inf")
    waited: int = 0
    plateau: int = 0
    reductions: int = 0

    def update(self, val_loss: float, settings: TrainingSettings) -> None:
        """Take in the validation loss of an epoch."""
        if val_loss < self.best - settings.min_delta:
            self.best, self.waited, self.plateau = val_loss, 0, 0
            return
        self.waited += 1
        self.plateau += 1
        if settings.schedule == "plateau" and self.plateau >= settings.patience:
            self.reductions += 1
            self.plateau = 0

    def stops(self, settings: TrainingSettings) -> bool:
        """Whether training has gone on without improvement for long enough."""
        return 0 < settings.stop_patience <= self.waited

    def learning_rate(self, progress: float, settings: TrainingSettings) -> float:
        """The learning rate at a share `progress` in [0, 1) of all steps."""
        top = settings.learning_rate
        if settings.schedule == "one_cycle":
            if progress < _WARM_UP:
                return top * (_FIRST + (1 - _FIRST) * progress / _WARM_UP)
            return top * (_LAST + (1 - _LAST) * (1 - progress) / (1 - _WARM_UP))
        return top * settings.factor**self.reductions

    def to_dict(self) -> dict:
        """The state as plain numbers."""
        return asdict(self)
