"""Fit of item response models: of items, persons, pairs of items and all of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.constrained import null_basis
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.item_fit import SumScoreFit, item_mean_squares, sum_score_fit
from sm_gllamm.items.limited_information import limited_information_fit
from sm_gllamm.items.local_dependence import pair_fit, q3
from sm_gllamm.items.person_fit import person_fit
from sm_gllamm.results.bank_jacobian import bank_jacobian
from sm_gllamm.results.irt_scores import ScoreMethods

__all__ = ["ModelFitMethods"]

#: Statistics of pairs of items that compare residuals at scores, and those that compare margins.
_OF_SCORES = ("q3", "q3*")
_OF_MARGINS = ("ldx2", "p_value", "cramers_v", "residual")
#: Singular values of derivatives below this share of the largest count as zero.
_RANK_TOLERANCE = 1e-6


class ModelFitMethods(ScoreMethods):
    """Fit statistics; part of :class:`sm_gllamm.results.irt.IRTResults`."""

    # ------------------------------------------------------------ persons and groups
    def _patterns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A person of each response pattern, pattern of each person, and weight of each pattern."""
        if self.model.assembly is None:
            raise SpecificationError("the data were removed by remove_data(); fit the model anew")
        patterns = self.model.assembly.patterns
        if patterns is None:
            # persons in clusters are not exchangeable
            everyone = np.arange(self.model.item_responses.n_persons)
            return everyone, everyone, self.model.person_weights
        return patterns.first, patterns.of_person, patterns.weight

    def _by_group(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Tables of groups below each other, the group in front in the index if there are several."""
        if len(tables) == 1:
            return tables[0]
        return pd.concat(
            tables, keys=self.model.group_labels, names=["group", *tables[0].index.names]
        )

    def _one_population(self, what: str, instead: str) -> None:
        """Refuse statistics of margins where persons of a group do not have a common distribution."""
        design = self.model.layout.design
        reason = None
        if design.dif:
            reason = "direct effects of covariates make items differ between persons"
        elif design.regression:
            reason = "latent variables that are regressed on covariates differ between persons"
        elif design.random_intercepts or design.random_slopes:
            reason = "items differ between clusters"
        if reason:
            raise SpecificationError(
                f"{what} compares margins with those of one population, but {reason}; {instead}"
            )

    def _independent_persons(self, what: str, instead: str) -> None:
        """Refuse tests that take persons for a simple random sample where they are none."""
        reason = None
        if self.model.weights.sampling:
            reason = "sampling weights make the variance of the margins another one"
        elif self.model.cluster is not None:
            reason = f"persons in clusters of {self.model.layout.design.cluster!r} are dependent"
        if reason:
            raise SpecificationError(
                f"{what} has its chi-square distribution in simple random samples of persons: {reason}; "
                f"{instead}"
            )

    def _scored(self, method: str):
        """By group: bank, patterns that belong to it, their codes, latent variables and weights.

        Covariates with direct effects on items, and posterior means of what is random of items, are
        latent variables that are known: further dimensions of the bank.
        """
        first, _, weight = self._patterns()
        theta = self._scores(method)[0].estimate[first]
        model = self.model
        direct = list(model.person_covariates.direct)
        for g in range(len(model.group_labels)):
            here = np.flatnonzero(model.groups[first] == g)
            bank, at = model.bank_at(np.asarray(self.params), g), theta[here]
            if direct:
                bank = self._with_covariates(bank, g, direct)
                values = model.covariates[first[here]][:, direct]
                products = at[:, :, None] * values[:, None, :]
                at = np.hstack([at, values, products.reshape(len(at), -1)])
            if self._item_effect_names():
                bank, known = self._with_known_effects(bank, at, model.cluster[first[here]])
                at = np.hstack([at, known])
            yield bank, here, model.codes[first[here]], at, weight[here]

    def _with_covariates(self, bank: ItemBank, group: int, direct: list[int]) -> ItemBank:
        """The bank with slopes on covariates, and on their products with the latent variables."""
        params, n = np.asarray(self.params), len(self.model.layout.design.covariates)
        moved = [self.model.bank_at(params, group, np.eye(n)[k]) for k in direct]
        q, items = len(bank.dimensions), []
        for j, item in enumerate(bank.items):
            intercepts = [other.items[j].intercepts - item.intercepts for other in moved]
            slopes = [other.items[j].slopes - item.slopes for other in moved]
            if item.form != "divide":
                # the same for all thresholds
                intercepts = [shift[0] for shift in intercepts]
            effects = np.stack(slopes, axis=-1)
            every = np.concatenate(
                [
                    item.slopes,
                    np.stack(intercepts, axis=-1),
                    effects.reshape(*effects.shape[:-2], -1),
                ],
                axis=-1,
            )
            items.append(
                Item(item.name, item.form, item.model, every, item.intercepts, item.lower,
                     item.upper, item.link, item.categories)
            )  # fmt: skip
        size = q + len(direct) * (1 + q)
        names = tuple(f"x{k}" for k in range(size))
        return ItemBank(tuple(items), names, np.zeros(size), np.eye(size))

    def _with_known_effects(self, bank: ItemBank, theta: np.ndarray, cluster: np.ndarray):
        """The bank with slopes of one on what clusters add to predictors, and what that is."""
        names = self._item_effect_names()
        values = self.item_effects[names].to_numpy()[cluster]
        items, q = list(bank.items), len(bank.dimensions)
        effects = self.model.item_effects
        for k, effect in enumerate(effects):
            if effect.dimension is not None:
                values[:, k] *= theta[:, effect.dimension]
        for j, item in enumerate(items):
            own = np.array([float(effect.item == j) for effect in effects])
            if item.form == "divide":
                own = np.multiply.outer(np.arange(item.n_categories), own)
            items[j] = replace(item, slopes=np.concatenate([item.slopes, own], axis=-1))
        size = q + len(names)
        return ItemBank(
            tuple(items), tuple(f"x{k}" for k in range(size)), np.zeros(size), np.eye(size)
        ), values

    def _free_directions(self) -> np.ndarray:
        """Directions in which published parameters are free, shape (k_params, number of free ones)."""
        if self.constraints is None:
            return np.eye(len(self.params))
        return null_basis(self.constraints.matrix)

    # ------------------------------------------------------------ items
    def _sum_score_fits(self, min_expected: float = 1.0) -> list[SumScoreFit]:
        """S-X2 of all items by group."""
        first, _, weight = self._patterns()
        instead = "item_fit(statistic='infit') holds given the latent variables"
        self._one_population("S-X2", instead)
        self._independent_persons("S-X2", instead)
        free, params = self._free_directions(), np.asarray(self.params)
        fits = []
        for g in range(len(self.model.group_labels)):
            jacobian = bank_jacobian(self.model, params, g)
            n_parameters = np.array([_rank(of_item @ free) for of_item in jacobian.items])
            here = self.model.groups[first] == g
            fits.append(
                sum_score_fit(
                    jacobian.bank, self.model.codes[first[here]], n_parameters,
                    weights=weight[here], min_expected=min_expected,
                )
            )  # fmt: skip
        return fits

    def item_fit(
        self, statistic: str = "S-X2", min_expected: float = 1.0, method: str = "EAP"
    ) -> pd.DataFrame:
        """Fit of items: S-X2 tests, or infit, outfit and Zh.

        Parameters
        ----------
        statistic : {"S-X2", "infit"}
            - "S-X2": responses by sum score against what the model expects (Orlando & Thissen 2000;
              of several categories Kang & Chen 2008). Persons with missing responses are left out.
            - "infit": mean squares weighted by information (infit) and not weighted (outfit), and the
              standardised log-likelihood Zh, at scores of the persons.
        min_expected : float
            Of S-X2: cells that expect fewer persons are joined with neighbours.
        method : str
            Scores for "infit": "EAP", "MAP", "ML" or "WLE".

        Returns
        -------
        DataFrame
            A row an item, with several groups by group and item. Of S-X2: ``statistic``, ``df``,
            ``p_value``, ``p_adjusted`` (Benjamini & Hochberg 1995, over the items of a group) and
            ``rmsea``; NaN where no degrees of freedom remain. Of infit: ``infit``, ``z_infit``,
            ``outfit``, ``z_outfit``, ``zh`` and ``n_responses``; with sampling weights the
            standardised ones are NaN.

        Raises
        ------
        SpecificationError
            S-X2 with sampling weights, clusters of persons, latent regression or direct effects of
            covariates, where sum scores have no common distribution that is known; less than three
            items.

        Notes
        -----
        Degrees of freedom of S-X2 are cells less rows less the parameters of the item: as many as its
        curves depend on, those that it shares with others (a common slope, steps of a rating scale)
        among them. At estimated latent variables mean squares vary less than in theory; values below
        1 are usual for EAP scores, which are nearer to each other than the latent variables.

        References
        ----------
        Orlando, M. & Thissen, D. (2000). Likelihood-based item-fit indices for dichotomous item response
        theory models. Applied Psychological Measurement 24, 50-64. Kang, T. & Chen, T. T. (2008).
        Performance of the generalized S-X2 item fit index for polytomous IRT models. Journal of
        Educational Measurement 45, 391-406.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> print(result.item_fit().round(3))
                statistic  df  p_value  p_adjusted  rmsea
        item
        item_1      0.450   2    0.798       0.946    0.0
        item_2      1.691   2    0.429       0.946    0.0
        item_3      0.666   1    0.414       0.946    0.0
        item_4      0.175   2    0.916       0.946    0.0
        item_5      0.111   2    0.946       0.946    0.0
        """
        if statistic == "S-X2":
            columns = ["statistic", "df", "p_value", "p_adjusted", "rmsea"]
            found: list = self._sum_score_fits(min_expected)
        elif statistic == "infit":
            columns = ["infit", "z_infit", "outfit", "z_outfit", "zh", "n_responses"]
            found = [
                item_mean_squares(bank, codes, theta, weight)
                for bank, _, codes, theta, weight in self._scored(method)
            ]
        else:
            raise SpecificationError(f"statistic={statistic!r} is not known; use 'S-X2' or 'infit'")
        items = pd.Index(self.model.item_responses.items, name="item")
        tables = [
            pd.DataFrame({name: getattr(fit, name) for name in columns}, index=items)
            for fit in found
        ]
        table = self._by_group(tables)
        if statistic == "infit" and self.model.weights.sampling:
            table[["z_infit", "z_outfit", "zh"]] = np.nan
        return table

    # ------------------------------------------------------------ persons
    def person_fit(self, method: str = "EAP") -> pd.DataFrame:
        """Fit of persons: whether their responses agree with the items.

        Parameters
        ----------
        method : {"EAP", "MAP", "ML", "WLE"}
            Scores at which responses are judged. ML scores of persons with extreme responses only are
            not finite.

        Returns
        -------
        DataFrame
            A row a person: ``zh``, the standardised log-likelihood (strongly negative for improbable
            responses), ``infit``, ``z_infit``, ``outfit``, ``z_outfit`` and ``n_responses``.

        Raises
        ------
        SpecificationError
            Scores that are not finite, or that the model does not have.

        References
        ----------
        Drasgow, F., Levine, M. V. & Williams, E. A. (1985). Appropriateness measurement with polychotomous
        item response models and standardized indices. British Journal of Mathematical and
        Statistical Psychology 38, 67-86. Wright, B. D. & Masters, G. N. (1982). Rating Scale
        Analysis. Chicago: MESA Press.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> print(result.person_fit().iloc[[0, -1]].round(3))
                zh  infit  z_infit  outfit  z_outfit  n_responses
        0   -1.206  1.464    1.210   1.497     1.120            5
        999  0.850  0.265   -1.057   0.194    -0.537            5
        """
        columns = ["zh", "infit", "z_infit", "outfit", "z_outfit", "n_responses"]
        first, of_person, _ = self._patterns()
        values = np.empty((len(first), len(columns)))
        for bank, here, codes, theta, _ in self._scored(method):
            fit = person_fit(bank, codes, theta)
            values[here] = np.column_stack([getattr(fit, name) for name in columns])
        table = pd.DataFrame(
            values[of_person], index=self.model.item_responses.persons, columns=columns
        )
        return table.astype({"n_responses": int})

    # ------------------------------------------------------------ pairs of items
    def local_dependence(self, statistic: str = "q3", method: str = "EAP") -> pd.DataFrame:
        """Dependence of pairs of items that the latent variables do not explain.

        Parameters
        ----------
        statistic : {"q3", "q3*", "ldx2", "p_value", "cramers_v", "residual"}
            - "q3": correlations of residuals at scores of the persons (Yen 1984),
            - "q3*": the same minus their mean over pairs, which is about -1/(I - 1) without
              dependence (Christensen, Makransky & Horton 2017),
            - "ldx2": Pearson's statistic of the two-way table, negative where scores are less
              correlated than the model implies (Chen & Thissen 1997),
            - "p_value": of ldx2, approximate as parameters are estimated,
            - "cramers_v": its effect size with the same sign,
            - "residual": observed minus expected correlations of scores.
        method : str
            Scores for Q3: "EAP", "MAP", "ML" or "WLE".

        Returns
        -------
        DataFrame, shape (n_items, n_items)
            NaN on the diagonal; with several groups below each other.

        Raises
        ------
        SpecificationError
            Statistics of margins with latent regression or direct effects of covariates, ldx2 and its
            p-values with sampling weights or clusters of persons; one item only.

        Notes
        -----
        For each pair, persons with both responses are used.

        References
        ----------
        Yen, W. M. (1984). Effects of local item dependence on the fit and equating performance of the
        three-parameter logistic model. Applied Psychological Measurement 8, 125-145. Chen, W.-H. &
        Thissen, D. (1997). Local dependence indexes for item pairs using item response theory. Journal
        of Educational and Behavioral Statistics 22, 265-289.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> print(result.local_dependence("residual").round(3))
                item_1  item_2  item_3  item_4  item_5
        item
        item_1     NaN   0.007   0.020  -0.017  -0.026
        item_2   0.007     NaN   0.000  -0.022   0.020
        item_3   0.020   0.000     NaN   0.005  -0.027
        item_4  -0.017  -0.022   0.005     NaN   0.038
        item_5  -0.026   0.020  -0.027   0.038     NaN
        """
        if statistic in _OF_SCORES:
            fits = [
                q3(bank, codes, theta, weight)
                for bank, _, codes, theta, weight in self._scored(method)
            ]
            found = [fit.q3 if statistic == "q3" else fit.adjusted for fit in fits]
        elif statistic in _OF_MARGINS:
            self._patterns()
            self._one_population(statistic, "Q3 holds given the latent variables")
            if statistic != "residual":
                self._independent_persons(
                    statistic, "statistic='residual' describes, without a test"
                )
            found = self._pair_statistics(statistic)
        else:
            raise SpecificationError(
                f"statistic={statistic!r} is not known; use one of {[*_OF_SCORES, *_OF_MARGINS]}"
            )
        names = pd.Index(self.model.item_responses.items, name="item")
        return self._by_group(
            [pd.DataFrame(matrix, index=names, columns=list(names)) for matrix in found]
        )

    def _pair_statistics(self, statistic: str) -> list[np.ndarray]:
        """Statistics of two-way tables by group."""
        first, _, weight = self._patterns()
        found = []
        for g in range(len(self.model.group_labels)):
            here = self.model.groups[first] == g
            bank = self.model.bank_at(np.asarray(self.params), g)
            fit = pair_fit(bank, self.model.codes[first[here]], weight[here])
            matrix = fit.sign * fit.x2 if statistic == "ldx2" else getattr(fit, statistic)
            found.append(matrix)
        return found

    # ------------------------------------------------------------ all of the model
    def m2(
        self, statistic: str | None = None, missing: str = "raise", confidence: float = 0.9
    ) -> pd.DataFrame:
        """Test of fit from univariate and bivariate margins: M2, M2* or C2, with fit indices.

        Parameters
        ----------
        statistic : {"M2", "M2*", "C2"}, optional
            - "M2": all categories and pairs of them (Maydeu-Olivares & Joe 2006); default for binary
              items, where all three are the same, and if there are nominal ones,
            - "M2*": means and products of scores (Cai & Hansen 2013); default for ordered categories,
            - "C2": categories of single items and products of scores (Cai & Monroe 2014); default for
              ordered categories where M2* has no degrees of freedom.
        missing : {"raise", "drop"}
            "drop" leaves out persons with missing responses, which is right if these are missing
            completely at random.
        confidence : float
            Of the interval of the RMSEA.

        Returns
        -------
        DataFrame
            One row, named after the statistic: ``statistic``, ``df``, ``p_value``, ``rmsea``,
            ``rmsea_lower``, ``rmsea_upper``, ``srmsr`` (with several groups ``srmsr[group]`` each),
            ``tli``, ``cfi``, ``n_persons`` and ``n_dropped``.

        Raises
        ------
        SpecificationError
            No degrees of freedom, missing responses that are not dropped, sampling or fractional
            weights, clusters of persons, latent regression or direct effects of covariates.

        Notes
        -----
        Groups are stacked, with parameters that they share counted once. Priors are taken for
        negligible. With so few persons in most response patterns that Pearson's test is useless these
        tests keep their level.

        References
        ----------
        Maydeu-Olivares, A. & Joe, H. (2006). Limited information goodness-of-fit testing in
        multidimensional contingency tables. Psychometrika 71, 713-732. Cai, L. & Hansen, M. (2013).
        Limited-information goodness-of-fit testing of hierarchical item factor models. British
        Journal of Mathematical and Statistical Psychology 66, 245-276. Cai, L. & Monroe, S. (2014). A
        new statistic for evaluating item response theory models for ordinal data. CRESST Report 839.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> result = smg.IRT(lsat.load_pandas().data).fit()
        >>> print(result.m2()[["statistic", "df", "p_value", "rmsea", "tli", "cfi"]].round(3))
            statistic  df  p_value  rmsea    tli  cfi
        M2      4.738   5    0.449    0.0  1.009  1.0
        """
        first, _, weight = self._patterns()
        name = statistic or self._suitable_statistic()
        instead = "compare() compares likelihoods of models, item_fit('infit') describes"
        self._one_population(name, instead)
        self._independent_persons(name, instead)
        model, params, free = self.model, np.asarray(self.params), self._free_directions()
        groups = model.groups[first]
        several = len(model.group_labels) > 1

        def bank_at(values: np.ndarray, group: int = 0) -> ItemBank:
            return model.bank_at(params + free @ values, group)

        at: Callable[..., ItemBank] = bank_at
        values = np.zeros(free.shape[1])
        if self.constraints is None:
            # steps of the differences are relative to the parameters
            at, values = model.bank_at, params
        fit = limited_information_fit(
            at, values, model.codes[first], weights=weight, groups=groups if several else None,
            statistic=name, missing=missing, confidence=confidence,
        )  # fmt: skip
        columns = ["statistic", "df", "p_value", "rmsea", "rmsea_lower", "rmsea_upper"]
        row = {column: getattr(fit, column) for column in columns}
        labels = [f"srmsr[{label}]" for label in model.group_labels] if several else ["srmsr"]
        row |= dict(zip(labels, fit.srmsr.tolist(), strict=True))
        row |= {c: getattr(fit, c) for c in ("tli", "cfi", "n_persons", "n_dropped")}
        return pd.DataFrame(row, index=[fit.name])

    def _suitable_statistic(self) -> str:
        """The statistic that suits the items."""
        design = self.model.layout.design
        if any(m.slope == "categories" for m in design.models) or max(design.n_categories) == 2:
            return "M2"
        n = len(design.items)
        moments = n * (n + 1) // 2 * len(self.model.group_labels)
        return "M2*" if moments > self.df_modelwc else "C2"

    def compare(self, *others, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Compare item response models by information criteria and likelihood-ratio tests.

        Parameters
        ----------
        *others : results
            Of models of the same responses.
        names : sequence of str, optional
            Of this model and the others; default the models of their items.

        Returns
        -------
        DataFrame
            A row a model in the order of their numbers of parameters: ``n_params``, ``llf``, ``aic``,
            ``bic``, ``converged``, and ``lr``, ``df`` and ``p_value`` of the likelihood-ratio test
            ``against`` the last of the models above that is nested in this one; NaN if none is.

        Raises
        ------
        SpecificationError
            Other responses or weights, or sampling weights, with which there is no likelihood.

        See Also
        --------
        compare_lr_test : test of one model, with an error that says why it is not nested.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> one, two = smg.IRT(data, model="1PL").fit(), smg.IRT(data).fit()
        >>> table = two.compare(one)
        >>> print(table[["n_params", "llf", "aic", "bic"]].round(2))
                 n_params      llf      aic      bic
        5 x 1PL         6 -2466.94  4945.88  4975.32
        5 x 2PL        10 -2466.65  4953.31  5002.38
        >>> print(table[["against", "lr", "df", "p_value"]].iloc[[1]].round(3))
                 against     lr   df  p_value
        5 x 2PL  5 x 1PL  0.568  4.0    0.967
        """
        fits = [self, *(getattr(other, "_results", other) for other in others)]
        for fit in fits:
            self._comparable(fit)
        if names is None:
            names = _distinct([dict(fit.described)["Items:"] for fit in fits])
        if len(names) != len(fits):
            raise SpecificationError(f"names= has {len(names)} names for {len(fits)} models")
        order = sorted(range(len(fits)), key=lambda k: fits[k].df_modelwc)
        rows: list[dict] = []
        for place, k in enumerate(order):
            row = {
                "n_params": fits[k].df_modelwc, "llf": fits[k].llf, "aic": fits[k].aic,
                "bic": fits[k].bic, "converged": fits[k].converged, "against": None,
                "lr": np.nan, "df": np.nan, "p_value": np.nan,
            }  # fmt: skip
            for other in reversed(order[:place]):
                if fits[other].df_modelwc == fits[k].df_modelwc:
                    continue
                try:
                    test = fits[k].compare_lr_test(fits[other])
                except SpecificationError:
                    # not nested: the one above it may be
                    continue
                row["against"] = names[other]
                row["lr"], row["p_value"], row["df"] = test
                break
            rows.append(row)
        return pd.DataFrame(rows, index=[names[k] for k in order])

    def _comparable(self, other) -> None:
        """Refuse to compare likelihoods of different data."""
        self._patterns()
        if not isinstance(other, ModelFitMethods):
            raise SpecificationError(
                f"compare() takes results of item response models, not {type(other).__name__}"
            )
        other._patterns()
        mine, theirs = self.model, other.model
        if mine.weights.sampling or theirs.weights.sampling:
            raise SpecificationError(
                "with sampling weights there is no likelihood to compare; use wald_test"
            )
        same = (
            mine.item_responses.items == theirs.item_responses.items
            and np.array_equal(mine.codes, theirs.codes)
            and np.array_equal(mine.person_weights, theirs.person_weights)
        )
        if not same:
            raise SpecificationError(
                "the models are fitted to different responses: items, persons (in the same order) and "
                "weights must be the same"
            )


def _rank(jacobian: np.ndarray) -> int:
    """Number of parameters that the coefficients of an item depend on."""
    singular = np.linalg.svd(jacobian, compute_uv=False)
    return int((singular > _RANK_TOLERANCE * singular.max(initial=1e-300)).sum())


def _distinct(names: list[str]) -> list[str]:
    """Names with numbers behind those that occur several times."""
    counts, seen, out = Counter(names), Counter[str](), []
    for name in names:
        seen[name] += 1
        out.append(f"{name} ({seen[name]})" if counts[name] > 1 else name)
    return out
