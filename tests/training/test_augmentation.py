import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicegrad.errors import InputError
from dicegrad.training import augmentation
from dicegrad.training.augmentation import AugmentationSettings, augment


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def volumes(batch=2, channels=2, size=(8, 8, 4), seed=0):
    """Images of noise, and label maps of the values 0, 1 and 3."""
    image = torch.randn((batch, channels, *size), generator=generator(seed))
    values = torch.tensor([0, 1, 3], dtype=torch.uint8)
    return image, values[torch.randint(0, 3, (batch, *size), generator=generator(seed + 1))]


@pytest.fixture
def every_draw_is_one(monkeypatch):
    """With the normal distribution, a width is then the amount itself."""
    monkeypatch.setattr(augmentation, "_normal", lambda shape, like, _: like.new_ones(shape))


def vary(image, label, seed=0, **widths):
    return augment(image, label, AugmentationSettings(**widths), generator(seed))


def test_widths_of_zero_change_nothing():
    image, label = volumes()
    varied, moved = vary(image, label)
    assert torch.equal(varied, image)
    assert torch.equal(moved, label)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flip_mirrors_image_and_label_together(axis):
    image, label = volumes()
    flip = [0.0, 0.0, 0.0]
    flip[axis] = 1.0
    varied, moved = vary(image, label, flip=tuple(flip))
    torch.testing.assert_close(varied, image.flip(2 + axis), atol=1e-5, rtol=0)
    assert torch.equal(moved, label.flip(1 + axis))


def test_a_flip_of_probability_one_half_comes_about_half_the_time():
    image, label = volumes(batch=200, channels=1, size=(2, 2, 2))
    varied, _ = vary(image, label, flip=(0.5, 0.0, 0.0))
    kept = (varied - image).abs().amax((1, 2, 3, 4)) < 1e-5
    flipped = (varied - image.flip(2)).abs().amax((1, 2, 3, 4)) < 1e-5
    assert bool((kept ^ flipped).all())
    assert 70 < int(flipped.sum()) < 130


@given(shift=st.tuples(*[st.integers(-3, 3)] * 3))
@settings(max_examples=15, deadline=None)
def test_a_shift_by_whole_voxels_is_a_roll_with_zeros_behind(shift):
    image, label = volumes(size=(6, 5, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "_normal", lambda shape, like, _: like.new_ones(shape))
        varied, moved = vary(image, label, translation=tuple(map(float, shift)))
    mask = torch.ones(6, 5, 4)
    for axis, n in enumerate(shift):
        length = mask.shape[axis]
        mask.narrow(axis, 0 if n > 0 else length + n, abs(n)).zero_()
    expected = image.roll(shift, (2, 3, 4)) * mask
    torch.testing.assert_close(varied, expected, atol=1e-4, rtol=0)
    assert torch.equal(moved, label.roll(shift, (1, 2, 3)) * mask.to(torch.uint8))


@pytest.mark.usefixtures("every_draw_is_one")
@pytest.mark.parametrize(("axis", "plane"), [(0, (1, 2)), (1, (2, 0)), (2, (0, 1))])
@pytest.mark.parametrize("quarters", [1, 2])
def test_a_quarter_turn_is_rot90_in_the_plane_across_its_axis(axis, plane, quarters):
    image, label = volumes(size=(6, 6, 6))
    rotation = [0.0, 0.0, 0.0]
    rotation[axis] = quarters * math.pi / 2
    varied, moved = vary(image, label, rotation=tuple(rotation))
    i, j = plane
    expected = torch.rot90(image, -quarters, (i + 2, j + 2))
    torch.testing.assert_close(varied, expected, atol=1e-4, rtol=0)
    assert torch.equal(moved, torch.rot90(label, -quarters, (i + 1, j + 1)))


def looked_at(size=21, **widths):
    """Where each output voxel looks, and that voxel's place, both from the centre, (N, 3)."""
    place = torch.stack(torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 3, indexing="ij"))
    label = torch.zeros(1, size, size, size, dtype=torch.uint8)
    where, _ = vary(place[None], label, **widths)
    whole, _ = vary(torch.ones_like(place)[None], label, **widths)
    inside = whole[0, 0] > 1 - 1e-5
    return where[0][:, inside].T, place[:, inside].T


