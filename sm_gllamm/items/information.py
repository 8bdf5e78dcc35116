"""Information of items and tests about the latent variables, and the reliability that follows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.equally_spaced import equally_spaced
from sm_gllamm.items.modes import item_places
from sm_gllamm.items.scoring import Scores

__all__ = [
    "along",
    "empirical_reliability",
    "information_matrices",
    "item_information",
    "marginal_reliability",
    "maximum_information",
    "standard_error",
    "total_information",
]

#: By number of latent variables, in SDs: first and least distance of the nodes of the population,
#: and the outermost at first.
SPACING = {1: (0.1, 0.005), 2: (0.3, 0.05), 3: (0.5, 0.2), 4: (0.8, 0.5), 5: (1.1, 0.8)}
REACH = {1: 9.0, 2: 8.0, 3: 7.0, 4: 6.0, 5: 5.5}
FARTHEST = 40.0
AGREEMENT = 1e-9


def along(
    bank: ItemBank, values: np.ndarray, direction: int | str | np.ndarray | None = None
) -> np.ndarray:
    """Points at which one latent variable, or a composite, varies and the others are at their means.

    Parameters
    ----------
    bank : ItemBank
    values : array_like, shape (m,)
        Of the latent variable; along a direction: distances from the means.
    direction : int, str or ndarray, shape (q,), optional
        Position or name of a latent variable, or a vector, of which only the direction matters. Not
        needed if there is only one latent variable.

    Returns
    -------
    ndarray, shape (m, q)
    """
    values = np.asarray(values, dtype=float)
    unit = _unit(bank, direction)
    if np.count_nonzero(unit) == 1 and not isinstance(direction, np.ndarray | list | tuple):
        points = np.tile(bank.mean, (len(values), 1))
        points[:, np.flatnonzero(unit)[0]] = values
        return points
    return bank.mean + values[:, None] * unit


def _unit(bank, direction):
    """A direction as a vector of length one."""
    q = len(bank.dimensions)
    if direction is None:
        if q > 1:
            raise SpecificationError(
                f"Information about {q} latent variables is a matrix: name one of "
                f"{', '.join(bank.dimensions)}, or give a direction."
            )
        return np.ones(1)
    if isinstance(direction, str):
        if direction not in bank.dimensions:
            raise SpecificationError(
                f"There is no latent variable {direction!r}; there is {', '.join(bank.dimensions)}."
            )
        return np.eye(q)[bank.dimensions.index(direction)]
    if isinstance(direction, int | np.integer):
        if not -q <= direction < q:
            raise SpecificationError(
                f"There is no latent variable {direction}: there are {q}, the first is 0."
            )
        return np.eye(q)[direction]
    vector = np.asarray(direction, dtype=float)
    length = np.linalg.norm(vector)
    if vector.shape != (q,) or not 0.0 < length < np.inf:
        raise SpecificationError(
            f"A direction is a vector of {q} finite numbers that are not all zero, not {direction}."
        )
    return vector / length


def information_matrices(bank: ItemBank, theta: np.ndarray) -> np.ndarray:
    """Fisher information of each item about the latent variables.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)

    Returns
    -------
    ndarray, shape (m, number of items, q, q)
    """
    theta = np.asarray(theta, dtype=float)
    if theta.ndim != 2 or theta.shape[1] != len(bank.dimensions):
        raise SpecificationError(
            f"theta of shape {theta.shape} must have the shape (m, {len(bank.dimensions)}): one row a "
            "point, one column a latent variable."
        )
    return np.stack([item.information(theta) for item in bank.items], axis=1)


def item_information(
    bank: ItemBank, theta: np.ndarray, direction: int | str | np.ndarray | None = None
) -> np.ndarray:
    """Information of each item about one latent variable, or in a direction.

    ``d' I(theta) d`` for the direction d of length one (Reckase & McKinley 1991, Applied
    Psychological Measurement 15:361), the others being known.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)
        See :func:`along`.
    direction : int, str or ndarray, shape (q,), optional
        See :func:`along`.

    Returns
    -------
    ndarray, shape (m, number of items)

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.information import along, item_information
    >>> bank = ItemBank((Item("i1", "binary", "2PL", [2.0], [0.0]),))
    >>> item_information(bank, along(bank, [-1.0, 0.0, 1.0])).round(3)
    array([[0.42],
           [1.  ],
           [0.42]])
    """
    unit = _unit(bank, direction)
    return np.einsum("r,mjrs,s->mj", unit, information_matrices(bank, theta), unit)


def total_information(
    bank: ItemBank, theta: np.ndarray, direction: int | str | np.ndarray | None = None
) -> np.ndarray:
    """Information of all items together; see :func:`item_information`.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)
    direction : int, str or ndarray, shape (q,), optional

    Returns
    -------
    ndarray, shape (m,)
    """
    return item_information(bank, theta, direction).sum(axis=1)


def standard_error(
    bank: ItemBank, theta: np.ndarray, direction: int | str | np.ndarray | None = None
) -> np.ndarray:
    """Standard error of measurement, one over the square root of the information of all items.

    Parameters
    ----------
    bank : ItemBank
    theta : array_like, shape (m, q)
    direction : int, str or ndarray, shape (q,), optional

    Returns
    -------
    ndarray, shape (m,)
        Infinite where there is no information.
    """
    with np.errstate(divide="ignore"):
        return 1.0 / np.sqrt(total_information(bank, theta, direction))


def marginal_reliability(
    bank: ItemBank, direction: int | str | np.ndarray | None = None, definition: str = "posterior"
) -> float:
    """Reliability of estimates of a latent variable in the bank's population.

    Parameters
    ----------
    bank : ItemBank
    direction : int, str or ndarray, shape (q,), optional
        Of the latent variable, or the composite ``d'theta`` for a direction d of length one.
    definition : {"posterior", "green"}
        With I the information matrix, S the covariance of the latent variables and expectations over
        their distribution,

        - posterior: ``1 - E[d'(I + S^-1)^-1 d] / d'S d``, for one latent variable of variance v
          ``E[I / (I + 1/v)]``: of estimates that use the prior (mirt's ``marginal_rxx``),
        - green: ``1 - E[d' I^-1 d] / d'S d``, of unbiased estimates (Green, Bock, Humphreys, Linn &
          Reckase 1984): negative where items are so far from many persons that the mean squared
          standard error exceeds the variance, minus infinity where I is singular.

    Returns
    -------
    float

    References
    ----------
    Green, B. F., Bock, R. D., Humphreys, L. G., Linn, R. L. & Reckase, M. D. (1984). Technical
    guidelines for assessing computerized adaptive tests. Journal of Educational Measurement, 21,
    347-360.

    Examples
    --------
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.information import marginal_reliability
    >>> bank = ItemBank(tuple(
    ...     Item(f"i{j}", "binary", "2PL", [2.0], [1.0 - j / 5]) for j in range(11)))
    >>> round(marginal_reliability(bank), 3)
    0.818
    """
    if definition not in ("posterior", "green"):
        raise SpecificationError(
            f"Marginal reliability is by definition 'posterior' or 'green', not {definition!r}."
        )
    q = len(bank.dimensions)
    if q not in SPACING:
        raise SpecificationError(
            f"The marginal reliability of a bank of {q} latent variables needs integrals of {q} "
            f"dimensions; up to {max(SPACING)} are possible."
        )
    unit = _unit(bank, direction)
    values, vectors = np.linalg.eigh(bank.covariance)
    variance = unit @ bank.covariance @ unit
    if not values[0] > 0.0:
        raise SpecificationError(
            "The covariance of the latent variables is not positive definite: they have no "
            "reliabilities."
        )
    root = vectors * np.sqrt(values)
    prior = np.linalg.inv(bank.covariance) if definition == "posterior" else np.zeros((q, q))
    spacing, least = SPACING[q]
    reach, before = REACH[q], None
    while True:
        error, goes_on = _expected_error(bank, root, prior, unit, spacing, reach)
        if not np.isfinite(error):
            return -np.inf
        if goes_on and reach < FARTHEST:
            reach *= 1.25
            continue
        near = before is not None and abs(error - before) <= AGREEMENT * max(error, variance)
        if near or spacing * 0.7 < least:
            return float(1.0 - error / variance)
        before, spacing = error, spacing * 0.7


def _expected_error(bank, root, prior, unit, spacing, reach):
    """``E[d'(I + prior)^-1 d]``, and whether what is integrated goes on beyond the nodes."""
    total = weight = edge = 0.0
    for z in equally_spaced(len(unit), spacing, reach):
        matrix = prior + information_matrices(bank, bank.mean + z @ root.T).sum(axis=1)
        if (np.linalg.eigvalsh(matrix)[:, 0] <= 0.0).any():
            return np.inf, False
        error = np.linalg.solve(matrix, np.broadcast_to(unit, z.shape)[..., None])[..., 0] @ unit
        density = np.exp(-0.5 * (z**2).sum(axis=1))
        total, weight = total + density @ error, weight + density.sum()
        outer = np.linalg.norm(z, axis=1) > reach - spacing
        edge = max(edge, (density * error)[outer].max(initial=0.0))
    return total / weight, edge > AGREEMENT * total * spacing


def empirical_reliability(scores: Scores, weights: np.ndarray | None = None) -> np.ndarray:
    """Reliability of the scores of persons, from their variance and their standard errors.

    Parameters
    ----------
    scores : Scores
    weights : ndarray, shape (n,), optional
        How many persons each stands for.

    Returns
    -------
    ndarray, shape (q,)
        With V the variance of the estimates and E the mean squared standard error: ``V / (V + E)``
        of EAP and MAP, whose variance is that of the latent variable less E; ``(V - E) / V`` of ML
        and WLE, whose variance is that of the latent variable plus E (Adams 2005, Studies in
        Educational Evaluation 31:162; TAM's WLE reliability).

    Raises
    ------
    SpecificationError
        If a person has no finite estimate or no standard error.
    """
    usable = np.isfinite(scores.estimate).all(axis=1) & np.isfinite(scores.std_err).all(axis=1)
    if not usable.all():
        person = int(np.flatnonzero(~usable)[0])
        raise SpecificationError(
            f"{np.sum(~usable)} persons have no finite {scores.method} estimate with a standard error "
            f"(the first is person {person}: {scores.status_text[person]}). Leave them out, or take "
            "EAP scores."
        )
    weights = np.ones(len(usable)) if weights is None else np.asarray(weights, dtype=float)
    n = weights.sum()
    if n <= 1.0:
        raise SpecificationError("A reliability needs the scores of more than one person.")
    mean = weights @ scores.estimate / n
    variance = weights @ (scores.estimate - mean) ** 2 / (n - 1.0)
    error = weights @ scores.std_err**2 / n
    if scores.method in ("EAP", "MAP"):
        return variance / (variance + error)
    return 1.0 - error / variance


def maximum_information(
    bank: ItemBank, direction: int | str | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Where items, and all of them together, are most informative.

    Parameters
    ----------
    bank : ItemBank
    direction : int, str or ndarray, shape (q,), optional
        The latent variable, or the direction, along which to look, the others being at their means:
        see :func:`along`.

    Returns
    -------
    place, information : ndarray, shape (number of items,)
        As the values of :func:`along`; NaN and 0 of items that have no slope there.
    place_of_all, information_of_all : float

    Examples
    --------
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.information import maximum_information
    >>> bank = ItemBank((Item("i1", "binary", "2PL", [2.0], [1.0]),))
    >>> place, information, _, _ = maximum_information(bank)
    >>> place.round(6), information.round(6)
    (array([-0.5]), array([1.]))
    """
    found = [_highest(bank.select([j]), direction) for j in range(len(bank.items))]
    place, information = (np.array(column) for column in zip(*found, strict=True))
    return place, information, *_highest(bank, direction)


def _highest(bank, direction):
    line = _on_line(bank, direction)
    nodes = item_places(line, 8.0, 1001)

    def minus(x):
        return -total_information(bank, along(bank, np.atleast_1d(x), direction), direction)

    value = minus(nodes)
    best = int(np.argmin(value))
    if value[best] == 0.0:
        return np.nan, 0.0
    low, high = nodes[max(best - 1, 0)], nodes[min(best + 1, len(nodes) - 1)]
    at = minimize_scalar(
        lambda x: minus(x)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    return (float(at.x), float(-at.fun)) if -at.fun >= -value[best] else (nodes[best], -value[best])


def _on_line(bank, direction):
    """The items as functions of the values of :func:`along`: a bank of one latent variable."""
    origin = along(bank, np.zeros(1), direction)[0]
    step = along(bank, np.ones(1), direction)[0] - origin
    items = []
    for item in bank.items:
        slopes = item.slopes @ step
        items.append(
            type(item)(
                item.name,
                item.form,
                item.model,
                slopes[:, None] if item.form == "divide" else np.atleast_1d(slopes),
                item.intercepts + item.slopes @ origin,
                item.lower,
                item.upper,
                item.link,
                item.categories,
            )
        )
    return ItemBank(tuple(items))
