"""Scripts that use Triton, each in a process of its own.

Whether Triton interprets kernels on the CPU or compiles them has to be chosen before its import.
"""

import os
import subprocess
import sys
import textwrap

import pytest


def said(script, folder, interpreted):
    """Run a script, with Triton's cache in a folder, and return what it printed.

    Where it failed, that is the end of its error.
    """
    pytest.importorskip("triton", reason="triton is not installed (pip install triton)")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(folder)}
    environment["TRITON_INTERPRET"] = "1" if interpreted else "0"
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr[-2000:]
