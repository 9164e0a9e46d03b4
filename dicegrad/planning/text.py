"""The three files of a study as text, each line with its reason."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dicegrad.planning.budget import PRESETS
from dicegrad.planning.grids import background_share, network_block
from dicegrad.planning.minutes import duration
from dicegrad.planning.propose import ASIDE, Plan, training_subjects
from dicegrad.planning.rows import gap_words
from dicegrad.study.dataset_checks import NNUNET, UNET
from dicegrad.study.experiment import COLUMNS

UNTIMED = "nnU-Net plans its own network, so the time is not estimated"
# Of nnU-Net's numbers, how many a preset takes; `full` has its own. A step of two patches of
# 40 x 56 x 40 voxels takes 2 to 3 seconds of a CPU core, and larger patches take longer.
NNUNET_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "minutes": {"epochs": 10, "iterations": 10, "validation_iterations": 2},
    "hour": {"epochs": 40, "iterations": 25, "validation_iterations": 2},
    "full": {"epochs": 1000, "iterations": 250, "validation_iterations": 50},
}


def config_text(plan: Plan, name: str, device: str, engine: str = UNET) -> str:
    """The config: `config/NAME.yaml`."""
    count = plan.folds["count"]
    rows = f"{plan.rows.count} rows x {len(plan.run)} fold{'s' * (len(plan.run) != 1)}"
    time = (
        f"About {duration(60 * plan.minutes)} on this machine ({_where(plan, device)}): {rows}, "
        f"{duration(plan.training.seconds)} a training run."
    )
    words = f"of {count}: each is held out once" if len(plan.run) == count else f"of {count}"
    return "\n".join(
        [
            f"# A study of {plan.known.root}, written by dicegrad init, preset {plan.preset}.",
            f"# {time if engine == UNET else f'{rows}; {UNTIMED}.'}",
            f"# config/datasets/{name}.yaml says how the data are prepared and learnt, "
            f"config/experiments/{name}.tsv what is compared.",
            _line("study", name, f"results lie in results/{name}/"),
            _line("experiments", f"config/experiments/{name}.tsv", "a row is an experiment"),
            _line(
                "folds", "all" if len(plan.run) == count else plan.run, f"{words}; `all` for all"
            ),
            _line("seed", 0, "every training run derives its own from it"),
            _line("device", device, "cpu, cuda, or auto"),
            _line("training_threads", 1, "training runs side by side use the cores better"),
            "",
        ]
    )


def table_text(plan: Plan, name: str) -> str:
    """The experiment table: `config/experiments/NAME.tsv`."""
    lines = [
        "# One experiment a line; columns are separated by tabs. Batch size: what fits the memory.",
        "\t".join(COLUMNS),
    ]
    questions = plan.rows.experiments(name, plan.training.batch_size)
    for question, rows in zip(plan.rows.questions, questions, strict=True):
        lines.append(f"# {question.comment}")
        lines += ["\t".join(str(getattr(row, column)) for column in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def dataset_text(
    plan: Plan,
    root: str,
    adapter: str,
    annotated: bool,
    engine: str = UNET,
    test: bool = False,
) -> str:
    """The dataset file: `config/datasets/NAME.yaml`."""
    known = plan.known
    lines = [f"# {line}" for line in _about(plan)]
    lines.append(_line("adapter", adapter, "the layout of the folder"))
    lines.append(_line("root", root, "read, and never written to"))
    lines.append(_line("classes", list(known.classes), "in the order of the network's maps"))
    if engine == NNUNET:
        lines += _nnunet(plan.preset)
    if test and engine == UNET:
        why = "labelsTs holds labels of imagesTs: the study is scored on them too, by all folds"
        lines.append(_line("test", True, why))
    if annotated:
        lines.append("# annotated.tsv in that folder says which classes were looked for.")
    if plan.rows.missing:
        entry, why = plan.rows.missing
        lines.append(_line("missing", entry, why))
    if plan.rows.labelings:
        lines.append("labelings:")
        for word, (entries, why) in plan.rows.labelings.items():
            lines.append(_line(f"  {word}", entries, why))
    lines += [*_preprocessing(plan), *_folds(plan), *_network(plan), *_training(plan, engine)]
    return "\n".join(lines) + "\n"


def _nnunet(preset: str) -> list[str]:
    """The blocks of the engine nnunet, cut as the preset says."""
    lines = [
        _line("engine", NNUNET, "nnU-Net plans, trains and predicts; `unet` is the other one"),
        "nnunet:",
        _line("  configuration", "3d_fullres", "or 3d_lowres, 2d, if nnU-Net plans them"),
    ]
    for key, number in NNUNET_NUMBERS[preset].items():
        own = NNUNET_NUMBERS["full"][key]
        why = "nnU-Net's own" if number == own else f"cut; nnU-Net's own is {own}"
        lines.append(_line(f"  {key}", number, why))
    often = 10 if preset == "full" else 1  # an epoch of few iterations takes a minute of a CPU
    why = "between two checkpoints; a run that was killed goes on from the last"
    lines.append(_line("  checkpoint_epochs", often, why))
    if preset == "minutes":
        lines.append("# Enough to see that it runs, not to segment: --preset hour or full do.")
    lines.append("# nnU-Net sees the images as they are; network and training are not for it.")
    return lines


def _about(plan: Plan) -> list[str]:
    """What the data are."""
    known = plan.known
    sizes = sorted({each.size for each in known.facts})
    low, high = (" x ".join(str(f(s[a] for s in sizes)) for a in range(3)) for f in (min, max))
    spacings = {each.spacing for each in known.facts}
    groups = [each.case.group for each in known.facts]
    of_groups = ", ".join(f"{groups.count(group)} {group}" for group in known.groups)
    return [
        f"Written by dicegrad init, preset {plan.preset}; edit what you know better.",
        f"{len(known.facts)} cases of {len(known.subjects)} subjects ({of_groups}); channels: "
        f"{', '.join(known.adapter.channels)}.",
        f"Images have {low} to {high} voxels of "
        f"{' x '.join(f'{mm:.4g}' for mm in known.spacing)} mm"
        f"{' (median)' if len(spacings) > 1 else ''}.",
        *gap_words(known),
    ]


def _preprocessing(plan: Plan) -> list[str]:
    known, grid, block = plan.known, plan.on_grid.grid, plan.on_grid.preprocessing
    if grid.coarser > 1:
        why = f"mm; {grid.coarser:.2g} times coarser than the finest median, to fit the preset"
    else:
        why = "mm; the median of the images"
    if any(grid.native):
        why += "; native: each image keeps its own slices"
    lines = ["preprocessing:", _line("  spacing", block["spacing"], why)]
    lines.append(_line("  size", block["size"], _size_words(plan)))
    if known.orientation == "RAS":
        why = "axes run to the patient's right, front and head in every case"
    else:
        why = "oblique images, alike as they are"
    lines.append(_line("  orientation", block["orientation"], why))
    lines.append(_line("  crop", block["crop"], "the grid lies in the middle of the volume"))
    if "offset" in block:
        why = "mm; or rather so far off it, as the labels do in every case"
        lines.append(_line("  offset", block["offset"], why))
    labels = {
        "distance": "resampled by signed distance: smooth borders",
        "linear": "resampled as shares of a voxel; `distance` takes minutes a case of this size",
    }
    lines.append(_line("  label", block["label"], labels[block["label"]]))
    lines.append(_line("  normalisation", block["normalisation"], _normalisation_words(block)))
    if block.get("allow_lost"):
        lost = plan.on_grid.lost
        few = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        lines.append(
            _line("  allow_lost", True, f"too small for this grid, trained as empty: {few}")
        )
    return lines


def _normalisation_words(block: Mapping[str, Any]) -> str:
    if "window" in block["normalisation"]:
        return "CT: 0.5 and 99.5 percentile, mean and deviation of the labelled voxels"
    return "not one channel of CT: each image to mean 0 and deviation 1, over voxels that are not 0"


def _size_words(plan: Plan) -> str:
    """What the grid keeps: the best that a network can score, and what lies outside."""
    on_grid = plan.on_grid
    parts = ", ".join(f"{name} {dsc:.3f}" for name, dsc in on_grid.keeps.items())
    outside = max((each.kept.outside for each in on_grid.ceilings), default=0.0)
    held = "holds every label" if outside == 0 else f"up to {outside:.1%} of a label is outside"
    return f"voxels; {held}; highest DSC on it: {parts} ({on_grid.checked} cases)"


def _folds(plan: Plan) -> list[str]:
    words = {
        "listed": "the splits that lie beside the data",
        "balanced": "by subject; groups, and cases that lack a class, spread evenly",
    }
    return [_line("folds", plan.folds, words[plan.folds["method"]])]


def _network(plan: Plan) -> list[str]:
    block, grid = network_block(plan.on_grid.grid, plan.training.width), plan.on_grid.grid
    block["background"] = background_share(plan.known, grid)
    bottom = [
        length // pooled
        for length, pooled in zip(
            grid.size, [_product(axis) for axis in zip(*grid.pools, strict=True)], strict=True
        )
    ]
    memory = f"about {max(plan.training.memory / 1e9, 0.1):.1f} GB a training run"
    reasons = {
        "encoder": f"features by level, finest first: the widest in the time; {memory}",
        "decoder": "the same on the way up",
        "kernels": "3 x 3 x 1 where slices are further apart than voxels in plane"
        if grid.kernels[1] != (3, 3, 3)
        else "voxels are about as long in each direction",
        "pools": f"down to {' x '.join(map(str, bottom))}; an axis waits until the others are "
        "as coarse",
        "background": "the share that is background: no class starts in its place",
    }
    return ["network:", *(_line(f"  {key}", block[key], reasons[key]) for key in block)]


def _product(values: Sequence[int]) -> int:
    product = 1
    for value in values:
        product *= value
    return product


def _training(plan: Plan, engine: str) -> list[str]:
    preset, training = PRESETS[plan.preset], plan.training
    pace = f"{training.pace.train:.2f} s a case as timed here"
    lines = [
        "training:",
        _line("  epochs", training.epochs, f"{training.steps} steps; {pace}"),
        _line("  learning_rate", preset.rate, "of Adam, the highest"),
        _line("  schedule", "one_cycle", "up for a tenth of the steps, then down to almost 0"),
        _line("  stop_patience", 0, "every training run goes to its end"),
        *([_validation(plan)] if engine == UNET else []),
        "  augmentation: # small: a short training run learns little from strong ones",
    ]
    units = {"rotation": "rad", "scaling": "as a share"}
    return lines + [
        _line(f"    {key}", value, units.get(key, "")) for key, value in plan.augmentation.items()
    ]


def _validation(plan: Plan) -> str:
    """What validation looks at while it trains."""
    if plan.validation:
        why = "of the training subjects are set aside for it; the held-out fold is not looked at"
        return _line("  validation", plan.validation, why)
    few = training_subjects(plan.known, plan.folds["count"])
    return (
        f"  # validation: {ASIDE} # left out: of {few} training subjects none can be spared, so "
        "validation is on the held-out fold"
    )


def _line(key: str, value: object, why: str = "") -> str:
    text = f"{key}: {_flow(value)}"
    return f"{text} # {why}" if why else text


def _flow(value: object) -> str:
    """A value on one line of YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n...\n").removesuffix("\n").strip()


def _where(plan: Plan, device: str) -> str:
    return f"{plan.parallel} at a time" if device == "cpu" else "one GPU"


def existing(paths: Sequence[Path]) -> list[Path]:
    """Those of the files that are there already."""
    return [path for path in paths if path.exists() or path.is_symlink()]
