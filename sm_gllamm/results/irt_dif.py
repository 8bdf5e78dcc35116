"""Differential item functioning: methods of results of item response models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.plotting.dif_curves import plot_dif_curves
from sm_gllamm.plotting.dif_effects import plot_dif_effects
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["DifMethods"]

#: Points of curves, and step of differences in the parameters.
POINTS, STEP = 81, 1e-5
#: Shares of the highest score that have a logit.
LEAST = 1e-9


class DifMethods(LatentVariableResults):
    """Tests item by item."""

    def dif(
        self, by: str | None = None, items=None, kind: str = "both", method: str = "lr", anchors=None,
        purify: bool = True, alpha: float = 0.05, adjust: str = "fdr_bh", disp: int = 0,
    ) -> pd.DataFrame:  # fmt: skip
        """Test items for differential functioning (DIF), one at a time.

        Parameters
        ----------
        by : str, optional
            Formula of covariates of persons, ``"~ sex"``, whose direct effects on items are tested; the
            latent variables are regressed on them, too. Default the model's groups: parameters of an
            item are free in every group, with latent means and covariance matrices.
        items : str or list of str, optional
            Items to test; default all but the anchors.
        kind : {"both", "uniform", "nonuniform"}
            Intercepts and slopes, intercepts, or slopes.
        method : {"lr", "wald"}
            Likelihood-ratio or Wald tests.
        anchors : str or list of str, optional
            Items known to be free of DIF. Default all items but the one that is tested.
        purify : bool
            Items that are flagged are free in both models when the others are tested again, until the
            same items are flagged.
        alpha : float
        adjust : str
            Adjustment of p-values for several items, of ``statsmodels.stats.multitest.multipletests``.
        disp : int
            1 prints the items flagged in every round.

        Returns
        -------
        DataFrame
            A row an item: ``statistic``, ``df``, ``p_value``, ``converged``, ``p_adjusted``, ``flagged``,
            and effect sizes over the focal group (the last one; of covariates a unit of each): ``signed``
            and ``unsigned`` difference of expected scores, ``effect_size`` (standardised, Meade 2010), of
            binary items ``difficulty``, its difference, and ``ets_class``: A, negligible, B or C, large.

        Raises
        ------
        SpecificationError
            Models without groups if `by` is left out, unknown items, or sampling weights with
            ``method="lr"``.

        References
        ----------
        Thissen, D., Steinberg, L., & Wainer, H. (1993). Detection of differential item functioning using
        the parameters of item response models. In Holland & Wainer (eds.), Differential Item
        Functioning, 67-113.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import asvab
        >>> data = asvab.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> model = smg.IRT(data, items=items, regression="~ female", freq_weights="freq")
        >>> table = model.fit().dif("~ female", kind="uniform")
        >>> table["flagged"].tolist()
        [False, False, False, False]
        """
        self._estimated("tests for differential item functioning")
        return self.model.dif_tests(
            self, by=by, items=items, kind=kind, method=method, anchors=anchors, purify=purify,
            alpha=alpha, adjust=adjust, disp=disp,
        )  # fmt: skip

    def plot_dif(
        self, item: str, by: str | None = None, kind: str = "both", theta=None, alpha: float = 0.05,
        ax=None,
    ):  # fmt: skip
        """Expected scores of an item in the reference and the focal group.

        Parameters
        ----------
        item : str
        by, kind
            As for :meth:`dif`. The model is fitted with this item free.
        theta : array_like, shape (m,), optional
            Latent variable, in models of one dimension; default from -4 to 4.
        alpha : float
            Pointwise limits have coverage 1 - alpha (delta method, symmetric for logits).
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure
            The area between the curves is the darker the more persons of the focal group are there.

        Raises
        ------
        SpecificationError
            Models of several dimensions, unknown items, or no groups.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import asvab
        >>> data = asvab.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> model = smg.IRT(data, items=items, groups="female", freq_weights="freq")
        >>> figure = model.fit().plot_dif("item_2", kind="uniform")
        """
        self._estimated("tests for differential item functioning")
        design = self.model.layout.design
        if len(design.dimensions) + len(design.specific_names) > 1:
            raise SpecificationError("plot_dif() is for models of one dimension")
        fit, banks = self.model.dif_fit(self, item, by, kind)
        at = np.linspace(-4.0, 4.0, POINTS) if theta is None else np.asarray(theta, dtype=float)
        j = design.items.index(item)
        highest = design.n_categories[j] - 1
        params = np.asarray(fit.params)

        def logits(values):
            shares = [bank.items[j].expected_score(at[:, None]) / highest for bank in banks(values)]
            return logit(np.clip(np.concatenate(shares), LEAST, 1.0 - LEAST))

        centre = logits(params)
        slopes = np.empty((len(centre), len(params)))
        for k in range(len(params)):
            move = np.zeros(len(params))
            move[k] = STEP * (1.0 + abs(params[k]))
            slopes[:, k] = (logits(params + move) - logits(params - move)) / (2 * move[k])
        variance = np.einsum("mk,kl,ml->m", slopes, np.asarray(fit.cov_params()), slopes)
        half = stats.norm.ppf(1 - alpha / 2) * np.sqrt(np.maximum(variance, 0.0))
        names = ["reference", "focal"]
        if len(design.groups) > 1:
            names = [design.groups[0], design.groups[-1]]
        table = pd.DataFrame(
            {
                "item": item, "group": np.repeat(names, len(at)), "theta": np.tile(at, 2),
                "predicted": highest * expit(centre), "ci_lower": highest * expit(centre - half),
                "ci_upper": highest * expit(centre + half), "maximum": highest,
            }
        )  # fmt: skip
        focal = banks(params)[1]
        density = stats.norm.pdf(at, focal.mean[0], np.sqrt(focal.covariance[0, 0]))
        return plot_dif_curves(
            table, pd.DataFrame({"theta": at, "density": density}), design.dimensions[0],
            "probability" if highest == 1 else "expected score", axes=ax,
        )  # fmt: skip

    def plot_dif_effects(self, table: pd.DataFrame | None = None, ax=None, **options):
        """Standardised effect sizes of all items, those flagged marked.

        Parameters
        ----------
        table : DataFrame, optional
            What :meth:`dif` returned; default it is called with `options`.
        ax : matplotlib.axes.Axes, optional
        **options
            As for :meth:`dif`.

        Returns
        -------
        matplotlib.figure.Figure

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import asvab
        >>> data = asvab.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.IRT(data, items=items, groups="female", freq_weights="freq").fit()
        >>> figure = result.plot_dif_effects(kind="uniform")
        """
        if table is None:
            table = self.dif(**options)
        drawn = pd.DataFrame(
            {"item": table.index, "effect": table["effect_size"], "flag": table["flagged"]}
        )
        return plot_dif_effects(drawn, xlabel="standardised difference of expected scores", ax=ax)
