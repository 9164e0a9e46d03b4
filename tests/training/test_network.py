import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional

from dicegrad.errors import InputError
from dicegrad.training.layers import BatchNorm, InstanceNorm, NormActivation
from dicegrad.training.network import NetworkSettings, UNet, kernels_of

DATASETS = Path(__file__).parents[2] / "config" / "datasets"


def paper_network(name, in_channels, classes):
    settings = yaml.safe_load((DATASETS / f"{name}.yaml").read_text())["network"]
    return NetworkSettings.from_dict(settings, in_channels, classes)


@pytest.mark.parametrize(
    ("name", "channels", "classes", "parameters", "divisors"),
    [("brats", 4, 1, 14_493_901, (16, 16, 16)), ("acdc", 1, 3, 3_926_212, (16, 16, 8))],
)
def test_the_networks_of_the_paper_have_its_parameters(
    name, channels, classes, parameters, divisors
):
    settings = paper_network(name, channels, classes)
    with torch.device("meta"):
        network = UNet(settings)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(kernels_of(network)) == 19
    assert settings.divisors == divisors


@pytest.mark.parametrize(("name", "channels", "classes"), [("brats", 4, 1), ("acdc", 1, 3)])
def test_every_normalisation_is_one_layer_with_its_activation(name, channels, classes):
    with torch.device("meta"):
        network = UNet(paper_network(name, channels, classes))
    norms = [m for m in network.modules() if isinstance(m, InstanceNorm | BatchNorm)]
    fused = [m for m in network.modules() if isinstance(m, NormActivation)]
    assert [layer[0] for layer in fused] == norms
    assert len(norms) > 10


def test_one_class_is_one_map_and_three_classes_are_four():
    assert paper_network("brats", 4, 1).out_channels == 1
    assert paper_network("acdc", 1, 3).out_channels == 4


@pytest.mark.parametrize("size", [(8, 8, 4), (4, 6, 3)])
def test_logits_have_the_size_of_the_image(tiny_network, size):
    settings = tiny_network(4, in_channels=3)
    assert settings.divisors == (2, 2, 1)
    assert UNet(settings)(torch.zeros(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize(("maps", "expected"), [(1, [0.1]), (4, [0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3])])
def test_a_network_starts_from_the_probability_of_background_that_it_is_told(
    tiny_network, maps, expected
):
    settings = replace(tiny_network(maps), background=0.9)
    bias = UNet(settings).head[-1].bias
    start = bias.sigmoid() if maps == 1 else bias.softmax(0)
    torch.testing.assert_close(start, torch.tensor(expected))


def test_a_probability_of_background_outside_0_and_1_is_refused(tiny_network):
    with pytest.raises(InputError, match=r"background is 1\.5; give a probability between 0 and 1"):
        replace(tiny_network(4), background=1.5)


def by_hand(x, unit, training):
    """Normalisation, activation and convolution of one unit, spelt out."""
    *before, conv = unit
    return plain(activated(x, before, training), conv)


def activated(x, layers, training):
    norm, activation = layers
    axes = (2, 3, 4) if isinstance(norm, torch.nn.InstanceNorm3d) else (0, 2, 3, 4)
    mean = x.mean(axes, keepdim=True)
    variance = ((x - mean) ** 2).mean(axes, keepdim=True)
    if not training and axes[0] == 0:
        mean, variance = (v[:, None, None, None] for v in (norm.running_mean, norm.running_var))
    x = (x - mean) / torch.sqrt(variance + 1e-3)
    x = x * norm.weight[:, None, None, None] + norm.bias[:, None, None, None]
    is_prelu = isinstance(activation, torch.nn.PReLU)
    slope = activation.weight[:, None, None, None] if is_prelu else 0.01
    return torch.where(x > 0, x, slope * x)


def plain(x, conv):
    padding = [size // 2 for size in conv.kernel_size]
    return functional.conv3d(x, conv.weight, conv.bias, padding=padding)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("norm", "activation"), [("instance", "leaky_relu"), ("batch", "prelu")])
def test_the_network_computes_what_the_paper_describes(tiny_network, norm, activation, training):
    torch.manual_seed(0)
    network = UNet(tiny_network(4, norm=norm, activation=activation)).double().train(training)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():  # weights that would show a step left out or swapped
            torch.nn.init.uniform_(tensor, 0.2, 1.0)
    image = torch.randn(2, 1, 8, 8, 4, dtype=torch.float64)

    (first, second), bottom = network.encoder
    skip = by_hand(plain(image, first), second, training)
    x = skip.unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1))  # max pooling of 2 x 2 x 1
    for unit in bottom:
        x = by_hand(x, unit, training)
    up = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    decoder = network.decoder[0]
    skip = activated(skip, decoder.skip, training)  # the skip comes first, as it left its level
    x = torch.cat([skip, activated(up, decoder.below, training)], dim=1)
    first, second = decoder.block
    x = by_hand(plain(x, first), second, training)
    expected = by_hand(x, network.head, training)

    torch.testing.assert_close(network(image), expected)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_memory_format_changes_nothing_but_rounding(tiny_network, norm, batch):
    torch.manual_seed(0)
    network = UNet(tiny_network(4, norm=norm, in_channels=2))
    image = torch.randn(batch, 2, 8, 8, 4)
    found = []
    for memory_format in (torch.channels_last_3d, torch.contiguous_format):
        network.memory_format = memory_format
        logits = network.to(memory_format=memory_format)(image)
        gradients = torch.autograd.grad(logits.square().sum(), list(network.parameters()))
        found.append([logits, *gradients])
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)


