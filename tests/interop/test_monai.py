"""MONAI's losses under their own arguments: equal without a mask, and blind with one."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import needs, refusal
from tests.loss_cases import assert_same
from tests.loss_cases import loss_and_gradient as both

monai_losses = pytest.importorskip("monai.losses", reason="monai is not installed")
from dicegrad.interop import monai as own  # noqa: E402 -- it needs MONAI
from dicegrad.interop.monai_transforms import AnnotatedMapsd  # noqa: E402


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, 6, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, 3, (2, 1, 8, 8, 6), generator=generator)


LOSSES = {
    "Dice": ("DiceLoss", {"softmax": True}),
    "Dice over the batch": ("DiceLoss", {"softmax": True, "batch": True}),
    "Dice without background": ("DiceLoss", {"softmax": True, "include_background": False}),
    "Dice of squares": ("DiceLoss", {"sigmoid": True, "squared_pred": True}),
    "Jaccard": ("DiceLoss", {"softmax": True, "jaccard": True}),
    "sum": ("DiceLoss", {"softmax": True, "reduction": "sum"}),
    "weights": ("DiceLoss", {"softmax": True, "weight": [1.0, 2.0, 0.5]}),
    "an ignored value": ("DiceLoss", {"softmax": True, "ignore_index": 2}),
    "Dice and cross-entropy": ("DiceCELoss", {"softmax": True, "lambda_ce": 0.5}),
    "both with weights": (
        "DiceCELoss",
        {"softmax": True, "weight": torch.tensor([1.0, 2, 0.5], dtype=torch.float64)},
    ),
    "Dice without background and cross-entropy": (
        "DiceCELoss",
        {
            "softmax": True,
            "include_background": False,
            "weight": torch.tensor([1.0, 2, 0.5], dtype=torch.float64),
        },
    ),
    "Tversky": ("TverskyLoss", {"softmax": True, "alpha": 0.3, "beta": 0.7}),
    "generalised": ("GeneralizedDiceLoss", {"softmax": True, "w_type": "simple"}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_arguments_give_the_same_value_and_gradient(case, name):
    kind, arguments = LOSSES[name]
    logits, label = case
    ours = getattr(own, kind)(to_onehot_y=True, **arguments)
    theirs = getattr(monai_losses, kind)(to_onehot_y=True, **arguments)
    # MONAI makes float32 maps of labels, whatever comes in.
    assert_same(both(ours, logits, label), both(theirs, logits, label), tolerance=3e-6)


def test_a_single_map_has_a_binary_cross_entropy(case):
    logits, label = case
    arguments = {"sigmoid": True, "lambda_dice": 2.0}
    ours, theirs = own.DiceCELoss(**arguments), monai_losses.DiceCELoss(**arguments)
    maps = (label == 1).double()
    assert_same(both(ours, logits[:, :1], maps), both(theirs, logits[:, :1], maps))


def test_a_map_that_nobody_drew_has_no_gradient(case):
    logits, label = case
    maps = torch.cat([label == 1, label == 2, label == 0], 1).double()
    annotated = torch.tensor([[True, False, True], [True, True, True]])
    for loss in (own.DiceLoss(sigmoid=True), own.DiceCELoss(sigmoid=True)):
        _, gradient = both(loss, logits, maps, annotated)
        assert (gradient[0, 1] == 0).all()
        assert (gradient[:, 0] != 0).any()


def test_deep_supervision_is_monais_and_passes_on_what_is_annotated(case):
    logits, label = case
    outputs = [logits.float(), torch.nn.functional.avg_pool3d(logits.float(), 2)]
    arguments = {"softmax": True, "to_onehot_y": True}
    theirs = monai_losses.DeepSupervisionLoss(monai_losses.DiceCELoss(**arguments))
    ours = own.DeepSupervisionLoss(own.DiceCELoss(**arguments))
    assert ours(outputs, label).item() == pytest.approx(
        theirs(outputs, label.float()).item(), rel=1e-6
    )
    assert ours(outputs[0], label).item() == pytest.approx(
        theirs(outputs[0], label.float()).item(), rel=1e-6
    )
    for output in outputs:
        output.requires_grad_()
    nothing = torch.tensor([[False, False], [True, True]])
    ours(outputs, label, nothing).backward()
    for output in outputs:
        assert (output.grad[0] == 0).all()
        assert (output.grad[1] != 0).any()
    mask = torch.zeros_like(label)
    assert ours(outputs, label, None, mask).item() == 0, "every voxel is ignored"


def test_what_has_no_counterpart_is_said():
    said = refusal(lambda: own.DiceLoss(softmax=True, smooth_nr=0, smooth_dr=1e-5))
    assert said == (
        "smooth_nr is 0 and smooth_dr 1e-05: they are one epsilon here, above and below; give both "
        "the same value"
    )
    assert "both True" in refusal(lambda: own.DiceLoss(softmax=True, sigmoid=True))
    assert "takes logits" in refusal(lambda: own.DiceCELoss())
    label = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    said = refusal(own.DiceLoss(softmax=True), torch.zeros(1, 3, 4, 4), label)
    assert "to_onehot_y=True" in said


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "annotated.tsv"
    path.write_text("case\tannotated\na.1\tLV\nb\tnone\n")
    return path


def test_the_transform_puts_what_is_annotated_beside_the_label(tmp_path, table):
    """Through MONAI's own loader, collation and MetaTensor, into the loss."""
    data = pytest.importorskip("monai.data")
    transforms = pytest.importorskip("monai.transforms")
    nibabel = pytest.importorskip("nibabel")
    items = []
    for name in ("a.1", "b", "c"):
        path = tmp_path / f"{name}.nii.gz"
        label = np.zeros((8, 8, 4), np.uint8)
        label[2:5] = 1
        nibabel.save(nibabel.Nifti1Image(label, np.eye(4)), path)
        items.append({"label": str(path)})
    load = transforms.Compose(
        [
            transforms.LoadImaged("label", ensure_channel_first=True),
            AnnotatedMapsd("label", table, ("LV", "RV")),
        ]
    )
    (batch,) = data.DataLoader(data.Dataset(items, load), batch_size=3)
    assert batch["annotated"].tolist() == [[True, False], [False, False], [True, True]]
    assert isinstance(batch["label"], data.MetaTensor)
    logits = torch.zeros(3, 3, 8, 8, 4, requires_grad=True)
    loss = own.DiceCELoss(softmax=True, to_onehot_y=True)
    loss(logits, batch["label"], batch["annotated"]).backward()
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[0] != 0).any()


