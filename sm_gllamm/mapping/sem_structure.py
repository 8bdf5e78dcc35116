"""Structural equation models on the engine: predictors as polynomials of parameters and standard normal
variables.

A group of persons has equations for its latent variables and for the predictors of its responses,

    eta = B eta + Gamma x + zeta,      zeta = C u of each level,

whose solution (:func:`sm_gllamm.mapping.structural.reduced_form`) is a polynomial in loadings and paths, in
u, in which it may be quadratic, and in covariates. Normal responses whose residuals covary, with each other
or with latent variables, are taken one given those before, so that rows are independent given u,

    y_j = nu_j + sum_r C_jr u_r + sum_{k<j} (C_jk / C_kk) (y_k - yhat_k) + C_jj epsilon_j .
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sm_gllamm.mapping.polynomials import Monomial, Polynomials
from sm_gllamm.mapping.sem_internal import Component, InternalParameters
from sm_gllamm.mapping.structural import LatentEquation, reduced_form

__all__ = ["GroupSystem", "Predictor", "SemMapping"]

#: Positions in u and numbers of covariates, each sorted, that a term of a predictor is made of.
Term = tuple[tuple[int, ...], tuple[int, ...]]
#: A predictor: its terms with their coefficients.
Form = dict[Term, list[Monomial]]


@dataclass(frozen=True)
class GroupSystem:
    """Equations of a group.

    Attributes
    ----------
    equations : tuple of LatentEquation
        Of latent variables and of predictors; coefficients are Monomials, covariates numbers that all groups
        share.
    disturbances : tuple of (int, Component, tuple of str)
        Level, from 0, covariance matrix, and the equations of its latent members.
    """

    equations: tuple[LatentEquation, ...]
    disturbances: tuple[tuple[int, Component, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Predictor:
    """What the rows with a code depend on.

    Attributes
    ----------
    group : int
    equation : str
        Whose value the predictor is.
    slots : tuple of Monomial
        Further predictors without latent variables: thresholds, the logarithm of a dispersion.
    component : Component or None
        Of normal responses with residuals that covary: latent disturbances, residuals of responses before,
        and that of this one, the last.
    latents : Component or None
        Of the latent disturbances alone, where there are any.
    given : tuple of (int, str)
        Number of the covariate that is the response, and equation, of the responses before.
    scale : Monomial
        What the predictor and the slots are multiplied with: of ordered responses with a residual variance
        of their own.
    """

    group: int
    equation: str
    slots: tuple[Monomial, ...] = ()
    component: Component | None = None
    latents: Component | None = None
    given: tuple[tuple[int, str], ...] = ()
    scale: Monomial = Monomial(1.0)


class _Places:
    """Positions in u of the members of each group's disturbances."""

    def __init__(self, internal: InternalParameters, groups: Sequence[GroupSystem], n_levels: int):
        sizes = np.zeros((len(groups), n_levels), dtype=int)
        for g, group in enumerate(groups):
            for level, component, _ in group.disturbances:
                sizes[g, level] += component.n_latent
        most = sizes.max(axis=0)
        if not most.any():
            # the engine integrates over something: a variable that nothing depends on
            most[0] = 1
        #: levels, from 0, that have disturbances
        self.levels = np.flatnonzero(most)
        self.dimensions = tuple(int(most[level]) for level in self.levels)
        first = dict(
            zip(self.levels.tolist(), np.cumsum([0, *self.dimensions[:-1]]).tolist(), strict=True)
        )
        #: by group and equation: rows of C as positions in u and values
        self.rows: list[dict[str, list[tuple[int, Monomial]]]] = []
        #: by group: position of the first member of each component
        self.starts: list[list[tuple[Component, int]]] = []
        for group in groups:
            at, own, starts = dict(first), {}, []
            for level, component, names in group.disturbances:
                start = at.get(level, 0)
                entries = internal.factor_entries(component)
                for r, name in enumerate(names):
                    own[name] = [
                        (start + c, value) for (row, c), value in entries.items() if row == r
                    ]
                starts.append((component, start))
                if component.n_latent:
                    at[level] += component.n_latent
            self.rows.append(own)
            self.starts.append(starts)

    def start(self, group: int, component: Component | None) -> int:
        """Position in u of the first latent member of a component."""
        return next(at for own, at in self.starts[group] if own is component)


def _in_u(form: dict, names: Sequence[str], rows: dict) -> Form:
    """A reduced form with rows of C times u for its disturbances."""
    out: Form = {}
    for (sources, covariates), monomials in form.items():
        terms: list[tuple[tuple[int, ...], Monomial]] = [((), x) for x in monomials]
        for source in sources:
            terms = [
                ((*u, position), x * value)
                for u, x in terms
                for position, value in rows[names[source]]
            ]
        known = tuple(sorted(k for _, k in covariates))
        for u, x in terms:
            out.setdefault((tuple(sorted(u)), known), []).append(x)
    return out


def _add(total: Form, other: Form, factor: Monomial) -> None:
    for key, monomials in other.items():
        total.setdefault(key, []).extend(factor * x for x in monomials)


