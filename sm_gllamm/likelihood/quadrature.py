"""How many nodes: ladders of rules, an estimate of the error, and a choice by cluster.

The error of a top-level cluster's log-likelihood is estimated by the change when one level's rule goes
up one rung of its ladder, summed over levels. Clusters whose errors matter go up; the rest stay, so
a few clusters with skewed posteriors do not make all the others expensive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.engine.rules import LevelRule
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood, Quadrature

__all__ = ["Ladders", "estimate_error", "fixed_quadrature", "node_quadrature", "normal_nodes"]

#: Multiples of 8 at the lowest level: the kernel pads its innermost loop to 8 nodes.
_LEAF_1 = [("hermite", 8), ("hermite", 16), ("trapezoid", 32), ("trapezoid", 64), ("trapezoid", 128),
           ("trapezoid", 256), ("trapezoid", 512)]  # fmt: skip
_HIGHER_1 = [("hermite", k) for k in (7, 11, 17, 25, 41, 61, 101)]
_TWO = [("hermite", k) for k in (6, 8, 12, 16, 24, 36, 54)]
#: From about 300 nodes on the product rule is better than the sparse grid of as many.
_THREE = [("sparse", 5), *(("hermite", k) for k in (5, 7, 9, 12, 17, 25))]
_SPARSE = [("sparse", k) for k in (5, 7, 9, 11, 13, 15)]
#: Standard deviations on both sides of the mean, beyond which a normal distribution has next to nothing.
WIDEST = 8.0
#: Change of the log-likelihood within which errors of clusters are taken to be the same.
NEAR = 0.1
MODES = (None, "mode", "meansd", "laplace", "trapezoid", "sparse")


def ladder(level: int, dimension: int) -> list[LevelRule]:
    """Rules of a level from coarse to fine; the last one is there to judge the last but one by."""
    if dimension == 1:
        rungs = _LEAF_1 if level == 0 else _HIGHER_1
    elif dimension <= 3:
        rungs = _TWO if dimension == 2 else _THREE
    else:
        # grids of more dimensions have so many nodes earlier
        rungs = _SPARSE if dimension == 4 else _SPARSE[:-1]
    return [LevelRule(kind, points) for kind, points in rungs]


def normal_nodes(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes over the standard normal distribution, and their log probabilities, by the trapezoidal rule.

    For integrands that are much narrower than the distribution even distances are better than those of
    Gauss-Hermite quadrature; the error vanishes geometrically (Trefethen & Weideman 2014).
    """
    z = np.linspace(-WIDEST, WIDEST, points)
    log_weight = -0.5 * z**2
    return z, log_weight - np.log(np.exp(log_weight).sum())


def node_quadrature(points: int) -> Quadrature:
    """The rule of `normal_nodes`, for what results say of it."""
    return Quadrature("mode", ((LevelRule("trapezoid", points),),))


@dataclass
class Ladders:
    """The rung of every top-level cluster at every level.

    Parameters
    ----------
    problem : Problem
    placement : {"mode", "meansd"}

    Attributes
    ----------
    rung : ndarray of int, shape (n_top, n_levels)
    """

    problem: Problem
    placement: str = "mode"

    def __post_init__(self):
        n_levels = len(self.problem.dimensions)
        self.rules = [ladder(i, q) for i, q in enumerate(self.problem.dimensions)]
        if self.placement == "meansd":
            # the moments are a rule of their own for the placement: Gauss-Hermite throughout
            counts = (8, 16, 24, 32, 48, 64, 96)
            self.rules = [
                [LevelRule("hermite", k) for k in counts] if q == 1 else rules
                for q, rules in zip(self.problem.dimensions, self.rules, strict=True)
            ]
        self.rung = np.zeros((self.problem.n_top, n_levels), dtype=int)
        #: log-likelihood, rungs and errors that were found last
        self._known: tuple | None = None
        #: where, and the log-likelihoods of clusters there, with the rungs as they are and one rung up
        self._values: tuple | None = None

    @property
    def total(self) -> float:
        """Log-likelihood where errors were estimated last."""
        return self._known[0] if self._known is not None else float("nan")

    def quadrature(self, rung: np.ndarray | None = None) -> Quadrature:
        """Rules in force for the given rungs."""
        rung = self.rung if rung is None else rung
        if (rung == rung[0]).all():
            unique, assignment = rung[:1], np.zeros(len(rung), dtype=np.intp)
        elif rung.shape[1] == 1:
            there = np.bincount(rung[:, 0]) > 0
            unique, assignment = np.flatnonzero(there)[:, None], (np.cumsum(there) - 1)[rung[:, 0]]
        else:
            unique, assignment = np.unique(rung, axis=0, return_inverse=True)
        rules = tuple(
            tuple(self.rules[level][r] for level, r in enumerate(combination))
            for combination in unique
        )
        return Quadrature(self.placement, rules, assignment.reshape(-1).astype(np.intp))

    def errors(self, likelihood: MarginalLikelihood, theta) -> np.ndarray:
        """Estimated absolute error of each cluster's log-likelihood by level, shape (n_top, n_levels).

        The rules of the present rungs must be in force in `likelihood`.
        """
        in_force = likelihood.quadrature
        base = self._base(likelihood, theta)
        total, up = float(base.sum()), np.full(self.rung.shape, np.nan)
        if self._known is not None and abs(total - self._known[0]) < NEAR:
            # those whose rules are the same have the errors they had
            _, rung, errors = self._known
            chosen = (rung != self.rung).any(axis=1)
        else:
            errors, chosen = np.empty(self.rung.shape), np.ones(len(self.rung), dtype=bool)
        errors = errors.copy()
        for level in range(len(self.rules)):
            if not chosen.any():
                break
            finer = self.rung.copy()
            finer[chosen, level] += 1
            likelihood.use(self.quadrature(finer))
            if chosen.all():
                refined = likelihood.evaluate(theta).loglike
            else:
                with likelihood.only(chosen):
                    refined = likelihood.evaluate(theta).loglike
            up[chosen, level] = refined[chosen]
            errors[chosen, level] = np.abs(refined[chosen] - base[chosen])
        likelihood.use(in_force)
        errors = np.where(np.isfinite(errors), errors, np.inf)
        self._known = total, self.rung.copy(), errors
        self._values = np.array(theta), base, up
        return errors

    def _base(self, likelihood: MarginalLikelihood, theta) -> np.ndarray:
        """Log-likelihoods of clusters with the rungs as they are, shape (n_top,)."""
        if self._values is not None and np.array_equal(self._values[0], theta):
            return self._values[1]
        return likelihood.evaluate(theta).loglike

    def lift(self) -> None:
        """Move all clusters to the third rung at least."""
        third = np.array([min(2, len(rules) - 2) for rules in self.rules])
        self.rung = np.maximum(self.rung, third)
        self._values = None

    def raise_rungs(self, errors: np.ndarray, tol: float) -> bool:
        """Move the clusters whose errors make up more than `tol` one rung up. False if none can go."""
        top = np.array([len(rules) - 2 for rules in self.rules])
        flat = np.where(self.rung < top, errors, 0.0).ravel()
        order = np.argsort(flat)
        raised = np.zeros(len(flat), dtype=bool)
        raised[order[np.cumsum(flat[order]) > 0.5 * tol]] = True
        raised &= flat > 0
        if not raised.any():
            return False
        raised = raised.reshape(self.rung.shape)
        self.rung += raised
        if self._values is not None:
            # of clusters that went up at one level the log-likelihoods are known
            theta, base, up = self._values
            base = np.where(raised.any(axis=1), np.where(raised, up, 0.0).sum(axis=1), base)
            known = raised.sum(axis=1).max() == 1 and np.isfinite(base).all()
            self._values = (theta, base, up) if known else None
        return True


