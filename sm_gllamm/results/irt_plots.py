"""Plots of items and persons of item response models; they need matplotlib, the extra ``plot``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import norm

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.information import along, item_information
from sm_gllamm.items.latent_quadrature import dependence
from sm_gllamm.items.probability_gradient import coefficients
from sm_gllamm.plotting.information import plot_item_information, plot_test_information
from sm_gllamm.plotting.item_curves import (
    plot_category_curves,
    plot_expected_scores,
    plot_item_curves,
)
from sm_gllamm.plotting.item_fit import plot_item_fit
from sm_gllamm.plotting.sum_scores import plot_sum_scores
from sm_gllamm.plotting.wright_map import plot_wright_map
from sm_gllamm.results.bank_jacobian import BankJacobian
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ItemPlotMethods"]

#: Default range of a latent variable, in standard deviations, and number of points.
REACH, POINTS = 4.0, 101
#: Parts of the latent variable for which proportions are shown beside curves, and nodes for these.
TENTHS, NODES = 10, 161
#: Posterior probabilities that are held at a time.
BLOCK = 4_000_000
#: Locations of items farther from the mean than this, in standard deviations, do not stretch a map.
FARTHEST = 5.0


class ItemPlotMethods(LatentVariableResults):
    """Plots of items and persons; part of :class:`sm_gllamm.results.irt.IRTResults`."""

    # ------------------------------------------------------------ what is drawn
    def _dimension(self, dimension: str | None) -> tuple[int, str]:
        """Position of a latent variable, the first by default, and what its axis says."""
        names = self.bank.dimensions
        name = names[0] if dimension is None else dimension
        if name not in names:
            raise SpecificationError(f"dimension={name!r} is not known; use one of {list(names)}")
        return names.index(name), name if len(names) == 1 else f"{name}, others at their means"

    def _grid(self, theta, d: int) -> np.ndarray:
        """Values of a latent variable: those given, or the range of all groups."""
        if theta is not None:
            values = np.atleast_1d(np.asarray(theta, dtype=float))
            if values.ndim != 1 or not np.isfinite(values).all():
                raise SpecificationError("theta must be a vector of finite numbers")
            return values
        banks = self.banks.values()
        sds = [REACH * _spread(bank, d) for bank in banks]
        low = min(bank.mean[d] - sd for bank, sd in zip(banks, sds, strict=True))
        high = max(bank.mean[d] + sd for bank, sd in zip(banks, sds, strict=True))
        return np.linspace(low, high, POINTS)

    def _chosen(self, items, default: Sequence[str]) -> list[int]:
        """Positions of items that are asked for."""
        names = list(self.model.item_responses.items)
        items = [items] if isinstance(items, str) else list(default if items is None else items)
        if unknown := [name for name in items if name not in names]:
            raise SpecificationError(f"items= names {unknown[0]!r}, which is none of {names}")
        return [names.index(name) for name in items]

    def _one_group(self, group: str | None) -> tuple[int, str]:
        """Position of a group, the first by default, and what labels say of it."""
        g = self._group_number(group)
        labels = self.model.group_labels
        return g, f" ({labels[g]})" if len(labels) > 1 else ""

    def _errors(self, gradient: np.ndarray) -> np.ndarray:
        """Standard errors from derivatives in the parameters, (..., p); zero of what is fixed.

        NaN of what depends on a variance that is estimated as zero.
        """
        used = gradient.reshape(-1, gradient.shape[-1]).any(axis=0)
        own = gradient[..., used]
        cov = np.asarray(self.cov_params())[np.ix_(used, used)]
        variance = ((own @ cov) * own).sum(axis=-1)
        lost = own[..., self._at_boundary()[used]].any(axis=-1)
        return np.where(lost, np.nan, np.sqrt(np.maximum(variance, 0.0)))

    # ------------------------------------------------------------ curves of items
    def _predictions(self, which: str, items, theta, d: int, g: int, alpha: float) -> pd.DataFrame:
        """Predictions along a latent variable with limits, in the columns that plots read."""
        at = along(self.model.bank_at(np.asarray(self.params), g), theta, d)
        found = self.get_prediction(at, which, items, self.model.group_labels[g])
        table = found.summary_frame(alpha=alpha).reset_index()
        table["theta"] = np.repeat(theta, len(table) // len(theta))
        return table

    def _observed(self, bank: ItemBank, g: int, chosen: list[int]) -> pd.DataFrame:
        """Proportions of responses among persons in tenths of the latent variable.

        Persons count in each tenth with its posterior probability.
        """
        if len(bank.dimensions) > 1 or self.model.layout.design.dif or self.model.item_effects:
            raise SpecificationError(
                "observed=True is for one latent variable and items without direct effects of "
                "covariates that do not differ between clusters: proportions are averages over "
                "everything else that an item depends on"
            )
        first, _, weight = self._patterns()
        here = self.model.groups[first] == g
        which, weight = first[here], weight[here]
        means = self.model.latent_means(np.asarray(self.params))[which, 0]
        sd = _spread(bank, 0)
        nodes = np.linspace(means.min() - 5.0 * sd, means.max() + 5.0 * sd, NODES)
        mass = np.zeros(NODES)
        counts = {j: np.zeros((bank.items[j].n_categories, NODES)) for j in chosen}
        step = max(1, BLOCK // NODES)
        for start in range(0, len(which), step):
            persons = slice(start, start + step)
            codes = self.model.codes[which[persons]]
            log_p = bank.log_likelihood(codes, nodes[:, None])
            log_p -= 0.5 * ((nodes - means[persons, None]) / sd) ** 2
            posterior = softmax(log_p, axis=1) * weight[persons, None]
            mass += posterior.sum(axis=0)
            for j in chosen:
                for k in range(len(counts[j])):
                    counts[j][k] += posterior[codes[:, j] == k].sum(axis=0)
        middle = (np.cumsum(mass) - mass / 2.0) / mass.sum()
        tenths = [part for t in range(TENTHS) if len(part := np.flatnonzero(middle // 0.1 == t))]
        rows = []
        for j in chosen:
            for part in tenths:
                n = counts[j][:, part].sum(axis=0)
                if n.sum() > 0.0:
                    place = n @ nodes[part] / n.sum()
                    rows += [
                        (bank.names[j], category, place, own[part].sum() / n.sum(), n.sum())
                        for category, own in zip(bank.items[j].categories, counts[j], strict=True)
                    ]
        return pd.DataFrame(rows, columns=["item", "category", "theta", "proportion", "n"])

    def plot_item_curves(
        self, items=None, theta=None, alpha: float = 0.05, observed: bool = False,
        dimension: str | None = None, group: str | None = None, panels: bool | None = None, axes=None,
    ):  # fmt: skip
        """Item characteristic curves of binary items: the probability of code 1, with bands.

        Parameters
        ----------
        items : str or list of str, optional
            Default all binary items that measure the latent variable.
        theta : array_like, shape (m,), optional
            Values of the latent variable; default four standard deviations around the mean.
        alpha : float
            Pointwise bands have coverage 1 - alpha: by the delta method, symmetric for logits.
        observed : bool
            Whether to add observed proportions in tenths of the latent variable, in which persons count
            with their posterior probabilities: where the model holds they are near the curves whatever
            the length of the test (groups of persons with similar scores are not). In short tests
            they follow the curves too readily; `plot_item_fit` is sharper.
        dimension : str, optional
            Latent variable along which the curves go, the others being at their means in the group;
            default the first.
        group : str, optional
            Default the first one.
        panels : bool, optional
            Whether each item has its own panel; default for more than eight.
        axes : matplotlib.axes.Axes or sequence of them, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Items that are not binary, unknown names, or observed proportions with several dimensions
            or direct effects of covariates.

        Notes
        -----
        Covariates with direct effects on items are zero.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_item_curves(["item_1", "item_3"])
        """
        (g, label), (d, name) = self._one_group(group), self._dimension(dimension)
        bank = self.model.bank_at(np.asarray(self.params), g)
        two = [j for j, item in enumerate(bank.items) if item.n_categories == 2]
        chosen = self._chosen(items, _measuring(bank.select(two), d))
        wide = [bank.names[j] for j in chosen if bank.items[j].n_categories > 2]
        if wide or not chosen:
            what = f"item {wide[0]!r} has" if wide else f"all items of {name} have"
            raise SpecificationError(
                f"{what} more than two categories; use plot_category_curves or plot_expected_scores"
            )
        names = [bank.names[j] for j in chosen]
        table = self._predictions("probability", names, self._grid(theta, d), d, g, alpha)
        points = self._observed(bank, g, chosen) if observed else None
        # the second category of each item
        right = {bank.names[j]: bank.items[j].categories[1] for j in chosen}
        table = table[table["category"] == table["item"].map(right)]
        if points is not None:
            points = points[points["category"] == points["item"].map(right)]
        same = set(right.values())
        what = f" of {same.pop()!s}" if len(same) == 1 else ""
        return plot_item_curves(table, points, panels, name, f"probability{what}{label}", axes)

    def plot_category_curves(
        self, items=None, theta=None, alpha: float = 0.05, observed: bool = False,
        dimension: str | None = None, group: str | None = None, axes=None,
    ):  # fmt: skip
        """Probabilities of all categories of items by the latent variable, with bands.

        Parameters
        ----------
        items : str or list of str, optional
            Default all that measure the latent variable.
        theta, alpha, observed, dimension, group
            As for :meth:`plot_item_curves`.
        axes : matplotlib.axes.Axes or sequence of them, optional
            One for each item.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Unknown names, or observed proportions with several dimensions or direct effects of
            covariates.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import science
        >>> data = science.load_pandas().data
        >>> result = smg.IRT(data[["comfort", "work", "future", "benefit"]]).fit()
        >>> figure = result.plot_category_curves()
        """
        (g, label), (d, name) = self._one_group(group), self._dimension(dimension)
        bank = self.model.bank_at(np.asarray(self.params), g)
        chosen = self._chosen(items, _measuring(bank, d))
        names = [bank.names[j] for j in chosen]
        table = self._predictions("probability", names, self._grid(theta, d), d, g, alpha)
        points = self._observed(bank, g, chosen) if observed else None
        return plot_category_curves(table, points, name, f"probability{label}", axes)

    def plot_expected_scores(
        self, items=None, theta=None, alpha: float = 0.05, dimension: str | None = None, axes=None,
    ):  # fmt: skip
        """Expected scores by the latent variable with bands, by group.

        Parameters
        ----------
        items : str or list of str, optional
            A panel for each; default one curve of the expected sum score (test characteristic curve).
        theta, alpha, dimension
            As for :meth:`plot_item_curves`. Bands are symmetric for the logit of the share of the
            largest score.
        axes : matplotlib.axes.Axes or sequence of them, optional
            One for each item, or one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Unknown names.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_expected_scores()
        """
        d, name = self._dimension(dimension)
        theta = self._grid(theta, d)
        chosen = [self.bank.items[j] for j in self._chosen(items, self.bank.names)]
        most = pd.Series({item.name: item.n_categories - 1.0 for item in chosen})
        which, names = ("total" if items is None else "mean"), list(most.index)
        tables = []
        for g, label in enumerate(self.model.group_labels):
            table = self._predictions(which, names, theta, d, g, alpha)
            table["maximum"] = most.sum() if items is None else table["item"].map(most)
            if len(self.model.group_labels) > 1:
                table["group"] = label
            tables.append(table)
        what = "expected sum score" if items is None else "expected score"
        return plot_expected_scores(pd.concat(tables, ignore_index=True), name, what, axes)

    # ------------------------------------------------------------ information
    def _information_table(self, found: BankJacobian, chosen, theta, d, alpha, total: bool):
        """Information of items, or the total of all of them, with limits symmetric for logarithms."""
        at = along(found.bank, theta, d)
        values = item_information(found.bank.select(chosen), at, d)
        gradients = [
            _information_gradient(found.bank.items[j], at, d) @ found.items[j] for j in chosen
        ]
        names = [found.bank.items[j].name for j in chosen]
        if total:
            values, gradients, names = values.sum(axis=1, keepdims=True), [sum(gradients)], [None]
        tables = []
        for value, gradient, name in zip(values.T, gradients, names, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                half = self._quantile(alpha) * self._errors(gradient) / value
                half = np.where(value > 0.0, half, 0.0)
                table = pd.DataFrame(
                    {"theta": theta, "information": value, "ci_lower": value * np.exp(-half),
                     "ci_upper": value * np.exp(half), "se": 1.0 / np.sqrt(value)}
                )  # fmt: skip
            tables.append(table if name is None else table.assign(item=name))
        return pd.concat(tables, ignore_index=True)

    def plot_information(
        self, items=None, theta=None, alpha: float = 0.05, dimension: str | None = None,
        group: str | None = None, panels: bool | None = None, axes=None,
    ):  # fmt: skip
        """Information of items by the latent variable, with bands.

        Parameters
        ----------
        items : str or list of str, optional
            Default all that measure the latent variable.
        theta, alpha, dimension, group, panels
            As for :meth:`plot_item_curves`; bands are symmetric for logarithms. Information about one
            of several latent variables is that which there is if the others are known.
        axes : matplotlib.axes.Axes or sequence of them, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Unknown names.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_information()
        """
        (g, _), (d, name) = self._one_group(group), self._dimension(dimension)
        found, theta = self._jacobian(g), self._grid(theta, d)
        chosen = self._chosen(items, _measuring(found.bank, d))
        table = self._information_table(found, chosen, theta, d, alpha, False)
        return plot_item_information(table, panels, name, axes)

    def plot_test_information(
        self, theta=None, alpha: float = 0.05, items: bool = False, dimension: str | None = None,
        ax=None,
    ):  # fmt: skip
        """Information of the test and the standard error of measurement, by group where they differ.

        Parameters
        ----------
        theta, alpha, dimension
            As for :meth:`plot_item_curves`; bands of the information are symmetric for logarithms.
        items : bool
            Whether to add the information of single items (of the first group).
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Unknown dimension.

        Notes
        -----
        The standard error is that of ML scores, one over the root of the information.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_test_information(items=True)
        """
        d, name = self._dimension(dimension)
        found = [self._jacobian(g) for g in range(len(self.model.group_labels))]
        theta, chosen = self._grid(theta, d), self._chosen(None, _measuring(found[0].bank, d))
        tables = [self._information_table(one, chosen, theta, d, alpha, True) for one in found]
        same = all(
            np.array_equal(table["information"], tables[0]["information"]) for table in tables
        )
        if same:
            tables = tables[:1]
        else:
            labels = self.model.group_labels
            tables = [t.assign(group=label) for t, label in zip(tables, labels, strict=True)]
        of_items = None
        if items:
            of_items = self._information_table(found[0], chosen, theta, d, alpha, False)
        return plot_test_information(pd.concat(tables, ignore_index=True), of_items, name, ax)

    # ------------------------------------------------------------ persons and items
    def plot_wright_map(
        self, items=None, alpha: float | None = 0.05, method: str = "EAP", density: bool = False,
        dimension: str | None = None, group: str | None = None, layout: str | None = None, bins="auto",
        limits: Sequence[float] | None = None, axes=None,
    ):  # fmt: skip
        """Wright map: scores of persons beside difficulties and thresholds of items.

        Parameters
        ----------
        items : str or list of str, optional
            Default all that measure the latent variable.
        alpha : float or None
            One minus the coverage of the intervals of locations (delta method); None draws none.
        method : {"EAP", "MAP", "ML", "WLE"}
            Scores of persons; those that are not finite are left out.
        density : bool
            Whether to add the distribution of the latent variable under the model, which is wider than
            that of EAP scores.
        dimension : str, optional
            Latent variable; default the first. Of items that measure several, locations are where the
            others are at their means.
        group : str, optional
            Persons of one group; default all of them. Items are those of that or the first group.
        layout : {"names", "columns"}, optional
            Names at the locations, or a column for each item; default columns if there are intervals
            or items with several thresholds.
        bins : int, str or sequence of float
            Of the histogram.
        limits : sequence of two floats, optional
            Of the scale; by default items farther than five standard deviations from the mean are drawn
            as triangles at the edge.
        axes : sequence of two matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            Unknown names, or no item with a location.

        Notes
        -----
        Locations are those of ``item_table("difficulty")``: where the predictor of a binary item or of a
        threshold of a graded item is zero, and where neighbouring categories of a partial credit item
        are equally likely. Nominal items have none.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data, "Rasch").fit()
        >>> figure = result.plot_wright_map()
        """
        (g, _), (d, name) = self._one_group(group), self._dimension(dimension)
        found = self._jacobian(g)
        chosen = self._chosen(items, _measuring(found.bank, d))
        # names leave no room for intervals
        table = self._location_table(found, chosen, d, None if layout == "names" else alpha)
        first, _, weight = self._patterns()
        here = slice(None) if group is None else self.model.groups[first] == g
        score = self._scores(method)[0].estimate[first[here], d]
        weight = weight[here]
        finite = np.isfinite(score)
        score, weight = score[finite], weight[finite]
        weights: np.ndarray | None = weight
        if not self.model.weights.sampling and (weight == np.round(weight)).all():
            # whole persons, so that the histogram counts them
            score, weights = np.repeat(score, weight.astype(int)), None
        curve = self._latent_density(d, None if group is None else g) if density else None
        if limits is None:
            limits = self._map_limits(found.bank, d, score, table, curve)
        text = name.replace(", others at their means", "")
        return plot_wright_map(score, table, weights, curve, layout, bins, limits, text, axes)

    def _location_table(self, found: BankJacobian, chosen, d: int, alpha) -> pd.DataFrame:
        """Difficulties and thresholds of items on a latent variable, with limits."""
        rows = []
        for j in chosen:
            item = found.bank.items[j]
            places, gradient = _locations(item, found.bank.mean, d)
            errors = self._errors(gradient @ found.items[j])
            for k, (place, error) in enumerate(zip(places, errors, strict=True)):
                rows.append((item.name, k + 1, place, error))
        table = pd.DataFrame(rows, columns=["item", "threshold", "location", "error"])
        error = table.pop("error")
        if alpha is not None:
            half = self._quantile(alpha) * error
            table["ci_lower"], table["ci_upper"] = (
                table["location"] - half,
                table["location"] + half,
            )
        return table

    def _latent_density(self, d: int, group: int | None) -> pd.DataFrame:
        """Density of a latent variable over the persons."""
        first, _, weight = self._patterns()
        means = self.model.latent_means(np.asarray(self.params))[first, d]
        banks, groups = list(self.banks.values()), self.model.groups[first]
        sds = np.sqrt([bank.covariance[d, d] for bank in banks])
        if not sds.all():
            raise SpecificationError(
                f"the variance of {banks[0].dimensions[d]!r} is zero: there is no density to draw"
            )
        wanted = range(len(banks)) if group is None else [group]
        low = min(means[groups == g].min() - REACH * sds[g] for g in wanted)
        high = max(means[groups == g].max() + REACH * sds[g] for g in wanted)
        theta = np.linspace(low, high, 2 * POINTS)
        total = np.zeros(len(theta))
        for g in wanted:
            here = groups == g
            # persons whose means are nearly the same together
            places, of_person = np.unique(
                np.round(means[here] / (0.01 * sds[g])) * 0.01 * sds[g], return_inverse=True
            )
            share = np.bincount(of_person, weight[here])
            total += norm.pdf(theta[:, None], places, sds[g]) @ share
        wanted_weight = weight[np.isin(groups, list(wanted))].sum()
        return pd.DataFrame({"theta": theta, "density": total / wanted_weight})

    def _map_limits(self, bank: ItemBank, d: int, score, table: pd.DataFrame, curve):
        """Limits that hold the persons, and locations that are not too far away."""
        sd = _spread(bank, d)
        columns = [c for c in ("location", "ci_lower", "ci_upper") if c in table]
        places = np.clip(
            table[columns].to_numpy(dtype=float), bank.mean[d] - FARTHEST * sd,
            bank.mean[d] + FARTHEST * sd,
        ).ravel()  # fmt: skip
        shown = [places[np.isfinite(places)], score]
        if curve is not None:
            shown.append(curve["theta"][curve["density"] > 1e-3 * curve["density"].max()])
        values = np.concatenate(shown)
        margin = 0.05 * np.ptp(values)
        return values.min() - margin, values.max() + margin

    # ------------------------------------------------------------ scores
    def plot_item_fit(
        self, items=None, alpha: float = 0.05, group: str | None = None, min_expected: float = 1.0,
        axes=None,
    ):  # fmt: skip
        """Observed and expected proportions of responses by sum score, with S-X2 tests.

        Parameters
        ----------
        items : str or list of str, optional
            Default all.
        alpha : float
            One minus the coverage of the intervals of observed proportions of binary items (Wilson
            1927).
        group : str, optional
            Default the first one.
        min_expected : float
            As for :meth:`item_fit`; the figure shows the cells before they are joined.
        axes : matplotlib.axes.Axes or sequence of them, optional
            One for each item.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            As :meth:`item_fit` does.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_item_fit()
        """
        g, _ = self._one_group(group)
        fit, bank = self._sum_score_fits(min_expected)[g], list(self.banks.values())[g]
        chosen = self._chosen(items, bank.names)
        several = any(bank.items[j].n_categories > 2 for j in chosen)
        rows, notes, q = [], {}, self._quantile(alpha)
        for j in chosen:
            item, table = bank.items[j], fit.tables[j]
            n = table.observed.sum(axis=1)
            for k in range(0 if several else 1, item.n_categories):
                for s in np.flatnonzero(n > 0):
                    share = table.observed[s, k] / n[s]
                    rows.append(
                        (item.name, item.categories[k], table.scores[s], share,
                         table.expected[s, k] / n[s], n[s], *_wilson(share, n[s], q))
                    )  # fmt: skip
            tail = "no df" if np.isnan(fit.p_value[j]) else f"p = {fit.p_value[j]:.3f}"
            notes[item.name] = f"S-X2({fit.df[j]}) = {fit.statistic[j]:.1f}\n{tail}"
        columns = ["item", "category", "score", "observed", "expected", "n", "ci_lower", "ci_upper"]
        frame = pd.DataFrame(rows, columns=columns)
        # intervals of several categories would cover each other
        frame = frame.drop(columns=["ci_lower", "ci_upper"] if several else "category")
        return plot_item_fit(frame, notes, axes=axes)

    def plot_sum_scores(
        self, multiple: float = 1.0, dimension: str | None = None, group: str | None = None, ax=None
    ):
        """Posterior means of a latent variable by sum score, above the distribution of sum scores.

        Parameters
        ----------
        multiple : float
            Half-width of the bars in posterior standard deviations.
        dimension : str, optional
            Latent variable; default the first.
        group : str, optional
            Default all groups, beside each other.
        ax : matplotlib.axes.Axes, optional
            For the posterior means alone.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            As :meth:`sum_score_table` does.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> figure = result.plot_sum_scores()
        """
        name = self.bank.dimensions[self._dimension(dimension)[0]]
        table = self.sum_score_table(group).reset_index()
        table = table.rename(columns={name: "eap", f"sd({name})": "sd"})
        shares = table.drop(columns=["expected", "observed"], errors="ignore")
        shares = shares.rename(columns={"probability": "expected"})
        if "observed" in table:
            by = table["group"] if "group" in table else np.zeros(len(table))
            shares["observed"] = table["observed"] / table["observed"].groupby(by).transform("sum")
        return plot_sum_scores(shares, multiple, name, ax)


def _spread(bank: ItemBank, d: int) -> float:
    """Standard deviation of a latent variable, one if it has none: something is to be seen."""
    sd = float(np.sqrt(bank.covariance[d, d]))
    return sd if sd > 0.0 else 1.0


def _measuring(bank: ItemBank, d: int) -> list[str]:
    """Items that depend on a latent variable."""
    return [item.name for item in bank.items if dependence(item)[d]]


def _wilson(share: float, n: float, q: float) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927, Journal of the American Statistical Association 22:209)."""
    centre = (share + q**2 / (2.0 * n)) / (1.0 + q**2 / n)
    half = q * np.sqrt(share * (1.0 - share) / n + (q / (2.0 * n)) ** 2) / (1.0 + q**2 / n)
    return centre - half, centre + half


