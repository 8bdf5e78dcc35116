"""Build the Cython extensions; everything else about the package stands in ``pyproject.toml``.

Every ``sm_gllamm/**/*.pyx`` becomes one extension module. The integration kernel exists several
times: ``engine/_kernel_base.pyx``, ``_kernel_v3.pyx`` and ``_kernel_v4.pyx`` include the same text
and are compiled for the plain machine and for two levels of x86-64, so that one installation runs
well on every processor (the engine picks one when it is imported).

Environment
-----------
SM_GLLAMM_KERNELS : comma-separated subset of ``base,v3,v4``
    Build only these copies of the kernel. For developers who want a short build.
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# The build is run from the project's root (build front ends guarantee it); paths stay relative,
# because setuptools refuses absolute ones in the list of sources.
PACKAGE = Path("sm_gllamm")
KERNEL_ROOMS = (PACKAGE / "engine", PACKAGE / "responses")
KERNEL_PREFIX = "_kernel_"
INCLUDED = [
    str(path)
    for room in KERNEL_ROOMS
    for path in sorted(room.iterdir())
    if path.suffix in (".pxi", ".pxd", ".h")
]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}

# No -ffast-math: it removes the tests for infinity that a likelihood needs, and flushes subnormals
# in the user's whole process. The two -fno flags allow vectorised exp() without changing a result.
# Debugging symbols (Python's own flags ask for them) would make the files seven times as large.
GNU_FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-g0"]
MSVC_FLAGS = ["/O2"]
INSTRUCTION_SETS = {
    "base": [],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}


def has_instruction_sets():
    """Whether the copies of the kernel for newer x86-64 processors can be built here."""
    # get_platform, not platform.machine: it knows the target of a cross build.
    target = sysconfig.get_platform()
    crossing = "arm64" in os.environ.get("ARCHFLAGS", "")
    return target.endswith(("x86_64", "amd64")) and sys.platform != "win32" and not crossing


def wanted_kernels():
    """Names of the copies of the kernel to build."""
    available = set(INSTRUCTION_SETS) if has_instruction_sets() else {"base"}
    chosen = os.environ.get("SM_GLLAMM_KERNELS")
    if not chosen:
        return available
    names = {name.strip() for name in chosen.split(",")}
    if unknown := names - set(INSTRUCTION_SETS):
        raise SystemExit(f"SM_GLLAMM_KERNELS: unknown {sorted(unknown)}; use base, v3, v4")
    return names & available


def extension(source, kernel=None):
    """One extension module; `kernel` names the instruction set of a copy of the kernel."""
    windows = sys.platform == "win32"
    flags = MSVC_FLAGS if windows else GNU_FLAGS + INSTRUCTION_SETS[kernel or "base"]
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        include_dirs=[str(room) for room in KERNEL_ROOMS],
        libraries=["m"] if sys.platform.startswith("linux") else [],
        extra_compile_args=flags,
        depends=INCLUDED,
        # A compiler too old for an instruction set must not stop the installation: base remains.
        optional=kernel in ("v3", "v4"),
    )


def extensions():
    """All extension modules of the package."""
    found = []
    for source in sorted(PACKAGE.rglob("*.pyx")):
        kernel = None
        if source.stem.startswith(KERNEL_PREFIX):
            kernel = source.stem.removeprefix(KERNEL_PREFIX)
            if kernel not in wanted_kernels():
                continue
        found.append(extension(source, kernel))
    # Longest first, so that two compilers running side by side finish together.
    return sorted(found, key=lambda ext: KERNEL_PREFIX not in ext.name)


setup(
    ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, build_dir="build/cython"),
    options={"build_ext": {"parallel": 2}},
)
