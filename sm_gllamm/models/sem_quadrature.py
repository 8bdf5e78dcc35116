"""Structural equation models for any response: a front of the general model, integrated by quadrature."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.estimation.constrained import maximize_under
from sm_gllamm.estimation.newton import Controls, maximize
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import Quadrature, ThetaEvaluation
from sm_gllamm.models.base import LatentVariableModel
from sm_gllamm.models.fitting import objective
from sm_gllamm.models.sem import SEM
from sm_gllamm.models.sem_additions import Addition, additions, score_test
from sm_gllamm.models.sem_quadrature_fit import (
    SemLikelihood,
    restriction_of,
)
from sm_gllamm.models.sem_quadrature_inputs import QuadratureInputs, quadrature_inputs
from sm_gllamm.models.sem_quadrature_predictions import QuadraturePredictions
from sm_gllamm.models.sem_quadrature_runs import QuadratureRuns
from sm_gllamm.models.sem_reading import group_labels, row_weights
from sm_gllamm.results.sem_quadrature import QuadratureSEMResults, QuadratureSEMResultsWrapper
from sm_gllamm.specification.checks import check_keywords

__all__ = ["QuadratureSEM"]

_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst")
_FIT_INTERNAL = ("full_output", "callback", "retall", "skip_hessian", "method")
_FIT_OPTIONS = ("start_params", "maxiter", "disp", "n_points", "integration", "cov_type", "cov_kwds",
                "use_t", "tol", "quadrature_tol", "n_threads", "n_starts", "warn_convergence")  # fmt: skip
_SWITCHES = ("int_ov_free", "int_lv_free", "auto_fix_first", "auto_fix_single", "auto_var",
             "auto_cov_lv_x", "auto_cov_y")  # fmt: skip
#: Dimensions of a level beyond which is said what they cost.
MANY_DIMENSIONS = 5


class QuadratureSEM(QuadratureRuns, QuadraturePredictions, SEM):
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
        frequency, scores = self.weights.frequency, score
        if self._top() is None:
            scores = self._scatter(score)
        elif frequency is not None:
            # those of clusters: rows are not independent
            of_clusters = self.weights.by_level.get(self.level_names[-1])
            frequency = None if of_clusters is None else of_clusters[self.assembly.first_person]
        if frequency is None:
            return scores
        # w units with score s each contribute w s s'
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
        [0.44, 0.38, 0.67, 0.34]
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

    # ------------------------------------------------------------ further parameters
    def additions(self) -> list[Addition]:
        """Parameters that the model could have besides; see
        :func:`sm_gllamm.models.sem_additions.additions`."""
        return additions(self)

    def score_test(self, params, covariance, quadrature, text: str):
        """Score test of lines of text; see :func:`sm_gllamm.models.sem_additions.score_test`."""
        return score_test(self, params, covariance, quadrature, text)

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
