"""`dicegrad predict`: segment new images with the networks of a study."""

import argparse
from pathlib import Path

from dicegrad.cli.dataset import open_dataset
from dicegrad.cli.device import device_there

_ABOUT = """\
Segment images that have no labels, as the study segments its held-out cases: the same
preprocessing, the network's whole grid at once, and back to the grid of the image.

example:
  dicegrad predict config/datasets/acdc.yaml new predicted \\
      --weights results/acdc/dataset~acdc/labeling~partial/loss~dice/phi~I/\\
epsilon~1e-7/batch_size~2/fold~*/weights.pt
"""


def add_predict(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of `dicegrad`."""
    predict = commands.add_parser(
        "predict",
        help="segment new images with trained weights",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.add_argument(
        "dataset", type=Path, help="settings of the training run, e.g. config/datasets/acdc.yaml"
    )
    predict.add_argument(
        "input",
        type=Path,
        nargs="+",
        help="folder of NAME_0000.nii.gz, NAME_0001.nii.gz, ..., one file a channel, in the order "
        "of the dataset's; or the files of one case; or, where there is one channel, of several",
    )
    predict.add_argument("out", type=Path, help="folder for the label maps, NAME.nii.gz")
    predict.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        required=True,
        metavar="WEIGHTS.PT",
        help="of one training run, or of several folds: their probabilities are averaged",
    )
    _add_options(predict)
    predict.set_defaults(run=_predict)


def _add_options(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "--configfile", type=Path, help="the study's config, where its `datasets` replaces settings"
    )
    predict.add_argument(
        "--crop",
        choices=("foreground", "center"),
        help="where to place the grid of a dataset whose crop is `label`",
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


def _predict(options: argparse.Namespace) -> None:
    from dicegrad.data.adapters import get_adapter
    from dicegrad.data.images import find_images
    from dicegrad.prediction import model as models
    from dicegrad.prediction import new_cases
    from dicegrad.terminal import counted
    from dicegrad.training.trained import Source

    # In the order of what it costs to find a fault.
    path = options.dataset
    models.check_origin(path, options.weights)
    dataset = open_dataset(path, options.configfile)
    adapter = get_adapter(dataset.adapter, dataset.root)
    dataset.check_names(adapter.class_values, None)  # groups are of no use here
    network = models.network_settings(dataset.settings, adapter, path)
    source = Source.of(dataset, adapter)
    models.place_grid(source.preprocessing, options.crop, path)
    weights = models.read_weights(options.weights)
    given = models.settings_of(weights, models.Given(source, network, path))
    images = find_images(options.input, adapter.channels)
    left = new_cases.remaining(images, options.out, options.resume)
    if len(left) < len(images):
        print(f"{options.out}: {len(images) - len(left)} of {len(images)} already exist")
    device = device_there(options.device)
    model = models.Model.from_weights(weights, given, options.crop, device)
    options.out.mkdir(parents=True, exist_ok=True)  # if that fails, it should fail here
    with counted(len(left)) as report:
        new_cases.predict_all(model, left, options.out, options.probabilities, report)
    print(f"{options.out}: {len(left)} label map{'' if len(left) == 1 else 's'} written")
