"""Results of models of noncompliance: causal effects in principal strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.base.wrapper import populate_wrapper

from sm_gllamm.classes.delta import interval, standard_errors
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.means import MeanWithGradient
from sm_gllamm.results.mixture import MixtureModelResults, MixtureModelResultsWrapper

__all__ = ["CACEResults", "CACEResultsWrapper"]

_SCALES = ("difference", "ratio")


@dataclass(frozen=True, slots=True)
class _Average:
    """Average outcome of a stratum in an arm, with its derivatives in the parameters."""

    value: float
    gradient: np.ndarray


def _single(mean: MeanWithGradient) -> MeanWithGradient:
    """Predictions of one column as those of none."""
    if mean.value.ndim == 2 and mean.value.shape[1] == 1:
        return MeanWithGradient(mean.value[:, 0], mean.gradient[:, 0])
    return mean


class CACEResults(MixtureModelResults):
    """Results of :meth:`sm_gllamm.models.cace.CACE.fit`."""

    title = "Complier Average Causal Effect Results"

    # ------------------------------------------------------------ averages
    def _row_weights(self) -> np.ndarray:
        """Weights of the rows of the fit."""
        likelihood, layout = self.model.likelihood, self.model.assembly.layout
        return likelihood.units.group_weight[layout.of_row]

    def _averages(self, data, survival) -> dict[str, tuple[_Average, _Average]]:
        """Average outcome without and with assignment of each stratum."""
        model = self.model
        if data is None:
            if model.assembly is None:
                raise SpecificationError("the data were removed by remove_data(); pass data")
            frame, weight = model.template.data.frame, self._row_weights()
        else:
            frame, weight = data, np.ones(len(data))
        arms = []
        for arm in (0.0, 1.0):
            rows = self._rows(
                "marginal", frame.assign(**{model.assignment: arm}), **self._offsets(data)
            )
            arms.append([_single(mean) for mean in self._means(rows, "marginal", survival)])
            if arms[-1][0].value.ndim > 1:
                raise SpecificationError(
                    "effects are differences of one mean; for durations give survival= a single time, for "
                    "categories there are predict and get_prediction"
                )
        shares = self._shares(None if data is None else data, len(frame))
        out = {}
        for s, stratum in enumerate(model.strata):
            own, slopes = shares.value[:, s] * weight, shares.gradient[:, s] * weight[:, None]
            total = own.sum()
            pair = []
            for means in arms:
                value = float(own @ means[s].value / total)
                # weights are estimated, too
                slope = own @ means[s].gradient + (means[s].value - value) @ slopes
                pair.append(_Average(value, slope / total))
            out[stratum] = (pair[0], pair[1])
        return out

    def _offsets(self, data) -> dict:
        """Offset and exposure of the rows of the fit."""
        template = self.model.template
        if data is not None:
            return {}
        given = {"offset": template.offset, "exposure": template.exposure}
        return {key: value for key, value in given.items() if value is not None}

    def _contrast(self, pair, scale: str, alpha: float) -> dict[str, float]:
        """Difference or ratio of two averages with its standard error and limits."""
        without, assigned = pair
        cov, quantile = np.asarray(self.cov_params()), self._quantile(alpha)
        if scale == "difference":
            value = assigned.value - without.value
            se = float(standard_errors(assigned.gradient - without.gradient, cov))
            lower, upper = value - quantile * se, value + quantile * se
        else:
            value = assigned.value / without.value
            gradient = assigned.gradient / without.value - value * without.gradient / without.value
            se = float(standard_errors(gradient, cov))
            limits = interval(np.asarray(value), np.asarray(se), quantile, "log")
            lower, upper = float(limits[0]), float(limits[1])
        return {"estimate": value, "std_err": se, "lower": lower, "upper": upper}

    # ------------------------------------------------------------ effects
    def cace(
        self, scale: str = "difference", data=None, survival: float | None = None, alpha: float = 0.05
    ) -> pd.Series:  # fmt: skip
        """Complier average causal effect on the scale of the mean outcome.

        Parameters
        ----------
        scale : {"difference", "ratio"}
            Of the average outcomes of compliers with and without the treatment; the ratio is that of risks,
            rates, or means.
        data : DataFrame, optional
            Rows whose covariates are averaged over; default those of the fit with their weights.
        survival : float, optional
            Of durations: probabilities to exceed this time in place of means.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        Series
            ``estimate``, ``std_err``, ``lower``, ``upper``.

        Raises
        ------
        SpecificationError
            Unknown scale, categorical outcomes, data removed.

        Notes
        -----
        With covariates the average is over the distribution of compliers, rows weighted by their probability
        to be one. Standard errors are by the delta method, those probabilities estimated; covariates are
        taken as they are. Intervals of ratios are symmetric on the log scale.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> import sm_gllamm.api as smg
        >>> rng = np.random.default_rng(0)
        >>> assigned, complier = rng.integers(0, 2, 500), rng.random(500) < 0.7
        >>> treated = assigned * complier
        >>> trial = pd.DataFrame({"z": assigned, "w": treated, "y": treated + rng.normal(size=500)})
        >>> result = smg.CACE("y ~ 1", trial, "z", "w").fit()
        >>> round(float(result.cace()["estimate"]), 1)
        0.9
        """
        table = self.effects(scale, data, survival, alpha)
        row = table.loc["complier", ["estimate", "std_err", "lower", "upper"]]
        return row.rename("CACE")

    def effects(
        self, scale: str = "difference", data=None, survival: float | None = None, alpha: float = 0.05
    ) -> pd.DataFrame:  # fmt: skip
        """Average outcomes of the strata in both arms, and effects of assignment in each.

        Parameters
        ----------
        scale, data, survival, alpha
            As in :meth:`cace`.

        Returns
        -------
        DataFrame
            A row a stratum: ``share``, ``control``, ``assigned`` (average outcomes), and ``estimate``,
            ``std_err``, ``lower``, ``upper`` of the effect, with no standard error where the exclusion
            restriction makes it nothing.
        """
        if scale not in _SCALES:
            raise SpecificationError(f"scale={scale!r} is not known; use 'difference' or 'ratio'")
        sizes, rows = self.class_sizes()["estimate"], {}
        for stratum, pair in self._averages(data, survival).items():
            effect = self._contrast(pair, scale, alpha)
            if stratum in self.model.excluded:
                effect |= {"std_err": np.nan, "lower": np.nan, "upper": np.nan}
            rows[stratum] = {
                "share": sizes[stratum], "control": pair[0].value, "assigned": pair[1].value, **effect,
            }  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("stratum")

    def iv_estimate(self, alpha: float = 0.05) -> pd.Series:
        """Instrumental-variable (Wald) estimate, without a model of the outcome.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.

        Returns
        -------
        Series
            ``estimate``: the difference of the average outcomes of the arms over that of their proportions of
            treated; ``std_err``, ``lower``, ``upper``.

        Raises
        ------
        SpecificationError
            Censored durations, categories, data removed.

        Notes
        -----
        Outcomes of a unit with several rows are averaged first. The standard error is that of two-stage
        least squares with unequal variances of the arms, which is the delta method's. Without covariates
        the estimate consistently estimates the same effect as :meth:`cace` under the exclusion
        restriction; it does not use that proportions and variances cannot be negative.
        """
        model = self.model
        if model.assembly is None:
            raise SpecificationError("the data were removed by remove_data()")
        y, template = np.asarray(model.template.endog, dtype=float), model.template
        if template.response.kind == "binomial" and y.ndim == 2:
            y = y[:, 0] / y.sum(axis=1)
        if y.ndim == 2 or getattr(template.family, "layout", "plain") != "plain":
            raise SpecificationError(
                "the instrumental-variable estimate needs an outcome with a mean that is seen in every row"
            )
        layout, (z, w) = model.assembly.layout, model._outcome
        rows = np.bincount(layout.of_row)
        y = np.bincount(layout.of_row, y) / rows
        z, w = z[layout.first], w[layout.first]
        weight = model.likelihood.units.group_weight
        (y0, y1), (w0, w1) = ([np.average(v[z == a], weights=weight[z == a]) for a in (0, 1)]
                              for v in (y, w))  # fmt: skip
        value = (y1 - y0) / (w1 - w0)
        residual, variance = y - value * w, 0.0
        for arm in (0, 1):
            own, at = weight[z == arm], residual[z == arm]
            # a frequency weight counts units, a sampling weight multiplies the one that there is
            count = own**2 if model.weights.sampling else own
            variance += count @ (at - np.average(at, weights=own)) ** 2 / own.sum() ** 2
        se = float(np.sqrt(variance) / (w1 - w0))
        quantile = self._quantile(alpha)
        return pd.Series(
            {"estimate": value, "std_err": se, "lower": value - quantile * se,
             "upper": value + quantile * se}, name="IV",
        )  # fmt: skip

    @property
    def described(self) -> list[tuple[str, str]]:
        """Assignment, treatment, and where assignment has no effect."""
        model = self.model
        excluded = ", ".join(model.excluded) or "none"
        return [
            ("Assignment:", model.assignment), ("Treatment:", model.treatment),
            ("Exclusion:", excluded), *super().described[1:],
        ]  # fmt: skip

    @property
    def remarks(self) -> list[str]:
        """The effect, below the tables of `summary`."""
        out = super().remarks
        if self.model.assembly is None:
            return out
        try:
            effect = self.cace()
        except SpecificationError:
            return out
        return [
            f"CACE (difference of means): {effect['estimate']:.5g}, standard error {effect['std_err']:.3g}, "
            f"interval {effect['lower']:.5g} to {effect['upper']:.5g}.",
            *out,
        ]  # fmt: skip


class CACEResultsWrapper(MixtureModelResultsWrapper):
    """Results with pandas labels."""


populate_wrapper(CACEResultsWrapper, CACEResults)
