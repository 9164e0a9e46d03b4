"""How setups look: their order, names, colours and line styles, the same in every output.

Colours are the paper's (I grey, BI blue, I_eps red) in shades that colour-blind readers can
tell apart (Okabe and Ito 2008), and every setup also has its own marker. The line style shows the
batch size, as in Figure 2.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

ORDER = ("I", "BI", "I_eps", "marginal", "leaf", "I+CE", "CE")
ADDED = "+CE"  # ends the name of a sum of Dice and cross-entropy
LineStyle = Literal["-", "--", "-.", ":"]
LINE_STYLES: dict[int, LineStyle] = {1: ":", 2: "-.", 4: "--", 8: "-"}


@dataclass(frozen=True)
class Look:
    """Colour (hex), marker and the three spellings of a setup's name."""

    colour: str
    marker: str
    text: str
    html: str
    latex: str


_LOOKS = {
    "I": Look("#767676", "o", "I", "I", r"$\mathrm{I}$"),
    "BI": Look("#0072B2", "s", "BI", "BI", r"$\mathrm{BI}$"),
    "I_eps": Look("#D55E00", "D", "I$_\\epsilon$", "I<sub>ε</sub>", r"$\mathrm{I}_\epsilon$"),
    "marginal": Look("#009E73", "^", "marginal", "marginal", "marginal"),
    "leaf": Look("#CC79A7", "v", "leaf", "leaf", "leaf"),
    "I+CE": Look("#56B4E9", "X", "I + CE", "I + CE", r"$\mathrm{I}$ + CE"),
    "CE": Look("#000000", "P", "CE", "CE", "CE"),
}
# Marker and brightness of setups that are told which maps are annotated.
_TOLD = {"ignored": ("d", 0.7), "marginal": ("p", 0.4)}
_SPARE = (("#E69F00", "P"), ("#56B4E9", "X"), ("#000000", "*"), ("#8C6D31", "h"))


def look(setup: str) -> Look:
    """How to draw and spell a setup; names beyond the paper's get spare colours.

    Example:
        >>> look("I_eps").html
        'I<sub>ε</sub>'
    """
    if setup in _LOOKS:
        return _LOOKS[setup]
    known, comma, how = setup.partition(",")
    if comma:  # told which maps are annotated
        like = look(known)
        spelt = [f"{name}, {how}" for name in (like.text, like.html, like.latex)]
        marker, brightness = _TOLD.get(how, ("*", 0.55))
        return Look(_darker(like.colour, brightness), marker, *spelt)
    if setup.endswith(ADDED):  # to Dice of another reduction or epsilon than I
        dice = look(setup.removesuffix(ADDED))
        spelt = [f"{name} + CE" for name in (dice.text, dice.html, dice.latex)]
        return Look(_spare(setup)[0], dice.marker, *spelt)
    base, _, index = setup.partition("_")
    number = index.removesuffix("eps")
    if number == index or not number:
        colour, marker = _spare(setup)
    else:
        colour, marker = _shade(float(number)), "D"
    tex = rf"\text{{{number}}}" * bool(number) + r"\epsilon" * index.endswith("eps")
    html = f"{base}<sub>{index.replace('eps', 'ε')}</sub>" if index else base
    latex = rf"$\mathrm{{{base}}}_{{{tex}}}$" if index else rf"$\mathrm{{{base}}}$"
    text = rf"{base}$_{{{number}\epsilon}}$" if index.endswith("eps") else setup.replace("_", " ")
    return Look(colour, marker, text, html, latex)


def _spare(setup: str) -> tuple[str, str]:
    """Colour and marker, always the same ones for a name."""
    return _SPARE[sum(setup.encode()) % len(_SPARE)]


def _darker(colour: str, brightness: float) -> str:
    """A colour that is told from its own, and still like it."""
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#{:02X}{:02X}{:02X}".format(*(round(brightness * channel) for channel in channels))


def is_plain_dice(setup: str) -> bool:
    """Whether a setup is the Dice loss alone, whatever its phi, epsilon and masks.

    Example:
        >>> is_plain_dice("BI,ignored"), is_plain_dice("I_eps"), is_plain_dice("I+CE")
        (True, True, False)
    """
    return bool(re.fullmatch(r"(I|CI|BI|BCI)(_[^+,]+)?(,.*)?", setup))


def _shade(multiple: float) -> str:
    """Colour of a multiple of the heuristic: from I's grey to I_eps' red at 1, darker above."""
    anchors = np.array([[0x76, 0x76, 0x76], [0xD5, 0x5E, 0x00], [0x4D, 0x1A, 0x00]])
    place = np.log10(multiple)
    mixed = [round(float(np.interp(place, [-4, 0, 2], channel))) for channel in anchors.T]
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def plain(setup: str) -> str:
    """A setup's name without any markup.

    Example:
        >>> plain("I_eps"), plain("I_0.1eps"), plain("I_eps+CE")
        ('Iε', 'I 0.1ε', 'Iε + CE')
    """
    spelt = setup.replace("eps", "ε").replace("+", " + ").replace(",", ", ")
    base, _, index = spelt.partition("_")
    return f"{base} {index}" if index[:1].isdigit() else base + index


def sort_setups(setups: Iterable[str]) -> list[str]:
    """Unique setups in the paper's order, others after them by name and size.

    Example:
        >>> sort_setups(["leaf", "I_eps", "I", "I_10eps", "I_2eps"])
        ['I', 'I_eps', 'leaf', 'I_2eps', 'I_10eps']
    """

    def place(setup: str) -> tuple[int, str, float, str]:
        known = setup.partition(",")[0]
        base, _, index = known.partition("_")
        number = re.match(r"[0-9.]+(e[-+]?[0-9]+)?", index)
        size = float(number[0]) if number else 0.0
        return (ORDER.index(known) if known in ORDER else len(ORDER), base, size, setup)

    return sorted(set(setups), key=place)


def line_style(batch_size: int) -> LineStyle:
    """The paper's line style of a batch size; solid for other sizes."""
    return LINE_STYLES.get(int(batch_size), "-")
