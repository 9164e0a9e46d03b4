"""What all tests share."""

import os

import pytest
from hypothesis import settings

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
