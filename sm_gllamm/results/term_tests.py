"""Wald tests of the terms of a model's formula.

statsmodels' own take the columns of the formula's design for parameters. Here some columns have no
coefficient (the constant of ordinal models), others several (unordered categories).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import MultiCompResult, WaldTestResults, t_test_pairwise

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.members import members_of
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.terms import formula_terms

__all__ = ["pairwise_tests", "wald_tests_of_terms"]


def _positions(model) -> dict[str, list[int]]:
    """Positions of the coefficients of each column of the design, several where categories have each one."""
    if not hasattr(model, "design_names"):
        raise SpecificationError(
            f"{type(model).__name__} has no formula of coefficients whose terms could be tested; use "
            "wald_test with names of parameters"
        )
    names = [x for x, keep in zip(model.design_names, model.kept_columns, strict=True) if keep]
    numbers = np.arange(len(names))[None]
    if getattr(model.family, "layout", "plain") == "nominal":
        copies = len(model.extras.labels) - 1
        numbers = np.arange(copies * len(names)).reshape(copies, -1)
    elif hasattr(model.family, "members"):
        # of several families each may have other columns
        fixed = [member.predictors.fixed for member in members_of(model)]
        numbers = np.concatenate([numbers if own is None else own for own in fixed])
    return {
        name: sorted(set(numbers[numbers[:, k] >= 0, k].tolist())) for k, name in enumerate(names)
    }


def _coefficients_of_terms(model) -> list[tuple[str, list[int]]]:
    """Terms of the fixed part with the positions of their coefficients."""
    positions = _positions(model)
    spec = getattr(model.data, "model_spec", None)
    if spec is None:
        names = model.mapping.param_names
        return [(names[j], [j]) for j in sorted(j for own in positions.values() for j in own)]
    found = []
    for name, columns in formula_terms(spec):
        if own := sorted(j for column in columns for j in positions.get(column, ())):
            found.append((name, own))
    return found


def wald_tests_of_terms(
    results,
    skip_single: bool,
    extra_constraints: Sequence[tuple[str, np.ndarray]] | None,
    combine_terms: Sequence[str] | None,
    scalar: bool,
) -> WaldTestResults:
    """Joint Wald tests of the coefficients of each term; see ``LatentVariableResults.wald_test_terms``."""
    terms = _coefficients_of_terms(results.model)
    identity = np.eye(len(results.params))
    tests = [(name, identity[at]) for name, at in terms if not (skip_single and len(at) == 1)]
    for part in combine_terms or ():
        together = [j for name, at in terms if part in name for j in at]
        if not together:
            raise SpecificationError(
                f"combine_terms: no term contains {part!r}"
                f"{did_you_mean(part, [name for name, _ in terms])}"
            )
        tests.append((part, identity[together]))
    tests += list(extra_constraints or ())
    rows = []
    for _, matrix in tests:
        test = results.wald_test(matrix, scalar=scalar)
        # with F the second degrees of freedom are those of the residual, with chi2 its own
        df = [int(test.df_num), test.df_denom] if results.use_t else [int(test.df_denom)]
        rows.append([test.statistic, test.pvalue, *df])
    columns = ["statistic", "pvalue", "df_constraint", "df_denom"][: 4 if results.use_t else 3]
    table = pd.DataFrame(rows, index=[name for name, _ in tests], columns=columns)
    return WaldTestResults(None, "F" if results.use_t else "chi2", None, table=table)


class _ByColumn:
    """Results as statsmodels' pairwise tests take them: a parameter for each column of the design."""

    def __init__(self, results, columns: list[str]):
        self.results, self.model = results, results.model
        positions = _positions(results.model)
        self.position = np.array([positions.get(name, [-1])[0] for name in columns])
        self.params = np.zeros(len(columns))

    def t_test(self, matrix: np.ndarray):
        """Tests of combinations of the columns' coefficients."""
        wide = np.zeros((len(matrix), len(self.results.params)))
        has = self.position >= 0
        wide[:, self.position[has]] = matrix[:, has]
        return self.results.t_test(wide)


def pairwise_tests(results, term_name: str, method, alpha: float, factor_labels) -> MultiCompResult:
    """Differences between the categories of a factor; see ``LatentVariableResults.t_test_pairwise``."""
    model = results.model
    spec = getattr(model.data, "model_spec", None)
    if spec is None or any(len(own) != 1 for own in _positions(model).values()):
        raise SpecificationError(
            "t_test_pairwise is for models from formulas with one coefficient a column; use t_test with "
            "equations such as 'a = b'"
        )
    names = [name for name, _ in formula_terms(spec)]
    if term_name not in names:
        raise SpecificationError(f"no term {term_name!r}{did_you_mean(str(term_name), names)}")
    by_column = _ByColumn(results, list(map(str, spec.column_names)))
    return t_test_pairwise(by_column, term_name, method, alpha, factor_labels)
