"""Structural equation models for any response: a front of the general model, integrated by quadrature."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, maximize
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints
from sm_gllamm.likelihood.marginal import Quadrature, ThetaEvaluation
from sm_gllamm.models.base import LatentVariableModel
from sm_gllamm.models.fitting import FitSettings, objective
from sm_gllamm.models.sem import SEM
from sm_gllamm.models.sem_quadrature_fit import (
    SemLikelihood,
    quadrature_maximum,
    quadrature_verdict,
    refuse_infinite,
    restriction_of,
)
from sm_gllamm.models.sem_quadrature_inputs import QuadratureInputs, quadrature_inputs
from sm_gllamm.models.sem_quadrature_predictions import QuadraturePredictions
from sm_gllamm.models.sem_quadrature_start import quadrature_start
from sm_gllamm.models.sem_reading import group_labels, row_weights
from sm_gllamm.results.sem_quadrature import QuadratureSEMResults, QuadratureSEMResultsWrapper
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.constraints import constraint_arrays

__all__ = ["QuadratureSEM"]

_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst")
_FIT_INTERNAL = ("full_output", "callback", "retall", "skip_hessian", "method")
_FIT_OPTIONS = ("start_params", "maxiter", "disp", "n_points", "integration", "cov_type", "cov_kwds",
                "use_t", "tol", "quadrature_tol", "n_threads", "n_starts", "warn_convergence")  # fmt: skip
_SWITCHES = ("int_ov_free", "int_lv_free", "auto_fix_first", "auto_fix_single", "auto_var",
             "auto_cov_lv_x", "auto_cov_y")  # fmt: skip
#: Top-level clusters from which on the error of quadrature in each matters less.
MANY = 2000
#: Dimensions of a level beyond which is said what they cost.
MANY_DIMENSIONS = 5
#: Spread of the logarithms of random starts.
SPREAD = 0.5


class QuadratureSEM(QuadraturePredictions, SEM):
    """A structural equation model that :class:`SEM` makes where responses have no normal distribution.

    Parameters
    ----------
    model : str
    data : DataFrame
    families, ordered, link, cluster, weights, weight_scaling and others
        As for :class:`sm_gllamm.models.sem.SEM`.

    Notes
    -----
    Given the latent variables responses are independent, and their joint distribution is an integral over
    standard normal variables, one for each disturbance: the dimensions of each level are its latent variables
    with a variance, and the between parts with a residual variance.

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import lsat
    >>> data = lsat.load_pandas().data
    >>> model = smg.SEM("f =~ item_1 + item_2 + item_3 + item_4 + item_5", data, ordered=True)
    >>> round(model.fit().llf, 4)
    -2466.6851
    """

    results_class = QuadratureSEMResults
    wrapper_class = QuadratureSEMResultsWrapper

    def __init__(
        self, model, data=None, *, groups=None, group_equal=(), group_partial=(), cluster=None,
        style="sem", std_lv=False, orthogonal=False, fixed_x=True, meanstructure=None, missing="fiml",
        weights=None, freq_weights=None, weight_scaling=None, families=None, ordered=(),
        link="probit", n_threads=None, **kwargs,
    ):  # fmt: skip
        moments = [name for name in ("cov", "means", "nobs") if kwargs.pop(name, None) is not None]
        kwargs.pop("cov_divisor", None)
        if moments:
            raise SpecificationError(
                f"{moments[0]}= is for continuous responses in closed form: responses with families=, "
                f"ordered= or thresholds, random coefficients and products of latent variables need the data"
            )
        check_keywords(
            set(kwargs) - set(_INTERNAL),
            (*_SWITCHES, "groups", "cluster", "style", "std_lv", "missing", "families", "ordered", "link"),
            "SEM",
        )  # fmt: skip
        if meanstructure is False:
            raise SpecificationError(
                "meanstructure=False: responses other than continuous ones have no model without means"
            )
        if missing not in ("fiml", "listwise"):
            raise SpecificationError(f"missing={missing!r} is not known; use 'fiml' or 'listwise'")
        if not isinstance(data, pd.DataFrame):
            raise SpecificationError(f"data must be a DataFrame, not {type(data).__name__}")
        if not len(data):
            raise SpecificationError("the data have no rows")
        switches = {name: kwargs.pop(name) for name in _SWITCHES if name in kwargs}
        inputs = quadrature_inputs(
            model, data, groups=groups, cluster=cluster, missing=missing, weights=weights,
            freq_weights=freq_weights, weight_scaling=weight_scaling, families=families,
            ordered=ordered, link=link, labels_of=group_labels, weights_of=row_weights,
            table_options={
                "style": style, "group_equal": group_equal, "group_partial": group_partial,
                "std_lv": std_lv, "orthogonal": orthogonal, "fixed_x": fixed_x, **switches,
            },
        )  # fmt: skip
        self.syntax, self.table, self.n_threads = model, inputs.table, n_threads
        _warn_of_dimensions(inputs)
        GenericLikelihoodModel.__init__(self, inputs.endog, None, missing="none", **kwargs)
        self._data_attr += ["weights", "assembly", "_likelihood", "data.orig_endog"]
        self._set_up(inputs)

    def _set_up(self, inputs: Any) -> None:
        """Likelihood and parameters from inputs, and what statsmodels wants to know of them."""
        self.inputs: Any = inputs
        self.group_labels = inputs.table.groups
        self.weights = inputs.weights
        self._mapping: Any = inputs.mapping
        self.assembly: Any = inputs.assembly
        self._likelihood: Any = None
        self._quadrature: Quadrature | None = None
        self.level_names = tuple(inputs.level_names[level] for level in inputs.mapping.levels)
        names = list(inputs.mapping.param_names)
        self._set_extra_params_names(names)
        self.data.xnames = names
        self.k_exog = self.k_vars = 0
        self.k_extra, self.k_constant = 0, 0
        self.nobs = inputs.n_observations
        self.df_model = len(names)
        # statsmodels compares with the number of rows
        self.df_resid = len(self.endog) - len(names)

    # ------------------------------------------------------------ what the base asks for
    _ready = LatentVariableModel._ready
    default_quadrature = LatentVariableModel.default_quadrature
    _quadrature_for = LatentVariableModel._quadrature_for
    loglikeobs = LatentVariableModel.loglikeobs
    score_obs = LatentVariableModel.score_obs

    @property
    def likelihood(self) -> Any:
        """The marginal likelihood, built at first use."""
        if self.assembly is None:
            raise SpecificationError("the data were removed by remove_data(); build the model anew")
        if self._likelihood is None:
            self._likelihood = SemLikelihood(self.assembly.problem, self.mapping, self.n_threads)
        return self._likelihood

    def __getstate__(self):
        # the kernel holds pointers; it is rebuilt at first use
        return {**super().__getstate__(), "_likelihood": None}

    def expected_information(self, params) -> np.ndarray:
        """Not available: SpecificationError."""
        raise SpecificationError(
            "the expected information is that of continuous responses in closed form; use the observed one"
        )

    def _starting_theta(self, likelihood) -> np.ndarray:
        return self._tamed(self.mapping.theta, quadrature_start(self.inputs))

    def _tamed(self, theta_of, start: np.ndarray) -> np.ndarray:
        """Internal starting values, with covariances nearer to zero where there is no likelihood."""
        off = np.zeros(len(start), dtype=bool)
        for row in self.table.rows:
            if row.free and row.op == "~~" and row.lhs != row.rhs and row.ustart is None:
                off[self.table.distinct[row.free - 1]] = True
        for share in (1.0, 0.7, 0.3, 0.0):
            try:
                theta = theta_of(np.where(off, share * start, start))
            except SpecificationError:
                if not share:
                    raise
                continue
            if self.mapping.feasible(theta) and np.isfinite(self._ready().evaluate(theta).total):
                return theta
        raise SpecificationError(
            "there is no likelihood at the starting values: give others by start(...) or start_params="
        )

    def _scatter(self, values: np.ndarray) -> np.ndarray:
        """Weighted contributions of top-level clusters by person, where these are not persons in the
        first."""
        assembly = self.assembly
        out = np.zeros((len(self.endog), *values.shape[1:]))
        if assembly.pattern is None:
            out[assembly.first_person] = values
            return out
        weight = self.weights.by_level.get("row", np.ones(len(out)))
        total = np.bincount(assembly.pattern, weight, len(values))
        share = weight / np.maximum(total[assembly.pattern], 1e-300)
        return values[assembly.pattern] * share.reshape(-1, *(1,) * (values.ndim - 1))

    def _top(self) -> np.ndarray | None:
        """Top-level cluster of each person, None where these are persons."""
        if self.mapping.levels[-1] == 0:
            return None
        return self.inputs.persons.clusters[self.mapping.levels[-1] - 1]

    def _scores_of_units(self, score: np.ndarray) -> np.ndarray:
        """Scores of the independent units; of frequency weights one row for each."""
        if self._top() is not None:
            return score
        scores, frequency = self._scatter(score), self.weights.frequency
        if frequency is None:
            return scores
        # w persons with score s each contribute w s s'
        return scores / np.sqrt(np.maximum(frequency, 1e-300))[:, None]

    def _group_of_unit(self, codes: np.ndarray) -> np.ndarray:
        """Group of each independent unit from groups of persons."""
        top = self._top()
        if top is None:
            return codes
        first = self.assembly.first_person
        of_cluster = np.zeros(int(top.max()) + 1, dtype=codes.dtype)
        of_cluster[top[first]] = codes[first]
        if np.any(codes != of_cluster[top]):
            raise SpecificationError(
                f"cov_kwds['groups'] must contain whole clusters of {self.level_names[-1]}"
            )
        return codes[first]

    def _group_of_cluster(self, kwds: dict) -> np.ndarray:
        if "groups" not in kwds and self.inputs.cluster is not None:
            return self._group_of_unit(self.inputs.cluster)
        return LatentVariableModel._group_of_cluster(self, kwds)

    def _default_cov_type(self) -> str:
        if self.inputs.cluster is not None:
            return "cluster"
        return "robust" if self.weights.sampling else "nonrobust"

    # ------------------------------------------------------------ fit
    def fit(
        self, start_params=None, maxiter=200, disp=0, cov_type=None, cov_kwds=None, use_t=False,
        n_points=None, integration=None, tol=1e-10, quadrature_tol=None, n_threads=None, n_starts=1,
        warn_convergence=True, information="observed", **kwargs,
    ):  # fmt: skip
        """Fit by maximum likelihood, under the constraints of the text.

        Parameters
        ----------
        start_params : array_like, Series or dict, optional
            Starting values, in the order of ``param_names``.
        maxiter : int
            Newton iterations; 0 evaluates at `start_params`.
        disp : int
            1 prints a line an iteration.
        cov_type : {"nonrobust", "robust", "cluster"}, optional
            Inverse observed information; sandwich over the independent units (persons, or clusters of the
            highest level), as Mplus' MLR; sandwich over ``cov_kwds["groups"]`` or the clusters of a model of
            one level.
        cov_kwds : dict, optional
            For "cluster": ``groups`` and ``use_correction`` (factor G / (G - 1), default True).
        use_t : bool
            t and F instead of normal and chi-square distributions.
        n_points, integration
            As for :meth:`sm_gllamm.models.glmm.GLMM.fit`; by default nodes are chosen, cluster by cluster,
            until the estimated error of the log-likelihood is below `quadrature_tol`.
        tol : float
            Convergence when the Newton decrement (log-likelihood units) is below.
        quadrature_tol : float, optional
            Default 1e-6; 1e-5 with many different clusters, of which each then matters less; 1e-4 where
            rules of several levels are nested and have three dimensions or more, or products of latent
            variables.
        n_threads : int, optional
        n_starts : int
            Runs from this many starting values, of which the best counts.
        warn_convergence : bool
            Whether to warn when the fit did not converge.
        information : {"observed"}

        Returns
        -------
        QuadratureSEMResultsWrapper

        Raises
        ------
        SpecificationError
            Unknown options, constraints that no parameters meet.

        Warns
        -----
        ConvergenceWarning, IdentificationWarning, BoundaryWarning, QuadratureWarning
            What ``results.verdict`` says in full.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> model = smg.SEM("f =~ item_1 + item_2 + item_3 + item_4", data, ordered=True, std_lv=True)
        >>> print(model.fit().params.filter(like="=~").round(2).tolist())
        [0.42, 0.43, 0.57, 0.39]
        """
        check_keywords(set(kwargs) - set(_FIT_INTERNAL), _FIT_OPTIONS, "fit")
        if information != "observed":
            self.expected_information(None)
        options = (n_points, integration, tol, quadrature_tol, n_threads, n_starts)
        return self._integrate(
            None,
            start_params,
            maxiter,
            disp,
            (cov_type, cov_kwds, use_t),
            options,
            warn_convergence,
        )

    def fit_constrained(
        self, constraints, start_params=None, *, maxiter=200, disp=0, cov_type=None, cov_kwds=None,
        use_t=False, n_points=None, integration=None, tol=1e-10, quadrature_tol=None, n_threads=None,
        warn_convergence=True, information="observed", **kwargs,
    ):  # fmt: skip
        """Fit with linear constraints beside those of the text.

        Parameters
        ----------
        constraints : str, list of str, dict of str to float, ndarray or (R, q)
            As for :meth:`sm_gllamm.models.sem.SEM.fit_constrained`.
        start_params, maxiter, disp, cov_type, cov_kwds, use_t, n_points, integration, tol
            As in :meth:`fit`.
        quadrature_tol, n_threads, warn_convergence, information
            As in :meth:`fit`.

        Returns
        -------
        QuadratureSEMResultsWrapper
        """
        check_keywords(set(kwargs) - set(_FIT_INTERNAL), _FIT_OPTIONS, "fit_constrained")
        if information != "observed":
            self.expected_information(None)
        options = (n_points, integration, tol, quadrature_tol, n_threads, 1)
        return self._integrate(
            self._linear(constraints), start_params, maxiter, disp, (cov_type, cov_kwds, use_t), options,
            warn_convergence,
        )  # fmt: skip

    def _linear(self, constraints) -> LinearConstraints:
        if isinstance(constraints, LinearConstraints):
            return constraints
        names = self.mapping.param_names
        matrix, values = constraint_arrays(constraints, names)
        return LinearConstraints.of(matrix, values, names)

    def _integrate(self, linear, start_params, maxiter, disp, cov, options, warn_convergence):
        n_points, integration, tol, quadrature_tol, n_threads, n_starts = options
        if quadrature_tol is None:
            quadrature_tol = self._usual_tolerance()
        settings = FitSettings(
            n_points=n_points, integration=integration, maxiter=maxiter, tol=tol, disp=disp,
            quadrature_tol=quadrature_tol, n_starts=n_starts,
            n_threads=self.n_threads if n_threads is None else n_threads,
        )  # fmt: skip
        self.n_threads = settings.n_threads
        quadrature = self._quadrature_for(n_points, integration)
        if quadrature is None and self.assembly.problem.exact:
            quadrature = self.default_quadrature()
        self._quadrature = None
        likelihood = self._ready(quadrature)
        start = (
            self._starting_theta(likelihood) if start_params is None else self._start(start_params)
        )
        if maxiter == 0 and start_params is None:
            raise SpecificationError("maxiter=0 evaluates at start_params, which are missing")
        placement = "meansd" if integration == "meansd" else "mode"

        def run(theta):
            likelihood.use(quadrature or self.default_quadrature())
            return quadrature_maximum(
                likelihood, self.table, theta, linear, quadrature, placement, settings
            )

        found, values = run(start), []
        if n_starts > 1 or (start_params is None and not found.outcome.converged and maxiter >= 50):
            values = [found.outcome.value if found.outcome.converged else float("nan")]
            for seed in range(1, max(n_starts, 3)):
                if found.outcome.interrupted or (n_starts == 1 and found.outcome.converged):
                    break
                other = run(self._random_start(start, seed))
                values.append(other.outcome.value if other.outcome.converged else float("nan"))
                better = other.outcome.converged, other.outcome.value
                if better > (found.outcome.converged, found.outcome.value):
                    found = other
        refuse_infinite(found.outcome)
        return self._finished(
            found,
            linear,
            start,
            settings,
            cov,
            tuple(values) if n_starts > 1 else (),
            warn_convergence,
        )

    def _usual_tolerance(self) -> float:
        """Error of the log-likelihood aimed at: what nested rules with many nodes can afford."""
        problem = self.assembly.problem
        if len(problem.dimensions) > 1 and (problem.products or sum(problem.dimensions) > 2):
            return 1e-4
        return 1e-6 if problem.n_top < MANY else 1e-5

    def _random_start(self, theta: np.ndarray, seed: int) -> np.ndarray:
        """Starting values at random around given ones, where there is a likelihood."""
        rng = np.random.default_rng(seed)
        for _ in range(20):
            trial = theta * np.exp(SPREAD * rng.normal(size=len(theta)))
            if self.mapping.feasible(trial) and np.isfinite(self.likelihood.evaluate(trial).total):
                return trial
        return theta

    def _finished(self, found, linear, start, settings, cov, values, warn_convergence):
        """Verdict, covariance matrix and results."""
        fit = found.fit
        theta = self.mapping.normalised(fit.outcome.theta)
        if found.restriction is None and linear is None:
            theta = self._positive(theta)
        self._quadrature = fit.quadrature
        likelihood = self._ready(fit.quadrature)
        evaluation = likelihood.evaluate(theta, 2)
        fit.outcome.theta, fit.outcome.value = theta, evaluation.total
        fit.outcome.gradient, fit.outcome.hessian = evaluation.gradient, evaluation.hessian
        jacobian = basis = None
        if found.restriction is not None:
            evaluation = replace(
                evaluation,
                hessian=evaluation.hessian + found.restriction.bend(theta, evaluation.gradient),
            )
            fit.outcome.hessian = evaluation.hessian
            jacobian = found.restriction.jacobian(theta)
            basis = found.restriction.tangent(theta)
        params = self.mapping.params(theta)
        counted = self.assembly.pattern is not None
        verdict = quadrature_verdict(
            likelihood, found, settings, self.disturbances(params), counted
        )
        verdict = replace(verdict, starts=values)
        cov_type = self._default_cov_type() if cov[0] is None else cov[0]
        result = self._results(
            theta, evaluation, verdict, cov_type, cov[1], cov[2], settings,
            self.mapping.params(start),
            {
                "quadrature": fit.quadrature, "llf": evaluation.total, "path": fit.outcome.path,
                "constraints": linear, "k_free": None if basis is None else basis.shape[1],
                "restriction": found.restriction,
            },
            jacobian,
        )  # fmt: skip
        self._warn(verdict, warn_convergence)
        return self.wrapper_class(result)

    def _positive(self, theta: np.ndarray) -> np.ndarray:
        """The same distribution with latent variables of fixed variance that point where their loadings
        do."""
        params = self.mapping.params(theta)
        for b, roles in enumerate(self.table.roles):
            rows = [row for row in self.table.rows if row.block == b + 1]
            for name in roles.latent:
                own = [r for r in rows if r.op == "=~" and r.lhs == name]
                touched = [
                    r for r in rows
                    if name in (r.lhs, r.rhs, *r.rhs.split(":")) and r.lhs != r.rhs and r.op in ("~", "~~",
                    "~1")
                ]  # fmt: skip
                if (
                    not own
                    or not all(r.free and not r.rv for r in own)
                    or len(self.table.groups) > 1
                ):
                    continue
                odd = [r for r in touched if r.op != "~" or r.rhs.split(":").count(name) < 2]
                if (
                    any(not r.free and (r.ustart or 0.0) or r.rv for r in odd)
                    or len(self.table.levels) > 1
                ):
                    continue
                at = self.table.distinct[[r.free - 1 for r in own]]
                if params[at].sum() >= 0.0:
                    continue
                flipped = params.copy()
                turned = {int(self.table.distinct[r.free - 1]) for r in (*own, *odd) if r.free}
                flipped[sorted(turned)] *= -1.0
                new = self.mapping.theta(flipped)
                if np.isclose(self._ready(self._quadrature).evaluate(new).total,
                              self._ready(self._quadrature).evaluate(theta).total, atol=1e-6):  # fmt: skip
                    theta, params = new, flipped
        return theta

    def disturbances(self, params) -> list[tuple[tuple[str, ...], np.ndarray]]:
        """Names and covariance matrix of the disturbances of each part that covaries."""
        params = np.asarray(params, dtype=float)
        return [
            (component.names[: component.n_latent], component.matrix(params)[
                : component.n_latent, : component.n_latent])
            for group in self.mapping.groups
            for _, component, _ in group.disturbances
        ]  # fmt: skip

    # ------------------------------------------------------------ the same model again
    def maximum_under(self, constraints, theta, quadrature, maxiter=50, tol=1e-8):
        """Maximum of the log-likelihood under further linear constraints, for profiles.

        Parameters
        ----------
        constraints : LinearConstraints
        theta : ndarray, shape (p,)
        quadrature : Quadrature
        maxiter : int
        tol : float

        Returns
        -------
        theta : ndarray, shape (p,)
        value : float
            -inf where the maximum was not found.
        """
        likelihood = self._ready(quadrature)
        restriction = restriction_of(self.table, constraints, (), self.mapping)
        outcome = maximize_under(objective(likelihood), theta, restriction, Controls(maxiter, tol))
        if outcome.interrupted:
            raise KeyboardInterrupt
        return outcome.theta, outcome.value if outcome.converged else -np.inf

    def with_inputs(self, inputs: Any) -> QuadratureSEM:
        """The same model of other data.

        Parameters
        ----------
        inputs : QuadratureInputs

        Returns
        -------
        QuadratureSEM
        """
        other = copy(self)
        other.data = copy(self.data)
        other.data._cache = dict(self.data._cache)
        other.table = inputs.table
        other._set_up(inputs)
        return other

    def resampled_problem(self, rng: np.random.Generator):
        """The engine's problem with independent units drawn with replacement."""
        assembly = self.assembly
        problem = assembly.problem
        if assembly.pattern is None:
            return LatentVariableModel.resampled_problem(self, rng)
        frequency, n = self.weights.frequency, len(self.endog)
        if frequency is not None:
            times = rng.multinomial(int(round(frequency.sum())), frequency / frequency.sum())
        else:
            times = rng.multinomial(n, np.full(n, 1.0 / n)) * self.weights.by_level.get("row", 1.0)
        weight = np.bincount(assembly.pattern, times, problem.n_top)
        return replace(problem, cluster_weights=(*problem.cluster_weights[:-1], weight))

    def bootstrap_estimates(
        self, params, theta, quadrature, method, rng, n_rep, reml=False, constraints=None
    ):
        """Estimates of bootstrap samples; see :func:`sm_gllamm.models.refits.bootstrap_estimates`."""
        controls = Controls(maxiter=60, tol=1e-9)
        for _ in range(n_rep):
            if method == "cluster":
                problem = self.resampled_problem(rng)
            else:
                inputs: QuadratureInputs = self.inputs
                drawn = self.simulated_responses(params, rng)
                problem = inputs.with_responses(drawn).assembly.problem
            likelihood = SemLikelihood(problem, self.mapping, self.n_threads)
            likelihood.use(quadrature.of(problem))
            restriction = restriction_of(self.table, constraints, (), self.mapping)
            evaluate: Any = objective(likelihood)
            outcome = (
                maximize(evaluate, theta, controls) if restriction is None
                else maximize_under(evaluate, theta, restriction, controls)
            )  # fmt: skip
            if outcome.interrupted:
                raise KeyboardInterrupt
            yield self.mapping.params(outcome.theta) if outcome.converged else None

    def _units(self, params, want: int) -> ThetaEvaluation:
        """Contributions of independent units."""
        return self._ready().evaluate(self.mapping.theta(params), want)


def _warn_of_dimensions(inputs: QuadratureInputs) -> None:
    """Say what an integral over many variables costs."""
    if inputs.assembly.problem.exact:
        return
    most = int(np.argmax(inputs.mapping.dimensions))
    dimensions = inputs.mapping.dimensions[most]
    if dimensions > MANY_DIMENSIONS:
        level = inputs.level_names[inputs.mapping.levels[most]]
        warnings.warn(
            f"the likelihood integrates over {dimensions} variables in every {level}, one for each latent "
            f"variable and each variance of a part between clusters: that is slow, and less accurate. Fewer "
            f"variances, or factors that are fixed combinations of others, cost less",
            SpecificationWarning,
            stacklevel=4,
        )
