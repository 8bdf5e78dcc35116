"""Plots of latent class models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.class_curves import plot_class_curves
from sm_gllamm.plotting.class_profiles import plot_class_profiles
from sm_gllamm.plotting.class_sizes import plot_class_sizes, plot_posteriors
from sm_gllamm.results.class_predictions import ClassPredictionMethods
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["ClassPlotMethods"]

#: Values of a covariate along a curve.
POINTS = 61


class ClassPlotMethods(ClassPredictionMethods):
    """Plots; part of :class:`sm_gllamm.results.latent_class.LatentClassResults`."""

    def plot_profiles(self, items=None, alpha: float = 0.05, axes=None):
        """Response probabilities, and standardized means, of each class across indicators.

        Parameters
        ----------
        items : str or list of str, optional
            Indicators; default all.
        alpha : float
            Intervals have coverage 1 - alpha; probabilities of zero and one have none.
        axes : matplotlib.axes.Axes or sequence of them, optional
            One for indicators with categories, one for measured ones.

        Returns
        -------
        matplotlib.figure.Figure
            Of indicators with two categories the probability of the second is shown, of others those of
            all. Means are in standard deviations from the observed mean.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> figure = smg.LatentClass(data, n_classes=2, items=items).fit().plot_profiles()
        """
        table = self.profiles(items, alpha=alpha).reset_index()
        table = table.rename(columns={"lower": "ci_lower", "upper": "ci_upper"})
        found = self._profiles()
        shares, means = [], []
        for name in dict.fromkeys(table["item"]):
            part, profile = table[table["item"] == name], found[name]
            if profile.categorical:
                two = len(profile.labels) == 2
                shown = list(profile.labels[1:] if two else profile.labels)
                part = part[part["response"].isin(shown)]
                labels = [f"{name} = {label}" for label in part["response"]]
                shares.append(part.assign(label=labels))
                continue
            part = part[part["response"] == "mean"].assign(label=str(name))
            columns = ["estimate", "ci_lower", "ci_upper"]
            part[columns] = (part[columns] - profile.observed[0]) / profile.spread
            means.append(part)
        groups = [(shares, "probability"), (means, "mean (standardized)")]
        tables = [(pd.concat(parts), label) for parts, label in groups if parts]
        sizes = self._class_facts().sizes
        legend = {
            name: f"{name} ({size:.2f})"
            for name, size in zip(self._class_names, sizes, strict=True)
        }
        return plot_class_profiles(
            [table for table, _ in tables], [label for _, label in tables], legend, axes
        )

    def plot_class_sizes(self, upper: bool = False, alpha: float = 0.05, ax=None):
        """Class sizes with intervals.

        Parameters
        ----------
        upper : bool
            Of the classes of clusters.
        alpha : float
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        table = self.upper_class_sizes(alpha) if upper else self.class_sizes(alpha=alpha)
        table = table.rename(columns={"lower": "ci_lower", "upper": "ci_upper"})
        return plot_class_sizes(
            table, f"class of {self.model.cluster_name}" if upper else "class", ax
        )

    def plot_posterior(self, data=None, bins: int = 20, axes=None):
        """Histograms of the posterior probabilities of each class.

        Parameters
        ----------
        data : DataFrame, optional
            New cases; default those of the fit.
        bins : int
        axes : sequence of matplotlib.axes.Axes, optional
            One for each class.

        Returns
        -------
        matplotlib.figure.Figure
            In colour the units assigned to the class, which have mostly high probabilities where classes
            are well separated.
        """
        table = self.posterior(data)
        weights = self.model.assembly.layout.row_weight if data is None else None
        return plot_posteriors(table, weights, bins, axes)

    def plot_class_probabilities(
        self, covariate: str, values=None, at: dict | None = None, alpha: float = 0.05, ax=None
    ):
        """Prior class probabilities along a covariate.

        Parameters
        ----------
        covariate : str
            Column of the data.
        values : array_like, optional
            Default 61 values across its range, or its categories.
        at : dict of str to value, optional
            Of other covariates; default the mean, or the most frequent category.
        alpha : float
            Pointwise bands have coverage 1 - alpha.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            The covariate is none of the class probabilities.
        """
        designs = self.model.designs
        columns = list(designs.frame.columns) if designs.classes is not None else []
        inside = [str(name) for name in columns if str(name) in (designs.classes or "")]
        for name in (covariate, *(at or {})):
            if name not in inside:
                raise SpecificationError(
                    f"{name!r} is no covariate of the class probabilities{did_you_mean(name, inside)}"
                )
        if values is None:
            values = _values_of(designs.frame[covariate])
        grid = pd.DataFrame({covariate: values})
        for name in inside:
            if name != covariate:
                grid[name] = at[name] if at and name in at else _middle(designs.frame[name])
        table = self.class_probabilities(grid, alpha).reset_index(level="class")
        table["x"] = np.repeat(np.asarray(grid[covariate]), len(self._class_names))
        return plot_class_curves(table.reset_index(drop=True), covariate, ax)


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _values_of(values: pd.Series):
    """Values across the range of a covariate."""
    if _is_number(values) and values.nunique() > 2:
        return np.linspace(values.min(), values.max(), POINTS)
    return np.sort(values.dropna().unique())


def _middle(values: pd.Series):
    """Mean, or most frequent category."""
    return values.mean() if _is_number(values) else values.mode().iloc[0]
