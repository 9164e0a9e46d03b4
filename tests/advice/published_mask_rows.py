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

ONE_BELOW = 'LeafDiceLoss(1.0, activation="sigmoid", include_background=True)'
SQUARES = 'LeafDiceLoss(1e-05, activation="softmax", include_background=True, norm="l2")'


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


def without(label):
    return {"ignore_index": (label,), "ignored_voxels": "removed"}


def told_to_ignore(found, label):
    """What is found of a loss if its twin has to ignore a label as well."""
    inside, bracket, rest = found["twin"].rpartition(")")
    return found | without(label) | twin(f"{inside}, ignore_index={label}{bracket}{rest}")


def monai_ignored(norm, batch, label=255, more=""):
    kind, phi = (BATCH, "BI") if batch else (IMAGE, "I")
    words = f"softmax=True, to_onehot_y=True, squared_pred={norm == 'l2'}, batch={batch}{more}"
    other = ', norm="l2"' if norm == "l2" else ""
    first = ", include_background=False" if more else ""
    known = kind | both(1e-5) | {"norm": norm, "background": not more}
    known |= twin(f'DiceLoss("{phi}", 1e-05, activation="softmax"{first}{other})')
    return monai(f"DiceLoss({words}, ignore_index={label})"), told_to_ignore(known, label)


def shi_row(loss, annotated, joined, differs):
    return (
        loss,
        {"phi": "I", "norm": "l1", "background": True, "activation": "softmax"}
        | {"cross_entropy": 1.0, "exclusion": 2.0, "joined": joined, "empty_map": "learnt"}
        | {"twin_annotated": annotated, "twin_differs": differs}
        | twin(
            'MarginalDiceLoss(1e-12, activation="softmax", exclusion=2.0) + '
            "MarginalCrossEntropyLoss() - 2"
        ),
    )


MASK_ROWS = {
    "MONAI `DiceLoss(ignore_index=i)`": [
        *(monai_ignored(norm, batch) for norm in ("l1", "l2") for batch in (False, True)),
        # A class: its voxels are left out, and its map never has a true one.
        monai_ignored("l1", False, 3),
        monai_ignored("l1", False, 0),
        monai_ignored("l2", True, 1, ", include_background=False"),
    ],
    "MONAI `MaskedDiceLoss`": [
        (
            monai_masked_dice,
            IMAGE
            | both(1e-5)
            | without(255)
            | twin('DiceLoss("I", 1e-05, activation="softmax", ignore_index=255)'),
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
            told_to_ignore(nnunet_rows(True)[0][1], 4),
        ),
        *(
            (
                nnunet_sum(batch_dice, "ignore_label=4, "),
                told_to_ignore(nnunet_rows(batch_dice)[2][1], 4),
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
            | {"empty_map": "learnt", "background": True, "twin_differs": ()}
            | twin(f'{ONE_BELOW} + CrossEntropyLoss(activation="sigmoid")'),
        )
    ],
    "CLIP-Driven Universal Model": [
        (
            formula(published.universal_model_dice),
            IMAGE | below(1.0) | {"activation": "sigmoid"} | twin(ONE_BELOW),
        ),
        (
            formula(published.universal_model_bce),
            {"phi": "none", "cross_entropy": 1.0} | twin('CrossEntropyLoss(activation="sigmoid")'),
        ),
    ],
    "Shi et al., marginal and exclusion": [
        # classes 1 and 3 of a batch are annotated, or all of them
        shi_row(formula(published.shi), (0, 1, 3), (2,), ("all_empty",)),
        shi_row(formula(published.shi, annotated=(1, 2, 3)), (0, 1, 2, 3), (), ABSENT_DIFFERS),
    ],
    "Fidon et al., leaf Dice": [
        (
            formula(published.fidon_leaf),
            IMAGE | below(1e-5) | {"norm": "l2", "background": True} | twin(SQUARES),
        )
    ],
    "Fidon et al., marginal Dice": [
        (
            formula(published.fidon_marginal),
            IMAGE
            | below(1e-5)
            | {"norm": "l2", "background": True, "ignore_index": ()}
            | twin(SQUARES),
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
            | {"shape": "tversky", "alpha": 0.3, "beta": 0.7}
            | without(255)
            | twin('TverskyLoss(0.3, 0.7, "I", 0.001, activation="softmax", ignore_index=255)'),
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
