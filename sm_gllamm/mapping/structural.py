"""Parameters of a model with loadings and regressions among latent variables.

    nu = x'beta + offset + sum_m (z_m' lambda_m) eta_m,      eta = B eta + Gamma w + zeta,
    zeta^(l) = C^(l) u^(l),  u standard normal,  C the Cholesky factor of Psi^(l)

B is recursive, so eta = (I + B + B^2 + ...) (Gamma w + C u) is a polynomial in the parameters, and so is
every entry of the engine's Phi.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.blocks import ParameterBlocks
from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.polynomials import Monomial, Polynomials
from sm_gllamm.mapping.slots import SlotBlock

__all__ = ["Coefficient", "LatentEquation", "StructuralMapping", "UnitCovariance"]

ONE = Monomial(1.0)


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A loading or regression coefficient: free under a name, or fixed at a value.

    Attributes
    ----------
    name : str or None
        Equal names are one parameter; None where fixed.
    value : float
        Fixed value.
    """

    name: str | None
    value: float = 1.0


@dataclass(frozen=True, slots=True)
class LatentEquation:
    """One latent variable.

    Attributes
    ----------
    name : str
    level : int
        Lowest is 0.
    loadings : tuple of (int, Coefficient)
        Column of the engine's design, -1 for the constant, and its coefficient.
    parents : tuple of (str, Coefficient)
        Latent variables it is regressed on.
    covariates : tuple of (dict of int to int, Coefficient)
        Covariates it is regressed on: for every column that some latent variable loads on, the column
        of its product with the covariate.
    """

    name: str
    level: int
    loadings: tuple
    parents: tuple = ()
    covariates: tuple = ()


class UnitCovariance(TermCovariance):
    """Uncorrelated disturbances with variance one: no parameters."""

    def __post_init__(self):
        object.__setattr__(self, "entries", [])
        object.__setattr__(self, "params", [])

    def factor(self, theta: np.ndarray) -> np.ndarray:
        return np.eye(len(self.names))

    def matrix(self, published: np.ndarray) -> np.ndarray:
        return np.eye(len(self.names))


def total_effects(latents: Sequence[LatentEquation], parameter: Callable) -> list[dict]:
    """(I - B)^-1 as monomials: for each latent variable, those it depends on and by what products.

    Parameters
    ----------
    latents : sequence of LatentEquation
    parameter : callable
        Coefficient to Monomial.

    Raises
    ------
    SpecificationError
        A path that leads back to where it began.
    """
    index = {latent.name: m for m, latent in enumerate(latents)}
    known: list[dict | None] = [None] * len(latents)

    def effects(m: int, way: tuple[int, ...]) -> dict[int, list[Monomial]]:
        if m in way:
            names = [latents[k].name for k in (*way[way.index(m) :], m)]
            raise SpecificationError(
                "the regressions of latent variables make a cycle: " + " <- ".join(names)
            )
        if known[m] is None:
            total: dict[int, list[Monomial]] = {m: [ONE]}
            for parent, coefficient in latents[m].parents:
                step = parameter(coefficient)
                for source, products in effects(index[parent], (*way, m)).items():
                    total.setdefault(source, []).extend(step * product for product in products)
            known[m] = total
        return known[m]

    return [effects(m, ()) for m in range(len(latents))]


