"""Linear constraints R params = q: reduced to essentials, and the covariance matrix under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.covariance import inverse_information

__all__ = ["LinearConstraints", "constrained_inverse_information", "null_basis"]

#: Entries below this share of a row's largest count as zero.
TOL = 1e-10


@dataclass(frozen=True, slots=True)
class LinearConstraints:
    """Independent linear constraints ``matrix @ params = values``.

    Attributes
    ----------
    matrix : ndarray, shape (m, p)
        Reduced row echelon form.
    values : ndarray, shape (m,)
    names : tuple of str
        The p parameters.
    zeros : tuple of int
        Parameters that are zero by these constraints and what follows from them: a variance of zero
        takes its covariances with it.

    Examples
    --------
    >>> c = LinearConstraints.of([[1.0, -1.0, 0.0]], [0.0], ("a", "b", "c"))
    >>> c.describe()
    ['a = b']
    """

    matrix: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    zeros: tuple[int, ...] = ()

    @classmethod
    def of(cls, matrix, values, names) -> LinearConstraints:
        """Reduce constraints to independent ones.

        Raises
        ------
        SpecificationError
            If they have the wrong shape, are not finite, or contradict each other.
        """
        matrix = np.atleast_2d(np.asarray(matrix, dtype=float))
        values = np.zeros(len(matrix)) if values is None else np.asarray(values, dtype=float)
        values = np.broadcast_to(np.atleast_1d(np.squeeze(values)), (len(matrix),))
        if matrix.shape[1] != len(names):
            raise SpecificationError(
                f"constraints have {matrix.shape[1]} columns; there are {len(names)} parameters: "
                f"{list(names)}"
            )
        if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(values))):
            raise SpecificationError("constraints must be finite")
        reduced = _row_echelon(np.column_stack([matrix, values]))
        if len(reduced) and np.any(np.abs(reduced[:, :-1]).max(1) == 0):
            raise SpecificationError("the constraints contradict each other")
        return cls(reduced[:, :-1], reduced[:, -1], tuple(names))

    def implies(self, other: LinearConstraints) -> bool:
        """Whether parameters that meet these constraints also meet the other ones."""
        if self.names != other.names:
            return False
        both = np.column_stack(
            [np.vstack([self.matrix, other.matrix]), np.concatenate([self.values, other.values])]
        )
        return len(_row_echelon(both)) == len(self.matrix)

    def describe(self) -> list[str]:
        """One equation for each constraint."""
        out = []
        for row, value in zip(self.matrix, self.values, strict=True):
            terms = [(row[j], self.names[j]) for j in np.flatnonzero(row)]
            if value == 0 and len(terms) == 2 and terms[0][0] == -terms[1][0]:
                out.append(f"{terms[0][1]} = {terms[1][1]}")
                continue
            text = ""
            for weight, name in terms:
                sign = "-" if weight < 0 else "+"
                size = "" if abs(weight) == 1 else f"{abs(weight):g} "
                text += (
                    f" {sign} {size}{name}" if text else f"{'-' if weight < 0 else ''}{size}{name}"
                )
            out.append(f"{text} = {value:g}")
        return out


def _row_echelon(augmented: np.ndarray) -> np.ndarray:
    """Reduced row echelon form of [R | q] without null rows."""
    a = augmented.copy()
    scale = np.abs(a[:, :-1]).max(1)
    a /= np.where(scale > 0, scale, 1.0)[:, None]
    row = 0
    for column in range(a.shape[1]):
        if row == len(a):
            break
        pivot = row + int(np.argmax(np.abs(a[row:, column])))
        if abs(a[pivot, column]) <= TOL:
            a[row:, column] = 0.0
            continue
        a[[row, pivot]] = a[[pivot, row]]
        a[row] /= a[row, column]
        others = np.arange(len(a)) != row
        a[others] -= np.outer(a[others, column], a[row])
        row += 1
    a[np.abs(a) <= TOL] = 0.0
    return a[:row]


def null_basis(jacobian: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the directions that leave the constraints as they are.

    Parameters
    ----------
    jacobian : ndarray, shape (m, p)

    Returns
    -------
    ndarray, shape (p, p - rank)
    """
    p = jacobian.shape[1]
    if not len(jacobian):
        return np.eye(p)
    size = np.linalg.norm(jacobian, axis=1, keepdims=True)
    _, singular, right = np.linalg.svd(jacobian / np.where(size > 0, size, 1.0))
    rank = int(np.sum(singular > 1e-10 * max(singular[0], 1e-300)))
    return right[rank:].T


def constrained_inverse_information(
    information: np.ndarray, jacobian: np.ndarray, k: int | None = None
) -> np.ndarray:
    """Covariance matrix of estimates under constraints, T (T' I T)^-1 T'.

    Parameters
    ----------
    information : ndarray, shape (p, p)
        Minus the Hessian of the Lagrangian.
    jacobian : ndarray, shape (m, p)
        Of the constraints; T spans the directions orthogonal to its rows.
    k : int, optional
        Coefficients of a linear mixed model come first and are k; their covariances with the variance
        parameters are set to their expectation, zero, unless a constraint mixes the two.

    Returns
    -------
    ndarray, shape (p, p)
    """

    def inverse(block, rows):
        basis = null_basis(rows)
        if not basis.shape[1]:
            return np.zeros_like(block)
        return basis @ inverse_information(basis.T @ block @ basis) @ basis.T

    out = inverse(information, jacobian)
    if k is not None:
        in_coefficients = np.any(jacobian[:, :k] != 0, axis=1)
        if not np.any(in_coefficients & np.any(jacobian[:, k:] != 0, axis=1)):
            out[:k, k:] = out[k:, :k] = 0.0
            out[:k, :k] = inverse(information[:k, :k], jacobian[in_coefficients, :k])
    return out
