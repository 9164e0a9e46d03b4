"""What all tests share."""

import os

import pytest
from hypothesis import settings

from dicegrad.data.adapters import get_adapter
from dicegrad.data.cases import summary
from dicegrad.errors import InputError

# A slow machine is no fault, and continuous integration asks the same questions every time.
settings.register_profile("dicegrad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("dicegrad")


def refusal(function, *arguments):
    """The one line that a call is refused with."""
    with pytest.raises(InputError) as error:
        function(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def find_cases(adapter, root):
    """The cases of a dataset, as rule `cases` finds them; the first problem is raised."""
    found = get_adapter(adapter, root).scan(root)
    if found.problems:
        raise InputError(summary(found.problems))
    return list(found.cases)


def raw_files(adapter, root):
    """The files that a study of a dataset reads, as the workflow lists them."""
    return get_adapter(adapter, root).files(root)
