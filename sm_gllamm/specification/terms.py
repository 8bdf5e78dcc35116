"""Which columns of a design belong to a term of its formula."""

from __future__ import annotations

from typing import Any

from statsmodels.formula._manager import FormulaManager

__all__ = ["formula_terms"]


def formula_terms(spec: Any) -> list[tuple[str, range]]:
    """Terms of a formula with the positions of their columns.

    Parameters
    ----------
    spec : object
        The formula library's record of a design.

    Returns
    -------
    list of (name, range)
    """
    manager = FormulaManager()
    count = len(spec.column_names)
    return [
        (manager.get_term_name(term), range(*manager.get_slice(spec, term).indices(count)))
        for term in spec.terms
    ]
