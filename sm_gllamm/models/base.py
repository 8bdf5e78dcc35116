"""What every model with latent variables shares: the likelihood as statsmodels wants it, and `fit`."""

from __future__ import annotations

import warnings

import numpy as np
from statsmodels.base.model import GenericLikelihoodModel, LikelihoodModelResults

from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import (
    BoundaryWarning,
    ConvergenceWarning,
    IdentificationWarning,
    QuadratureWarning,
    SeparationWarning,
    SpecificationError,
    outside,
)
from sm_gllamm.inference.constrained import constrained_inverse_information
from sm_gllamm.inference.covariance import (
    gaussian_inverse_information,
    inverse_information,
    sandwich,
)
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature, ThetaEvaluation
from sm_gllamm.likelihood.quadrature import (
    MODES,
    Ladders,
    exact_quadrature,
    fixed_quadrature,
)
from sm_gllamm.models.constrained import constrained_results, maximum_under
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.refits import bootstrap_estimates, resampled_problem, simulated_problem
from sm_gllamm.specification.checks import check_keywords

__all__ = ["LatentVariableModel"]

#: statsmodels' names for a sandwich that sums scores within independent units
ROBUST_NAMES = {"robust", "HC0", "HC1", "HC2", "HC3"}


class LatentVariableModel(GenericLikelihoodModel):
    """Base of the models: published parameters outside, theta and the marginal likelihood inside.

    A subclass sets ``self.assembly`` (a sorted problem), ``self._mapping`` (of its parameters; stays
    when ``remove_data`` takes the problem) and ``self.level_names`` (lowest level first), and names
    its ``results_class`` and wrapper.

    Notes
    -----
    The log-likelihood is a sum over top-level clusters. Methods with one row an observation
    (``loglikeobs``, ``score_obs``) put a cluster's total in the row of its first observation and
    zeros elsewhere, so that sums, sandwiches and cluster-robust covariances come out right.
    """

    def initialize(self):
        """Nothing: degrees of freedom come from the layout of the parameters, not from exog's rank."""

    @property
    def param_names(self) -> list[str]:
        """Names of all parameters, in the order of ``params``."""
        return list(self.mapping.param_names)

    #: set at construction and by fits
    _likelihood: MarginalLikelihood | None = None
    _quadrature: Quadrature | None = None
    n_threads: int | None = None

    @property
    def mapping(self):
        """Published parameters, internal theta and what lies between."""
        return self._mapping

    @property
    def n_observations(self) -> float:
        """Number of observations, the sum of the frequency weights where there are any."""
        frequency, sets = self.weights.frequency, self.responses.sets
        if frequency is None and sets is None:
            return float(self.endog.shape[0])
        # a choice, ranking or composite response is one observation, whatever its rows
        one = slice(None) if sets is None else np.unique(sets, return_index=True)[1]
        return float(np.sum(np.ones(len(sets))[one] if frequency is None else frequency[one]))

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters of each level, from the top level down."""
        return {level.name: level.n_clusters for level in reversed(self.random)}

    def resampled_problem(self, rng: np.random.Generator):
        """The engine's problem with independent units drawn with replacement."""
        return resampled_problem(self, rng)

    def simulated_problem(self, params: np.ndarray, rng: np.random.Generator):
        """The engine's problem with responses drawn at given parameters."""
        return simulated_problem(self, params, rng)

    @property
    def likelihood(self) -> MarginalLikelihood:
        """The marginal likelihood in theta, built at first use."""
        if self.assembly is None:
            raise SpecificationError("the data were removed by remove_data(); build the model anew")
        if self._likelihood is None:
            self._likelihood = MarginalLikelihood(
                self.assembly.problem, self.mapping, self.n_threads
            )
        return self._likelihood

    def __getstate__(self):
        state = super().__getstate__() if hasattr(super(), "__getstate__") else self.__dict__
        # the kernel holds pointers; it is rebuilt at first use
        return {**state, "_likelihood": None}

    def default_quadrature(self) -> Quadrature:
        """Rules before any fit has chosen better ones."""
        problem = self.assembly.problem
        return exact_quadrature(problem) if problem.exact else Ladders(problem).quadrature()

    def _ready(self, quadrature: Quadrature | None = None) -> MarginalLikelihood:
        """The likelihood with the given rules in force (default: those of the latest fit)."""
        likelihood = self.likelihood
        likelihood.integrator.n_threads = self.n_threads
        likelihood.use(quadrature or self._quadrature or self.default_quadrature())
        return likelihood

    # ------------------------------------------------------------ statsmodels' likelihood methods
    def _scatter(self, values: np.ndarray) -> np.ndarray:
        """Cluster values to rows: the first row of each cluster, zero elsewhere."""
        out = np.zeros((self.endog.shape[0], *values.shape[1:]))
        out[self.assembly.first_row] = values
        return out

    def _in_params(self, params, want: int) -> ThetaEvaluation:
        """Log-likelihood and derivatives in the published parameters."""
        theta = self.mapping.theta(params)
        result = self._ready().evaluate(theta, want)
        if not want:
            return result
        inverse = np.linalg.pinv(self.mapping.jacobian(theta))
        hessian, prior = None, None
        if result.prior is not None:
            prior = result.prior[0], result.prior[1] @ inverse
        if want >= 2:
            bend = self.mapping.curvature(theta, result.gradient @ inverse)
            hessian = inverse.T @ (result.hessian - bend) @ inverse
        return ThetaEvaluation(result.loglike, result.score @ inverse, hessian, prior)

    def loglike(self, params) -> float:
        """Log-likelihood at published parameters.

        Parameters
        ----------
        params : array_like, shape (k_params,)

        Returns
        -------
        float
        """
        return self._in_params(params, 0).total

    def loglike_at(self, params, n_points=None, integration=None) -> float:
        """Log-likelihood with a stated number of quadrature points, for comparison with other software.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n_points : int, sequence or dict
            As in :meth:`fit`.
        integration : str
            As in :meth:`fit`; ``"meansd"`` is where Stata and gllamm put the nodes.

        Returns
        -------
        float
        """
        quadrature = self._quadrature_for(n_points, integration)
        if quadrature is None:
            quadrature = self.default_quadrature()
        theta = self.mapping.theta(params)
        return self._ready(quadrature).evaluate(theta).total

    def loglikeobs(self, params) -> np.ndarray:
        """Log-likelihood contributions, shape (nobs,): a top-level cluster's in its first row."""
        return self._scatter(self._in_params(params, 0).loglike)

    def score(self, params) -> np.ndarray:
        """Gradient in the published parameters, nodes held fixed; shape (k_params,)."""
        return self._in_params(params, 1).gradient

    def score_obs(self, params, **kwds) -> np.ndarray:
        """Score contributions, shape (nobs, k_params): a top-level cluster's in its first row."""
        return self._scatter(self._in_params(params, 1).score)

    def hessian(self, params) -> np.ndarray:
        """Exact Hessian in the published parameters, nodes held fixed; shape (k_params, k_params)."""
        return self._in_params(params, 2).hessian

    def information(self, params) -> np.ndarray:
        """Observed information, minus the Hessian."""
        return -self.hessian(params)

    # ------------------------------------------------------------ pieces of fit
    def _quadrature_for(self, n_points, integration) -> Quadrature | None:
        """Rules the user fixed, or None where they are to be chosen."""
        if integration not in MODES:
            raise SpecificationError(
                f"integration={integration!r} is not known; use None, 'mode', 'meansd', 'laplace', "
                "'trapezoid' or 'sparse'"
            )
        problem = self.likelihood.problem
        if problem.exact:
            return exact_quadrature(problem)
        if integration == "laplace" and n_points not in (None, 1):
            raise SpecificationError("integration='laplace' is one node; leave n_points out")
        if n_points is None and integration != "laplace":
            if integration in ("trapezoid", "sparse"):
                raise SpecificationError(f"integration={integration!r} needs n_points")
            return None
        return fixed_quadrature(problem, self.level_names, n_points, integration)

    def _covariance(
        self, theta, evaluation, cov_type: str, cov_kwds: dict | None, constraints=None
    ):
        """Covariance matrix of the published parameters, and the keywords it was computed with.

        `constraints` is the Jacobian of constraints in theta, with the Lagrangian's Hessian in
        `evaluation`.
        """
        jacobian = self.mapping.jacobian(theta)
        # of gaussian responses the expected information between coefficients and variances is zero
        exact = self.assembly.problem.exact and self.mapping.coefficients_only
        if constraints is not None:
            k = self.mapping.k_exog if exact else None
            bread = constrained_inverse_information(-evaluation.hessian, constraints, k)
        elif exact:
            bread = gaussian_inverse_information(-evaluation.hessian, self.mapping.k_exog)
        else:
            bread = inverse_information(-evaluation.hessian)
        kwds = dict(cov_kwds or {})
        check_keywords(kwds, ("groups", "use_correction"), "cov_kwds")
        if cov_type == "nonrobust":
            inner = bread
        elif cov_type in ROBUST_NAMES:
            inner = sandwich(bread, self._scores_of_units(evaluation.score))
        elif cov_type == "cluster":
            inner = sandwich(
                bread,
                self._scores_of_units(evaluation.score),
                self._group_of_cluster(kwds),
                kwds.get("use_correction", True),
            )
        else:
            raise SpecificationError(
                f"cov_type={cov_type!r} is not available; use 'nonrobust', 'robust' or 'cluster'"
            )
        covariance = jacobian @ inner @ jacobian.T
        return (covariance + covariance.T) / 2, kwds

    def _group_of_cluster(self, kwds: dict) -> np.ndarray:
        """Code of the group each top-level cluster belongs to, from ``cov_kwds["groups"]``."""
        if "groups" not in kwds:
            raise SpecificationError(
                "cov_type='cluster' needs cov_kwds={'groups': labels, one a row}"
            )
        labels = np.asarray(kwds["groups"])
        return self._group_of_unit(self._row_labels(labels, "cov_kwds['groups']"))

    def _scores_of_units(self, score: np.ndarray) -> np.ndarray:
        """Scores of the independent units that a sandwich sums over, from those of top-level clusters."""
        return score

    def _group_of_unit(self, codes: np.ndarray) -> np.ndarray:
        """Group of each independent unit from groups of rows."""
        of_cluster = codes[self.assembly.first_row]
        top = self.assembly.problem.rows_of_top
        position = np.empty(len(codes), dtype=np.intp)
        rows = slice(None) if self.assembly.source is None else self.assembly.source
        position[rows] = np.repeat(np.arange(len(top)), top)
        if np.any(codes != of_cluster[position]):
            row = int(np.flatnonzero(codes != of_cluster[position])[0])
            raise SpecificationError(
                f"cov_kwds['groups'] must contain whole clusters of {self.level_names[-1]}; row {row} "
                "is in another group than the first row of its cluster"
            )
        return of_cluster

    def _row_labels(self, labels: np.ndarray, what: str) -> np.ndarray:
        """Integer codes of labels by row, cut to the rows in use."""
        import pandas as pd

        if len(labels) != self.endog.shape[0]:
            kept = getattr(self, "kept_rows", None)
            if kept is None or len(labels) != len(kept):
                raise SpecificationError(
                    f"{what} has {len(labels)} entries for {self.endog.shape[0]} rows in use"
                )
            labels = labels[kept]
        codes, _ = pd.factorize(labels)
        if (codes < 0).any():
            raise SpecificationError(f"{what} is missing in row {int(np.argmin(codes))}")
        return codes

    def _results(
        self, theta, evaluation, verdict, cov_type, cov_kwds, use_t, settings, start, extra,
        jacobian=None,
    ):  # fmt: skip
        """A results instance of the subclass's ``results_class``, unwrapped."""
        params = self.mapping.params(theta)
        covariance, cov_kwds = self._covariance(theta, evaluation, cov_type, cov_kwds, jacobian)
        base = LikelihoodModelResults(self, params, covariance, scale=1.0)
        base.use_t = bool(use_t)
        base.cov_type = cov_type
        base.cov_kwds = cov_kwds
        if cov_type != "nonrobust":
            base.cov_params_default = covariance
            bread = self._covariance(theta, evaluation, "nonrobust", None, jacobian)[0]
            base.normalized_cov_params = bread
        base.mle_retvals = {
            "converged": verdict.converged,
            "iterations": verdict.iterations,
            "fopt": -evaluation.total / self.endog.shape[0],
            "reason": verdict.reason,
        }
        base.mle_settings = {
            "optimizer": "newton",
            "start_params": start,
            "maxiter": settings.maxiter,
            "tol": settings.tol,
            "cov_type": cov_type,
        }
        return self.results_class(self, base, verdict=verdict, settings=settings, **extra)

    @staticmethod
    def _warn(verdict, converged: bool = True):
        """statsmodels-style warnings for everything the verdict has against a fit."""
        if not verdict.converged and converged:
            warnings.warn(
                f"Maximum likelihood did not converge: {verdict.reason}. Try {'; '.join(verdict.advice)}."
                if verdict.advice
                else f"Maximum likelihood did not converge: {verdict.reason}.",
                ConvergenceWarning,
                stacklevel=outside(),
            )
        if verdict.separation:
            warnings.warn(
                f"perfect separation by {', '.join(verdict.separation)}: estimates run away. "
                "Leave them out, or merge the categories that separate.",
                SeparationWarning,
                stacklevel=outside(),
            )
        if verdict.boundary or verdict.singular:
            what = ", ".join(verdict.boundary) or "covariance matrix of " + ", ".join(
                verdict.singular
            )
            warnings.warn(
                f"estimate on the boundary of the parameter space: {what}. Leave it out, or keep it: "
                "the other estimates are right.",
                BoundaryWarning,
                stacklevel=outside(),
            )
        if verdict.runaway:
            warnings.warn(
                f"{', '.join(verdict.runaway)} runs away: the latent variable predicts the item perfectly (a "
                "Heywood case, or quasi-complete separation). Leave the item out, or fix its loading.",
                IdentificationWarning,
                stacklevel=outside(),
            )
        if flat := [name for name in verdict.unidentified if name not in verdict.runaway]:
            warnings.warn(
                f"not identified by the data: {', '.join(flat)}",
                IdentificationWarning,
                stacklevel=outside(),
            )
        if verdict.crossing:
            warnings.warn(
                f"thresholds cross in some rows: {', '.join(verdict.crossing)}",
                BoundaryWarning,
                stacklevel=outside(),
            )
        if verdict.quadrature_error > verdict.quadrature_tol:
            warnings.warn(
                f"the log-likelihood is off by about {verdict.quadrature_error:.1e} at the chosen number of "
                "quadrature points; increase n_points or leave it out",
                QuadratureWarning,
                stacklevel=outside(),
            )

    # ------------------------------------------------------------ constraints
    def fit_constrained(
        self, constraints, start_params=None, *, n_points=None, integration=None, cov_type=None,
        cov_kwds=None, use_t=False, maxiter=100, tol=1e-10, quadrature_tol=1e-5, n_threads=None,
        disp=0, warn_convergence=True,
    ):  # fmt: skip
        """Fit by maximum likelihood with linear constraints on any of the parameters.

        Parameters
        ----------
        constraints : str, list of str, dict of str to float, ndarray or (R, q)
            Equations, ``"x = z, var(Intercept|g) = 1"``; parameters to hold at values; or a matrix R
            with a column a parameter, and values q (default 0), for R params = q.
        start_params, n_points, integration, cov_type, cov_kwds, use_t, maxiter, tol
            As in ``fit``.
        quadrature_tol, n_threads, disp, warn_convergence
            As in ``fit``.

        Returns
        -------
        GLMMResultsWrapper
            All parameters, with the covariance matrix T (T' I T)^-1 T' of estimates under
            constraints: parameters held at a value have a standard error of 0. ``constraints`` holds
            R and q, ``k_constr`` the number of parameters fewer. For the likelihood-ratio test see
            ``compare_lr_test`` of the results without constraints.

        Raises
        ------
        SpecificationError
            Unknown names, contradictions, or constraints that no parameters meet (a negative
            variance).

        Notes
        -----
        A variance of zero takes its covariances with it.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> model = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data)
        >>> result = model.fit_constrained("cov(Intercept,Days|Subject) = 0")
        >>> print(model.fit().compare_lr_test(result))
        Likelihood-ratio test: statistic 0.0639, p-value 0.8004
        Distribution under the restriction: chi2(1)
        """
        if n_threads is not None:
            self.n_threads = n_threads
        settings = FitSettings(
            n_points=n_points, integration=integration, maxiter=maxiter, tol=tol,
            quadrature_tol=quadrature_tol, n_threads=self.n_threads, disp=disp,
        )  # fmt: skip
        if cov_type is None:
            cov_type = "robust" if self.weights.sampling else "nonrobust"
        result = constrained_results(
            self, constraints, start_params, integration,
            self._quadrature_for(n_points, integration), settings, (cov_type, cov_kwds, use_t),
            warn_convergence,
        )  # fmt: skip
        return self.wrapper_class(result)

    def maximum_under(self, constraints, theta, quadrature, maxiter=50, tol=1e-8):
        """Maximum of the log-likelihood under constraints, for profiles.

        Parameters
        ----------
        constraints
            As in :meth:`fit_constrained`.
        theta : ndarray, shape (p,)
            Internal parameters to start from.
        quadrature : Quadrature
        maxiter : int
        tol : float

        Returns
        -------
        theta : ndarray, shape (p,)
        value : float
            -inf where no parameters meet the constraints or the maximum was not found.
        """
        outcome = maximum_under(self, constraints, theta, quadrature, Controls(maxiter, tol))
        if outcome.interrupted:
            raise KeyboardInterrupt
        return outcome.theta, outcome.value if outcome.converged else -np.inf

    def bootstrap_estimates(
        self, params, theta, quadrature, method, rng, n_rep, reml=False, constraints=None
    ):
        """Estimates of bootstrap samples; see :func:`sm_gllamm.models.refits.bootstrap_estimates`."""
        return bootstrap_estimates(
            self, params, theta, quadrature, method, rng, n_rep, reml, constraints
        )
