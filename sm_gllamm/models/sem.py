"""Structural equation models in lavaan syntax: a front of the general model."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.base.model import LikelihoodModelResults

from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints, constrained_inverse_information
from sm_gllamm.inference.covariance import inverse_information, sandwich
from sm_gllamm.likelihood.marginal import Quadrature, ThetaEvaluation
from sm_gllamm.likelihood.normal_moments import NormalMoments, NormalProblem
from sm_gllamm.mapping.sem_parameters import MomentMapping
from sm_gllamm.models.base import ROBUST_NAMES
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.sem_blocks import has_closed_form, moment_blocks, parameter_names
from sm_gllamm.models.sem_fit import SemFit, maximum, sem_verdict
from sm_gllamm.models.sem_inputs import SemInputs
from sm_gllamm.models.sem_quantities import SemQuantities
from sm_gllamm.models.sem_reading import sem_inputs
from sm_gllamm.models.sem_start import sem_start
from sm_gllamm.results.sem import SEMResults, SEMResultsWrapper
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.constraints import constraint_arrays
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["SEM"]

#: What statsmodels itself hands to constructors, and its fit methods to `fit`.
_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst")
_FIT_INTERNAL = ("full_output", "callback", "retall", "skip_hessian", "method")
#: Degrees of invariance between groups.
STAGES = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts", "thresholds"),
    "strict": ("loadings", "intercepts", "thresholds", "residuals"),
}
_SWITCHES = ("int_ov_free", "int_lv_free", "auto_fix_first", "auto_fix_single", "auto_var",
             "auto_cov_lv_x", "auto_cov_y")  # fmt: skip


@dataclass(frozen=True, slots=True)
class SemAssembly:
    """The problem of the likelihood, in the words of other models' assemblies."""

    problem: NormalProblem


