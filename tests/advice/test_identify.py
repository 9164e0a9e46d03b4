"""`identify` names what is certain, and nothing else."""

import json
from functools import cache

import pytest
import torch

from dicegrad import DiceLoss
from dicegrad.advice.identify import identify
from dicegrad.advice.identify_spec import load_loss
from tests.advice.mutants import EPS, MUTANTS, original
from tests.conftest import needs, refusal

KEYS = (
    "phi",
    "epsilon_numerator",
    "epsilon_denominator",
    "norm",
    "background",
    "cross_entropy",
    "empty_map",
    "push_ratio",
    "twin",
)


def holds(passport, **wanted):
    found = passport.to_dict()
    assert {name: found[name] for name in wanted} == wanted


def test_the_keys_of_the_json_are_there():
    found = json.loads(json.dumps(identify(original, channels=4).to_dict()))
    assert set(KEYS) <= set(found)
    holds(identify(original), phi="I", epsilon_numerator=EPS, epsilon_denominator=EPS, norm="l1")
    assert found["twin"] == 'DiceLoss("I", 1e-05, activation="softmax")'
    assert found["twin_differs"] == []
    assert found["empty_map"] == "ignored"


MONAI = [
    ("DiceLoss", {"phi": "I", "background": True, "empty_map": "ignored", "activation": "none"}),
    (
        "DiceLoss(batch=True, softmax=True)",
        {"phi": "BI", "norm": "l1", "empty_map": "learnt", "push_ratio": 1.0, "cross_entropy": 0.0},
    ),
    (
        "DiceLoss(sigmoid=True, squared_pred=True)",
        {"phi": "I", "norm": "l2", "twin": 'DiceLoss("I", 1e-05, activation="sigmoid", norm="l2")'},
    ),
    (
        "DiceLoss(softmax=True, jaccard=True)",
        {"phi": "I", "twin": 'SoftJaccardLoss("I", 5e-06, activation="softmax")'},
    ),
    (
        "DiceLoss(softmax=True, to_onehot_y=True, include_background=False)",
        {"background": False, "takes": ("map (B, 1, *)",)},
    ),
    (
        "DiceLoss(softmax=True, smooth_nr=0.0, smooth_dr=1.0)",
        {"epsilon_numerator": 0.0, "epsilon_denominator": 1.0, "twin": "unknown"},
    ),
    (
        "GeneralizedDiceLoss(softmax=True)",
        {
            "phi": "CI",
            "empty_map": "learnt",
            "twin": 'GeneralizedDiceLoss("CI", 1e-05, activation="softmax")',
        },
    ),
    (
        "GeneralizedDiceLoss(softmax=True, batch=True)",
        {"phi": "BCI", "twin": 'GeneralizedDiceLoss("BCI", 1e-05, activation="softmax")'},
    ),
    (
        "DiceCELoss(softmax=True, lambda_ce=0.5)",
        {
            "phi": "I",
            "cross_entropy": 0.5,
            "empty_map": "learnt",
            "twin": 'DiceCELoss("I", 1e-05, activation="softmax", ce_factor=0.5)',
        },
    ),
    (
        "TverskyLoss(softmax=True, alpha=0.3, beta=0.7)",
        {"shape": "tversky", "alpha": 0.3, "beta": 0.7, "twin": "unknown"},
    ),
    (
        "DiceLoss(softmax=True, to_onehot_y=True, ignore_index=255)",
        {"ignore_index": (255,), "ignored_voxels": "removed"},
    ),
]


def slow_after(rows, count):
    """Each takes seconds: the first few are for every run."""
    rest = [pytest.param(*row, marks=pytest.mark.slow) for row in rows[count:]]
    return rows[:count] + rest


@pytest.mark.parametrize(
    ("words", "wanted"), slow_after(MONAI, 2), ids=[words for words, _ in MONAI]
)
def test_monai_is_recovered_without_being_told(words, wanted):
    pytest.importorskip("monai.losses", reason="monai is not installed")
    holds(identify(f"monai.losses:{words}"), **wanted)


