"""The first table of docs/published-implementations.md, as `identify` finds it."""

from functools import partial

from tests import published_losses as published

SOFTMAX = "nnunetv2.utilities.helpers.softmax_helper_dim1"
MEMORY = "nnunetv2.training.loss.dice.MemoryEfficientSoftDiceLoss"

IMAGE = {"phi": "I", "norm": "l1", "empty_map": "ignored", "twin_differs": ()}
BATCH = {"phi": "BI", "norm": "l1", "empty_map": "learnt", "twin_differs": ()}
ABSENT_DIFFERS = ("batch_empty", "all_empty")


def both(value):
    return {"epsilon_numerator": value, "epsilon_denominator": value}


def below(value):
    return {"epsilon_numerator": 0.0, "epsilon_denominator": value}


def twin(words):
    return {"twin": words}


def monai(words):
    return f"monai.losses:{words}"


def smp(words):
    return f"segmentation_models_pytorch.losses:{words}"


def torchmetrics(words):
    return f"torchmetrics.functional.segmentation:{words}"


def nnunet_dice(batch_dice):
    settings = f"batch_dice={batch_dice}, do_bg=False, smooth=1e-5, ddp=False"
    return (
        f"nnunetv2.training.loss.dice:{MEMORY.split('.')[-1]}(apply_nonlin={SOFTMAX}, {settings})"
    )


def nnunet_sum(batch_dice, more=""):
    """What nnU-Net's trainer builds for classes."""
    dice = f"{{'batch_dice': {batch_dice}, 'smooth': 1e-5, 'do_bg': False, 'ddp': False}}"
    name = "nnunetv2.training.loss.compound_losses:DC_and_CE_loss"
    return f"{name}({dice}, {{}}, {more}dice_class={MEMORY})"


def nnunet_regions(batch_dice):
    """What it builds for regions."""
    dice = f"{{'batch_dice': {batch_dice}, 'smooth': 1e-5, 'do_bg': True, 'ddp': False}}"
    name = "nnunetv2.training.loss.compound_losses:DC_and_BCE_loss"
    return f"{name}({{}}, {dice}, dice_class={MEMORY})"


def formula(loss, **settings):
    return lambda: partial(loss, **settings) if settings else loss


def nnunet_rows(batch_dice):
    phi, kind = ("BI", BATCH) if batch_dice else ("I", IMAGE)
    dice = f'DiceLoss("{phi}", 1e-05, activation="softmax", include_background=False) - 1'
    with_entropy = f'DiceCELoss("{phi}", 1e-05, activation="softmax", include_background=False) - 1'
    regions = f'DiceCELoss("{phi}", 1e-05, activation="sigmoid") - 1'
    alone = kind | both(1e-5) | {"background": False, "cross_entropy": 0.0} | twin(dice)
    learnt = {"cross_entropy": 1.0, "empty_map": "learnt"}
    return [
        (formula(published.nnunet, batch_dice=batch_dice), alone),
        (nnunet_dice(batch_dice), alone),
        (nnunet_sum(batch_dice), alone | learnt | twin(with_entropy)),
        (nnunet_regions(batch_dice), alone | learnt | {"background": True} | twin(regions)),
    ]


