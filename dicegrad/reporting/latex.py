"""The paper's table in LaTeX, with booktabs."""

import pandas as pd

from dicegrad.reporting.layout import Cell, Wide, widen
from dicegrad.reporting.setups import look
from dicegrad.reporting.tables import Datasets

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


def to_latex(table: pd.DataFrame, datasets: Datasets, caption: str) -> str:
    """The wide table as a LaTeX document (booktabs) that compiles on its own.

    A paper that `\\input`s only the table takes what lies between the two `% table` comments.
    """
    wide = widen(table, datasets)
    span = len(wide.setups)
    blocks = 2 * len(wide.groups)
    lines = [r"\begin{tabular}{ll" + "r" * (1 + blocks * span) + "}", r"\toprule"]
    lines += _latex_head(wide)
    last = None
    for keys, cells in wide.rows:
        if last not in (None, keys[0]):
            lines.append(r"\midrule")
        shown = ("" if keys[0] == last else keys[0], *keys[1:])
        last = keys[0]
        lines.append(" & ".join([*map(_tex, shown), *map(_latex_cell, cells)]) + r" \\")
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


def _latex_head(wide: Wide) -> list[str]:
    span, groups = len(wide.setups), len(wide.groups)
    each = span * groups
    rules = "".join(
        rf"\cmidrule(lr){{{4 + i * span}-{3 + (i + 1) * span}}}" for i in range(2 * groups)
    )
    names = [rf"\multicolumn{{{span}}}{{c}}{{{_tex(group)}}}" for group in wide.groups]
    metrics = [rf"\multicolumn{{{each}}}{{c}}{{{m}}}" for m in ("DSC", r"$\Delta V$ [ml]")]
    setups = [look(setup).latex for setup in wide.setups] * (2 * groups)
    return [
        " & ".join(["", "", "", *metrics]) + r" \\",
        " & ".join(["", "", "", *names, *names]) + r" \\",
        rules,
        " & ".join(["Dataset", "Labeling", "$B$", *setups]) + r" \\",
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
