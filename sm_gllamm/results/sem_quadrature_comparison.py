"""Comparison of structural equation models that are fitted by quadrature, and what needs moments."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.likelihood_ratio import LikelihoodRatioTest, likelihood_ratio_test
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["QuadratureComparison"]

#: Log-likelihoods may be the wrong way round by this much before it is an error.
SLACK = 1e-3
_NO_MOMENTS = (
    "compares with a saturated model of means and covariances, which responses by quadrature do not have; "
    "use compare_lr_test() with another model, aic and bic"
)


def _plain(result):
    return getattr(result, "_results", result)


class QuadratureComparison(LatentVariableResults):
    """Likelihood-ratio tests, and refusals of what is about means and covariances."""

    def compare_lr_test(self, restricted) -> LikelihoodRatioTest:
        """Likelihood-ratio test of a restricted model.

        Parameters
        ----------
        restricted : QuadratureSEMResults
            Of a model nested in this one, of the same responses and rows.

        Returns
        -------
        LikelihoodRatioTest
            Unpacks to (statistic, p-value, degrees of freedom).

        Raises
        ------
        SpecificationError
            Other data, sampling weights, or a restricted model with more parameters or a higher
            log-likelihood.

        Notes
        -----
        Whether models are nested cannot be told from their tables; that is for the user to know. Variances
        that are free in this model and zero or absent in the other put it at the edge of their values.
        """
        restricted = _plain(restricted)
        if not isinstance(restricted, QuadratureComparison):
            raise SpecificationError(
                "compare with results of another SEM that is fitted by quadrature; families={} with one "
                "variable as 'gaussian' makes a continuous model one of these"
            )
        ours, theirs = self.model.inputs, restricted.model.inputs
        known, other = ours.persons.responses, theirs.persons.responses
        same = set(known) == set(other) and len(ours.persons) == len(theirs.persons)
        if not same or any(
            not np.array_equal(known[n].values, other[n].values, equal_nan=True) for n in known
        ):
            raise SpecificationError(
                "the models have different responses or rows; a likelihood-ratio test needs the same"
            )
        if any(known[n].title != other[n].title for n in known):
            raise SpecificationError("the models have different families or links")
        if self.sampling_weights or restricted.sampling_weights:
            raise SpecificationError(
                "with sampling weights there is no likelihood to compare; use wald_test()"
            )
        df = self.df_modelwc - restricted.df_modelwc
        if df < 0:
            raise SpecificationError(
                f"the restricted model has {-df} more parameters than this one; compare the other way round"
            )
        statistic = 2.0 * (self.llf - restricted.llf)
        if statistic < -SLACK:
            raise SpecificationError(
                f"the restricted model has the higher log-likelihood ({restricted.llf:.6f} against "
                f"{self.llf:.6f}): one of the fits has not converged, or they are not nested"
            )
        zero = len(self._variances(True) - restricted._variances(False))
        return likelihood_ratio_test(max(statistic, 0.0), int(df), min(zero, int(df)))

    def _variances(self, free: bool) -> set[tuple[int, str]]:
        """Variances of latent variables that are free, or that are free or not zero."""
        out = set()
        for row in self.model.table.rows:
            if row.op == "~~" and row.lhs == row.rhs and not row.exo:
                if row.free or not free and row.ustart:
                    out.add((row.block, row.lhs))
        return out

    def compare(self, *others, names=None) -> pd.DataFrame:
        """Table of nested models, each tested against the one before it.

        Parameters
        ----------
        *others : QuadratureSEMResults
        names : list of str, optional
            Of this model and the others.

        Returns
        -------
        DataFrame
            A row a model, by number of parameters from most to fewest: ``n_params``, ``llf``, ``aic``,
            ``bic``; ``chisq_diff``, ``df_diff``, ``pvalue`` of the test against the row above.
        """
        models = [self, *map(_plain, others)]
        names = [f"model {k}" for k in range(1, len(models) + 1)] if names is None else list(names)
        if len(names) != len(models):
            raise SpecificationError(f"{len(names)} names for {len(models)} models")
        order = np.argsort([-r.df_modelwc for r in models], kind="stable")
        rows, before = [], None
        for k in order:
            result = models[k]
            row = {
                "n_params": result.df_modelwc,
                "llf": result.llf,
                "aic": result.aic,
                "bic": result.bic,
            }
            row |= dict.fromkeys(("chisq_diff", "df_diff", "pvalue"), np.nan)
            if before is not None:
                test = before.compare_lr_test(result)
                row |= {
                    "chisq_diff": float(test.statistic), "df_diff": test.df_diff,
                    "pvalue": test.pvalue if test.df_diff else np.nan,
                }  # fmt: skip
            rows.append(row)
            before = result
        return pd.DataFrame(rows, [names[k] for k in order])

    # ------------------------------------------------------------ what has no meaning here
    def _refuse(self, what: str):
        raise SpecificationError(f"{what} {_NO_MOMENTS}")

    def fit_measures(self):
        """Not available: SpecificationError."""
        self._refuse("fit_measures()")

    def chisquare(self, scaled=None):
        """Not available: SpecificationError."""
        self._refuse("chisquare()")

    def residuals(self, kind="raw"):
        """Not available: SpecificationError."""
        self._refuse("residuals()")

    def _bread(self) -> np.ndarray:
        """Inverse information of the estimates."""
        if self.cov_type == "nonrobust":
            return np.asarray(self.cov_params())
        return np.asarray(self.normalized_cov_params)

    def score_test(self, text: str) -> pd.DataFrame:
        """Score test of parameters that the model could have besides, all together.

        Parameters
        ----------
        text : str
            Lines that add them: ``"item_2 ~ age"``, with ``level:`` before them where the model has levels.

        Returns
        -------
        DataFrame
            Indexed by parameter: ``epc`` (expected parameter change), and in all rows the joint test,
            ``statistic``, ``df``, ``pvalue``.

        Raises
        ------
        SpecificationError
            Nothing is added, a variance, or covariates that predict nothing in the model so far.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import asvab
        >>> data = asvab.load_pandas().data
        >>> text = "f =~ item_1 + item_2 + item_3 + item_4 \\n f ~ black + female"
        >>> items = ["item_1", "item_2", "item_3", "item_4"]
        >>> result = smg.SEM(text, data, ordered=items, freq_weights="freq").fit()
        >>> result.score_test("item_1 ~ black")["df"].tolist()
        [1]
        """
        self._estimated("the score test")
        statistic, df, change, names = self.model.score_test(
            np.asarray(self.params), self._bread(), self.quadrature, f"\n{text}\n"
        )
        frame = pd.DataFrame({"epc": change}, names)
        frame["statistic"], frame["df"] = statistic, df
        frame["pvalue"] = stats.chi2.sf(statistic, df)
        return frame

    def modification_indices(self, minimum: float = 0.0) -> pd.DataFrame:
        """Score tests of parameters that are left out, one at a time.

        Parameters
        ----------
        minimum : float
            Smallest index to list.

        Returns
        -------
        DataFrame
            A row a parameter, the largest index first: loadings of further indicators, direct effects of
            covariates (differential functioning of indicators), covariances of residuals of normal responses.
            ``mi`` (chi-square with one degree of freedom), ``pvalue`` and ``epc`` (expected parameter
            change).

        Notes
        -----
        With the observed information (Sorbom 1989, *Psychometrika* 54, 371-384). What would not be
        identified, or would be a circle, is left out.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import science
        >>> data = science.load_pandas().data
        >>> text = "optimism =~ comfort + work + future \\n concern =~ environment + technology + industry"
        >>> table = smg.SEM(text, data, ordered=True).fit().modification_indices()
        >>> " ".join(table.iloc[0][["lhs", "op", "rhs"]])
        'concern =~ comfort'
        """
        self._estimated("modification indices")
        model, params, bread = self.model, np.asarray(self.params), self._bread()
        several = len(model.table.groups) > 1, len(model.table.levels) > 1
        rows = []
        for one in model.additions():
            try:
                found = model.score_test(params, bread, self.quadrature, one.text(model.table))
            except SpecificationError:
                # a circle, or nothing new
                continue
            if not np.isfinite(found[0]) or found[0] < minimum:
                continue
            row = {"group": model.table.groups[one.group]} if several[0] else {}
            row |= {"level": model.table.levels[one.level]} if several[1] else {}
            row |= {
                "lhs": one.lhs, "op": one.op, "rhs": one.rhs, "mi": found[0],
                "pvalue": float(stats.chi2.sf(found[0], 1)), "epc": float(found[2][0]),
            }  # fmt: skip
            rows.append(row)
        columns = ["lhs", "op", "rhs", "mi", "pvalue", "epc"]
        frame = pd.DataFrame(rows, columns=[*(list(rows[0])[:-6] if rows else []), *columns])
        return frame.sort_values("mi", ascending=False, ignore_index=True)

    def reliability(self):
        """Not available: SpecificationError."""
        raise SpecificationError(
            "reliability() is of sums of continuous indicators; posterior standard deviations of the scores, "
            "factor_scores(se=True), say how reliable these are"
        )

    def get_prediction(self, *args, **kwargs):
        """Not available: SpecificationError."""
        raise SpecificationError(
            "get_prediction() is not available for structural equation models; predict() has expected "
            "responses, factor_scores(se=True) latent variables with standard deviations"
        )
