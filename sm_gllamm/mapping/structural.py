"""Parameters of a model with loadings and regressions among latent variables.

    nu = x'beta + offset + sum_m (z_m' lambda_m) eta_m,      eta = B eta + Gamma w + zeta,
    zeta^(l) = C^(l) u^(l),  u standard normal,  C the Cholesky factor of Psi^(l)

B is recursive, so eta = (I + B + B^2 + ...) (Gamma w + C u) is a polynomial in the parameters, and so is
every entry of the engine's Phi. Paths may also start from products of two latent variables, and their
coefficients may be multiplied by a covariate: then eta is a polynomial in u of second degree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.blocks import ParameterBlocks
from sm_gllamm.mapping.polynomials import Monomial, Polynomials
from sm_gllamm.mapping.slots import SlotBlock

__all__ = ["Coefficient", "LatentEquation", "Path", "StructuralMapping", "reduced_form"]

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
class Path:
    """One term of a latent variable's equation: coefficient times latent variables times a covariate.

    Attributes
    ----------
    label : str
    factors : tuple of str
        At most two latent variables; none for a covariate alone.
    covariate : int or None
        Position among the covariates of the equation.
    coefficient : Coefficient
        Or whatever `reduced_form` is to make a Monomial of.
    """

    label: str
    factors: tuple[str, ...]
    covariate: int | None
    coefficient: Any


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
    paths : tuple of Path
    disturbed : bool
        Whether there is a disturbance zeta.
    """

    name: str
    level: int
    loadings: tuple
    paths: tuple[Path, ...] = ()
    disturbed: bool = True


#: What a latent variable is made of: the disturbances and the covariates (latent variable, position)
#: that a product has, each sorted.
Key = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]


def reduced_form(latents: Sequence[LatentEquation], parameter: Callable) -> list[dict]:
    """Latent variables as polynomials in disturbances and covariates, (I - B)^-1 (Gamma w + zeta).

    Parameters
    ----------
    latents : sequence of LatentEquation
    parameter : callable
        Coefficient to Monomial.

    Returns
    -------
    list of dict of Key to list of Monomial

    Raises
    ------
    SpecificationError
        A path that leads back to where it began, or products of more than two disturbances.
    """
    index = {latent.name: m for m, latent in enumerate(latents)}
    known: list[dict | None] = [None] * len(latents)

    def form(m: int, way: tuple[int, ...]) -> dict[Key, list[Monomial]]:
        if m in way:
            names = [latents[k].name for k in (*way[way.index(m) :], m)]
            raise SpecificationError(
                "the regressions of latent variables make a cycle: " + " <- ".join(names)
            )
        if known[m] is None:
            total: dict[Key, list[Monomial]] = {}
            if latents[m].disturbed:
                total[(m,), ()] = [ONE]
            for path in latents[m].paths:
                covariate = () if path.covariate is None else ((m, path.covariate),)
                part: dict[Key, list[Monomial]] = {((), covariate): [parameter(path.coefficient)]}
                for factor in path.factors:
                    part = _product(part, form(index[factor], (*way, m)))
                if any(len(sources) > 2 for sources, _ in part):
                    raise SpecificationError(
                        f"{latents[m].name} ~ {path.label} is a product of more than two disturbances, which "
                        "is not available"
                    )
                for key, monomials in part.items():
                    total.setdefault(key, []).extend(monomials)
            known[m] = total
        return known[m]

    return [form(m, ()) for m in range(len(latents))]