OTHERS = [
    (
        "nnunetv2.training.loss.dice",
        "MemoryEfficientSoftDiceLoss(apply_nonlin=nnunetv2.utilities.helpers.softmax_helper_dim1, "
        "batch_dice=True, do_bg=False, smooth=1e-5, ddp=False)",
        {
            "phi": "BI",
            "background": False,
            "empty_map": "learnt",
            "twin": 'DiceLoss("BI", 1e-05, activation="softmax", include_background=False) - 1',
        },
    ),
    (
        "nnunetv2.training.loss.compound_losses",
        "DC_and_CE_loss({'batch_dice': False, 'smooth': 1e-5, 'do_bg': False, 'ddp': False}, {}, "
        "dice_class=nnunetv2.training.loss.dice.MemoryEfficientSoftDiceLoss)",
        {
            "phi": "I",
            "cross_entropy": 1.0,
            "empty_map": "learnt",
            "twin": 'DiceCELoss("I", 1e-05, activation="softmax", include_background=False) - 1',
        },
    ),
    (
        "nnunetv2.training.loss.compound_losses",
        "DC_and_CE_loss({'batch_dice': True, 'smooth': 1e-5, 'do_bg': False, 'ddp': False}, {}, "
        "ignore_label=4, dice_class=nnunetv2.training.loss.dice.MemoryEfficientSoftDiceLoss)",
        {"phi": "BI", "cross_entropy": 1.0, "ignore_index": (4,), "ignored_voxels": "removed"},
    ),
    (
        "segmentation_models_pytorch.losses",
        "DiceLoss('multiclass')",
        {
            "phi": "BI",
            "epsilon_numerator": 0.0,
            "mean": "zeroed",
            "empty_map": "learnt",
            "twin_differs": ("batch_empty", "all_empty"),
        },
    ),
    (
        "segmentation_models_pytorch.losses",
        "DiceLoss('multiclass', smooth=1.0)",
        {"phi": "BI", "epsilon_numerator": 2.0, "epsilon_denominator": 2.0},
    ),
    (
        "segmentation_models_pytorch.losses",
        "JaccardLoss('multiclass')",
        {"phi": "BI", "shape": "jaccard", "mean": "zeroed"},
    ),
    (
        "kornia.losses",
        "DiceLoss(average='macro')",
        {"phi": "I", "epsilon_numerator": 0.0, "mean": "dropped_per_image", "empty_map": "ignored"},
    ),
    (
        "kornia.losses",
        "DiceLoss",
        {"phi": "CI", "epsilon_numerator": 0.0, "epsilon_denominator": 1e-8},
    ),
    (
        "torchmetrics.functional.segmentation",
        "dice_score(num_classes=4)",
        {"phi": "I", "empty_map": "undefined", "sign": "score", "gradient": "none"},
    ),
    (
        "torchmetrics.functional.segmentation",
        "dice_score(num_classes=4, aggregation_level='global', average='none')",
        {"phi": "BI", "empty_map": "undefined"},
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "words", "wanted"), OTHERS, ids=[each[1] for each in OTHERS])
def test_other_packages_are_recovered_without_being_told(module, words, wanted):
    needs(module, reason=f"{module.partition('.')[0]} is not installed")
    holds(identify(f"{module}:{words}"), **wanted)


def deepmedic(z, y):
    p = z.softmax(1)
    i, v, t = (x.sum((0, 2, 3)) for x in (p * y, p, y))
    return 1 - ((2 * i + 1e-5) / (v + t + 1e-5)).mean()


def vnet(p, y):
    space = (1, 2, 3)
    return 1 - (2 * (p * y).sum(space) / ((p * p).sum(space) + y.sum(space))).mean()


