import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dicegrad.losses import native

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native code was not built: there was no C compiler"
)

ACTIVATIONS, NORMS = (None, "sigmoid", "softmax"), ("l1", "l2")
TOLERANCE = {
    torch.float32: 1e-6,
    torch.float64: 1e-13,
    torch.float16: 1e-3,
    torch.bfloat16: 1e-2,
}


def formula(y_pred, y, activation, norm, coefficients, mask=None, ignore_index=None, into=None):
    """Sums and gradient in float64, by torch's own operations and autograd."""
    z = y_pred.double().detach().requires_grad_()
    p = z.sigmoid() if activation == "sigmoid" else z
    p = z.softmax(1) if activation == "softmax" else p
    channels = z.shape[1]
    kept = torch.ones_like(z[:, :1], dtype=torch.bool)
    if mask is not None:
        kept = kept & (mask != 0).unsqueeze(1)
    if y.ndim < z.ndim:
        if ignore_index is not None:
            kept = kept & (y != ignore_index).unsqueeze(1)
        labels = [1] if channels == 1 else range(channels)
        truth = torch.stack([y == label for label in labels], 1).double()
    else:
        truth = y.double()
    p, truth = torch.where(kept, p, 0), torch.where(kept, truth, 0)
    if into is not None:
        there = torch.zeros(*into.shape, channels, dtype=torch.float64)
        there.scatter_(2, into.unsqueeze(2), 1)  # 1 where channel c goes to channel d
        p, truth = (torch.einsum("bcd,bc...->bd...", there, maps) for maps in (p, truth))
    p, truth = p.flatten(2), truth.flatten(2)
    power = 1 if norm == "l1" else 2
    sums = torch.stack([(p * truth).sum(-1), (p**power).sum(-1), (truth**power).sum(-1)])
    (sums[:2] * coefficients).sum().backward()
    return sums.detach(), z.grad


def assert_is_the_formula(y_pred, y, activation, norm, **more):
    coefficients = torch.randn(2, *y_pred.shape[:2], dtype=torch.float64)
    sums, gradient = formula(y_pred, y, activation, norm, coefficients, **more)
    own, _ = native.sums(y_pred, y, activation, norm, **more)
    found = native.gradient(y_pred, y, activation, norm, coefficients, **more)
    assert own.dtype == torch.float64
    assert (found.dtype, found.shape) == (y_pred.dtype, y_pred.shape)
    exact = 1e-13 if y_pred.dtype == torch.float64 else 1e-6
    torch.testing.assert_close(own, sums, rtol=exact, atol=exact)
    step = TOLERANCE[y_pred.dtype] * max(1, gradient.abs().max().item())
    torch.testing.assert_close(found.double(), gradient, rtol=step, atol=step)


def make_prediction(shape, activation, dtype=torch.float32):
    z = 3 * torch.randn(shape)
    return (z.sigmoid() if activation is None else z).to(dtype)


def make_labels(shape, dtype=torch.int64):
    return torch.randint(0, max(shape[1], 2), (shape[0], *shape[2:])).to(dtype)


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.to(memory_format=torch.channels_last_3d),
    "axes swapped": lambda x: x.mT.contiguous().mT,
    "part of a larger one": lambda x: torch.cat([x, x], 2)[:, :, : x.shape[2]],
    "batch of one image": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_dtype_and_layout_gives_the_formula(activation, norm, dtype, layout):
    torch.manual_seed(0)
    for channels in (1, 3):
        if activation == "softmax" and channels == 1:
            continue
        shape = (2, channels, 7, 5, 23)
        y_pred = LAYOUTS[layout](make_prediction(shape, activation, dtype))
        assert_is_the_formula(y_pred, make_labels(shape).mT.contiguous().mT, activation, norm)
        maps = LAYOUTS[layout](torch.rand(shape).to(dtype))
        assert_is_the_formula(y_pred, maps, activation, norm)


INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16]


@pytest.mark.parametrize("labels", [*INTEGERS, torch.bool])
def test_labels_of_every_dtype_are_read(labels):
    shape = (2, 2 if labels is torch.bool else 5, 300, 2)
    y_pred = make_prediction(shape, "softmax")
    y = make_labels(shape, labels)
    assert_is_the_formula(y_pred, y.to(torch.int64), "softmax", "l1")
    expected, _ = native.sums(y_pred, y.to(torch.int64), "softmax", "l1")
    for form in (y, y.mT.contiguous().mT):
        assert torch.equal(native.sums(y_pred, form, "softmax", "l1")[0], expected)
    single = make_prediction((2, 1, 300, 2), "sigmoid")
    binary = (y.to(torch.int64) > 0).to(labels)
    assert_is_the_formula(single, binary.to(torch.int64), "sigmoid", "l1")
    assert native.sums(single, binary, "sigmoid", "l1")[0][2].sum() == (binary != 0).sum()