def _product(first: dict, second: dict) -> dict[Key, list[Monomial]]:
    out: dict[Key, list[Monomial]] = {}
    for (sources, covariates), a in first.items():
        for (others, more), b in second.items():
            key = tuple(sorted(sources + others)), tuple(sorted(covariates + more))
            out.setdefault(key, []).extend(x * y for x in a for y in b)
    return out


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
    multiplied : callable
        From a column that latent variables load on and covariates (latent variable, position) to the
        column of their product.
    """

    def __init__(self, exog_names, exog_columns, latents, covariances, slots, multiplied):
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
        #: entries of Phi by kind of channel: the constant, a latent variable, two of them, a slot
        entries: dict[tuple, list[Monomial]] = {}
        for k, column in enumerate(exog_columns):
            entries[column, (), k] = [Monomial(1.0, (k,))]
        for slot_block, columns in slots:
            block = slice(len(names), len(names) + len(slot_block.names))
            self.slots.append((block, slot_block))
            for entry, where in zip(slot_block.entries, columns, strict=True):
                entries.setdefault((where, entry.channel, 0), []).append(
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
        self._add_latents(entries, first, multiplied)
        self.products = tuple(
            sorted({key[1] for key in entries if isinstance(key[1], tuple) and len(key[1]) == 2})
        )
        self._number(entries, int(first[-1]))
        self._finish()

    def _number(self, entries, q: int) -> None:
        """Channels of the entries, the constant's first, and the polynomials of their values."""

        def channel(kind) -> int:
            if not isinstance(kind, tuple):
                return 1 + q + len(self.products) + kind
            if len(kind) == 2:
                return 1 + q + self.products.index(kind)
            return 1 + kind[0] if kind else 0

        numbered = {(c, channel(kind), k): value for (c, kind, k), value in entries.items()}
        order = sorted(numbered, key=lambda key: (key[1], key[2], key[0]))
        self.active_column = np.array([key[0] for key in order], dtype=np.intp)
        self.active_channel = np.array([key[1] for key in order], dtype=np.intp)
        derived = sum(len(covariance.derived) for *_, covariance in self.terms)
        self.polynomials = Polynomials(
            [numbered[key] for key in order], len(self.param_names) + derived
        )

    def _coefficients(self) -> dict[str, list[Coefficient]]:
        """Loadings and regression coefficients, in the order of the latent variables."""
        return {
            "loading": [c for latent in self.latents for _, c in latent.loadings],
            "regression": [path.coefficient for latent in self.latents for path in latent.paths],
        }

    @property
    def coefficients_only(self) -> bool:
        """Whether there are neither free loadings nor regressions."""
        return not any(latent.paths for latent in self.latents) and not self._position

    def position(self, name: str) -> int:
        """Position in theta of a loading or regression coefficient."""
        return self._position[name]

    def _monomial(self, coefficient: Coefficient) -> Monomial:
        if coefficient.name is None:
            return Monomial(coefficient.value)
        return Monomial(1.0, (self._position[coefficient.name],))

    def members(self, level: int) -> list[LatentEquation]:
        """Latent variables with a disturbance at a level, in the order of its covariance matrix."""
        return [latent for latent in self.latents if latent.level == level and latent.disturbed]

    def _factor_rows(self, first) -> dict[int, list[tuple[int, Monomial]]]:
        """Each disturbance as a row of C: positions in u and values."""
        rows: dict[int, list] = {}
        derived = len(self.param_names)
        for level, _, block, covariance in self.terms:
            index = [
                m
                for m, latent in enumerate(self.latents)
                if latent.level == level and latent.disturbed
            ]
            found = [(r, c, Monomial(1.0, (block.start + k,))) for r, c, k in covariance.entries]
            found += [
                (r, c, Monomial(1.0, (derived + k,))) for k, (r, c) in enumerate(covariance.derived)
            ]
            derived += len(covariance.derived)
            for r, c, value in found:
                rows.setdefault(index[r], []).append((int(first[level]) + c, value))
        return rows

    def _add_latents(self, entries, first, multiplied) -> None:
        """Loadings times the latent variables' reduced form, disturbances as rows of C times u."""
        rows = self._factor_rows(first)
        forms = reduced_form(self.latents, self._monomial)
        for m, latent in enumerate(self.latents):
            for column, coefficient in latent.loadings:
                loading = self._monomial(coefficient)
                for (sources, covariates), monomials in forms[m].items():
                    at = multiplied(column, covariates) if covariates else column
                    if not sources:
                        # apart from exog's own entries
                        where = entries.setdefault((at, (), self.k_exog), [])
                        where.extend(loading * x for x in monomials)
                        continue
                    terms = [((), loading * x) for x in monomials]
                    for source in sources:
                        terms = [
                            ((*u, position), x * value)
                            for u, x in terms
                            for position, value in rows[source]
                        ]
                    for u, x in terms:
                        entries.setdefault((at, tuple(sorted(u)), 0), []).append(x)

    def diagonal_columns(self) -> list[tuple[int, int]]:
        """Position of each Cholesky diagonal, and the column its latent variable's scale comes from."""
        out = []
        for level, _, block, covariance in self.terms:
            inside = self.members(level)
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
            inside = self.members(level)
            sds = np.linalg.norm(self.factor(theta, level), axis=1)
            for latent, sd in zip(inside, sds, strict=True):
                for column, coefficient in latent.loadings:
                    if coefficient.name is not None:
                        position = self._position[coefficient.name]
                        out.append((position, column, abs(theta[position]) * float(sd)))
        return out

    def _derived(self):
        """Covariance matrices with entries of C that are no parameters, and their blocks of theta."""
        return [(block, covariance) for _, _, block, covariance in self.terms if covariance.derived]

    def _extended(self, theta) -> np.ndarray:
        """Theta and the entries of C that are no parameters: what the polynomials are in."""
        theta = np.asarray(theta, dtype=float)
        derived = [covariance.derived_values(theta[block]) for block, covariance in self._derived()]
        return np.concatenate([theta, *derived]) if derived else theta

    def _extension(self, theta) -> np.ndarray:
        """Derivatives of the extended theta in theta, shape (p + derived, p)."""
        p, at = len(theta), len(theta)
        out = np.eye(self.polynomials.n_parameters, p)
        for block, covariance in self._derived():
            first, _ = covariance.derivatives(theta[block])
            for k, place in enumerate(covariance.derived):
                out[at + k, block] = first[place]
            at += len(covariance.derived)
        return out

    def phi(self, theta) -> np.ndarray:
        """Values of the engine's active entries."""
        return self.polynomials.values(self._extended(theta))

    def phi_of_disturbances(self, theta) -> np.ndarray:
        """The same where channels stand for disturbances zeta, and not for standard normal u."""
        extended, at = self._extended(theta).copy(), self.k_params
        for _, _, block, covariance in self.terms:
            for row, column, k in covariance.entries:
                extended[block.start + k] = float(row == column)
            for row, column in covariance.derived:
                extended[at] = float(row == column)
                at += 1
        return self.polynomials.values(extended)

    def _phi_jacobian(self, theta) -> np.ndarray:
        """Derivatives of the active entries in theta, shape (n_active, p)."""
        theta = np.asarray(theta, dtype=float)
        jacobian = self.polynomials.jacobian(self._extended(theta))
        return jacobian @ self._extension(theta) if self._derived() else jacobian

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        return score @ self._phi_jacobian(theta)

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation, (n_active, n_active) to (p, p)."""
        theta = np.asarray(theta, dtype=float)
        weights = evaluation.score.sum(0)
        jacobian = self._phi_jacobian(theta)
        extended = self._extended(theta)
        bend = self.polynomials.curvature(extended, weights)
        if self._derived():
            extension = self._extension(theta)
            bend = extension.T @ bend @ extension
            slopes, at = weights @ self.polynomials.jacobian(extended), len(theta)
            for block, covariance in self._derived():
                _, second = covariance.derivatives(theta[block])
                for k, place in enumerate(covariance.derived):
                    bend[block, block] += slopes[at + k] * second[place]
                at += len(covariance.derived)
        return jacobian.T @ evaluation.hessian @ jacobian + bend
