"""What nnU-Net's trainer is told of annotated maps, and the loss that knows it. Without nnU-Net."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dicegrad.data.annotated import TABLE, format_classes, read_annotated
from dicegrad.data.beside import find_beside
from dicegrad.errors import InputError, nearest
from dicegrad.losses import DiceCELoss
from dicegrad.losses.inputs import Phi

IGNORE = "ignore"
EPSILON = 1e-5  # nnU-Net's `smooth`

Table = Mapping[str, tuple[str, ...] | None]


def class_names(labels: Mapping[str, Any], regions: bool) -> tuple[str, ...]:
    """Names of the foreground channels, in nnU-Net's order.

    Args:
        labels: `labels` of dataset.json.
        regions: Whether nnU-Net trains regions, which come in the order of dataset.json; classes
            come in that of their values.
    """
    values = {
        name: value if isinstance(value, list | tuple) else [value]
        for name, value in labels.items()
        if name != IGNORE and value not in (0, [0])
    }
    return tuple(values) if regions else tuple(sorted(values, key=lambda name: values[name][0]))


def find_table(raw: Path | None, preprocessed: Path) -> Path | None:
    """annotated.tsv of an nnU-Net dataset: in its raw folder, or in its preprocessed one.

    Args:
        raw: nnUNet_raw/DatasetXXX_Name; None where nnUNet_raw is not set.
        preprocessed: nnUNet_preprocessed/DatasetXXX_Name.

    Returns:
        None if the raw folder is there and has no table: every map is annotated.

    Raises:
        InputError: There is neither a raw folder nor a table, so that nobody knows.
    """
    for folder in (raw, preprocessed):
        if folder is not None and (table := find_beside(folder, TABLE)):
            return table
    if raw is not None and raw.is_dir():
        return None
    raise InputError(
        f"{preprocessed / TABLE}: does not exist, and "
        + (f"{raw} does not either" if raw else "nnUNet_raw is not set")
        + f"; set nnUNet_raw to where the raw data lie, or copy its {TABLE} there (a table that "
        "has its header alone says that every map is annotated)"
    )


def read_table(
    path: Path, names: Sequence[str], cases: Sequence[str], tests: Collection[str] = ()
) -> Table:
    """Case -> the classes that were looked for; None is all of them.

    Args:
        path: The table.
        names: Of the classes.
        cases: Those for training; the others are left out.
        tests: Cases of a test set, which the table may name too.

    Raises:
        InputError: The table cannot be read, or names a case or class that the dataset has not.
    """
    table = read_annotated(path, names)
    if unknown := [case for case in table if case not in cases and case not in tests]:
        raise InputError(
            f"{path}: case {unknown[0]!r} is not in the dataset{nearest(unknown[0], cases)}; "
            "correct or remove the line"
        )
    return {case: known for case, known in table.items() if case in cases}


def refuse_contradiction(
    path: Path, case: str, annotated: Sequence[str], voxels: Mapping[str, int]
) -> None:
    """Stop where a case has voxels of a class that it was not annotated for.

    Args:
        path: The table.
        case: Name of the case.
        annotated: Its classes that were looked for.
        voxels: Class -> how many voxels nnU-Net's preprocessing has found, or some of them.

    Raises:
        InputError: It is so.
    """
    for name, count in voxels.items():
        if count and name not in annotated:
            raise InputError(
                f"{path}: case {case!r} is annotated for {format_classes(annotated)} only, but its "
                f"label has voxels of {name}; add {name} to its line, or remove these voxels"
            )


def annotated_maps(table: Table, cases: Sequence[str], names: Sequence[str]) -> Tensor:
    """Which maps of a batch are annotated: (B, K) bool, foreground only.

    Example:
        >>> annotated_maps({"a": ("LV",)}, ["a", "b"], ["LV", "RV"])
        tensor([[ True, False],
                [ True,  True]])
    """
    known = [table.get(case) for case in cases]
    return torch.tensor([[each is None or name in each for name in names] for each in known])


class MaskedLoss(nn.Module):
    """A loss as nnU-Net calls it, on logits and target, that is told what is annotated beside.

    nnU-Net's Dice runs from -1 to 0, ours from 0 to 1: 1 is taken off, so that curves compare.

    Args:
        loss: Takes logits, truth, annotated, mask.
        ignored_map: Whether the last map of the target is that of ignored voxels, as nnU-Net has
            it beside regions.
    """

    def __init__(self, loss: nn.Module, ignored_map: bool = False) -> None:
        super().__init__()
        self.loss, self.ignored_map = loss, ignored_map
        self.annotated: Tensor | None = None  # of the batch; the trainer sets it before each step

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one resolution.

        Args:
            logits: (B, C, *spatial).
            target: (B, 1, *spatial) label map, or one map per region, (B, C, *spatial).
        """
        mask = None
        if self.ignored_map:
            target, mask = target[:, :-1], target[:, -1] == 0
        return self.loss(logits, target, self.annotated, mask) - 1


