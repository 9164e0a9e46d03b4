import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicegrad.data.adapter import Adapter, Case, Scan
from dicegrad.planning.fingerprint import Facts, Fingerprint
from dicegrad.planning.grids import GridPlan, background_share, network_block, plan_grid
from dicegrad.planning.on_grid import preprocessing_block
from dicegrad.training.network import NetworkSettings


def known(*images, reach=0.4, side=0.0, adapter=None):
    """A fingerprint of images of a (size, spacing).

    Labels reach a share of it to both sides of a point that lies another share off the middle of x.
    """
    facts = []
    for number, (size, spacing) in enumerate(images):
        case = Case(f"c{number}", f"c{number}", "all", (Path("i"),), Path("l"))
        middle = (side * size[0], 0.0, 0.0)
        low = tuple(m - reach * n for m, n in zip(middle, size, strict=True))
        high = tuple(m + reach * n for m, n in zip(middle, size, strict=True))
        facts.append(Facts(case, size, spacing, (100,), low, high))
    return Fingerprint(Path("root"), adapter, ("organ",), tuple(facts), ())


def test_small_images_keep_their_voxels_and_the_grid_holds_the_labels():
    grid = plan_grid(known(((40, 56, 48), (1.0, 1.0, 1.0))), 150_000)
    assert grid.written == [1.0, 1.0, 1.0]
    assert all(length >= 0.8 * n for length, n in zip(grid.size, (40, 56, 48), strict=True))
    assert grid.pools == ((2, 2, 2),) * 3
    assert grid.kernels == ((3, 3, 3), (3, 3, 3))


@pytest.mark.parametrize(
    ("values", "share"),
    [({"edema": (1,), "core": (2,)}, 0.55), ({"whole": (1, 2), "core": (2,)}, 0.7)],
    ids=["exclusive", "core within whole"],
)
def test_background_is_what_no_class_covers(values, share):
    case = Case("c", "c", "all", (Path("i"),), Path("l"))
    facts = Facts(case, (10, 10, 10), (1.0, 1.0, 1.0), (300, 150), (0.0,) * 3, (5.0,) * 3)
    adapter = Adapter("nnunet", ("MR",), ("all",), values, lambda root: Scan(()), lambda r: [])
    data = Fingerprint(Path("root"), adapter, tuple(values), (facts,), ())
    size, mm, kernels = (10, 10, 10), (1.0, 1.0, 1.0), ((3, 3, 3), (3, 3, 3))
    grid = GridPlan(mm, (False,) * 3, size, (0.0,) * 3, ((2, 2, 2),), kernels, 1.0)
    assert background_share(data, grid) == share


def test_thick_slices_are_kept_and_pooled_late():
    grid = plan_grid(known(((256, 256, 10), (1.5, 1.5, 10.0))), 1_000_000)
    assert grid.written == [1.5, 1.5, "native"]
    assert grid.pools[:2] == ((2, 2, 1), (2, 2, 1))
    assert grid.kernels == ((3, 3, 3), (3, 3, 1))


def test_a_large_ct_gets_a_coarse_grid_that_fits():
    grid = plan_grid(known(((512, 512, 90), (0.8, 0.8, 5.0))), 500_000)
    assert grid.voxels <= 500_000
    assert grid.coarser > 1
    x, y, _ = grid.written
    assert x == y > 0.8


@pytest.mark.parametrize(
    ("size", "label"), [((40, 56, 48), "distance"), ((512, 512, 90), "linear")]
)
def test_labels_of_millions_of_voxels_are_not_resampled_by_distance(size, label):
    adapter = Adapter("nnunet", ("MRI",), ("all",), {"organ": (1,)}, lambda r: Scan(()), list)
    of = known((size, (1.0, 1.0, 1.0)), adapter=adapter)
    assert preprocessing_block(of, plan_grid(of, 150_000))["label"] == label


def test_slices_of_two_distances_are_each_kept():
    images = [((200, 200, 18), (1.5, 1.5, 5.0)), ((200, 200, 9), (1.5, 1.5, 10.0))]
    grid = plan_grid(known(*images, *images[1:] * 3), 10**6)
    assert grid.written[2] == "native"
    assert grid.size[2] >= 0.8 * 18


def test_a_picture_of_one_slice_is_never_pooled_along_it():
    grid = plan_grid(known(((128, 128, 1), (1.0, 1.0, 1.0)), reach=0.5), 10**6)
    assert grid.size[2] == 1
    assert all(pool[2] == 1 for pool in grid.pools)


def test_an_organ_on_one_side_gets_a_grid_on_that_side():
    images = [((512, 512, 100), (0.8, 0.8, 5.0))]
    aside = plan_grid(known(*images, reach=0.1, side=0.3), 10**6)
    assert aside.offset == pytest.approx((0.3 * 512 * 0.8, 0, 0), abs=0.1)
    assert aside.size[0] * aside.spacing[0] < 0.4 * 512 * 0.8
    assert plan_grid(known(*images, reach=0.4, side=0.02), 10**6).offset == (0, 0, 0)


@given(
    st.tuples(*[st.integers(8, 200)] * 3),
    st.tuples(*[st.floats(0.3, 8)] * 3),
    st.floats(0.05, 0.3),
    st.floats(-0.2, 0.2),
    st.sampled_from([50_000, 400_000]),
)
def test_every_grid_holds_the_labels_can_be_pooled_and_is_as_small_as_asked(
    size, spacing, reach, side, most
):
    grid = plan_grid(known((size, spacing), reach=reach, side=side), most)
    for axis in range(3):
        half = grid.size[axis] * grid.spacing[axis] / 2
        middle = side * size[0] * spacing[0] if axis == 0 else 0.0
        far = reach * size[axis] * spacing[axis]
        assert grid.offset[axis] - half <= middle - far + 0.1
        assert grid.offset[axis] + half >= middle + far - 0.1
    settings = NetworkSettings.from_dict(network_block(grid, 8), 1, 1)
    settings.check_size(grid.size, "grid")
    assert math.prod(grid.size) <= most or max(grid.size) <= 8
