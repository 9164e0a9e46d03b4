"""Every reader of files, and a good file for it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from dicegrad.advice.audit_plans import read_plans
from dicegrad.advice.audit_read import read_rows as read_any_table
from dicegrad.arrays import open_array
from dicegrad.checksums import verify
from dicegrad.data import annotated
from dicegrad.data.acdc import read_frames
from dicegrad.data.adapter import Case
from dicegrad.data.archives import unpack
from dicegrad.data.cases import read_cases, write_cases
from dicegrad.data.nnunet import nnunet_adapter
from dicegrad.data.volumes import Header, read_header, read_volume, write_volume
from dicegrad.evaluation.scores import SCORES, read_scores
from dicegrad.files import write_table
from dicegrad.preprocessing import labeling
from dicegrad.preprocessing.about import About, read_about, write_about
from dicegrad.preprocessing.epsilon import read_epsilon, read_volumes
from dicegrad.preprocessing.folds import read_folds
from dicegrad.reporting.record import read_record
from dicegrad.study import Dataset
from dicegrad.study.schemas import read_schema, read_yaml, with_defaults
from dicegrad.study.study import read_experiments
from dicegrad.training.checkpoint import load_checkpoint, load_weights, save_atomically

CONFIG = Path(__file__).parents[2] / "config"
CLASSES = ("LV", "MYO", "RV")


@dataclass(frozen=True)
class Reader:
    """A reader and a good file for it.

    Attributes:
        name: Of the file.
        write: Writes a good one.
        read: Reads it.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]


def text(content: str) -> Callable[[Path], object]:
    """Write this text."""
    return lambda path: path.write_text(content, encoding="utf-8")


def of_json(content: object) -> Callable[[Path], object]:
    """Write this as JSON."""
    return text(json.dumps(content, indent=1))


def volume(path: Path) -> None:
    """A small NIfTI file."""
    voxels = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    write_volume(path, voxels, Header.of_affine(voxels.shape, np.diag([2.0, 2, 5, 1])))


def plain_volume(path: Path) -> None:
    """A small NIfTI file that is not compressed."""
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.float32)), str(path))


def other_volume(path: Path) -> None:
    """A small file of SimpleITK."""
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8)), str(path))


def picture(path: Path) -> None:
    """A small picture."""
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5), np.uint8)), str(path))


def read_both(path: Path) -> None:
    """Header and voxels."""
    read_header(path)
    read_volume(path)


def cases(path: Path) -> None:
    """A case table, and the files that it names."""
    image = path.with_name("image.nii.gz")
    volume(image)
    each = [Case(f"p{i}", f"p{i}", "ED", (image,), image) for i in range(3)]
    write_cases(path, each, ["cine"])


def about(path: Path) -> None:
    """prepared.json of one case."""
    header = Header.of_affine((5, 4, 3), np.eye(4))
    values = {name: (number + 1,) for number, name in enumerate(CLASSES)}
    grids, originals = {"p0": header.grid}, {"p0": header}
    write_about(path, About(("cine",), CLASSES, values, None, grids, originals))


def scores(path: Path) -> None:
    """A table of scores with one row."""
    values = {"text": "full", "number": "0.5", "whole": "3", "flag": "True"}
    row = {name: values[SCORES.kind(name) or "text"] for name in SCORES.required}
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")


def weights(path: Path) -> None:
    """Weights without what they were trained as."""
    content = {"format": "dicegrad weights 1", "state": {"a": torch.ones(3)}, "trained": None}
    save_atomically(content, path)


def checkpoint(path: Path) -> None:
    """A checkpoint."""
    save_atomically({"configuration": {"seed": 1}, "epoch": 3, "model": torch.ones(2)}, path)


