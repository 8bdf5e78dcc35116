"""Whether the parameters of a model can be told apart, looked at before the fit.

If a curve of parameters leaves the distribution of the responses as it is, the scores of all clusters are
zero along it at every point (Rothenberg 1971, Identification in parametric models, *Econometrica* 39,
577-591, Theorem 1 and its corollary for points where the rank is constant). So the rank of the clusters'
scores at parameters with no special values, where it is constant, decides on local identification.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import IdentificationWarning, SpecificationError
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.likelihood.quadrature import Ladders, exact_quadrature
from sm_gllamm.mapping.structural import StructuralMapping
from sm_gllamm.models.diagnosis import diagonal_units
from sm_gllamm.models.refits import simulated_problem
from sm_gllamm.models.row_units import row_units

__all__ = ["Identification", "check_identification", "moderate_steps", "warn_of_rank"]

#: Shares of the largest singular value of scaled scores below which a direction is looked at closely, and
#: with a finer rule counts as flat. Quadrature leaves up to 1e-2 and 1e-5, models that are identified
#: have 1e-3 or more.
SUSPICIOUS, CERTAIN = 2e-2, 1e-4
#: Clusters for each parameter that a rank can be judged by; more are simulated.
ENOUGH = 4
#: Most data sets that are simulated.
MOST_DRAWS = 20
#: Most rows that are simulated: a model of more has clusters enough, or takes too long.
MOST_ROWS = 500_000
#: Distance of the parameters looked at from starting values, in effects of moderate size, and the largest
#: effect of a latent variable: the smaller, the better quadrature is.
DISTANCE, LARGEST = 0.3, 1.0
#: Rungs of the ladder of quadrature rules for the second look.
FINE = 2


@dataclass(frozen=True)
class Identification:
    """What rank says about the parameters of a model.

    Attributes
    ----------
    k_params : int
    directions : tuple of tuple of str
        Parameters that cannot be told apart, for each direction in which the likelihood is flat.

    Examples
    --------
    >>> print(Identification(3, (("var(f|person)", "loading(f: x2)"),)))
    not identified: 2 of 3 parameters are known; these cannot be told apart:
      var(f|person), loading(f: x2)
    """

    k_params: int
    directions: tuple[tuple[str, ...], ...] = ()

    @property
    def identified(self) -> bool:
        """Whether all parameters are locally identified."""
        return not self.directions

    @property
    def rank(self) -> int:
        """Number of parameters that are."""
        return self.k_params - len(self.directions)

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters that some direction involves."""
        return tuple(dict.fromkeys(name for names in self.directions for name in names))

    def __str__(self) -> str:
        if self.identified:
            return f"identified: all {self.k_params} parameters are known"
        head = (
            f"not identified: {self.rank} of {self.k_params} parameters are known; these cannot be told "
            "apart:"
        )
        return "\n".join([head, *("  " + ", ".join(names) for names in self.directions)])


def moderate_steps(likelihood: MarginalLikelihood, theta: np.ndarray, units) -> np.ndarray:
    """The change of each parameter that makes a difference: it moves some predictor by its unit.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)
    units : float or ndarray, shape (n,)
        Of the rows' linear predictors, see :func:`row_units`; those of log dispersions and thresholds move
        by one.

    Returns
    -------
    ndarray, shape (p,)
        Zero where a parameter moves none.
    """
    problem, mapping = likelihood.problem, likelihood.mapping
    behind = 1 + sum(problem.dimensions) + len(problem.products)
    square = np.empty(len(problem.active_column))
    known: dict[tuple[int, bool], float] = {}
    for t, (column, channel) in enumerate(
        zip(problem.active_column, problem.active_channel, strict=True)
    ):
        key = (int(column), bool(channel < behind))
        if key not in known:
            values = problem.column(int(column))
            share = max(float(np.mean(values != 0.0)), 1e-300)
            known[key] = float(np.mean((values / units if key[1] else values) ** 2)) / share
        square[t] = known[key]
    size = np.sqrt(square @ mapping.score_in_theta(np.eye(len(square)), theta) ** 2)
    return np.divide(1.0, size, out=np.zeros(len(theta)), where=size > 0)


def generic_point(likelihood, theta, units, rng: np.random.Generator) -> np.ndarray:
    """Parameters without special values, at a moderate distance."""
    mapping, theta = likelihood.mapping, np.array(theta, dtype=float)
    z = rng.normal(size=len(theta))
    diagonal = sorted(mapping.diagonal)
    for position, largest in diagonal_units(likelihood, theta, units):
        theta[position] = np.clip(theta[position], -LARGEST * largest, LARGEST * largest)
    theta[diagonal] *= np.exp(DISTANCE * z[diagonal])
    step = moderate_steps(likelihood, theta, units)
    for position, _, _ in mapping.loading_sds(theta):
        largest = LARGEST * step[position]
        theta[position] = np.clip(theta[position], -largest, largest)
    step[diagonal] = 0.0
    return theta + DISTANCE * step * z


