"""Rotation of slopes to simple structure, and derivatives of rotated slopes in those before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from statsmodels.multivariate.factor_rotation._gpa_rotation import GPA

from sm_gllamm.exceptions import SpecificationError

__all__ = ["METHODS", "Rotation", "rotate", "rotation_gradient"]

#: Rotations to random orthogonal positions from which the search begins, besides that of no rotation.
STARTS = 8
TOLERANCE, MOST_STEPS = 1e-5, 1_000
#: Steps of Newton's method that follow.
POLISH = 6
#: Criteria this near to each other are the same.
SAME = 1e-7
STEP = 1e-5

Criterion = Callable[[np.ndarray], tuple[float, np.ndarray]]


def _crawford_ferguson(kappa: float) -> Criterion:
    def criterion(loadings):
        squares = loadings**2
        by_row = squares.sum(axis=1, keepdims=True) - squares
        by_column = squares.sum(axis=0) - squares
        mixed = (1.0 - kappa) * by_row + kappa * by_column
        return float((squares * mixed).sum() / 4.0), loadings * mixed

    return criterion


def _oblimin(gamma: float) -> Criterion:
    def criterion(loadings):
        squares = loadings**2
        others = squares.sum(axis=1, keepdims=True) - squares
        mixed = others - gamma * others.mean(axis=0)
        return float((squares * mixed).sum() / 4.0), loadings * mixed

    return criterion


def _geomin(epsilon: float) -> Criterion:
    def criterion(loadings):
        squares = loadings**2 + epsilon
        means = np.exp(np.log(squares).mean(axis=1, keepdims=True))
        return float(means.sum()), 2.0 / loadings.shape[1] * loadings / squares * means

    return criterion


def _target(target: np.ndarray) -> Criterion:
    known = np.isfinite(target)

    def criterion(loadings):
        away = np.where(known, loadings - np.where(known, target, 0.0), 0.0)
        return float((away**2).sum() / 2.0), away

    return criterion


def _criterion(method: str, n: int, q: int, options: dict) -> tuple[Criterion, bool]:
    """The criterion of a method, and whether factors are oblique."""
    fixed = {
        "varimax": (1.0 / n, False),
        "quartimax": (0.0, False),
        "equamax": (q / (2.0 * n), False),
        "parsimax": ((q - 1.0) / (n + q - 2.0), False),
        "quartimin": (0.0, True),
    }
    if method in fixed:
        kappa, oblique = fixed[method]
        return _crawford_ferguson(kappa), oblique
    oblique = bool(options.get("oblique", True))
    if method == "oblimin":
        return _oblimin(float(options.get("gamma", 0.0))), oblique
    if method == "crawford-ferguson":
        return _crawford_ferguson(float(options.get("kappa", 0.0))), oblique
    if method == "geomin":
        return _geomin(float(options.get("epsilon", 0.01))), oblique
    target = np.asarray(options.get("target"), dtype=float)
    if target.shape != (n, q):
        raise SpecificationError(
            f"method='target' needs target=, an array of shape ({n}, {q}) with NaN where loadings are "
            "not specified"
        )
    return _target(target), oblique


#: Methods with the options each knows.
METHODS: dict[str, tuple[str, ...]] = {
    "varimax": (), "quartimax": (), "equamax": (), "parsimax": (), "quartimin": (),
    "oblimin": ("gamma", "oblique"), "crawford-ferguson": ("kappa", "oblique"),
    "geomin": ("epsilon", "oblique"), "target": ("target", "oblique"), "promax": ("power",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation T of q latent variables, ``theta* = T'theta``.

    Attributes
    ----------
    method : str
    oblique, normalize : bool
    matrix : ndarray, shape (q, q)
        T, orthogonal, or with columns of length one. Rotated loadings are ``A inv(T')``, correlations
        of the rotated latent variables ``T'T``.
    criterion : callable
        From rotated loadings to what is minimised, and its derivatives.
    value : float
        Of the criterion.
    n_minima : int
        Number of the different local minima that were found.
    before : Rotation, optional
        Of "promax": the varimax rotation whose loadings were sharpened.
    power : float
        Of "promax".
    """

    method: str
    oblique: bool
    normalize: bool
    matrix: np.ndarray
    criterion: Criterion
    value: float
    n_minima: int
    before: Rotation | None = None
    power: float = 1.0


