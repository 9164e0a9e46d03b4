import pytest

from dicegrad.errors import InputError
from dicegrad.study.regions import check_loss, check_regions, overlap

REGIONS = {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}


def test_classes_overlap_if_two_have_a_label_value_in_common():
    assert overlap(REGIONS)
    assert not overlap({"core": (2, 3), "edema": (1,)})
    check_regions("here", REGIONS, ["soft_volumes"])


@pytest.mark.parametrize(
    ("values", "released", "says"),
    [
        ({"a": (1, 2), "b": (2, 1)}, [], "classes a and b have the same label values"),
        ({f"c{n}": (n, 9) for n in range(8)}, [], "8 classes, .* at most 7 can"),
        (REGIONS, ["loss_scale"], "released has loss_scale, which is about the background"),
    ],
)
def test_regions_that_cannot_be_trained_are_refused(values, released, says):
    with pytest.raises(InputError, match=f"^here: {says}"):
        check_regions("here", values, released)


@pytest.mark.parametrize(
    ("loss", "unannotated"),
    [("marginal_ce", "as_empty"), ("leaf", "as_empty"), ("dice", "marginal")],
)
def test_losses_that_need_a_background_are_refused(loss, unannotated):
    with pytest.raises(InputError, match=r"needs a background, .* take one of dice, dice_ce, "):
        check_loss(loss, unannotated)
    check_loss("dice", "ignored")
