"""Families and links the package knows: from a family to the engine's density.

A new pair is a line in :data:`RESPONSES` once its density stands in ``densities.py``.
"""

from __future__ import annotations

import inspect

import numpy as np
import statsmodels.api as sm
from scipy.special import gammaln

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.responses import categories, counts, durations, families, laws
from sm_gllamm.responses.base import Response, Slot, no_constant
from sm_gllamm.responses.links import LINK_CODES

__all__ = ["RESPONSES", "response_for"]

LOGISTIC, NORMAL, GUMBEL = np.pi**2 / 3, 1.0, np.pi**2 / 6

_VARIANCE = (Slot("dispersion", "var(Residual)", "log_sd", "variance", latent=True),)
_DISPERSION = (Slot("dispersion", "dispersion", "log_dispersion", "exp"),)
_ALPHA = (Slot("dispersion", "alpha", "log_alpha", "exp"),)
_PRECISION = (Slot("dispersion", "precision", "log_precision", "exp"),)
_SHAPE = (Slot("dispersion", "shape", "log_shape", "exp"),)
_SCALE = (Slot("dispersion", "scale", "log_scale", "exp", latent=True),)
_LOG_SCALE = (Slot("scale", "scale", "log_scale", "exp"),)
_ZERO = (Slot("zero", "zero", "zero", "identity"),)
_ASYMPTOTES = (
    Slot("lower", "logit_lower", "logit_lower", "identity"),
    Slot("upper", "logit_upper", "logit_upper", "identity"),
)


def _binomial_constant(y, m):
    return gammaln(m + 1) - gammaln(y + 1) - gammaln(m - y + 1)


def _count_constant(y, m):
    return -gammaln(y + 1)


def _log_time_constant(y, m):
    event = y == m
    return np.where(event, -np.log(np.where(event, y, 1.0)), 0.0)


def _binomial(link, density, variance):
    return Response(
        "Binomial", link, density, laws.BINOMIAL, (), variance, _binomial_constant, "binomial"
    )


def _count(family, link, density, law, slots=(), kind="count"):
    return Response(family, link, density, law, slots, None, _count_constant, kind)


def _positive(family, link, density, law):
    return Response(family, link, density, law, _DISPERSION, kind="positive")


def _duration(family, density, law, slots, variance):
    return Response(family, "Log", density, law, slots, variance, _log_time_constant, "duration")


_PROPORTIONAL_HAZARDS = durations.ProportionalHazards()
_AFT = durations.AcceleratedFailure(durations.GUMBEL)