def archive(path: Path) -> None:
    """An archive of two small files."""
    import gzip
    import tarfile
    import zipfile

    one = path.with_name("Info.cfg")
    one.write_text("ED: 1\nES: 12\n" * 20)
    os.utime(one, (1e9, 1e9))  # the same bytes at any time
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
            stream.write(one, "training/patient001/Info.cfg")
            stream.write(one, "training/patient002/Info.cfg")
    else:
        with (
            gzip.GzipFile(path, "wb", mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w") as stream,
        ):
            stream.add(one, "training/patient001/Info.cfg")


def read_archive(path: Path) -> None:
    """Unpack it beside itself."""
    import shutil

    out = path.with_name("unpacked")
    shutil.rmtree(out, ignore_errors=True)
    unpack(path, out)


def summed(path: Path) -> None:
    """A table and its checksum."""
    write_table([{"a": 1}], path.with_name("a.tsv"))


def record(path: Path) -> None:
    """SHA256SUMS of a study."""
    path.with_name("a.tsv").write_text("a\n")
    path.write_text(f"{'0' * 64}  a.tsv\n{'1' * 64}  b/c.tsv\n")


DATASET_JSON = {
    "channel_names": {"0": "flair"},
    "labels": {"background": 0, "tumor": 1, "ignore": 2},
    "file_ending": ".nii.gz",
    "numTraining": 3,
}
PLANS = {"configurations": {"3d": {"batch_dice": True, "patch_size": [8, 8, 8]}}}
EPSILONS = "dataset\tlabeling\tfold\tclass\tepsilon\n" + "".join(
    f"heart\tpartial\t0\t{name}\t12.5\n" for name in CLASSES
)
ROW = "heart\tpartial\tdice\tI\t1e-7\t2\n"
READERS = (
    Reader("experiments.tsv", text("dataset\tlabeling\tloss\tphi\tepsilon\tbatch_size\n" + ROW * 1),
           read_experiments),
    Reader("heart.yaml", text((CONFIG / "datasets" / "heart.yaml").read_text()), Dataset.read),
    Reader("brats.yaml", text((CONFIG / "datasets" / "brats.yaml").read_text()), Dataset.read),
    Reader(
        "config.yaml",
        text((CONFIG / "acdc-lowres.yaml").read_text()),
        lambda path: with_defaults(read_yaml(path), read_schema("config"), str(path)),
    ),
    Reader("cases.tsv", cases, read_cases),
    Reader("annotated.tsv", text("case\tannotated\np0\tLV,RV\np1\tall\np2\tnone\n"),
           lambda path: annotated.read_annotated(path, CLASSES)),
    Reader("partial.tsv", text("case\tLV\tMYO\tRV\np0\tTrue\tFalse\tTrue\n"),
           lambda path: labeling.read_annotated(path, ["p0"], CLASSES)),
    Reader("folds.tsv", text("subject\tfold\np0\t0\np1\t1\n"),
           lambda path: read_folds(path, ["p0", "p1"], 2)),
    Reader("volumes.tsv", text("case\tLV\tMYO\np0\t12\t3\np1\t0\t1\n"), read_volumes),
    Reader("epsilon.tsv", text(EPSILONS),
           lambda path: read_epsilon(path, 0, CLASSES)),
    Reader("scores.tsv", scores, read_scores),
    Reader("prepared.json", about, read_about),
    Reader("dataset.json", of_json(DATASET_JSON), lambda path: nnunet_adapter(path.parent)),
    Reader("nnUNetPlans.json", of_json(PLANS), lambda path: read_plans(path, {})),
    Reader("table.csv", text("case;label;group\na;a.nii.gz;x\nb;b.nii.gz;y\n"), read_any_table),
    Reader("Info.cfg", text("ED: 1\nES: 12\nGroup: DCM\nNbFrame: 30\n"), read_frames),
    Reader("SHA256SUMS", record, lambda path: read_record(path.parent)),
    Reader("volume.nii.gz", volume, read_both),
    Reader("volume.nii", plain_volume, read_both),
    Reader("volume.mha", other_volume, read_both),
    Reader("volume.mhd", other_volume, read_both),
    Reader("volume.nrrd", other_volume, read_both),
    Reader("volume.nhdr", other_volume, read_both),
    Reader("stack.tif", other_volume, read_both),
    *(Reader(f"picture.{ending}", picture, read_both) for ending in ("png", "jpg", "tif")),
    Reader("images.npy", lambda path: np.save(path, np.ones((2, 3), np.float16)),
           lambda path: np.asarray(open_array(path, np.float16, (None, 3))).sum()),
    Reader("weights.pt", weights, load_weights),
    Reader("checkpoint.pt", checkpoint, lambda path: load_checkpoint(path, {"seed": 1})),
    Reader("archive.zip", archive, read_archive),
    Reader("archive.tgz", archive, read_archive),
    Reader(".a.tsv.sum", summed, lambda path: verify(path.with_name("a.tsv"))),
)  # fmt: skip