def _with_coefficients(item: Item, values: np.ndarray) -> Item:
    """The item with other coefficients, in the order of :func:`coefficients`."""
    a, b = item.slopes.size, item.slopes.size + item.intercepts.size
    return replace(
        item, slopes=values[:a].reshape(item.slopes.shape), intercepts=values[a:b],
        lower=float(values[b]), upper=float(values[b + 1]),
    )  # fmt: skip


def _information_gradient(item: Item, at: np.ndarray, d: int) -> np.ndarray:
    """Derivatives of the information about a latent variable in the coefficients, shape (m, c).

    By differences to one side where a step to the other one is not allowed (asymptotes at bounds).
    """
    c = coefficients(item)
    out = np.zeros((len(at), len(c)))
    for i in range(len(c)):
        ends = []
        for sign in (1.0, -1.0):
            step = np.zeros(len(c))
            step[i] = sign * 1e-5
            try:
                ends.append((step[i], _with_coefficients(item, c + step).information(at)[:, d, d]))
            except SpecificationError:
                ends.append((0.0, item.information(at)[:, d, d]))
        (up, above), (down, below) = ends
        if up > down:
            out[:, i] = (above - below) / (up - down)
    return out


def _locations(item: Item, mean: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Difficulties on a latent variable, the others at their means, with derivatives in coefficients."""
    c, q = coefficients(item), len(mean)
    first = item.slopes.size
    if item.model == "nominal":
        return np.full(1, np.nan), np.zeros((1, len(c)))
    at = mean.copy()
    at[d] = 0.0
    steps = len(item.intercepts) - (item.form == "divide")
    # intercept at the means of the others, and slope, of each step: linear in the coefficients
    intercept, slope = np.zeros((steps, len(c))), np.zeros((steps, len(c)))
    for k in range(steps):
        upper = k + (item.form == "divide")
        row = upper if item.form == "divide" else 0
        intercept[k, first + upper] = 1.0
        intercept[k, row * q : (row + 1) * q] += at
        slope[k, row * q + d] = 1.0
        if item.form == "divide":
            intercept[k, first + k] -= 1.0
            intercept[k, k * q : (k + 1) * q] -= at
            slope[k, k * q + d] -= 1.0
    a = slope @ c
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(a != 0.0, -(intercept @ c) / a, np.nan)
        gradient = -(intercept + place[:, None] * slope) / a[:, None]
    return place, np.where(np.isfinite(gradient), gradient, 0.0)
