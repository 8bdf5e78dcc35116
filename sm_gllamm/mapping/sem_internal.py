"""Published parameters of a structural equation model and the optimiser's own.

Variances and covariances are published as they are, entry by entry, and may be equal to others by labels.
What the integration needs are Cholesky factors C of covariance matrices (Psi = C C'). Where a covariance
matrix has free entries of its own, the internal parameters are those of C, which is smooth where a variance
is zero; a residual variance that stands alone is exp(2 t). Everything else is internal as it is published,
and factors of matrices with fixed or shared entries are *derived*: functions of several parameters with
first and second derivatives, outside whose domain (a matrix that is not positive definite) there is no
likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.polynomials import Monomial

__all__ = ["LOG", "Component", "InternalParameters"]

#: How a parameter is published: as it is, the square, exp(2 t), exp(t) of the internal one, or an entry of
#: C C'.
PLAIN, SQUARE, LOG_SD, LOG, CHOLESKY = range(5)
#: Logarithms beyond this have no exponential that a density could do with.
OVERFLOW = 150.0
#: Diagonal of a factor, relative to the standard deviation, below which a matrix is singular.
SINGULAR = 1e-10


@dataclass(frozen=True)
class Component:
    """A covariance matrix of disturbances, of which none is independent of all others.

    Attributes
    ----------
    names : tuple of str
        For messages.
    values : ndarray, shape (q, q)
        Fixed entries, zero where free.
    index : ndarray of int, shape (q, q)
        Parameter of each entry, -1 where fixed; symmetric.
    n_latent : int
        The last ``q - n_latent`` members are residuals of normal responses, of which the likelihood takes the
        observed ones given those before them.
    """

    names: tuple[str, ...]
    values: np.ndarray
    index: np.ndarray
    n_latent: int

    @property
    def q(self) -> int:
        return len(self.names)

    @property
    def parameters(self) -> np.ndarray:
        """Free parameters, each once."""
        return np.unique(self.index[self.index >= 0])

    def matrix(self, params: np.ndarray) -> np.ndarray:
        """The matrix at published parameters."""
        return self.values + np.where(self.index >= 0, params[self.index], 0.0)

    @property
    def own(self) -> bool:
        """Whether all entries are free and different."""
        lower = self.index[np.tril_indices(self.q)]
        return bool((lower >= 0).all() and len(np.unique(lower)) == len(lower))


@dataclass(slots=True)
class _Derived:
    """Values that are functions of several parameters: entries of a factor, and what residuals need.

    Attributes
    ----------
    component : Component
    first : int
        Position of the first value among the derived ones.
    places : dict of (row, column) to int
        Entries of C for the latent members; of two residuals ``C[r, c] / C[c, c]``; on the diagonal of
        residuals the logarithm of C.
    """

    component: Component
    first: int
    places: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self):
        q, latent = self.component.q, self.component.n_latent
        pairs = [(r, c) for r in range(q) for c in range(r + 1)]
        # a factor of matrices with zeros has zeros where nothing comes between
        filled = _fill(self.component.index >= 0, self.component.values != 0.0)
        kept = [(r, c) for r, c in pairs if filled[r, c] or r == c]
        self.places = {place: k for k, place in enumerate(kept)}
        assert latent <= q

    def values(self, params: np.ndarray) -> np.ndarray | None:
        """The values, None where the matrix is not positive definite."""
        factor = _factor(self.component.matrix(params))
        if factor is None:
            return None
        return np.array([self._value(factor, *place) for place in self.places])

    def _value(self, factor: np.ndarray, r: int, c: int) -> float:
        if c < self.component.n_latent:
            return factor[r, c]
        return np.log(factor[r, r]) if r == c else factor[r, c] / factor[c, c]

    def derivatives(self, params: np.ndarray):
        """First and second derivatives in the component's parameters, shapes (m, k) and (m, k, k)."""
        component = self.component
        own = component.parameters
        factor = _factor(component.matrix(params))
        assert factor is not None
        inverse = np.linalg.inv(factor)
        first = [
            factor @ _half(inverse @ (component.index == k).astype(float) @ inverse.T) for k in own
        ]
        second = [
            [factor @ _half(-inverse @ (a @ b.T + b @ a.T) @ inverse.T) for b in first]
            for a in first
        ]
        slopes = np.zeros((len(self.places), len(own)))
        bends = np.zeros((len(self.places), len(own), len(own)))
        for (r, c), at in self.places.items():
            one = np.array([d[r, c] for d in first])
            two = np.array([[d[r, c] for d in line] for line in second])
            if c >= component.n_latent:
                size = factor[c, c]
                below = np.array([d[c, c] for d in first])
                bent = np.array([[d[c, c] for d in line] for line in second])
                # of log C[c, c]
                log_one = below / size
                log_two = bent / size - np.outer(log_one, log_one)
                if r == c:
                    one, two = log_one, log_two
                else:
                    ratio = factor[r, c] / size
                    cross = np.outer(one, log_one)
                    two = (two - cross - cross.T) / size + ratio * (
                        np.outer(log_one, log_one) - log_two
                    )
                    one = one / size - ratio * log_one
            slopes[at], bends[at] = one, two
        return slopes, bends


