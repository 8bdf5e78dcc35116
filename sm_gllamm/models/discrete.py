"""What models with discrete latent variables share: search for the maximum, verdict, covariance matrix."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import numpy as np

from sm_gllamm.estimation.mixture_search import Found, climb, search
from sm_gllamm.estimation.mixture_verdict import MixtureVerdict
from sm_gllamm.estimation.newton import LITTLE_GAIN
from sm_gllamm.estimation.runs import available_threads, runs_in_threads
from sm_gllamm.exceptions import (
    BoundaryWarning,
    IdentificationWarning,
    SpecificationError,
    outside,
)
from sm_gllamm.inference.covariance import condition_number, null_space
from sm_gllamm.likelihood.components import NO_QUADRATURE
from sm_gllamm.likelihood.marginal import Quadrature
from sm_gllamm.likelihood.mixture import MixtureLikelihood
from sm_gllamm.likelihood.quadrature import node_quadrature
from sm_gllamm.mapping.mixture import MixtureMapping
from sm_gllamm.models.class_clusters import ClusterEffect, with_enough_cluster_nodes
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.glmm_fit import FitMethods
from sm_gllamm.specification.checks import check_keywords

__all__ = ["DiscreteModel", "MixtureAssembly", "UnitLayout", "UnitProblem"]

_FIT_OPTIONS = ("start_params", "n_starts", "seed", "maxiter", "tol", "disp", "cov_type", "cov_kwds",
                "use_t", "n_threads", "warn_convergence")  # fmt: skip
#: What statsmodels hands to fit.
_FIT_INTERNAL = ("method", "full_output", "callback", "retall", "skip_hessian")
#: Share of the information of the complete data that is none.
LOST = 1e-10
#: Units times components from which on runs from random starts are in threads.
THREADED = 5_000
#: Class probabilities and differences of parameters below these are none.
EMPTY, EQUAL = 1e-6, 1e-4


@dataclass(frozen=True, slots=True)
class UnitProblem:
    """What the base asks of a problem."""

    exact: bool
    n_top: int


@dataclass(frozen=True, slots=True)
class UnitLayout:
    """Rows of the data behind the units of the likelihood.

    Attributes
    ----------
    first : ndarray of intp, shape (n_units,)
        A row that a unit stands for.
    of_row : ndarray of intp, shape (n,)
        Unit of each row.
    weight : ndarray, shape (n_units,)
        Weights of the units; where rows are independent the sum of the weights of a unit's rows.
    row_weight : ndarray, shape (n,)
    top_of_row : ndarray of intp, shape (n,), or None
        Independent unit of each row, of several rows; None: rows are independent.
    """

    first: np.ndarray
    of_row: np.ndarray
    weight: np.ndarray
    row_weight: np.ndarray
    top_of_row: np.ndarray | None = None

    @property
    def top_rows(self) -> np.ndarray:
        """First row of each independent unit of several rows."""
        return np.unique(np.asarray(self.top_of_row), return_index=True)[1]


@dataclass(frozen=True, slots=True)
class MixtureAssembly:
    """Stands for the problem of the engine, of which a mixture may have several."""

    problem: Any
    mapping: MixtureMapping
    layout: UnitLayout
    source: None = None
    order: None = None

    @property
    def first_row(self) -> np.ndarray:
        """A row of every independent unit."""
        layout = self.layout
        return layout.first if layout.top_of_row is None else layout.top_rows


class DiscreteModel(FitMethods):
    """Base of models with classes.

    A subclass sets ``_mapping``, ``assembly`` (with the layout of its units) and ``class_names``, and
    defines ``_mixture`` (the likelihood), ``_starts`` (starting values) and what it wants of the hooks.
    """

    class_names: tuple[str, ...]
    cluster_name = "cluster"
    level_names: list[str]
    #: starts of a fit, where nothing is said
    default_starts = 10

    #: classes of clusters, or their random effect, in the class probabilities
    cluster_effect = ClusterEffect()
    #: estimated error of the integral over the random effect of clusters
    _cluster_error = 0.0
    #: classes of clusters, or their random effect, in the class probabilities
    cluster_effect = ClusterEffect()
    #: estimated error of the integral over the random effect of clusters
    _cluster_error = 0.0
    #: parameters that are held at values by the user, by position
    fixed: dict[int, float] = {}

    # ------------------------------------------------------------ hooks
    def _mixture(self) -> MixtureLikelihood:
        """The likelihood."""
        raise NotImplementedError

    def _starts(self, likelihood, n_starts: int, rng: np.random.Generator):
        """Starting values, the most promising first."""
        raise NotImplementedError

    def _edges(self, theta: np.ndarray, held: np.ndarray):
        """Parameters with logits of probabilities that go to zero held far out, None where none is new."""
        return None

    def _ordered(self, theta: np.ndarray, held: np.ndarray):
        """The same model with its classes in a reproducible order."""
        return theta, held

    def _degenerate(self, theta: np.ndarray) -> tuple[str, ...]:
        """Dispersions at which the likelihood is unbounded."""
        return ()

    def _held_names(self, theta: np.ndarray, held: np.ndarray) -> tuple[str, ...]:
        """What is on the boundary, in words."""
        return tuple(name for name, h in zip(self.param_names, held, strict=True) if h)

    # ------------------------------------------------------------ what the base asks for
    @property
    def likelihood(self) -> Any:
        """The likelihood in theta, built at first use."""
        if self.assembly is None:
            raise SpecificationError("the data were removed by remove_data(); build the model anew")
        if self._likelihood is None:
            self._likelihood: Any = self._mixture()
        return self._likelihood

    def _ready(self, quadrature: Quadrature | None = None) -> Any:
        return self.likelihood

    def default_quadrature(self) -> Quadrature:
        """Nothing is integrated numerically, unless components have latent variables."""
        return NO_QUADRATURE

    def _quadrature_for(self, n_points, integration) -> Quadrature | None:
        if n_points is not None or integration is not None:
            raise SpecificationError(
                "n_points and integration are for continuous latent variables; leave them out"
            )
        return None

    @property
    def n_observations(self) -> float:
        """Number of units, the sum of the frequency weights where there are any."""
        frequency = self.weights.frequency
        return float(len(self.assembly.layout.of_row) if frequency is None else frequency.sum())

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters, where these have classes."""
        top = self.assembly.layout.top_of_row
        return {} if top is None else {self.cluster_name: int(top.max()) + 1}

    def _per_row(self, values: np.ndarray) -> np.ndarray:
        """Weighted contributions of independent units, by row of the data."""
        layout = self.assembly.layout
        if layout.top_of_row is not None:
            out = np.zeros((len(layout.of_row), *values.shape[1:]))
            out[layout.top_rows] = values
            return out
        share = layout.row_weight / layout.weight[layout.of_row]
        return values[layout.of_row] * share.reshape(-1, *(1,) * (values.ndim - 1))

    def _scatter(self, values: np.ndarray) -> np.ndarray:
        return self._per_row(values)

    def _scores_of_units(self, score: np.ndarray) -> np.ndarray:
        """Scores of the independent units, of frequency weights one row for each."""
        if self.assembly.layout.top_of_row is not None:
            return score
        frequency = self.weights.frequency
        scores = self._per_row(score)
        if frequency is None:
            return scores
        # w rows with score s each contribute w s s'
        return scores / np.sqrt(np.maximum(frequency, 1e-300))[:, None]

    def _group_of_unit(self, codes: np.ndarray) -> np.ndarray:
        top = self.assembly.layout.top_of_row
        if top is None:
            return codes
        of_cluster = codes[self.assembly.layout.top_rows]
        if np.any(codes != of_cluster[top]):
            raise SpecificationError("cov_kwds['groups'] must contain whole clusters")
        return of_cluster

    # ------------------------------------------------------------ fit
    def fit(
        self, start_params=None, n_starts=None, seed=0, maxiter=200, tol=1e-10, disp=0,
        cov_type=None, cov_kwds=None, use_t=False, n_threads=None, warn_convergence=True, **kwargs,
    ):  # fmt: skip
        """Fit by maximum likelihood from many starts.

        Parameters
        ----------
        start_params : array_like, Series or dict, optional
            Starting values of a single run, in the order of ``param_names``.
        n_starts : int, optional
            Random starts, of which the best that converged counts. ``verdict.starts`` has the
            log-likelihoods, ``verdict.replicated`` says how many reached the best one.
        seed : int
            Of the random starts: the same fit for the same seed.
        maxiter : int
            Iterations of a run; 0 evaluates at `start_params`.
        tol : float
            Convergence when the Newton decrement (log-likelihood units) is below.
        disp : int
            1 prints a line a start, 2 a line an iteration.
        cov_type : {"nonrobust", "robust", "cluster"}, optional
            Inverse observed information; sandwich over independent units; sandwich over
            ``cov_kwds["groups"]``. Default "nonrobust", with sampling weights "robust".
        cov_kwds : dict, optional
        use_t : bool
        n_threads : int, optional
        warn_convergence : bool

        Returns
        -------
        results
            Standard errors are those of the exact observed information.

        Warns
        -----
        ConvergenceWarning, BoundaryWarning, IdentificationWarning
            What ``results.verdict`` says in full.
        """
        check_keywords(set(kwargs) - set(_FIT_INTERNAL), _FIT_OPTIONS, "fit")
        n_starts = self.default_starts if n_starts is None else n_starts
        settings = FitSettings(
            maxiter=maxiter, tol=tol, disp=disp, n_starts=n_starts,
            n_threads=self.n_threads if n_threads is None else n_threads,
        )  # fmt: skip
        if cov_type is None:
            cov_type = "robust" if self.weights.sampling else "nonrobust"
        likelihood = self._ready()
        self._before_fit(likelihood)
        controls = replace(settings.controls, disp=max(int(disp) - 1, 0))
        if start_params is not None:
            starts = iter([self._start(start_params)])
        else:
            starts = self._starts(likelihood, n_starts, np.random.default_rng(seed))
        starts = map(self._with_fixed, starts)
        found, values = self._search(likelihood, starts, controls, disp)
        found = self._after_search(likelihood, found, controls)
        self._cluster_error = 0.0
        if self.cluster_effect.n_nodes:
            found, self._cluster_error = with_enough_cluster_nodes(self, found, controls)
            likelihood = self._ready()
        theta, held = self.mapping.normalised(found.theta), found.held
        if not self.fixed:
            theta, held = self._ordered(theta, held)
        found.theta, found.held = theta, held
        evaluation = likelihood.evaluate(theta, 2, by_cluster=cov_type != "nonrobust")
        verdict = self._verdict(likelihood, found, evaluation, values, settings)
        pins = np.eye(len(theta))[held] if held.any() else None
        result = self._results(
            theta, evaluation, verdict, cov_type, cov_kwds, use_t, settings,
            self.mapping.params(theta) if start_params is None else np.asarray(start_params),
            {
                "quadrature": self._rules(), "llf": evaluation.total, "path": found.outcome.path,
                "held": held & ~self._fixed_mask,
                "k_free": len(theta) - len(self.fixed) if self.fixed else None,
            },
            jacobian=pins,
        )  # fmt: skip
        self._warn_of_classes(verdict, warn_convergence)
        return self.wrapper_class(result)

    @property
    def _fixed_mask(self) -> np.ndarray:
        mask = np.zeros(self.mapping.k_params, dtype=bool)
        mask[list(self.fixed)] = True
        return mask

    def _with_fixed(self, theta: np.ndarray) -> np.ndarray:
        """Starting values with what the user fixed."""
        theta = self.cluster_effect.started(theta, self.param_names)
        for position, value in self.fixed.items():
            theta[position] = value
        return theta

    def _before_fit(self, likelihood) -> None:
        """What is to be looked at before the fit."""

    def _after_search(self, likelihood, found: Found, controls) -> Found:
        """What is to be done with the maximum: finer nodes, where there are any."""
        return found

    def _rules(self) -> Quadrature:
        """Quadrature in force at the end."""
        if self.cluster_effect.n_nodes:
            return node_quadrature(self.cluster_effect.n_nodes)
        return self.default_quadrature()

    def _search(self, likelihood, starts, controls, disp: int) -> tuple[Found, tuple[float, ...]]:
        """The best of the maxima above the starts."""

        stop = Event()

        def run(theta, likelihood):
            found = climb(
                likelihood, theta, controls, self._edges, held=self._fixed_mask,
                hopeless=lambda _: stop.is_set(),
            )  # fmt: skip
            if controls.patience and found.outcome.reason == LITTLE_GAIN:
                # with few nodes the last digits are noise; the best one is climbed again with enough
                found.outcome.converged = True
            return found

        def refuse(found: Found) -> bool:
            return bool(self._degenerate(found.theta))

        def progress(number, found: Found, best: Found) -> None:
            if disp:
                state = "" if found.outcome.converged else f"  ({found.outcome.reason})"
                print(
                    f"start {number + 1:3d}  log-likelihood {found.value:.6f}  best {best.value:.6f}{state}"
                )

        return search(self._runs_from(run, starts, likelihood, stop), refuse, progress)

    def _runs_from(self, run, starts, likelihood, stop: Event):
        """Runs from all starts, in threads where the likelihood is that of many responses.

        Components with nodes remember where these were: in threads results would depend on who ran first.
        """
        threads = available_threads(self.n_threads)
        plain = not any(hasattr(component, "errors") for component in likelihood.components)
        if threads > 1 and plain and likelihood.size >= THREADED:
            return runs_in_threads(run, starts, self._mixture, threads, stop)
        return (run(theta, likelihood) for theta in starts)

    def _verdict(self, likelihood, found: Found, evaluation, values, settings) -> MixtureVerdict:
        """What is to be said about the fit."""
        outcome, theta, held = found.outcome, found.theta, found.held
        free = np.flatnonzero(~held)
        information = -evaluation.hessian[np.ix_(free, free)]
        names = self.param_names
        sizes = self._class_sizes(likelihood, theta)
        empty = tuple(
            name for name, size in zip(self.class_names, sizes, strict=True) if size < EMPTY
        )
        flat = [names[free[k]] for direction in null_space(information) for k in direction]
        # what the classes would tell, were they seen, and do not
        seen = np.diag(information) > LOST * -np.diag(evaluation.complete)[free]
        flat += [names[k] for k in free[~seen]]
        advice = []
        if not outcome.converged:
            advice.append(
                "more starts (n_starts=...), more iterations (maxiter=...), or fewer classes"
            )
        if flat and not empty:
            advice.append("fewer classes or more indicators")
        degenerate = self._degenerate(theta)
        return MixtureVerdict(
            converged=outcome.converged and not degenerate,
            reason=outcome.reason if not degenerate else "the likelihood is unbounded",
            iterations=outcome.iterations,
            decrement=outcome.decrement,
            unidentified=tuple(dict.fromkeys(flat)),
            starts=values if len(values) > 1 else (),
            condition_number=condition_number(information) if len(free) else 1.0,
            quadrature_error=self._quadrature_error() + self._cluster_error,
            quadrature_tol=settings.warn_tol,
            advice=tuple(advice),
            held=self._held_names(theta, held & ~self._fixed_mask),
            empty=empty,
            duplicate=self._duplicates(theta),
            degenerate=degenerate,
        )

    def _quadrature_error(self) -> float:
        """Estimated error of the log-likelihood."""
        return 0.0

    def _class_sizes(self, likelihood, theta: np.ndarray) -> np.ndarray:
        """Average probabilities of the classes of units, shape (C,)."""
        posterior = likelihood.posterior(theta)
        units = likelihood.units
        own = units.weight * units.group_weight[units.group]
        upper = posterior.upper[units.group]
        return np.einsum("n,nh,hnc->c", own, upper, posterior.lower) / own.sum()

    def _duplicates(self, theta: np.ndarray) -> tuple[tuple[str, str], ...]:
        """Pairs of classes whose parameters are the same."""
        places = self.mapping.places
        if len(places) != len(self.class_names):
            return ()
        out = []
        for c, one in enumerate(places):
            for d in range(c):
                if len(one) != len(places[d]) or np.array_equal(one, places[d]):
                    continue
                if np.abs(theta[one] - theta[places[d]]).max() < EQUAL:
                    out.append((self.class_names[d], self.class_names[c]))
        return tuple(out)

    def _warn_of_classes(self, verdict: MixtureVerdict, converged: bool) -> None:
        """Warnings for everything the verdict has against the fit."""
        self._warn(verdict, converged)
        if verdict.held:
            warnings.warn(
                f"probabilities on the boundary: {', '.join(verdict.held)}; they are held there",
                BoundaryWarning,
                stacklevel=outside(),
            )
        if verdict.empty or verdict.duplicate:
            same = [f"{a} and {b} are equal" for a, b in verdict.duplicate]
            what = "; ".join([*(f"{name} is empty" for name in verdict.empty), *same])
            warnings.warn(f"{what}: use fewer classes", IdentificationWarning, stacklevel=outside())
