"""Fit of latent class models: response patterns, pairs of indicators, parametric bootstrap."""

from __future__ import annotations

import time
import warnings
from copy import copy
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.tools.sm_exceptions import InvalidTestWarning

from sm_gllamm.classes.pattern_fit import pair_statistic, power_divergence
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import null_basis
from sm_gllamm.results.class_profiles import EDGE, ClassProfileMethods

__all__ = ["ClassFitMethods"]

#: Observations a cell below which the chi-square distribution of statistics of patterns is not to be trusted.
FEW = 5.0
#: Most possible patterns of which probabilities are written down.
MOST_CELLS = 200_000
#: Names of the statistics in tables.
STATISTICS = {"g2": "G2", "x2": "X2", "cressie_read": "Cressie-Read"}


class ClassFitMethods(ClassProfileMethods):
    """Fit statistics; part of :class:`sm_gllamm.results.latent_class.LatentClassResults`."""

    _fit_facts: dict[str, float] | None = None

    # ------------------------------------------------------------ patterns
    def _no_pattern_table(self) -> str | None:
        """Why there is no table of all patterns to compare with, None where there is one."""
        model = self.model
        if model.measured:
            name = model.measured[0].name
            return f"indicator {name!r} is measured or has direct effects, so that patterns have no cells"
        if model.designs.classes is not None:
            return "class probabilities depend on covariates, so that patterns have no common expectation"
        if model.inputs.allowed is not None:
            return "known classes make expected patterns differ between units"
        for indicator in model.nominal:
            if (indicator.codes < 0).any():
                return (
                    f"responses to {indicator.name!r} are missing, so that there is no single table"
                )
        return None

    def _no_chi_square(self) -> str | None:
        """Why statistics of patterns have no chi-square distribution."""
        if self.model.weights.sampling:
            return "sampling weights make the variance of the patterns another one"
        if self.model.clustered:
            return "units in clusters are dependent"
        return None

    def _needs_patterns(self, what: str) -> None:
        if self.model.assembly is None:
            raise SpecificationError(
                f"{what}: the data were removed by remove_data(); fit the model anew"
            )
        if reason := self._no_pattern_table():
            raise SpecificationError(
                f"{what} is not available: {reason}; see bivariate_residuals()"
            )

    def _cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes of the observed patterns, shape (m, n_items), and their observed and expected numbers."""
        model = self.model
        codes = np.column_stack([i.codes for i in model.nominal])[model.assembly.layout.first]
        weight = self._unit_weights()
        patterns, of_unit = np.unique(codes, axis=0, return_inverse=True)
        observed = np.bincount(of_unit.reshape(-1), weight, len(patterns))
        return patterns, observed, weight.sum() * self._pattern_probabilities(patterns)

    def _pattern_probabilities(self, patterns: np.ndarray) -> np.ndarray:
        """Probabilities of patterns under the model, shape (m,)."""
        params = np.asarray(self.params)
        sizes = self._class_facts().sizes
        joint = np.tile(sizes, (len(patterns), 1))
        views = self.model.indicator_responses
        for j, indicator in enumerate(self.model.nominal):
            view, places = views[indicator.name]
            for c, place in enumerate(places):
                joint[:, c] *= view.expected(params[place], None)[0][patterns[:, j]]
        return joint.sum(axis=1)

    @property
    def pattern_df(self) -> int:
        """Degrees of freedom of the table of patterns: cells less one less parameters."""
        cells = np.prod([float(len(i.categories)) for i in self.model.nominal])
        return int(cells - 1.0 - self.df_modelwc)

    def _pattern_fit(self) -> dict[str, float]:
        """Statistics of the patterns, found once."""
        if self._fit_facts is None:
            _, observed, expected = self._cells()
            found = power_divergence(observed, expected)
            self._fit_facts = {key: getattr(found, key) for key in STATISTICS}
        return self._fit_facts

    def _pattern_fit_or_nothing(self) -> dict[str, float] | None:
        """The same, None where there is no table of patterns or no chi-square distribution."""
        if self._fit_facts is None and (
            self.model.assembly is None or self._no_pattern_table() or self._no_chi_square()
        ):
            return None
        return self._pattern_fit()

    def goodness_of_fit(self, n_rep: int = 0, seed=None, disp: int = 0) -> pd.DataFrame:
        """Fit of the table of response patterns: G2, X2 and the statistic of Cressie and Read.

        Parameters
        ----------
        n_rep : int
            Number of samples of a parametric bootstrap of the p-values, which sparse tables need.
        seed : int or numpy.random.Generator, optional
        disp : int
            1 reports progress.

        Returns
        -------
        DataFrame
            A row a statistic: ``statistic``, ``df``, ``p_value`` (of chi-square; missing without degrees of
            freedom), and with `n_rep` ``p_bootstrap``.

        Raises
        ------
        SpecificationError
            Measured indicators, covariates, missing responses, known classes, sampling weights or clusters:
            the message says why there is no such test.

        Warns
        -----
        InvalidTestWarning
            The table is sparse: fewer than five units a cell on average. Chi-square is then no guide.

        Notes
        -----
        The degrees of freedom count probabilities estimated as zero or one as parameters. Samples of the
        bootstrap are fitted from the estimates; the p-value is (1 + number of samples with a statistic at
        least as large) / (1 + n_rep).

        References
        ----------
        Cressie, N. & Read, T. R. C. (1984). Multinomial goodness-of-fit tests. Journal of the Royal
        Statistical Society B 46, 440-464.

        Collins, L. M., Fidler, P. L., Wugalter, S. E. & Long, J. D. (1993). Goodness-of-fit testing for
        latent class models. Multivariate Behavioral Research 28, 375-389.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.goodness_of_fit().round(3))
                      statistic  df  p_value
        G2               22.734  20    0.302
        X2               19.495  20    0.490
        Cressie-Read     19.968  20    0.460
        """
        self._needs_patterns("goodness_of_fit")
        if reason := self._no_chi_square():
            raise SpecificationError(
                f"goodness_of_fit is not available: {reason}; see bivariate_residuals()"
            )
        found, df = self._pattern_fit(), self.pattern_df
        values = np.array([found[key] for key in STATISTICS])
        table = pd.DataFrame({"statistic": values, "df": df}, index=list(STATISTICS.values()))
        if df > 0:
            table["p_value"] = stats.chi2.sf(values, df)
        per_cell = self.nobs / (df + 1.0 + self.df_modelwc)
        if df > 0 and per_cell < FEW and not n_rep:
            warnings.warn(
                f"the table is sparse, {per_cell:.2g} units a cell: chi-square is no guide; use "
                "goodness_of_fit(n_rep=500)",
                InvalidTestWarning,
                stacklevel=2,
            )
        if n_rep:
            drawn = self._bootstrapped(_pattern_statistics, n_rep, seed, disp)
            table["p_bootstrap"] = _bootstrap_p(values, drawn)
        return table

    def _bootstrapped(self, statistic, n_rep: int, seed, disp: int) -> np.ndarray:
        """A statistic of results at simulated samples, shape (number of samples that converged, k)."""
        if n_rep < 1:
            raise SpecificationError(f"n_rep={n_rep!r}; at least one sample is needed")
        rng, theta = np.random.default_rng(seed), self.theta
        fitted = self.model
        if self.constraints is not None and not fitted.class_order.pairs:
            # what the fit was held to, samples are, too
            fitted = copy(fitted)
            fitted.class_equations = self.constraints
        out, failed, began, every = [], 0, time.perf_counter(), max(n_rep // 10, 1)
        for done in range(1, n_rep + 1):
            model = fitted.with_responses(fitted.draw(np.asarray(self.params), rng))
            found = model.refitted(theta)
            if found.outcome.converged:
                out.append(statistic(self._at(model, found.theta)))
            else:
                failed += 1
            if disp and (done % every == 0 or done == n_rep):
                elapsed = time.perf_counter() - began
                print(f"sample {done:5d} of {n_rep}  {elapsed:8.1f} s  ({failed} failed)")
        if not out:
            raise SpecificationError("no fit to a bootstrap sample converged")
        return np.array(out)

    def _at(self, model, theta: np.ndarray):
        """Results of the same kind at other responses and parameters, for their statistics."""
        new = object.__new__(type(self))
        new.__dict__.update(
            model=model, params=model.mapping.params(theta), nobs=model.n_observations,
            k_constr=self.k_constr,
        )  # fmt: skip
        return new

    def pattern_table(self, sort: str = "observed", standardize: bool = True) -> pd.DataFrame:
        """Observed and expected numbers of the response patterns that occur.

        Parameters
        ----------
        sort : {"observed", "residual", "pattern"}
            Most frequent first, largest residuals first, or in the order of the categories.
        standardize : bool
            Whether to add standardized residuals, which need the probabilities of all possible patterns.

        Returns
        -------
        DataFrame
            A row a pattern: the responses, ``observed``, ``expected``, ``residual`` (Pearson's, the
            difference over the square root of the expected number), ``standardized`` (over its standard
            deviation, which takes the estimation into account), and ``class``, the most probable one.

        Raises
        ------
        SpecificationError
            There is no table of patterns (see :meth:`goodness_of_fit`), or there are too many possible
            ones to standardize.

        Notes
        -----
        The variance of a difference is N p (1 - p) less what the estimation of the parameters takes up,
        N^2 d' V d with d the derivatives of the pattern's probability and V the inverse expected information
        (Haberman 1973, *Biometrics* 29, 205-220). Where nothing is left, as in saturated tables, the
        standardized residual is 0.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.pattern_table().iloc[:2, 5:].round(2))
           observed  expected  residual  standardized   class
        0     298.0    294.74      0.19          1.67  class1
        1     173.0    174.29     -0.10         -0.44  class1
        """
        self._needs_patterns("pattern_table")
        if sort not in ("observed", "residual", "pattern"):
            raise SpecificationError(
                f"sort={sort!r} is not known; use 'observed', 'residual' or 'pattern'"
            )
        model = self.model
        patterns, observed, expected = self._cells()
        total = observed.sum()
        difference = observed - expected
        table = pd.DataFrame(
            {
                indicator.name: np.asarray(indicator.categories, dtype=object)[patterns[:, j]]
                for j, indicator in enumerate(model.nominal)
            }
        ).infer_objects()
        units = model.assembly.layout.first
        codes = np.column_stack([i.codes for i in model.nominal])[units]
        _, one = np.unique(codes, axis=0, return_index=True)
        modal = self._unit_posterior(model.likelihood)[one].argmax(axis=1)
        table["observed"], table["expected"] = observed, expected
        table["residual"] = difference / np.sqrt(expected)
        key = "residual"
        if standardize:
            key, share = "standardized", expected / total
            variance = total * share * (1.0 - share) - self._taken_by_estimation(patterns, total)
            left = variance > 1e-8 * expected
            spread = np.sqrt(np.where(left, variance, 1.0))
            table[key] = np.where(left, difference / spread, 0.0)
        table["class"] = np.array(self._class_names, dtype=object)[modal]
        if sort == "pattern":
            return table
        falling = -table["observed"] if sort == "observed" else -table[key].abs()
        return table.iloc[np.argsort(falling.to_numpy(), kind="stable")].reset_index(drop=True)

    def _taken_by_estimation(self, patterns: np.ndarray, total: float) -> np.ndarray:
        """Variance of expected numbers that estimated parameters bring, with the expected information."""
        counts = [len(i.categories) for i in self.model.nominal]
        cells = float(np.prod([float(k) for k in counts]))
        if cells > MOST_CELLS:
            raise SpecificationError(
                f"standardized residuals need the probabilities of all {cells:.3g} patterns, more than "
                f"{MOST_CELLS}; use pattern_table(standardize=False)"
            )
        everything = np.indices(counts).reshape(len(counts), -1).T
        rows = np.eye(len(self.params))[self.held]
        if self.constraints is not None:
            rows = np.vstack([rows, self.constraints.matrix])
        free = null_basis(rows)
        slopes = self._pattern_gradient(everything) @ free
        p = self._pattern_probabilities(everything)
        possible = p > EDGE**2
        slopes = slopes[possible] / np.sqrt(p[possible])[:, None]
        covariance = np.linalg.pinv(total * slopes.T @ slopes, hermitian=True)
        own = self._pattern_gradient(patterns) @ free
        return total**2 * np.einsum("mp,pq,mq->m", own, covariance, own)

    def _pattern_gradient(self, patterns: np.ndarray) -> np.ndarray:
        """Derivatives of the probabilities of patterns in the parameters, shape (m, p)."""
        params, facts = np.asarray(self.params), self._class_facts()
        views, n_classes = self.model.indicator_responses, len(facts.sizes)
        shares, slopes = [], []
        for j, indicator in enumerate(self.model.nominal):
            view, places = views[indicator.name]
            found = [view.expected_with_gradient(params[place], None) for place in places]
            shares.append(np.column_stack([f.value[0][patterns[:, j]] for f in found]))
            slopes.append([f.gradient[0][patterns[:, j]] for f in found])
        everything = np.prod(shares, axis=0)
        gradient = everything @ facts.gradient
        for j, indicator in enumerate(self.model.nominal):
            places = views[indicator.name][1]
            others = np.prod([s for k, s in enumerate(shares) if k != j], axis=0)
            others = others * np.ones((len(patterns), n_classes)) * facts.sizes
            for c, place in enumerate(places):
                gradient[:, place] += others[:, c : c + 1] * slopes[j][c]
        return gradient

    # ------------------------------------------------------------ pairs
    def bivariate_residuals(self, n_rep: int = 0, seed=None, disp: int = 0) -> pd.DataFrame:
        """Associations of pairs of indicators that the classes do not explain.

        Parameters
        ----------
        n_rep : int
            Number of samples of a parametric bootstrap of p-values; without there are none, since the
            residuals have no chi-square distribution.
        seed : int or numpy.random.Generator, optional
        disp : int
            1 reports progress.

        Returns
        -------
        DataFrame
            A row a pair, the largest residual first: ``x2``, ``df``, ``residual`` (x2 / df) and with
            `n_rep` ``p_bootstrap``.

        Raises
        ------
        SpecificationError
            A single indicator, or data removed; with `n_rep` sampling weights.

        Notes
        -----
        Of two indicators with categories x2 is Pearson's statistic of their two-way table, with (K - 1)
        (L - 1) degrees of freedom (Vermunt & Magidson 2005, *Technical Guide for Latent GOLD*). Of pairs
        with a measured indicator it compares products of deviations from the expected means with their
        expectation, in units of their variance among the units. Units that responded to both indicators
        are counted, and pairs that nobody responded to both of are left out; with covariates or direct
        effects expectations are sums over units.

        Oberski, van Kollenburg & Vermunt (2013, *Advances in Data Analysis and Classification* 7, 267-279)
        show that 3.84 is no critical value, and recommend the bootstrap.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.bivariate_residuals().head(2).round(3))
                          x2  df  residual
        first  second
        item_4 item_5  1.560   1     1.560
        item_3 item_5  0.683   1     0.683
        """
        if self.model.assembly is None:
            raise SpecificationError(
                "bivariate_residuals: the data were removed by remove_data(); fit the model anew"
            )
        names = list(self.model.indicator_responses)
        if len(names) < 2:
            raise SpecificationError("bivariate_residuals: there is one indicator")
        found = self._pair_residuals()
        values, df = found[:, 0], found[:, 1].astype(int)
        index = pd.MultiIndex.from_tuples(list(combinations(names, 2)), names=["first", "second"])
        table = pd.DataFrame(
            {"x2": values, "df": df, "residual": values / np.maximum(df, 1)}, index=index
        )
        if n_rep:
            drawn = self._bootstrapped(_pair_statistics, n_rep, seed, disp)
            table["p_bootstrap"] = _bootstrap_p(values, drawn)
        table = table[table["df"] > 0]
        return table.iloc[np.argsort(-table["residual"].to_numpy(), kind="stable")]

    def _pair_residuals(self) -> np.ndarray:
        """Statistic and degrees of freedom of each pair, shape (number of pairs, 2)."""
        views = self.model.indicator_responses
        prior, weight = self._unit_prior(), self._unit_weights()
        facts = {
            name: (
                self._codes_of_units(name) >= 0, self._observed_by_unit(name),
                self._expected_by_class(name), view.categorical,
            )
            for name, (view, _) in views.items()
        }  # fmt: skip
        out = []
        for one, other in combinations(views, 2):
            (here, y, p, nominal), (there, z, q, too) = facts[one], facts[other]
            both = np.flatnonzero(here & there)
            if not len(both):
                out.append((0.0, 0))
                continue
            w, share = weight[both], prior[both]
            p, q = (values[:, both] if values.shape[1] > 1 else values for values in (p, q))
            if nominal and too:
                out.append(_table_statistic(w, share, y[both], z[both], p, q))
            else:
                out.append(_moment_statistic(w, share, y[both], z[both], p, q, nominal, too))
        return np.array(out)

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals (but profile likelihoods), class sizes, profiles, classification tables,
        summaries and posterior probabilities of new cases remain.
        """
        self._pattern_fit_or_nothing()
        super().remove_data()