@pytest.mark.usefixtures("every_draw_is_one")
def test_a_positive_change_of_size_enlarges_its_axis():
    where, place = looked_at(scaling=(1.0, 0.0, -0.2))
    expected = place / torch.tensor([2.0, 1.0, 0.8])
    torch.testing.assert_close(where, expected, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("every_draw_is_one")
def test_turn_scale_and_shift_compose_as_in_the_code_of_the_paper():
    # There the image moves by translation @ scaling @ rotation, the rotation with fixed axes
    # about z, then y, then x. The sign of an angle is free, since draws are symmetric.
    angles, scaling, shift = (0.3, -0.2, 0.7), (0.2, -0.1, 0.3), (2.0, -1.0, 0.5)
    rotation = Rotation.from_euler("zyx", [-angle for angle in reversed(angles)]).as_matrix()
    moves = torch.diag(1 + torch.tensor(scaling).double()) @ torch.tensor(rotation)
    where, place = looked_at(rotation=angles, scaling=scaling, translation=shift)
    assert len(place) > 1000
    moved = where.double() @ moves.T + torch.tensor(shift).double()
    torch.testing.assert_close(moved, place.double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_a_width_is_a_standard_deviation_or_a_half_width(distribution):
    size = 61
    ramp = torch.arange(size).float().expand(400, 1, 1, 1, size)
    label = torch.zeros(400, 1, 1, size, dtype=torch.uint8)
    varied, _ = vary(ramp, label, distribution=distribution, translation=(0.0, 0.0, 3.0))
    shift = 30 - varied[:, 0, 0, 0, 30]
    assert abs(float(shift.mean())) < 0.5
    if distribution == "normal":
        assert float(shift.std()) == pytest.approx(3, rel=0.1)
    else:
        assert 2.9 < float(shift.abs().max()) <= 3 + 1e-4
        assert float(shift.std()) == pytest.approx(3 / math.sqrt(3), rel=0.1)


STRONG = {
    "rotation": (0.3, 0.3, 2.0),
    "translation": (2.0, 2.0, 1.0),
    "scaling": (0.2, 0.2, 0.2),
    "elastic": (1.0, 1.0, 1.0),
    "flip": (0.5, 0.5, 0.5),
    "intensity_shift": 0.1,
    "intensity_scale": 0.1,
    "noise": 0.1,
}


def test_a_label_keeps_its_type_and_takes_no_value_between_its_own():
    image, label = volumes(batch=4)
    _, moved = vary(image, label, **STRONG)
    assert moved.dtype == torch.uint8
    assert moved.shape == label.shape
    assert set(moved.unique().tolist()) <= {0, 1, 3}
    assert not torch.equal(moved, label)


def test_image_and_label_stay_together():
    size = (24, 24, 12)
    label = torch.zeros(3, *size, dtype=torch.uint8)
    label[:, 8:18, 6:18, 3:9] = 1
    widths = {k: v for k, v in STRONG.items() if k not in ("intensity_shift", "noise")}
    varied, moved = vary(label[:, None].float(), label, **widths)
    overlap = 2 * ((varied[:, 0] > 0.5) & (moved == 1)).sum() / ((varied > 0.5).sum() + moved.sum())
    assert float(overlap) > 0.95


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    image, label = volumes()
    first, again, other = (vary(image, label, seed, **STRONG) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", sorted(STRONG))
def test_the_cases_of_a_batch_are_varied_each_on_its_own(name):
    image, label = volumes(batch=1)
    image, label = image.repeat(8, 1, 1, 1, 1), label.repeat(8, 1, 1, 1)
    varied, _ = vary(image, label, **{name: STRONG[name]})
    different = [bool((varied[0] != varied[k]).any()) for k in range(1, 8)]
    assert any(different) if name == "flip" else all(different)


def test_intensities_leave_labels_alone():
    image, label = volumes()
    varied, moved = vary(image, label, intensity_shift=0.5, intensity_scale=0.5, noise=0.5)
    assert moved is label
    assert not torch.equal(varied, image)


def test_shift_and_factor_are_one_each_for_the_channels_and_voxels_of_a_case():
    image, label = volumes(batch=3)
    varied, _ = vary(image, label, intensity_shift=0.5, intensity_scale=0.2)
    for before, after in zip(image.flatten(1), varied.flatten(1), strict=True):
        factor = (after[1] - after[0]) / (before[1] - before[0])
        shift = after[0] / factor - before[0]  # added first, then multiplied
        torch.testing.assert_close(after, (before + shift) * factor, atol=1e-4, rtol=1e-4)


def test_noise_has_the_standard_deviation_asked_for():
    image, label = volumes(size=(20, 20, 10))
    varied, _ = vary(image, label, noise=0.1)
    assert float((varied - image).std()) == pytest.approx(0.1, rel=0.05)


def test_the_elastic_field_has_a_standard_deviation_of_one_and_is_smooth():
    image = torch.zeros(2, 1, 40, 40, 20)
    field = augmentation._elastic_field(image, generator())
    assert field.shape == (2, 40, 40, 20, 3)
    spread = field.std(dim=(1, 2, 3))
    torch.testing.assert_close(spread, torch.ones(2, 3), atol=1e-4, rtol=1e-4)
    for axis in (1, 2):  # the neighbour is about a sixth of the Gaussian's width away
        step = field.diff(dim=axis).std(dim=(1, 2, 3))
        assert bool((step < 0.25 * spread).all())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_elastic_shift_moves_what_is_seen_along_its_axis_by_as_much(axis):
    size, elastic = (30, 28, 32), [0.0, 0.0, 0.0]
    elastic[axis] = 2.0
    places = torch.stack(torch.meshgrid(*[torch.arange(float(n)) for n in size], indexing="ij"))
    label = torch.zeros(1, *size, dtype=torch.uint8)
    varied, _ = vary(places[None], label, elastic=tuple(elastic))
    shift = (places - varied[0])[:, 8:-8, 8:-8, 8:-8].flatten(1).std(dim=1)
    assert 1.0 < float(shift[axis]) < 4.0
    assert float(shift.sum() - shift[axis]) < 1e-3


def test_a_volume_of_one_slice_can_be_turned_in_its_plane():
    image, label = volumes(size=(8, 8, 1))
    varied, _ = vary(image, label, rotation=(0.0, 0.0, 0.5), translation=(1.0, 1.0, 0.0))
    assert bool(varied.isfinite().all())
    assert float(varied.abs().max()) > 0


def test_settings_say_whether_anything_moves():
    assert AugmentationSettings.from_dict({"flip": [0.5, 0, 0]}).moves
    assert not AugmentationSettings.from_dict({"noise": 0.1}).moves


def test_an_unknown_distribution_is_named():
    with pytest.raises(InputError, match="distribution is 'beta'; allowed: normal, uniform"):
        AugmentationSettings(distribution="beta")
