"""Names as a user wrote them, made safe to print: no control characters, no markup."""

import re

from dicegrad.errors import visible

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "Δ": r"$\Delta$",
    "ε": r"$\epsilon$",
    "−": "$-$",
    "–": "--",
    **{character: rf"\{character}" for character in "&%$#_{}"},
}


def for_markdown(text: object) -> str:
    r"""A name as plain text of a Markdown table.

    Example:
        >>> print(for_markdown("a|b *c* <b>"))
        a\|b \*c\* &lt;b&gt;
    """
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", plain)


def for_figure(text: object) -> str:
    r"""A name for matplotlib, which would read what stands between two $ as a formula.

    Example:
        >>> print(for_figure("$x$"))
        \$x\$
    """
    return visible(text).replace("$", r"\$")


def for_latex(text: object) -> str:
    r"""A name with LaTeX's special characters escaped.

    Example:
        >>> print(for_latex("a_b & c"))
        a\_b \& c
    """
    return "".join(_TEX.get(character, character) for character in visible(text))