def niftynet(z, y):
    p, total = z.softmax(1), 0.0
    for b in range(len(p)):
        volume = y[b].sum((1, 2))
        weight = 1 / volume**2
        weight = torch.where(weight.isinf(), weight[weight.isfinite()].max(), weight)
        twice = 2 * (weight * (p[b] * y[b]).sum((1, 2))).sum()
        total = total + 1 - twice / (weight * (p[b].sum((1, 2)) + volume).clamp_min(1)).sum()
    return total / len(p)


FORMULAS = [
    (deepmedic, {}, {"phi": "BI", "epsilon_numerator": 1e-5, "empty_map": "learnt"}),
    (
        vnet,
        {"channels": 1},
        {"phi": "I", "norm": "l2", "epsilon_numerator": 0.0, "empty_map": "ignored"},
    ),
    (niftynet, {}, {"phi": "CI", "epsilon_numerator": 0.0, "shape": "generalized-square"}),
    ("dicegrad:LeafDiceLoss", {}, {"empty_map": "ignored", "twin": "LeafDiceLoss(1e-07)"}),
    ("dicegrad:MarginalDiceLoss", {}, {"empty_map": "background", "background": True}),
    ("dicegrad:DiceLoss('BCI', 1e-7)", {}, {"phi": "BCI", "epsilon_numerator": 1e-7}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "told", "wanted"), FORMULAS, ids=lambda x: str(x)[:30])
def test_published_formulas_are_recovered(loss, told, wanted):
    holds(identify(loss, **told), **wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_told_apart_or_called_unknown_and_never_named_wrongly(name):
    loss, truth = MUTANTS[name]
    found = identify(loss, channels=4, dims=2, labels="one-hot").to_dict()
    for key, value in truth.items():
        assert found[key] in (value, "unknown"), key
    same = original_passport()
    assert any(found[key] != same[key] for key in (*KEYS, "twin_differs", "gradient", "mean"))
    if found["twin"] != "unknown" and not found["twin_differs"]:
        assert found["twin"] != same["twin"]


@cache
def original_passport():
    return identify(original, channels=4, dims=2, labels="one-hot").to_dict()


@pytest.mark.parametrize("name", ["detached denominator", "wrong epsilon"])
def test_some_mutants_at_once(name):
    test_a_mutant_is_told_apart_or_called_unknown_and_never_named_wrongly(name)


def test_a_detached_term_is_said():
    found = identify(MUTANTS["detached denominator"][0], channels=4, dims=2, labels="one-hot")
    holds(found, gradient="not of the value", phi="unknown", twin="unknown", empty_map="unknown")


def test_the_twin_can_be_built_and_is_the_loss():
    found = identify("dicegrad:DiceLoss('BI', 0.5, activation='softmax')")
    twin = eval(found.twin, {"DiceLoss": DiceLoss})
    z, y = torch.randn(2, 4, 6, 5), torch.randint(0, 4, (2, 6, 5))
    assert twin(z, y).item() == pytest.approx(
        DiceLoss("BI", 0.5, activation="softmax")(z, y).item()
    )


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("monai.losses.DiceLoss", "no colon"),
        ("nothere.losses:DiceLoss", "no module nothere"),
        ("dicegrad:DiceLos", "has no DiceLos"),
        ("dicegrad:DiceLoss(phi='Q')", "cannot be built"),
        ("dicegrad:DiceLoss(", "cannot be read"),
        ("dicegrad:DiceLoss(__import__('os').getcwd())", "neither a literal nor a dotted name"),
        ("dicegrad:DiceLoss(**{'phi': 'I'})", "write the arguments out"),
        ("math:pi", "name a loss"),
    ],
)
def test_a_spec_that_cannot_be_used_is_refused_in_one_line(spec, told):
    assert told in refusal(load_loss, spec)


def test_what_is_no_loss_is_refused_in_one_line():
    assert "wrap it in a function" in refusal(identify, lambda image: image)
