"""How the marks of a table look, in the CSS that pandas' Styler translates for every format."""

TITLES = {"dsc": "DSC", "delta_volume_ml": "ΔV [ml]"}
_CSS = {
    "italic": "font-style: italic",
    "highlighted": "background-color: #FFE3A8",
    "quoted": "color: #666666",
}


def css(marks: str) -> str:
    """The marks of a cell, `italic highlighted`, as CSS."""
    return "; ".join(_CSS[mark] for mark in marks.split())
