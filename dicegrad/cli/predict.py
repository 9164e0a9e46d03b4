"""`dicegrad predict`: segment new images with the networks of a study."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicegrad.cli.answers import as_json
from dicegrad.cli.dataset import open_dataset
from dicegrad.cli.device import device_there
from dicegrad.errors import InputError

if TYPE_CHECKING:
    from dicegrad.prediction.model import Given
    from dicegrad.prediction.new_cases import Predicted

_ABOUT = """\
Segment images that have no labels, as the study segments its held-out cases. The weights say all
that is needed: channels, classes, grid, normalisation, and which way the axes of the training
images ran, to which those of a new image are brought. The label maps lie on the images' own grids.

WEIGHTS are weights.pt files of one training run, or of several folds, whose probabilities are
averaged; the folder of an experiment stands for all of its folds.

examples:
  dicegrad predict results/acdc/dataset~acdc/labeling~partial/loss~dice/phi~I/epsilon~1e-7/\\
batch_size~2 new predicted
  dicegrad predict weights.pt heart.nii.gz predicted --window slide
"""
_USAGE = "dicegrad predict WEIGHTS... IMAGES OUT [options]"
_FOLDS = "fold~*/weights.pt"
_SETTINGS, _WEIGHTS = (".yaml", ".yml"), (".pt", ".pth")


def add_predict(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    predict = commands.add_parser(
        "predict",
        help="segment new images with trained weights",
        usage=_USAGE,
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.add_argument(
        "words",
        type=Path,
        nargs="+",
        metavar="WEIGHTS... IMAGES OUT",
        help="weights; then a folder of NAME_0000.nii.gz, NAME_0001.nii.gz, ..., one file a "
        "channel, in the order of training; or the files of one case; or, where there is one "
        "channel, of several; then a folder for the label maps, NAME.nii.gz. Weights of an earlier "
        "version hold no settings: name the dataset file of the training run before them",
    )
    _add_options(predict)
    predict.set_defaults(run=_predict)


def _add_options(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "--weights", type=Path, nargs="+", default=[], help="weights, here instead of at the front"
    )
    predict.add_argument(
        "--configfile", type=Path, help="the study's config, where its `datasets` replaces settings"
    )
    predict.add_argument(
        "--crop",
        choices=("foreground", "center"),
        help="where to place the grid of a dataset whose crop is `label`",
    )
    predict.add_argument(
        "--window",
        choices=("grid", "slide"),
        help="grid: the networks see one grid of the image; slide: it is moved over the image, "
        "and probabilities are averaged with Gaussian weights (default: as the study predicts)",
    )
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    predict.add_argument(
        "--probabilities",
        action="store_true",
        help="write OUT/probabilities/NAME_CLASS.nii.gz as well",
    )
    predict.add_argument(
        "--resume",
        action="store_true",
        help="keep the label maps that exist, and predict the others",
    )
    predict.add_argument(
        "--json", action="store_true", help="print what was predicted as JSON, and nothing else"
    )


def _predict(options: argparse.Namespace) -> None:
    from dicegrad.data.images import find_images, line_on_folders
    from dicegrad.prediction import model as models
    from dicegrad.prediction import new_cases
    from dicegrad.terminal import counted

    # In the order of what it costs to find a fault.
    dataset, paths, inputs, out = _sorted(options.words, options.weights)
    given = _given(dataset, paths, options) if dataset else None
    if options.configfile and not dataset:
        raise InputError("--configfile goes with a dataset file; the weights hold their settings")
    weights = models.read_weights(paths)
    given = models.settings_of(weights, given)
    images = find_images(inputs, given.source.channels)
    if line := line_on_folders(inputs, out):
        print(line, file=sys.stderr)
    left = new_cases.remaining(images, out, options.resume)
    if len(left) < len(images) and not options.json:
        print(f"{out}: {len(images) - len(left)} of {len(images)} already exist")
    device = device_there(options.device)
    slide = (options.window or given.source.window) == "slide"
    model = models.Model.from_weights(weights, given, options.crop, device, slide)
    out.mkdir(parents=True, exist_ok=True)  # if that fails, it should fail here
    with counted(len(left), silent=options.json) as report:
        done = new_cases.predict_all(model, left, out, options.probabilities, report)
    _tell(done, out, options.json)


def _sorted(
    words: Sequence[Path], weights: Sequence[Path]
) -> tuple[Path | None, list[Path], list[Path], Path]:
    """Dataset file, weights, images and folder for label maps, as a user lists them."""
    left, found = list(words), list(weights)
    dataset = left.pop(0) if left[0].suffix in _SETTINGS else None
    while left and (left[0].suffix in _WEIGHTS or any(left[0].glob(_FOLDS))):
        first = left.pop(0)
        found += sorted(first.glob(_FOLDS)) if first.is_dir() else [first]
    if not found:
        raise InputError(
            f"{left[0]}: no weights; name the weights.pt of a training run, or the folder of an "
            f"experiment, first: {_USAGE}"
        )
    if len(left) < 2:
        raise InputError(f"no {'folder for label maps' if left else 'images'}; write {_USAGE}")
    return dataset, found, left[:-1], left[-1]


def _given(dataset: Path, weights: Sequence[Path], options: argparse.Namespace) -> "Given":
    """The settings of a dataset file, checked before the weights are read."""
    from dicegrad.data.adapters import adapter_of
    from dicegrad.prediction import model as models
    from dicegrad.training.trained import Source

    models.check_origin(dataset, weights)
    settings = open_dataset(dataset, options.configfile)
    adapter = adapter_of(settings)
    settings.check_names(adapter.class_values, None)  # groups are of no use here
    network = models.network_settings(settings.settings, adapter, dataset)
    source = Source.of(settings, adapter)
    slide = (options.window or source.window) == "slide"
    models.place_grid(source.preprocessing, options.crop, dataset, slide)
    return models.Given(source, network, dataset)


def _tell(done: "Sequence[Predicted]", out: Path, for_programs: bool) -> None:
    """Say what was predicted.

    Raises:
        InputError: One line for each image that cannot be used.
    """
    if for_programs:
        cases = [
            {
                "case": each.case,
                "file": str(each.file) if each.file else None,
                "volumes_ml": dict(each.volumes_ml),
                "outside": round(each.outside, 6),
                "notes": list(each.notes),
                "doubts": list(each.doubts),
            }
            for each in done
        ]
        print(as_json({"out": str(out), "cases": cases}))
    else:
        count = sum(each.file is not None for each in done)
        print(f"{out}: {count} label map{'' if count == 1 else 's'} written")
        if doubtful := [each.case for each in done if each.file and each.doubts]:
            more = f" and {len(doubtful) - 3} more" if len(doubtful) > 3 else ""
            print(
                f"look at the label map{'s' * (len(doubtful) > 1)} of {', '.join(doubtful[:3])}"
                f"{more} before you use them: the lines above that are marked ! say why",
                file=sys.stderr,
            )
    if problems := [line for each in done if not each.file for line in each.doubts]:
        raise InputError(*problems)
