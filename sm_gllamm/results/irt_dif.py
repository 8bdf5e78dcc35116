"""Differential item functioning: methods of results of item response models."""

from __future__ import annotations

import pandas as pd

from sm_gllamm.results.base import LatentVariableResults

__all__ = ["DifMethods"]


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
