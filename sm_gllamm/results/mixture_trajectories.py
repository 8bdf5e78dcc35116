"""Means of the classes along a covariate: the trajectories of growth mixtures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.class_trajectories import plot_trajectories
from sm_gllamm.prediction.grid import curve_grid
from sm_gllamm.results.mixture_effects import MixtureEffectMethods

__all__ = ["TrajectoryMethods"]


class TrajectoryMethods(MixtureEffectMethods):
    """Trajectories; part of :class:`sm_gllamm.results.mixture.MixtureModelResults`."""

    def class_trajectories(
        self, x: str, by: str | None = None, at: Mapping | None = None, n: int = 25,
        which: str = "conditional", alpha: float = 0.05,
    ) -> pd.DataFrame:  # fmt: skip
        """Means of each class along a covariate, with intervals.

        Parameters
        ----------
        x : str
            Column of the data, such as time.
        by : str, optional
            Column for curves of their own.
        at : dict of str to value, optional
            Values of other columns; means and most frequent values where not given.
        n : int
            Points along a numeric `x`.
        which : {"conditional", "linear"}
            Mean response in each class, over random effects; or linear predictor.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            Columns ``class``, `x`, `by`, ``predicted``, ``se``, ``ci_lower``, ``ci_upper``, a row a
            class and point.

        Raises
        ------
        SpecificationError
            Unknown columns, models from arrays or of items, data removed, categorical responses.

        Notes
        -----
        Standard errors are by the delta method, intervals symmetric on the scale of the link.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import sleepstudy
        >>> data = sleepstudy.load_pandas().data
        >>> growth = smg.GLMM.from_formula("Reaction ~ Days + (1 | Subject)", data)
        >>> result = smg.Mixture(growth, n_classes=2).fit(n_starts=5)
        >>> print(result.class_trajectories("Days", n=2).round(1))
            class  Days  predicted    se  ci_lower  ci_upper
        0  class1   0.0      251.2   9.8     232.0     270.5
        1  class1   9.0      378.5  10.6     357.6     399.3
        2  class2   0.0      251.7  13.3     225.5     277.8
        3  class2   9.0      286.2  17.7     251.6     320.9
        """
        template = self._regression("class_trajectories")
        frame = getattr(template.data, "frame", None) if template.data is not None else None
        if frame is None:
            raise SpecificationError(
                "class_trajectories needs the data frame of a model from a formula"
            )
        if which not in ("conditional", "linear"):
            raise SpecificationError(f"which={which!r} is not known; use 'conditional' or 'linear'")
        grid = curve_grid(frame, x, by, at, n, getattr(template, "random_formula", ""))
        exposed = {key: 1.0 for key in ("exposure",) if template.exposure is not None}
        table = self.get_prediction(grid, which, **exposed)
        names = self._component_names
        if len(table.predicted) != len(grid) * len(names):
            raise SpecificationError(
                "class_trajectories is for responses with one mean; get_prediction has the others"
            )
        limits = np.asarray(table.conf_int(alpha=alpha))
        columns = [x] if by is None else [x, by]
        out = grid[columns].loc[grid.index.repeat(len(names))].reset_index(drop=True)
        out.insert(0, "class", np.tile(names, len(grid)))
        out["predicted"], out["se"] = table.predicted, table.se
        out["ci_lower"], out["ci_upper"] = limits[:, 0], limits[:, 1]
        order = np.argsort(np.tile(np.arange(len(names)), len(grid)), kind="stable")
        return out.iloc[order].reset_index(drop=True)

    def plot_class_trajectories(
        self, x: str, by: str | None = None, at: Mapping | None = None, n: int = 101,
        which: str = "conditional", alpha: float = 0.05, ax=None,
    ):  # fmt: skip
        """Plot the means of each class along a covariate.

        Parameters
        ----------
        x, by, at, n, which, alpha
            As in :meth:`class_trajectories`; `by` gives panels.
        ax : matplotlib.axes.Axes, optional
            Axes to draw in, without `by`.

        Returns
        -------
        matplotlib.figure.Figure
        """
        table = self.class_trajectories(x, by, at, n, which, alpha)
        name = self.model.template.endog_names
        ylabel = name if isinstance(name, str) else str(name[0])
        sizes = self.class_sizes()["estimate"] if self._component_names == self._class_names else (
            self.upper_class_sizes()["estimate"]
        )  # fmt: skip
        return plot_trajectories(table, x, by, sizes.to_dict(), ylabel, ax)
