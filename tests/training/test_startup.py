"""What is imported decides how long every job of a study takes to start, and where it can run."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys

HEAVY = {"torch", "pandas", "SimpleITK", "nibabel", "scipy", "seaborn", "matplotlib", "monai"}
found = {}
for module in ("dicegrad.cli", "dicegrad.study", "dicegrad.logs"):
    __import__(module)
found["front"] = sorted(HEAVY & set(sys.modules))
for module in ("dicegrad.training.loop", "dicegrad.training.experiment"):
    __import__(module)
found["training"] = sorted(HEAVY & set(sys.modules))
print(json.dumps(found))
"""


def test_training_starts_with_torch_and_numpy_alone_and_the_command_line_without():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"front": [], "training": ["torch"]}
