"""The push meter as a handler of MONAI's trainers, and of any engine of ignite.

Tested with monai 1.6.1 and pytorch-ignite 0.5.5.
"""

from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events
from torch import nn

from dicegrad.interop.push_watch import PushWatch


class PushHandler:
    """Says when a class is being unlearnt, and puts the push meter among the engine's metrics.

    Args:
        loss: The loss of the trainer, as for `PushWatch`.
        classes: Names of the classes.
        every: Iterations that a row sums up.
        twin: As for `PushWatch`, of a loss of MONAI's own.
        table: Where to write the rows at the end, or None.

    Attributes:
        watch: The `PushWatch`.

    Raises:
        InputError: As for `PushWatch`.

    Example:
        ``SupervisedTrainer(..., train_handlers=[PushHandler(loss, ["LV", "RV"])])``
    """

    def __init__(
        self,
        loss: nn.Module,
        classes: Sequence[str],
        every: int = 10,
        twin: nn.Module | None = None,
        table: Path | str | None = None,
    ) -> None:
        self.watch, self.table = PushWatch(loss, classes, every, twin=twin), table

    def attach(self, engine: Engine) -> None:
        """Listen from the start of a run of the engine to its end; its logger has the warnings."""
        self.watch.report = engine.logger.warning
        engine.add_event_handler(Events.STARTED, self.watch.listen)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._show)
        engine.add_event_handler(Events.COMPLETED, self._end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _show(self, engine: Engine) -> None:
        engine.state.metrics.update(self.watch.fresh)

    def _end(self) -> None:
        self.watch.finish(self.table)

    def _fail(self, engine: Engine, error: BaseException) -> None:
        self._end()
        raise error
