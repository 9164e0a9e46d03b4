"""Learning rate and early stopping, decided after every epoch.

One class holds both, because both depend on the number of epochs without improvement.
"""

from dataclasses import asdict, dataclass

from dicegrad.training.settings import TrainingSettings

# one_cycle: the fraction of steps that goes up; first and last learning rate relative to the peak.
_WARM_UP, _FIRST, _LAST = 0.1, 1e-2, 1e-3


@dataclass
class Schedule:
    """The state of learning-rate schedule and early stopping.

    Attributes:
        best: Lowest validation loss that was an improvement.
        waited: Epochs since, for early stopping.
        plateau: Epochs since the last improvement or reduction.
        reductions: How many times the learning rate was lowered.
    """

    best: float = float("inf")
    waited: int = 0
    plateau: int = 0
    reductions: int = 0

    def update(self, val_loss: float, settings: TrainingSettings) -> None:
        """Account for the validation loss of an epoch."""
        if val_loss < self.best - settings.min_delta:
            self.best, self.waited, self.plateau = val_loss, 0, 0
            return
        self.waited += 1
        self.plateau += 1
        if settings.schedule == "plateau" and self.plateau >= settings.patience:
            self.reductions += 1
            self.plateau = 0

    def stops(self, settings: TrainingSettings) -> bool:
        """Whether training stops for lack of improvement."""
        return 0 < settings.stop_patience <= self.waited

    def learning_rate(self, progress: float, settings: TrainingSettings) -> float:
        """The learning rate after a fraction `progress`, in [0, 1), of all steps."""
        top = settings.learning_rate
        if settings.schedule == "one_cycle":
            if progress < _WARM_UP:
                return top * (_FIRST + (1 - _FIRST) * progress / _WARM_UP)
            return top * (_LAST + (1 - _LAST) * (1 - progress) / (1 - _WARM_UP))
        return top * settings.factor**self.reductions

    def to_dict(self) -> dict[str, float | int]:
        """The state as plain numbers."""
        return asdict(self)
