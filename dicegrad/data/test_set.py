"""A test set beside the cases for training: what of it is labelled, and that it is held out."""

from collections.abc import Sequence
from pathlib import Path

from dicegrad.data.adapter import Adapter, Case
from dicegrad.data.annotated import contradictions, format_classes, marked_by_table
from dicegrad.data.checks import find_problems
from dicegrad.data.copies import find_copies
from dicegrad.data.names import look_alikes
from dicegrad.data.volumes import read_volume
from dicegrad.errors import InputError


def labelled_test_cases(root: Path, adapter: Adapter) -> list[Case]:
    """The cases of the test set that have a label.

    Raises:
        InputError: The layout has no test set, no case of it is labelled, or a case is not named in
            groups.tsv.
    """
    if adapter.test is None:
        raise InputError(
            f"root {root}: test is true, but a folder of layout {adapter.name} has no test set; "
            "leave test out of the dataset file"
        )
    found = adapter.test(root)
    if found.problems:
        raise InputError(found.problems[0])
    cases = _labelled(found.cases)
    if not cases:
        raise InputError(
            f"root {root}: test is true, but no image of imagesTs has a label in labelsTs; put the "
            "labels there, or leave test out of the dataset file"
        )
    return cases


def problems_of_test_set(
    cases: Sequence[Case], known: Sequence[Case], adapter: Adapter, align: bool = False
) -> list[str]:
    """Lines on test cases that cannot be used, or are not held out.

    Args:
        cases: Of the test set, with their fingerprints.
        known: Of training, as `read_cases` gives them.
        adapter: Of both.
        align: See `find_problems`.

    Raises:
        InputError: A label map cannot be read.
    """
    lines = [*not_held_out(cases, known), *find_problems(cases, adapter, align)]
    if not lines:
        for case in cases:
            if case.annotated is not None:  # else there is nothing that its voxels could contradict
                voxels = read_volume(case.label).voxels
                lines += contradictions(case, voxels, adapter.class_values)
    return list(dict.fromkeys(lines))


def not_held_out(cases: Sequence[Case], known: Sequence[Case]) -> list[str]:
    """Lines on test cases whose subject, or one of whose images, is trained on.

    Args:
        cases: Of the test set.
        known: Of training.
    """
    subjects = {case.subject: case.case for case in known}
    names = (case.subject for case in (*known, *cases))
    copies = _copied_cases(cases, known)
    lines = [
        f"test case {case.case}: its subject {case.subject} is in imagesTr too (case "
        f"{subjects[case.subject]}); a test set is of other subjects: remove it from one of the two"
        for case in cases
        if case.subject in subjects
    ]
    lines += [
        f"test case {case.case}: has an image of the case {copies[case]} in imagesTr; remove it "
        "from one of the two"
        for case in cases
        if case in copies and case.subject not in subjects
    ]
    return [*lines, *look_alikes("subject", names)]


def _copied_cases(cases: Sequence[Case], known: Sequence[Case]) -> dict[Case, str]:
    """The test cases that have an image of a training case, and its name."""
    # The digests first: the training images themselves may be on another machine.
    contents = {images: case.case for case in known if (images := _digests(case))}
    found = {case: contents[images] for case in cases if (images := _digests(case)) in contents}
    tested, trained = set(cases), set(known)
    for copy in find_copies([*known, *cases]):
        if copy.case in tested and copy.other in trained:
            found.setdefault(copy.case, copy.other.case)
    return found


def _digests(case: Case) -> str:
    """Of the images of a case, without its label; empty where none are known."""
    return case.fingerprint.partition("-")[2]


def lines_on_leaks(root: Path, adapter: Adapter, known: Sequence[Case]) -> list[str]:
    """What keeps the labelled cases of a test set, if there is one, from being held out."""
    cases = _labelled(_found(root, adapter))
    return not_held_out(cases, known) if cases else []


def marks_of_training(root: Path, adapter: Adapter, named: str | None) -> dict[str, str] | None:
    """What the table of what was annotated says of the cases for training, without a test set's.

    Args:
        root: The dataset's folder.
        adapter: Of the dataset.
        named: The table that its file names, if it names one.

    Returns:
        Case -> cell, of the cases that are not annotated for all; None where there is none.

    Raises:
        InputError: See `marked_by_table`.
    """
    cases, _ = marked_by_table(adapter.scan(root).cases, root, named, adapter)
    marks = {c.case: format_classes(c.annotated) for c in cases if c.annotated is not None}
    return marks or None


def marked_test_cases(
    root: Path, adapter: Adapter, named: str | None
) -> tuple[list[Case], str | None]:
    """The labelled cases of a test set, if there is one, as `marked_by_table` gives them.

    Args:
        root: The dataset's folder.
        adapter: Of the dataset.
        named: The table that its file names, if it names one.

    Raises:
        InputError: See `marked_by_table`.
    """
    cases = _labelled(_found(root, adapter))
    if not cases:
        return [], None
    return marked_by_table(cases, root, named, adapter, "test cases")


def line_on_test_set(root: Path, adapter: Adapter) -> str:
    """What `dicegrad check` says of a test set; empty where there is none."""
    found = _found(root, adapter)
    if not found:
        return ""
    count = len(_labelled(found))
    use = (
        "never trained on; `test: true` in the dataset file scores a study on them"
        if count
        else "not used, since a study scores what has labels; `dicegrad predict` segments them"
    )
    return f"{root / 'imagesTs'}: {len(found)} images, {count} with a label in labelsTs: {use}"


def _found(root: Path, adapter: Adapter) -> Sequence[Case]:
    """The cases of a test set; none where the layout has no test set."""
    return adapter.test(root).cases if adapter.test else ()


def _labelled(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.label.is_file()]