def test_slopes_of_prelu_start_at_zero_one_per_channel(tiny_network):
    network = UNet(tiny_network(activation="prelu"))
    slopes = [m.weight for m in network.modules() if isinstance(m, torch.nn.PReLU)]
    assert [len(slope) for slope in slopes] == [2, 2, 4, 2, 4, 2, 2]
    assert all(bool((slope == 0).all()) for slope in slopes)


def test_batch_statistics_move_as_slowly_as_in_keras(tiny_network):
    network = UNet(tiny_network(norm="batch"))
    norm = network.head[0]
    assert (norm.momentum, norm.eps) == (0.01, 1e-3)


def test_kernels_start_normal_around_zero_and_cut_at_two_standard_deviations():
    torch.manual_seed(0)
    network = UNet(NetworkSettings(1, 1, ((32, 48),), (), ((3, 3, 3), (3, 3, 3)), ()))
    kernel = network.encoder[0][1][2].weight.detach()
    he = math.sqrt(2 / (32 * 27))
    assert float(kernel.std()) == pytest.approx(he, rel=0.02)
    assert float(kernel.mean()) == pytest.approx(0, abs=0.02 * he)
    # A normal cut at two of its standard deviations keeps 0.8796 of it.
    assert 2.2 * he < float(kernel.abs().max()) <= 2 * he / 0.8796 + 1e-7
    assert all(
        bool((m.bias == 0).all()) for m in network.modules() if isinstance(m, torch.nn.Conv3d)
    )


def test_the_penalty_is_on_kernels_alone(tiny_network):
    network = UNet(tiny_network())
    kernels = kernels_of(network)
    assert [kernel.ndim for kernel in kernels] == [5] * 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": ((2, 2), (2, 2))}, "2 encoder levels need one fewer decoder levels"),
        ({"pools": ()}, "got 1 and 0"),
        ({"encoder": ((2, 2, 2), (4, 4))}, "a block has 3 convolutions but kernels names 2"),
        ({"encoder": ((2, 2), ())}, "a block of encoder or decoder is empty"),
        ({"norm": "layer"}, "norm is 'layer'; allowed: instance, batch"),
        ({"activation": "relu"}, "activation is 'relu'; allowed: leaky_relu, prelu"),
    ],
)
def test_settings_that_make_no_network_are_named(tiny_network, changes, message):
    with pytest.raises(InputError, match=message):
        tiny_network(**changes)


def test_an_unknown_key_is_named():
    with pytest.raises(InputError, match="network: unknown key 'depth'; allowed: encoder, decoder"):
        NetworkSettings.from_dict({"depth": 4}, 1, 1)


def test_maps_of_half_precision_are_upsampled_and_joined_as_they_are(tiny_network):
    network, seen = UNet(tiny_network(norm="batch")), []
    joined = network.decoder[0].block[0]
    joined.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.zeros(1, 1, 8, 8, 4))
    assert seen == [torch.bfloat16]


def test_operations_can_be_counted_on_tensors_without_values(tiny_network):
    network = UNet(tiny_network()).to("meta")
    assert network(torch.zeros(2, 1, 8, 8, 4, device="meta")).shape == (2, 1, 8, 8, 4)
