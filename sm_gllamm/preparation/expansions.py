"""Rows for response models that are sequences of choices or choices among categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import numbers, show
from sm_gllamm.preparation.ragged import repeat_rows

__all__ = ["CategoryRows", "SequentialRows", "category_rows", "sequential_rows"]


@dataclass(frozen=True)
class SequentialRows:
    """Stages that ordinal responses pass.

    Attributes
    ----------
    source : ndarray of intp, shape (n,)
        Response that each row belongs to, ascending.
    stage : ndarray of intp, shape (n,)
        Category that the response reaches: 0, 1, ..., n_categories - 2.
    y : ndarray of float64, shape (n,)
        1 if it stops there, 0 if it goes on.
    """

    source: np.ndarray
    stage: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class CategoryRows:
    """Categories as alternatives of choice sets.

    Attributes
    ----------
    source : ndarray of intp, shape (n,)
        Response, and so choice set, that each row belongs to, ascending.
    category : ndarray of intp, shape (n,)
        0, 1, ..., n_categories - 1 within each set.
    chosen : ndarray of bool, shape (n,)
        Whether the response is this category.
    """

    source: np.ndarray
    category: np.ndarray
    chosen: np.ndarray


def sequential_rows(codes: np.ndarray, n_categories: int) -> SequentialRows:
    r"""Expand ordinal responses to binary ones, for the continuation-ratio model.

    Parameters
    ----------
    codes : ndarray of int, shape (nobs,)
        Category of each response, 0 to ``n_categories - 1``.
    n_categories : int

    Returns
    -------
    SequentialRows
        One row for each of the stages 0 to ``min(code, n_categories - 2)``.

    Raises
    ------
    SpecificationError
        Codes that are no categories, or fewer than 2 categories.

    See Also
    --------
    category_rows : For models of the category as one choice.

    Notes
    -----
    The model is of the probability to stop at category s, once it is reached,

    .. math:: P(y = s \mid y \geq s) = F(\kappa_s - \nu), \qquad s = 0, \ldots, K - 2,

    with F the inverse of the link (Fienberg 1980; Tutz 1991). With :math:`h_s` this probability, that
    of category k is the probability of the binary responses in the rows,

    .. math:: P(y = k) = h_k \prod_{s < k} (1 - h_s) \quad (k < K - 1), \qquad
        P(y = K - 1) = \prod_{s < K - 1} (1 - h_s).

    References
    ----------
    Fienberg, S. E. (1980). The Analysis of Cross-Classified Categorical Data, 2nd edition. MIT
    Press.

    Tutz, G. (1991). Sequential models in categorical regression. Computational Statistics & Data
    Analysis 11, 275-295.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.preparation.expansions import sequential_rows
    >>> rows = sequential_rows(np.array([0, 2, 1]), n_categories=3)
    >>> rows.source, rows.stage, rows.y
    (array([0, 1, 1, 2, 2]), array([0, 0, 1, 0, 1]), array([1., 0., 0., 0., 1.]))
    """
    reached = _read_codes(codes, n_categories)
    source, stage = repeat_rows(np.minimum(reached, n_categories - 2) + 1)
    return SequentialRows(source, stage, (stage == reached[source]).astype(np.float64))


def category_rows(codes: np.ndarray, n_categories: int) -> CategoryRows:
    r"""Expand responses to choice sets of all categories, for multinomial models.

    Parameters
    ----------
    codes : ndarray of int, shape (nobs,)
        Category of each response, 0 to ``n_categories - 1``.
    n_categories : int

    Returns
    -------
    CategoryRows
        ``n_categories`` rows for each response.

    Raises
    ------
    SpecificationError
        Codes that are no categories, or fewer than 2 categories.

    See Also
    --------
    sequential_rows : For the continuation-ratio model.

    Notes
    -----
    With utility :math:`V_s` of category s, :math:`P(y = s) = \exp(V_s) / \sum_r \exp(V_r)`. The
    models differ in utilities only:

    - nominal responses, category 0 being the base: :math:`V_0 = 0` and :math:`V_s = \nu_s`, each
      category with its own coefficients;
    - the adjacent-category logit model of ordinal responses: :math:`V_s = s \nu - \sum_{r=1}^s
      \kappa_r`, so that :math:`\log P(y = s) / P(y = s - 1) = \nu - \kappa_s` (Goodman 1983); the
      same as the partial-credit model (Masters 1982).

    References
    ----------
    Goodman, L. A. (1983). The analysis of dependence in cross-classifications having ordered
    categories, using log-linear models for frequencies and log-linear models for odds. Biometrics
    39, 149-160.

    Masters, G. N. (1982). A Rasch model for partial credit scoring. Psychometrika 47, 149-174.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.preparation.expansions import category_rows
    >>> rows = category_rows(np.array([0, 2]), n_categories=3)
    >>> rows.source, rows.category
    (array([0, 0, 0, 1, 1, 1]), array([0, 1, 2, 0, 1, 2]))
    >>> rows.chosen
    array([ True, False, False, False, False,  True])
    """
    responses = _read_codes(codes, n_categories)
    source, category = repeat_rows(np.full(len(responses), n_categories))
    return CategoryRows(source, category, category == responses[source])


def _read_codes(codes: np.ndarray, n_categories: int) -> np.ndarray:
    if n_categories < 2:
        raise SpecificationError(f"There must be at least 2 categories, not {n_categories}.")
    values = numbers(codes, "codes")
    bad = (values != np.rint(values)) | (values < 0) | (values >= n_categories)
    if bad.any():
        at = int(np.argmax(bad))
        raise SpecificationError(
            f"Codes of categories must be 0 to {n_categories - 1}; the code is {values[at]:g} in row "
            f"{show(at)}. category_codes makes them of labels."
        )
    return values.astype(np.intp)
