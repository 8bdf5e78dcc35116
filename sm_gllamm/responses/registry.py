"""Families and links the package knows: from a statsmodels family to the engine's code."""

from __future__ import annotations

import inspect

import numpy as np
import statsmodels.api as sm
from scipy.special import gammaln

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.responses.base import Response

__all__ = ["RESPONSES", "response_for"]


def _no_constant(y, trials):
    return np.zeros(len(y))


def _binomial_constant(y, trials):
    return gammaln(trials + 1) - gammaln(y + 1) - gammaln(trials - y + 1)


def _poisson_constant(y, trials):
    return -gammaln(y + 1)


#: (family class, link class) -> Response. Tests and the documentation walk this table.
RESPONSES: dict[tuple[str, str], Response] = {
    ("Binomial", "Logit"): Response(
        "Binomial", "Logit", 0, False, np.pi**2 / 3, _binomial_constant
    ),
    ("Binomial", "Probit"): Response("Binomial", "Probit", 1, False, 1.0, _binomial_constant),
    ("Binomial", "CLogLog"): Response(
        "Binomial", "CLogLog", 2, False, np.pi**2 / 6, _binomial_constant
    ),
    ("Poisson", "Log"): Response("Poisson", "Log", 3, False, None, _poisson_constant),
    ("Gaussian", "Identity"): Response("Gaussian", "Identity", 4, True, None, _no_constant),
    ("Gaussian", "Log"): Response("Gaussian", "Log", 5, True, None, _no_constant),
}

_NAMES = {
    "gaussian": sm.families.Gaussian,
    "normal": sm.families.Gaussian,
    "binomial": sm.families.Binomial,
    "bernoulli": sm.families.Binomial,
    "poisson": sm.families.Poisson,
}


def _link_name(link) -> str:
    """Name of the link's class, or of the one it is an alias of: ``links.logit`` is ``links.Logit``.

    Other classes derive from these, too, but are other functions: Cauchy from Logit, LogLog from CLogLog.
    """
    kind = type(link)
    if kind.__name__.lower() == kind.__mro__[1].__name__.lower():
        kind = kind.__mro__[1]
    if kind is sm.families.links.Probit and getattr(link.dbn, "name", "norm") != "norm":
        return "CDFLink"
    return kind.__name__


def response_for(family) -> tuple[sm.families.Family, Response]:
    """The statsmodels family and the Response of a ``family=`` argument.

    Parameters
    ----------
    family : None, str, statsmodels family class or instance
        None is gaussian.

    Raises
    ------
    SpecificationError
        For a family or link that is not available, naming those that are.

    Examples
    --------
    >>> family, response = response_for("binomial")
    >>> response.link
    'Logit'
    """
    if family is None:
        family = sm.families.Gaussian()
    if isinstance(family, str):
        if family.lower() not in _NAMES:
            raise SpecificationError(f"family={family!r} is not known; use one of {sorted(_NAMES)}")
        family = _NAMES[family.lower()]()
    if inspect.isclass(family):
        family = family()
    if not isinstance(family, sm.families.Family):
        raise SpecificationError(
            f"family must be a statsmodels family or its name, not {type(family).__name__}; "
            "for example statsmodels.api.families.Binomial()"
        )
    key = (type(family).__name__, _link_name(family.link))
    if key in RESPONSES:
        return family, RESPONSES[key]
    known = ", ".join(f"{f} ({link})" for f, link in RESPONSES)
    raise SpecificationError(
        f"{type(family).__name__} with {type(family.link).__name__} link is not available; known: {known}"
    )
