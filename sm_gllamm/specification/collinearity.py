"""Which columns of a design are linear combinations of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Dependence", "collinear_columns"]

_CHUNK = 32768
# Relative to a column's own length: rounding leaves 1e-15, the square of a year 1e-6.
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Dependence:
    """A column that other columns determine.

    Attributes
    ----------
    column : str
    on : tuple of str
        Columns before it of which it is a linear combination; empty for a column of zeros.
    """

    column: str
    on: tuple[str, ...]

    def __str__(self) -> str:
        if not self.on:
            return f"'{self.column}' is zero in every row"
        if len(self.on) == 1:
            return f"'{self.column}' is a multiple of '{self.on[0]}'"
        return f"'{self.column}' is a linear combination of " + ", ".join(f"'{n}'" for n in self.on)


def collinear_columns(exog: np.ndarray, names: Sequence[str]) -> tuple[Dependence, ...]:
    """Name the columns that are linear combinations of the columns before them.

    Parameters
    ----------
    exog : ndarray, shape (nobs, k)
    names : sequence of str, length k

    Returns
    -------
    tuple of Dependence
        Empty if the columns are linearly independent. Leaving out each ``column`` makes them so.

    Notes
    -----
    The triangular factor of a QR decomposition, built from blocks of rows so that no copy of `exog`
    is made, has the same linear dependences as `exog` (Golub & Van Loan, 2013, Matrix Computations,
    4th ed., section 5.2). A column counts as dependent when what the columns before it leave
    unexplained is less than 1e-10 of its length.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.specification.collinearity import collinear_columns
    >>> x = np.column_stack([np.ones(4), [1, 0, 1, 0], [0, 1, 0, 1]])
    >>> print(*collinear_columns(x, ["const", "male", "female"]))
    'female' is a linear combination of 'const', 'male'
    """
    if exog.shape[1] == 0:
        return ()
    with np.errstate(over="ignore", under="ignore"):
        scale = np.sqrt(np.einsum("ij,ij->j", exog, exog))
    if not np.all((scale > 1e-140) & (scale < 1e140)):
        # squares beyond the range of floating point numbers
        exog = exog / np.maximum(np.abs(exog).max(axis=0, initial=0.0), np.finfo(float).tiny)
        scale = np.sqrt(np.einsum("ij,ij->j", exog, exog))
    scale[scale == 0] = 1.0
    # far from singular in the cross products: no need of the more accurate, slower decomposition
    cross = np.einsum("ni,nj->ij", exog, exog) / np.outer(scale, scale)
    if np.linalg.eigvalsh(cross)[0] > 1e-8:
        return ()
    triangle = _triangular_factor(exog, scale)
    independent: list[int] = []
    found = []
    for j, name in enumerate(names):
        column = triangle[:, j]
        before = triangle[:, independent]
        coefficients = np.linalg.lstsq(before, column, rcond=None)[0]
        if np.linalg.norm(column - before @ coefficients) > _TOLERANCE:
            independent.append(j)
        else:
            largest = np.abs(coefficients).max(initial=0.0)
            used = np.abs(coefficients) > 1e-8 * max(largest, 1.0)
            on = tuple(names[i] for i, u in zip(independent, used, strict=True) if u)
            found.append(Dependence(name, on))
    return tuple(found)


def _triangular_factor(exog: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """R of the QR decomposition of the columns scaled to length one."""
    triangle: np.ndarray = np.zeros((0, exog.shape[1]))
    for start in range(0, len(exog), _CHUNK):
        block = exog[start : start + _CHUNK] / scale
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    return triangle
