"""Item banks at the estimates, with derivatives in the parameters of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.probability_gradient import coefficients

__all__ = ["BankJacobian", "bank_jacobian"]

#: Step of the differences. Nearly everything in a bank is linear in each of the parameters.
STEP = 1e-5


@dataclass(frozen=True, slots=True)
class BankJacobian:
    """A bank and its derivatives.

    Attributes
    ----------
    bank : ItemBank
    items : tuple of ndarray, shape (number of coefficients, p)
        Derivatives of :func:`sm_gllamm.items.probability_gradient.coefficients` by item.
    mean : ndarray, shape (q, p)
    covariance : ndarray, shape (q, q, p)
    """

    bank: ItemBank
    items: tuple[np.ndarray, ...]
    mean: np.ndarray
    covariance: np.ndarray


def _flat(bank: ItemBank) -> np.ndarray:
    parts = [coefficients(item) for item in bank.items]
    return np.concatenate([*parts, bank.mean, bank.covariance.ravel()])


def _steps(layout, group: int, names: list[str]) -> list[dict[int, int]]:
    """Parameters that are varied together, with the item each belongs to: -1 where it is alone."""
    items_of: dict[str, set[int]] = {}
    for j in range(len(layout.design.items)):
        terms = [term for intercept in layout.intercepts[group, j] for term in intercept]
        terms += [term for slopes in layout.slopes[group, j] for term in slopes.values()]
        for _, name in terms:
            if name is not None:
                items_of.setdefault(name, set()).add(j)
    together: list[dict[int, int]] = []
    alone: list[dict[int, int]] = []
    used = [0] * len(layout.design.items)
    for k, name in enumerate(names):
        items = items_of.get(name, set())
        if len(items) != 1:
            alone.append({k: -1})
            continue
        (j,) = items
        if used[j] == len(together):
            together.append({})
        together[used[j]][k] = j
        used[j] += 1
    return together + alone


def bank_jacobian(model, params: np.ndarray, group: int = 0, covariates=None) -> BankJacobian:
    """Derivatives of everything in an item bank in the published parameters.

    Parameters
    ----------
    model : IRT
    params : ndarray, shape (p,)
    group : int
    covariates : ndarray, optional
        Of persons, as in ``model.bank_at``.

    Returns
    -------
    BankJacobian

    Notes
    -----
    By central differences; parameters of different items are varied at the same time.
    """
    params = np.asarray(params, dtype=float)
    bank = model.bank_at(params, group, covariates)
    sizes = [len(coefficients(item)) for item in bank.items]
    edges = np.concatenate([[0], np.cumsum(sizes)])

    def moved(ks, by):
        other = params.copy()
        other[ks] += by
        return _flat(model.bank_at(other, group, covariates))

    out = np.zeros((len(_flat(bank)), len(params)))
    for varied in _steps(model.layout, group, model.param_names):
        ks = list(varied)
        change = _difference(moved, ks)
        for k, j in varied.items():
            rows = slice(None) if j < 0 else slice(edges[j], edges[j + 1])
            out[rows, k] = change[rows]
    q = len(bank.dimensions)
    items = tuple(out[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True))
    mean, covariance = out[edges[-1] : edges[-1] + q], out[edges[-1] + q :]
    return BankJacobian(bank, items, mean, covariance.reshape(q, q, -1))


def _difference(moved, ks) -> np.ndarray:
    """Derivative along some parameters, with a smaller step where that is out of range."""
    step = STEP
    while True:
        try:
            return (moved(ks, step) - moved(ks, -step)) / (2.0 * step)
        except SpecificationError:
            # thresholds next to each other, or asymptotes
            if step < 1e-8:
                raise
            step *= 0.1
