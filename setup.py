"""The one part that pyproject.toml cannot say: how the native code is compiled.

It is optional: without a compiler the package installs all the same and computes with torch.
"""

import os

from setuptools import Extension, setup

HEADERS = {
    "dicegrad/losses": ["kernel", "labels", "level"],
    "dicegrad/training": ["level", "convolution", "norm"],
}
SHARED = ["dicegrad/losses/native_work.h", "dicegrad/losses/native_levels.h"]


def native(folder: str) -> Extension:
    """The native code of a package.

    Loaded with ctypes, it uses nothing of Python: one library serves every version. Nor is OpenMP's
    library needed, only its word for loops that the compiler may vectorise.
    """
    return Extension(
        f"{folder.replace('/', '.')}._native",
        [f"{folder}/native.c"],
        depends=[*SHARED, *(f"{folder}/native_{part}.h" for part in HEADERS[folder])],
        extra_compile_args=[
            "-std=gnu11",
            "-O3",
            "-pthread",
            "-fopenmp-simd",
            "-fno-math-errno",
            "-fno-trapping-math",
        ],
        extra_link_args=["-pthread", "-lm"],
        optional=True,
        py_limited_api=True,
    )


setup(
    ext_modules=[native(folder) for folder in HEADERS] if os.name == "posix" else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
