"""The copy of the kernel that suits this processor, chosen once at import."""

from __future__ import annotations

import importlib
import os

import numpy as np

from sm_gllamm.responses.densities import CODES

__all__ = ["KERNEL", "Kernel", "Rule", "density_rows", "exp_log_erfc"]


def _cpu_flags() -> set[str]:
    """Instruction-set flags of the processor, as Linux and the kernel's naming have them."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features
    except ImportError:
        return set()
    return {name.lower() for name, present in features.items() if present}


_V3 = {"avx2", "fma", "f16c"}
_V4 = _V3 | {"avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512cd"}


def _candidates() -> list[str]:
    """Names of the kernels this machine can run, fastest first."""
    forced = os.environ.get("SM_GLLAMM_KERNEL")
    if forced:
        return [forced]
    flags = _cpu_flags()
    names = ["v4"] if flags >= _V4 else []
    names += ["v3"] if flags >= _V3 else []
    return [*names, "base"]


def _load():
    """First kernel that was built, or an ImportError that says what to do."""
    for name in _candidates():
        try:
            return name, importlib.import_module(f"sm_gllamm.engine._kernel_{name}")
        except ModuleNotFoundError:
            continue
    raise ImportError(
        "sm_gllamm's compiled kernel is missing. Install the package with pip (a C compiler is needed "
        "where no wheel exists), or run `python setup.py build_ext --inplace` in a source tree."
    )


KERNEL, _module = _load()
Kernel = _module.Kernel
Rule = _module.Rule
exp_log_erfc = _module.exp_log_erfc


def density_rows(name, y, m, e, nu, t1, t2, t3):
    """Log density of single rows and its derivatives, as the kernel computes them.

    Parameters
    ----------
    name : str
        A name in :data:`sm_gllamm.responses.densities.DENSITIES`.
    y, m, e : array_like, shape (n,)
        Response, denominator or upper bound, entry time.
    nu, t1, t2, t3 : array_like, shape (n,)
        Predictor and slots; those that the density lacks are not looked at.

    Returns
    -------
    ndarray, shape (n, 15)
        f, g, g1, g2, g3, h, h1, h2, h3, h11, h12, h13, h22, h23, h33: value, first derivatives in
        (nu, t1, t2, t3), second ones.
    """
    y, m, e, nu, *t = np.broadcast_arrays(y, m, e, nu, t1, t2, t3)
    columns = [np.ascontiguousarray(x, dtype=float).reshape(-1) for x in (y, m, e, nu)]
    slots = np.column_stack([np.asarray(x, dtype=float).reshape(-1) for x in t])
    return _module.density_table(CODES[name], *columns, np.ascontiguousarray(slots))
