"""An audit as text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dicegrad.advice.audit_types import Counts
from dicegrad.errors import visible

if TYPE_CHECKING:
    from dicegrad.advice.audit import Audit

_HEADER = ("class", "group", "filled", "empty", "not annotated", "voxels (range)", "ml", "epsilon")


def describe(found: "Audit") -> str:
    """A table of the counts, then the flags and what nnU-Net will make of it."""
    rows: list[tuple[str, ...]] = [_HEADER]
    for name, counts in found.classes.items():
        rows.append(_row(name, "all" if found.groups else "", counts))
        for group, classes in found.groups.items():
            rows.append(_row("", group, classes[name]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    keep = [i for i in range(len(_HEADER)) if i != 1 or found.groups]
    lines = [
        "  ".join(row[i].ljust(widths[i]) if i < 2 else row[i].rjust(widths[i]) for i in keep)
        for row in rows
    ]
    title = visible(f"{found.source}: {found.cases} label maps")
    if found.without_map:
        title += f"; {found.without_map} cases of the table have none and count as not annotated"
    lines = [title, "", *lines, ""]
    lines += [*(visible(note) for note in found.notes), ""] if found.notes else []
    lines += [_epsilon_note(found.classes)] if any(c.filled for c in found.classes.values()) else []
    if found.flags:
        lines += ["", "suspicious absences: drawn, or only not there?"]
        for flag in found.flags:
            where = f"{flag.name} in {flag.group}" if flag.group else flag.name
            lines.append(
                f"  {visible(where)}: {flag.reason} ({flag.test}, p = {flag.p_holm:.2g} after Holm)"
            )
    else:
        lines += ["", "no suspicious absence"]
    if found.plans:
        lines += ["", "what nnU-Net will learn:", *(f"  {visible(line)}" for line in found.plans)]
    return "\n".join(lines)


def _row(name: str, group: str, counts: Counts) -> tuple[str, ...]:
    numbers = (str(n) for n in (counts.filled, counts.empty, counts.not_annotated))
    voxels = ml = "-"
    if counts.volumes.voxels and counts.volumes.ml:
        v, m = counts.volumes.voxels, counts.volumes.ml
        voxels = f"{v['median']:,.0f} ({v['min']:,.0f} to {v['max']:,.0f})"
        ml = f"{m['median']:.3g} ({m['min']:.2g} to {m['max']:.3g})"
    epsilon = f"{counts.epsilon_heuristic:,.0f}" if counts.epsilon_heuristic else "-"
    return (visible(name), visible(group), *numbers, voxels, ml, epsilon)


def _epsilon_note(classes: Mapping[str, Counts]) -> str:
    parts = []
    for name, counts in classes.items():
        if counts.overtakes:
            small = ", ".join(f"{v:.2g} ({e})" for e, v in counts.overtakes.items())
            parts.append(f"{visible(name)} {small}")
    return (
        "epsilon: the heuristic, mean voxels of annotated maps (on the grid of the label maps).\n"
        "An empty map is pushed harder than a filled one once fewer voxels are predicted in it "
        f"than sqrt(4 V epsilon): {'; '.join(parts)}"
    )