#: One family-and-link pair each. Tests and the documentation walk this table.
_ALL = (
    _binomial("Logit", "binomial_logit", LOGISTIC),
    _binomial("Probit", "binomial_probit", NORMAL),
    _binomial("CLogLog", "binomial_cloglog", GUMBEL),
    _binomial("LogLog", "binomial_loglog", GUMBEL),
    _binomial("Cauchy", "binomial_cauchit", None),
    Response("BinomialAsymptotes", "Logit", "binomial_logit_asymptotes", laws.BINOMIAL_ASYMPTOTES,
             _ASYMPTOTES, None, _binomial_constant, "binomial"),
    _count("Poisson", "Log", "poisson_log", counts.POISSON),
    _count("Poisson", "Identity", "poisson_identity", counts.POISSON),
    _count("Poisson", "Sqrt", "poisson_sqrt", counts.POISSON),
    Response("Gaussian", "Identity", "gaussian_identity", laws.GAUSSIAN, _VARIANCE, 1.0),
    Response("Gaussian", "Log", "gaussian_log", laws.GAUSSIAN, _VARIANCE),
    Response("Gaussian", "InversePower", "gaussian_inverse", laws.GAUSSIAN, _VARIANCE),
    _positive("Gamma", "Log", "gamma_log", laws.GAMMA),
    _positive("Gamma", "InversePower", "gamma_inverse", laws.GAMMA),
    _positive("Gamma", "Identity", "gamma_identity", laws.GAMMA),
    *(
        _positive("InverseGaussian", link, f"inverse_gaussian_{name}", laws.INVERSE_GAUSSIAN)
        for link, name in (
            ("Log", "log"),
            ("InverseSquared", "inverse_squared"),
            ("InversePower", "inverse"),
            ("Identity", "identity"),
        )
    ),
    _count("NegativeBinomial", "Log", "nb2_log", counts.NB2, _ALPHA),
    _count("NegativeBinomial1", "Log", "nb1_log", counts.NB1, _ALPHA),
    *(
        Response("Beta", link, f"beta_{link.lower()}", laws.BETA, _PRECISION, kind="proportion")
        for link in ("Logit", "Probit", "CLogLog")
    ),
    *(
        _count(f"ZeroInflated{name}", "Log", density, counts.ZeroInflated(law), slots + _ZERO)
        for name, density, law, slots in (
            ("Poisson", "zip_log", counts.POISSON, ()),
            ("NegativeBinomial", "zinb2_log", counts.NB2, _ALPHA),
            ("NegativeBinomial1", "zinb1_log", counts.NB1, _ALPHA),
        )
    ),
    # hurdle models, too, whose zeros are rows of their own
    *(
        _count(f"ZeroTruncated{name}", "Log", f"truncated_{density}_log", counts.ZeroTruncated(law),
               slots, "positive count")
        for name, density, law, slots in (
            ("Poisson", "poisson", counts.POISSON, ()),
            ("NegativeBinomial", "nb2", counts.NB2, _ALPHA),
            ("NegativeBinomial1", "nb1", counts.NB1, _ALPHA),
        )
    ),
    Response("CensoredGaussian", "Identity", "censored_gaussian", durations.CENSORED_GAUSSIAN,
             _VARIANCE, 1.0, kind="interval"),
    _duration("LogNormal", "lognormal", durations.AcceleratedFailure(durations.NORMAL), _SCALE, NORMAL),
    _duration("LogLogistic", "loglogistic", durations.AcceleratedFailure(durations.LOGISTIC), _SCALE,
              LOGISTIC),
    _duration("WeibullAFT", "weibull_aft", _AFT, _SCALE, GUMBEL),
    _duration("WeibullPH", "weibull_ph", _PROPORTIONAL_HAZARDS, _SHAPE, GUMBEL),
    _duration("ExponentialAFT", "exponential_aft", _AFT, (), GUMBEL),
    _duration("ExponentialPH", "exponential_ph", _PROPORTIONAL_HAZARDS, (), GUMBEL),
    _duration("GammaDuration", "gamma_duration", durations.GAMMA_DURATION, _DISPERSION, None),
    *(
        Response(family, link, f"{density}_{name}", law, slots, variance, kind="ordinal")
        for family, density, law, slots in (
            ("Ordinal", "cumulative", categories.CUMULATIVE, _LOG_SCALE),
            ("ContinuationRatio", "binomial", categories.SEQUENTIAL, ()),
        )
        for link, name, variance in (
            ("Logit", "logit", LOGISTIC),
            ("Probit", "probit", NORMAL),
            ("CLogLog", "cloglog", GUMBEL),
            ("LogLog", "loglog", GUMBEL),
            ("Cauchy", "cauchit", None),
        )
    ),
    Response("AdjacentCategory", "Logit", "choice", categories.ADJACENT, kind="ordinal"),
    Response("Multinomial", "Logit", "choice", categories.NOMINAL, kind="nominal"),
    # every row has the response of its own family; this one stands for the model
    Response("Mixed", "Identity", "binomial_logit", laws.Law(), kind="mixed"),
    Response("Choice", "Logit", "choice", categories.CHOICE, kind="choice"),
    Response("Ranking", "Logit", "choice", categories.RANKING, kind="ranking"),
    Response("BestWorst", "Logit", "choice", categories.BEST_WORST, kind="best-worst"),
    *(
        Response(f"Composite{kind.capitalize()}", link, f"composite_{kind}", laws.Composite(law),
                 _VARIANCE if kind == "gaussian" else (), None, constant, check)
        for kind, law, constant, check in (
            ("poisson", counts.POISSON, _count_constant, "count"),
            ("binomial", laws.BINOMIAL, _binomial_constant, "binomial"),
            ("gaussian", laws.GAUSSIAN, no_constant, "gaussian"),
        )
        for link in LINK_CODES
    ),
)  # fmt: skip

#: (family class, link class) -> Response
RESPONSES: dict[tuple[str, str], Response] = {(r.family, r.link): r for r in _ALL}

_NAMES = {
    "gaussian": sm.families.Gaussian,
    "normal": sm.families.Gaussian,
    "binomial": sm.families.Binomial,
    "bernoulli": sm.families.Binomial,
    "poisson": sm.families.Poisson,
    "gamma": sm.families.Gamma,
    "inverse_gaussian": sm.families.InverseGaussian,
    "negative_binomial": families.NegativeBinomial,
    "beta": families.Beta,
    "ordinal": families.Ordinal,
    "adjacent_category": families.AdjacentCategory,
    "continuation_ratio": families.ContinuationRatio,
    "multinomial": families.Multinomial,
    "choice": families.Choice,
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
    if kind is sm.families.links.Power:
        powers = {1.0: "Identity", -1.0: "InversePower", -2.0: "InverseSquared", 0.5: "Sqrt"}
        return powers.get(float(link.power), "Power")
    return kind.__name__


def _resolve_members(mixed) -> None:
    """Replace names by families; several families cannot be one of several."""
    for label, member in mixed.members.items():
        resolved = response_for(member)[0]
        if isinstance(resolved, families.Mixed):
            raise SpecificationError(
                f"family[{label!r}] is a dict of families itself; give all families in one dict"
            )
        mixed.members[label] = resolved


def response_for(family):
    """The family and the Response of a ``family=`` argument.

    Parameters
    ----------
    family : None, str, statsmodels family or one of ``smg.families``, class or instance
        None is gaussian.

    Returns
    -------
    family : statsmodels family or Family
    response : Response

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
    if isinstance(family, dict):
        family = families.Mixed(family)
    if inspect.isclass(family):
        family = family()
    if isinstance(family, families.Mixed):
        _resolve_members(family)
    if not isinstance(family, (sm.families.Family, families.Family)):
        raise SpecificationError(
            "family must be a statsmodels family, one of sm_gllamm's families or a name, not "
            f"{type(family).__name__}; for example statsmodels.api.families.Binomial()"
        )
    key = (getattr(family, "name", type(family).__name__), _link_name(family.link))
    if key in RESPONSES:
        return family, RESPONSES[key]
    known = ", ".join(f"{f} ({link})" for f, link in RESPONSES)
    raise SpecificationError(
        f"{type(family).__name__} with {type(family.link).__name__} link is not available; known: {known}"
    )