def exact_quadrature(problem: Problem) -> Quadrature:
    """Gaussian-identity responses: polynomials of degree 4 in u are all that score and information need."""
    rules = tuple(
        LevelRule("hermite", 3) if q <= 3 else LevelRule("sparse", 5) for q in problem.dimensions
    )
    return Quadrature("mode", (rules,))


def fixed_quadrature(problem: Problem, level_names, n_points, integration) -> Quadrature:
    """Rules for node counts chosen by the user.

    Parameters
    ----------
    problem : Problem
    level_names : sequence of str
        Lowest level first.
    n_points : int, sequence of int (top level first), dict (level name to int)
    integration : {None, "mode", "meansd", "laplace", "trapezoid", "sparse"}
    """
    if integration == "laplace":
        n_points = 1
    names = list(level_names)
    if isinstance(n_points, dict):
        unknown = set(n_points) - set(names)
        if unknown or len(n_points) < len(names):
            raise SpecificationError(
                f"n_points needs one entry for each of {names[::-1]}, got {n_points}"
            )
        counts = [n_points[name] for name in names]
    elif np.ndim(n_points) == 0:
        counts = [n_points] * len(names)
    else:
        counts = list(n_points)[::-1]
        if len(counts) != len(names):
            raise SpecificationError(
                f"n_points has {len(counts)} entries for {len(names)} levels (top level first: {names[::-1]})"
            )
    rules = []
    for level, (points, q) in enumerate(zip(counts, problem.dimensions, strict=True)):
        if not (isinstance(points, (int, np.integer)) and 1 <= points <= 1000):
            raise SpecificationError(
                f"n_points must be whole numbers from 1 to 1000, not {points!r}"
            )
        kind = "hermite"
        if integration == "trapezoid" and level == 0:
            if q != 1:
                raise SpecificationError(
                    f"integration='trapezoid' is for one random effect; {names[0]} has {q}"
                )
            if points < 3:
                raise SpecificationError("integration='trapezoid' needs at least 3 points")
            kind = "trapezoid"
        if integration == "sparse" and q > 1:
            if points % 2 == 0:
                raise SpecificationError(
                    "integration='sparse' needs an odd n_points (3, 5, 7, ...)"
                )
            kind = "sparse"
        if kind == "hermite" and points**q > 500_000:
            raise SpecificationError(
                f"{points} points in {q} dimensions are {points**q:,} nodes; use integration='sparse'"
            )
        rules.append(LevelRule(kind, int(points)))
    return Quadrature("meansd" if integration == "meansd" else "mode", (tuple(rules),))


def estimate_error(likelihood: MarginalLikelihood, theta, base: float) -> float:
    """Change of the log-likelihood from `base` when every rule in force is refined (all levels at once)."""
    quadrature = likelihood.quadrature

    def finer(rule: LevelRule, q: int) -> LevelRule:
        if rule.kind == "sparse":
            return LevelRule("sparse", rule.points + 2)
        if rule.points == 1:
            # the error of Laplace is no small correction: a rule that is nearly right is needed
            return LevelRule("hermite", 15 if q == 1 else 7) if q <= 4 else LevelRule("sparse", 7)
        points = rule.points + 4 if q > 1 else 2 * rule.points + 1
        return LevelRule(rule.kind, points)

    rules = tuple(
        tuple(finer(rule, q) for rule, q in zip(levels, likelihood.problem.dimensions, strict=True))
        for levels in quadrature.rules
    )
    likelihood.use(Quadrature(quadrature.placement, rules, quadrature.assignment))
    refined = likelihood.evaluate(theta).total
    likelihood.use(quadrature)
    return abs(refined - base)
