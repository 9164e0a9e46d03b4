"""The second table of docs/published-implementations.md, "With masks", as `identify` finds it.

A mask of voxels is given as a label that it leaves out. One of cases and classes is not given:
everything counts as annotated.
"""

import pytest

from tests import published_losses as published
from tests.advice.published_rows import (
    ABSENT_DIFFERS,
    BATCH,
    IMAGE,
    below,
    both,
    formula,
    monai,
    nnunet_rows,
    nnunet_sum,
    twin,
)

NOT_KNOWN = {"phi": "unknown", "norm": "unknown", "background": "unknown", "twin": "unknown"}


def ignoring(loss, label):
    """A loss with a mask, called with labels (B, 1, *) of which one is masked."""

    def masked(logits, y):
        if y.shape[1] != 1:
            raise ValueError("takes labels (B, 1, *)")
        mask = (y != label).double()
        return loss(logits, published.maps_of(y[:, 0], logits.shape[1]), mask)

    return masked


def monai_masked_dice():
    losses = pytest.importorskip("monai.losses", reason="monai is not installed")
    return ignoring(losses.MaskedDiceLoss(softmax=True), 255)


def monai_masked_loss():
    losses = pytest.importorskip("monai.losses", reason="monai is not installed")
    return ignoring(losses.MaskedLoss(losses.DiceLoss(softmax=True)), 255)


def summed(*losses):
    return lambda: lambda logits, y: sum(loss(logits, y) for loss in losses)


def masked_formula(loss, label, **settings):
    return lambda: ignoring(lambda z, y, m: loss(z, y, m[:, 0], **settings), label)


def monai_ignored(norm, batch):
    kind, phi = (BATCH, "BI") if batch else (IMAGE, "I")
    words = f"softmax=True, to_onehot_y=True, squared_pred={norm == 'l2'}, batch={batch}"
    known = kind | both(1e-5) | {"norm": norm, "ignore_index": (255,), "ignored_voxels": "removed"}
    other = ', norm="l2"' if norm == "l2" else ""
    found = twin(f'DiceLoss("{phi}", 1e-05, activation="softmax"{other})')
    return monai(f"DiceLoss({words}, ignore_index=255)"), known | found


MASK_ROWS = {
    "MONAI `DiceLoss(ignore_index=i)`": [
        *(monai_ignored(norm, batch) for norm in ("l1", "l2") for batch in (False, True)),
        # The probes have true voxels of each class, and this class never has one.
        (
            monai("DiceLoss(softmax=True, to_onehot_y=True, ignore_index=3)"),
            NOT_KNOWN | {"ignore_index": (3,), "ignored_voxels": "removed"},
        ),
    ],
    "MONAI `MaskedDiceLoss`": [
        (
            monai_masked_dice,
            IMAGE
            | both(1e-5)
            | {"ignore_index": (255,), "ignored_voxels": "removed"}
            | twin('DiceLoss("I", 1e-05, activation="softmax")'),
        )
    ],
    "MONAI `MaskedLoss(DiceLoss(softmax=True))`": [
        (
            monai_masked_loss,
            IMAGE
            | both(1e-5)
            | {"ignore_index": (255,), "ignored_voxels": "before the activation"}
            | twin('DiceLoss("I", 1e-05, activation="softmax")'),
        )
    ],
    "nnU-Net ignore label (`loss_mask`)": [
        (
            masked_formula(published.nnunet, 4, batch_dice=True),
            nnunet_rows(True)[0][1] | {"ignore_index": (4,), "ignored_voxels": "removed"},
        ),
        *(
            (
                nnunet_sum(batch_dice, "ignore_label=4, "),
                nnunet_rows(batch_dice)[2][1] | {"ignore_index": (4,), "ignored_voxels": "removed"},
            )
            for batch_dice in (False, True)
        ),
    ],
    "MultiTalent (v1)": [
        (
            formula(published.multitalent_dice),
            BATCH
            | both(0.0)
            | {"dice_factor": 4.0, "activation": "sigmoid", "twin_differs": ABSENT_DIFFERS}
            | twin('4 * DiceLoss("BI", 1e-12, activation="sigmoid") - 4'),
        ),
        (
            summed(published.multitalent_dice, published.multitalent_bce),
            BATCH
            | both(0.0)
            | {"dice_factor": 4.0, "cross_entropy": 1.0, "twin_differs": ABSENT_DIFFERS}
            | twin('DiceCELoss("BI", 1e-12, activation="sigmoid", dice_factor=4.0) - 4'),
        ),
    ],
    "DoDNet": [
        (
            formula(published.dodnet),
            {"phi": "I", "norm": "l1", "activation": "sigmoid", "cross_entropy": 1.0}
            | below(1.0)
            | {"empty_map": "learnt", "twin": "unknown"},
        )
    ],
    "CLIP-Driven Universal Model": [
        (
            formula(published.universal_model_dice),
            IMAGE | below(1.0) | {"activation": "sigmoid", "twin": "unknown"},
        ),
        (
            formula(published.universal_model_bce),
            {"phi": "none", "cross_entropy": 1.0} | twin('CrossEntropyLoss(activation="sigmoid")'),
        ),
    ],
    # Its exclusion rewards what is not true, which is none of the forms.
    "Shi et al., marginal and exclusion": [
        (formula(published.shi), NOT_KNOWN | {"activation": "softmax"})
    ],
    "Fidon et al., leaf Dice": [
        (
            formula(published.fidon_leaf),
            IMAGE | below(1e-5) | {"norm": "l2", "background": True, "twin": "unknown"},
        )
    ],
    "Fidon et al., marginal Dice": [
        (
            formula(published.fidon_marginal),
            IMAGE
            | below(1e-5)
            | {"norm": "l2", "background": True, "twin": "unknown", "ignore_index": ()},
        )
    ],
    "Fidon et al., marginal cross-entropy": [
        (
            formula(published.fidon_cross_entropy),
            {"phi": "none", "cross_entropy": 1.0, "ignore_index": ()}
            | twin('CrossEntropyLoss(activation="softmax")'),
        )
    ],
    "JDT (Wang et al.)": [
        (
            masked_formula(published.jdt, 255, alpha=0.3, beta=0.7),
            IMAGE
            | both(1e-3)
            | {"shape": "tversky", "alpha": 0.3, "beta": 0.7, "ignored_voxels": "removed"}
            | twin('TverskyLoss(0.3, 0.7, "I", 0.001, activation="softmax")'),
        ),
        (
            formula(published.jdt, alpha=1.0, beta=1.0),
            IMAGE
            | both(1e-3)
            | {"shape": "jaccard"}
            | twin('SoftJaccardLoss("I", 0.001, activation="softmax")'),
        ),
    ],
}
