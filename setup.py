"""The one part that pyproject.toml cannot say: how the native code of the losses is compiled.

It is optional: without a compiler the package installs all the same and computes with torch.
"""

import os

from setuptools import Extension, setup

FOLDER = "dicegrad/losses"

# Loaded with ctypes, it uses nothing of Python: one library serves every version. OpenMP's library
# is not needed either, only its word for loops that the compiler may vectorise.
NATIVE = Extension(
    "dicegrad.losses._native",
    [f"{FOLDER}/native.c"],
    depends=[f"{FOLDER}/native_{part}.h" for part in ("kernel", "labels", "level")],
    extra_compile_args=[
        "-std=gnu11",
        "-O3",
        "-pthread",
        "-fopenmp-simd",
        "-fno-math-errno",
        "-fno-trapping-math",
    ],
    extra_link_args=["-pthread"],
    optional=True,
    py_limited_api=True,
)

setup(
    ext_modules=[NATIVE] if os.name == "posix" else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