def _null_space(scores: np.ndarray, basis: np.ndarray, tolerance: float) -> np.ndarray:
    """Directions, as columns, in which no cluster's log-likelihood changes."""
    inside = scores @ basis
    size = np.linalg.norm(inside, axis=0)
    size = np.where(size > 0, size, 1.0)
    # of the triangle, as there may be many clusters
    triangle = np.linalg.qr(inside / size, mode="r")
    _, values, directions = np.linalg.svd(triangle, full_matrices=True)
    values = np.concatenate([values, np.zeros(inside.shape[1] - len(values))])
    flat = values <= tolerance * max(values[0], 1e-300)
    return basis @ (directions[flat].T / size[:, None])


def _parameters(flat: np.ndarray, units: np.ndarray, names: list[str]) -> tuple:
    """For each direction the parameters it moves, as few as possible."""
    rows = (flat / np.where(units > 0, units, 1.0)[:, None]).T
    found = []
    for r in range(len(rows)):
        pivot = int(np.argmax(np.abs(rows[r])))
        rows[r] /= rows[r, pivot]
        others = np.arange(len(rows)) != r
        rows[others] -= np.outer(rows[others, pivot], rows[r])
    for row in rows:
        found.append(
            tuple(names[k] for k in np.flatnonzero(np.abs(row) > 0.02 * np.abs(row).max()))
        )
    return tuple(found)


def check_identification(model, theta, restriction=None) -> Identification:
    """Rank of the clusters' scores at parameters without special values.

    Parameters
    ----------
    model : LatentVariableModel
    theta : ndarray, shape (p,)
        Starting values.
    restriction : ParameterRestriction, optional
        Constraints that the parameters meet.

    Returns
    -------
    Identification

    Notes
    -----
    The responses at hand decide first, with a coarse quadrature rule: full rank means that all is well.
    Otherwise the rank is that of responses simulated from the model, with a finer rule, so that nothing
    is blamed on the model that a few clusters or patterns of responses do not show.
    """
    problem, mapping = model.assembly.problem, model.mapping
    p, names = mapping.k_params, mapping.param_names
    units_of_rows = row_units(model.likelihood, theta)
    rng = np.random.default_rng(0)

    def null_space(draws: int, rung: int, tolerance: float):
        point = generic_point(model.likelihood, theta, units_of_rows, rng)
        basis = np.eye(p)
        if restriction is not None:
            point = restriction.retract(point)
            if point is None:
                return None, None
            basis = restriction.tangent(point)
        scores = [_scores(model.likelihood, point, rung)]
        try:
            for _ in range(draws):
                drawn = simulated_problem(model, mapping.params(point), rng)
                likelihood = MarginalLikelihood(drawn, mapping, model.n_threads)
                scores.append(_scores(likelihood, point, rung))
        except SpecificationError:
            # responses that cannot be simulated
            pass
        every = np.vstack(scores)
        if len(every) < basis.shape[1] or not np.all(np.isfinite(every)):
            return None, None
        units = moderate_steps(model.likelihood, point, units_of_rows)
        return _null_space(every, basis, tolerance), units

    flat = None
    if problem.n_top > p:
        flat = null_space(0, 0, SUSPICIOUS)[0]
        if flat is None or not flat.shape[1]:
            return Identification(p)
    draws = min(MOST_DRAWS, -(-ENOUGH * p // problem.n_top))
    if draws * len(problem.y) > MOST_ROWS:
        return Identification(p)
    if flat is None:
        flat = null_space(draws, 0, SUSPICIOUS)[0]
        if flat is None or not flat.shape[1]:
            return Identification(p)
    flat, units = null_space(draws, FINE, CERTAIN)
    if flat is None or not flat.shape[1]:
        return Identification(p)
    return Identification(p, _parameters(flat, units, names))


def warn_of_rank(model, theta, restriction=None, stacklevel: int = 3) -> Identification | None:
    """Name the parameters of a model with latent variables that rank shows not to be known.

    Parameters
    ----------
    model, theta, restriction
        As for :func:`check_identification`.
    stacklevel : int
        Of the warning.

    Returns
    -------
    Identification or None
        None for models without equations of latent variables, which are not looked at.
    """
    if not isinstance(model.mapping, StructuralMapping):
        return None
    rank = check_identification(model, theta, restriction)
    if not rank.identified:
        warnings.warn(
            "not identified, whatever the data: "
            + "; ".join(", ".join(names) for names in rank.directions)
            + " cannot be told apart. Fix one of each, or leave it out.",
            IdentificationWarning,
            stacklevel=stacklevel,
        )
    return rank


def _scores(likelihood: MarginalLikelihood, theta: np.ndarray, rung: int) -> np.ndarray:
    """Scores of the top-level clusters, with a rung of the ladder of rules."""
    problem = likelihood.problem
    if problem.exact:
        likelihood.use(exact_quadrature(problem))
    else:
        ladders = Ladders(problem)
        ladders.rung[:] = np.minimum(rung, [len(rules) - 2 for rules in ladders.rules])
        likelihood.use(ladders.quadrature())
    return likelihood.evaluate(theta, 1).score
