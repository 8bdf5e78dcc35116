"""Profiles of latent classes: response probabilities, means and standard deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.classes.delta import interval, standard_errors
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.class_indicators import IndicatorResponses
from sm_gllamm.results.class_posterior import ClassPosteriorMethods
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["ClassProfileMethods"]

#: Probabilities nearer to zero or one than this are on the boundary.
EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class _Profile:
    """What the classes say of one indicator.

    Attributes
    ----------
    labels : tuple
        Categories, or "mean" and dispersions.
    links : tuple of str
        Scale on which intervals are symmetric.
    value : ndarray, shape (C, K)
    gradient : ndarray, shape (C, K, p)
    marginal, observed : ndarray, shape (K,)
        NaN for dispersions other than standard deviations.
    spread : float
        Observed standard deviation, of measured indicators.
    categorical : bool
    """

    labels: tuple
    links: tuple[str, ...]
    value: np.ndarray
    gradient: np.ndarray
    marginal: np.ndarray
    observed: np.ndarray
    spread: float
    categorical: bool


class ClassProfileMethods(ClassPosteriorMethods):
    """Response probabilities and means by class; part of
    :class:`sm_gllamm.results.latent_class.LatentClassResults`."""

    _profile_facts: dict[str, _Profile] | None = None

    # ------------------------------------------------------------ what profiles are made of
    def _unit_weights(self) -> np.ndarray:
        """Weight of each unit of the likelihood."""
        units = self.model.likelihood.units
        return units.weight * units.group_weight[units.group]

    def _unit_prior(self) -> np.ndarray:
        """Prior class probabilities of the units, averaged over upper classes, shape (n, C)."""
        found = self.model.likelihood.posterior(self.theta)
        group = self.model.likelihood.units.group
        return np.einsum("nh,hnc->nc", found.upper_prior[group], found.prior)

    def _codes_of_units(self, name: str) -> np.ndarray:
        """Number of the different response of each unit, -1 where missing."""
        indicators = (*self.model.nominal, *self.model.measured)
        codes = next(i.codes for i in indicators if i.name == name)
        return codes[self.model.assembly.layout.first]

    def _expected_by_class(self, name: str) -> np.ndarray:
        """Probabilities or means of the units in each class, shape (C, n or 1, K)."""
        indicator, places = self.model.indicator_responses[name]
        params, rows = np.asarray(self.params), indicator.rows()
        found = np.array([indicator.expected(params[place], rows) for place in places])
        if indicator.varying:
            found = found[:, np.maximum(self._codes_of_units(name), 0)]
        return found

    def _observed_by_unit(self, name: str) -> np.ndarray:
        """Indicators of the categories, or values, shape (n, K); of no meaning where missing."""
        indicator, _ = self.model.indicator_responses[name]
        codes = self._codes_of_units(name)
        if indicator.template is None:
            return np.eye(len(indicator.categories))[codes]
        y = np.asarray(indicator.template.endog, dtype=float)[codes]
        if indicator.categorical:
            return np.eye(len(indicator.columns))[y.astype(np.intp)]
        return y[:, None]

    def _profiles(self) -> dict[str, _Profile]:
        """Facts about all indicators, found once: they remain after ``remove_data()``."""
        if self._profile_facts is None:
            prior, weight = self._unit_prior(), self._unit_weights()
            self._profile_facts = {
                name: self._profile_of(name, prior, weight)
                for name in self.model.indicator_responses
            }
        return self._profile_facts

    def _profile_of(self, name: str, prior: np.ndarray, weight: np.ndarray) -> _Profile:
        indicator, places = self.model.indicator_responses[name]
        params = np.asarray(self.params)
        codes = self._codes_of_units(name)
        there = np.flatnonzero(codes >= 0)
        own = weight[there] / weight[there].sum()
        rows = indicator.rows()
        # direct effects: averages over the covariates of those who responded
        share: np.ndarray = np.ones(1)
        if indicator.varying:
            share = np.bincount(codes[there], own, minlength=rows.n)
        value, gradient = [], []
        for place in places:
            found = indicator.expected_with_gradient(params[place], rows)
            slope = np.zeros((found.value.shape[1], len(params)))
            slope[:, place] = np.einsum("r,rkp->kp", share, found.gradient)
            value.append(share @ found.value)
            gradient.append(slope)
        expected = self._expected_by_class(name)
        if expected.shape[1] > 1:
            expected = expected[:, there]
        marginal = np.einsum("n,nc,cnk->k", own, prior[there], np.broadcast_to(
            expected, (len(places), len(there), expected.shape[2])))  # fmt: skip
        observed = own @ self._observed_by_unit(name)[there]
        labels, links = indicator.columns, (indicator.link(),) * len(indicator.columns)
        values, slopes, spread = np.array(value), np.array(gradient), 0.0
        if not indicator.categorical:
            more = list(self._dispersions(indicator, places))
            deviation = self._observed_by_unit(name)[there, 0] - observed[0]
            spread = float(np.sqrt(own @ deviation**2))
            labels += tuple(label for label, *_ in more)
            links += ("log",) * len(more)
            values = np.hstack([values, *(v[:, None] for _, v, _ in more)])
            slopes = np.concatenate([slopes, *(g[:, None] for *_, g in more)], axis=1)
            known = [spread if label == "sd" else np.nan for label, *_ in more]
            implied = [
                self._marginal_sd(indicator, name, prior, there, own)
                if label == "sd" else np.nan for label, *_ in more
            ]  # fmt: skip
            marginal, observed = np.append(marginal, implied), np.append(observed, known)
        return _Profile(
            labels, links, values, slopes, marginal, observed, spread, indicator.categorical
        )

    def _dispersions(self, indicator: IndicatorResponses, places):
        """Label, values (C,) and derivatives (C, p) of standard deviations and other dispersions."""
        mapping, params = indicator.template.mapping, np.asarray(self.params)
        for block, slot in mapping.slots:
            if slot.published == "identity":
                continue
            for k in range(block.start, block.stop):
                at = np.array([place[k] for place in places])
                value, gradient = params[at], np.zeros((len(at), len(params)))
                gradient[np.arange(len(at)), at] = 1.0
                label = mapping.param_names[k]
                if label == "var(Residual)":
                    label, value = "sd", np.sqrt(value)
                    gradient /= 2.0 * value[:, None]
                yield label, value, gradient

    def _marginal_sd(self, indicator, name: str, prior, there, own) -> float:
        """Standard deviation over all classes and covariates."""
        params, rows = np.asarray(self.params), indicator.rows()
        _, places = self.model.indicator_responses[name]
        mean = self._expected_by_class(name)[:, :, 0]
        within = np.array([indicator.variance(params[place], rows)[:, 0] for place in places])
        if indicator.varying:
            mean, within = mean[:, there], within[:, self._codes_of_units(name)[there]]
        share = prior[there] * own[:, None]
        first = float((share * mean.T).sum())
        second = float((share * (within + mean**2).T).sum())
        return float(np.sqrt(second - first**2))

    # ------------------------------------------------------------ tables
    def _chosen_items(self, items) -> list[str]:
        known = list(self._profiles())
        wanted = known if items is None else [items] if isinstance(items, str) else list(items)
        if unknown := [name for name in wanted if name not in known]:
            raise SpecificationError(
                f"{unknown[0]!r} is no indicator{did_you_mean(str(unknown[0]), known)}"
            )
        return wanted

    def profiles(
        self, items=None, scale: str = "probability", wide: bool = False, alpha: float = 0.05
    ) -> pd.DataFrame:
        """Response probabilities, or means and standard deviations, by class.

        Parameters
        ----------
        items : str or list of str, optional
            Indicators; default all.
        scale : {"probability", "logit"}
            "logit": of each category against the others together, of indicators with categories only.
        wide : bool
            A column a class, beside the marginal values under the model and the observed ones.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            A row for each indicator, category (or "mean", "sd", name of a dispersion) and class, with
            ``estimate``, ``std_err``, ``lower``, ``upper`` and ``status``: "estimated", "fixed" by
            constraints, or "boundary" for probabilities of zero or one, which have no standard error.
            With `wide` a row for each indicator and category, and columns for classes, ``marginal`` and
            ``observed``; dispersions other than standard deviations are left out.

        Raises
        ------
        SpecificationError
            Unknown indicators or scale.

        Notes
        -----
        Standard errors are by the delta method; intervals are symmetric for logits of probabilities and
        logarithms of standard deviations and other positive quantities. Where covariates have direct
        effects, values are averages over the covariates of those who responded. Shares are ``observed``
        among those who responded.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.profiles("item_3").round(3))
                                estimate  std_err  lower  upper     status
        item   response class
        item_3 0        class1     0.313    0.054  0.218  0.428  estimated
                        class2     0.707    0.102  0.479  0.864  estimated
               1        class1     0.687    0.054  0.572  0.782  estimated
                        class2     0.293    0.102  0.136  0.521  estimated
        """
        if scale not in ("probability", "logit"):
            raise SpecificationError(f"scale={scale!r} is not known; use 'probability' or 'logit'")
        chosen, found = self._chosen_items(items), self._profiles()
        if scale == "logit":
            chosen = [name for name in chosen if found[name].categorical]
            if not chosen:
                raise SpecificationError("scale='logit' is for indicators with categories")
        if wide:
            return self._wide_profiles(chosen, scale)
        cov, quantile = np.asarray(self.cov_params()), self._quantile(alpha)
        tables = [self._long_profile(found[name], scale, cov, quantile) for name in chosen]
        return pd.concat(tables, keys=chosen, names=["item", "response", "class"])

    def _long_profile(self, profile: _Profile, scale: str, cov, quantile: float) -> pd.DataFrame:
        value = profile.value.T
        se = standard_errors(profile.gradient, cov).T
        edge = np.zeros(value.shape, dtype=bool)
        if profile.categorical:
            edge = (value < EDGE) | (value > 1.0 - EDGE)
            value, se = np.where(edge, np.round(value), value), np.where(edge, np.nan, se)
        limits = [
            interval(v, s, quantile, link)
            for v, s, link in zip(value, se, profile.links, strict=True)
        ]
        lower, upper = (np.array(side) for side in zip(*limits, strict=True))
        if scale == "logit":
            with np.errstate(divide="ignore"):
                value, lower, upper, se = (
                    np.log(value) - np.log1p(-value), np.log(lower) - np.log1p(-lower),
                    np.log(upper) - np.log1p(-upper), se / (value * (1.0 - value)),
                )  # fmt: skip
        index = pd.MultiIndex.from_product([list(profile.labels), self._class_names])
        columns = {"estimate": value, "std_err": se, "lower": lower, "upper": upper}
        table = pd.DataFrame({key: array.ravel() for key, array in columns.items()}, index=index)
        known = np.where(se.ravel() == 0.0, "fixed", "estimated")
        return table.assign(status=np.where(edge.ravel(), "boundary", known))

    def _wide_profiles(self, chosen: list[str], scale: str) -> pd.DataFrame:
        tables = []
        for name in chosen:
            profile = self._profiles()[name]
            value = profile.value.T
            if profile.categorical:
                edge = (value < EDGE) | (value > 1.0 - EDGE)
                value = np.where(edge, np.round(value), value)
            both = np.column_stack([value, profile.marginal, profile.observed])
            if scale == "logit":
                with np.errstate(divide="ignore"):
                    both = np.log(both) - np.log1p(-both)
            columns = [*self._class_names, "marginal", "observed"]
            table = pd.DataFrame(both, index=list(profile.labels), columns=columns)
            # dispersions that differ between classes have no counterpart over all classes
            tables.append(table[table["observed"].notna()])
        return pd.concat(tables, keys=chosen, names=["item", "response"])

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals, class sizes, profiles, classification tables, summaries and posterior
        probabilities of new cases remain.
        """
        self._profiles()
        model = self.model
        inputs, nominal, measured = model.without_rows()
        super().remove_data()
        model.inputs, model.nominal, model.measured = inputs, nominal, measured
