"""Builds the Cython extensions: every native/<name>.pyx becomes understudy.native.<name>."""

import os
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

# make sanitize sets these; a plain build leaves them empty.
SANITIZE = os.environ.get("UNDERSTUDY_SANITIZE", "").split()

# An editable install compiles every kernel anew, one after the other: whoever builds them with build_ext anyway leaves them out there.
WITHOUT_KERNELS = bool(os.environ.get("UNDERSTUDY_WITHOUT_KERNELS"))

VIEWS = "understudy.native.views"
"""Cython's own code for memoryviews, once: two thirds of what each kernel would have to compile."""


def extension(name: str, source: Path) -> Extension:
    return Extension(
        name,
        [str(source)],
        include_dirs=[numpy.get_include(), "native"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=["-O3", "-g0", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-function", *SANITIZE],
        extra_link_args=["-ldl", *SANITIZE],
    )


kernels = [extension(f"understudy.native.{path.stem}", path) for path in sorted(Path("native").glob("*.pyx"))]

setup(
    ext_modules=cythonize(
        [] if WITHOUT_KERNELS else [*kernels, extension(VIEWS, Path("native/views.c"))],
        include_path=["src"],
        shared_utility_qualified_name=VIEWS,
        language_level=3,
        compiler_directives={"boundscheck": False, "wraparound": False, "cdivision": True, "embedsignature": True},
        annotate=bool(os.environ.get("UNDERSTUDY_ANNOTATE")),
    ),
)
