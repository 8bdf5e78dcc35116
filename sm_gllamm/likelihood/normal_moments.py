"""The log-likelihood of normal responses in closed form, from sufficient statistics.

Responses that are normal given normal latent variables are multivariate normal, so that nothing is left to
integrate: the log-likelihood of n vectors with mean ybar and covariance matrix S (divided by n) is

    -n/2 (p log 2 pi + log|Sigma| + tr(Sigma^-1 T)),      T = S + (ybar - mu)(ybar - mu)'

Groups, patterns of missing values, and clusters of each size (whose means and deviations from them are
independent normal vectors) are *pieces* of such a sum; Sigma of a piece is a weighted sum of parts of the
implied covariance matrices of blocks. Values are those of `MarginalLikelihood` of the same model, which has
the responses in rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.likelihood.marginal import Quadrature, ThetaEvaluation
from sm_gllamm.mapping.sem_moments import ImpliedBlock
from sm_gllamm.mapping.sem_parameters import MomentMapping

__all__ = [
    "NormalMoments",
    "NormalProblem",
    "PieceSet",
    "PieceState",
    "UnitPart",
    "add_gradient",
    "curvature",
    "times",
]

LOG_2PI = float(np.log(2.0 * np.pi))
#: Numbers in the largest temporary array.
CHUNK = 4_000_000


@dataclass(frozen=True)
class UnitPart:
    """What each independent unit adds to the pieces of a set.

    Attributes
    ----------
    unit, piece : ndarray of int, shape (m,)
    count : ndarray, shape (m,)
        Number of vectors, times the unit's weight.
    mean : ndarray, shape (m, p), or None
        As in the set's pieces; None where it is zero.
    covariance : ndarray, shape (m, p, p), or None
        Around the mean, divided by the number of vectors; None for single vectors.
    """

    unit: np.ndarray
    piece: np.ndarray
    count: np.ndarray
    mean: Any
    covariance: Any = None


@dataclass(frozen=True)
class PieceSet:
    """K pieces with the same p variables.

    Attributes
    ----------
    variables : tuple of str
    blocks : tuple of int
        Blocks of the model that the pieces' moments are made of.
    inside, index : tuple of ndarray of int
        For each of these blocks: which of the p variables it has, and where they are among its variables.
    scale : ndarray, shape (K, n_blocks)
        Weight of the block's covariance matrix in Sigma.
    count : ndarray, shape (K,)
    mean : ndarray, shape (K, p)
    covariance : ndarray, shape (K, p, p)
        Divided by the count; zero where missing.
    present : ndarray of bool, shape (K, p), or None
        Which variables a piece has; None: all.
    has_mean : bool
        Whether the mean is that of the blocks; otherwise it is zero (deviations from means).
    units : UnitPart or None
    """

    variables: tuple[str, ...]
    blocks: tuple[int, ...]
    inside: tuple[np.ndarray, ...]
    index: tuple[np.ndarray, ...]
    scale: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    present: Any = None
    has_mean: bool = True
    units: Any = None

    @property
    def n_values(self) -> float:
        """Number of observed values."""
        if self.present is None:
            return float(self.count.sum()) * len(self.variables)
        return float(self.count @ self.present.sum(1))


@dataclass(frozen=True)
class NormalProblem:
    """The data of a model for normal responses.

    Attributes
    ----------
    sets : tuple of PieceSet
    n_units : int
        Independent units: rows, or clusters.
    constant : float
        Added to the log-likelihood: minus that of covariates which are given, and what deviations from
        means have beside their density.
    unit_constant : ndarray, shape (n_units,), or None
        The same by unit.
    """

    sets: tuple[PieceSet, ...]
    n_units: int
    constant: float = 0.0
    unit_constant: Any = None
    #: sets of clusters whose rows differ in what is observed, or have weights (`ClusterSet`)
    clusters: tuple = ()
    #: nothing is integrated numerically
    exact = True

    @property
    def n_top(self) -> int:
        return self.n_units


@dataclass(slots=True)
class PieceState:
    """Sigma^-1, its log-determinant, deviations from the mean, and T of the pieces of a set."""

    inverse: np.ndarray
    logdet: np.ndarray
    deviation: np.ndarray
    spread: np.ndarray


def _state(pieces: PieceSet, implied: list[ImpliedBlock]) -> PieceState | None:
    """None where some Sigma is not positive definite."""
    p = len(pieces.variables)
    parts = np.zeros((len(pieces.blocks), p, p))
    mean = np.zeros(p)
    for k, (b, inside, index) in enumerate(
        zip(pieces.blocks, pieces.inside, pieces.index, strict=True)
    ):
        parts[k][inside[:, None], inside] = implied[b].covariance[index[:, None], index]
        mean[inside] += implied[b].mean[index]
    sigma = np.tensordot(pieces.scale, parts, 1)
    present = pieces.present
    if present is not None:
        both = present[:, :, None] & present[:, None, :]
        sigma = np.where(both, sigma, 0.0)
        diagonal = np.arange(p)
        sigma[:, diagonal, diagonal] += ~present
    try:
        factor = np.linalg.cholesky(sigma)
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    if not (np.isfinite(diagonal).all() and diagonal.min() > 0.0):
        return None
    inverse = np.linalg.inv(sigma)
    deviation = pieces.mean - mean if pieces.has_mean else pieces.mean
    if present is not None:
        inverse = np.where(both, inverse, 0.0)
        deviation = np.where(present, deviation, 0.0)
    spread = pieces.covariance + deviation[:, :, None] * deviation[:, None, :]
    return PieceState(inverse, 2.0 * np.log(diagonal).sum(1), deviation, spread)


class NormalMoments:
    """Data and mapping joined: the face of `MarginalLikelihood` for normal responses.

    Parameters
    ----------
    problem : NormalProblem
    mapping : MomentMapping

    Notes
    -----
    Evaluations have the sums over all units, in one row: `units` has them one by one.
    """

    #: nothing is integrated numerically: rules, threads and priors have no part
    quadrature: Quadrature = Quadrature("mode", ((),))
    prior = None

    def __init__(self, problem: NormalProblem, mapping: MomentMapping):
        self.problem = problem
        self.mapping = mapping
        self.n_evaluations = 0

    def use(self, quadrature) -> None:
        """Nothing: there are no rules."""

    def evaluate(self, theta, want: int = 0, expected: bool = False) -> ThetaEvaluation:
        """Log-likelihood, score (want >= 1) and Hessian (2) at theta.

        Parameters
        ----------
        theta : array_like, shape (p,)
        want : int
        expected : bool
            The Hessian's expectation under the model at theta, minus Fisher's information.

        Returns
        -------
        ThetaEvaluation
            With one row for all units; a log-likelihood of minus infinity where a covariance matrix of
            the responses is not positive definite.
        """
        self.n_evaluations += 1
        theta = np.asarray(theta, dtype=float)
        implied = self.mapping.implied(theta)
        states = []
        value = self.problem.constant
        for pieces in self.problem.sets:
            state = _state(pieces, implied)
            if state is None:
                return self._outside(len(theta), want)
            states.append(state)
            trace = np.einsum("kij,kij->k", state.inverse, state.spread)
            value -= 0.5 * (pieces.count @ (state.logdet + trace) + LOG_2PI * pieces.n_values)
        known = []
        for clusters in self.problem.clusters:
            whole = clusters.state(implied)
            if whole is None:
                return self._outside(len(theta), want)
            known.append(whole)
            value += whole.loglike
        loglike = np.array([value])
        if not want:
            return ThetaEvaluation(loglike)
        of_covariance = [np.zeros_like(block.covariance) for block in implied]
        of_mean = [np.zeros_like(block.mean) for block in implied]
        for pieces, state in zip(self.problem.sets, states, strict=True):
            add_gradient(pieces, state, of_covariance, of_mean)
        for whole in known:
            whole.add_gradient(of_covariance, of_mean)
        score = np.zeros(len(theta))
        slopes = [block.slopes() for block in implied]
        for b, block in enumerate(implied):
            own = block.gradient(slopes[b], of_covariance[b], of_mean[b])
            score += self.mapping.gather(b, own)
        if want < 2:
            return ThetaEvaluation(loglike, score[None, :])
        hessian = np.zeros((len(theta), len(theta)))
        if not expected:
            for b, block in enumerate(implied):
                parameter = block.block.parameter
                _add(hessian, parameter, block.bend(of_covariance[b], of_mean[b]))
        for pieces, state in zip(self.problem.sets, states, strict=True):
            _add(
                hessian, self._parameters(pieces.blocks), curvature(pieces, state, slopes, expected)
            )
        for clusters, whole in zip(self.problem.clusters, known, strict=True):
            _add(hessian, self._parameters(clusters.blocks), whole.curvature(slopes, expected))
        return ThetaEvaluation(loglike, score[None, :], (hessian + hessian.T) / 2.0)

    def _outside(self, p: int, want: int) -> ThetaEvaluation:
        nowhere = np.full((1, p), np.nan) if want else None
        return ThetaEvaluation(
            np.array([-np.inf]), nowhere, np.full((p, p), np.nan) if want > 1 else None
        )

    def _parameters(self, blocks) -> np.ndarray:
        """Parameters of the entries of blocks."""
        return np.concatenate([self.mapping.blocks[b].parameter for b in blocks])

    def units(self, theta, want: int = 1) -> ThetaEvaluation:
        """Log-likelihood and score by independent unit, weights included.

        Parameters
        ----------
        theta : array_like, shape (p,)
        want : {0, 1}

        Returns
        -------
        ThetaEvaluation
            `loglike` of shape (n_units,), `score` of shape (n_units, p).

        Raises
        ------
        ValueError
            The problem knows moments only.
        """
        theta = np.asarray(theta, dtype=float)
        n = self.problem.n_units
        implied = self.mapping.implied(theta)
        loglike = np.zeros(n)
        if self.problem.unit_constant is not None:
            loglike += self.problem.unit_constant
        score = np.zeros((n, len(theta))) if want else None
        for pieces in self.problem.sets:
            part = pieces.units
            if part is None:
                raise ValueError("moments do not say what single units contribute")
            state = _state(pieces, implied)
            if state is None:
                return ThetaEvaluation(np.full(n, -np.inf), score)
            slopes = _stacked(pieces, [block.slopes() for block in implied]) if want else None
            parameter = self._parameters(pieces.blocks)
            # within a chunk: vectors, and their products with all entries
            step = max(1, CHUNK // max(len(parameter), len(pieces.variables)))
            for start in range(0, len(part.unit), step):
                rows = slice(start, start + step)
                value, of_entries = _unit_values(pieces, state, rows, slopes)
                np.add.at(loglike, part.unit[rows], value)
                if of_entries is not None and score is not None:
                    one = np.zeros((len(of_entries), len(theta)))
                    np.add.at(one.T, parameter, of_entries.T)
                    np.add.at(score, part.unit[rows], one)
        for clusters in self.problem.clusters:
            whole = clusters.state(implied)
            if whole is None:
                return ThetaEvaluation(np.full(n, -np.inf), score)
            slopes = [block.slopes() for block in implied] if want else None
            value, of_entries = whole.units(slopes)
            np.add.at(loglike, clusters.unit, value)
            if score is not None:
                one = np.zeros((len(value), len(theta)))
                np.add.at(one.T, self._parameters(clusters.blocks), of_entries.T)
                np.add.at(score, clusters.unit, one)
        return ThetaEvaluation(loglike, score)


def add_gradient(pieces: PieceSet, state: PieceState, of_covariance, of_mean) -> None:
    """Add the gradient in the moments of blocks."""
    half = 0.5 * pieces.count[:, None, None]
    inner = half * (state.inverse @ state.spread @ state.inverse - state.inverse)
    for k, (b, inside, index) in enumerate(
        zip(pieces.blocks, pieces.inside, pieces.index, strict=True)
    ):
        total = np.tensordot(pieces.scale[:, k], inner, 1)
        of_covariance[b][index[:, None], index] += total[inside[:, None], inside]
    if pieces.has_mean:
        total = np.einsum("k,kij,kj->i", pieces.count, state.inverse, state.deviation)
        for b, inside, index in zip(pieces.blocks, pieces.inside, pieces.index, strict=True):
            of_mean[b][index] += total[inside]


def _add(hessian: np.ndarray, parameter: np.ndarray, of_entries: np.ndarray) -> None:
    """Add a matrix of entries to that of parameters, of which several entries may be one."""
    np.add.at(hessian, (parameter[:, None], parameter[None, :]), of_entries)


def _stacked(pieces: PieceSet, slopes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """u, v and d of the entries of a set's blocks in its p variables, and the block of each entry."""
    p = len(pieces.variables)
    out: tuple[list, list, list] = ([], [], [])
    block: list[int] = []
    for k, (b, inside, index) in enumerate(
        zip(pieces.blocks, pieces.inside, pieces.index, strict=True)
    ):
        for whole, target in zip(slopes[b], out, strict=True):
            part = np.zeros((p, whole.shape[1]))
            part[inside] = whole[index]
            target.append(part)
        block += [k] * slopes[b][0].shape[1]
    u, v, d = (np.concatenate(one, axis=1) for one in out)
    return u, v, d, np.array(block, dtype=np.intp)


