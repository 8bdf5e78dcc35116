"""Plots of results; they need matplotlib, the extra ``plot``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.caterpillar import plot_caterpillar
from sm_gllamm.plotting.curves import plot_curves
from sm_gllamm.plotting.profiles import plot_zeta
from sm_gllamm.prediction.grid import curve_grid, random_columns
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.members import members_of
from sm_gllamm.prediction.random_effects import level_position
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["PlotMethods"]


class PlotMethods(LatentVariableResults):
    """Plots; part of :class:`sm_gllamm.results.glmm.GLMMResults`."""

    def _curve_predictions(self, x, by, at, n):
        """Grid of covariates, and the options with which ``get_prediction`` takes it."""
        model = self._with_data()
        if hasattr(model, "formula"):
            formulas = [model.formula, getattr(model, "random_formula", "")]
            formulas += [text for latent in model.latents for text in latent.formulas]
            formula = " ".join(formulas)
            grid = curve_grid(model.data.frame, x, by, at, n, formula)
            return grid, grid, {}
        exog, kept = np.asarray(model.exog, dtype=float), model.kept_columns
        names = model.responses.exog_names
        grid = curve_grid(pd.DataFrame(exog[:, kept], columns=names), x, by, at, n)
        array = np.repeat(exog[:1], len(grid), axis=0)
        array[:, kept] = grid[names].to_numpy()
        return grid, array, {"exog_re": random_columns(model.random, exog, array)}

    def plot_prediction(
        self, x: str, by: str | None = None, which: str | Sequence[str] = ("conditional", "marginal"),
        at: Mapping[str, object] | None = None, ci: bool = True, alpha: float = 0.05, n: int = 101,
        ax=None,
    ):  # fmt: skip
        """Prediction curves against a covariate; of categorical responses one for each category.

        Parameters
        ----------
        x : str
            Covariate on the horizontal axis: a column of the data (from arrays, of exog).
        by : str, optional
            A curve for each of its values; for a numeric covariate with more than six, at its mean
            and one standard deviation either side.
        which : str or sequence of str
            Kinds of prediction, as in :meth:`predict`.
        at : dict of str to value, optional
            Values of the other covariates; means, and most frequent values of categories, where not
            given.
        ci : bool
            Whether to draw confidence bands.
        alpha : float
            They have coverage 1 - alpha.
        n : int
            Points along a numeric `x`.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Choices and rankings, whose predictions depend on the other alternatives.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import bacteria
        >>> data = bacteria.load_pandas().data
        >>> result = smgf.glmm("y ~ week + ap + (1 | ID)", data, family="binomial").fit()
        >>> figure = result.plot_prediction("week", by="ap")
        """
        member = members_of(self.model)[0]
        if member.law.alternatives or member.layout == "composite":
            raise SpecificationError(
                f"predictions of {type(self.model.family).__name__} responses depend on several rows; plot "
                "those of predict() for sets of rows"
            )
        kinds = [which] if isinstance(which, str) else list(which)
        grid, new, options = self._curve_predictions(x, by, at, n)
        tables = []
        for kind in kinds:
            name = kind_of_prediction(kind)
            extra = options if name == "marginal" else {}
            frame = self.get_prediction(new, which=kind, **extra).summary_frame(alpha=alpha)
            frame = frame.drop(columns="se") if ci else frame[["predicted"]]
            axes = grid[[x] if by is None else [x, by]].reset_index(drop=True)
            if isinstance(frame.index, pd.MultiIndex):
                categories = frame.index.get_level_values(-1)
                axes = axes.loc[axes.index.repeat(len(frame) // len(axes))].reset_index(drop=True)
                shown = [str(category) for category in categories]
                if by is not None:
                    shown = [f"{c} ({by} = {v})" for c, v in zip(shown, axes[by], strict=True)]
                axes["category"] = shown
            frame = frame.reset_index(drop=True)
            tables.append(pd.concat([axes, frame], axis=1).assign(which=name))
        table = pd.concat(tables, ignore_index=True)
        linear = all(kind_of_prediction(kind) == "linear" for kind in kinds)
        what = "probability" if "category" in table and not linear else "mean"
        response = np.atleast_1d(self.model.endog_names)[0]
        ylabel = "linear predictor" if linear else f"{what} of {response}"
        return plot_curves(table, x, "category" if "category" in table else by, ylabel, ax)

    def plot_random_effects(
        self, level: str | None = None, effect: str | None = None, kind: str = "mean",
        alpha: float = 0.05, ax=None,
    ):  # fmt: skip
        """Caterpillar plot: random effects of clusters in order of size, with intervals.

        Parameters
        ----------
        level : str, optional
            Level of the clusters; default the top level.
        effect : str, optional
            One random effect; default an axes for each.
        kind : {"mean", "mode", "ml"}
            As in :meth:`ranef`; the intervals are estimate plus or minus a normal quantile times
            the posterior SD.
        alpha : float
        ax : matplotlib.axes.Axes, optional
            For one random effect.

        Returns
        -------
        matplotlib.figure.Figure

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 + Days | Subject)", data).fit()
        >>> figure = result.plot_random_effects()
        """
        names = self.model.level_names
        position = len(names) - 1 if level is None else level_position(names, level)
        table = self.ranef(kind, level=names[position])
        effects = [name for name in table.columns if f"sd({name})" in table.columns]
        if effect is not None:
            if effect not in effects:
                raise SpecificationError(
                    f"effect={effect!r} is none of the random effects {effects}"
                )
            effects = [effect]
        finite = table[np.isfinite(table[effects]).all(axis=1)]
        return plot_caterpillar(finite, effects, norm.ppf(1 - alpha / 2), names[position], ax)

    def plot_profile(self, name: str, alpha: float = 0.05, ax=None):
        """Profile plot: signed root of the deviance against values of a parameter.

        Parameters
        ----------
        name : str
            The parameter.
        alpha : float
            The interval drawn has confidence level 1 - alpha.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Notes
        -----
        The bend of the curve shows how far the likelihood is from being quadratic, and so how much
        the profile interval differs from estimate plus or minus a multiple of the standard error.

        Examples
        --------
        >>> import sm_gllamm.formula.api as smgf
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> result = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        >>> figure = result.plot_profile("var(Intercept|Subject)")
        """
        profile = self.profile(name, alpha=alpha)
        return plot_zeta(
            profile.table, tuple(profile.limits), profile.estimate, profile.alpha, profile.name, ax
        )
