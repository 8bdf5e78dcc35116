"""Response distributions that statsmodels' families do not have: ``smg.families``.

Every class is a description only: its name and link say which density, its attributes how the rows are
laid out.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy.special import logit

from sm_gllamm.exceptions import SpecificationError

__all__ = [
    "AdjacentCategory",
    "BestWorst",
    "Beta",
    "BinomialAsymptotes",
    "CensoredGaussian",
    "Choice",
    "Composite",
    "ContinuationRatio",
    "Exponential",
    "Family",
    "GammaDuration",
    "Hurdle",
    "LogLogistic",
    "LogNormal",
    "Mixed",
    "Multinomial",
    "NegativeBinomial",
    "Ordinal",
    "Ranking",
    "Weibull",
    "ZeroInflated",
    "ZeroTruncated",
    "known_slots",
]

links = sm.families.links

_LINKS = {
    "identity": links.Identity,
    "log": links.Log,
    "logit": links.Logit,
    "probit": links.Probit,
    "cloglog": links.CLogLog,
    "loglog": links.LogLog,
    "cauchit": links.Cauchy,
    "inverse": links.InversePower,
    "inverse_squared": links.InverseSquared,
    "sqrt": links.Sqrt,
}


def link_of(link: Any):
    """A statsmodels link from itself, its class or a name."""
    if isinstance(link, str):
        if link.lower() not in _LINKS:
            raise SpecificationError(f"link={link!r} is not known; use one of {sorted(_LINKS)}")
        return _LINKS[link.lower()]()
    if isinstance(link, type):
        link = link()
    if not isinstance(link, links.Link):
        raise SpecificationError(
            f"link must be a statsmodels link or its name, not {type(link).__name__}"
        )
    return link


class Family:
    """Base of the families of this package.

    Attributes
    ----------
    name : str
        What the registry of responses knows the family by.
    link : statsmodels link
    layout : str
        How responses become rows of the likelihood; see :mod:`sm_gllamm.mapping.rows`.
    """

    name = ""
    layout = "plain"

    def __init__(self, link="log"):
        self.link = link_of(link)

    def known(self) -> dict[str, float]:
        """Predictors without random effects of which the family knows the values, by slot."""
        return {}

    def __repr__(self) -> str:
        settings = ", ".join(
            f"{key}={value if not isinstance(value, links.Link) else type(value).__name__}"
            for key, value in vars(self).items()
            if key != "name"
        )
        return f"{type(self).__name__}({settings})"


class NegativeBinomial(Family):
    """Negative binomial counts with an estimated dispersion alpha.

    Parameters
    ----------
    link : "log"
    kind : {"nb2", "nb1"}
        Variance mu + alpha mu^2, or mu (1 + alpha).

    Notes
    -----
    statsmodels' own ``families.NegativeBinomial(alpha=...)`` keeps alpha fixed at the value given, here
    as in GLM.

    References
    ----------
    Cameron, A. C., & Trivedi, P. K. (2013). Regression Analysis of Count Data, ch. 3.

    Examples
    --------
    >>> NegativeBinomial(kind="nb1").name
    'NegativeBinomial1'
    """

    def __init__(self, link="log", kind: str = "nb2"):
        super().__init__(link)
        self.kind = _one_of("kind", kind, ("nb2", "nb1"))
        self.name = "NegativeBinomial" if kind == "nb2" else "NegativeBinomial1"


class Beta(Family):
    """Proportions between 0 and 1 (exclusive), variance mu (1 - mu) / (1 + precision).

    Parameters
    ----------
    link : {"logit", "probit", "cloglog"}

    References
    ----------
    Ferrari, S., & Cribari-Neto, F. (2004). Beta regression for modelling rates and proportions. Journal
    of Applied Statistics 31, 799-815.

    Examples
    --------
    >>> Beta().name
    'Beta'
    """

    name = "Beta"

    def __init__(self, link="logit"):
        super().__init__(link)


class BinomialAsymptotes(Family):
    """Binomial responses with probabilities between c and d: c + (d - c) / (1 + exp(-nu)).

    Parameters
    ----------
    lower, upper : bool or float
        True: the asymptote is a parameter; a number between 0 and 1: it is this one; False: there is none,
        c = 0 or d = 1.

    Notes
    -----
    Of items c is the probability that those who do not know the answer guess it, 1 - d that of a slip by
    those who know it: the three- and the four-parameter logistic models. Published are the logits of
    estimated asymptotes, ``logit_lower`` and ``logit_upper``; formulas `lower` and `upper` of the model
    let them depend on covariates, and `family_by` gives items their own. Where c > d the probability
    falls in nu.

    A lower asymptote is hard to tell from difficulty where few responses are far below it: expect large
    standard errors, or know it.

    References
    ----------
    Birnbaum, A. (1968). Some latent trait models and their use in inferring an examinee's ability. In
    F. M. Lord & M. R. Novick, Statistical Theories of Mental Test Scores, ch. 17, eq. 17.3.1.

    Barton, M. A., & Lord, F. M. (1981). An upper asymptote for the three-parameter logistic
    item-response model. ETS Research Report 81-20.

    Examples
    --------
    >>> family = BinomialAsymptotes(lower=0.25, upper=True)
    >>> {slot: round(value, 4) for slot, value in family.known().items()}
    {'lower': -1.0986}
    """

    name = "BinomialAsymptotes"

    def __init__(self, lower: bool | float = True, upper: bool | float = False):
        super().__init__("logit")
        self.lower, self.upper = _asymptote("lower", lower), _asymptote("upper", upper)
        known = self.known()
        if len(known) == 2 and known["lower"] == known["upper"]:
            raise SpecificationError(
                f"lower={lower!r} and upper={upper!r} are the same: no covariate has an effect"
            )

    def known(self):
        # from 800 on the kernel's asymptotes are 0 and 1 exactly
        ends = {"lower": (self.lower, 0.0), "upper": (self.upper, 1.0)}
        return {
            slot: float(np.clip(logit(none if value is False else value), -1e3, 1e3))
            for slot, (value, none) in ends.items()
            if value is not True
        }


class _CountPart(Family):
    """A family made from a count distribution."""

    prefix = ""

    def __init__(self, family="poisson"):
        super().__init__("log")
        self.family = family
        self.name = self.prefix + _count_name(family)


class ZeroInflated(_CountPart):
    """Counts with additional zeros: 0 with probability pi, else from `family`.

    Parameters
    ----------
    family : "poisson", "nb2", "nb1", a Poisson or NegativeBinomial family

    Notes
    -----
    logit pi is linear in the covariates of the model's `zero` formula, by default a constant.

    References
    ----------
    Lambert, D. (1992). Zero-inflated Poisson regression. Technometrics 34, 1-14.

    Examples
    --------
    >>> ZeroInflated("nb2").name
    'ZeroInflatedNegativeBinomial'
    """

    prefix = "ZeroInflated"


class ZeroTruncated(_CountPart):
    """Counts of which zeros are never seen.

    Parameters
    ----------
    family : "poisson", "nb2", "nb1", a Poisson or NegativeBinomial family

    Examples
    --------
    >>> ZeroTruncated().name
    'ZeroTruncatedPoisson'
    """

    prefix = "ZeroTruncated"


class Hurdle(_CountPart):
    """Zero with probability pi, else a zero-truncated count.

    Parameters
    ----------
    family : "poisson", "nb2", "nb1", a Poisson or NegativeBinomial family

    Notes
    -----
    logit pi is linear in the covariates of the model's `zero` formula; the random effects belong to the
    count part.

    References
    ----------
    Mullahy, J. (1986). Specification and testing of some modified count data models. Journal of
    Econometrics 33, 341-365.

    Examples
    --------
    >>> Hurdle("nb2").layout
    'hurdle'
    """

    prefix = "ZeroTruncated"
    layout = "hurdle"


class _Categories(Family):
    """Categorical responses."""

    def __init__(self, link, order: Sequence | None):
        super().__init__(link)
        self.order = None if order is None else tuple(order)


class Ordinal(_Categories):
    """Ordered categories by a cumulative model: P(y <= s) = F(threshold_s - nu).

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        F is the logistic, normal, 1 - exp(-exp(z)), exp(-exp(-z)), Cauchy distribution function.
    thresholds : {"free", "equidistant", "symmetric"}
    order : sequence, optional
        Categories from lowest to highest; needed for strings that are no ordered categorical.

    Notes
    -----
    A constant in the formula is left out: the thresholds are the constants. Covariates in the
    thresholds (partial proportional odds) go in the model's `thresholds` formula, those of the log
    scale in `scale`.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. JRSS B 42, 109-142.

    Examples
    --------
    >>> Ordinal("probit").thresholds
    'free'
    """

    name = "Ordinal"
    layout = "cumulative"

    def __init__(self, link="logit", thresholds: str = "free", order: Sequence | None = None):
        super().__init__(link, order)
        self.thresholds = _one_of("thresholds", thresholds, ("free", "equidistant", "symmetric"))


class ContinuationRatio(_Categories):
    """Ordered categories by stages: P(y = s | y >= s) = F(threshold_s - nu).

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
    order : sequence, optional
        As for :class:`Ordinal`.

    References
    ----------
    Tutz, G. (1991). Sequential models in categorical regression. CSDA 11, 275-295.

    Examples
    --------
    >>> ContinuationRatio().layout
    'sequential'
    """

    name = "ContinuationRatio"
    layout = "sequential"

    def __init__(self, link="logit", order: Sequence | None = None):
        super().__init__(link, order)


class AdjacentCategory(_Categories):
    """Ordered categories: log P(y = s) / P(y = s - 1) = nu - threshold_s.

    Parameters
    ----------
    order : sequence, optional
        As for :class:`Ordinal`.

    References
    ----------
    Goodman, L. A. (1983). The analysis of dependence in cross-classifications having ordered
    categories. Biometrics 39, 149-160.

    Examples
    --------
    >>> AdjacentCategory().layout
    'adjacent'
    """

    name = "AdjacentCategory"
    layout = "adjacent"

    def __init__(self, order: Sequence | None = None):
        super().__init__("logit", order)


class Multinomial(_Categories):
    """Unordered categories, multinomial logit: log P(y = c) / P(y = base) = nu_c.

    Parameters
    ----------
    base : label, optional
        Reference category; default the first.
    order : sequence, optional
        Order of the categories; default sorted.

    Notes
    -----
    Every category but the base has its own coefficients and its own random effects, which are
    correlated between categories if the covariance is unstructured.

    References
    ----------
    Hartzel, J., Agresti, A., & Caffo, B. (2001). Multinomial logit random effects models. Statistical
    Modelling 1, 81-102.

    Examples
    --------
    >>> Multinomial(base="bus").base
    'bus'
    """

    name = "Multinomial"
    layout = "nominal"

    def __init__(self, base=None, order: Sequence | None = None):
        super().__init__("logit", order)
        self.base = base


class Choice(Family):
    """Choice of one alternative of a set, data in long form (a row an alternative); conditional logit.

    Notes
    -----
    The response is 1 for the chosen alternative and 0 for the others; the model's `sets` says which
    rows are one choice set. Sets may differ in their alternatives.

    References
    ----------
    Skrondal, A., & Rabe-Hesketh, S. (2003). Multilevel logistic regression for polytomous data and
    rankings. Psychometrika 68, 267-287.

    Examples
    --------
    >>> Choice().layout
    'choice'
    """

    name = "Choice"
    layout = "choice"

    def __init__(self):
        super().__init__("logit")


class Ranking(Family):
    """Rankings of alternatives, data in long form: the exploded logit.

    Parameters
    ----------
    ties : {"efron", "breslow"}
        Approximation for alternatives that share a rank.

    Notes
    -----
    The response is the rank, 1 for the best; alternatives that were not ranked have 0 or NaN and
    count as worse than the ranked ones.

    References
    ----------
    Chapman, R. G., & Staelin, R. (1982). Exploiting rank ordered choice set data within the stochastic
    utility model. Journal of Marketing Research 19, 288-301.

    Examples
    --------
    >>> Ranking().ties
    'efron'
    """

    name = "Ranking"
    layout = "ranking"

    def __init__(self, ties: str = "efron"):
        super().__init__("logit")
        self.ties = _one_of("ties", ties, ("efron", "breslow"))


class BestWorst(Family):
    """Best and worst alternative of a set, data in long form: best of all, then worst of the rest.

    Notes
    -----
    The response is 1 for the best, -1 for the worst and 0 for the other alternatives.

    References
    ----------
    Marley, A. A. J., & Louviere, J. J. (2005). Some probabilistic models of best, worst, and best-worst
    choices. Journal of Mathematical Psychology 49, 464-480.

    Examples
    --------
    >>> BestWorst().layout
    'best_worst'
    """

    name = "BestWorst"
    layout = "best_worst"

    def __init__(self):
        super().__init__("logit")


class _Interval(Family):
    """Responses of which only bounds may be known."""

    layout = "interval"

    def __init__(self, link="log", censoring: str = "right"):
        super().__init__(link)
        self.censoring = _one_of("censoring", censoring, ("right", "interval"))


class CensoredGaussian(_Interval):
    """Gaussian responses that are censored or known up to an interval (tobit).

    Parameters
    ----------
    lower, upper : float, optional
        Limits of observation: one endog column, values at or beyond a limit are censored there.
    censoring : {"limits", "interval"}
        "interval": two endog columns, lower and upper bound, equal for exact values, infinite for none.

    References
    ----------
    Tobin, J. (1958). Estimation of relationships for limited dependent variables. Econometrica 26, 24-36.

    Examples
    --------
    >>> CensoredGaussian(lower=0).lower
    0.0
    """

    name = "CensoredGaussian"

    def __init__(
        self, lower: float | None = None, upper: float | None = None, censoring: str = "limits"
    ):
        Family.__init__(self, "identity")
        self.censoring = _one_of("censoring", censoring, ("limits", "interval"))
        self.lower = -float("inf") if lower is None else float(lower)
        self.upper = float("inf") if upper is None else float(upper)
        if not self.lower < self.upper:
            raise SpecificationError(f"lower={lower} must be below upper={upper}")


class _Form(_Interval):
    """Durations that have an accelerated-failure and a proportional-hazards form."""

    prefix = ""

    def __init__(self, form: str = "ph", censoring: str = "right"):
        super().__init__("log", censoring)
        self.form = _one_of("form", form, ("ph", "aft"))
        self.name = self.prefix + form.upper()


class Exponential(_Form):
    """Exponential durations.

    Parameters
    ----------
    form : {"ph", "aft"}
        nu is the log hazard, or the log mean duration.
    censoring : {"right", "interval"}
        Endog columns: duration and event (1, or 0 if censored; without this column all are events);
        or lower and upper bound.

    Examples
    --------
    >>> Exponential("aft").name
    'ExponentialAFT'
    """

    prefix = "Exponential"


class Weibull(_Form):
    """Weibull durations.

    Parameters
    ----------
    form : {"ph", "aft"}
        S(t) = exp(-t^shape exp(nu)), or log T = nu + scale times a minimum-extreme-value variable.
    censoring : {"right", "interval"}
        Endog columns: duration and event (1, or 0 if censored; without this column all are events);
        or lower and upper bound.

    References
    ----------
    Kalbfleisch, J. D., & Prentice, R. L. (2002). The Statistical Analysis of Failure Time Data, ch. 2.

    Examples
    --------
    >>> Weibull().name
    'WeibullPH'
    """

    prefix = "Weibull"


class LogNormal(_Interval):
    """Log-normal durations: log T = nu + scale times a standard normal variable.

    Parameters
    ----------
    censoring : {"right", "interval"}
        As for :class:`Weibull`.

    Examples
    --------
    >>> LogNormal().name
    'LogNormal'
    """

    name = "LogNormal"

    def __init__(self, censoring: str = "right"):
        super().__init__("log", censoring)


class LogLogistic(_Interval):
    """Log-logistic durations: log T = nu + scale times a logistic variable.

    Parameters
    ----------
    censoring : {"right", "interval"}
        As for :class:`Weibull`.

    Examples
    --------
    >>> LogLogistic().name
    'LogLogistic'
    """

    name = "LogLogistic"

    def __init__(self, censoring: str = "right"):
        super().__init__("log", censoring)


class GammaDuration(_Interval):
    """Gamma durations with mean exp(nu) and variance dispersion times the squared mean.

    Parameters
    ----------
    censoring : {"right", "interval"}
        As for :class:`Weibull`.

    Examples
    --------
    >>> GammaDuration().name
    'GammaDuration'
    """

    name = "GammaDuration"

    def __init__(self, censoring: str = "right"):
        super().__init__("log", censoring)


class Composite(Family):
    """Responses whose mean is a weighted sum of inverse links of several rows' predictors.

    Parameters
    ----------
    family : {"poisson", "binomial", "gaussian"}
    link : str or statsmodels link
        Of all rows, where the model's `links` does not say otherwise.

    Notes
    -----
    The rows of one response share a value of the model's `sets`; `parts` are their weights (default 1),
    `links` the names of their links. The response's value stands in all its rows.

    References
    ----------
    Thompson, R., & Baker, R. J. (1981). Composite link functions in generalized linear models. Applied
    Statistics 30, 125-131. Skrondal, A., & Rabe-Hesketh, S. (2004), sec. 2.3.5.

    Examples
    --------
    >>> Composite("poisson").layout
    'composite'
    """

    layout = "composite"

    def __init__(self, family="poisson", link="log"):
        super().__init__(link)
        self.family = _one_of("family", family, ("poisson", "binomial", "gaussian"))
        self.name = "Composite" + family.capitalize()


class Mixed(Family):
    """Different families in different rows; what ``family={...}`` stands for.

    Parameters
    ----------
    members : dict of label to family
        The label of a row's family stands in the model's `family_by`.

    Notes
    -----
    Rows share the coefficients and random effects of the formula; products of covariates with
    indicators of the families make them specific to one. Unordered categories have coefficients and
    random effects of their own, one for each category but the base.

    References
    ----------
    Gueorguieva, R. (2001). A multivariate generalized linear mixed model for joint modelling of
    clustered outcomes in the exponential family. Statistical Modelling 1, 177-193.

    Examples
    --------
    >>> Mixed({"score": "gaussian", "pass": "binomial"}).layout
    'mixed'
    """

    name = "Mixed"
    layout = "mixed"

    def __init__(self, members: dict):
        super().__init__("identity")
        if not members:
            raise SpecificationError("family={} is empty; give a family for each kind of row")
        self.members = dict(members)


def known_slots(family: sm.families.Family | Family) -> dict[str, float]:
    """Predictors without random effects of which a family knows the values, by slot.

    statsmodels' own negative binomial family knows alpha.
    """
    if isinstance(family, Family):
        return family.known()
    alpha = getattr(family, "alpha", None)
    return {} if alpha is None else {"dispersion": float(np.log(alpha))}


def _asymptote(keyword: str, value: Any) -> bool | float:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not isinstance(value, Real) or not 0.0 <= value <= 1.0:
        raise SpecificationError(
            f"{keyword}={value!r} is no probability; give True to estimate the asymptote, a number from 0 to "
            "1 if it is known, False if there is none"
        )
    return float(value)


def _one_of(name: str, value, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SpecificationError(f"{name}={value!r} is not known; use one of {list(allowed)}")
    return value


def _count_name(family) -> str:
    """ "Poisson", "NegativeBinomial" or "NegativeBinomial1"."""
    names = {"poisson": "Poisson", "nb2": "NegativeBinomial", "nb1": "NegativeBinomial1"}
    if isinstance(family, str) and family in names:
        return names[family]
    if isinstance(family, type):
        family = family()
    if isinstance(family, NegativeBinomial):
        return family.name
    if isinstance(family, sm.families.Poisson) and isinstance(family.link, links.Log):
        return "Poisson"
    raise SpecificationError(
        f"family={family!r} is no count distribution with log link; use 'poisson', 'nb2' or 'nb1'"
    )
