"""Absences that look like labels nobody drew, each with a test and its size."""

from collections.abc import Sequence
from dataclasses import dataclass

from dicegrad.advice.audit_types import Flag, Map

_LEVEL = 0.01  # of a group's test, after Holm's correction
_FAR_RARER = 0.1  # odds ratio from which a group that has the class now and then is told as well
_NEARLY_ALWAYS = 0.95
_LEVEL_OF_CASES = 0.05


@dataclass(frozen=True)
class _Test:
    flag: Flag
    p: float


def find_flags(maps: Sequence[Map], classes: Sequence[str]) -> list[Flag]:
    """Test every class in every group.

    Two kinds of absence are found. A class that a group never has, or ten times as rarely in odds
    as the others (Fisher's exact test, one-sided, level 0.01). And a class that is absent from a
    few cases where all others that have its neighbours have it (the predictive probability of one
    absence after n presences, 1 / (n + 2), level 0.05). Both are corrected by Holm's method over
    all tests of their kind.

    Args:
        maps: Every class of every case; those that are not annotated are left out.
        classes: The classes.
    """
    looked = [each for each in maps if each.annotated]
    groups = sorted({each.group for each in looked if each.group is not None})
    tests = [
        test
        for name in classes
        for group in groups
        if (test := _group_test(looked, name, group)) is not None
    ]
    flags = _holm(tests, _LEVEL)
    told = {(flag.name, flag.group) for flag in flags}
    places: list[str | None] = [*groups] if groups else [None]
    few = [
        test
        for name in classes
        for group in places
        if (name, group) not in told and (test := _case_test(looked, name, group)) is not None
    ]
    return flags + _holm(few, _LEVEL_OF_CASES)


def _group_test(maps: Sequence[Map], name: str, group: str) -> _Test | None:
    from scipy.stats import fisher_exact

    own = [each.voxels > 0 for each in maps if each.name == name and each.group == group]
    rest = [each.voxels > 0 for each in maps if each.name == name and each.group != group]
    if not own or not any(rest):
        return None
    a, b, c, d = sum(own), len(own) - sum(own), sum(rest), len(rest) - sum(rest)
    p = float(fisher_exact([[a, b], [c, d]], alternative="less").pvalue)
    # Half a case in each field keeps the odds finite where one is empty (Haldane).
    odds = (a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))
    if a > 0 and odds >= _FAR_RARER:
        return _Test(_no_flag(name, group), p)
    how = "never there" if a == 0 else "far rarer"
    reason = (
        f"{how}: filled in {a} of {len(own)} cases of {group}, in {c} of {len(rest)} of the others"
    )
    size = c / len(rest) - a / len(own)
    return _Test(Flag(name, group, reason, "Fisher's exact test", p, p, size), p)


def _no_flag(name: str, group: str) -> Flag:
    """Counts as a test for Holm's method, but is not reported: the size is too small."""
    return Flag(name, group, "", "Fisher's exact test", 1.0, 1.0, 0.0)


def _case_test(maps: Sequence[Map], name: str, group: str | None) -> _Test | None:
    """A class that is absent from few cases although a neighbour is there."""
    here = [each for each in maps if group is None or each.group == group]
    present: dict[str, set[str]] = {}
    for each in here:
        if each.voxels > 0:
            present.setdefault(each.case, set()).add(each.name)
    own = [each for each in here if each.name == name and present.get(each.case, set()) - {name}]
    absent = sorted(each.case for each in own if each.voxels == 0)
    there = len(own) - len(absent)
    if not absent or there < _NEARLY_ALWAYS * len(own):
        return None
    p = 1 / (there + 2)
    shown = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
    reason = (
        f"absent where its neighbours are there: {shown}; "
        f"filled in {there} of {len(own)} cases with another class"
    )
    flag = Flag(
        name, group, reason, "predictive probability", p, p, there / len(own), tuple(absent)
    )
    return _Test(flag, p)


def _holm(tests: Sequence[_Test], level: float) -> list[Flag]:
    """The flags that stand after Holm's correction, in the order of the tests."""
    adjusted: dict[int, float] = {}
    largest = 0.0
    ranked = sorted(range(len(tests)), key=lambda i: tests[i].p)
    for rank, i in enumerate(ranked):
        largest = max(largest, min(1.0, tests[i].p * (len(tests) - rank)))
        adjusted[i] = largest
    return [
        test.flag.with_p(adjusted[i])
        for i, test in enumerate(tests)
        if test.flag.reason and adjusted[i] < level
    ]