@dataclass(slots=True)
class _InverseSd:
    """One over the square root of a variance, in the words of :class:`_Derived`."""

    component: Component
    first: int
    places: dict[tuple[int, int], int] = field(default_factory=lambda: {(0, 0): 0})

    def values(self, params: np.ndarray) -> np.ndarray | None:
        """The value, None where the variance is not positive."""
        variance = params[self.component.index[0, 0]]
        return np.array([variance**-0.5]) if variance > 0.0 else None

    def derivatives(self, params: np.ndarray):
        """First and second derivatives in the variance, shapes (1, 1) and (1, 1, 1)."""
        variance = params[self.component.index[0, 0]]
        return np.array([[-0.5 * variance**-1.5]]), np.array([[[0.75 * variance**-2.5]]])


def _fill(free: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Which entries of a Cholesky factor are not zero for sure."""
    out = free | fixed
    for k in range(len(out)):
        below = np.flatnonzero(out[k + 1 :, k]) + k + 1
        out[np.ix_(below, below)] = True
    return out


def _half(matrix: np.ndarray) -> np.ndarray:
    """Lower triangle with half of the diagonal: ``dC = C half(C^-1 dS C^-T)``."""
    return np.tril(matrix, -1) + 0.5 * np.diag(np.diag(matrix))


def _factor(matrix: np.ndarray) -> np.ndarray | None:
    """Cholesky factor, None where the matrix is not positive definite."""
    if not np.isfinite(matrix).all() or np.diag(matrix).min() <= 0.0:
        return None
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    return factor if (np.diag(factor) > SINGULAR * np.sqrt(np.diag(matrix))).all() else None


def _semidefinite_factor(matrix: np.ndarray) -> np.ndarray | None:
    """Cholesky factor of a matrix that may be singular, None where it is indefinite."""
    q = len(matrix)
    factor = np.zeros((q, q))
    size = 1e-12 + 1e-9 * np.abs(np.diag(matrix)).max(initial=0.0)
    for k in range(q):
        left = matrix[k, k] - factor[k, :k] @ factor[k, :k]
        if left < -size:
            return None
        rest = matrix[k:, k] - factor[k:, :k] @ factor[k, :k]
        if left <= size:
            if np.abs(rest[1:]).max(initial=0.0) > np.sqrt(size):
                return None
            continue
        factor[k:, k] = rest / np.sqrt(left)
    return factor


class InternalParameters:
    """Published parameters, internal ones and what is derived from them.

    Parameters
    ----------
    names : sequence of str
        Of the published parameters.
    components : sequence of Component
        Covariance matrices of disturbances.
    residuals : sequence of int
        Parameters that are residual variances of single responses.
    plain : sequence of int
        Parameters that are anything else: loadings, paths, intercepts, thresholds.
    positive : sequence of int
        Parameters that are published as exponentials: dispersions.
    """

    def __init__(self, names, components, residuals, plain, positive=()):
        self.names, self.components = list(names), tuple(components)
        self.kind = np.full(len(self.names), PLAIN)
        #: by component: internal parameters are entries of its factor
        self._choleskies: list[Component] = []
        self._choose(set(residuals), set(plain), set(positive))
        self._derived: list[_Derived | _InverseSd] = []
        self._first = len(self.names)

    def _choose(self, residuals: set[int], plain: set[int], positive: set[int]) -> None:
        """How each parameter is internal; by itself where it has several roles."""
        roles: list[set] = [set() for _ in self.names]
        for k in plain:
            roles[k].add(PLAIN)
        for k in residuals:
            roles[k].add(LOG_SD)
        for k in positive:
            roles[k].add(LOG)
        for component in self.components:
            if component.q == 1 and component.n_latent:
                role: object = SQUARE
            elif component.own and component.n_latent == component.q:
                role = (CHOLESKY, tuple(component.index.ravel()))
            else:
                role = PLAIN
            for k in component.parameters:
                roles[k].add(role)
        shared = {k for k, own in enumerate(roles) if len(own) != 1 or PLAIN in own}
        while True:
            linked = [c for c in self.components if c.q > 1 and shared & set(c.parameters.tolist())]
            more = {int(k) for c in linked for k in c.parameters} - shared
            if not more:
                break
            shared |= more
        for k, own in enumerate(roles):
            if k not in shared:
                role = next(iter(own))
                self.kind[k] = role[0] if isinstance(role, tuple) else role
        seen = set()
        for component in self.components:
            key = tuple(component.index.ravel())
            if component.q > 1 and key not in seen and component.own:
                if (self.kind[component.parameters] == CHOLESKY).all():
                    seen.add(key)
                    self._choleskies.append(component)

    # ------------------------------------------------------------ what polynomials are made of
    @property
    def n_extended(self) -> int:
        """Length of `extended`."""
        return self._first + sum(len(d.places) for d in self._derived)

    def factor_entries(self, component: Component) -> dict[tuple[int, int], Monomial]:
        """Entries of a component's factor in the extended parameters.

        Of residuals those that :class:`_Derived` says: ratios, and logarithms on the diagonal.
        """
        index = component.index
        if component.q > 1 and (index >= 0).all() and (self.kind[index] == CHOLESKY).all():
            return {
                (r, c): Monomial(1.0, (int(index[r, c]),))
                for r in range(component.q)
                for c in range(r + 1)
            }
        if component.q == 1 and component.n_latent and self.kind[index[0, 0]] == SQUARE:
            if index[0, 0] >= 0:
                return {(0, 0): Monomial(1.0, (int(index[0, 0]),))}
        derived = next(
            (d for d in self._derived if isinstance(d, _Derived) and _same(d.component, component)),
            None,
        )
        if derived is None:
            derived = _Derived(component, self._first + sum(len(d.places) for d in self._derived))
            if not len(component.parameters):
                values = derived.values(np.zeros(1))
                if values is None:
                    raise SpecificationError(
                        f"the fixed variances and covariances of {', '.join(component.names)} are no "
                        "covariance matrix (not positive definite)"
                    )
                return {p: Monomial(float(values[k])) for p, k in derived.places.items()}
            self._derived.append(derived)
        return {p: Monomial(1.0, (derived.first + k,)) for p, k in derived.places.items()}

    def log_sd(self, parameter: int | None, value: float) -> Monomial:
        """Logarithm of a residual standard deviation; ``value`` is the variance where it is fixed."""
        if parameter is None:
            return Monomial(0.5 * float(np.log(value)))
        if self.kind[parameter] == LOG_SD:
            return Monomial(1.0, (parameter,))
        one = Component((self.names[parameter],), np.zeros((1, 1)), np.array([[parameter]]), 0)
        return self.factor_entries(one)[0, 0]

    def inverse_sd(self, parameter: int) -> Monomial:
        """One over the square root of a variance that is internal as it is published."""
        one = Component((self.names[parameter],), np.zeros((1, 1)), np.array([[parameter]]), 0)
        known = (d for d in self._derived if isinstance(d, _InverseSd) and _same(d.component, one))
        derived = next(known, None)
        if derived is None:
            first = self._first + sum(len(d.places) for d in self._derived)
            derived = _InverseSd(one, first)
            self._derived.append(derived)
        return Monomial(1.0, (derived.first,))

    def extended(self, theta: np.ndarray) -> np.ndarray | None:
        """Internal parameters and derived values.

        None where a matrix is not positive definite, or a dispersion is too large or small for a number.
        """
        theta = np.asarray(theta, dtype=float)
        if np.abs(theta[self.vanishing]).max(initial=0.0) > OVERFLOW:
            return None
        parts = [theta]
        for derived in self._derived:
            values = derived.values(theta)
            if values is None:
                return None
            parts.append(values)
        return np.concatenate(parts)

    def extension(self, theta: np.ndarray) -> tuple[np.ndarray, list]:
        """First derivatives of the extended parameters, and second ones of the derived.

        Returns
        -------
        first : ndarray, shape (n_extended, p)
        second : list of (position, parameters, ndarray of shape (m, k, k))
        """
        p = len(theta)
        first, second = np.eye(self.n_extended, p), []
        for derived in self._derived:
            slopes, bends = derived.derivatives(np.asarray(theta, dtype=float))
            own = derived.component.parameters
            first[derived.first : derived.first + len(slopes), own] = slopes
            second.append((derived.first, own, bends))
        return first, second

    # ------------------------------------------------------------ published and internal
    def theta(self, params: np.ndarray) -> np.ndarray:
        """Internal parameters; SpecificationError outside the parameter space."""
        theta = np.array(params, dtype=float)
        for kind, least in ((SQUARE, 0.0), (LOG_SD, 0.0), (LOG, 0.0)):
            at = np.flatnonzero(self.kind == kind)
            bad = at[(theta[at] < least) | ((theta[at] == least) & (kind != SQUARE))]
            if len(bad):
                raise SpecificationError(
                    f"{self.names[bad[0]]} is {theta[bad[0]]:g}; it must be positive"
                )
            if kind == SQUARE:
                theta[at] = np.sqrt(theta[at])
            else:
                theta[at] = np.log(theta[at]) * (0.5 if kind == LOG_SD else 1.0)
        for component in self._choleskies:
            factor = _semidefinite_factor(component.matrix(np.asarray(params, dtype=float)))
            if factor is None:
                raise SpecificationError(
                    f"the covariance matrix of {', '.join(component.names)} is not positive definite at "
                    "these parameters"
                )
            lower = np.tril_indices(component.q)
            theta[component.index[lower]] = factor[lower]
        return theta

    def params(self, theta: np.ndarray) -> np.ndarray:
        """Published parameters."""
        theta = np.asarray(theta, dtype=float)
        params = theta.copy()
        for kind, power in ((LOG_SD, 2.0), (LOG, 1.0)):
            at = self.kind == kind
            params[at] = np.exp(power * theta[at])
        at = self.kind == SQUARE
        params[at] = theta[at] ** 2
        for component in self._choleskies:
            lower = np.tril_indices(component.q)
            factor = self._root(component, theta)
            params[component.index[lower]] = (factor @ factor.T)[lower]
        return params

    @staticmethod
    def _root(component: Component, theta: np.ndarray) -> np.ndarray:
        return np.tril(theta[component.index])

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        theta = np.asarray(theta, dtype=float)
        diagonal = np.ones(len(theta))
        diagonal[self.kind == SQUARE] = 2.0 * theta[self.kind == SQUARE]
        for kind, power in ((LOG_SD, 2.0), (LOG, 1.0)):
            at = self.kind == kind
            diagonal[at] = power * np.exp(power * theta[at])
        out = np.diag(diagonal)
        for component in self._choleskies:
            factor, index = self._root(component, theta), component.index
            for r in range(component.q):
                for c in range(r + 1):
                    out[index[r, c]] = 0.0
                    for k in range(c + 1):
                        out[index[r, c], index[r, k]] += factor[c, k]
                        out[index[r, c], index[c, k]] += factor[r, k]
        return out

    def curvature(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        theta = np.asarray(theta, dtype=float)
        diagonal = np.zeros(len(theta))
        at = self.kind == SQUARE
        diagonal[at] = 2.0 * gradient[at]
        for kind, power in ((LOG_SD, 2.0), (LOG, 1.0)):
            at = self.kind == kind
            diagonal[at] = gradient[at] * power**2 * np.exp(power * theta[at])
        out = np.diag(diagonal)
        for component in self._choleskies:
            index = component.index
            for r in range(component.q):
                for c in range(r + 1):
                    for k in range(c + 1):
                        a, b = index[r, k], index[c, k]
                        out[a, b] += gradient[index[r, c]]
                        out[b, a] += gradient[index[r, c]]
        return out

    def normalised(self, theta: np.ndarray) -> np.ndarray:
        """The same model with non-negative diagonals of factors, whose signs mean nothing."""
        theta = np.array(theta, dtype=float)
        theta[self.kind == SQUARE] = np.abs(theta[self.kind == SQUARE])
        for component in self._choleskies:
            for k in range(component.q):
                if theta[component.index[k, k]] < 0.0:
                    theta[component.index[k:, k]] *= -1.0
        return theta

    @property
    def vanishing(self) -> list[int]:
        """Parameters that are internal as logarithms: residual variances and dispersions."""
        return np.flatnonzero((self.kind == LOG) | (self.kind == LOG_SD)).tolist()

    def scales(self) -> list[tuple[int, Component, int]]:
        """Internal parameters that are standard deviations: their component and row."""
        out = []
        for component in self.components:
            for k in range(component.n_latent):
                at = int(component.index[k, k])
                if at >= 0 and self.kind[at] in (SQUARE, CHOLESKY):
                    out.append((at, component, k))
        return out


def _same(one: Component, other: Component) -> bool:
    return (
        one.n_latent == other.n_latent
        and one.index.shape == other.index.shape
        and np.array_equal(one.index, other.index)
        and np.array_equal(one.values, other.values)
    )