def make_loss(
    phi: Phi, epsilon: float, regions: int = 0, ignore: int | None = None, shared: bool = False
) -> MaskedLoss:
    """Dice plus cross-entropy as nnU-Net has them, and marginal where a class is not annotated.

    Classes: Dice over annotated foreground maps; cross-entropy of a background voxel is -log of
    the probability of "background or a class that is not annotated". Regions: sigmoid maps, of
    which those that are annotated take part, all channels of them.

    Args:
        phi: Reduction of the Dice.
        epsilon: Its smoothing term in voxels.
        regions: How many regions nnU-Net trains; 0 if it trains classes.
        ignore: Its ignore label.
        shared: Whether the batch is that of several processes, for phi "BI" and "BCI".
    """
    # Beside an ignore label, nnU-Net divides the cross-entropy of regions by the number of voxels,
    # otherwise by that of voxels and regions.
    factor = float(regions) if regions and ignore is not None else 1.0
    loss = DiceCELoss(
        phi,
        epsilon,
        activation="sigmoid" if regions else "softmax",
        include_background=bool(regions),
        ce_factor=factor,
        ignore_index=None if regions else ignore,
        process_group="world" if shared and phi in ("BI", "BCI") else None,
    )
    return MaskedLoss(loss, ignored_map=bool(regions) and ignore is not None)


def hard_counts(
    logits: Tensor, target: Tensor, annotated: Tensor, regions: bool, ignore: int | None
) -> dict[str, Any]:
    """nnU-Net's true and false positives and false negatives, of annotated maps alone.

    Args:
        logits: (B, C, *spatial), full resolution.
        target: As `MaskedLoss.forward` takes it.
        annotated: (B, K) bool, foreground only.
        regions: Whether channels are regions.
        ignore: The ignore label.

    Returns:
        `tp_hard`, `fp_hard`, `fn_hard`: (K,) arrays, summed over the batch.
    """
    if regions:
        kept = ~target[:, -1:].bool() if ignore is not None else True
        truth = target[:, : logits.shape[1]].bool()
        predicted = logits > 0  # a sigmoid above one half
    else:
        kept = target != ignore if ignore is not None else True
        channels = torch.arange(1, logits.shape[1], device=logits.device)
        channels = channels.view(-1, *[1] * (logits.ndim - 2))
        truth, predicted = target == channels, logits.argmax(1, keepdim=True) == channels
    maps = {"tp_hard": truth & predicted, "fp_hard": ~truth & predicted}
    maps["fn_hard"] = truth & ~predicted
    counts = {name: (each & kept).flatten(2).sum(2) * annotated for name, each in maps.items()}
    return {name: each.sum(0).cpu().numpy() for name, each in counts.items()}


def leave_out(
    summary: dict[str, Any], table: Table, labels: Mapping[str, str], ending: str
) -> None:
    """Take maps that are not annotated out of nnU-Net's summary.json: they have no score.

    Args:
        summary: Its content, which is changed; means are made again.
        table: What is annotated.
        labels: How the summary calls each class -> its name.
        ending: `file_ending` of dataset.json. It is all that is taken off a file's name, since the
            name of a case may hold dots, as DICOM UIDs do.
    """
    cases = summary["metric_per_case"]
    for case in cases:
        annotated = table.get(Path(case["reference_file"]).name.removesuffix(ending))
        for label, metrics in case["metrics"].items():
            if annotated is not None and labels.get(label) not in annotated:
                case["metrics"][label] = dict.fromkeys(metrics, float("nan"))
    for label, means in summary["mean"].items():
        for metric in means:
            means[metric] = _mean(case["metrics"][label][metric] for case in cases)
    foreground = [means for label, means in summary["mean"].items() if label not in ("0", 0)]
    for metric in summary["foreground_mean"]:
        summary["foreground_mean"][metric] = _mean(means[metric] for means in foreground)


def _mean(values: Any) -> float:  # noqa: ANN401
    """The mean of the values that are numbers; NaN if there is none."""
    numbers = torch.tensor(list(values), dtype=torch.float64)
    return float(torch.nanmean(numbers))
