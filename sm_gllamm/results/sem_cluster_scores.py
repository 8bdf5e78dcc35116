"""Latent variables and responses of models of two levels, given what is observed of their clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.sem_scores import given_moments, posterior_scores, unbiased_scores

__all__ = ["cluster_predictions", "cluster_scores"]


def _framed(index, names, values, errors, se: bool) -> pd.DataFrame:
    frame = pd.DataFrame(values, index, names)
    if se:
        frame = pd.concat(
            [frame, pd.DataFrame(errors, index, [f"se({name})" for name in names])], axis=1
        )
    return frame


def cluster_scores(model, params, data, method: str, se: bool) -> pd.DataFrame:
    """Scores of the latent variables of both levels, a row a row of the data.

    Parameters
    ----------
    model : SEM
    params : ndarray, shape (k_params,)
    data : DataFrame or None
        New clusters; None: those of the fit.
    method : {"regression", "bartlett"}
    se : bool

    Returns
    -------
    DataFrame
    """
    frames = []
    for _, index, known, clusters, implied in model.cluster_posteriors(
        params, data, "factor_scores"
    ):
        names, values, errors = [], [], []
        levels = (
            (known.row_pull, known.row_middle, known.cell),
            (known.cluster_pull, known.cluster_middle, np.arange(len(known.cluster_pull))),
        )
        for level, (block, (pull, middle, of)) in enumerate(zip(implied, levels, strict=True)):
            n = block.block.n_observed
            own = list(block.block.variables[n:])
            if not own:
                continue
            if method == "regression":
                cross = block.covariance[:n, n:]
                variance = np.diag(block.covariance)[n:]
                score, sd = posterior_scores(pull, middle, of, block.mean[n:], cross, variance)
            else:
                score, sd = _bartlett(level, block, params, pull, middle, of, known, clusters)
            to_rows = slice(None) if level == 0 else known.cluster
            names += own
            values.append(score[to_rows])
            errors.append(sd[to_rows])
        if not names:
            raise SpecificationError("the model has no latent variables")
        frames.append(_framed(index, names, np.hstack(values), np.hstack(errors), se))
    return model.inputs.in_order(frames, data)


def _bartlett(level: int, implied, params, pull, middle, of, known, clusters):
    """Scores from what depends on the latent variables, given covariates of the level."""
    block = implied.block
    n = block.n_observed
    paths = block.matrices(params)[0]
    if (bare := np.abs(paths[:n, n:]).max(0, initial=0.0) == 0.0).any():
        name = block.variables[n + int(np.argmax(bare))]
        raise SpecificationError(
            f"no observed variable measures {name!r}; method='regression' gives its scores"
        )
    loadings = np.linalg.solve(np.eye(n) - paths[:n, :n], paths[:n, n:])
    measured = np.abs(loadings).max(1) > 0.0
    covariates = np.flatnonzero(~measured)
    for k in covariates:
        if block.variables[k] in clusters.within and block.variables[k] in clusters.between:
            raise SpecificationError(
                f"{block.variables[k]!r} has parts at both levels which nobody observes and Bartlett scores "
                "need; method='regression' gives scores"
            )
    values = _covariates(level, covariates, known, clusters)
    centre, prior = given_moments(
        values, implied.mean, implied.covariance, covariates,
        np.arange(n, len(block.variables)),
    )  # fmt: skip
    at = np.flatnonzero(measured)
    return unbiased_scores(pull[:, at], middle[:, at[:, None], at], of, loadings[at], centre, prior)


def _covariates(level: int, at: np.ndarray, known, clusters) -> np.ndarray:
    """Covariates of rows or of clusters, NaN where missing."""
    if level == 0:
        return known.within[:, at]
    place = [int(np.flatnonzero(clusters.own == k)[0]) for k in at]
    return np.where(clusters.seen[:, place], clusters.values[:, place], np.nan)


def cluster_predictions(model, params, data, outcomes, given, se: bool) -> pd.DataFrame:
    """Means of responses given others of their cluster.

    Parameters
    ----------
    model : SEM
    params : ndarray, shape (k_params,)
    data : DataFrame or None
    outcomes, given : list of str or None
    se : bool

    Returns
    -------
    DataFrame
    """
    roles = model.table.roles
    names = list(dict.fromkeys(name for one in roles for name in one.observed))
    if given is None:
        # a covariate of one level may be explained at the other one
        given = [
            name for name in names
            if all(name in one.covariates for one in roles if name in one.observed)
        ]  # fmt: skip
    wanted = [n for n in names if n not in given] if outcomes is None else list(outcomes)
    for name in (*given, *wanted):
        if name not in names:
            raise SpecificationError(
                f"{name!r} is no observed variable of the model; they are {names}"
            )
    frames = []
    for _, index, known, clusters, (low, high) in model.cluster_posteriors(
        params, data, "predict", given
    ):
        own = [_index(clusters.within, name) for name in wanted]
        top = [_index(clusters.between, name) for name in wanted]
        p, q = len(clusters.within), len(clusters.between)
        inside = _columns(low.covariance[:p, :p], own)
        outside = _columns(high.covariance[:q, :q], top)
        mean = _columns(low.mean[None, :p], own)[0] + _columns(high.mean[None, :q], top)[0]
        values = mean + known.row_pull @ inside
        values += (known.cluster_pull @ outside)[known.cluster]
        variance = _diagonal(low.covariance, own) + _diagonal(high.covariance, top)
        taken = np.einsum("ik,cij,jk->ck", inside, known.row_middle, inside, optimize=True)
        taken += 2.0 * np.einsum("ik,cij,jk->ck", outside, known.row_cross, inside, optimize=True)
        of_cluster = np.einsum(
            "ik,jil,lk->jk", outside, known.cluster_middle, outside, optimize=True
        )
        left = variance - taken[known.cell] - of_cluster[known.cluster]
        sd = np.sqrt(np.maximum(left, 0.0))
        frames.append(_framed(index, wanted, values, sd, se))
    return model.inputs.in_order(frames, data)


def _index(names, name: str) -> int:
    return names.index(name) if name in names else -1


def _columns(matrix: np.ndarray, at: list[int]) -> np.ndarray:
    """Columns of a matrix, zero where there is none."""
    out = np.zeros((len(matrix), len(at)))
    have = [k for k, i in enumerate(at) if i >= 0]
    out[:, have] = matrix[:, [at[k] for k in have]]
    return out


def _diagonal(matrix: np.ndarray, at: list[int]) -> np.ndarray:
    return np.array([matrix[i, i] if i >= 0 else 0.0 for i in at])