# First cell of a row: words or a maker of the loss, and what is found of it.
ROWS = {
    "V-Net (paper, gradient)": [
        (
            formula(published.vnet),
            IMAGE
            | both(0.0)
            | {"norm": "l2", "background": "binary"}
            | twin('LeafDiceLoss(1e-12, norm="l2")'),
        )
    ],
    "DeepMedic `dsc`": [
        (
            formula(published.deepmedic),
            BATCH
            | both(1e-5)
            | {"background": True}
            | twin('DiceLoss("BI", 1e-05, activation="softmax")'),
        )
    ],
    "GDL (Sudre et al.; NiftyNet)": [
        (
            formula(published.niftynet),
            {"phi": "CI", "shape": "generalized-square", "norm": "l1", "background": True}
            | both(0.0)
            | {"denominator_floor": 1.0, "empty_map": "learnt"}
            | twin('GeneralizedDiceLoss("CI", 1e-12, activation="softmax")')
            | {"twin_differs": ("one_empty", *ABSENT_DIFFERS)},
        )
    ],
    "nnU-Net, 2d (classes; for regions background counts)": nnunet_rows(True),
    "nnU-Net, 3d_lowres": nnunet_rows(False),
    "nnU-Net, 3d_fullres": [*nnunet_rows(False), *nnunet_rows(True)],
    "MONAI `DiceLoss()`": [
        (
            monai("DiceLoss()"),
            IMAGE | both(1e-5) | {"background": True} | twin('DiceLoss("I", 1e-05)'),
        )
    ],
    "MONAI `DiceLoss(batch=True)`": [
        (
            monai("DiceLoss(batch=True)"),
            BATCH | both(1e-5) | {"background": True} | twin('DiceLoss("BI", 1e-05)'),
        )
    ],
    "MONAI `squared_pred=True`": [
        (
            monai("DiceLoss(squared_pred=True)"),
            IMAGE | both(1e-5) | {"norm": "l2"} | twin('DiceLoss("I", 1e-05, norm="l2")'),
        ),
        (
            monai("DiceLoss(squared_pred=True, batch=True)"),
            BATCH | both(1e-5) | {"norm": "l2"} | twin('DiceLoss("BI", 1e-05, norm="l2")'),
        ),
    ],
    "MONAI `jaccard=True`": [
        (
            monai("DiceLoss(jaccard=True)"),
            IMAGE | both(5e-6) | {"shape": "jaccard"} | twin('SoftJaccardLoss("I", 5e-06)'),
        ),
        (
            monai("DiceLoss(jaccard=True, batch=True)"),
            BATCH | both(5e-6) | {"shape": "jaccard"} | twin('SoftJaccardLoss("BI", 5e-06)'),
        ),
    ],
    "MONAI `GeneralizedDiceLoss`": [
        (
            monai("GeneralizedDiceLoss()"),
            {"phi": "CI", "shape": "generalized-square", "empty_map": "learnt"}
            | both(1e-5)
            | twin('GeneralizedDiceLoss("CI", 1e-05)'),
        ),
        (
            monai("GeneralizedDiceLoss(batch=True)"),
            {"phi": "BCI", "shape": "generalized-square", "empty_map": "learnt"}
            | both(1e-5)
            | twin('GeneralizedDiceLoss("BCI", 1e-05)'),
        ),
    ],
    # The lowest denominator is never met: an absent class is left out, any other has a voxel.
    "segmentation-models-pytorch": [
        (
            smp(f"DiceLoss({words})"),
            BATCH
            | both(epsilon)
            | {"background": True, "mean": "zeroed", "twin_differs": ABSENT_DIFFERS}
            | twin(f'DiceLoss("BI", {epsilon or 1e-12}, activation="{activation}")'),
        )
        for words, epsilon, activation in (
            ("'multiclass'", 0.0, "softmax"),
            ("'multilabel'", 0.0, "sigmoid"),
            ("'multiclass', smooth=1.0", 2.0, "softmax"),
        )
    ],
    "TorchMetrics `dice_score` (a metric)": [
        (
            torchmetrics(f"dice_score(num_classes=4, aggregation_level='{level}')"),
            {"phi": phi, "empty_map": "undefined", "background": True, "norm": "l1"}
            | both(0.0)
            | {"gradient": "none", "sign": "score", "push_ratio": "unknown"}
            | twin(f'1 - DiceLoss("{phi}", 1e-12)'),
        )
        for level, phi in (("samplewise", "I"), ("global", "BI"))
    ],
    "DeepVoxNet2, the paper's own": [
        (
            formula(published.deepvoxnet2, phi=phi),
            {"phi": phi, "norm": "l1", "background": True, "twin_differs": ()}
            | both(1e-7)
            | {"empty_map": "ignored" if phi == "I" else "learnt"}
            | twin(f'DiceLoss("{phi}", 1e-07, activation="softmax")'),
        )
        for phi in ("I", "CI", "BI", "BCI")
    ],
    "leaf Dice, as released": [
        (loss, IMAGE | below(1e-7) | {"background": False} | twin("LeafDiceLoss(1e-07)"))
        for loss in (formula(published.dicegrad_leaf), "dicegrad:LeafDiceLoss()")
    ],
    "marginal Dice, as released": [
        (
            loss,
            IMAGE
            | both(1e-7)
            | {"background": True, "empty_map": "background", "mean": "merged"}
            | twin("MarginalDiceLoss(1e-07)"),
        )
        for loss in (formula(published.dicegrad_marginal), "dicegrad:MarginalDiceLoss()")
    ],
}
