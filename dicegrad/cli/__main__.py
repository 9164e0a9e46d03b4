"""`python -m dicegrad.cli` is `dicegrad`."""

import sys

from dicegrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