def rotate(
    loadings: np.ndarray, method: str = "oblimin", normalize: bool = False, **options
) -> Rotation:
    """Rotate loadings to simple structure.

    Parameters
    ----------
    loadings : ndarray, shape (n, q)
        Of latent variables that are uncorrelated with unit variances.
    method : str
        - orthogonal: "varimax", "quartimax", "equamax", "parsimax",
        - oblique: "quartimin", "oblimin" (``gamma=0``, which is quartimin, or negative for less
          correlation), "crawford-ferguson" (``kappa=0``), "geomin" (``epsilon=0.01``), "target"
          (``target=``, an array with NaN where nothing is specified). These four are orthogonal with
          ``oblique=False``. "promax" (``power=4``; Hendrickson & White 1964) is nearest to varimax loadings
          raised to a power, which are nearer to simple structure.
    normalize : bool
        Kaiser's normalization: rows of length one while rotating.
    **options

    Returns
    -------
    Rotation
        Columns in the order of their sums of squares, with signs that make their sums positive.

    Raises
    ------
    SpecificationError
        Unknown methods or options, or loadings of rank less than q.

    Notes
    -----
    Gradient projection (statsmodels' implementation) from several positions; the lowest minimum is
    taken.

    References
    ----------
    Bernaards, C. A. & Jennrich, R. I. (2005). Gradient projection algorithms and software for
    arbitrary rotation criteria in factor analysis. Educational and Psychological Measurement, 65,
    676-696.

    Hendrickson, A. E. & White, P. O. (1964). Promax: a quick method for rotation to oblique simple
    structure. British Journal of Statistical Psychology, 17, 65-70.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.rotation import rotate
    >>> simple = np.array([[0.8, 0.0], [0.7, 0.0], [0.0, 0.6], [0.0, 0.5]])
    >>> turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    >>> found = rotate(simple @ turn, "varimax")
    >>> (simple @ turn @ found.matrix).round(3) + 0.0
    array([[0.8, 0. ],
           [0.7, 0. ],
           [0. , 0.6],
           [0. , 0.5]])
    """
    loadings = np.asarray(loadings, dtype=float)
    n, q = loadings.shape
    if method not in METHODS:
        raise SpecificationError(f"method={method!r} is not known; use one of {list(METHODS)}")
    if unknown := [name for name in options if name not in METHODS[method]]:
        raise SpecificationError(
            f"method={method!r} has no option {unknown[0]!r}; it has {list(METHODS[method])}"
        )
    if q < 2 or np.linalg.matrix_rank(loadings) < q:
        raise SpecificationError(
            f"loadings of shape {loadings.shape} and rank {np.linalg.matrix_rank(loadings)} have no "
            "rotation: two or more latent variables are needed that items differ in"
        )
    if method == "promax":
        return _promax(loadings, normalize, float(options.get("power", 4.0)))
    criterion, oblique = _criterion(method, n, q, options)
    weighted = loadings * _weights(loadings, normalize)[:, None]
    rng = np.random.default_rng(0)
    found = []
    for start in range(STARTS + 1):
        first = np.eye(q) if start == 0 else np.linalg.qr(rng.normal(size=(q, q)))[0]
        with np.errstate(divide="ignore"):
            *_, matrix, table = GPA(
                weighted, vgQ=lambda L=None, A=None, T=None: criterion(L), T=first,
                max_tries=MOST_STEPS, tol=TOLERANCE,
                rotation_method="oblique" if oblique else "orthogonal",
            )  # fmt: skip
        found.append((table[-1][1], matrix))
    values = np.array([value for value, _ in found])
    matrix = found[int(np.argmin(values))][1]
    matrix = _polished(criterion, oblique, weighted, matrix)
    distinct = np.sort(values)
    minima = 1 + int((np.diff(distinct) > SAME * (1.0 + np.abs(distinct[:-1]))).sum())
    if method != "target":
        matrix = _in_order(loadings, matrix)
    return Rotation(method, oblique, normalize, matrix, criterion, float(values.min()), minima)


