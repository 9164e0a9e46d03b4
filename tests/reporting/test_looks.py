from itertools import combinations

from dicegrad.reporting.looks import ORDER, line_style, look, plain, sort_setups


def test_setups_come_in_the_papers_order():
    assert sort_setups(["leaf", "CI", "BI", "I_eps", "I", "I"]) == [
        "I",
        "BI",
        "I_eps",
        "leaf",
        "CI",
    ]


def luminance_and_hue(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_every_setup_has_a_colour_and_a_marker_of_its_own():
    for a, b in combinations(ORDER, 2):
        assert look(a).marker != look(b).marker
        distance = sum(
            abs(x - y)
            for x, y in zip(
                luminance_and_hue(look(a).colour), luminance_and_hue(look(b).colour), strict=True
            )
        )
        assert distance > 90


def test_a_setup_told_what_is_annotated_is_drawn_like_its_own_and_told_apart():
    for setup in ORDER:
        drawn = [look(f"{setup}{how}") for how in ("", ",ignored", ",marginal")]
        assert len({each.marker for each in drawn}) == 3
        if setup != "CE":  # black has nothing darker
            assert len({each.colour for each in drawn}) == 3


def test_unknown_setups_are_spelt_and_drawn():
    assert look("BCI_eps").html == "BCI<sub>ε</sub>"
    assert look("I_8789").html == "I<sub>8789</sub>"
    assert look("CI").latex == r"$\mathrm{CI}$"
    assert look("CI") == look("CI")


def test_multiples_of_the_heuristic_shade_from_grey_to_red_and_are_spelt():
    assert look("I_0.1eps").html == "I<sub>0.1ε</sub>"
    assert look("I_0.1eps").latex == r"$\mathrm{I}_{\text{0.1}\epsilon}$"
    assert look("I_1eps").colour == look("I_eps").colour
    colours = [look(f"I_{multiple}eps").colour for multiple in ("0.001", "0.01", "0.1", "1", "10")]
    assert len(set(colours)) == 5
    assert sort_setups(["I_10eps", "I_2eps", "I_0.1eps"]) == ["I_0.1eps", "I_2eps", "I_10eps"]


def test_a_sum_with_cross_entropy_is_spelt_as_one():
    assert (look("I+CE").html, plain("I+CE")) == ("I + CE", "I + CE")
    assert look("I_eps+CE").html == "I<sub>ε</sub> + CE"
    assert look("BI_0.1eps+CE").latex == look("BI_0.1eps").latex + " + CE"
    assert plain("I_0.1eps+CE") == "I 0.1ε + CE"
    assert sort_setups(["CE", "BI+CE", "I+CE", "leaf", "I"]) == ["I", "leaf", "I+CE", "CE", "BI+CE"]


def test_line_styles_tell_the_batch_size():
    assert [line_style(b) for b in (1, 2, 4, 8, 16)] == [":", "-.", "--", "-", "-"]
