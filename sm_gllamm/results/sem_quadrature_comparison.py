"""Comparison of structural equation models that are fitted by quadrature, and what needs moments."""

from __future__ import annotations

import numpy as np
import pandas as pd

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

    def modification_indices(self, *args, **kwargs):
        """Not available: SpecificationError."""
        raise SpecificationError(
            "modification_indices() is for continuous responses in closed form; add the parameter to the "
            "text and use compare_lr_test()"
        )

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
