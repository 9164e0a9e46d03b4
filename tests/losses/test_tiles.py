import pytest
import torch

from dicegrad.losses import tiles
from dicegrad.losses.masks import EVERYTHING, Masks
from dicegrad.losses.sums import plain_sums


def plain_gradient(y_pred, y, activation, norm, coefficients, masks=EVERYTHING):
    leaf = y_pred.detach().clone().requires_grad_()
    sums = plain_sums(leaf, y, activation, norm, masks)
    (sums[:2] * coefficients.to(sums.dtype)).sum().backward()
    return leaf.grad


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 50 values, so that a small volume has many."""
    monkeypatch.setattr(tiles, "_TILE", 50)
    monkeypatch.setattr(tiles, "_TILE_ALONE", 70)
    monkeypatch.setattr(tiles, "_ONE_TILE", 0)
    monkeypatch.setattr(tiles, "_TILES_PER_THREAD", 2)


@pytest.fixture(params=[1, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(("batch", "shape"), [(2, (7, 5, 3)), (1, (101,)), (9, (3, 2))])
@pytest.mark.parametrize("soft", [False, True])
def test_tiles_give_what_the_whole_volume_gives(
    small_tiles, threads, activation, norm, batch, shape, soft, make_case
):
    logits, y = make_case(batch, 3, shape)
    y_pred = logits.sigmoid() if activation is None else logits
    truth = make_case(batch, 3, shape, seed=1)[0].sigmoid() if soft else y
    sums, extremes = tiles.tiled_sums(y_pred, truth, activation, norm)
    torch.testing.assert_close(sums, plain_sums(y_pred, truth, activation, norm))
    assert bool(extremes) == (activation is None or soft)
    coefficients = torch.randn(2, batch, 3, dtype=torch.float64)
    gradient = tiles.tiled_gradient(y_pred, truth, activation, norm, coefficients)
    expected = plain_gradient(y_pred, truth, activation, norm, coefficients)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(("batch", "shape"), [(2, (7, 5, 3)), (1, (101,)), (9, (3, 2))])
@pytest.mark.parametrize("soft", [False, True])
def test_tiles_with_masks_give_what_the_whole_volume_gives(
    small_tiles, threads, activation, norm, batch, shape, soft, make_case
):
    logits, y = make_case(batch, 4, shape)
    y_pred = logits.sigmoid() if activation is None else logits
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(batch, *shape, generator=generator) < 0.7
    into = torch.arange(4).repeat(batch, 1)
    into[0, 1] = into[-1, 2] = 0  # two classes that are not annotated
    into[-1, 3] = 1 if batch > 1 else 0  # and one that is in a set with class 1
    truth = make_case(batch, 4, shape, seed=1)[0].sigmoid() if soft else y
    for masks in (
        Masks(mask=mask),
        Masks(into=into),
        Masks(mask, None if soft else 2, into),
        *([] if soft else [Masks(ignore_index=0)]),
    ):
        over = masks.over_voxels
        sums, _ = tiles.tiled_sums(y_pred, truth, activation, norm, *over)
        torch.testing.assert_close(sums, plain_sums(y_pred, truth, activation, norm, masks))
        moved = into != torch.arange(4) if masks.into is not None else torch.zeros(batch, 4) > 0
        assert (sums[:, moved] == 0).all()
        coefficients = torch.randn(2, batch, 4, dtype=torch.float64, generator=generator)
        gradient = tiles.tiled_gradient(y_pred, truth, activation, norm, coefficients, *over)
        expected = plain_gradient(y_pred, truth, activation, norm, coefficients, masks)
        torch.testing.assert_close(gradient, expected)
        kept = masks.kept(truth)
        if kept is not None:
            assert (gradient.movedim(1, -1)[~kept] == 0).all()


def test_the_input_is_not_written_to(make_case):
    # without an activation a tile of probabilities is y_pred itself
    p, y = make_case(2, 4)[0].softmax(1), make_case(2, 4)[1]
    into = torch.tensor([[0, 0, 2, 3], [0, 1, 0, 0]])
    before, mask = p.clone(), y != 3
    coefficients = torch.randn(2, 2, 4, dtype=torch.float64)
    for over in ((None, None, into), (mask, 1, into)):
        tiles.tiled_sums(p, y, None, "l1", *over)
        tiles.tiled_gradient(p, y, None, "l2", coefficients, *over)
    assert torch.equal(p, before)


def test_memory_layout_does_not_matter(small_tiles, make_case):
    logits, y = make_case(2, 3, (6, 5, 4), dtype=torch.float32)
    layouts = [logits.to(memory_format=torch.channels_last_3d), logits.mT.contiguous().mT]
    layouts.append(torch.cat([logits, logits], 2)[:, :, :6])
    coefficients = torch.randn(2, 2, 3, dtype=torch.float64)
    expected = tiles.tiled_gradient(logits, y, "softmax", "l1", coefficients)
    for other in layouts:
        assert not other.is_contiguous()
        gradient = tiles.tiled_gradient(other, y.mT.contiguous().mT, "softmax", "l1", coefficients)
        assert torch.equal(gradient, expected)


def test_a_result_repeats_to_the_bit(small_tiles, make_case):
    logits, y = make_case(2, 3, (11, 13, 4), dtype=torch.float32)
    first, _ = tiles.tiled_sums(logits, y, "softmax", "l1")
    for _ in range(5):
        assert torch.equal(tiles.tiled_sums(logits, y, "softmax", "l1")[0], first)


def test_extra_memory_is_the_gradient_and_a_few_tiles():
    from torch.profiler import ProfilerActivity, profile

    logits, y = torch.randn(1, 4, 64, 64, 32), torch.zeros(1, 64, 64, 32, dtype=torch.uint8)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        sums, _ = tiles.tiled_sums(logits, y, "softmax", "l1")
        tiles.tiled_gradient(logits, y, "softmax", "l1", sums[:2])
    largest = sorted(
        event.self_cpu_memory_usage for event in record.events() if event.name == "aten::empty"
    )
    assert largest[-1] <= 4 * tiles._TILE_ALONE
