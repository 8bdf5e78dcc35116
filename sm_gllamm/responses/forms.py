"""Functions of the linear predictor of which means and probabilities are made.

Nearly every mean is ``factor * h(shift + slope * nu)`` with h an inverse link and the rest functions of
predictors without random effects; so are the probabilities that a duration exceeds a time and that an
ordinal response does not exceed a category. Such functions are averaged over a normal nu, or over the
posterior of a cluster, like the inverse link itself. What remains is any function of nu, which is
averaged numerically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sm_gllamm.responses.links import LINK_CODES, inverse_link_derivatives

__all__ = ["Event", "Form", "Function", "InverseLink"]


@dataclass(frozen=True, slots=True)
class InverseLink:
    """The function ``factor * h(shift + slope * nu)``.

    Attributes
    ----------
    link : str or ndarray of str, shape (n,)
        Name of statsmodels' link class of which h is the inverse.
    shift, slope, factor : float or ndarray of shape (n,)
    """

    link: str | np.ndarray
    shift: np.ndarray | float = 0.0
    slope: np.ndarray | float = 1.0
    factor: np.ndarray | float = 1.0

    @property
    def plain(self) -> bool:
        """Whether the function is the inverse link of nu, the same in all rows."""
        parts = (self.shift, self.slope, self.factor)
        return all(isinstance(part, float) for part in parts) and parts == (0.0, 1.0, 1.0)

    @property
    def codes(self) -> np.ndarray:
        """The kernel's codes of the links, shape (n,) or ()."""
        if isinstance(self.link, str):
            return np.array(LINK_CODES[self.link], dtype=np.intc)
        return np.array([LINK_CODES[name] for name in self.link], dtype=np.intc)

    def at(self, nu: np.ndarray) -> np.ndarray:
        """Values given linear predictors, shape (n,)."""
        return self.by_link(lambda link, x: inverse_link_derivatives(link, x, 0)[0], nu)

    def by_link(self, function: Callable, nu: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """The factor times ``function(link, shift + slope * nu, *others)``, link by link."""
        x = self.shift + self.slope * nu
        if isinstance(self.link, str):
            return self.factor * function(self.link, x, *others)
        out = np.empty(len(x))
        for name in np.unique(self.link):
            here = self.link == name
            out[here] = function(str(name), x[here], *(other[here] for other in others))
        return self.factor * out


@dataclass(frozen=True, slots=True)
class Event:
    """A term ``factor * density(y)`` or ``factor * density(y) * exp(nu)`` of a function of nu.

    Attributes
    ----------
    y, m : float
        A response with its denominator or upper bound, as the response's own density takes them.
    factor : ndarray of shape (n,), or float
    rate : bool
        Whether exp(nu) is a factor.
    """

    y: float
    m: float = 1.0
    factor: np.ndarray | float = 1.0
    rate: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """Any function of nu.

    Attributes
    ----------
    function : callable
        Takes predictors of shape (m, r) and the m rows (a slice) that they are of; returns shape (m, r).
    events : tuple of Event
        The same function as a sum of densities of responses, of which the engine has posterior
        expectations: those of the function. Empty where it is no such sum; then there are none.
    """

    function: Callable
    events: tuple[Event, ...] = ()

    @property
    def plain(self) -> bool:
        return False

    def at(self, nu: np.ndarray) -> np.ndarray:
        """Values given linear predictors, shape (n,)."""
        return self.function(nu[:, None], slice(None))[:, 0]


Form = InverseLink | Function