@pytest.mark.parametrize("maps", [*INTEGERS, torch.bool, torch.float64, torch.float16])
def test_maps_per_class_of_every_dtype_are_read(maps):
    y_pred = make_prediction((2, 3, 300), "sigmoid")
    y = torch.randint(0, 2, y_pred.shape).to(maps)
    assert_is_the_formula(y_pred, y, "sigmoid", "l2")


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 21), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 6),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(NORMS),
    st.sampled_from([torch.float32, torch.float64]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_masks_ignored_labels_and_merged_classes_in_any_combination(
    seed, spatial, batch, channels, activation, norm, dtype, soft, masked, ignored, merged
):
    torch.manual_seed(seed)
    channels += activation == "softmax" and channels == 1
    shape = (batch, channels, *spatial)
    y_pred = make_prediction(shape, activation, dtype)
    y = torch.rand(shape) if soft else make_labels(shape)
    more = {}
    if masked:
        kept = torch.rand(batch, *spatial) < torch.rand(())
        more["mask"] = kept if seed % 2 else kept.to(torch.uint8)
    if ignored and not soft:
        more["ignore_index"] = (0, 1, 255, -1)[seed % 4]
        y[torch.rand(y.shape) < 0.3] = more["ignore_index"]
    if merged and channels > 1:
        into = torch.arange(channels).repeat(batch, 1)
        more["into"] = torch.where(torch.rand(into.shape) < 0.4, 0, into)
    assert_is_the_formula(y_pred, y, activation, norm, **more)


def test_an_ignored_voxel_has_no_gradient_and_may_hold_anything():
    torch.manual_seed(0)
    y_pred, y = make_prediction((2, 3, 40, 9), "softmax"), make_labels((2, 3, 40, 9))
    mask = torch.rand(2, 40, 9) < 0.5
    expected, _ = native.sums(y_pred, y, "softmax", "l1", mask)
    y[~mask], hole = 77, ~mask.unsqueeze(1).expand(y_pred.shape)
    y_pred[hole] = float("nan")
    sums, extremes = native.sums(y_pred, y, "softmax", "l1", mask)
    assert torch.equal(sums, expected)
    assert extremes == []
    gradient = native.gradient(y_pred, y, "softmax", "l1", torch.ones(2, 2, 3), mask)
    assert (gradient[hole] == 0).all()
    assert (gradient[~hole] != 0).any()


def test_everything_ignored_leaves_zeros():
    y_pred, y = make_prediction((1, 2, 300), "softmax"), torch.full((1, 300), 255)
    for more in ({"mask": torch.zeros(1, 300)}, {"ignore_index": 255}):
        more = {key: v.bool() if key == "mask" else v for key, v in more.items()}
        assert (native.sums(y_pred, y, "softmax", "l1", **more)[0] == 0).all()
        gradient = native.gradient(y_pred, y, "softmax", "l1", torch.ones(2, 1, 2), **more)
        assert (gradient == 0).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_a_result_is_the_same_to_the_bit_at_any_number_of_threads(activation, layout):
    torch.manual_seed(0)
    shape = (3, 4, 40, 41, 42)
    y_pred = LAYOUTS[layout](make_prediction(shape, activation))
    y, coefficients = make_labels(shape), torch.randn(2, 3, 4, dtype=torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 8, 2, 2):
            torch.set_num_threads(threads)
            found.append(
                (
                    native.sums(y_pred, y, activation, "l1")[0],
                    native.gradient(y_pred, y, activation, "l1", coefficients),
                )
            )
    finally:
        torch.set_num_threads(before)
    for sums, gradient in found[1:]:
        assert torch.equal(sums, found[0][0])
        assert torch.equal(gradient, found[0][1])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_kind_of_processor_up_to_this_one(dtype, monkeypatch):
    best = native.level()
    for level, activation in itertools.product(range(best + 1), ACTIVATIONS):
        monkeypatch.setattr(native, "level", lambda level=level: level)
        shape = (2, 4, 13, 11, 5)
        y_pred = make_prediction(shape, activation, dtype)
        assert_is_the_formula(y_pred, make_labels(shape, torch.uint8), activation, "l2")


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_any_size(activation, dtype):
    values = [0.0, 1e-30, 1.0, 17.0, 80.0, 86.4, 86.6, 87.5, 104.0, 708.0, 745.0, 1e4]
    values = torch.tensor([*values, *(-v for v in values)], dtype=dtype)
    pairs = torch.cartesian_prod(values, values).T.reshape(1, 2, -1).contiguous()
    assert_is_the_formula(pairs, torch.zeros(1, pairs.shape[-1]).long(), activation, "l1")
    certain = torch.tensor([1e4, -1e4, 0.0], dtype=dtype).reshape(1, 3, 1).expand(1, 3, 100)
    sums, _ = native.sums(certain, torch.zeros(1, 100).long(), "softmax", "l1")
    assert sums[1].tolist() == [[100.0, 0.0, 0.0]]
