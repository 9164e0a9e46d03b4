"""Settings of a training run: the `training` block of a dataset file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dicegrad.errors import InputError
from dicegrad.training.augmentation import AugmentationSettings

_PRECISIONS = ("auto", "float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class TrainingSettings:
    """How one network is trained.

    Attributes:
        epochs: At most this many.
        passes: How many times an epoch goes through the training cases.
        learning_rate: Of Adam; under `one_cycle` the highest.
        schedule: `plateau` (times `factor` after `patience` epochs without a better validation
            loss) or `one_cycle` (up over the first tenth of the steps, then down to almost 0).
        patience: Epochs without improvement before `plateau` lowers the learning rate.
        factor: What `plateau` multiplies the learning rate by.
        stop_patience: Epochs without improvement before training stops; 0 never stops early.
        min_delta: What counts as an improvement of the validation loss.
        validation: Share of the training subjects that validation looks at, in (0, 1); with 0 it is
            the held-out fold, as in the paper.
        l2: Penalty on the squared convolution kernels, added to the loss.
        keep_every: Keep the weights of the last epoch that is a multiple of this; 1 is the last.
        checkpoint_minutes: How often a checkpoint is written.
        precision: Of the network: `float32`; `tf32` or `bfloat16`, which a GPU computes faster;
            `auto` is bfloat16 on a GPU that computes in it, float32 elsewhere. Weights and loss are
            float32 in any case.
        deterministic: Whether the same seed gives the same bits on a GPU; on a CPU it always does.
        compile: Whether torch.compile translates the network, which takes a minute and a compiler.
        augmentation: How training cases are varied.
    """

    epochs: int = 1000
    passes: int = 1
    learning_rate: float = 1e-3
    schedule: str = "plateau"
    patience: int = 30
    factor: float = 0.2
    stop_patience: int = 60
    min_delta: float = 1e-4
    validation: float = 0.0
    l2: float = 1e-5
    keep_every: int = 1
    checkpoint_minutes: float = 10.0
    precision: str = "auto"
    deterministic: bool = True
    compile: bool = False
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)

    def __post_init__(self) -> None:
        if self.schedule not in ("plateau", "one_cycle"):
            raise InputError(
                f"training: schedule is {self.schedule!r}; allowed: plateau, one_cycle"
            )
        if self.precision not in _PRECISIONS:
            raise InputError(
                f"training: precision is {self.precision!r}; allowed: {', '.join(_PRECISIONS)}"
            )
        if not 0 <= self.validation < 1:
            raise InputError(
                f"training: validation is {self.validation}; give a share of the training subjects "
                "between 0 and 1, such as 0.2"
            )
        for name in ("deterministic", "compile"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"training: {name} is {getattr(self, name)!r}; give true or false")
        for name in ("epochs", "passes", "keep_every"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"training: {name} is {getattr(self, name)}; it must be at least 1"
                )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "TrainingSettings":
        """Settings from a mapping; what it leaves out keeps its default."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise InputError(f"training: unknown key {unknown[0]!r}; allowed: {', '.join(known)}")
        augmentation = AugmentationSettings.from_dict(settings.get("augmentation", {}))
        return cls(**{**settings, "augmentation": augmentation})

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a checkpoint."""
        return asdict(self)
