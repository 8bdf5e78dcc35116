"""Third step of an analysis with latent classes: outcomes and covariates of classes that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_params

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.class_posterior import ClassPosteriorMethods

__all__ = ["ThreeStepMethods", "ThreeStepResults", "WaldTest"]

_METHODS = {"ml": "maximum likelihood (Vermunt 2010)", "bch": "BCH (Bolck et al. 2004)"}


@dataclass(frozen=True)
class WaldTest:
    """A Wald test.

    Attributes
    ----------
    statistic : float
        Chi-square.
    df : int
    pvalue : float
    """

    statistic: float
    df: int

    @property
    def pvalue(self) -> float:
        return float(stats.chi2.sf(self.statistic, self.df))

    def __str__(self) -> str:
        return f"chi2({self.df}) = {self.statistic:.4f}, p-value {self.pvalue:.4g}"


def _wald(contrast: np.ndarray, params: np.ndarray, cov: np.ndarray) -> WaldTest:
    value = contrast @ params
    middle = contrast @ cov @ contrast.T
    rank = int(np.linalg.matrix_rank(middle))
    return WaldTest(float(value @ np.linalg.pinv(middle, hermitian=True) @ value), rank)


@dataclass(frozen=True)
class ThreeStepResults:
    """Estimates of step 3, with standard errors that account for wrong assignments.

    Attributes
    ----------
    params : Series
        Means or proportions by class, ``class1:y`` or ``class1:y[category]``, or coefficients of the
        classes, ``logit(class2):x``.
    cov : DataFrame
    method : {"ml", "bch"}
    assignment : {"modal", "proportional"}
    classification_errors : DataFrame, shape (C, C)
        Probability of the assigned class (columns) for members of a class (rows).
    tests : dict of str to WaldTest
        Of a distal outcome ``"overall"``: the classes do not differ. Of covariates for each of them: no
        effect on any class.
    pairwise : DataFrame or None
        Differences of the classes, of distal outcomes.
    notes : tuple of str
        What is to be said against the estimates: no convergence, parameters that are not identified.
    """

    params: pd.Series
    cov: pd.DataFrame = field(repr=False)
    method: str
    assignment: str
    classification_errors: pd.DataFrame = field(repr=False)
    tests: dict[str, WaldTest]
    pairwise: pd.DataFrame | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @classmethod
    def distal(
        cls, label: str, classes: Sequence[str], categories: Sequence, estimate: np.ndarray,
        cov: np.ndarray, method: str, assignment: str, errors: np.ndarray,
        notes: tuple[str, ...] = (),
    ) -> ThreeStepResults:  # fmt: skip
        """Of means or proportions, shape (C, m), and their covariance matrix."""
        n_classes, m = estimate.shape
        names = [
            f"{c}:{label}" if k is None else f"{c}:{label}[{k}]"
            for c in classes
            for k in categories
        ]
        # proportions add up to one: the first category says nothing more
        first = 0 if m == 1 else 1
        values = estimate.ravel()

        def contrast(a: int, b: int) -> np.ndarray:
            rows = np.zeros((m - first, len(values)))
            for k in range(first, m):
                rows[k - first, a * m + k], rows[k - first, b * m + k] = 1.0, -1.0
            return rows

        overall = np.vstack([contrast(c, 0) for c in range(1, n_classes)])
        pairs = []
        for b in range(n_classes):
            for a in range(b + 1, n_classes):
                rows = contrast(a, b)
                test = _wald(rows, values, cov)
                row: dict[str, Any] = {"class": classes[a], "other": classes[b]}
                if m == 1:
                    row["difference"] = float((rows @ values)[0])
                    row["std_err"] = float(np.sqrt((rows @ cov @ rows.T)[0, 0]))
                pairs.append(row | {"chi2": test.statistic, "df": test.df, "p_value": test.pvalue})
        return cls(
            pd.Series(values, names), pd.DataFrame(cov, names, names), method, assignment,
            pd.DataFrame(errors, pd.Index(classes, name="class"), pd.Index(classes, name="assigned")),
            {"overall": _wald(overall, values, cov)}, pd.DataFrame(pairs), notes,
        )  # fmt: skip

    @classmethod
    def covariates(
        cls, names: Sequence[str], columns: Sequence[str], classes: Sequence[str],
        params: np.ndarray, cov: np.ndarray, method: str, assignment: str, errors: np.ndarray,
        notes: tuple[str, ...] = (),
    ) -> ThreeStepResults:  # fmt: skip
        """Of coefficients of the classes but the first, and their covariance matrix."""
        tests = {}
        for k, column in enumerate(columns):
            if column != "Intercept":
                at = np.arange(k, len(names), len(columns))
                tests[column] = _wald(np.eye(len(names))[at], params, cov)
        return cls(
            pd.Series(params, list(names)), pd.DataFrame(cov, list(names), list(names)), method,
            assignment,
            pd.DataFrame(errors, pd.Index(classes, name="class"), pd.Index(classes, name="assigned")),
            tests, None, notes,
        )  # fmt: skip

    @property
    def bse(self) -> pd.Series:
        """Standard errors."""
        return pd.Series(np.sqrt(np.diag(self.cov)), self.params.index)

    @property
    def tvalues(self) -> pd.Series:
        """Estimates over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided, by the normal distribution."""
        return pd.Series(2.0 * stats.norm.sf(np.abs(self.tvalues)), self.params.index)

    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the estimates."""
        return self.cov

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Intervals, estimate plus or minus a multiple of the standard error.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.
        """
        half = stats.norm.ppf(1.0 - alpha / 2.0) * self.bse
        return pd.DataFrame({0: self.params - half, 1: self.params + half})

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Estimates, standard errors and intervals; of covariates z values and p-values, too."""
        limits = self.conf_int(alpha)
        out = pd.DataFrame({"estimate": self.params, "std_err": self.bse})
        if self.pairwise is None:
            out = out.assign(z=self.tvalues, p_value=self.pvalues)
        return out.assign(lower=limits[0], upper=limits[1])

    def summary(self, alpha: float = 0.05) -> Summary:
        """Table of estimates, and tests."""
        frame = self.summary_frame(alpha)
        out = Summary()
        out.tables = [
            SimpleTable(
                [[f"{value:.4f}" for value in row] for row in frame.to_numpy()], list(frame),
                list(frame.index), f"Three-Step Latent Class Analysis: {_METHODS[self.method]}",
                txt_fmt=fmt_params,
            )
        ]  # fmt: skip
        lines = [f"{self.assignment.capitalize()} assignment; robust standard errors."]
        for name, test in self.tests.items():
            what = "Equal in all classes" if name == "overall" else f"No effect of {name}"
            lines.append(f"{what}: {test}")
        lines += self.notes
        out.add_extra_txt(lines)
        return out

    def __str__(self) -> str:
        return str(self.summary())


