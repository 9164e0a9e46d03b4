import json
import subprocess
import sys
from pathlib import Path

import pytest

from dicegrad.training import native

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_benchmark_measures_a_demo_network_beside_monai_and_the_floor(tmp_path):
    words = ["heart", "--threads", "1", "--workers", "1", "--repeats", "1", "--steps", "2"]
    command = [
        sys.executable,
        str(BENCHMARKS / "training.py"),
        *words,
        "--json",
        str(tmp_path / "found.json"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads((tmp_path / "found.json").read_text())
    rows = {row["implementation"]: row for row in found["rows"]}
    assert {"dicegrad", "MONAI, no workers", "MONAI, 1 workers", "convolutions alone"} <= set(rows)
    assert all(row["steps_per_s"] > 0 and row["cpu_ms"] > 0 for row in rows.values())
    # 0.71 GFLOP a case: twice the multiplications of every convolution, three times over, but for
    # the image, which needs no gradient.
    assert found["heart"]["flops_per_step"] == pytest.approx(1.42e9, rel=0.01)


@pytest.mark.slow
@pytest.mark.skipif(native.library() is None, reason="the native code was not built")
def test_the_benchmark_of_layers_sets_the_native_code_beside_torchs():
    command = [sys.executable, str(BENCHMARKS / "layers.py"), "--repeats", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    head, of_kernels, *kernels = done.stdout.splitlines()
    assert "native code" in head
    assert of_kernels.endswith("ratio")
    assert len(kernels) == 8 + 1 + 4
    assert all(line.count(" ms") >= 2 for line in kernels if line.startswith("  "))