def test_the_case_may_be_an_entry_of_its_own(table):
    transform = AnnotatedMapsd("label", table, ("LV", "RV"), case_key="case")
    assert transform({"label": 0, "case": "b"})["annotated"].tolist() == [False, False]
    said = refusal(AnnotatedMapsd("label", table, ("LV", "RV")), {"label": torch.zeros(1)})
    assert "has no file name in its meta data" in said


def test_the_lightning_example_of_the_docs_trains():
    lightning = needs("lightning", reason="lightning is not installed: make test-interop")
    page = Path(__file__).parents[2] / "docs" / "monai.md"
    snippets = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (snippet,) = [each for each in snippets if "class Segmentation" in each]
    namespace = {}
    exec(snippet, namespace)
    cases = [
        {
            "image": torch.randn(1, 8, 8, 8),
            "label": torch.randint(0, 3, (1, 8, 8, 8)),
            "annotated": torch.tensor([True, number == 0]),
        }
        for number in range(2)
    ]
    module = namespace["Segmentation"](classes=2)
    before = [each.detach().clone() for each in module.parameters()]
    trainer = lightning.Trainer(
        fast_dev_run=2, accelerator="cpu", logger=False, enable_progress_bar=False
    )
    trainer.fit(module, torch.utils.data.DataLoader(cases, batch_size=2))
    moved = zip(before, module.parameters(), strict=True)
    assert any((old != new).any() for old, new in moved)
