"""How a generalized linear mixed model is fitted; part of :class:`sm_gllamm.models.glmm.GLMM`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.estimation.newton import INTERRUPTED, Outcome, maximize
from sm_gllamm.estimation.verdict import Verdict
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, ThetaEvaluation
from sm_gllamm.likelihood.reml import RestrictedLikelihood
from sm_gllamm.models.base import LatentVariableModel
from sm_gllamm.models.diagnosis import crossed_thresholds, diagnose
from sm_gllamm.models.fitting import Fit, FitSettings, fit_adaptive, fit_fixed
from sm_gllamm.models.identification import Identification, check_identification, warn_of_rank
from sm_gllamm.models.refits import away_from_zero
from sm_gllamm.models.several_starts import best_of_starts, with_second_strategy
from sm_gllamm.models.signs import oriented
from sm_gllamm.models.starting import start_theta
from sm_gllamm.results.quasi import with_quasi_dispersion
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.collinearity import collinear_columns
from sm_gllamm.specification.separation import separated_columns, separated_ordered

__all__ = ["FitMethods"]

_FIT_OPTIONS = ("start_params", "maxiter", "disp", "n_points", "integration", "cov_type", "cov_kwds",
                "use_t", "reml", "scale", "tol", "quadrature_tol", "n_threads",
                "warn_convergence", "n_starts", "random", "n_masses", "npml_levels", "seed")  # fmt: skip
#: Random starts of models with mass points, at least.
FEWEST_STARTS = 5
#: Probabilities nearer to 0 or 1 than this are looked at for perfect separation.
RUNAWAY = 1e-6
#: So are predictors of ordered categories that differ by more.
RUNAWAY_SPREAD = 20.0
#: Names of optimisers that statsmodels users pass; the fit is by Newton's method whatever the name.
_METHODS = ("newton", "nm", "bfgs", "lbfgs", "powell", "cg", "ncg", "basinhopping", "minimize")


class FitMethods(LatentVariableModel):
    """Starting values, fit and verdict of :class:`sm_gllamm.models.glmm.GLMM`."""

    #: whether starting values are those of items, to which only random ones are an alternative
    starts_from_items = False

    @property
    def starts_near(self) -> bool:
        """Whether starting values are near enough to the maximum to say how many nodes it takes."""
        return False

    def _start(self, start_params) -> np.ndarray:
        """Internal starting values from published ones given as an array, Series or dict."""
        names = self.mapping.param_names
        if isinstance(start_params, pd.Series) and start_params.index.dtype != np.intp:
            start_params = start_params.to_dict()
        if isinstance(start_params, Mapping):
            if unknown := [name for name in start_params if name not in names]:
                raise SpecificationError(
                    f"start_params names {unknown}; the parameters are {names}"
                )
            if absent := [name for name in names if name not in start_params]:
                raise SpecificationError(f"start_params lacks {absent}")
            start_params = [start_params[name] for name in names]
        try:
            start_params = np.asarray(start_params, dtype=float)
        except (TypeError, ValueError):
            raise SpecificationError(
                f"start_params must be numbers, not {start_params!r}"
            ) from None
        if start_params.shape != (len(names),):
            raise SpecificationError(
                f"start_params has shape {start_params.shape}; one value is needed for each of {names}"
            )
        if not np.all(np.isfinite(start_params)):
            raise SpecificationError(f"start_params is not finite: {start_params}")
        return self.mapping.theta(start_params)

    @property
    def start_params(self) -> np.ndarray:
        """Starting values in published parameters: the pooled model, and a scale for the random effects."""
        return self.mapping.params(self._starting_theta(self._ready()))

    def _starting_theta(self, likelihood: MarginalLikelihood) -> np.ndarray:
        """Internal starting values."""
        return start_theta(likelihood)[0]

    def _warn_of_rank(self, theta, restriction=None) -> Identification | None:
        """What rank says before the fit about parameters that cannot be told apart."""
        return warn_of_rank(self, theta, restriction, 4 if restriction is None else 5)

    def _crossed_thresholds(self, theta) -> tuple[str, ...]:
        """Neighbouring thresholds out of order in some row."""
        return crossed_thresholds(self, theta)

    def fit(
        self, start_params=None, method="newton", maxiter=100, full_output=1, disp=0, callback=None,
        retall=0, n_points=None, integration=None, cov_type=None, cov_kwds=None, use_t=False,
        reml=False, scale=None, tol=1e-10, quadrature_tol=1e-5, n_threads=None, warn_convergence=True,
        skip_hessian=False, n_starts=1, random="normal", n_masses=None, npml_levels=None, seed=0,
        **kwargs,
    ):  # fmt: skip
        """Fit by maximum likelihood, or restricted maximum likelihood for gaussian models.

        Parameters
        ----------
        start_params : array_like, Series or dict, optional
            Starting values on the published scale, in the order of ``param_names``.
        method : str
            For statsmodels' sake; the optimiser is always Newton's method with exact derivatives.
        maxiter : int
            Newton iterations; 0 evaluates at `start_params`.
        disp : int
            1 prints a line an iteration.
        n_points : int, sequence (top level first) or dict (by level name), optional
            Quadrature points per dimension. None (default) chooses them, cluster by cluster, until the
            estimated error of the log-likelihood is below `quadrature_tol`.
        integration : {None, "mode", "meansd", "laplace", "trapezoid", "sparse"}
            Gauss-Hermite nodes at the posterior mode (None, "mode"; as lme4) or at posterior mean and
            SD ("meansd"; as gllamm and Stata); one node; a trapezoidal rule over the bulk of the
            posterior (one random effect at the lowest level); a sparse grid.
        cov_type : {"nonrobust", "robust", "cluster"}, optional
            Inverse observed information; sandwich over top-level clusters; sandwich over
            ``cov_kwds["groups"]``, which contain whole top-level clusters. Default "nonrobust", with
            sampling weights "robust".
        cov_kwds : dict, optional
            For "cluster": ``groups`` and ``use_correction`` (factor G / (G - 1), default True).
        use_t : bool
            t and F instead of normal and chi-square distributions.
        reml : bool
            Restricted maximum likelihood; gaussian with identity link only.
        scale : {None, "X2"}
            "X2": standard errors are multiplied by the square root of Pearson's chi-square over its
            degrees of freedom (quasi-likelihood); Poisson counts and binomial ones with trials.
        tol : float
            Convergence when the Newton decrement (log-likelihood units) is below.
        quadrature_tol : float
            Absolute error of the log-likelihood aimed at when `n_points` is None.
        n_threads : int, optional
            Threads over top-level clusters; None uses all processors where it pays.
        warn_convergence : bool
            Whether to warn when the fit did not converge.
        n_starts : int
            Runs from this many starting values, of which the best counts: the usual ones (or
            `start_params`) and random ones around them, the same in every call. ``verdict.starts`` has the
            log-likelihoods, ``verdict.replicated`` says how many reached the best one. With 1, random
            starts of models with loadings are tried where the usual start does not converge.
        random : {"normal", "npml"}
            Distribution of the latent variables: normal, or the nonparametric maximum likelihood estimate,
            mass points whose places and probabilities are estimated (Laird 1978); then the options are
            `start_params`, `maxiter`, `disp`, `cov_type`, `cov_kwds`, `use_t`, `tol`, `n_starts` (at least
            5), `seed` and the next two.
        n_masses : int or dict of level name to int, optional
            Number of mass points. None raises it while the directional derivative of the log-likelihood
            towards a new one is positive.
        npml_levels : str or sequence of str, optional
            Levels with mass points (the top level, or the top two); default all. A level above keeps its
            normal distribution.
        seed : int
            Of the random starts with mass points.

        Returns
        -------
        GLMMResultsWrapper
            With mass points :class:`sm_gllamm.results.npml.NPMLResultsWrapper`.

        Raises
        ------
        SpecificationError
            Collinear columns, unknown options, or a random part that the data cannot support.

        Warns
        -----
        ConvergenceWarning, BoundaryWarning, IdentificationWarning, SeparationWarning, QuadratureWarning
            What ``results.verdict`` says in full.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> round(result.llf, 4)
        -875.9697
        """
        check_keywords(kwargs, _FIT_OPTIONS, "GLMM.fit")
        if random == "npml":
            # that module builds on this one
            from sm_gllamm.models.npml_fit import npml_fit

            if reml or scale is not None or n_points is not None or integration is not None:
                raise SpecificationError(
                    "random='npml' has mass points: leave out reml, scale, n_points and integration"
                )
            return npml_fit(
                self, n_masses, npml_levels, start_params=start_params, maxiter=maxiter, disp=disp,
                cov_type=cov_type, cov_kwds=cov_kwds, use_t=use_t, tol=tol, n_threads=n_threads,
                warn_convergence=warn_convergence, n_starts=max(n_starts, FEWEST_STARTS), seed=seed,
            )  # fmt: skip
        if random != "normal" or n_masses is not None or npml_levels is not None:
            raise SpecificationError(
                f"random={random!r} is not known, or n_masses and npml_levels are without random='npml'; use "
                "'normal' or 'npml'"
            )
        if method not in _METHODS:
            raise SpecificationError(
                f"method={method!r} is not known; leave it out (Newton's method)"
            )
        settings = FitSettings(
            n_points=n_points, integration=integration, maxiter=maxiter, tol=tol,
            quadrature_tol=quadrature_tol, disp=disp, reml=reml, scale=scale,
            n_threads=self.n_threads if n_threads is None else n_threads, n_starts=n_starts,
        )  # fmt: skip
        self.n_threads = settings.n_threads
        quadrature = self._quadrature_for(n_points, integration)
        self._quadrature = None
        likelihood = self._ready(quadrature)
        if cov_type is None:
            cov_type = "robust" if self.weights.sampling else "nonrobust"
        if maxiter == 0:
            return self._at(
                start_params, quadrature, cov_type, cov_kwds, use_t, settings, warn_convergence
            )
        self._check_before_fit(scale)
        usual = start_params is None
        if usual:
            start = self._starting_theta(likelihood)
            start_params = self.mapping.params(start)
        else:
            start = away_from_zero(self, self._start(start_params))
        if reml:
            return self._fit_reml(start, start_params, cov_type, cov_kwds, use_t, settings)
        rank = self._warn_of_rank(start)

        def run(theta):
            likelihood.use(quadrature or self.default_quadrature())
            if quadrature is None:
                placement = "meansd" if integration == "meansd" else "mode"
                return fit_adaptive(
                    likelihood, theta, placement, settings.controls, quadrature_tol,
                    near=usual and theta is start and self.starts_near,
                )  # fmt: skip
            return fit_fixed(likelihood, theta, quadrature, settings.controls)

        values = ()
        if n_starts > 1:
            fit, values = best_of_starts(run, likelihood, start, n_starts)
        else:
            fit = run(start)
            if usual and (rank is not None or self.starts_from_items):
                fit = with_second_strategy(
                    run, likelihood, start, maxiter, fit, not self.starts_from_items
                )
        return self._finish(
            fit, start_params, cov_type, cov_kwds, use_t, settings, warn_convergence, values, rank
        )

    def check_identification(self) -> Identification:
        """Whether the model's parameters can be told apart, by rank and before any fit.

        Returns
        -------
        Identification
            With ``identified``, ``rank``, and the parameters of each direction in which the likelihood is
            flat whatever the responses.

        Notes
        -----
        Local identification: the rank of the scores of clusters at parameters near the starting values,
        of the responses at hand and of simulated ones (Rothenberg 1971, *Econometrica* 39, 577-591).
        Parameters that are identified in principle may be known badly by the data; their standard errors
        say so.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> import sm_gllamm.api as smg
        >>> rng = np.random.default_rng(1)
        >>> data = pd.DataFrame({"person": np.repeat(np.arange(200), 2), "item": [1, 2] * 200})
        >>> data["y"] = rng.normal(size=200)[data["person"]] + rng.normal(size=400)
        >>> factor = smg.Latent("f", "person", "0 + C(item)")
        >>> model = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=[factor])
        >>> model.check_identification().identified
        True
        >>> model = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=[factor],
        ...                                 dispersion="~ 0 + C(item)")
        >>> print(model.check_identification())
        not identified: 5 of 6 parameters are known; these cannot be told apart:
          var(f|person), log_sd:C(item)[1], log_sd:C(item)[2], loading(f: C(item)[2])
        """
        return check_identification(self, self._starting_theta(self._ready()))

    def _check_before_fit(self, scale=None):
        """Refuse designs whose coefficients are not determined, and dispersions that make no sense."""
        counts = self.response.family == "Poisson" or self.kind == "binomial"
        if scale is not None and (scale != "X2" or not counts):
            raise SpecificationError(
                f"scale={scale!r}: only 'X2' (Pearson's chi-square over its degrees of freedom) is known, "
                "for Poisson counts and binomial responses with trials (a single trial has no "
                "overdispersion, other families have a dispersion of their own)"
            )
        names = self.mapping.param_names[: self.k_exog]
        design = self.assembly.problem.design[:, : self.k_exog]
        if dependences := collinear_columns(design, names):
            raise SpecificationError(
                "columns of exog are collinear: " + "; ".join(str(d) for d in dependences)
                + ". Leave out " + ", ".join(d.column for d in dependences) + "."
            )  # fmt: skip

    def _separation(self, theta) -> tuple[str, ...]:
        """Covariates that predict a response perfectly, looked for where estimates run away."""
        layout = getattr(self.family, "layout", "plain")
        if layout in ("cumulative", "sequential") and self.responses.exog.shape[1]:
            data = self.responses
            coefficients = theta[: data.exog.shape[1]]
            if np.ptp(data.exog @ coefficients) < RUNAWAY_SPREAD:
                return ()
            return separated_ordered(
                data.y, data.exog, data.exog_names, sequential=layout == "sequential"
            )
        if self.response.family != "Binomial":
            return ()
        nu = self.exog @ theta[: self.k_exog]
        share = self.family.link.inverse(np.clip([nu.min(), nu.max()], -30.0, 30.0))
        if np.minimum(share, 1.0 - share).min() > RUNAWAY:
            return ()
        return separated_columns(self.endog, self.exog, self.mapping.param_names[: self.k_exog])

    def _finish(
        self, fit: Fit, start_params, cov_type, cov_kwds, use_t, settings, warn_convergence,
        values=(), rank=None,
    ):  # fmt: skip
        """Verdict, covariance matrix and results of a maximum likelihood fit."""
        theta = oriented(self.mapping, self.mapping.normalised(fit.outcome.theta))
        likelihood = self._ready(fit.quadrature)
        self._quadrature = fit.quadrature
        if cov_type == "nonrobust" and np.array_equal(theta, fit.outcome.theta):
            evaluation = ThetaEvaluation(np.array([fit.outcome.value]), None, fit.outcome.hessian)
        else:
            evaluation = likelihood.evaluate(theta, 2)
            fit.outcome.theta, fit.outcome.hessian = theta, evaluation.hessian
        verdict = diagnose(likelihood, fit, settings, self._separation(theta))
        known = () if rank is None else rank.parameters
        verdict = replace(
            verdict, crossing=self._crossed_thresholds(theta), starts=values,
            unidentified=tuple(dict.fromkeys((*known, *verdict.unidentified))),
        )  # fmt: skip
        result = self._results(
            theta, evaluation, verdict, cov_type, cov_kwds, use_t, settings, np.asarray(start_params),
            {"quadrature": fit.quadrature, "llf": evaluation.total, "path": fit.outcome.path},
        )  # fmt: skip
        # what rank shows was said before the fit, and the maximum is any point of a ridge
        news = verdict.runaway if known else verdict.unidentified
        self._warn(replace(verdict, unidentified=news), warn_convergence)
        if settings.scale is not None:
            with_quasi_dispersion(result)
        return self.wrapper_class(result)

    def _at(self, start_params, quadrature, cov_type, cov_kwds, use_t, settings, warn_convergence):
        """Results at given parameters, without any fitting."""
        if start_params is None:
            raise SpecificationError("maxiter=0 evaluates at start_params, which are missing")
        theta = self._start(start_params)
        quadrature = quadrature or self.default_quadrature()
        likelihood = self._ready(quadrature)
        self._quadrature = quadrature
        evaluation = likelihood.evaluate(theta, 2)
        verdict = Verdict(False, "no iterations were asked for (maxiter=0)", 0, np.inf)
        result = self._results(
            theta, evaluation, verdict, cov_type, cov_kwds, use_t, settings, np.asarray(start_params),
            {"quadrature": quadrature, "llf": evaluation.total, "path": []},
        )  # fmt: skip
        self._warn(verdict, warn_convergence)
        return self.wrapper_class(result)

    def _fit_reml(self, start, start_params, cov_type, cov_kwds, use_t, settings):
        """Restricted maximum likelihood; coefficients and variances have independent covariances."""
        if not self.response.exact:
            raise SpecificationError("reml=True is for gaussian models with identity link")
        if not self.mapping.coefficients_only:
            raise SpecificationError(
                "reml=True is for models without free loadings and regressions"
            )
        if self.weights.by_level or cov_type != "nonrobust":
            raise SpecificationError("reml=True goes with cov_type='nonrobust' and without weights")
        likelihood, k = self.likelihood, self.k_exog
        restricted = RestrictedLikelihood(likelihood)
        try:
            outcome = maximize(
                lambda free, want: restricted.evaluate(free, start, want),
                start[k:],
                replace(settings.controls, tol=max(settings.tol, 1e-9)),
            )
        except KeyboardInterrupt:
            # within the first of many evaluations: the start is the best point so far
            empty = np.empty(0)
            outcome = Outcome(start[k:], -np.inf, empty, empty, False, INTERRUPTED, 0, np.inf)
        theta, value, evaluation = restricted.profile(np.concatenate([start[:k], outcome.theta]))
        theta = self.mapping.normalised(theta)
        outcome.hessian = restricted.evaluate(theta[k:], theta, 2)[2]
        hessian = np.zeros((len(theta), len(theta)))
        hessian[:k, :k] = evaluation.hessian[:k, :k]
        hessian[k:, k:] = outcome.hessian
        outcome.theta, outcome.hessian = theta, hessian
        self._quadrature = likelihood.quadrature
        verdict = diagnose(likelihood, Fit(outcome, likelihood.quadrature, 0.0), settings)
        result = self._results(
            theta, ThetaEvaluation(evaluation.loglike, evaluation.score, hessian), verdict, cov_type,
            cov_kwds, use_t, settings, np.asarray(start_params),
            {"quadrature": likelihood.quadrature, "llf": value, "path": outcome.path},
        )  # fmt: skip
        self._warn(verdict)
        return self.wrapper_class(result)
