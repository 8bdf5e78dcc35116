"""Build the Cython extensions; everything else about the package stands in ``pyproject.toml``.

Every ``sm_gllamm/**/*.pyx`` becomes one extension module. ``engine/_dispatch.pxi``, which calls the
density of a row by its code, is written from the table in ``responses/densities.py``. The integration
kernel exists several times: ``engine/_kernel_base.pyx``, ``_kernel_v3.pyx`` and ``_kernel_v4.pyx``
include the same text and are compiled for the plain machine and for two levels of x86-64, so that one
installation runs well on every processor (the engine picks one when it is imported).

Environment
-----------
SM_GLLAMM_KERNELS : comma-separated subset of ``base,v3,v4``
    Build only these copies of the kernel. For developers who want a short build.
"""

import ast
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
DENSITIES = PACKAGE / "responses" / "densities.py"
DISPATCH = PACKAGE / "engine" / "_dispatch.pxi"

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
FORCED = {False: "inline __attribute__((always_inline))", True: "__forceinline"}
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


#: Members of a Density by number of slots, in the order in which the kernel stores them.
STORED = [("g", "h"), ("g1", "h1", "h11"), ("g2", "h2", "h12", "h22"), ("g3", "h3", "h13", "h23", "h33")]

DISPATCH_TEXT = """# Written by setup.py from responses/densities.py: calls the density of a row by its code.
{cimports}


cdef void density_values(int code, double y, double m, double e, double w, const double *t,
                         in_ptr nu, int k, out_ptr acc) noexcept nogil:
    \"\"\"acc += w log f(y | nu) at every node.\"\"\"
    cdef int i
    cdef double t1 = t[0], t2 = t[1], t3 = t[2]
{values}


{loops}


cdef void density_derivatives(int code, double y, double m, double e, double w, const double *t,
                              in_ptr nu, int k, out_ptr acc, out_ptr out) noexcept nogil:
    \"\"\"acc += w log f; w times the derivatives into rows of `out`, k apart.\"\"\"
    cdef double t1 = t[0], t2 = t[1], t3 = t[2]
{derivatives}


cdef void density_rows(int code, in_ptr y, in_ptr m, in_ptr e, in_ptr t, int slots, in_ptr nu, int k,
                       out_ptr f, out_ptr g, out_ptr h) noexcept nogil:
    \"\"\"log f and its two derivatives in nu of k rows, each at its own nu.\"\"\"
    cdef int i
    cdef Density r
{rows}
"""


def write_dispatch():
    """The kernel's dispatch over densities, if it is not up to date.

    Derivatives are written by one inlined loop a density, whose parameters are unaliased pointers: that
    is what lets compilers make SIMD code of a loop with many outputs.
    """
    tree = ast.parse(DENSITIES.read_text(encoding="utf-8"))
    table = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DENSITIES"
    )
    files = {}
    values, loops, derivatives, rows = [], [], [], []
    for code, (name, file, slots) in enumerate(table):
        files.setdefault(file, []).append(name)
        test = f"    {'if' if code == 0 else 'elif'} code == {code}:  # {name}"
        loop = ["        for i in range(k):"]
        call = f"{name}(y, m, e, nu[i], t1, t2, t3)"
        values += [test, *loop, f"            acc[i] += w * {call}.f"]
        members = [member for group in STORED[: slots + 1] for member in group]
        pointers = ", ".join(f"out_ptr d{place}" for place in range(len(members)))
        arguments = "double y, double m, double e, double w, double t1, double t2, double t3"
        loops += [
            f"cdef inline void loop_{name}({arguments},",
            f"        in_ptr nu, int k, out_ptr acc, {pointers}) noexcept nogil:",
            "    cdef int i",
            "    cdef Density r",
            "    for i in range(k):",
            f"        r = {call}",
            "        acc[i] += w * r.f",
            *(f"        d{place}[i] = w * r.{member}" for place, member in enumerate(members)),
            "",
            "",
        ]
        places = ", ".join(f"out + {place} * k" for place in range(len(members)))
        derivatives += [
            test,
            f"        loop_{name}(y, m, e, w, t1, t2, t3, nu, k, acc,",
            f"            {places})",
        ]
        own = [f"t[i * slots + {s}]" if s < slots else "0.0" for s in range(3)]
        rows += [test, *loop, f"            r = {name}(y[i], m[i], e[i], nu[i], {', '.join(own)})"]
        rows += [f"            {member}[i] = r.{member}" for member in "fgh"]
    cimports = [
        f"from sm_gllamm.responses.{file} cimport (\n    " + ",\n    ".join(names) + ",\n)"
        for file, names in files.items()
    ]
    text = DISPATCH_TEXT.format(
        cimports="\n".join(cimports), values="\n".join(values), loops="\n".join(loops).rstrip(),
        derivatives="\n".join(derivatives), rows="\n".join(rows),
    )  # fmt: skip
    if not DISPATCH.exists() or DISPATCH.read_text(encoding="utf-8") != text:
        DISPATCH.write_text(text, encoding="utf-8")


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


def included():
    """Files that a kernel's source includes: a change in any of them means a new build."""
    return [
        str(path)
        for room in KERNEL_ROOMS
        for path in sorted(room.iterdir())
        if path.suffix in (".pxi", ".pxd", ".h")
    ]


def extension(source, kernel=None):
    """One extension module; `kernel` names the instruction set of a copy of the kernel."""
    windows = sys.platform == "win32"
    flags = MSVC_FLAGS if windows else GNU_FLAGS + INSTRUCTION_SETS[kernel or "base"]
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        include_dirs=[str(room) for room in KERNEL_ROOMS],
        libraries=["m"] if sys.platform.startswith("linux") else [],
        # Densities must be inlined into the loops that call them, or those are not vectorised.
        define_macros=[("CYTHON_INLINE", FORCED[windows])],
        extra_compile_args=flags,
        depends=included(),
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


write_dispatch()
setup(
    ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, build_dir="build/cython"),
    options={"build_ext": {"parallel": 2}},
)
