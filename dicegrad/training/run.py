"""The state of one training run, and how it changes: step by step, epoch by epoch.

Randomness has no history: the order of an epoch and the augmentation of a batch derive from
(seed, epoch) and (seed, step) alone, so that an interrupted training run resumes exactly.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from dicegrad.errors import InputError
from dicegrad.losses.push_meter import make_meter
from dicegrad.training.adam import Adam
from dicegrad.training.augmentation import augment
from dicegrad.training.dataset import PreparedData
from dicegrad.training.history import Row
from dicegrad.training.network import NetworkSettings, UNet, kernels_of
from dicegrad.training.numerics import autocast, memory_format
from dicegrad.training.objective import Objective
from dicegrad.training.schedule import Schedule
from dicegrad.training.settings import TrainingSettings
from dicegrad.training.validation import validate

FORMAT = 4  # of `Run.state`: to be raised when it changes, so that older ones are refused
_WORDS = {"train": "training", "validation": "validation"}
_DIVERGED = 100.0  # penalty; 0.03 to 0.05 at the start of the paper's networks


@dataclass(frozen=True)
class Split:
    """Which cases, by number, a training run learns from and is validated on.

    A case that is listed three times is seen three times an epoch.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, cases in asdict(self).items():
            if not cases:
                raise InputError(f"no {_WORDS[name]} cases; change the fold assignment")


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from names and numbers, the same on every machine."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Run:
    """The state of one training run; `state` and `restore` are its whole memory."""

    def __init__(
        self,
        data: PreparedData,
        split: Split,
        network_settings: NetworkSettings,
        settings: TrainingSettings,
        objective: Objective,
        batch_size: int,
        seed: int,
    ) -> None:
        self.data, self.split, self.settings = data, split, settings
        self.objective, self.batch_size, self.seed = objective, batch_size, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            self.network = UNet(network_settings)
        order = memory_format(network_settings.norm, data.device, settings.compile)
        self.network.memory_format = order
        self.network.to(data.device, memory_format=order)  # type: ignore[call-overload]
        self.predict: nn.Module = self.network
        if settings.compile:
            self.predict = cast(nn.Module, torch.compile(self.network))
        self.optimizer = make_adam(self.network, settings)
        self.schedule = Schedule()
        self.history: list[Row] = []
        self.kept: dict[str, Tensor] = {}
        self.losses: list[Tensor] = []  # of the batches of this epoch, left on the device
        self.meter = make_meter(objective, data.classes)  # it watches, and changes nothing
        self.epoch = self.step = 0
        order_length = len(split.train) * settings.passes
        self.steps_per_epoch = -(-order_length // batch_size)

    def over(self) -> bool:
        """Whether all epochs are done, or training stops early."""
        return self.epoch >= self.settings.epochs or self.schedule.stops(self.settings)

    def steps(self) -> Iterator[None]:
        """Do what is left of this epoch, one optimiser step at a time."""
        order = self.data.numbers(self._order())
        self.network.train()
        for number in range(len(self.losses), self.steps_per_epoch):
            cases = order[number * self.batch_size : (number + 1) * self.batch_size]
            image, label, annotated = self.data.batch(cases)
            generator = self._generator("augmentation", self.step, self.data.device)
            image, label = augment(image, label, self.settings.augmentation, generator)
            self._set_learning_rate()
            self.optimizer.zero_grad()
            with autocast(self.settings.precision, self.data.device):
                logits = self.predict(image)
            logits = logits.float()
            loss = self.objective(logits, label, annotated)
            if self.meter:  # right after the loss, while the logits are in the cache
                self.meter.add(logits, label, annotated)
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.detach())
            self.step += 1
            yield

    def finish_epoch(self, pause: Callable[[], None] = lambda: None) -> Row:
        """Validate, decide on learning rate and end, and write the epoch's row.

        The state does not change before the validation is over, so that `pause`, which is called
        between its batches, may save the state, and may end the validation by raising.
        """
        losses = torch.stack(self.losses).cpu()
        self._check_finite(losses)
        rate = self.optimizer.rate
        val_loss, dice = validate(
            self.predict,
            self.data,
            self.split.validation,
            self.objective,
            self.batch_size,
            self.settings.precision,
            pause,
        )
        squares = sum(kernel.detach().square().sum() for kernel in kernels_of(self.network))
        penalty = self.settings.l2 * float(squares)
        val_loss += penalty
        if not math.isfinite(val_loss):
            raise InputError(
                f"the validation loss is {val_loss} after epoch {self.epoch + 1}, although the "
                f"training loss is a number; look at the held-out cases, or {self._remedy()}"
            )
        self._check_size(penalty)
        self.epoch += 1
        self.losses = []
        self.schedule.update(val_loss, self.settings)
        if self.epoch % self.settings.keep_every == 0 or self.epoch < self.settings.keep_every:
            self.kept = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        row = {"epoch": self.epoch, "step": self.step, "learning_rate": rate}
        row |= {"train_loss": float(losses.mean()), "val_loss": val_loss}
        row |= {f"dsc_{name}": value for name, value in zip(self.data.classes, dice, strict=True)}
        if self.meter:
            row |= self.meter.take()
        self.history.append(row)
        return row

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training run needs, as tensors and plain values.

        Raises:
            InputError: The loss stopped being a number; such a state is not worth keeping.
        """
        if self.losses:
            self._check_finite(torch.stack(self.losses).cpu())
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.to_dict(),
            "history": self.history,
            "kept": self.kept,
            "losses": [float(loss) for loss in self.losses],
            "pushes": self.meter.state() if self.meter else {},
            "epoch": self.epoch,
            "step": self.step,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule = Schedule(**state["schedule"])
        self.history, self.kept = state["history"], state["kept"]
        self.losses = [torch.tensor(loss, device=self.data.device) for loss in state["losses"]]
        if self.meter:
            self.meter.restore(state["pushes"], self.data.device)
        self.epoch, self.step = state["epoch"], state["step"]

    def _order(self) -> list[int]:
        train, passes = torch.tensor(self.split.train), []
        for number in range(self.settings.passes):
            generator = self._generator("order", f"{self.epoch}/{number}", "cpu")
            passes.append(train[torch.randperm(len(train), generator=generator)])
        return torch.cat(passes).tolist()

    def _generator(self, use: str, count: object, device: torch.device | str) -> torch.Generator:
        return torch.Generator(device).manual_seed(derive_seed(self.seed, use, count))

    def _set_learning_rate(self) -> None:
        progress = self.step / (self.steps_per_epoch * self.settings.epochs)
        self.optimizer.rate = self.schedule.learning_rate(progress, self.settings)

    def _check_finite(self, losses: Tensor) -> None:
        if bool(losses.isfinite().all()):
            return
        number = int((~losses.isfinite()).nonzero()[0])
        cases = self._order()[number * self.batch_size : (number + 1) * self.batch_size]
        names = ", ".join(self.data.cases[case] for case in cases)
        raise InputError(
            f"the loss is {losses[number]} in epoch {self.epoch + 1} at batch {number + 1} "
            f"({names}); look at those cases, or {self._remedy()}"
        )

    def _check_size(self, penalty: float) -> None:
        """Stop a training run that diverges while its loss is still a number.

        A Dice loss does not show it: it is at most 1, and has no gradient left once every voxel
        is saturated. The kernels do: if all were zero, the loss would be at most 1, penalty
        included, so where the penalty alone is a hundred times that, no minimum is near.
        """
        if penalty > _DIVERGED:
            raise InputError(
                f"training diverges: after epoch {self.epoch + 1} the penalty on the kernels is "
                f"{penalty:.3g}, while a Dice loss is at most 1; {self._remedy()}"
            )

    def _remedy(self) -> str:
        return f"lower training.learning_rate (now {self.settings.learning_rate:g})"


def make_adam(network: UNet, settings: TrainingSettings) -> Adam:
    """Adam for a network; the gradient of l2 * ||W||^2 is a weight decay of twice l2."""
    kernels = kernels_of(network)
    chosen = {id(kernel) for kernel in kernels}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    return Adam([(kernels, 2 * settings.l2), (rest, 0.0)], settings.learning_rate)
