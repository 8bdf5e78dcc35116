"""What a response type says of itself beside its density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sm_gllamm.responses.densities import CODES
from sm_gllamm.responses.laws import Law

__all__ = ["Response", "Slot", "no_constant"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A further predictor of a response's rows, without latent variables.

    Attributes
    ----------
    name : str
        Keyword of its formula: "dispersion", "zero", "scale", "lower" or "upper".
    label : str
        Name of the parameter when there are no covariates.
    prefix : str
        Names the coefficients when there are: ``"log_alpha"`` gives ``log_alpha:Intercept``.
    published : {"variance", "exp", "identity"}
        What `label` is of the slot's value t: exp(2 t), exp(t) or t itself.
    latent : bool
        Whether exp(t) is the scale of the latent response.
    """

    name: str
    label: str
    prefix: str
    published: str
    latent: bool = False


def no_constant(y: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The density leaves nothing out."""
    return np.zeros(len(y))


@dataclass(frozen=True, slots=True)
class Response:
    """One family-and-link pair.

    Attributes
    ----------
    family, link : str
        Names of the classes, statsmodels' or ours.
    density : str
        Name of the kernel's density.
    law : Law
        Mean or probabilities, variance and draws.
    slots : tuple of Slot
    latent_variance : float or None
        Variance of the latent response (logistic pi^2/3, normal 1, Gumbel pi^2/6), in units of the
        squared scale if a slot is that; None where there is none.
    constant : callable
        ``constant(y, m)``: what the log density has beyond the kernel's parameter-dependent part.
    kind : str
        Which checks the response must pass.
    """

    family: str
    link: str
    density: str
    law: Law
    slots: tuple[Slot, ...] = ()
    latent_variance: float | None = None
    constant: Callable[[np.ndarray, np.ndarray], np.ndarray] = no_constant
    kind: str = "gaussian"

    @property
    def code(self) -> int:
        """The kernel's code."""
        return CODES[self.density]

    @property
    def exact(self) -> bool:
        """Whether the integral over normal random effects is available in closed form."""
        return self.density == "gaussian_identity"
