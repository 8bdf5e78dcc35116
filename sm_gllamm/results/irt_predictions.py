"""Probabilities, expected scores and information: methods of results of item response models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logsumexp

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.information import along, item_information
from sm_gllamm.items.latent_quadrature import conditional_items
from sm_gllamm.items.probability_gradient import probability_gradient
from sm_gllamm.prediction.intervals import MixedPrediction
from sm_gllamm.results.irt_scores import ScoreMethods

__all__ = ["ItemPredictionMethods"]


class _Between:
    """The inverse of the logit of the share of the way from zero to the top."""

    def __init__(self, top: np.ndarray):
        self.top = top

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.top.reshape(-1, *(1,) * (x.ndim - 1)) * expit(x)


class ItemPredictionMethods(ScoreMethods):
    """Items as functions of the latent variables; part of
    :class:`sm_gllamm.results.irt.IRTResults`."""

    def _group_number(self, group: str | None) -> int:
        return 0 if group is None else self._group_numbers(group)[0]

    def _item_numbers(self, items: str | Sequence[str] | None) -> list[int]:
        """Positions of items."""
        names = list(self.model.layout.design.items)
        if items is None:
            return list(range(len(names)))
        wanted = [items] if isinstance(items, str) else list(items)
        if unknown := [name for name in wanted if name not in names]:
            raise SpecificationError(f"{unknown[0]!r} is no item; they are {names}")
        return [names.index(name) for name in wanted]

    def predict(
        self, theta=None, which: str = "probability", group: str | None = None, cluster=None
    ) -> pd.DataFrame:
        """Probabilities of responses, or expected codes, at given latent variables.

        Parameters
        ----------
        theta : array_like, shape (m,) or (m, q), optional
            Latent variables; default averages over their distribution.
        which : {"probability", "mean"}
        group : str, optional
            Label of a group, default the first.
        cluster : label, optional
            Of models with random items: the cluster whose items are meant, which are at their posterior
            means (:attr:`item_effects`). Default: with `theta` the items of the average cluster; without
            it probabilities are averaged over clusters, too.

        Returns
        -------
        DataFrame, shape (m, number of categories of all items) or (m, n_items)
            Columns (item, category), or items; rows as `theta`, if it is of one latent variable.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.predict([-1.0, 1.0], which="mean").round(3))
               item_1  item_2  item_3  item_4  item_5
        theta
        -1.0    0.875   0.566   0.345   0.645   0.802
         1.0    0.973   0.847   0.758   0.878   0.938
        """
        if which not in ("probability", "mean"):
            raise SpecificationError(f"which={which!r} is not known; use 'probability' or 'mean'")
        bank = self.model.bank_at(np.asarray(self.params), self._group_number(group))
        if cluster is not None:
            bank = self._bank_in_cluster(bank, cluster)
            if theta is None:
                raise SpecificationError("give theta: cluster= is for given latent variables")
        if theta is None and self._item_effect_names():
            shares = self.model.predict(np.asarray(self.params), group=self._group_number(group))
            found, index = shares, pd.RangeIndex(1)
        elif theta is None:
            population = conditional_items(bank)
            found = [(population.weights @ p)[None] for p in population.by_item()]
            index = pd.RangeIndex(1)
        else:
            at, index = _points(bank, theta)
            found = [item.probabilities(at) for item in bank.items]
        if which == "mean":
            means = [p @ np.arange(p.shape[1]) for p in found]
            return pd.DataFrame(np.column_stack(means), index=index, columns=bank.names)
        keys = [(item.name, category) for item in bank.items for category in item.categories]
        columns = pd.MultiIndex.from_tuples(keys, names=["item", "category"])
        return pd.DataFrame(np.concatenate(found, axis=1), index=index, columns=columns)

    def _bank_in_cluster(self, bank: ItemBank, cluster) -> ItemBank:
        """The items as a cluster has them, at the posterior means of its differences."""
        effects = self.item_effects
        if cluster not in effects.index:
            raise SpecificationError(f"cluster={cluster!r} is none of the clusters of the model")
        values = effects.loc[cluster, self._item_effect_names()].to_numpy()
        return self.model.with_effects(bank, values)

    def get_prediction(
        self, theta, which: str = "probability", items: str | Sequence[str] | None = None,
        group: str | None = None,
    ) -> MixedPrediction:  # fmt: skip
        """Probabilities of responses, or expected scores, with standard errors and limits.

        Parameters
        ----------
        theta : array_like, shape (m,) or (m, q)
            Latent variables, which are taken as known.
        which : {"probability", "mean", "total"}
            Of all categories; expected code of each item; expected sum of the codes of the items.
        items : str or sequence of str, optional
        group : str, optional
            Label of a group, default the first.

        Returns
        -------
        MixedPrediction
            With ``predicted``, ``se``, ``conf_int(alpha=0.05)`` and ``summary_frame()``. Rows are (theta,
            item, category), (theta, item) or theta, the latent variable or, of several, the number of the
            point.

        Notes
        -----
        Standard errors are by the delta method. Limits are symmetric for logits, of expected scores for
        those of their share of the highest score, so that they stay within the range.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.get_prediction([0.0], items="item_1").summary_frame().round(3))
                               predicted     se  ci_lower  ci_upper
        theta item   category
        0.0   item_1 0             0.059  0.011     0.040     0.085
                     1             0.941  0.011     0.915     0.960
        """
        if which not in ("probability", "mean", "total"):
            raise SpecificationError(
                f"which={which!r} is not known; use 'probability', 'mean' or 'total'"
            )
        found = self._jacobian(self._group_number(group))
        at, index = _points(found.bank, theta)
        values: list[np.ndarray] = []
        gradients: list[np.ndarray] = []
        rests: list[np.ndarray] = []
        keys: list[tuple] = []
        tops: list[float] = []
        for j in self._item_numbers(items):
            item = found.bank.items[j]
            gradient = probability_gradient(item, at) @ found.items[j]
            log_p = item.log_probabilities(at)
            if which == "probability":
                # of the other categories, accurate where that is nearly nothing
                rest = [logsumexp(np.delete(log_p, k, 1), axis=1) for k in range(log_p.shape[1])]
                values.append(np.exp(log_p))
                rests.append(np.exp(np.column_stack(rest)))
                gradients.append(gradient)
                keys += [(item.name, category) for category in item.categories]
                tops += [1.0] * item.n_categories
            else:
                codes, p = np.arange(item.n_categories), np.exp(log_p)
                values.append((p @ codes)[:, None])
                rests.append((p @ (codes[-1] - codes))[:, None])
                gradients.append((codes @ gradient)[:, None, :])
                keys.append((item.name,))
                tops.append(float(codes[-1]))
        value, below_top = np.concatenate(values, axis=1), np.concatenate(rests, axis=1)
        slope, top = np.concatenate(gradients, axis=1), np.array(tops)
        if which == "total":
            value, below_top = value.sum(axis=1)[:, None], below_top.sum(axis=1)[:, None]
            slope, top, keys = slope.sum(axis=1)[:, None], top.sum()[None], [()]
        names = [index.name or "point", "item", "category"][: 1 + len(keys[0])]
        labels = pd.MultiIndex.from_tuples([(x, *key) for x in index for key in keys], names=names)
        return _prediction(
            value, below_top, slope, top, np.asarray(self.cov_params()),
            index if which == "total" else labels,
        )  # fmt: skip

    def expected_score(self, theta, items=None, group: str | None = None) -> pd.DataFrame:
        """Expected sum score at given latent variables: the test characteristic curve.

        Parameters
        ----------
        theta : array_like, shape (m,) or (m, q)
        items : str or sequence of str, optional
            Items that are summed.
        group : str, optional
            Label of a group, default the first.

        Returns
        -------
        DataFrame
            Rows as `theta`; columns ``predicted``, ``se``, ``ci_lower``, ``ci_upper``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.expected_score([-1.0, 1.0]).round(2))
               predicted    se  ci_lower  ci_upper
        theta
        -1.0        3.23  0.07      3.10      3.36
         1.0        4.39  0.05      4.29      4.49
        """
        return self.get_prediction(theta, "total", items, group).summary_frame()

    def information(
        self, theta=None, items=None, direction=None, group: str | None = None
    ) -> pd.DataFrame:
        """Information of the items, and of all together, about a latent variable.

        Parameters
        ----------
        theta : array_like, shape (m,) or (m, q), optional
            Values of one latent variable, the others being at their means, or points. Default 81 values
            from -4 to 4 standard deviations around the mean.
        items : str or sequence of str, optional
            Items, of which the total is, too.
        direction : str or array_like, shape (q,), optional
            Name of the latent variable, or direction of a composite; needed if there are several.
        group : str, optional
            Label of a group, default the first.

        Returns
        -------
        DataFrame
            A column an item, ``total``, and ``se``, the standard error of measurement
            ``1 / sqrt(total)``.

        Notes
        -----
        Fisher information ``sum_k P_k'(theta)^2 / P_k(theta)``; in a direction d of length one ``d'I d``,
        the others being known (Reckase & McKinley 1991).

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.information([-2.0, 0.0], items=["item_1", "item_2"]).round(3))
               item_1  item_2  total     se
        theta
        -2.0    0.126   0.124  0.250  1.998
         0.0    0.038   0.103  0.141  2.664
        """
        bank = self.model.bank_at(np.asarray(self.params), self._group_number(group))
        bank = bank.select(self._item_numbers(items))
        if direction is None and len(bank.dimensions) == 1:
            direction = bank.dimensions[0]
        if theta is None or np.ndim(theta) == 1:
            if theta is None:
                place = bank.dimensions.index(direction) if isinstance(direction, str) else None
                sd = 1.0 if place is None else np.sqrt(bank.covariance[place, place])
                mean = 0.0 if place is None else bank.mean[place]
                theta = mean + sd * np.linspace(-4.0, 4.0, 81)
            at = along(bank, np.asarray(theta, dtype=float), direction)
            name = direction if isinstance(direction, str) else None
            index = pd.Index(np.asarray(theta, dtype=float), name=name)
        else:
            at, index = _points(bank, theta)
        own = item_information(bank, at, direction)
        frame = pd.DataFrame(own, index=index, columns=bank.names)
        total = own.sum(axis=1)
        with np.errstate(divide="ignore"):
            return frame.assign(total=total, se=1.0 / np.sqrt(total))


def _points(bank: ItemBank, theta) -> tuple[np.ndarray, pd.Index]:
    """Latent variables with a row a point, and labels of the points."""
    at, q = np.asarray(theta, dtype=float), len(bank.dimensions)
    if q == 1 and at.ndim <= 1:
        at = at.reshape(-1, 1)
    if at.ndim != 2 or at.shape[1] != q:
        raise SpecificationError(
            f"theta of shape {at.shape} must have the shape (m, {q}): a row a point, a column a latent "
            f"variable ({', '.join(bank.dimensions)})"
        )
    if not np.isfinite(at).all():
        raise SpecificationError("theta must be finite numbers")
    index = pd.Index(at[:, 0], name=bank.dimensions[0]) if q == 1 else pd.RangeIndex(len(at))
    return at, index


def _prediction(value, rest, gradient, top, cov, labels) -> MixedPrediction:
    """Predictions between zero and the top, of which `rest` is the distance."""
    variance = np.einsum("mkp,pq,mkq->mk", gradient, cov, gradient, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = np.log(value) - np.log(rest)
        linear_se = np.sqrt(variance) * top / (value * rest)
    # next to the limits rounding is all there is
    lost = ~np.isfinite(linear_se)
    linear_se = np.where(lost, 0.0, linear_se)
    found = MixedPrediction(
        value.ravel(), variance.ravel(), linpred=linear.ravel(), linpred_se=linear_se.ravel(),
        func=_Between(np.tile(top, len(value))), row_labels=labels,
    )  # fmt: skip
    found.which = "conditional"
    return found
