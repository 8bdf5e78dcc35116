"""Predictions, residuals and simulated responses of latent class models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.classes.delta import interval, softmax_gradient, standard_errors
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.class_profiles import ClassProfileMethods

__all__ = ["ClassPredictionMethods"]

_WHICH = ("marginal", "posterior", "conditional", "class")


class ClassPredictionMethods(ClassProfileMethods):
    """Predictions; part of :class:`sm_gllamm.results.latent_class.LatentClassResults`."""

    # ------------------------------------------------------------ means
    def _expected_for(self, name: str, data) -> np.ndarray:
        """Probabilities or means of rows in each class, shape (C, n or 1, K)."""
        indicator, places = self.model.indicator_responses[name]
        params = np.asarray(self.params)
        if not indicator.varying:
            rows = indicator.rows()
        elif data is None:
            codes = self._codes_of_units(name)
            if (codes < 0).any():
                unit = int(np.argmax(codes < 0))
                row = self._cases(None)[2][self.model.assembly.layout.first[unit]]
                raise SpecificationError(
                    f"the covariates with direct effects on {name!r} are not kept for rows without a "
                    f"response to it (row {row!r}); pass the data to predict"
                )
            return self._expected_by_class(name)[:, self._cases(None)[1]]
        else:
            rows = indicator.rows(self.model.designs.direct_design(name, data))
        return np.array([indicator.expected(params[place], rows) for place in places])

    def predict(self, data=None, which: str = "marginal", items=None) -> pd.DataFrame:
        """Expected responses, or class probabilities, of the rows of the fit or of new data.

        Parameters
        ----------
        data : DataFrame, optional
            New cases. Covariates are needed, responses for ``"posterior"`` only.
        which : {"marginal", "posterior", "conditional", "class"}
            * "marginal": averaged over the prior class probabilities of the row;
            * "posterior": over its posterior class probabilities;
            * "conditional": in each class;
            * "class": prior class probabilities (see :meth:`posterior` for the others).
        items : str or list of str, optional
            Indicators; default all.

        Returns
        -------
        DataFrame
            Rows as the data. Columns (item, category), with "mean" for measured indicators; for
            ``"conditional"`` (class, item, category); for ``"class"`` the classes.

        Raises
        ------
        SpecificationError
            Missing covariates or columns, unknown categories.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.predict(data.iloc[[0, -1]], "posterior", "item_3").round(3))
        item     item_3
        category      0      1
        0         0.703  0.297
        999       0.341  0.659
        """
        if which not in _WHICH:
            raise SpecificationError(f"which={which!r} is not known; use one of {list(_WHICH)}")
        chosen = self._chosen_items(items)
        if which == "posterior":
            share = self.posterior(data)
        else:
            share = self._prior_of_rows(data)
        if which == "class":
            return share
        prior, index = share.to_numpy(), share.index
        if data is not None:
            data = data.rename(columns=str)
        columns: list[tuple] = []
        values: list[np.ndarray] = []
        for name in chosen:
            expected = self._expected_for(name, data)
            labels = [(name, label) for label in self._profiles()[name].labels]
            labels = labels[: expected.shape[2]]
            if which == "conditional":
                columns += [(c, *label) for c in self._class_names for label in labels]
                wide = np.broadcast_to(expected, (len(expected), len(prior), expected.shape[2]))
                values += list(wide)
            else:
                columns += labels
                full = np.broadcast_to(expected, (len(expected), len(prior), expected.shape[2]))
                values.append(np.einsum("nc,cnk->nk", prior, full))
        names = ["class", "item", "category"][-len(columns[0]) :]
        return pd.DataFrame(
            np.hstack(values), index, pd.MultiIndex.from_tuples(columns, names=names)
        )

    # ------------------------------------------------------------ class probabilities
    def _prior_of_rows(self, data) -> pd.DataFrame:
        """Prior class probabilities of rows."""
        if data is None:
            _, of_row, index, _ = self._cases(None)
            return pd.DataFrame(self._unit_prior()[of_row], index, self._class_names)
        value, _ = self._prior_with_gradient(data)
        return pd.DataFrame(value, data.index, self._class_names)

    def _prior_with_gradient(self, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Prior class probabilities of new rows, shape (n, C), with derivatives (n, C, p).

        Averages over the classes of clusters, which new rows may be in any of.
        """
        design, theta = self.model.design_for(data.rename(columns=str)), self.theta
        n_upper = self.model.cluster_effect.n_above
        logits, upper = self.model._logits(design, 1 if self.model.clustered else None)
        shares = np.ones(1)
        slope_above = np.zeros((n_upper, len(theta)))
        if upper is not None:
            shares = np.exp(upper.log_probabilities(theta))[0]
            slopes = softmax_gradient(shares)
            for d, place in enumerate(upper.places):
                slope_above[:, place] += slopes[:, d : d + 1]
        value = np.zeros((len(design), logits.n_classes))
        gradient = np.zeros((*value.shape, len(theta)))
        for h in range(n_upper):
            p = np.exp(logits.log_probabilities(theta, h))
            x, slopes = logits.columns(h), softmax_gradient(p)
            value += shares[h] * p
            gradient += p[:, :, None] * slope_above[h]
            for d, place in enumerate(logits.places):
                gradient[:, :, place] += shares[h] * slopes[:, :, d, None] * x[:, None, :]
        return value, gradient

    def class_probabilities(self, data: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
        """Prior class probabilities at given covariates, with intervals.

        Parameters
        ----------
        data : DataFrame
            With the covariates of the class probabilities.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            A row for each row of `data` and class: ``predicted``, ``se``, ``ci_lower``, ``ci_upper``.

        Notes
        -----
        Standard errors are by the delta method, intervals symmetric for logits of the probabilities.

        Examples
        --------
        >>> import pandas as pd
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import asvab
        >>> data = asvab.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> model = smg.LatentClass(data, n_classes=2, items=items, classes="~ female",
        ...                         freq_weights="freq")
        >>> table = model.fit().class_probabilities(pd.DataFrame({"female": [0, 1]}))
        >>> print(table.round(2))
                  predicted    se  ci_lower  ci_upper
          class
        0 class1       0.64  0.04      0.56      0.71
          class2       0.36  0.04      0.29      0.44
        1 class1       0.79  0.04      0.71      0.86
          class2       0.21  0.04      0.14      0.29
        """
        value, gradient = self._prior_with_gradient(data)
        se = standard_errors(gradient, np.asarray(self.cov_params()))
        lower, upper = interval(value, se, self._quantile(alpha), "logit")
        inside = (value > 0.0) & (value < 1.0)
        lower, upper = np.where(inside, lower, value), np.where(inside, upper, value)
        index = pd.MultiIndex.from_arrays(
            [data.index.repeat(value.shape[1]), np.tile(self._class_names, len(value))],
            names=[data.index.name, "class"],
        )
        columns = {"predicted": value, "se": se, "ci_lower": lower, "ci_upper": upper}
        return pd.DataFrame({k: v.ravel() for k, v in columns.items()}, index=index)

    # ------------------------------------------------------------ residuals
    def residuals(self, which: str = "marginal", kind: str = "response") -> pd.DataFrame:
        """Responses minus what is expected of them.

        Parameters
        ----------
        which : {"marginal", "posterior"}
            Expectations over the prior or posterior class probabilities of the row. With the posterior
            the response itself is part of what its expectation was made from.
        kind : {"response", "pearson"}
            Differences, or differences over the standard deviations of the responses over the classes.

        Returns
        -------
        DataFrame
            Columns (item, category): of categories 1 for the response less its probability, of measured
            indicators differences from the mean. NaN where responses are missing.
        """
        if which not in ("marginal", "posterior"):
            raise SpecificationError(f"which={which!r} is not known; use 'marginal' or 'posterior'")
        if kind not in ("response", "pearson"):
            raise SpecificationError(f"kind={kind!r} is not known; use 'response' or 'pearson'")
        likelihood, of_row, index, _ = self._cases(None)
        share = self._unit_prior() if which == "marginal" else self._unit_posterior(likelihood)
        columns: list[tuple] = []
        values: list[np.ndarray] = []
        for name, (indicator, places) in self.model.indicator_responses.items():
            expected = self._expected_by_class(name)
            full = np.broadcast_to(expected, (len(places), len(share), expected.shape[2]))
            mean = np.einsum("nc,cnk->nk", share, full)
            found = self._observed_by_unit(name) - mean
            if kind == "pearson":
                found = found / np.sqrt(self._variance_of_units(name, share, full, mean))
            found[self._codes_of_units(name) < 0] = np.nan
            columns += [(name, label) for label in indicator.columns]
            values.append(found[of_row])
        return pd.DataFrame(
            np.hstack(values), index, pd.MultiIndex.from_tuples(columns, names=["item", "category"])
        )

    def _variance_of_units(self, name: str, share, full, mean) -> np.ndarray:
        """Variances of responses over classes with given probabilities, shape (n, K)."""
        indicator, places = self.model.indicator_responses[name]
        if indicator.categorical:
            # one without uncertainty has no residual either
            return np.maximum(mean * (1.0 - mean), np.finfo(float).tiny)
        params, rows = np.asarray(self.params), indicator.rows()
        within = np.array([indicator.variance(params[place], rows) for place in places])
        if indicator.varying:
            within = within[:, np.maximum(self._codes_of_units(name), 0)]
        second = np.einsum("nc,cnk->nk", share, within + full**2)
        return second - mean**2

    # ------------------------------------------------------------ simulation
    def simulate(self, n: int = 1, seed=None, classes: bool = False) -> pd.DataFrame:
        """Responses drawn at the estimates for units with new classes.

        Parameters
        ----------
        n : int
            Number of data sets.
        seed : int or numpy.random.Generator, optional
        classes : bool
            Whether to add the classes that the responses were drawn from, in columns ``class`` and, where
            clusters have classes, ``upper``.

        Returns
        -------
        DataFrame
            The indicators as in the data, missing where they are missing there; a row with frequency weight
            m stands for m rows. Several data sets are below each other, with their numbers in front in the
            index.

        Raises
        ------
        SpecificationError
            Sampling weights, or data removed.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> result.simulate(2, seed=1).shape
        (2000, 5)
        """
        if n < 1:
            raise SpecificationError(f"n={n!r}: at least one data set is needed")
        rng = np.random.default_rng(seed)
        frames = [self._simulated(rng, classes) for _ in range(n)]
        return frames[0] if n == 1 else pd.concat(frames, keys=range(n), names=["sample", None])

    def _simulated(self, rng: np.random.Generator, classes: bool) -> pd.DataFrame:
        model = self.model
        drawn = model.draw(np.asarray(self.params), rng)
        out = {}
        for name, (indicator, _) in model.indicator_responses.items():
            values = drawn.values[name]
            if indicator.categorical:
                there = ~np.isnan(values)
                labels = pd.Series(np.asarray(indicator.columns, dtype=object)).infer_objects()
                codes = np.where(there, values, 0.0).astype(np.intp)
                column = labels.iloc[codes].reset_index(drop=True)
                values = column if there.all() else column.where(there)
            elif not np.isnan(values).any():
                # counts that are whole numbers in the data
                values = values.astype(model.inputs.frame[name].dtype)
            out[name] = np.asarray(values)
        index = self._cases(None)[2][drawn.row]
        table = pd.DataFrame(out, index=index)
        if classes:
            table["class"] = np.array(self._class_names, dtype=object)[drawn.classes]
            if drawn.upper is not None:
                above = drawn.upper[model.inputs.cluster[drawn.row]]
                table["upper"] = np.array(self._upper_names, dtype=object)[above]
        return table