def _pattern_statistics(results) -> list[float]:
    found = results._pattern_fit()
    return [found[key] for key in STATISTICS]


def _pair_statistics(results) -> np.ndarray:
    return results._pair_residuals()[:, 0]


def _bootstrap_p(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Share of samples with a statistic at least as large, the sample itself among them."""
    larger = (drawn >= values - 1e-9 * np.abs(values)).sum(axis=0)
    return (1.0 + larger) / (1.0 + len(drawn))


def _table_statistic(weight, share, y, z, p, q) -> tuple[float, int]:
    """Pearson's statistic of a two-way table."""
    observed = (y * weight[:, None]).T @ z
    expected = np.zeros(observed.shape)
    for c in range(share.shape[1]):
        own = weight * share[:, c]
        one = np.broadcast_to(p[c], (len(own), p.shape[2]))
        expected += (one * own[:, None]).T @ np.broadcast_to(q[c], (len(own), q.shape[2]))
    filled = expected > 1e-12
    x2 = float(((observed - expected)[filled] ** 2 / expected[filled]).sum())
    return x2, (observed.shape[0] - 1) * (observed.shape[1] - 1)


def _moment_statistic(weight, share, y, z, p, q, nominal: bool, too: bool) -> tuple[float, int]:
    """Products of deviations from expected means against their expectation."""
    if nominal:
        y, p = y[:, 1:], p[:, :, 1:]
    if too:
        z, q = z[:, 1:], q[:, :, 1:]
    n, d = len(weight), y.shape[1] * z.shape[1]
    means = [np.einsum("nc,cnk->nk", share, np.broadcast_to(v, (len(v), n, v.shape[2])))
             for v in (p, q)]  # fmt: skip
    product = ((y - means[0])[:, :, None] * (z - means[1])[:, None, :]).reshape(n, d)
    expected = np.zeros((n, d))
    for c in range(share.shape[1]):
        one, other = p[c] - means[0], q[c] - means[1]
        expected += share[:, c : c + 1] * (one[:, :, None] * other[:, None, :]).reshape(n, d)
    difference = product - expected
    residual = weight @ difference
    return pair_statistic(residual, (difference * weight[:, None]).T @ difference), d
