import subprocess
import sys

import torch

from dicegrad.training.adam import Adam

SCRIPT = """
import sys, torch
from dicegrad.training.adam import Adam
weight = torch.ones(3, requires_grad=True)
adam = Adam([([weight], 0.0)], 0.1)
weight.square().sum().backward()
adam.step()
print("torch._dynamo" in sys.modules, weight.sum().item() < 3)
"""


def network(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def adam_of(net, rate=0.01):
    weights, biases = ([net[0].weight, net[2].weight], [net[0].bias, net[2].bias])
    return Adam([(weights, 0.1), (biases, 0.0)], rate)


def learn(net, optimizer, steps, start=0):
    for number in range(start, start + steps):
        torch.manual_seed(number)
        optimizer.zero_grad()
        net(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()


def test_it_steps_as_torchs_adam_does():
    ours, theirs = network(), network()
    groups = [
        {"params": [theirs[0].weight, theirs[2].weight], "weight_decay": 0.1},
        {"params": [theirs[0].bias, theirs[2].bias]},
    ]
    learn(ours, adam_of(ours), 5)
    learn(theirs, torch.optim.Adam(groups, lr=0.01, eps=1e-7, fused=True), 5)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_rate_that_is_set_counts_from_the_next_step():
    net = network()
    optimizer = adam_of(net)
    optimizer.rate = 0.0
    learn(net, optimizer, 3)
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), network().parameters(), strict=True)
    )


def test_it_goes_on_from_its_state_with_the_same_bits():
    whole, cut = network(), network()
    learn(whole, adam_of(whole), 6)
    before = adam_of(cut)
    learn(cut, before, 3)
    after = adam_of(cut)
    after.load_state_dict(before.state_dict())
    learn(cut, after, 3, start=3)
    for a, b in zip(whole.parameters(), cut.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_leaves_torchs_compiler_alone():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
