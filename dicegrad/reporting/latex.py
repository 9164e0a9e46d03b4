"""The paper's table in LaTeX, with booktabs."""

from dicegrad.reporting.layout import Cell, Row, Wide, shown_keys
from dicegrad.reporting.setups import look

_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{amsmath}
\usepackage{booktabs}
\usepackage[table]{xcolor}
\usepackage{graphicx}
\pagestyle{empty}
\begin{document}
"""


def to_latex(wide: Wide, caption: str) -> str:
    """The table as a LaTeX document (booktabs) that compiles on its own.

    A paper that `\\input`s only the table takes what lies between the two `% table` comments.
    """
    columns = "llrl"[: len(wide.heads)] + "r" * (2 * len(wide.groups) * len(wide.setups))
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *_latex_head(wide)]
    for number, (row, shown) in enumerate(zip(wide.rows, shown_keys(wide), strict=True)):
        if number and shown[0]:
            lines.append(r"\midrule")
        lines.append(_latex_row(row, shown))
    lines += [r"\bottomrule", r"\end{tabular}"]
    note = (
        r"\colorbox{yellow!35}{Highlighted}: theory expects empty maps. "
        r"\emph{Italic}: significantly inferior to the reference."
    )
    fit = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    return "\n".join(
        [
            _PREAMBLE + "% table begins",
            r"\begin{table}\centering",
            rf"\caption{{{_tex(caption)} {note}}}",
            fit,
            *lines,
            "}",
            r"\end{table}",
            "% table ends",
            "\\end{document}\n",
        ]
    )


def _latex_row(row: Row, shown: tuple[str, ...]) -> str:
    texts = [*map(_tex, shown), *map(_latex_cell, row.cells)]
    if row.quoted:
        texts = [rf"\textcolor{{gray}}{{{text}}}" if text else "" for text in texts]
    return " & ".join(texts) + r" \\"


def _latex_head(wide: Wide) -> list[str]:
    span, groups, first = len(wide.setups), len(wide.groups), len(wide.heads)
    each = span * groups
    rules = "".join(
        rf"\cmidrule(lr){{{first + 1 + i * span}-{first + (i + 1) * span}}}"
        for i in range(2 * groups)
    )
    names = [rf"\multicolumn{{{span}}}{{c}}{{{_tex(group)}}}" for group in wide.groups]
    metrics = [rf"\multicolumn{{{each}}}{{c}}{{{m}}}" for m in ("DSC", r"$\Delta V$ [ml]")]
    setups = [look(setup).latex for setup in wide.setups] * (2 * groups)
    blank = [""] * first
    heads = ["$B$" if head == "B" else head for head in wide.heads]
    return [
        " & ".join([*blank, *metrics]) + r" \\",
        " & ".join([*blank, *names, *names]) + r" \\",
        rules,
        " & ".join([*heads, *setups]) + r" \\",
        r"\midrule",
    ]


def _latex_cell(cell: Cell) -> str:
    text = f"${cell.text.replace('−', '-')}$" if cell.text != "–" else "--"
    if cell.italic:  # maths italics look like upright figures, so the number is set as text
        text = rf"\textit{{{cell.text.replace('−', '$-$')}}}"
    return rf"\cellcolor{{yellow!35}}{text}" if cell.highlighted else text


_TEX = {"\\": r"\textbackslash{}", "Δ": r"$\Delta$", "ε": r"$\epsilon$", "−": "--", "–": "--"}
_TEX |= {c: rf"\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\^{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}"}


def _tex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_TEX.get(character, character) for character in text)
