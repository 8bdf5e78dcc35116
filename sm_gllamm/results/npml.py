"""Results of models with mass points in place of normal latent variables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper
from statsmodels.tools.numdiff import approx_fprime

from sm_gllamm.classes.delta import standard_errors
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResultsWrapper
from sm_gllamm.results.latent_class import MixtureResults

__all__ = ["NPMLResults", "NPMLResultsWrapper"]


class NPMLResults(MixtureResults):
    """Results of ``fit(random="npml")``.

    Attributes
    ----------
    search : tuple of (int, float)
        Numbers of mass points that were tried, with their log-likelihoods; empty where the number was
        given.
    """

    search: tuple[tuple[int, float], ...] = ()

    @property
    def title(self) -> str:
        """Heading of `summary`."""
        return f"{type(self.model.template).__name__} Results, mass points (NPML)"

    @property
    def described(self) -> list[tuple[str, str]]:
        """Number of mass points by level."""
        template = self.model.template
        head = [("Model:", type(template).__name__)]
        return head + [
            (f"Masses, {name}:", str(number)) for name, number in self.model.n_masses.items()
        ]

    @property
    def remarks(self) -> list[str]:
        """Mean and standard deviation of the estimated distribution."""
        out = []
        for level in self.model.mass_levels():
            for effect, row in self.moments(level).iterrows():
                out.append(
                    f"Mass points of {effect} ({level}): mean {row['mean']:.4f}, standard deviation "
                    f"{row['sd']:.4f}"
                    + (
                        "."
                        if not row["at_infinity"]
                        else f", of the finite ones; a share of {row['at_infinity']:.4f} is at infinity."
                    )
                )
        return out

    def _level(self, level: str | None) -> tuple[str, int]:
        levels = self.model.mass_levels()
        if level is None:
            level = next(iter(levels))
        if level not in levels:
            raise SpecificationError(f"level {level!r} has no mass points; {list(levels)} have")
        return level, levels[level]

    def _distribution(self, params: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Places (K, q), of the coefficients they are deviations of, and probabilities (K,)."""
        model, theta = self.model, self.model.mapping.theta(params)
        places = model.places(theta, level)
        names = list(model.mapping.param_names)
        for r, effect in enumerate(model.effects(level)):
            if effect in names:
                places[:, r] += params[names.index(effect)]
        return places, model.mass_shares(theta, level)

    def _with_errors(self, function) -> tuple[np.ndarray, np.ndarray]:
        """Values of a function of the parameters, and their standard errors by the delta method."""
        params = np.asarray(self.params, dtype=float)
        value = np.asarray(function(params), dtype=float)
        gradient = approx_fprime(params, lambda x: np.ravel(function(x)), centered=True)
        se = standard_errors(np.atleast_2d(gradient), np.asarray(self.cov_params()))
        return value, se.reshape(value.shape)

    def masses(self, level: str | None = None) -> pd.DataFrame:
        """Mass points and their probabilities.

        Parameters
        ----------
        level : str, optional
            Default the lowest level with mass points.

        Returns
        -------
        DataFrame
            A row a mass point, in the order of the first latent variable: for each latent variable its
            value, the coefficient of the fixed part of the same name included, and its standard error;
            ``probability`` and its standard error (delta method).

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import epil
        >>> data = epil.load_pandas().data
        >>> model = smg.GLMM.from_formula("y ~ trt + (1 | subject)", data, family="poisson")
        >>> result = model.fit(random="npml", n_masses=2)
        >>> result.masses().shape
        (2, 4)
        """
        _, number = self._level(level)
        effects = self.model.effects(number)

        def both(params):
            places, shares = self._distribution(params, number)
            return np.column_stack([places, shares])

        value, se = self._with_errors(both)
        order = np.argsort(value[:, 0], kind="stable")
        columns: dict[str, np.ndarray] = {}
        for r, effect in enumerate([*effects, "probability"]):
            columns[effect] = value[order, r]
            columns[f"std_err({effect})"] = se[order, r]
        index = [f"mass{c + 1}" for c in order]
        return pd.DataFrame(columns, index=pd.Index(index, name="mass"))

    def moments(self, level: str | None = None) -> pd.DataFrame:
        """Mean, variance, standard deviation and skewness of the estimated distribution.

        Mass points at infinity have no moments: these are of the others, and ``at_infinity`` is the
        probability that they leave out.

        Parameters
        ----------
        level : str, optional

        Returns
        -------
        DataFrame
            A row a latent variable, with standard errors of mean, variance and sd (delta method).
        """
        _, number = self._level(level)
        finite = ~self.model.at_infinity(self.theta, number)
        everything = self._distribution(np.asarray(self.params, dtype=float), number)[1]

        def moments_at(params):
            places, shares = self._distribution(params, number)
            places, shares = places[finite], shares[finite] / shares[finite].sum()
            mean = shares @ places
            centred = places - mean
            variance = shares @ centred**2
            sd = np.sqrt(np.maximum(variance, 1e-300))
            return np.column_stack([mean, variance, sd, (shares @ centred**3) / sd**3])

        value, se = self._with_errors(moments_at)
        columns = {}
        for k, name in enumerate(("mean", "variance", "sd")):
            columns[name], columns[f"std_err({name})"] = value[:, k], se[:, k]
        columns["skewness"] = value[:, 3]
        columns["at_infinity"] = np.full(len(value), everything[~finite].sum())
        return pd.DataFrame(columns, index=pd.Index(self.model.effects(number), name="effect"))

    def gateaux(self, places=None) -> pd.DataFrame:
        """Directional derivative of the log-likelihood towards new mass points.

        Parameters
        ----------
        places : array_like, shape (m,) or (m, q), optional
            Values of the latent variables, coefficients of the fixed part included; default a grid around
            the mean (of several latent variables the steepest ascent alone).

        Returns
        -------
        DataFrame
            Places and ``derivative`` in log-likelihood units. Where it is nowhere positive, the mass points
            are the nonparametric maximum likelihood estimate (Lindsay 1983).
        """
        self._estimated("the directional derivative")
        model, params = self.model, np.asarray(self.params, dtype=float)
        theta = self.theta
        level = next(iter(model.mass_levels().values()))
        shown, shares = self._distribution(params, level)
        shift = shown[0] - model.places(theta, level)[0]
        effects = model.effects(level)
        if places is None and len(effects) > 1:
            at = model.steepest(theta)[0][None]
        elif places is None:
            mean = shares @ shown
            sd = np.sqrt(shares @ (shown - mean) ** 2)
            at = mean + np.linspace(-4.0, 4.0, 81)[:, None] * sd - shift
        else:
            at = np.asarray(places, dtype=float).reshape(-1, len(effects)) - shift
        frame = pd.DataFrame(at + shift, columns=effects)
        frame["derivative"] = model.gateaux(theta, at)
        return frame

    @property
    def largest_derivative(self) -> float:
        """Largest directional derivative: no distribution has a log-likelihood higher by more than this."""
        self._estimated("the directional derivative")
        return self.model.steepest(self.theta)[1]

    def random_effects(self) -> pd.DataFrame:
        """Posterior means of the latent variables of the lowest level with mass points.

        Returns
        -------
        DataFrame
            A row a unit, relative to the mean of the distribution.
        """
        self._estimated("posterior means")
        model = self.model
        level = next(iter(model.mass_levels().values()))
        places, shares = self._distribution(np.asarray(self.params, dtype=float), level)
        posterior = model.likelihood.posterior(self.theta)
        group = model.likelihood.units.group
        share = np.einsum("nh,hnc->nc", posterior.upper[group], posterior.lower)
        return pd.DataFrame(share @ (places - shares @ places), columns=model.effects(level))


class NPMLResultsWrapper(LatentVariableResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(NPMLResultsWrapper, NPMLResults)
