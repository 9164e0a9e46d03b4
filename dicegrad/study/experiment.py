"""One row of an experiment table: its columns, its grammar and its folder."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields

from dicegrad.errors import InputError, nearest
from dicegrad.precision import LARGEST, SMALLEST
from dicegrad.study.losses import AS_EMPTY, IGNORED, LOSSES, MARGINAL, NONE, PHIS, UNANNOTATED

HEURISTIC = "heuristic"
# A number becomes part of a path, and should be read by people as Python reads it.
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_NO_NUMBERS = ("inf", "infinity", "nan")
# Names become parts of paths.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
NAME_IS = "a name begins with a letter or digit and has letters, digits, '.', '_' and '-' only"


@dataclass(frozen=True)
class Experiment:
    """A row of the experiment table. Its fields are the columns.

    Values stay as they are written, since the row is the folder of its results. A column that is
    added later has a default, and a row that holds the default keeps the folder it had.

    Attributes:
        dataset: Name of a dataset file.
        labeling: Which maps the training truth keeps: `full`, `partial`, a share of it such as
            `partial-50`, `as-annotated`, or one that the dataset names.
        loss: A key of `LOSSES`.
        phi: `I`, `CI`, `BI`, `BCI`, or `none` for a loss without it.
        epsilon: A number of voxels, `heuristic`, a multiple such as `0.1xheuristic`, or `none`.
        batch_size: Cases in a batch.
        unannotated: How the loss treats a map that is not annotated: `as_empty`, as the paper does,
            `ignored` or `marginal`.
    """

    dataset: str
    labeling: str
    loss: str
    phi: str
    epsilon: str
    batch_size: int
    unannotated: str = AS_EMPTY

    @property
    def row(self) -> dict[str, str | int]:
        """Column -> value, columns that hold their default left out."""
        every = {column.name: getattr(self, column.name) for column in fields(self)}
        return {name: value for name, value in every.items() if value != DEFAULTS.get(name)}

    @property
    def path(self) -> str:
        """The folder of its results within those of the study.

        Example:
            >>> Experiment("acdc", "partial", "dice", "BI", "1e-7", 2).path
            'dataset~acdc/labeling~partial/loss~dice/phi~BI/epsilon~1e-7/batch_size~2'
        """
        return "/".join(f"{name}~{value}" for name, value in self.row.items())

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> "Experiment":
        """The experiment of a row of text; columns with a default may be absent.

        Raises:
            InputError: A value is not one that its column may hold.
        """
        if not re.fullmatch(NAME, row["dataset"]):
            raise InputError(f"dataset is {row['dataset']!r}; {NAME_IS}")
        _choose("loss", row["loss"], LOSSES)
        _choose("phi", row["phi"], (*PHIS, NONE))
        _choose("unannotated", row.get("unannotated", AS_EMPTY), UNANNOTATED)
        if not re.fullmatch(NAME, row["labeling"]):
            raise InputError(f"labeling is {row['labeling']!r}; {NAME_IS}")
        if row["epsilon"] != NONE and heuristic_multiple(row["epsilon"]) is None:
            epsilon_number(row["epsilon"])
        if not re.fullmatch(r"[1-9][0-9]{0,5}", row["batch_size"]):
            raise InputError(
                f"batch_size is {row['batch_size']!r}; it must be a whole number from 1"
            )
        return cls(**{**row, "batch_size": int(row["batch_size"])})  # type: ignore[arg-type]

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from other experiments: `1e-7` and `0.0000001` are one epsilon."""
        epsilon: object = self.multiple
        if epsilon is None and self.epsilon != NONE:
            epsilon = f"{epsilon_number(self.epsilon)} voxels"
        return (*(v for k, v in vars(self).items() if k != "epsilon"), epsilon)

    @classmethod
    def from_path(cls, path: str) -> "Experiment":
        """The experiment whose folder this is; folders above and below it may be part of it.

        Raises:
            InputError: The path names no experiment.
        """
        parts = dict(part.split("~", 1) for part in path.split("/") if "~" in part)
        values = {name: parts[name] for name in COLUMNS if name in parts}
        if not set(REQUIRED) <= set(values) or not values["batch_size"].isdecimal():
            raise InputError(f"{path}: is not the folder of an experiment")
        return cls(**{**values, "batch_size": int(values["batch_size"])})  # type: ignore[arg-type]

    @property
    def title(self) -> str:
        """The row in words, for messages and logs."""
        loss = " ".join(word for word in (self.loss, self.phi) if word != NONE)
        epsilon = "" if self.epsilon == NONE else f", epsilon {self.epsilon}"
        more = "" if self.unannotated == AS_EMPTY else f", not annotated: {self.unannotated}"
        return (
            f"{self.dataset}, {self.labeling} labels: {loss}{epsilon}, "
            f"batch size {self.batch_size}{more}"
        )

    @property
    def multiple(self) -> float | None:
        """How many times the heuristic epsilon is; None if it is a number, or there is none."""
        return heuristic_multiple(self.epsilon)

    def check(self, classes: Sequence[str]) -> None:
        """See that the columns fit each other and the classes of the dataset.

        Raises:
            InputError: They do not.
        """
        loss = LOSSES[self.loss]
        if not loss.phis:
            if not self.phi == self.epsilon == NONE:
                raise InputError(
                    f"loss {self.loss} has neither phi nor epsilon; write {NONE} for both"
                )
        elif NONE in (self.phi, self.epsilon):
            without = ", ".join(word for word, other in LOSSES.items() if not other.phis)
            raise InputError(
                f"loss {self.loss} needs a phi and an epsilon, say I and 1e-7; {NONE} is for "
                f"{without} alone"
            )
        elif self.phi not in loss.phis or (self.multiple is not None and not loss.heuristic):
            raise InputError(
                f"loss {self.loss} takes phi {', '.join(loss.phis)}"
                + ("" if loss.heuristic else " and a numeric epsilon")
                + f"; write phi {loss.phis[0]} and, say, epsilon 1e-7"
            )
        elif self.multiple is None:
            epsilon_number(self.epsilon)
        self._check_classes(classes)
        if self.unannotated not in loss.unannotated:
            raise InputError(
                f"loss {self.loss} takes unannotated {', '.join(loss.unannotated)}, "
                f"not {self.unannotated}"
            )

    def _check_classes(self, classes: Sequence[str]) -> None:
        if LOSSES[self.loss].several and len(classes) == 1:
            raise InputError(
                f"loss {self.loss} adds a missing class to the background map, which a single "
                f"class ({classes[0]}) has not; use it with two classes or more"
            )
        if self.unannotated == MARGINAL and len(classes) == 1:
            raise InputError(
                f"unannotated is {MARGINAL}, which adds a class to the background map, and the "
                f"single class {classes[0]} has none; write {IGNORED}"
            )
        if self.multiple is not None and self.unannotated == MARGINAL:
            raise InputError(
                f"the heuristic gives one epsilon per class, but unannotated {MARGINAL} takes the "
                f"background's map too; write {IGNORED}, or a number"
            )
        if self.multiple is not None and "C" in self.phi and len(classes) > 1:
            raise InputError(
                f"the heuristic gives one epsilon per class, but phi {self.phi} sums over classes; "
                "write phi I or BI, or a number"
            )


