"""How setups look: their order, names, colours and line styles, the same in every output.

Colours are the paper's (I grey, BI blue, I_eps red) in shades that stay apart for colour-blind
readers (Okabe and Ito 2008), and every setup has a marker of its own besides. The line style tells
the batch size, as in Figure 2.
"""

from collections.abc import Iterable
from dataclasses import dataclass

ORDER = ("I", "BI", "I_eps", "marginal", "leaf")
LINE_STYLES = {1: ":", 2: "-.", 4: "--", 8: "-"}


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
}
_SPARE = (("#E69F00", "P"), ("#56B4E9", "X"), ("#000000", "*"), ("#8C6D31", "h"))


def look(setup: str) -> Look:
    """How to draw and spell a setup; names beyond the paper's get spare colours.

    Example:
        >>> look("I_eps").html
        'I<sub>ε</sub>'
    """
    if setup in _LOOKS:
        return _LOOKS[setup]
    colour, marker = _SPARE[sum(setup.encode()) % len(_SPARE)]
    base, _, index = setup.partition("_")
    index_html, index_tex = ("ε", r"\epsilon") if index == "eps" else (index, rf"\text{{{index}}}")
    html = f"{base}<sub>{index_html}</sub>" if index else base
    latex = rf"$\mathrm{{{base}}}_{{{index_tex}}}$" if index else rf"$\mathrm{{{base}}}$"
    text = rf"{base}$_{{\epsilon}}$" if index == "eps" else setup.replace("_", " ")
    return Look(colour, marker, text, html, latex)


def sort_setups(setups: Iterable[str]) -> list[str]:
    """Unique setups in the paper's order, others after them by name.

    Example:
        >>> sort_setups(["leaf", "I_eps", "I", "CI"])
        ['I', 'I_eps', 'leaf', 'CI']
    """
    return sorted(set(setups), key=lambda s: (ORDER.index(s) if s in ORDER else len(ORDER), s))


def line_style(batch_size: int) -> str:
    """The paper's line style of a batch size; solid for sizes it has not."""
    return LINE_STYLES.get(int(batch_size), "-")
