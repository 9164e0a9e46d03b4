import pytest
import torch

from dicegrad.losses import tiles
from dicegrad.losses.sums import plain_sums


def plain_gradient(y_pred, y, activation, norm, coefficients):
    leaf = y_pred.detach().clone().requires_grad_()
    sums = plain_sums(leaf, y, activation, norm)
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
