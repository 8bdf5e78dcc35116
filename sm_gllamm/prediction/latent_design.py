"""What latent variables contribute to the predictors of rows: the model's equations at these rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from sm_gllamm.mapping.likelihood_rows import Rows
from sm_gllamm.mapping.measurement import LatentColumns, lay_out_latents
from sm_gllamm.mapping.structural import StructuralMapping

__all__ = ["LatentDesign", "LatentParts", "latents_behind"]

#: Gauss-Hermite nodes for each latent variable of a product.
NODES = 40


@dataclass(frozen=True, slots=True)
class LatentParts:
    """Predictors ``fixed + loadings'v + sum_p products_p v_r v_s``, the pairs (r, s) being `pairs`.

    Attributes
    ----------
    fixed : ndarray, shape (n,)
    loadings : ndarray, shape (n, q)
        Of the latent variables of all levels, lowest first.
    products : ndarray, shape (n, number of pairs)
    pairs : tuple of (int, int)
    """

    fixed: np.ndarray
    loadings: np.ndarray
    products: np.ndarray
    pairs: tuple[tuple[int, int], ...] = ()

    def random(self, values: np.ndarray) -> np.ndarray:
        """What depends on the variables, shape (n,), at values of shape (n, q)."""
        total = np.einsum("nq,nq->n", self.loadings, values)
        for p, (r, s) in enumerate(self.pairs):
            total += self.products[:, p] * values[:, r] * values[:, s]
        return total

    def normal_pieces(self) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        """Normal distributions of which that of the predictor is a mixture.

        Yields
        ------
        weight : float
        shift : ndarray, shape (n,)
            Mean of the piece minus `fixed`.
        loadings : ndarray, shape (n, q)
            Of standard normal variables.

        Notes
        -----
        Given one variable of every product, by nodes of a Gauss-Hermite rule, the predictor is linear
        in the others.
        """
        held = _cover(self.pairs)
        if not held:
            yield 1.0, np.zeros(len(self.fixed)), self.loadings
            return
        node, weight = np.polynomial.hermite_e.hermegauss(NODES)
        weight = weight / weight.sum()
        for chosen in np.ndindex(*(NODES,) * len(held)):
            given = dict(zip(held, node[list(chosen)], strict=True))
            loadings = self.loadings.copy()
            shift = sum(loadings[:, r] * value for r, value in given.items())
            for p, (r, s) in enumerate(self.pairs):
                product = self.products[:, p]
                if r in given and s in given:
                    shift = shift + product * given[r] * given[s]
                else:
                    known, other = (r, s) if r in given else (s, r)
                    loadings[:, other] += product * given[known]
            loadings[:, held] = 0.0
            yield float(np.prod(weight[list(chosen)])), shift, loadings


def _cover(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Variables, few of them, such that every pair contains one: all squared ones first."""
    held = {r for r, s in pairs if r == s}
    while left := [pair for pair in pairs if not held & set(pair)]:
        counts = np.bincount(np.ravel(left))
        held.add(int(np.argmax(counts)))
    return sorted(held)


