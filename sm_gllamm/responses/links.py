"""Codes by which the kernel knows inverse links."""

from __future__ import annotations

__all__ = ["LINK_CODES"]

#: Name of statsmodels' link class to the kernel's code.
LINK_CODES = {
    "Identity": 0,
    "Log": 1,
    "Logit": 2,
    "Probit": 3,
    "CLogLog": 4,
    "LogLog": 5,
    "Cauchy": 6,
    "InversePower": 7,
    "InverseSquared": 8,
    "Sqrt": 9,
}