def _in_order(loadings: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The rotation with columns in the order of their sums of squares, and sums that are positive."""
    rotated = loadings @ np.linalg.inv(matrix.T)
    order = np.argsort(-(rotated**2).sum(axis=0), kind="stable")
    signs = np.where(rotated.sum(axis=0) < 0.0, -1.0, 1.0)
    return (matrix * signs)[:, order]


def _promax(loadings: np.ndarray, normalize: bool, power: float) -> Rotation:
    """Varimax loadings turned obliquely to their own powers."""
    if not power > 1.0:
        raise SpecificationError(f"power={power:g}: varimax loadings are raised to more than 1")
    before = rotate(loadings, "varimax", normalize)
    matrix = _in_order(loadings, _sharpened(loadings, before.matrix, power))
    return Rotation(
        "promax", True, normalize, matrix, before.criterion, before.value, before.n_minima, before,
        power,
    )  # fmt: skip


def _sharpened(loadings: np.ndarray, matrix: np.ndarray, power: float) -> np.ndarray:
    """The oblique rotation that is nearest, by least squares, to powers of orthogonally rotated loadings."""
    rotated = loadings @ matrix
    target = rotated * np.abs(rotated) ** (power - 1.0)
    turn = np.linalg.lstsq(rotated, target, rcond=None)[0]
    turn = turn * np.sqrt(np.diag(np.linalg.inv(turn.T @ turn)))
    # loadings are multiplied with the inverse of T'
    return np.linalg.inv(matrix @ turn).T


def _promax_gradient(rotation: Rotation, loadings: np.ndarray) -> np.ndarray:
    """Derivatives of a promax rotation through those of the varimax rotation before."""
    before = rotation.before
    assert before is not None
    change = rotation_gradient(before, loadings)
    # columns in their order and with their signs
    shuffled = np.linalg.solve(_sharpened(loadings, before.matrix, rotation.power), rotation.matrix)
    out = np.empty(change.shape)
    for i, d in np.ndindex(loadings.shape):
        step = np.zeros_like(loadings)
        step[i, d] = STEP
        up, down = (
            _sharpened(
                loadings + sign * step, before.matrix + sign * STEP * change[:, :, i, d],
                rotation.power,
            )
            for sign in (1.0, -1.0)
        )  # fmt: skip
        out[:, :, i, d] = (up - down) @ shuffled / (2.0 * STEP)
    return out


def _moves(matrix: np.ndarray, oblique: bool) -> list[np.ndarray]:
    """Directions in which a rotation can change."""
    q = len(matrix)
    out = []
    for c in range(q):
        for r in range(q):
            if oblique and r != c:
                # columns keep their lengths: towards another column, less what is along itself
                towards = matrix[:, r] - (matrix[:, r] @ matrix[:, c]) * matrix[:, c]
                move = np.zeros((q, q))
                move[:, c] = towards
                out.append(move)
            elif not oblique and r < c:
                turn = np.zeros((q, q))
                turn[r, c], turn[c, r] = 1.0, -1.0
                out.append(matrix @ turn)
    return out


def _moved(matrix: np.ndarray, moves: list[np.ndarray], step, oblique: bool) -> np.ndarray:
    """The rotation after a step along the moves."""
    matrix = matrix + sum(s * move for s, move in zip(step, moves, strict=True))
    if oblique:
        return matrix / np.sqrt((matrix**2).sum(axis=0))
    u, _, v = np.linalg.svd(matrix)
    return u @ v


def _slopes(criterion: Criterion, oblique: bool, loadings, matrix) -> np.ndarray:
    """Derivatives of the criterion along the moves, which are zero at a minimum."""
    inverse = np.linalg.inv(matrix)
    rotated = loadings @ inverse.T
    _, gradient = criterion(rotated)
    # d(A inv(T')) = -A inv(T') dT' inv(T')
    pull = -(rotated.T @ gradient @ inverse).T
    return np.array([(pull * move).sum() for move in _moves(matrix, oblique)])


def _curvature(criterion: Criterion, oblique: bool, loadings, matrix) -> np.ndarray:
    """Derivatives of :func:`_slopes` along the moves."""
    moves = _moves(matrix, oblique)
    columns = []
    for unit in np.eye(len(moves)) * STEP:
        up, down = (
            _slopes(criterion, oblique, loadings, _moved(matrix, moves, step, oblique))
            for step in (unit, -unit)
        )
        columns.append((up - down) / (2.0 * STEP))
    return np.column_stack(columns)


def _polished(criterion: Criterion, oblique: bool, loadings, matrix) -> np.ndarray:
    """A minimum to full precision from one that is nearly found."""
    best = np.abs(_slopes(criterion, oblique, loadings, matrix)).max()
    for _ in range(POLISH):
        curvature = _curvature(criterion, oblique, loadings, matrix)
        slope = _slopes(criterion, oblique, loadings, matrix)
        step = -np.linalg.lstsq(curvature, slope, rcond=1e-10)[0]
        other = _moved(matrix, _moves(matrix, oblique), step, oblique)
        size = np.abs(_slopes(criterion, oblique, loadings, other)).max()
        if not size < best:
            break
        matrix, best = other, size
    return matrix


def _weights(loadings: np.ndarray, normalize: bool) -> np.ndarray:
    """What rows are multiplied by: one, or one over their lengths."""
    lengths = np.sqrt((loadings**2).sum(axis=1))
    if not normalize:
        return np.ones(len(loadings))
    return np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0.0)


def rotation_gradient(rotation: Rotation, loadings: np.ndarray) -> np.ndarray:
    """Derivatives of the rotation T in the loadings before rotation.

    By the implicit function theorem from the condition that the criterion is at a minimum (Jennrich
    1973, Psychometrika 38:593). Under Kaiser's normalization the lengths of the rows change, too.

    Parameters
    ----------
    rotation : Rotation
        Of these loadings.
    loadings : ndarray, shape (n, q)

    Returns
    -------
    ndarray, shape (q, q, n, q)

    Raises
    ------
    SpecificationError
        If the criterion has no definite minimum, so that there are no derivatives.
    """
    loadings = np.asarray(loadings, dtype=float)
    if rotation.before is not None:
        return _promax_gradient(rotation, loadings)
    n, q = loadings.shape
    oblique, matrix = rotation.oblique, rotation.matrix
    criterion = rotation.criterion

    def weighted(values):
        return values * _weights(values, rotation.normalize)[:, None]

    curvature = _curvature(criterion, oblique, weighted(loadings), matrix)
    values = np.linalg.svd(curvature, compute_uv=False)
    rotated = weighted(loadings) @ np.linalg.inv(matrix.T)
    size = np.abs(rotated * criterion(rotated)[1]).sum()
    if not values[-1] > 1e-6 * max(values[0], size):
        raise SpecificationError(
            f"the criterion of method={rotation.method!r} has no definite minimum for these slopes, so "
            "that rotated slopes have no standard errors; try another method"
        )
    moves = _moves(matrix, oblique)
    mixed = np.empty((len(moves), n, q))
    for i in range(n):
        for d in range(q):
            up, down = loadings.copy(), loadings.copy()
            up[i, d] += STEP
            down[i, d] -= STEP
            both = (_slopes(criterion, oblique, weighted(x), matrix) for x in (up, down))
            mixed[:, i, d] = np.subtract(*both) / (2.0 * STEP)
    change = -np.linalg.solve(curvature, mixed.reshape(len(moves), -1)).reshape(-1, n, q)
    return np.einsum("krs,kid->rsid", np.array(moves), change)
