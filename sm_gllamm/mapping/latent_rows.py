"""Rows without responses whose predictors are the latent variables of persons.

The engine has posterior means and variances of the predictors of rows. Rows that carry no weight in the
likelihood, one for each latent variable of each person and one for the sum of each two, turn these into
posterior means and covariances of what latent variables of several levels add up to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.engine.problem import Problem
from sm_gllamm.responses.densities import CODES

__all__ = ["LatentRows", "with_latent_rows"]


@dataclass(frozen=True, slots=True)
class LatentRows:
    """A problem with rows of latent variables.

    Attributes
    ----------
    problem : Problem
    values : ndarray, shape (n_active,)
        Of its active entries.
    rows : ndarray of intp, shape (n_persons, q (q + 1) / 2)
        Rows of each person, in the order of the problem: of latent variables d and e, d >= e.
    dimensions : int
    """

    problem: Problem
    values: np.ndarray
    rows: np.ndarray
    dimensions: int

    def phi(self, theta) -> np.ndarray:
        """Values of the active entries, those of the parameters that they were made for."""
        return self.values

    def moments(self, posterior) -> tuple[np.ndarray, np.ndarray]:
        """Means, shape (n, q), and covariances, shape (n, q, q), of the persons' latent variables."""
        q, n = self.dimensions, len(self.rows)
        mean, covariance = np.empty((n, q)), np.empty((n, q, q))
        place = {pair: k for k, pair in enumerate(_pairs(q))}
        for d in range(q):
            own = self.rows[:, place[d, d]]
            mean[:, d], covariance[:, d, d] = posterior.nu[own], posterior.nu_variance[own]
        for d, e in place:
            if d != e:
                both = posterior.nu_variance[self.rows[:, place[d, e]]]
                shared = 0.5 * (both - covariance[:, d, d] - covariance[:, e, e])
                covariance[:, d, e] = covariance[:, e, d] = shared
        return mean, covariance


def _pairs(q: int) -> list[tuple[int, int]]:
    return [(d, e) for d in range(q) for e in range(d + 1)]


def with_latent_rows(
    problem: Problem, values: np.ndarray, roots: np.ndarray, group: np.ndarray
) -> LatentRows:
    """Add rows of latent variables to a problem whose lowest clusters are persons.

    Parameters
    ----------
    problem : Problem
        With a factored design.
    values : ndarray, shape (n_active,)
        Of its active entries.
    roots : ndarray, shape (n_groups, q, number of u)
        What the persons' latent variables are, without their means, in terms of the standardised ones.
    group : ndarray of int, shape (n_persons,)
        In the order of the problem.

    Returns
    -------
    LatentRows
    """
    n_groups, q, n_u = roots.shape
    pairs = _pairs(q)
    table = np.zeros((n_groups * len(pairs), n_u))
    for g in range(n_groups):
        for k, (d, e) in enumerate(pairs):
            own = roots[g, d] if d == e else roots[g, d] + roots[g, e]
            table[g * len(pairs) + k] = own
    edges, n = problem.cluster_offsets[0], len(problem.y)
    assert problem.code_table is not None and problem.row_code is not None
    assert problem.column_source is not None
    n_codes, n_columns = problem.code_table.shape
    of_person = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    place = np.arange(n) + len(pairs) * of_person
    rows = edges[1:, None] + len(pairs) * np.arange(len(edges) - 1)[:, None] + np.arange(len(pairs))
    size = n + rows.size

    def spread(given, fill):
        """An array of the rows with a value in the new ones."""
        if given is None:
            return None
        out = np.full((size, *given.shape[1:]), fill, dtype=given.dtype)
        out[place] = given
        return out

    code = spread(problem.row_code, 0)
    code[rows] = n_codes + len(pairs) * group[:, None] + np.arange(len(pairs))
    weight = np.ones(n) if problem.row_weight is None else problem.row_weight
    blank = np.zeros((n_codes, n_u))
    below = np.zeros((len(table), n_columns))
    channel = np.concatenate([problem.active_channel, 1 + np.arange(n_u)])
    column = np.concatenate([problem.active_column, n_columns + np.arange(n_u)])
    order = np.argsort(channel, kind="stable")
    enlarged = replace(
        problem,
        family=spread(problem.family, CODES["binomial_logit"]),
        y=spread(problem.y, 0.0),
        trials=spread(problem.trials, 1.0),
        constant=spread(problem.constant, 0.0),
        row_weight=spread(weight, 0.0),
        design=spread(problem.design, 0.0),
        offset=spread(problem.offset, 0.0),
        active_column=column[order].astype(np.intp),
        active_channel=channel[order].astype(np.intp),
        cluster_offsets=(edges + len(pairs) * np.arange(len(edges)), *problem.cluster_offsets[1:]),
        slot_channel=spread(problem.slot_channel, -1),
        slot_base=spread(problem.slot_base, 0.0),
        set_size=spread(problem.set_size, 1),
        row_code=code,
        code_table=np.block([[problem.code_table, blank], [below, table]]),
        column_source=np.concatenate([problem.column_source, np.full(n_u, -1)]).astype(np.intp),
    )
    return LatentRows(enlarged, np.concatenate([values, np.ones(n_u)])[order], rows, q)
