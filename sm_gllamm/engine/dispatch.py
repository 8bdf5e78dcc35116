"""The copy of the kernel that suits this processor, chosen once at import."""

from __future__ import annotations

import importlib
import os

__all__ = ["KERNEL", "Kernel", "Rule", "exp_log_erfc"]


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