def _choose(column: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise InputError(
            f"{column} is {value!r}; allowed: {', '.join(allowed)}{nearest(value, allowed)}"
        )


COLUMNS = tuple(column.name for column in fields(Experiment))
DEFAULTS = {c.name: c.default for c in fields(Experiment) if c.default is not MISSING}
REQUIRED = tuple(name for name in COLUMNS if name not in DEFAULTS)


def heuristic_multiple(text: str) -> float | None:
    """How many times the heuristic an epsilon of the experiment table is.

    Args:
        text: A number of voxels, `heuristic`, a multiple such as `0.1xheuristic`, or `none`.

    Returns:
        The factor; None for a number of voxels and for `none`.

    Raises:
        InputError: The factor is not a number above 0.

    Example:
        >>> heuristic_multiple("heuristic"), heuristic_multiple("0.1xheuristic")
        (1.0, 0.1)
        >>> heuristic_multiple("1e-7")
    """
    if not text.endswith(HEURISTIC):
        return None
    factor = text.removesuffix(HEURISTIC) or "1x"
    number = factor.removesuffix("x")
    multiple = float(number) if factor != number and _NUMBER.fullmatch(number) else 0.0
    if not SMALLEST <= multiple <= LARGEST:
        raise InputError(f"epsilon is {text!r}; write a multiple of the heuristic as 0.1xheuristic")
    return multiple


def epsilon_number(text: str) -> float:
    """An epsilon that is a number of voxels.

    Raises:
        InputError: It is no number, not above 0, which the Dice of two empty maps needs, or none
            that single precision holds.
    """
    if text.lower() not in _NO_NUMBERS and not _NUMBER.fullmatch(text):
        raise InputError(f"epsilon is {text!r}; give a number, heuristic, or 0.1xheuristic")
    epsilon = float(text)
    if not 0 < epsilon < math.inf:
        raise InputError(
            f"epsilon is {text}, but Dice of two empty maps needs one above 0; write, say, 1e-7"
        )
    if not SMALLEST <= epsilon <= LARGEST:
        raise InputError(
            f"epsilon is {text}, which single precision does not hold; write one from "
            f"{SMALLEST:g} to {LARGEST:g}"
        )
    return epsilon
