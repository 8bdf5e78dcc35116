"""What goes into the engine and what comes out: frozen containers of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Evaluation", "Posterior", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything about a likelihood that does not change with the parameters.

    Rows are sorted so that the rows of every cluster are consecutive, at every level. Levels run from
    the lowest (smallest clusters) up. Row i has the predictor ``nu_i = offset_i + D_i' Phi (1, u)``;
    `active_column` and `active_channel` list the entries of Phi that may be non-zero, so a model is,
    for the engine, a vector of values for these entries. Channel 0 stands for the constant, channel r
    for latent variable u_r (lowest level first), the next ones for products of two of them. Further
    channels stand for the constant in further predictors; each of a row's up to three slots (log
    dispersion, thresholds, logit of a zero probability, log scale) reads one of these.

    Attributes
    ----------
    family : ndarray of intc, shape (n,)
        Code of each row's density (responses.densities.CODES); rows of a cluster may differ.
    y, trials, constant : ndarray, shape (n,)
        Response; binomial denominator or upper bound of a censored response (1 elsewhere);
        parameter-free part of the log density, for responses of several rows in the first.
    row_weight : ndarray, shape (n,), or None
        Exponent of a row's density.
    design : ndarray, shape (n, d)
        The union of all design columns, float64 in any memory layout. With a factored design only the
        columns that it multiplies, shape (n, k); k may be zero.
    offset : ndarray, shape (n,), or None
    active_column : ndarray of intp, shape (n_active,)
        Column of the design, from 0 to d - 1, or -1 for the constant 1.
    active_channel : ndarray of intp, shape (n_active,)
    cluster_offsets : tuple of ndarray of intp, each shape (J_l + 1,)
        Cluster j of a level owns units offsets[j]:offsets[j + 1] of the level below (rows for the first).
    cluster_weights : tuple of (ndarray, shape (J_l,), or None)
        Exponent of a cluster's likelihood.
    dimensions : tuple of int
        Number of latent variables of each level.
    exact : bool
        All rows are gaussian with identity link: three adaptive nodes a dimension are exact.
    n_slots : int
        Slots of the rows that have most.
    n_constants : int
        Number of channels behind those of latent variables and products.
    slot_channel : ndarray of intc, shape (n, n_slots), or None
        Channel of each slot, -1 for none. None: slot s is the s-th of the last channels in every row.
    slot_base : ndarray, shape (n, n_slots), or None
        Fixed part of the slots.
    set_size : ndarray of intc, shape (n,), or None
        Rows owned by the response that begins in a row, 0 in its other rows; None: one each.
    entry : ndarray, shape (n,), or None
        Times of late entry.
    link : ndarray of intc, shape (n,), or None
    part : ndarray, shape (n,), or None
        Code of the inverse link and weight of each row of a composite response.
    products : tuple of (int, int)
        Positions in u, from 0 and the smaller first, of the factors of each product.
    row_code : ndarray of intc, shape (n,), or None
        Factored design: code of each row, such as its item. None: an ordinary design.
    code_table : ndarray, shape (n_codes, d), or None
        Value of each column by code.
    column_source : ndarray of intp, shape (d,), or None
        Column c of a factored design is ``code_table[row_code, c]`` times column ``column_source[c]`` of
        `design`, or times 1 where that is -1.

    Notes
    -----
    `family`, `trials` and `constant` may be one value broadcast over the rows.
    """

    family: np.ndarray
    y: np.ndarray
    trials: np.ndarray
    constant: np.ndarray
    row_weight: np.ndarray | None
    design: np.ndarray
    offset: np.ndarray | None
    active_column: np.ndarray
    active_channel: np.ndarray
    cluster_offsets: tuple[np.ndarray, ...]
    cluster_weights: tuple[np.ndarray | None, ...]
    dimensions: tuple[int, ...]
    exact: bool
    n_slots: int = 0
    n_constants: int = 0
    slot_channel: np.ndarray | None = None
    slot_base: np.ndarray | None = None
    set_size: np.ndarray | None = None
    entry: np.ndarray | None = None
    link: np.ndarray | None = None
    part: np.ndarray | None = None
    products: tuple[tuple[int, int], ...] = ()
    row_code: np.ndarray | None = None
    code_table: np.ndarray | None = None
    column_source: np.ndarray | None = None

    def column(self, c: int) -> np.ndarray:
        """Values of the design's column c, shape (n,); of the constant 1 for c = -1."""
        if c < 0:
            return np.ones(len(self.y))
        if self.row_code is None:
            return self.design[:, c]
        values = self.code_table[self.row_code, c]
        source = self.column_source[c]
        return values if source < 0 else values * self.design[:, source]

    @property
    def n_top(self) -> int:
        """Number of top-level clusters."""
        return len(self.cluster_offsets[-1]) - 1

    @property
    def rows_of_top(self) -> np.ndarray:
        """Number of rows of each top-level cluster, shape (n_top,)."""
        edges = self.cluster_offsets[-1]
        for below in self.cluster_offsets[-2::-1]:
            edges = below[edges]
        return np.diff(edges)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Log-likelihood and, as wanted, its derivatives in the active entries of Phi.

    Attributes
    ----------
    loglike : ndarray, shape (n_top,)
        Weighted contribution of each top-level cluster.
    score : ndarray, shape (n_top, n_active), or None
        Weighted score contribution of each top-level cluster, or their sum, shape (1, n_active).
    hessian : ndarray, shape (n_active, n_active), or None
        Sum over clusters; the exact observed information with the opposite sign.
    """

    loglike: np.ndarray
    score: np.ndarray | None = None
    hessian: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Posterior:
    """Posterior moments of the standardised latent variables, and of row quantities.

    Attributes
    ----------
    mean : tuple of ndarray, each shape (J_l, q_l)
    covariance : tuple of ndarray, each shape (J_l, q_l, q_l)
    nu, nu_variance, response : ndarray, shape (n,)
        Posterior mean and variance of the linear predictor, posterior mean of its inverse link (of
        choices: of the alternative's probability).
    """

    mean: tuple[np.ndarray, ...]
    covariance: tuple[np.ndarray, ...]
    nu: np.ndarray
    nu_variance: np.ndarray
    response: np.ndarray
