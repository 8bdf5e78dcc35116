"""What covariates of items explain of their parameters: a method of results of item response models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.explanation import item_regression
from sm_gllamm.results.base import LatentVariableResults
from sm_gllamm.specification.evaluation import FormulaEngine

__all__ = ["ExplainMethods", "ItemExplanation"]


@dataclass(frozen=True)
class ItemExplanation:
    """Regression of item intercepts on covariates of the items.

    Attributes
    ----------
    table : DataFrame
        Coefficients with standard errors and tests.
    residuals : DataFrame
        By item: estimate, prediction, residual (shrunken) and its standard error.
    variance : float
        Of the residuals.
    r_squared : float
        Share of the variance of the intercepts that is explained.
    """

    table: pd.DataFrame
    residuals: pd.DataFrame
    variance: float
    r_squared: float


class ExplainMethods(LatentVariableResults):
    """Explanatory item response modelling with item residuals."""

    def explain_items(
        self, formula: str, item_data: pd.DataFrame, reml: bool = True
    ) -> ItemExplanation:
        """Regress the intercepts of binary items on covariates of the items, with residuals.

        Parameters
        ----------
        formula : str
            Such as ``"~ type + mode"``.
        item_data : DataFrame
            Covariates of items, its index names them.
        reml : bool
            Whether the residual variance is estimated by restricted maximum likelihood, or by maximum
            likelihood, which is smaller where items are few.

        Returns
        -------
        ItemExplanation

        Raises
        ------
        SpecificationError
            Items with more categories or without data, several groups, as many covariates as items.

        Notes
        -----
        Residuals of items are crossed with persons: their joint likelihood is one integral over all
        items, which nested quadrature does not have. This is the two-stage analysis. First the intercepts
        are estimated without restrictions, which is right whatever their distribution; then they are
        regressed on the covariates with a normal residual, their sampling covariance matrix V being known,
        ``b_hat ~ N(Q beta, tau^2 I + V)``. The only approximation is that the likelihood of the responses
        is normal in the intercepts, as it is in the Laplace approximation of the joint likelihood: with 50
        persons an item or more, and items that are neither solved nor missed by nearly all, both agree
        (with ``reml=False``) to about two digits. With few persons, or items next to the limits, the
        residual variance is less certain than it seems. ``IRT(item_formula=...)`` is the model without
        residuals (LLTM).

        References
        ----------
        De Boeck, P. (2008). Random item IRT models. Psychometrika 73, 533-559.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import verbagg
        >>> data = verbagg.load_pandas().data
        >>> data["yes"] = (data["r2"] == "Y").astype(int)
        >>> model = smg.IRT.from_formula("yes ~ 1", data, person="id", item="item", model="Rasch")
        >>> items = data.drop_duplicates("item").set_index("item")
        >>> explained = model.fit().explain_items("~ btype + situ + mode", items)
        >>> round(explained.r_squared, 2) > 0.8
        True
        """
        design = self.model.layout.design
        if any(k != 2 for k in design.n_categories):
            raise SpecificationError("explain_items() is for items with two categories")
        if len(design.groups) > 1 or design.item_covariates is not None:
            raise SpecificationError(
                "explain_items() is for models of one group with an intercept for every item"
            )
        frame = item_data.copy()
        frame.index = frame.index.map(str)
        if lacking := [item for item in design.items if item not in frame.index]:
            raise SpecificationError(f"item_data has no row for item {lacking[0]!r}")
        result = FormulaEngine("patsy", {"np": np}).evaluate(formula, frame.loc[list(design.items)])
        if result.missing.any():
            item = design.items[int(np.argmax(result.missing))]
            raise SpecificationError(f"covariates of item {item!r} are missing")
        matrix = result.right.to_numpy(dtype=float)
        rank = np.linalg.matrix_rank(matrix)
        if rank < matrix.shape[1] or matrix.shape[1] >= len(design.items):
            raise SpecificationError(
                f"formula={formula!r} has {matrix.shape[1]} columns of rank {rank} for "
                f"{len(design.items)} items; leave some out"
            )
        names = self.model.param_names
        wanted = [f"intercept[{item}]" for item in design.items]
        if lacking := [name for name in wanted if name not in names]:
            raise SpecificationError(
                f"{lacking[0]} is not estimated; explain_items() needs all of them"
            )
        where = [names.index(name) for name in wanted]
        estimates = np.asarray(self.params)[where]
        found = item_regression(
            estimates, np.asarray(self.cov_params())[np.ix_(where, where)], matrix, reml
        )
        se = np.sqrt(np.diag(found.covariance))
        z = found.coefficients / se
        table = pd.DataFrame(
            {
                "coef": found.coefficients,
                "std_err": se,
                "z": z,
                "p_value": 2 * stats.norm.sf(abs(z)),
            },
            index=[str(column) for column in result.right.columns],
        )
        residuals = pd.DataFrame(
            {
                "estimate": estimates, "predicted": matrix @ found.coefficients,
                "residual": found.residuals, "std_err": found.residual_se,
            },
            index=pd.Index(design.items, name="item"),
        )  # fmt: skip
        return ItemExplanation(table, residuals, found.variance, found.r_squared)