class StructuralMapping(ParameterBlocks):
    """Maps between the parameter vectors of a model with latent variables.

    Parameters
    ----------
    exog_names : list of str
    exog_columns : list of int
    latents : sequence of LatentEquation
        Those of a level in the order of its covariance matrix.
    covariances : sequence of TermCovariance
        One a level, lowest first.
    slots : sequence of (SlotBlock, columns)
        As in GLMMMapping.
    """

    def __init__(self, exog_names, exog_columns, latents, covariances, slots=()):
        self.latents = tuple(latents)
        self.k_exog = len(exog_names)
        self.dimensions = tuple(len(covariance.names) for covariance in covariances)
        first = np.concatenate([[0], np.cumsum(self.dimensions)]).astype(int)
        names = list(exog_names)
        self.terms = []
        for level in range(len(covariances) - 1, -1, -1):
            covariance = covariances[level]
            block = slice(len(names), len(names) + len(covariance.params))
            self.terms.append((level, 0, block, covariance))
            names += covariance.param_names if covariance.params else []
        self.slots, self.slot_columns = [], [tuple(columns) for _, columns in slots]
        entries: dict[tuple[int, int, int], list[Monomial]] = {}
        for k, column in enumerate(exog_columns):
            entries[column, 0, k] = [Monomial(1.0, (k,))]
        for slot_block, columns in slots:
            block = slice(len(names), len(names) + len(slot_block.names))
            self.slots.append((block, slot_block))
            for entry, where in zip(slot_block.entries, columns, strict=True):
                key = (where, 1 + int(first[-1]) + entry.channel, 0)
                entries.setdefault(key, []).append(
                    Monomial(entry.coefficient, (block.start + entry.parameter,))
                )
            names += slot_block.names
        self._position: dict[str, int] = {}
        for title, coefficients in self._coefficients().items():
            free = list(dict.fromkeys(c.name for c in coefficients if c.name is not None))
            free = [name for name in free if name not in self._position]
            block = slice(len(names), len(names) + len(free))
            if free:
                self.slots.append((block, SlotBlock(title, tuple(free), "identity", ())))
                self.slot_columns.append(())
            self._position |= {name: block.start + k for k, name in enumerate(free)}
            names += free
        self.param_names = names
        self._add_latents(entries, first)
        # the constant's channel first
        order = sorted(entries, key=lambda key: (key[1], key[2], key[0]))
        self.active_column = np.array([key[0] for key in order], dtype=np.intp)
        self.active_channel = np.array([key[1] for key in order], dtype=np.intp)
        self.polynomials = Polynomials([entries[key] for key in order], len(names))
        self._finish()

    def _coefficients(self) -> dict[str, list[Coefficient]]:
        """Loadings and regression coefficients, in the order of the latent variables."""
        return {
            "loading": [c for latent in self.latents for _, c in latent.loadings],
            "regression": [
                c for latent in self.latents for _, c in (*latent.parents, *latent.covariates)
            ],
        }

    @property
    def coefficients_only(self) -> bool:
        """Whether there are neither free loadings nor regressions."""
        return not self._position

    def position(self, name: str) -> int:
        """Position in theta of a loading or regression coefficient."""
        return self._position[name]

    def _monomial(self, coefficient: Coefficient) -> Monomial:
        if coefficient.name is None:
            return Monomial(coefficient.value)
        return Monomial(1.0, (self._position[coefficient.name],))

    def _add_latents(self, entries, first) -> None:
        """Loadings times total effects times Cholesky entries and regression coefficients."""
        place = {}
        for level in range(len(self.dimensions)):
            inside = [m for m, latent in enumerate(self.latents) if latent.level == level]
            place |= {m: (level, k) for k, m in enumerate(inside)}
        block_of = {level: (block, covariance) for level, _, block, covariance in self.terms}
        effects = total_effects(self.latents, self._monomial)
        for m, latent in enumerate(self.latents):
            for column, coefficient in latent.loadings:
                loading = self._monomial(coefficient)
                for source, products in effects[m].items():
                    level, row = place[source]
                    block, covariance = block_of[level]
                    for product in products:
                        if not covariance.params:
                            key = (column, 1 + int(first[level]) + row, 0)
                            entries.setdefault(key, []).append(loading * product)
                        for r, c, k in covariance.entries:
                            if r == row:
                                key = (column, 1 + int(first[level]) + c, 0)
                                entries.setdefault(key, []).append(
                                    loading * product * Monomial(1.0, (block.start + k,))
                                )
                        for columns, effect in self.latents[source].covariates:
                            # apart from exog's own entries
                            key = (columns[column], 0, self.k_exog)
                            entries.setdefault(key, []).append(
                                loading * product * self._monomial(effect)
                            )

    def diagonal_columns(self) -> list[tuple[int, int]]:
        """Position of each Cholesky diagonal, and the column its latent variable's scale comes from."""
        out = []
        for level, _, block, covariance in self.terms:
            inside = [latent for latent in self.latents if latent.level == level]
            for row, col, k in covariance.entries:
                if row == col:
                    fixed = [
                        c for c, coefficient in inside[row].loadings if coefficient.name is None
                    ]
                    columns = fixed or [c for c, _ in inside[row].loadings] or [-1]
                    out.append((block.start + k, columns[0]))
        return out

    def loading_sds(self, theta) -> list[tuple[int, int, float]]:
        """Position of each free loading, its column, and its size times the disturbance's SD."""
        out = []
        for level in range(len(self.dimensions)):
            inside = [latent for latent in self.latents if latent.level == level]
            sds = np.linalg.norm(self.factor(theta, level), axis=1)
            for latent, sd in zip(inside, sds, strict=True):
                for column, coefficient in latent.loadings:
                    if coefficient.name is not None:
                        position = self._position[coefficient.name]
                        out.append((position, column, abs(theta[position]) * float(sd)))
        return out

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        return self.polynomials.values(np.asarray(theta, dtype=float))

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        return score @ self.polynomials.jacobian(theta)

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation, (n_active, n_active) to (p, p)."""
        jacobian = self.polynomials.jacobian(theta)
        bend = self.polynomials.curvature(theta, evaluation.score.sum(0))
        return jacobian.T @ evaluation.hessian @ jacobian + bend