class SEM(SemQuantities):
    """Structural equation model, fitted by full information maximum likelihood.

    Parameters
    ----------
    model : str
        Equations in lavaan's syntax, a line each: ``f =~ x1 + x2`` (measured by), ``f ~ g + z`` (regressed
        on), ``x1 ~~ x2`` ((residual) covariance), ``x1 ~ 1`` (intercept), with labels, values and starting
        values before ``*``, defined parameters ``:=`` and constraints ``==``, ``<``, ``>``.
    data : DataFrame, optional
        A row a person, with NaN where missing. Or moments: `cov`, `means` and `nobs`.
    groups : str or array_like, optional
        Groups with parameters of their own.
    group_equal, group_partial : sequence of str
        What is the same in all groups ("loadings", "intercepts", "means", "regressions", "residuals",
        "residual.covariances", "lv.variances", "lv.covariances"), and exceptions such as ``"f =~ x2"``.
    cluster : str, array_like, or list of them, optional
        Clusters of rows: levels of the model's ``level:`` blocks (of more than two a list, the lowest first),
        otherwise those that standard errors take into account.
    style : {"sem", "cfa", "growth", "lavaan"}
        Whose defaults: those of lavaan's function of that name.
    std_lv : bool
        Latent variables have (residual) variances of one, and no loading is fixed.
    orthogonal : bool
        Latent variables do not covary.
    fixed_x : bool
        Covariates are taken as given; the log-likelihood is conditional on them. The moments of those that
        stand at both of two levels are held at their estimates in the unrestricted model.
    meanstructure : bool, optional
        Whether intercepts and means are parameters. Default as lavaan: where the text has any, with several
        groups, with missing values. Without them the means are those of the sample.
    missing : {"fiml", "listwise"}
        What becomes of rows with missing values: all that is observed is used, or they are left out.
    cov, means : DataFrame, Series, array_like, or dict by group, optional
        Moments instead of data; names of variables from their labels, or those of the text in order.
    nobs : int or dict by group, optional
        Number of rows behind the moments.
    cov_divisor : {"n-1", "n"}
        What the covariances in `cov` were divided by.
    weights : str, array_like, or dict by level, optional
        Sampling weights, scaled to the number of rows; standard errors are robust then. With two levels those
        of rows within their clusters, or a dict with ``"row"`` and the name of the clusters.
    freq_weights : str, array_like, or dict by level, optional
        Numbers of persons that rows stand for, and of clusters.
    weight_scaling : {"size", "effective"}, optional
        Scaling of the sampling weights of rows within clusters; see :mod:`sm_gllamm.survey.scaling`.
    families : dict of str to family, optional
        Responses that are not continuous and normal: ``{"x3": "ordinal", "x4": "poisson"}``, names or family
        instances. Those named "ordinal" have the link `link`, others the link of their family: "binomial" a
        logit.
    ordered : sequence of str, or True
        Ordered responses: short for ``families={name: "ordinal"}``, as in lavaan; True for all. Variables
        with thresholds in the text are ordered, too.
    link : {"probit", "logit"}
        Of ordered responses; residual variances are 1 or pi^2/3.
    n_threads : int, optional
        For models that are fitted by quadrature.
    **switches
        lavaan's further defaults: ``int_ov_free``, ``int_lv_free``, ``auto_fix_first``,
        ``auto_fix_single``, ``auto_var``, ``auto_cov_lv_x``, ``auto_cov_y``.

    Notes
    -----
    Normal responses need no integration: their log-likelihood is that of the implied means and covariance
    matrices, in closed form and from sufficient statistics. Parameters carry lavaan's names; equal ones are
    one parameter, with the name of the first. Standard errors come from the observed information unless
    ``fit(information="expected")`` is asked for, which is lavaan's default for complete data.

    Models with other responses, thresholds, random coefficients (``rv("s")*x``), products of latent variables
    (``y ~ f:g``), or more than two levels are fitted by adaptive quadrature, also by full maximum likelihood.
    They are of the subclass :class:`sm_gllamm.models.sem_quadrature.QuadratureSEM`. ``families={"x1":
    "gaussian"}`` makes a continuous model one of these.

    References
    ----------
    Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of Statistical
    Software 48(2).

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import holzinger
    >>> data = holzinger.load_pandas().data
    >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
    >>> print(result.params.round(3).head(2))
    visual=~x2    0.778
    visual=~x3    1.107
    dtype: float64
    """

    results_class = SEMResults
    wrapper_class = SEMResultsWrapper
    level_names = ("row",)

    def __new__(cls, model=None, data=None, *, families=None, ordered=(), **kwargs):
        """A model of the subclass that integrates where there is no closed form."""
        if cls is SEM and isinstance(model, str) and isinstance(data, pd.DataFrame):
            if families is not None or np.size(ordered) or not has_closed_form(model):
                # a subclass of this class
                from sm_gllamm.models.sem_quadrature import QuadratureSEM

                return super().__new__(QuadratureSEM)
        return super().__new__(cls)

    def __init__(
        self, model, data=None, *, groups=None, group_equal=(), group_partial=(), cluster=None,
        style="sem", std_lv=False, orthogonal=False, fixed_x=True, meanstructure=None,
        missing="fiml", cov=None, means=None, nobs=None, cov_divisor="n-1", weights=None,
        freq_weights=None, weight_scaling=None, families=None, ordered=(), link="probit",
        n_threads=None, **kwargs,
    ):  # fmt: skip
        check_keywords(
            set(kwargs) - set(_INTERNAL),
            (*_SWITCHES, "groups", "cluster", "style", "std_lv", "missing", "cov", "means", "nobs",
             "families", "ordered"),
            "SEM",
        )  # fmt: skip
        if families is not None or np.size(ordered):
            raise SpecificationError(
                "families= and ordered= need data, a DataFrame: moments (cov=, means=) say everything of "
                "continuous responses only"
            )
        switches = {name: kwargs.pop(name) for name in _SWITCHES if name in kwargs}
        inputs = sem_inputs(
            model, data, groups=groups, cluster=cluster, missing=missing, cov=cov, means=means,
            nobs=nobs, cov_divisor=cov_divisor, weights=weights, freq_weights=freq_weights,
            meanstructure=meanstructure, weight_scaling=weight_scaling,
            table_options={
                "style": style, "group_equal": group_equal, "group_partial": group_partial,
                "std_lv": std_lv, "orthogonal": orthogonal, "fixed_x": fixed_x, **switches,
            },
        )  # fmt: skip
        self.syntax, self.table = model, inputs.table
        super().__init__(inputs.endog, None, missing="none", **kwargs)
        self._data_attr += ["weights", "assembly", "_likelihood", "data.orig_endog"]
        self._set_up(inputs)

    def _set_up(self, inputs: SemInputs) -> None:
        """Likelihood and parameters from inputs, and what statsmodels wants to know of them."""
        self.inputs = inputs
        self.group_labels = inputs.table.groups
        self.weights: LevelWeights = inputs.weights
        names = parameter_names(inputs.table)
        self._mapping = MomentMapping(names, moment_blocks(inputs.table, inputs.given))
        self.assembly = SemAssembly(inputs.problem)
        self._likelihood = None
        self._set_extra_params_names(names)
        self.data.xnames = names
        self.k_exog = self.k_vars = 0
        self.k_extra, self.k_constant = 0, 0
        self.nobs = inputs.n_observations
        self.df_model = len(names)
        # statsmodels compares with the number of rows
        self.df_resid = len(inputs.endog) - len(names)

    @classmethod
    def invariance(cls, model, data=None, *, stages=STAGES, fit_options=None, **options):
        """Fits with more and more that is the same in all groups, and a table that compares them.

        Parameters
        ----------
        model : str
        data : DataFrame, optional
        stages : dict of str to sequence of str
            What is equal in each fit (`group_equal`), by its name. Default: configural, metric (loadings),
            scalar (and intercepts) and strict (and residual variances) invariance.
        fit_options : dict, optional
            For :meth:`fit`, such as ``{"cov_type": "robust"}``.
        **options
            As for the class; `groups` or moments by group among them.

        Returns
        -------
        table : DataFrame
            As from :meth:`sm_gllamm.results.sem_comparison.SemComparison.compare`.
        fits : dict of str to SEMResults

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> table, fits = smg.SEM.invariance("f =~ x4 + x5 + x6 + x9", data, groups="school")
        >>> table["df"].tolist()
        [4, 7, 10, 14]
        """
        fits = {
            name: cls(model, data, group_equal=equal, **options).fit(**(fit_options or {}))
            for name, equal in stages.items()
        }
        first, *others = fits.values()
        if len(first.model.table.groups) < 2:
            raise SpecificationError("invariance is between groups: give groups=")
        return first.compare(*others, names=list(fits)), fits

    # ------------------------------------------------------------ what the base asks for
    @property
    def n_observations(self) -> float:
        """Number of rows, the sum of the frequency weights where there are any."""
        return self._n_observations

    @property
    def nobs(self) -> float:
        """Number of rows, the sum of the frequency weights where there are any."""
        return self._n_observations

    @nobs.setter
    def nobs(self, value) -> None:
        self._n_observations = float(value)

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters, where there are any."""
        return dict(self.inputs.cluster_counts)

    @property
    def likelihood(self) -> Any:
        """The likelihood of the moments, built at first use."""
        if self.assembly is None:
            raise SpecificationError("the data were removed by remove_data(); build the model anew")
        if self._likelihood is None:
            self._likelihood: Any = NormalMoments(self.assembly.problem, self.mapping)
        return self._likelihood

    def _ready(self, quadrature: Quadrature | None = None) -> Any:
        return self.likelihood

    def default_quadrature(self) -> Quadrature:
        """Nothing is integrated numerically."""
        return NormalMoments.quadrature

    def _quadrature_for(self, n_points, integration) -> Quadrature | None:
        if n_points is not None or integration is not None:
            raise SpecificationError(
                "normal responses need no quadrature: leave n_points and integration out"
            )
        return None

    def _starting_theta(self, likelihood) -> np.ndarray:
        return sem_start(self.table, self.inputs.start_moments)

    def _units(self, params, want: int) -> ThetaEvaluation:
        """Contributions of independent units."""
        if not self.inputs.has_rows:
            raise SpecificationError(
                "the model was given moments: contributions of single rows, and robust standard errors, "
                "need the data"
            )
        return self.likelihood.units(self.mapping.theta(params), want)

    def loglikeobs(self, params) -> np.ndarray:
        """Log-likelihood by row, of models with two levels by cluster in its first row; shape (nobs,)."""
        return self._scatter(self._units(params, 0).loglike)

    def score_obs(self, params, **kwds) -> np.ndarray:
        """Score by row, of models with two levels by cluster in its first row; shape (nobs, k_params)."""
        return self._scatter(self._units(params, 1).score)

    def _scatter(self, values: np.ndarray) -> np.ndarray:
        first = self.inputs.first_row
        if first is None:
            return values
        out = np.zeros((len(self.inputs.endog), *values.shape[1:]))
        out[first] = values
        return out

    def expected_information(self, params) -> np.ndarray:
        """Expected (Fisher) information, given the pattern of missing values; shape (k_params, k_params)."""
        return -self.likelihood.evaluate(self.mapping.theta(params), 2, expected=True).hessian

    # ------------------------------------------------------------ covariance matrices
    def _scores_of_units(self, score) -> np.ndarray:
        """Scores of the independent units; of frequency weights one row for each."""
        frequency = self.weights.frequency
        if frequency is not None and self.inputs.first_row is not None:
            # those of clusters: rows are not independent
            of_clusters = self.weights.by_level.get(self.inputs.cluster_column)
            frequency = None if of_clusters is None else of_clusters[self.inputs.first_row]
        if frequency is None:
            return score
        # w rows with score s each contribute w s s'
        return score / np.sqrt(np.maximum(frequency, 1e-300))[:, None]

    def _group_of_unit(self, codes: np.ndarray) -> np.ndarray:
        first = self.inputs.first_row
        if first is None:
            return codes
        of_cluster = codes[first]
        if np.any(codes != of_cluster[self.inputs.cluster]):
            raise SpecificationError("cov_kwds['groups'] must contain whole clusters")
        return of_cluster

    def _bread(self, theta, hessian, information: str, restriction) -> np.ndarray:
        """Inverse information under the constraints."""
        if information == "expected":
            hessian = -self.expected_information(theta)
        if restriction is None:
            return inverse_information(-hessian)
        return constrained_inverse_information(-hessian, restriction.jacobian(theta))

    def _sem_covariance(self, theta, hessian, cov_type, cov_kwds, information, restriction):
        """Covariance matrix of the estimates, the inverse information, and the keywords in use."""
        kwds = dict(cov_kwds or {})
        check_keywords(kwds, ("groups", "use_correction"), "cov_kwds")
        bread = self._bread(theta, hessian, information, restriction)
        if cov_type == "nonrobust":
            return bread, bread, kwds
        if cov_type in ROBUST_NAMES:
            scores = self._scores_of_units(self._units(theta, 1).score)
            return sandwich(bread, scores), bread, kwds
        if cov_type == "cluster":
            if "groups" not in kwds and self.inputs.cluster is not None:
                kwds.setdefault("use_correction", True)
                groups = self._group_of_unit(self.inputs.cluster)
            else:
                groups = self._group_of_cluster(kwds)
            score = self._units(theta, 1).score
            return sandwich(bread, score, groups, kwds.get("use_correction", True)), bread, kwds
        raise SpecificationError(
            f"cov_type={cov_type!r} is not available; use 'nonrobust', 'robust' or 'cluster'"
        )

    def _default_cov_type(self) -> str:
        if self.inputs.cluster is not None and self.inputs.first_row is None:
            return "cluster"
        return "robust" if self.weights.sampling else "nonrobust"

    # ------------------------------------------------------------ fit
    def fit(
        self, start_params=None, maxiter=200, disp=0, cov_type=None, cov_kwds=None,
        information="observed", use_t=False, tol=1e-10, warn_convergence=True, **kwargs,
    ):  # fmt: skip
        """Fit by maximum likelihood, under the constraints of the text.

        Parameters
        ----------
        start_params : array_like, Series or dict, optional
            Starting values, in the order of ``param_names``.
        maxiter : int
            Iterations of scoring and Newton steps; 0 evaluates at `start_params`.
        disp : int
            1 prints a line an iteration.
        cov_type : {"nonrobust", "robust", "cluster"}, optional
            Inverse information; sandwich over rows, as lavaan's MLR; sandwich over the model's clusters or
            ``cov_kwds["groups"]``. Default "nonrobust", "robust" with sampling weights, "cluster" with
            clusters and one level.
        cov_kwds : dict, optional
            For "cluster": ``groups`` and ``use_correction`` (factor G / (G - 1), default True, as lavaan).
        information : {"observed", "expected"}
            What is inverted; lavaan's default is "expected" for complete data, "observed" otherwise.
        use_t : bool
            t and F instead of normal and chi-square distributions.
        tol : float
            Convergence when the Newton decrement (log-likelihood units) is below.
        warn_convergence : bool
            Whether to warn when the fit did not converge.

        Returns
        -------
        SEMResultsWrapper

        Raises
        ------
        SpecificationError
            Unknown options, starting values with a covariance matrix that is not positive definite,
            constraints that no parameters meet.

        Warns
        -----
        ConvergenceWarning, IdentificationWarning, BoundaryWarning
            What ``results.verdict`` says in full.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> model = smg.SEM("visual =~ x1 + x2 + x3 + x9", data)
        >>> round(float(model.fit(cov_type="robust").bse["visual=~x2"]), 3)
        0.132
        """
        return self._fit(
            None, start_params, maxiter, disp, cov_type, cov_kwds, information, use_t, tol,
            warn_convergence, kwargs,
        )  # fmt: skip

    def fit_constrained(
        self, constraints, start_params=None, *, maxiter=200, disp=0, cov_type=None, cov_kwds=None,
        information="observed", use_t=False, tol=1e-10, warn_convergence=True, **kwargs,
    ):  # fmt: skip
        """Fit with linear constraints beside those of the text.

        Parameters
        ----------
        constraints : str, list of str, dict of str to float, ndarray or (R, q)
            Equations, ``"visual=~x2 = visual=~x3"``; parameters to hold at values; or a matrix R with a
            column a parameter, and values q (default 0), for R params = q.
        start_params, maxiter, disp, cov_type, cov_kwds, information, use_t, tol, warn_convergence
            As in :meth:`fit`.

        Returns
        -------
        SEMResultsWrapper
            With standard errors of zero for what the constraints fix.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> model = smg.SEM("visual =~ x1 + x2 + x3 + x9", data)
        >>> result = model.fit_constrained({"visual=~x2": 1.0, "visual=~x3": 1.0})
        >>> result.params.iloc[:2].tolist()
        [1.0, 1.0]
        """
        if not isinstance(constraints, LinearConstraints):
            names = self.mapping.param_names
            matrix, values = constraint_arrays(constraints, names)
            constraints = LinearConstraints.of(matrix, values, names)
        return self._fit(
            constraints, start_params, maxiter, disp, cov_type, cov_kwds, information, use_t, tol,
            warn_convergence, kwargs,
        )  # fmt: skip

    def _fit(
        self, linear, start_params, maxiter, disp, cov_type, cov_kwds, information, use_t, tol,
        warn_convergence, kwargs,
    ):  # fmt: skip
        check_keywords(
            set(kwargs) - set(_FIT_INTERNAL), ("maxiter", "cov_type", "information"), "fit"
        )
        if information not in ("observed", "expected"):
            raise SpecificationError(
                f"information={information!r} is not known; use 'observed' or 'expected'"
            )
        settings = FitSettings(maxiter=maxiter, tol=tol, disp=disp)
        cov_type = self._default_cov_type() if cov_type is None else cov_type
        likelihood = self.likelihood
        start = self._checked_start(start_params)
        fit = maximum(likelihood, self.table, start, linear, settings.controls)
        if not np.isfinite(fit.outcome.value):
            raise SpecificationError(fit.outcome.reason)
        theta = fit.outcome.theta
        return self._wrap(
            fit, theta, linear, settings, start, (cov_type, cov_kwds, information, use_t),
            warn_convergence,
        )  # fmt: skip

    def _checked_start(self, start_params) -> np.ndarray:
        """Starting values at which the likelihood is finite."""
        given = start_params is not None
        start = self._start(start_params) if given else self._starting_theta(self.likelihood)
        if np.isfinite(self.likelihood.evaluate(start).total):
            return start
        named = [
            f"{row.lhs} {row.op} {row.rhs}"
            for row in self.table.rows
            if row.free and row.ustart is not None
        ]
        if not (given or named) and (tamed := self._tame(start)) is not None:
            return tamed
        blame = f": see those of {', '.join(named)}" if named and not given else ""
        raise SpecificationError(
            "the covariance matrix of the responses is not positive definite at the starting values"
            f"{blame}. Use others."
        )

    def _tame(self, start: np.ndarray) -> np.ndarray | None:
        """Starting values with covariances and loadings nearer to zero, None if they do not help."""
        variances = {
            int(self.table.distinct[row.free - 1])
            for row in self.table.rows
            if row.free and row.op == "~~" and row.lhs == row.rhs
        }
        keep = np.isin(np.arange(len(start)), sorted(variances))
        for share in (0.7, 0.4, 0.1, 0.0):
            trial = np.where(keep, np.maximum(start, 0.05), share * start)
            if np.isfinite(self.likelihood.evaluate(trial).total):
                return trial
        return None

    def _wrap(self, fit: SemFit, theta, linear, settings, start, cov, warn_convergence):
        """Verdict, covariance matrix and results."""
        cov_type, cov_kwds, information, use_t = cov
        expected = self.expected_information(theta)
        verdict = sem_verdict(self.likelihood, fit, settings, expected)
        # the Hessian at the last step belongs to the point before it
        evaluation = self.likelihood.evaluate(theta, 2)
        hessian = evaluation.hessian
        if fit.restriction is not None:
            hessian = hessian + fit.restriction.bend(theta, evaluation.gradient)
        covariance, bread, kwds = self._sem_covariance(
            theta, hessian, cov_type, cov_kwds, information, fit.restriction
        )
        basis = fit.basis()
        result = self._results_of(
            theta, covariance, bread, evaluation, verdict, settings, start, (cov_type, kwds, use_t),
            {
                "quadrature": self.default_quadrature(), "llf": evaluation.total,
                "path": fit.outcome.path, "constraints": linear,
                "k_free": None if basis is None else basis.shape[1],
                "information": information, "restriction": fit.restriction,
            },
        )  # fmt: skip
        self._warn(verdict, warn_convergence)
        if not verdict.proper:
            warnings.warn(
                " ".join(text for text in verdict.messages() if text.startswith("Improper")),
                BoundaryWarning,
                stacklevel=4,
            )
        return self.wrapper_class(result)

    def _results_of(
        self, theta, covariance, bread, evaluation, verdict, settings, start, cov, extra
    ):
        cov_type, cov_kwds, use_t = cov
        base = LikelihoodModelResults(self, self.mapping.params(theta), covariance, scale=1.0)
        base.use_t, base.cov_type, base.cov_kwds = bool(use_t), cov_type, cov_kwds
        if cov_type != "nonrobust":
            base.cov_params_default = covariance
            base.normalized_cov_params = bread
        base.mle_retvals = {
            "converged": verdict.converged, "iterations": verdict.iterations,
            "fopt": -evaluation.total / self.nobs, "reason": verdict.reason,
        }  # fmt: skip
        base.mle_settings = {
            "optimizer": "newton", "start_params": start, "maxiter": settings.maxiter,
            "tol": settings.tol, "cov_type": cov_type,
        }  # fmt: skip
        return self.results_class(self, base, verdict=verdict, settings=settings, **extra)

    # ------------------------------------------------------------ the same model again
    def maximum_under(self, constraints, theta, quadrature, maxiter=50, tol=1e-8):
        """Maximum of the log-likelihood under further linear constraints, for profiles.

        Parameters
        ----------
        constraints : LinearConstraints
        theta : ndarray, shape (p,)
            Where to start.
        quadrature
            Not used.
        maxiter : int
        tol : float

        Returns
        -------
        theta : ndarray, shape (p,)
        value : float
            -inf where the maximum was not found.
        """
        fit = maximum(self.likelihood, self.table, theta, constraints, Controls(maxiter, tol))
        if fit.outcome.interrupted:
            raise KeyboardInterrupt
        return fit.outcome.theta, fit.outcome.value if fit.outcome.converged else -np.inf

    def with_inputs(self, inputs: Any) -> SEM:
        """The same model of other data.

        Parameters
        ----------
        inputs : SemInputs or QuadratureInputs

        Returns
        -------
        SEM
        """
        other = copy(self)
        other.data = copy(self.data)
        other.data._cache = dict(self.data._cache)
        other.table = inputs.table
        other._set_up(inputs)
        return other

    def bootstrap_estimates(
        self, params, theta, quadrature, method, rng, n_rep, reml=False, constraints=None
    ):
        """Estimates of bootstrap samples; see :func:`sm_gllamm.models.refits.bootstrap_estimates`."""
        if not self.inputs.has_rows:
            raise SpecificationError("the model was given moments; the bootstrap needs the data")
        controls = Controls(maxiter=100, tol=1e-9)
        for _ in range(n_rep):
            inputs = (
                self.inputs.resampled(rng) if method == "cluster"
                else self.inputs.with_values(self.simulate(params, seed=rng))
            )  # fmt: skip
            sample = self.with_inputs(inputs)
            fit = maximum(sample.likelihood, sample.table, theta, constraints, controls)
            if fit.outcome.interrupted:
                raise KeyboardInterrupt
            yield fit.outcome.theta if fit.outcome.converged else None
