"""Restrictions on the parameters of latent class models: equations, zeros, and classes in an order.

Equations between response parameters are linear in the internal parameters: theta = offset + basis z.
Inequalities are met by an active set: where they are violated they hold as equations, and those whose
multipliers have the wrong sign are let go again.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import wraps
from itertools import islice, permutations
from typing import Any

import numpy as np

from sm_gllamm.estimation.mixture_search import Found, climb, search
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import LinearConstraints, null_basis
from sm_gllamm.models.class_boundary import canonical_logits, zero_probabilities
from sm_gllamm.models.class_equations import ClassOrder
from sm_gllamm.models.class_refits import CONTROLS
from sm_gllamm.models.class_three_step import ThreeStepMethods
from sm_gllamm.models.constrained import restriction_of
from sm_gllamm.models.discrete import DiscreteModel
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.specification.checks import check_keywords

__all__ = ["RestrictionMethods"]

#: Orders of the classes that are tried for each start, and of all starts those that are followed.
ORDERS, FOLLOWED = 24, 8
#: Spread of random logits.
SPREAD = 1.0
#: Starts of the same log-likelihood are one.
SAME = 1e-6
#: Violations and multipliers that count, and rounds of the active set.
VIOLATED, WRONG, ROUNDS = 1e-9, 1e-6, 50
#: How often probabilities of zero that would rise are let go.
RELEASES = 3


@dataclass(frozen=True, slots=True)
class _Space:
    """Parameters that meet linear equations: theta = offset + basis z."""

    offset: np.ndarray
    basis: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, constraints: LinearConstraints) -> _Space:
        """From equations in reduced row echelon form: the other parameters are free."""
        rows, values = constraints.matrix, constraints.values
        p = rows.shape[1]
        pivots = np.array([int(np.argmax(row != 0)) for row in rows], dtype=np.intp)
        free = np.setdiff1d(np.arange(p), pivots)
        offset, basis = np.zeros(p), np.zeros((p, len(free)))
        basis[free, np.arange(len(free))] = 1.0
        offset[pivots] = values
        basis[pivots] = -rows[:, free]
        return cls(offset, basis, rows)

    def theta(self, z: np.ndarray) -> np.ndarray:
        return self.offset + self.basis @ z

    def nearest(self, theta: np.ndarray) -> np.ndarray:
        """The free parameters that come nearest to given parameters."""
        return np.linalg.lstsq(self.basis, theta - self.offset, rcond=None)[0]


@dataclass(frozen=True, slots=True)
class _Evaluation:
    total: float
    gradient: Any
    hessian: Any


class _Reduced:
    """The log-likelihood in the free parameters."""

    def __init__(self, likelihood, space: _Space):
        self.likelihood, self.space = likelihood, space

    def evaluate(self, z, want: int = 0, by_cluster: bool = False) -> _Evaluation:
        theta = self.space.theta(np.asarray(z))
        return self._inside(self.likelihood.evaluate(theta, want, by_cluster=False))

    def evaluate_complete(self, z, want: int = 0) -> _Evaluation:
        return self._inside(
            self.likelihood.evaluate_complete(self.space.theta(np.asarray(z)), want)
        )

    def _inside(self, full) -> _Evaluation:
        if full.score is None:
            return _Evaluation(full.total, None, None)
        basis = self.space.basis
        return _Evaluation(full.total, basis.T @ full.gradient, basis.T @ full.hessian @ basis)


class RestrictionMethods(ThreeStepMethods):
    """Fits under restrictions; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    class_order: ClassOrder
    class_equations: LinearConstraints

    def _permuted(self, theta, held, order):
        raise NotImplementedError

    @wraps(DiscreteModel.fit)
    def fit(self, *args, **kwargs):
        if self._restricts:
            return self._restricted(None, *args, **kwargs)
        return super().fit(*args, **kwargs)

    def fit_constrained(self, constraints, start_params=None, **kwargs):
        """Fit by maximum likelihood with linear constraints on any of the parameters.

        Parameters
        ----------
        constraints : str, list of str, dict of str to float, ndarray or (R, q)
            Equations, ``"class1:A[2] = class2:B[2]"`` (logits, and so probabilities of binary
            indicators, are equal); parameters to hold at values; or a matrix R with a column a
            parameter, and values q (default 0).
        start_params : array_like, Series or dict, optional
            Of a single run.
        **kwargs
            As for ``fit``.

        Returns
        -------
        results
            Classes have the numbers that the constraints give them, whatever their size.

        Raises
        ------
        SpecificationError
            Unknown names, contradictions, or variances in equations other than ``variance = variance`` and
            ``variance = value``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> model = smg.LatentClass(data, n_classes=2, items=items)
        >>> equal = model.fit_constrained("class1:item_1[1] = class1:item_5[1]")
        >>> test = model.fit().compare_lr_test(equal)
        >>> test.df_diff, round(test.pvalue, 3)
        (1, 0.139)
        """
        restriction = restriction_of(self, constraints)
        return self._restricted(restriction.constraints, start_params, **kwargs)

    # ------------------------------------------------------------ fits to other responses
    @property
    def _restricts(self) -> bool:
        return bool(self.class_order.pairs) or len(self.class_equations.matrix) > 0

    def _climbed(self, likelihood, theta: np.ndarray) -> Found:
        if not self._restricts:
            return super()._climbed(likelihood, theta)
        equations = self._internal(self.class_equations)
        start = self._drawn_in(theta)
        found, _ = self._within_order(likelihood, start, equations, CONTROLS)
        if found.outcome.interrupted:
            raise KeyboardInterrupt
        return found

    def highest(self, n_starts: int, rng: np.random.Generator, *more: np.ndarray) -> Found:
        """The maximum without results of a fit; see :meth:`SearchMethods.highest`."""
        if not self._restricts:
            return super().highest(n_starts, rng, *more)
        likelihood = self._ready()
        orders = self._restricted_starts(
            likelihood, n_starts, rng, self._internal(self.class_equations)
        )
        found, _ = search(
            (self._climbed(likelihood, theta) for theta in [*more, *orders]),
            lambda found: bool(self._degenerate(found.theta)),
        )
        return found

    def bootstrap_estimates(
        self, params, theta, quadrature, method, rng, n_rep, reml=False, constraints=None
    ):  # fmt: skip
        """Estimates of bootstrap samples; see :meth:`RefitMethods.bootstrap_estimates`."""
        model = self
        if constraints is not None and not self.class_order.pairs:
            model = copy(self)
            model.class_equations = constraints
        return super(RestrictionMethods, model).bootstrap_estimates(
            params, theta, quadrature, method, rng, n_rep
        )

    # ------------------------------------------------------------ fit
    def _restricted(
        self, constraints, start_params=None, n_starts=None, seed=0, maxiter=200, tol=1e-10, disp=0,
        cov_type=None, cov_kwds=None, use_t=False, n_threads=None, warn_convergence=True, **kwargs,
    ):  # fmt: skip
        check_keywords(
            set(kwargs) - {"method", "full_output", "callback", "retall", "skip_hessian"},
            ("start_params", "n_starts", "seed", "maxiter", "tol", "disp", "cov_type", "cov_kwds",
             "use_t", "n_threads", "warn_convergence"), "fit",
        )  # fmt: skip
        n_starts = self.default_starts if n_starts is None else n_starts
        settings = FitSettings(
            maxiter=maxiter, tol=tol, disp=disp, n_starts=n_starts,
            n_threads=self.n_threads if n_threads is None else n_threads,
        )  # fmt: skip
        if cov_type is None:
            cov_type = "robust" if self.weights.sampling else "nonrobust"
        published = self._joined(constraints)
        equations = self._internal(published)
        likelihood = self._ready()
        controls = replace(settings.controls, disp=max(int(disp) - 1, 0))
        if start_params is not None:
            starts = [self._start(start_params)]
        else:
            starts = self._restricted_starts(
                likelihood, n_starts, np.random.default_rng(seed), equations
            )

        active: dict[int, LinearConstraints] = {}

        def run(theta):
            found, its = self._within_order(likelihood, theta, equations, controls)
            active[id(found)] = its
            return found

        def progress(number, found, best):
            if disp:
                print(
                    f"start {number + 1:3d}  log-likelihood {found.value:.6f}  best {best.value:.6f}"
                    + ("" if found.outcome.converged else f"  ({found.outcome.reason})")
                )

        runs = map(run, starts)
        found, values = search(runs, lambda f: bool(self._degenerate(f.theta)), progress)
        theta, held, space = found.theta, found.held, active[id(found)]
        evaluation = likelihood.evaluate(theta, 2, by_cluster=cov_type != "nonrobust")
        pins = np.vstack([space.matrix, np.eye(len(theta))[held]])
        tangent = null_basis(pins)
        inside = tangent @ tangent.T
        outside = np.eye(len(theta)) - inside
        hessian = inside @ evaluation.hessian @ inside - outside * max(
            float(np.abs(np.diag(evaluation.hessian)).max()), 1.0
        )
        self._runs = None
        shown = replace(evaluation, hessian=hessian)
        verdict = self._verdict(
            likelihood,
            replace(found, held=np.zeros(len(theta), dtype=bool)),
            shown,
            values,
            settings,
        )
        equal = len(space.matrix) - len(equations.matrix)
        verdict = replace(verdict, held=self._held_names(theta, held))
        result = self._results(
            theta, evaluation, verdict, cov_type, cov_kwds, use_t, settings, self.mapping.params(theta),
            {
                "quadrature": self._rules(), "llf": evaluation.total, "path": found.outcome.path,
                "held": held, "constraints": self._published_of(space, published),
                "k_free": len(theta) - len(space.matrix),
            },
            jacobian=pins,
        )  # fmt: skip
        result.n_active = equal
        self._warn_of_classes(verdict, warn_convergence)
        return self.wrapper_class(result)

    def _joined(self, constraints: LinearConstraints | None) -> LinearConstraints:
        """The equations of the model and those of a fit."""
        own = self.class_equations
        if constraints is None or not len(own.matrix):
            return own if constraints is None else constraints
        return LinearConstraints.of(
            np.vstack([own.matrix, constraints.matrix]),
            np.concatenate([own.values, constraints.values]), own.names,
        )  # fmt: skip

    def _internal(self, constraints: LinearConstraints) -> LinearConstraints:
        """The same equations between internal parameters."""
        probe = self.mapping.params(np.full(self.mapping.k_params, 0.1))
        jacobian = self.mapping.jacobian(np.full(self.mapping.k_params, 0.1))
        same = (np.abs(jacobian - np.eye(len(probe))) < 1e-12).all(axis=1)
        same &= np.abs(probe - 0.1) < 1e-12
        values = constraints.values.copy()
        for k, row in enumerate(constraints.matrix):
            at = np.flatnonzero(row)
            if same[at].all():
                continue
            names = ", ".join(constraints.names[i] for i in at)
            if len(at) == 1:
                params = self.mapping.params(np.zeros(len(row)))
                params[at[0]] = values[k]
                values[k] = self.mapping.theta(params)[at[0]]
            elif not (len(at) == 2 and values[k] == 0.0 and row[at].sum() == 0.0):
                raise SpecificationError(
                    f"an equation of {names}: variances may be equal or have a value, nothing else"
                )
        return LinearConstraints(constraints.matrix, values, constraints.names)

    def _published_of(self, space: LinearConstraints, published: LinearConstraints):
        """Equations that hold, as users write them."""
        extra = space.matrix[len(published.matrix) :]
        if not len(extra):
            return published
        return LinearConstraints.of(
            np.vstack([published.matrix, extra]),
            np.concatenate([published.values, np.zeros(len(extra))]), published.names,
        )  # fmt: skip

    def _restricted_starts(self, likelihood, n_starts: int, rng, equations: LinearConstraints):
        """Ends of unrestricted runs, and random parameters: the maxima may be elsewhere."""
        starts = self._best_orders(likelihood, self._starts(likelihood, n_starts, rng), equations)
        if self.measured or len(starts) >= FOLLOWED:
            return starts
        more = []
        for _ in range(n_starts):
            theta = self._one_class_theta()
            for _, _, place in self._nominal_blocks():
                theta[place] += rng.normal(scale=SPREAD, size=len(place))
            more.append(theta)
        return [*starts, *self._best_orders(likelihood, more, equations)[: FOLLOWED - len(starts)]]

    def _best_orders(self, likelihood, starts, equations: LinearConstraints):
        """Starts with the classes in the orders in which they suit the restrictions best."""
        space = _Space.of(equations)
        none = np.zeros(self.mapping.k_params, dtype=bool)
        ranked = []
        for theta in starts:
            for order in self._class_orders(theta):
                moved = self._permuted(theta, none, np.array(order))[0]
                near = space.theta(space.nearest(self._drawn_in(moved)))
                ranked.append((likelihood.evaluate(near).total, near))
        ranked.sort(key=lambda pair: -pair[0])
        chosen: list[tuple[float, np.ndarray]] = []
        for value, theta in ranked:
            if all(abs(value - other) > SAME for other, _ in chosen):
                chosen.append((value, theta))
            if len(chosen) == FOLLOWED:
                break
        return [theta for _, theta in chosen]

    def _class_orders(self, theta: np.ndarray):
        """Orders of the classes to try."""
        if self.inputs.allowed is not None:
            return [tuple(range(self.n_classes))]
        if self.class_order.pairs:
            at = np.array(self.class_order.pairs)
            # levels of each class, summed over indicators
            step = self.n_classes - 1
            level = np.zeros(self.n_classes)
            for first in range(0, len(at), step):
                chain = [at[first, 0], *at[first : first + step, 1]]
                level += np.clip(theta[chain], -5.0, 5.0)
            return [tuple(np.argsort(level, kind="stable"))]
        return islice(permutations(range(self.n_classes)), ORDERS)

    def _within_order(self, likelihood, theta, equations: LinearConstraints, controls):
        """The maximum under equations and order restrictions, and the equations that hold."""
        pairs = self.class_order.pairs
        active = {pair for pair in pairs if theta[pair[0]] > theta[pair[1]] + VIOLATED}
        best: tuple[Found, LinearConstraints] | None = None
        for _ in range(ROUNDS):
            space = self._with_pairs(equations, sorted(active))
            found = self._climbed_in(likelihood, theta, space, controls)
            new = {
                (a, b)
                for a, b in pairs
                if (a, b) not in active and found.theta[a] > found.theta[b] + VIOLATED
            }
            if new:
                active |= new
                theta = found.theta
                continue
            best = found, space
            wrong = self._wrong_pair(likelihood, found, equations, sorted(active))
            if wrong is None:
                return best
            active.discard(wrong)
            theta = found.theta
        found.outcome.converged = False
        found.outcome.reason = "the set of equal classes did not settle"
        return best or (found, space)

    def _with_pairs(self, equations: LinearConstraints, pairs) -> LinearConstraints:
        if not pairs:
            return equations
        rows = np.zeros((len(pairs), len(equations.names)))
        for row, (a, b) in zip(rows, pairs, strict=True):
            row[a], row[b] = 1.0, -1.0
        return LinearConstraints.of(
            np.vstack([equations.matrix, rows]),
            np.concatenate([equations.values, np.zeros(len(pairs))]), equations.names,
        )  # fmt: skip

    def _wrong_pair(self, likelihood, found: Found, equations, pairs):
        """An equality without which the log-likelihood would rise within the order, None without any."""
        if not pairs:
            return None
        gradient = likelihood.evaluate(found.theta, 2, by_cluster=False).gradient
        rows = np.vstack(
            [np.eye(len(found.theta))[found.held], equations.matrix, np.zeros((0, len(gradient)))]
        )
        own = np.zeros((len(pairs), len(gradient)))
        for row, (a, b) in zip(own, pairs, strict=True):
            row[a], row[b] = -1.0, 1.0
        # gradient = - sum of multipliers times b - a >= 0
        every = np.vstack([own, rows])
        multipliers = np.linalg.lstsq(every.T, gradient, rcond=None)[0][: len(pairs)]
        k = int(np.argmax(multipliers))
        return pairs[k] if multipliers[k] > WRONG else None

    def _climbed_in(self, likelihood, theta, equations: LinearConstraints, controls) -> Found:
        """The maximum in the space of some equations."""
        space = _Space.of(equations)
        reduced = _Reduced(likelihood, space)

        def climbed(start: np.ndarray) -> Found:
            found = climb(
                reduced, space.nearest(start), controls,
                lambda z, held: self._edges_in(space, z, held),
                hopeless=lambda z: self._hopeless(space.theta(z)),
            )  # fmt: skip
            held = (space.basis[:, found.held] != 0).any(axis=1)
            return Found(found.outcome, space.theta(found.theta), held)

        found = climbed(theta)
        for _ in range(RELEASES):
            start = self._without_zeros(likelihood, found) if self.nominal else None
            if start is None or not (other := climbed(start)).value > found.value + VIOLATED:
                break
            found = other
        return found

    def _edges_in(self, space: _Space, z: np.ndarray, held: np.ndarray):
        """Free parameters with logits that go to infinity held; None where none is new."""
        if not self.nominal:
            return None
        out, now = z, held
        simple = ((space.basis != 0).sum(axis=1) == 1) & (space.offset == 0)
        for _, _, place in self._nominal_blocks():
            if not simple[place].all() or not (space.basis[place].max(axis=1) == 1.0).all():
                continue
            at = space.basis[place].argmax(axis=1)
            zero = zero_probabilities(out[at], now[at])
            if zero is None or (zero[0] and len(at) > 1 and self._ties(space, at)):
                continue
            if out is z:
                out, now = z.copy(), held.copy()
            out[at], now[at] = canonical_logits(out[at], zero)
        return None if out is z else (out, now)

    @staticmethod
    def _ties(space: _Space, at: np.ndarray) -> bool:
        """Whether free parameters stand for several logits."""
        return bool(((space.basis[:, at] != 0).sum(axis=0) > 1).any())
