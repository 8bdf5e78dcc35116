"""What a family-and-link pair must say of itself; its density and derivatives are in ``_families.pxd``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Response"]


@dataclass(frozen=True, slots=True)
class Response:
    """One response type.

    Attributes
    ----------
    family, link : str
        Names of statsmodels' classes.
    code : int
        The kernel's code.
    dispersion : bool
        Whether the density has a dispersion of its own.
    latent_variance : float or None
        Variance of the latent response (logistic pi^2/3, normal 1, Gumbel pi^2/6), None where there is none.
    constant : callable
        ``constant(y, trials)``: what the log density has beyond the kernel's parameter-dependent part.
    """

    family: str
    link: str
    code: int
    dispersion: bool
    latent_variance: float | None
    constant: Callable[[np.ndarray, np.ndarray], np.ndarray]

    @property
    def exact(self) -> bool:
        """Whether the integral over normal random effects is available in closed form."""
        return self.family == "Gaussian" and self.link == "Identity"
