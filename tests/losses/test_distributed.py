"""Two processes over gloo share one batch."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist

from dicegrad import DiceLoss
from dicegrad.errors import InputError
from dicegrad.losses.groups import Group

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo")


def network():
    torch.manual_seed(0)
    return torch.nn.Conv2d(2, 3, 3, padding=1).double()


def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(5, 2, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(0, 3, (5, 8, 8), generator=generator)


def masks():
    """Class 2 is annotated in no case of the second process, class 1 in no case at all."""
    annotated = torch.tensor([[False, True], [False, False], [False, True]] + [[False, False]] * 2)
    generator = torch.Generator().manual_seed(2)
    return annotated, torch.rand(5, 8, 8, generator=generator) < 0.7


def run(rank, file, phi, shared, masked, results):
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
            process_group=shared,
        )
        if isinstance(loss.reduction.process_group, Group):  # as an average of weights does
            loss = copy.deepcopy(pickle.loads(pickle.dumps(loss)))
        given = [mask[mine] for mask in masks()] if masked else []
        value = loss(model(inputs[mine]), y[mine], *given)
        value.backward()
        results[rank] = (value.item(), model.module.weight.grad.tolist())
    finally:
        dist.destroy_process_group()


def two_processes(tmp_path, phi, shared, masked=False):
    context = torch.multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.spawn(
            run, (str(tmp_path / "rendezvous"), phi, shared, masked, results), nprocs=2
        )
        return copy.deepcopy(dict(results))


@pytest.mark.slow
@pytest.mark.parametrize("phi", ["BI", "BCI"])
def test_two_processes_with_a_group_train_as_one_process_with_the_whole_batch(tmp_path, phi):
    inputs, y = batch()
    model = network()
    whole = DiceLoss(phi, 0.5, activation="softmax", include_background=False)(model(inputs), y)
    whole.backward()
    results = two_processes(tmp_path, phi, shared="world")
    for value, gradient in results.values():
        assert value == pytest.approx(whole.item(), rel=1e-12)
        torch.testing.assert_close(torch.tensor(gradient).double(), model.weight.grad)


@pytest.mark.slow
@pytest.mark.parametrize("phi", ["BI", "BCI"])
def test_a_class_counts_if_it_is_annotated_in_any_process(tmp_path, phi):
    inputs, y = batch()
    model = network()
    loss = DiceLoss(phi, 0.5, activation="softmax", include_background=False)
    whole = loss(model(inputs), y, *masks())
    whole.backward()
    for value, gradient in two_processes(tmp_path, phi, "world", masked=True).values():
        assert value == pytest.approx(whole.item(), rel=1e-12)
        torch.testing.assert_close(torch.tensor(gradient).double(), model.weight.grad)


@pytest.mark.slow
def test_without_a_group_every_process_has_its_own_batch(tmp_path):
    inputs, y = batch()
    loss = DiceLoss("BI", 0.5, activation="softmax", include_background=False)
    results = two_processes(tmp_path, "BI", shared=None)
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


def test_the_world_is_this_process_until_there_are_others():
    inputs, y = batch()
    y_pred = network()(inputs)
    loss = DiceLoss("BI", activation="softmax", process_group="world")
    assert loss(y_pred, y) == DiceLoss("BI", activation="softmax")(y_pred, y)
    assert "process_group='world'" in repr(loss)
    assert repr(copy.deepcopy(loss)) == repr(pickle.loads(pickle.dumps(loss))) == repr(loss)


def test_a_group_travels_by_its_name(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/one", rank=0, world_size=1)
    try:
        inputs, y = batch()
        y_pred = network()(inputs)
        alone = DiceLoss("BI", activation="softmax")(y_pred, y)
        for group in (dist.group.WORLD, dist.new_group([0]), "world"):
            loss = DiceLoss("BI", activation="softmax", process_group=group)
            for other in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
                assert other(y_pred, y).item() == alone.item()
        assert "process_group='world'" in repr(
            DiceLoss("BI", activation="softmax", process_group=dist.group.WORLD)
        )
    finally:
        dist.destroy_process_group()
    with pytest.raises(InputError, match="no group of that name"):
        DiceLoss("BI", activation="softmax", process_group="gone")(y_pred, y)
    with pytest.raises(InputError, match="process_group is 3"):
        DiceLoss("BI", process_group=3)
