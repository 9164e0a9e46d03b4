"""What all tests share."""

import os

from hypothesis import settings

# A slow machine is no fault, and continuous integration asks the same questions every time.
settings.register_profile("dicegrad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("dicegrad")
