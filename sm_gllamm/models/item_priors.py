"""Prior densities of item parameters, for estimates that are posterior modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.items import ItemLayout

__all__ = ["ItemPriors"]

#: Beginning of the names of the parameters that a key of the priors is about.
_KINDS = {
    "lower": "logit_lower[", "upper": "logit_upper[", "slope": "slope", "intercept": "intercept["
}  # fmt: skip
_DISTRIBUTIONS = ("normal", "lognormal", "beta")
#: Log density of parameters outside the domain of their prior.
OUTSIDE = -1e100


@dataclass(frozen=True, slots=True)
class ItemPriors:
    """Independent prior densities of some parameters.

    Attributes
    ----------
    terms : tuple of (int, str, float, float)
        Position of the parameter, distribution and its two parameters.
    k_params : int
    text : tuple of str
        For the summary.
    asked : dict, optional
        As they were given.
    """

    terms: tuple[tuple[int, str, float, float], ...] = ()
    k_params: int = 0
    text: tuple[str, ...] = ()
    asked: Mapping | None = None

    @classmethod
    def of(cls, priors: Mapping | None, layout: ItemLayout) -> ItemPriors:
        """Priors as users write them.

        Raises
        ------
        SpecificationError
            Unknown parameters or distributions.
        """
        if not priors:
            return cls()
        if not isinstance(priors, Mapping):
            raise SpecificationError(
                f"priors must be a dict such as {{'lower': ('beta', 5, 17)}}, not {priors!r}"
            )
        names = layout.mapping.param_names
        terms: dict[int, tuple] = {}
        text = []
        for key, prior in priors.items():
            if key in _KINDS:
                chosen = [k for k, name in enumerate(names) if name.startswith(_KINDS[key])]
            else:
                chosen = [k for k, name in enumerate(names) if name == key]
            if not chosen:
                raise SpecificationError(
                    f"priors names {key!r}, which is no free parameter; use {', '.join(map(repr, _KINDS))} "
                    f"or one of {names}"
                )
            if (
                not isinstance(prior, (tuple, list))
                or len(prior) != 3
                or prior[0] not in _DISTRIBUTIONS
            ):
                raise SpecificationError(
                    f"priors[{key!r}] must be ('normal', mean, sd), ('lognormal', mean, sd) or ('beta', a, "
                    f"b), not {prior!r}"
                )
            if chosen and names[chosen[0]].startswith(("var(", "cov(", "corr(")):
                raise SpecificationError(
                    f"priors[{key!r}]: latent variances and correlations take no prior densities here"
                )
            kind = prior[0]
            try:
                first, second = float(prior[1]), float(prior[2])
            except (TypeError, ValueError):
                first = second = np.nan
            known = np.isfinite([first, second]).all()
            if not known or second <= 0 or (kind == "beta" and first <= 0):
                raise SpecificationError(f"priors[{key!r}] = {prior!r} is no density")
            for k in chosen:
                if kind == "beta" and not names[k].startswith("logit_"):
                    raise SpecificationError(
                        f"priors[{key!r}]: beta densities are for asymptotes, not for {names[k]!r}"
                    )
                terms[k] = (k, kind, first, second)
            text.append(f"{key} ~ {kind}({first:g}, {second:g})")
        return cls(tuple(terms.values()), len(names), tuple(text), dict(priors))

    def evaluate(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log density without constants, its gradient and Hessian in theta.

        A beta density is that of the probability (mirt's "expbeta"), a normal one of an asymptote that of
        its logit.
        """
        value = 0.0
        gradient = np.zeros(self.k_params)
        hessian = np.zeros((self.k_params, self.k_params))
        for k, kind, first, second in self.terms:
            x = float(theta[k])
            if kind == "normal":
                z = (x - first) / second
                value -= 0.5 * z * z
                gradient[k] -= z / second
                hessian[k, k] -= 1.0 / second**2
            elif kind == "beta":
                p = float(expit(x))
                a, b = first - 1.0, second - 1.0
                value -= a * np.logaddexp(0.0, -x) + b * np.logaddexp(0.0, x)
                gradient[k] += a * (1.0 - p) - b * p
                hessian[k, k] -= (a + b) * p * (1.0 - p)
            elif x <= 0.0:
                value = OUTSIDE
            else:
                z = (np.log(x) - first) / second
                value -= 0.5 * z * z + np.log(x)
                gradient[k] -= (z / second + 1.0) / x
                hessian[k, k] += (z / second + 1.0 - 1.0 / second**2) / x**2
        return value, gradient, hessian