def _collected(monomials: Sequence[Monomial]) -> tuple[float, tuple[Monomial, ...]]:
    """A polynomial as a leading coefficient and one that begins with a coefficient of one."""
    sums: dict[tuple[int, ...], float] = {}
    for monomial in monomials:
        sums[monomial.parameters] = sums.get(monomial.parameters, 0.0) + monomial.coefficient
    kept = sorted((p, c) for p, c in sums.items() if c != 0.0)
    if not kept:
        return 0.0, ()
    lead = kept[0][1]
    return lead, tuple(Monomial(round(c / lead, 14), p) for p, c in kept)


class SemMapping:
    """Maps between published parameters, internal ones and the engine's active entries.

    Parameters
    ----------
    internal : InternalParameters
    groups : sequence of GroupSystem
    predictors : sequence of Predictor
        One a code of rows.
    n_levels : int
        Levels of the data; those without disturbances are none of the engine's.
    scaled : sequence of int
        Codes of rows whose predictors are logits, probits or logarithms.

    Attributes
    ----------
    dimensions : tuple of int
        Of the engine's levels.
    levels : ndarray of int
        Which of the data's levels these are.
    table : ndarray, shape (n_codes, n_columns)
        Value of each column of the design by code.
    covariates : list of tuple of int
        Covariates whose product multiplies some columns.
    source : ndarray of intp, shape (n_columns,)
        Position in `covariates`, -1 for none.
    slot_numbers : list of tuple of int
        Number, among predictors without latent variables, of each code's slots.
    """

    #: what other mappings have and this one says by itself
    latents: tuple = ()
    terms: tuple = ()
    slots: tuple = ()
    slot_columns: tuple = ()
    k_exog = 0
    coefficients_only = False
    diagonal: frozenset = frozenset()

    def __init__(
        self, internal: InternalParameters, groups: Sequence[GroupSystem],
        predictors: Sequence[Predictor], n_levels: int, scaled: Sequence[int] = (),
    ):  # fmt: skip
        self._scaled = tuple(scaled)
        self.internal, self.groups = internal, tuple(groups)
        self.param_names = list(internal.names)
        self._places = _Places(internal, groups, n_levels)
        self.dimensions, self.levels = self._places.dimensions, self._places.levels
        self._reduced = []
        for group in groups:
            names = [equation.name for equation in group.equations]
            self._reduced.append((names, reduced_form(group.equations, lambda x: x)))
        self.predictors = tuple(predictors)
        self._known: dict[tuple[int, str], Form] = {}
        self._lay_out(
            [self._predictor(p) for p in predictors],
            [[slot * p.scale for slot in p.slots] for p in predictors],
        )

    # ------------------------------------------------------------ predictors
    def form(self, group: int, equation: str) -> Form:
        """The value of an equation in u and covariates."""
        key = group, equation
        if key not in self._known:
            names, reduced = self._reduced[group]
            self._known[key] = _in_u(
                reduced[names.index(equation)], names, self._places.rows[group]
            )
        return self._known[key]

    def _predictor(self, p: Predictor) -> Form:
        """The predictor of rows with a code."""
        if p.component is None:
            out: Form = {}
            _add(out, self.form(p.group, p.equation), p.scale)
            return out
        return self._conditional(p, p.component, p.equation, len(p.given))

    def _conditional(self, p: Predictor, component: Component, equation: str, k: int) -> Form:
        """The predictor of the k-th residual of a component given those before."""
        entries = self.internal.factor_entries(component)
        out: Form = {}
        _add(out, self.form(p.group, equation), Monomial(1.0))
        member = component.n_latent + k
        for r in range(component.n_latent):
            if (member, r) in entries:
                position = self._places.start(p.group, p.latents) + r
                out.setdefault(((position,), ()), []).append(entries[member, r])
        for before, (covariate, other) in enumerate(p.given[:k]):
            place = member, component.n_latent + before
            if place in entries:
                ratio = entries[place]
                out.setdefault(((), (covariate,)), []).append(ratio)
                expected = self._conditional(p, component, other, before)
                _add(out, expected, Monomial(-1.0) * ratio)
        return out

    def _lay_out(self, forms: Sequence[Form], slots: Sequence[Sequence[Monomial]]) -> None:
        """Columns and channels of everything that is not zero for sure."""
        #: by channel, covariates and polynomial: its size by code
        found: dict[tuple, dict[int, float]] = {}
        products = set()
        for code, form in enumerate(forms):
            for (u, covariates), monomials in form.items():
                lead, polynomial = _collected(monomials)
                if polynomial:
                    found.setdefault((u, covariates, polynomial), {})[code] = lead
                    if len(u) == 2:
                        products.add(u)
        self.products = tuple(sorted(products))
        self.covariates = list(dict.fromkeys(c for _, c, _ in found if c))
        columns: dict[tuple, int] = {}
        entries: list[tuple[int, int, tuple[Monomial, ...]]] = []
        q = sum(self.dimensions)
        for (u, covariates, polynomial), values in found.items():
            column = columns.setdefault((covariates, tuple(sorted(values.items()))), len(columns))
            channel = 0 if not u else 1 + u[0] if len(u) == 1 else 1 + q + self.products.index(u)
            entries.append((channel, column, polynomial))
        self.table = np.zeros((len(forms), len(columns)))
        self.source = np.full(len(columns), -1, dtype=np.intp)
        for (covariates, values), column in columns.items():
            for code, value in values:
                self.table[code, column] = value
            if covariates:
                self.source[column] = self.covariates.index(covariates)
        numbers: dict[Monomial, int] = {}
        self.slot_numbers = [
            tuple(numbers.setdefault(slot, len(numbers)) for slot in own) for own in slots
        ]
        self.n_constants = len(numbers)
        behind = 1 + q + len(self.products)
        entries += [(behind + number, -1, (slot,)) for slot, number in numbers.items()]
        entries.sort(key=lambda entry: entry[:2])
        self.active_channel = np.array([channel for channel, *_ in entries], dtype=np.intp)
        self.active_column = np.array([column for _, column, _ in entries], dtype=np.intp)
        self.polynomials = Polynomials([p for *_, p in entries], self.internal.n_extended)

    # ------------------------------------------------------------ parameters
    @property
    def k_params(self) -> int:
        return len(self.param_names)

    def theta(self, params) -> np.ndarray:
        """Internal parameters of published ones."""
        return self.internal.theta(np.asarray(params, dtype=float))

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        return self.internal.params(theta)

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta."""
        return self.internal.jacobian(theta)

    def curvature(self, theta, gradient) -> np.ndarray:
        """Second derivatives of the published parameters, weighted."""
        return self.internal.curvature(theta, gradient)

    def normalised(self, theta) -> np.ndarray:
        """The same model with positive factors."""
        return self.internal.normalised(theta)

    def feasible(self, theta) -> bool:
        """Whether there is a likelihood."""
        extended = self.internal.extended(theta)
        return extended is not None and bool(np.isfinite(extended).all())

    def loading_sds(self, theta) -> list[tuple[int, int, float]]:
        """For each predictor on a known scale: a parameter, a column, and the SD that latent variables give
        it.

        The SD is divided by the value that the column has for the predictor.
        """
        q = sum(self.dimensions)
        here = (self.active_channel >= 1) & (self.active_channel <= q)
        entries = np.flatnonzero(here & (self.source[self.active_column] < 0))
        phi = self.phi(theta)
        out = []
        for code in self._scaled:
            size = np.zeros(q + 1)
            values = self.table[code, self.active_column[entries]]
            np.add.at(size, self.active_channel[entries], values * phi[entries])
            own = entries[values != 0.0]
            if not len(own):
                continue
            first = own[np.argmax(np.abs(self.table[code, self.active_column[own]] * phi[own]))]
            column = int(self.active_column[first])
            parameters = [k for k in self.polynomials.parameters(first) if k < self.k_params]
            sd = float(np.sqrt((size**2).sum())) / abs(self.table[code, column])
            out.append((min(parameters, default=0), column, sd))
        return out

    def diagonal_columns(self) -> list:
        """Nothing: scales are those of the structural equations."""
        return []

    # ------------------------------------------------------------ the engine's entries
    def phi(self, theta) -> np.ndarray:
        """Values of the active entries."""
        extended = self.internal.extended(theta)
        assert extended is not None
        return self.polynomials.values(extended)

    def _slopes(self, theta):
        extended = self.internal.extended(theta)
        first, second = self.internal.extension(theta)
        slopes = self.polynomials.jacobian(extended)
        return extended, first, second, slopes

    def score_in_theta(self, score, theta) -> np.ndarray:
        """Chain rule for scores, (J, n_active) to (J, p)."""
        _, first, _, slopes = self._slopes(np.asarray(theta, dtype=float))
        return score @ (slopes @ first)

    def hessian_in_theta(self, evaluation, theta) -> np.ndarray:
        """Chain rule for the Hessian of an Evaluation, (n_active, n_active) to (p, p)."""
        extended, first, second, slopes = self._slopes(np.asarray(theta, dtype=float))
        weights = evaluation.score.sum(0)
        jacobian = slopes @ first
        out = jacobian.T @ evaluation.hessian @ jacobian
        out += first.T @ self.polynomials.curvature(extended, weights) @ first
        pull = weights @ slopes
        for position, own, bends in second:
            part = np.einsum("m,mij->ij", pull[position : position + len(bends)], bends)
            out[np.ix_(own, own)] += part
        return out

    def coefficients(self, theta) -> np.ndarray:
        """The engine's Phi, columns (the last one the constant 1) by channels."""
        out = np.zeros((self.table.shape[1] + 1, self._n_channels))
        np.add.at(out, (self.active_column, self.active_channel), self.phi(theta))
        return out

    @property
    def _n_channels(self) -> int:
        return 1 + sum(self.dimensions) + len(self.products) + self.n_constants
