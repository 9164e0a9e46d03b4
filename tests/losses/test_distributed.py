"""Two processes over gloo share one batch."""

import copy

import pytest
import torch
import torch.distributed as dist

from dicegrad import DiceLoss
from dicegrad.errors import InputError

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo")


def network():
    torch.manual_seed(0)
    return torch.nn.Conv2d(2, 3, 3, padding=1).double()


def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(5, 2, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(0, 3, (5, 8, 8), generator=generator)


def run(rank, file, phi, shared, results):
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    try:
        inputs, y = batch()
        mine = slice(0, 3) if rank == 0 else slice(3, 5)  # batches of different sizes
        model = torch.nn.parallel.DistributedDataParallel(network())
        loss = DiceLoss(
            phi,
            0.5,
            activation="softmax",
            include_background=False,
            process_group=dist.group.WORLD if shared else None,
        )
        value = loss(model(inputs[mine]), y[mine])
        value.backward()
        results[rank] = (value.item(), model.module.weight.grad.tolist())
    finally:
        dist.destroy_process_group()


def two_processes(tmp_path, phi, shared):
    context = torch.multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.spawn(
            run, (str(tmp_path / "rendezvous"), phi, shared, results), nprocs=2
        )
        return copy.deepcopy(dict(results))


@pytest.mark.slow
@pytest.mark.parametrize("phi", ["BI", "BCI"])
def test_two_processes_with_a_group_train_as_one_process_with_the_whole_batch(tmp_path, phi):
    inputs, y = batch()
    model = network()
    whole = DiceLoss(phi, 0.5, activation="softmax", include_background=False)(model(inputs), y)
    whole.backward()
    results = two_processes(tmp_path, phi, shared=True)
    for value, gradient in results.values():
        assert value == pytest.approx(whole.item(), rel=1e-12)
        torch.testing.assert_close(torch.tensor(gradient).double(), model.weight.grad)


@pytest.mark.slow
def test_without_a_group_every_process_has_its_own_batch(tmp_path):
    inputs, y = batch()
    loss = DiceLoss("BI", 0.5, activation="softmax", include_background=False)
    results = two_processes(tmp_path, "BI", shared=False)
    for rank, mine in enumerate((slice(0, 3), slice(3, 5))):
        alone = loss(network()(inputs[mine]), y[mine]).item()
        assert results[rank][0] == pytest.approx(alone, rel=1e-12)
    assert results[0][0] != results[1][0]


def test_a_group_has_no_second_derivative(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/one", rank=0, world_size=1)
    try:
        inputs, y = batch()
        y_pred = network()(inputs)
        loss = DiceLoss("BI", activation="softmax", process_group=dist.group.WORLD)(y_pred, y)
        alone = DiceLoss("BI", activation="softmax")(y_pred, y)
        assert loss.item() == alone.item()
        with pytest.raises(InputError, match="no second derivative"):
            torch.autograd.grad(loss, y_pred, create_graph=True)
    finally:
        dist.destroy_process_group()