class ThreeStepMethods(ClassPosteriorMethods):
    """Third step with the classes of the fit; part of results of latent class models."""

    def three_step(
        self, distal=None, covariates: str | None = None, method: str = "ml",
        assignment: str = "modal", first_step: bool | None = None, family: str | None = None,
        data: pd.DataFrame | None = None,
    ) -> ThreeStepResults:  # fmt: skip
        """Relate the classes to an outcome or covariates, with correction for wrong assignments.

        Parameters
        ----------
        distal : str or array_like, optional
            Outcome: a column of the data, or values of the rows of the fit.
        covariates : str, optional
            Formula of covariates of the classes, ``"~ age"``.
        method : {"ml", "bch"}
            Maximum likelihood with known classification errors (Vermunt 2010), or weights from their
            inverse (Bolck, Croon & Hagenaars 2004). ML assumes that a numeric outcome is normal within
            classes (each with its variance); BCH assumes nothing about its distribution.
        assignment : {"modal", "proportional"}
            To the most probable class, or to all classes by posterior probability ("bch" only).
        first_step : bool, optional
            Whether standard errors account for the uncertainty of the first step, too (Bakk, Oberski &
            Vermunt 2014); of "ml" only, where it is the default.
        family : {"gaussian", "nominal"}, optional
            Of the outcome; default "gaussian" for numbers.
        data : DataFrame, optional
            Other columns of the rows of the fit.

        Returns
        -------
        ThreeStepResults

        Raises
        ------
        SpecificationError
            Unknown columns, classes that cannot be told apart or that nobody is assigned to, classes of
            clusters.

        Notes
        -----
        Unit i is assigned to class s with probability D_ts if it belongs to t, an average over the units
        of the fit. ML maximises sum_i log sum_t P(t | z_i) D_(t, s_i) f(y_i | t) with D fixed. BCH gives
        unit i the weight (D^-1)_(s_i, t) in class t. Standard errors are of the sandwich type.

        References
        ----------
        Bakk, Z., Oberski, D. L. & Vermunt, J. K. (2014). Relating latent class assignments to external
        variables: standard errors for correct inference. Political Analysis 22, 520-540.

        Bakk, Z., Tekle, F. B. & Vermunt, J. K. (2013). Estimating the association between latent class
        membership and external variables using bias-adjusted three-step approaches. Sociological
        Methodology 43, 272-311.

        Bolck, A., Croon, M. & Hagenaars, J. (2004). Estimating latent structure models with categorical
        variables: one-step versus three-step estimators. Political Analysis 12, 3-27.

        Vermunt, J. K. (2010). Latent class modeling with covariates: two improved three-step approaches.
        Political Analysis 18, 450-469.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = ["item_1", "item_2", "item_3", "item_4"]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> third = result.three_step("item_5", method="bch")
        >>> print(third.summary_frame().round(2))
                       estimate  std_err  lower  upper
        class1:item_5      0.91     0.02   0.88   0.95
        class2:item_5      0.77     0.04   0.69   0.85
        """
        if self.model.assembly is None:
            raise SpecificationError(
                "the data were removed by remove_data(); three_step needs them"
            )
        return self.model.three_step(
            self, distal, covariates, method, assignment, first_step, family, data
        )
