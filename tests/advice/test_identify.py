"""`identify` names what is certain, and nothing else."""

import json
from functools import cache

import pytest
import torch

from dicegrad import DiceLoss
from dicegrad.advice.identify import identify
from dicegrad.advice.identify_spec import load_loss
from tests.advice import mutants, mutants_beside
from tests.advice.mutants import EPS, original
from tests.advice.twins import build, gives_the_same
from tests.conftest import needs, refusal

MUTANTS = mutants.MUTANTS | mutants_beside.MUTANTS

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
    found = json.loads(json.dumps(identify(original).to_dict()))
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
        "DiceLoss(softmax=True, to_onehot_y=True, include_background=False)",
        {"background": False, "takes": ("map (B, 1, *)",)},
    ),
    (
        "DiceLoss(softmax=True, smooth_nr=0.0, smooth_dr=1.0)",
        {
            "epsilon_numerator": 0.0,
            "epsilon_denominator": 1.0,
            "twin": 'LeafDiceLoss(1.0, activation="softmax", include_background=True)',
        },
    ),
    (
        "DiceLoss(softmax=True, smooth_nr=0.0, smooth_dr=1.0, batch=True)",
        {"epsilon_numerator": 0.0, "epsilon_denominator": 1.0, "phi": "BI", "twin": "unknown"},
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
        {
            "shape": "tversky",
            "alpha": 0.3,
            "beta": 0.7,
            "twin": 'TverskyLoss(0.3, 0.7, "I", 1e-05, activation="softmax")',
        },
    ),
    (
        "DiceLoss(softmax=True, to_onehot_y=True, squared_pred=True)",  # labels in float32
        {"phi": "I", "twin": 'DiceLoss("I", 1e-05, activation="softmax", norm="l2")'},
    ),
    (
        "DiceFocalLoss(sigmoid=True, to_onehot_y=True)",
        {"focal": 1.0, "twin": 'DiceCELoss("I", 1e-05, activation="sigmoid", gamma=2.0)'},
    ),
    (
        "FocalLoss(gamma=1.5, use_softmax=True)",
        {"focal_gamma": 1.5, "twin": '0.25 * CrossEntropyLoss(activation="softmax", gamma=1.5)'},
    ),
    (
        "DiceLoss(softmax=True, reduction='sum')",
        {"reduction": "sum", "twin": 'DiceLoss("I", 1e-05, activation="softmax", reduction="sum")'},
    ),
    (
        "DiceLoss(softmax=True, to_onehot_y=True, weight=[1, 0, 2, 3])",
        {"twin": 'DiceLoss("I", 1e-05, activation="softmax", weight=[1.0, 0.0, 2.0, 3.0])'},
    ),
    # a sigmoid in the Dice and a softmax in the cross-entropy, which one channel would not show
    ("DiceCELoss(sigmoid=True)", {"phi": "unknown", "channels": 4, "twin": "unknown"}),
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
    found = identify(f"monai.losses:{words}")
    holds(found, **wanted)
    if found.twin != "unknown":
        assert gives_the_same(load_loss(f"monai.losses:{words}"), found.to_dict())


OTHERS = [
    # of what they are given, which is a distribution
    ("torch.nn", "BCELoss", {"phi": "none", "cross_entropy": 1.0, "activation": "none"}),
    (
        "torch.nn",
        "NLLLoss",
        {"cross_entropy": 0.0, "twin": 'TverskyLoss(0.0, 1.0, "CI", 1e-12) - 1'},
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
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "words", "wanted"), OTHERS, ids=[each[1] for each in OTHERS])
def test_other_packages_are_recovered_without_being_told(module, words, wanted):
    needs(module, reason=f"{module.partition('.')[0]} is not installed")
    holds(identify(f"{module}:{words}"), **wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_told_apart_or_called_unknown_and_never_named_wrongly(name):
    loss, truth = MUTANTS[name]
    found = identify(loss).to_dict()
    for key, value in truth.items():
        assert found[key] in (value, "unknown"), key
    same = original_passport()
    assert any(found[key] != same[key] for key in (*KEYS, "twin_differs", "gradient", "mean"))
    if found["twin"] != "unknown":
        assert gives_the_same(loss, found)
        if not found["twin_differs"]:
            assert (found["twin"], found["twin_annotated"]) != (same["twin"], None)


@cache
def original_passport():
    return identify(original).to_dict()


@pytest.mark.parametrize("name", ["detached denominator", "wrong epsilon"])
def test_some_mutants_at_once(name):
    test_a_mutant_is_told_apart_or_called_unknown_and_never_named_wrongly(name)


def test_a_detached_term_is_said():
    found = identify(MUTANTS["detached denominator"][0])
    holds(found, gradient="not of the value", phi="unknown", twin="unknown", empty_map="unknown")


def test_the_twin_can_be_built_and_is_the_loss():
    found = identify("dicegrad:DiceLoss('BI', 0.5, activation='softmax')")
    twin = build(found.twin)
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