class LatentDesign:
    """Equations of latent variables with the values of their columns in some rows.

    Parameters
    ----------
    columns : sequence of LatentColumns
    structures : dict of level name to str
    unit_variance : bool
        As in :func:`sm_gllamm.mapping.measurement.lay_out_latents`.
    level_names : sequence of str
        Lowest level first.
    param_names : list of str
        Of the model.
    """

    def __init__(self, columns, structures, unit_variance, level_names, param_names):
        self.columns = tuple(columns)
        self._settings = structures, unit_variance, tuple(level_names), param_names

    @classmethod
    def of(cls, model, columns: Sequence[LatentColumns]) -> LatentDesign:
        """The design of rows of a model."""
        return cls(
            columns, model.structures, model.unit_variance, model.level_names,
            model.mapping.param_names,
        )  # fmt: skip

    def lay_out(self):
        """How the rows are laid out for the engine, see :func:`sm_gllamm.mapping.assemble.assemble`."""
        structures, unit_variance, *_ = self._settings
        return lay_out_latents(self.columns, structures, unit_variance)

    @cached_property
    def _laid_out(self) -> tuple[np.ndarray, StructuralMapping, np.ndarray]:
        """Design of the latent part, the mapping of its parameters, their positions among the model's."""
        *_, level_names, param_names = self._settings
        n = len(self.columns[0].loadings)
        none = np.zeros(n)
        rows = Rows(None, none.astype(np.intc), none, none, none)
        levels = [SimpleNamespace(name=name) for name in level_names]
        design, mapping = self.lay_out()(None, rows, levels, np.empty((n, 0)), [])
        places = {name: k for k, name in enumerate(param_names)}
        positions = np.array([places[name] for name in mapping.param_names], dtype=np.intp)
        return design, mapping, positions

    @property
    def complete(self) -> np.ndarray:
        """Rows without missing values, shape (n,)."""
        good = np.ones(len(self.columns[0].loadings), dtype=bool)
        for latent in self.columns:
            good &= np.isfinite(latent.loadings).all(axis=1)
            if latent.covariates is not None:
                good &= np.isfinite(latent.covariates).all(axis=1)
        return good

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Positions of the latent variables of which products are in the predictors."""
        return tuple(self._laid_out[1].products)

    def take(self, keep) -> LatentDesign:
        """The chosen rows."""
        taken = tuple(
            replace(
                latent,
                loadings=latent.loadings[keep],
                covariates=None if latent.covariates is None else latent.covariates[keep],
            )
            for latent in self.columns
        )
        return LatentDesign(taken, *self._settings)

    def _parts(self, theta: np.ndarray, of_disturbances: bool) -> LatentParts:
        design, mapping, positions = self._laid_out
        own = np.asarray(theta, dtype=float)[positions]
        phi = mapping.phi_of_disturbances(own) if of_disturbances else mapping.phi(own)
        q = sum(mapping.dimensions)
        values = np.zeros((len(design), 1 + q + len(mapping.products)))
        active = zip(mapping.active_column, mapping.active_channel, phi, strict=True)
        for column, channel, value in active:
            values[:, channel] += value if column < 0 else value * design[:, column]
        return LatentParts(
            values[:, 0], values[:, 1 : 1 + q], values[:, 1 + q :], tuple(mapping.products)
        )

    def parts(self, theta: np.ndarray) -> LatentParts:
        """Contribution to the predictors as a function of standard normal variables.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Internal parameters of the model.
        """
        return self._parts(theta, False)

    def moment_gradients(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of the contribution to the predictors, and derivatives in theta of mean and variance.

        Parameters
        ----------
        theta : ndarray, shape (p,)

        Returns
        -------
        variance : ndarray, shape (n,)
        along, across : ndarray, shape (n, p)
            Derivatives of the mean and of the variance; without products of latent variables.
        """
        design, mapping, positions = self._laid_out
        theta = np.asarray(theta, dtype=float)
        loadings = self.parts(theta).loadings
        jacobian = mapping.score_in_theta(np.eye(len(mapping.active_column)), theta[positions])
        along = np.zeros((len(design), len(theta)))
        across = np.zeros_like(along)
        columns = np.column_stack([design, np.ones(len(design))])  # -1 is the constant
        for channel in range(1 + loadings.shape[1]):
            here = mapping.active_channel == channel
            slope = columns[:, mapping.active_column[here]] @ jacobian[here]
            if channel:
                across[:, positions] += 2.0 * loadings[:, [channel - 1]] * slope
            else:
                along[:, positions] = slope
        return (loadings**2).sum(axis=1), along, across

    def parts_of_disturbances(self, theta: np.ndarray) -> LatentParts:
        """The same as a function of the disturbances zeta."""
        return self._parts(theta, True)


def latents_behind(
    fitted: Sequence[LatentColumns], at, new: Sequence[LatentColumns]
) -> tuple[LatentColumns, ...]:
    """Rows `at` of the fit's columns with those of new rows behind them.

    Parameters
    ----------
    fitted, new : sequence of LatentColumns
        The new ones may have further loadings, which are zero in the rows of the fit.
    at : slice or ndarray of intp
    """

    def joined(old: LatentColumns, other: LatentColumns) -> LatentColumns:
        before = old.loadings[at]
        wider = np.zeros((len(before), other.loadings.shape[1]))
        wider[:, : before.shape[1]] = before
        covariates = None
        if old.covariates is not None:
            covariates = np.concatenate([old.covariates[at], other.covariates])
        return replace(
            other, loadings=np.concatenate([wider, other.loadings]), covariates=covariates
        )

    return tuple(joined(old, other) for old, other in zip(fitted, new, strict=True))