def curvature(pieces: PieceSet, state: PieceState, slopes, expected: bool) -> np.ndarray:
    """Second derivatives of the log-likelihood in the moments, along the entries.

    With W = Sigma^-1, P = 2 W T W - W and r = W (ybar - mu), entries a and b contribute
    ``-n/2 tr(dSigma_b W dSigma_a P) - n r' dSigma_a W dmu_b - n r' dSigma_b W dmu_a - n dmu_a' W dmu_b``;
    in expectation P = W and r = 0.
    """
    u, v, d, block = _stacked(pieces, slopes)
    n_entries = u.shape[1]
    total = np.zeros((n_entries, n_entries))
    step = max(1, CHUNK // max(1, n_entries**2))
    moving = pieces.has_mean and bool(d.any())
    for start in range(0, len(pieces.count), step):
        rows = slice(start, start + step)
        w, count, scale = state.inverse[rows], pieces.count[rows], pieces.scale[rows][:, block]
        wu, wv = w @ u, w @ v
        uwu, uwv, vwv = u.T @ wu, u.T @ wv, v.T @ wv
        if expected:
            upu, upv, vpv = uwu, uwv, vwv
        else:
            spread = state.spread[rows]
            upu = 2.0 * wu.transpose(0, 2, 1) @ spread @ wu - uwu
            upv = 2.0 * wu.transpose(0, 2, 1) @ spread @ wv - uwv
            vpv = 2.0 * wv.transpose(0, 2, 1) @ spread @ wv - vwv
        trace = uwv * upv.transpose(0, 2, 1)
        trace = trace + trace.transpose(0, 2, 1) + vwv * upu + uwu * vpv
        both = (0.5 * count)[:, None, None] * scale[:, :, None] * scale[:, None, :]
        total -= np.einsum("kab,kab->ab", both, trace)
        if not moving:
            continue
        wd = w @ d
        total -= np.einsum("k,kab->ab", count, d.T @ wd)
        if not expected:
            r = np.einsum("kij,kj->ki", w, state.deviation[rows])
            ru, rv = (r @ u) * scale, (r @ v) * scale
            cross = ru[:, :, None] * (v.T @ wd) + rv[:, :, None] * (u.T @ wd)
            cross = np.einsum("k,kab->ab", count, cross)
            total -= cross + cross.T
    return total


def _unit_values(pieces: PieceSet, state: PieceState, rows: slice, slopes):
    """Log-likelihoods of units, and scores in the entries of the set's blocks where slopes are given."""
    part = pieces.units
    piece, count = part.piece[rows], part.count[rows]
    w = state.inverse
    size = len(pieces.variables) if pieces.present is None else pieces.present.sum(1)[piece]
    value = state.logdet[piece] + LOG_2PI * size
    within = None if part.covariance is None else part.covariance[rows]
    deviation = None
    if part.mean is not None:
        # what the set's mean deviates by from the model's, and the unit's from the set's
        deviation = state.deviation[piece] + (part.mean[rows] - pieces.mean[piece])
        if pieces.present is not None:
            deviation = np.where(pieces.present[piece], deviation, 0.0)
        r = times(w, piece, deviation)
        value = value + np.einsum("ui,ui->u", r, deviation)
    if within is not None:
        value = value + np.einsum("uij,uij->u", w[piece], within)
    value = -0.5 * count * value
    if slopes is None:
        return value, None
    u, v, d, block = slopes
    scale = pieces.scale[:, block]
    base = np.einsum("ie,kie->ke", u, w @ v)
    score = -base[piece]
    if deviation is not None:
        score += (r @ u) * (r @ v)
    if within is not None:
        product = w[piece] @ within @ w[piece]
        outer = (u[:, None, :] * v[None, :, :]).reshape(-1, u.shape[1])
        score += product.reshape(len(product), -1) @ outer
    score *= scale[piece]
    if deviation is not None and pieces.has_mean:
        score += r @ d
    return value, score * count[:, None]


def times(matrices: np.ndarray, which: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products of vectors with the matrices of their pieces."""
    if len(matrices) == 1:
        return vectors @ matrices[0]
    out = np.empty_like(vectors)
    order = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[order], np.arange(len(matrices) + 1))
    for k in range(len(matrices)):
        rows = order[edges[k] : edges[k + 1]]
        out[rows] = vectors[rows] @ matrices[k]
    return out
