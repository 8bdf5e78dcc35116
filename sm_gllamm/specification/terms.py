"""Which columns of a design belong to a term of its formula."""

from __future__ import annotations

from typing import Any

from statsmodels.formula._manager import FormulaManager

__all__ = ["formula_terms"]


def formula_terms(spec: Any) -> list[tuple[str, list[str]]]:
    """Terms of a formula with the names of their columns.

    Parameters
    ----------
    spec : object
        The formula library's record of a design.

    Returns
    -------
    list of (name, list of str)
    """
    manager, columns = FormulaManager(), list(map(str, spec.column_names))
    return [
        (manager.get_term_name(term), columns[manager.get_slice(spec, term)]) for term in spec.terms
    ]
