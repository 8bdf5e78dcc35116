"""Item response models: a front of the general model for a matrix of responses."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import IdentificationWarning, SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.marginal import marginal_probabilities
from sm_gllamm.mapping.item_rows import PersonAssembly, collapse, item_problem
from sm_gllamm.mapping.items import ItemLayout, lay_out_items
from sm_gllamm.mapping.random_items import ItemEffect, item_effects
from sm_gllamm.mapping.standardised import Standard
from sm_gllamm.models.item_ascent import ascends
from sm_gllamm.models.item_bank import bank_of, latent_means, with_effects
from sm_gllamm.models.item_dif import dif_fit, dif_tests
from sm_gllamm.models.item_drawing import draw_responses
from sm_gllamm.models.item_inputs import (
    EQUAL,
    by_person,
    check_constant,
    clusters_of,
    groups_of,
    item_design,
    person_weights,
    random_items_of,
)
from sm_gllamm.models.item_persons import PersonMethods
from sm_gllamm.models.item_posterior import ClusterPosterior, posterior_in_clusters
from sm_gllamm.models.item_priors import ItemPriors
from sm_gllamm.models.item_signs import with_positive_directions
from sm_gllamm.models.item_start import item_start
from sm_gllamm.models.person_covariates import PersonCovariates
from sm_gllamm.results.irt import IRTResults, IRTResultsWrapper
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.item_responses import (
    ItemResponses,
    item_responses,
    wide_responses,
)

__all__ = ["IRT"]

_OPTIONS = ("items", "data", "groups", "group_equal", "free_items", "regression", "clusters",
            "random_items", "random_item_slopes", "random_items_common", "dif", "dif_slopes",
            "specific", "testlets", "item_formula", "item_data", "fixed", "correlated", "link",
            "weights", "freq_weights", "priors", "n_threads")  # fmt: skip
#: What statsmodels itself hands to constructors.
_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst")
_LINKS = ("logit", "probit")
#: Response patterns from which on the error of quadrature in each matters less.
MANY = 2000
#: Latent variables of clusters that nodes are chosen for.
MOST_OF_CLUSTERS = 6


class IRT(PersonMethods):
    """Item response model, fitted by marginal maximum likelihood.

    Parameters
    ----------
    responses : DataFrame or array_like, shape (n_persons, n_items)
        Whole numbers or ordered categoricals, with NaN where missing. Categories are coded in order; the
        first one of a binary item is the wrong response.
    model : str or dict of str to str, optional
        "Rasch", "1PL", "2PL", "3PL", "3PLu" (upper asymptote), "4PL", "graded", "PCM", "GPCM", "RSM" or
        "nominal", for all items or by item. Default "2PL" for two categories, "graded" for more. Binary
        items of polytomous models have the binary model of the same kind.
    dimensions : int, or dict of str to list of str
        Items that measure each latent variable; a number is an exploratory model (rotate its results).
    items : list of str, optional
        Columns of `responses` that are items; default all.
    data : DataFrame, optional
        Covariates of persons; default `responses`.
    groups : str or array_like, shape (n_persons,), optional
        Groups of persons with latent means and covariance matrices of their own; the first one (in
        sorted or categorical order) is the reference.
    group_equal : sequence of {"slopes", "intercepts", "asymptotes"}
        What is the same in all groups.
    free_items : sequence of str
        Items that are exempt from `group_equal`.
    regression : str, optional
        Latent regression, a formula such as ``"~ age + C(sex)"``.
    dif, dif_slopes : dict of str to str, optional
        Direct effects of covariates of persons on the intercepts, and on the slopes, of items (uniform
        and non-uniform differential item functioning), ``{"x1": "~ sex"}``. The covariates belong in
        `regression`, too: otherwise differences in the latent variables are taken for those of items.
    clusters : str or array_like, shape (n_persons,), optional
        Clusters of persons, such as schools, with random intercepts of the latent variables.
    random_items, random_item_slopes : sequence of str, or "all"
        Items whose intercepts, and whose slopes, vary between clusters (De Jong, Steenkamp & Fox 2007):
        each is a latent variable of clusters with a variance, ``var(intercept[x1]|school)``, and
        independent of the others.
    random_items_common : bool
        One variance for all random intercepts, and one for all random slopes.
    specific : dict of str to list of str, optional
        Items of each specific dimension (bifactor) or testlet, disjoint; integrated one at a time given
        the general dimensions (dimension reduction, Gibbons & Hedeker 1992), whatever their number.
    testlets : bool
        Slopes on specific dimensions are proportional to those on the first general one (Bradlow, Wainer &
        Wang 1999).
    item_formula : str, optional
        Formula of item covariates that explain the intercepts of binary or rating scale items (LLTM,
        Fischer 1973), such as ``"~ type + mode"``.
    item_data : DataFrame, optional
        Covariates of items, its index names them.
    fixed : dict of str to dict, optional
        Known parameters by item for linking, ``{"x1": {"slope": 1.2, "intercept": -0.4}}``: "slope",
        "intercept" (one a category beyond the first), "lower", "upper". Latent means and variances are
        then free.
    correlated : bool, optional
        Whether dimensions covary; default True but for exploratory and bifactor models.
    link : {"logit", "probit"}
    weights, freq_weights : str or array_like, shape (n_persons,), optional
        Sampling weights of persons (pseudo maximum likelihood with robust standard errors), or how many
        persons a row stands for.
    priors : dict of str to tuple, optional
        Prior densities, ``{"lower": ("beta", 5, 17)}``, of "lower", "upper", "slope", "intercept" or
        single parameters: ("normal", mean, sd), ("lognormal", mean, sd), ("beta", a, b) of asymptotes.
        Estimates are posterior modes; the summary says so.
    n_threads : int, optional

    Raises
    ------
    SpecificationError
        Responses, items or options that do not fit; the message names the item or person.

    Warns
    -----
    SpecificationWarning
        Persons without any response, who are left out.

    Notes
    -----
    Predictors are ``slope'theta + intercept`` with theta standard normal in the reference group;
    difficulties are ``-intercept / slope`` (:meth:`IRTResults.item_table`). Where slopes are fixed at
    one (Rasch, PCM, RSM) the variance of theta is free. Persons are the observations. Persons with the
    same responses and covariates enter the likelihood once, with a weight.

    References
    ----------
    Bock, R. D., & Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters.
    Psychometrika 46, 443-459.

    De Jong, M. G., Steenkamp, J.-B. E. M., & Fox, J.-P. (2007). Relaxing measurement invariance in
    cross-national consumer research using a hierarchical IRT model. Journal of Consumer Research 34,
    260-278.

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import lsat
    >>> data = lsat.load_pandas().data
    >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
    >>> bool(result.converged)
    True
    """

    starts_from_items = True
    results_class = IRTResults
    wrapper_class = IRTResultsWrapper

    def __init__(
        self, responses, model=None, dimensions=1, *, items=None, data=None, groups=None,
        group_equal=EQUAL, free_items=(), regression=None, dif=None,
        dif_slopes=None, clusters=None, random_items=(), random_item_slopes=(),
        random_items_common=False, specific=None, testlets=False, item_formula=None,
        item_data=None, fixed=None, correlated=None, link="logit",
        weights=None, freq_weights=None, priors=None, n_threads=None, eval_env=0, **kwargs,
    ):  # fmt: skip
        check_keywords(set(kwargs) - set(_INTERNAL), _OPTIONS, "IRT")
        if link not in _LINKS:
            raise SpecificationError(f"link={link!r} is not known; use 'logit' or 'probit'")
        coded = item_responses(responses, items)
        n_given = len(responses)
        if data is None and isinstance(responses, pd.DataFrame):
            data = responses
        left_out = n_given - coded.n_persons
        if left_out:
            lost = np.setdiff1d(np.arange(n_given), coded.kept)
            label = responses.index[lost[0]] if isinstance(responses, pd.DataFrame) else lost[0]
            warnings.warn(
                f"persons without a response to any item are left out: {left_out}, the first of them is "
                f"{label!r}",
                SpecificationWarning,
                stacklevel=2,
            )
        if not coded.n_persons:
            raise SpecificationError("no person has any response")
        self.item_responses: ItemResponses = coded
        #: responses of each item by code; stays when the data are removed
        self.categories = coded.categories

        def persons_have(value, what):
            return by_person(value, what, data, n_given, coded)

        self.group_labels, self.groups = groups_of(persons_have(groups, "groups"), coded)
        persons = None
        if data is not None and len(data) == n_given:
            persons = data.iloc[coded.kept]
        elif data is not None:
            raise SpecificationError(f"data has {len(data)} rows for {n_given} persons")
        self.person_covariates = PersonCovariates.of(
            regression, dif, dif_slopes, persons, coded.items, eval_env
        )
        self.covariates = self.person_covariates.values
        #: covariates of the persons in use, for further formulas
        self.persons_data = persons
        self.cluster_labels, cluster = clusters_of(persons_have(clusters, "clusters"), coded)
        self.weights = person_weights(
            persons_have(weights, "weights"), persons_have(freq_weights, "freq_weights"), coded
        )
        cluster_name = None
        if cluster is not None:
            cluster_name = clusters if isinstance(clusters, str) else "cluster"
        random = random_items_of(
            random_items,
            random_item_slopes,
            random_items_common,
            coded,
            cluster,
            cluster_name,
            specific,
        )
        design = item_design(
            coded, model, dimensions, self.group_labels, self.groups, group_equal, free_items,
            self.person_covariates, specific, testlets, item_formula, item_data, fixed, correlated,
            link, cluster_name, random, eval_env,
        )  # fmt: skip
        self.exploratory = design[1]
        # priors are of parameters as the optimiser sees them
        self.standard = None if priors else Standard.of(self.covariates)
        self.layout: ItemLayout = lay_out_items(design[0], self.standard)
        self.cluster = cluster
        self.n_threads = n_threads
        self.priors = ItemPriors.of(priors, self.layout)
        endog = pd.DataFrame(
            np.where(coded.codes < 0, np.nan, coded.codes),
            index=coded.persons, columns=list(coded.items),
        )  # fmt: skip
        super().__init__(endog, None, missing="none", **kwargs)
        self._data_attr += [
            "item_responses", "groups", "covariates", "person_covariates", "persons_data", "cluster",
            "weights", "assembly", "_likelihood", "data.orig_endog",
        ]  # fmt: skip
        self._set_up()

    def _set_up(self):
        """Make the engine's problem, and tell statsmodels the names and number of parameters."""
        self.assembly = self._assemble()
        self._mapping = self.layout.mapping
        self.level_names = self.layout.levels
        names = list(self.mapping.param_names)
        self._set_extra_params_names(names)
        self.data.xnames, self.data.ynames = names, list(self.item_responses.items)
        self.nobs = self.item_responses.n_persons
        self.k_exog = self.k_vars = self.mapping.k_exog
        self.k_extra, self.k_constant = 0, 0
        self.df_model = len(names)
        self.df_resid = self.nobs - len(names)

    def _assemble(self, codes: np.ndarray | None = None, more=()) -> PersonAssembly:
        """The problem of the model's persons, with other responses if given, and of those alike in `more`."""
        codes = self.item_responses.codes if codes is None else codes
        frequency = self.weights.by_level.get("person")
        if self.cluster is None:
            others = [self.groups] if len(self.group_labels) > 1 else []
            if self.covariates is not None:
                others.append(self.covariates)
            others.extend(more)
            patterns = collapse(codes, others, frequency)
            which = patterns.first
            weight = None if (patterns.weight == 1.0).all() else patterns.weight
            problem = item_problem(
                self.layout, codes[which], self.groups[which], _rows(self.covariates, which), None,
                weight,
            )  # fmt: skip
            return PersonAssembly(problem, self.layout.mapping, patterns, which, which)
        order = np.argsort(self.cluster, kind="stable")
        cluster = self.cluster[order]
        problem = item_problem(
            self.layout, codes[order], self.groups[order], _rows(self.covariates, order), cluster,
            _rows(frequency, order),
        )  # fmt: skip
        first = np.concatenate([[0], np.flatnonzero(np.diff(cluster)) + 1])
        return PersonAssembly(problem, self.layout.mapping, None, order[first], order)

    @classmethod
    def from_formula(cls, formula, data, person, item, eval_env=0, **kwargs):
        """Model from long data, a row a response.

        Parameters
        ----------
        formula : str
            ``"response ~ 1"``, or with covariates of persons on the right, ``"response ~ age + sex"``,
            for a latent regression.
        data : DataFrame
        person, item : str
            Columns that say whose response to what a row is.
        **kwargs
            As for the class; names of columns refer to `data`, in which they must be constant within
            persons.

        Returns
        -------
        IRT

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import verbagg
        >>> data = verbagg.load_pandas().data
        >>> data["yes"] = (data["r2"] == "Y").astype(int)
        >>> model = smg.IRT.from_formula("yes ~ 1", data, person="id", item="item", model="Rasch")
        >>> len(model.param_names)
        25
        """
        response, tilde, right = formula.partition("~")
        if not tilde:
            raise SpecificationError(f"formula={formula!r} is no formula such as 'response ~ 1'")
        frame = wide_responses(data, response.strip(), person, item)
        persons = data.drop_duplicates(person).set_index(person)
        persons = persons.loc[frame.index]
        check_constant(data, person, right, kwargs)
        if right.strip() not in ("1", ""):
            kwargs["regression"] = f"~ {right.strip()}"
        if isinstance(eval_env, int):
            eval_env += 1
        model = cls(frame, data=persons, eval_env=eval_env, **kwargs)
        model.formula = formula
        return model

    # ------------------------------------------------------------ what the base asks for
    @property
    def likelihood(self):
        """The marginal likelihood in theta, with the prior densities if there are any."""
        likelihood = super().likelihood
        likelihood.prior = self.priors.evaluate if self.priors.terms else None
        return likelihood

    @property
    def codes(self) -> np.ndarray:
        """Coded responses, shape (n_persons, n_items), -1 where missing."""
        return self.item_responses.codes

    @property
    def person_weights(self) -> np.ndarray:
        """Weights of the persons, shape (n_persons,)."""
        given = self.weights.by_level.get("person")
        return np.ones(self.item_responses.n_persons) if given is None else given

    def bank_at(self, params, group: int = 0, covariates=None) -> ItemBank:
        """Items and latent distribution of a group at given parameters.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        group : int
        covariates : array_like, shape (number of covariates,), optional
            Values of the covariates of persons, which make a difference where items have direct effects
            (`dif`); default zero.

        Returns
        -------
        ItemBank
            Its mean is that of the group without latent regression.
        """
        return bank_of(self.layout, np.asarray(params), group, self.categories, covariates)

    def banks_of_persons(self, params) -> list[tuple[ItemBank, np.ndarray]]:
        """Item banks with the positions of the persons to whom they apply.

        Persons of a group have the same bank, unless covariates have direct effects on items.

        Parameters
        ----------
        params : array_like, shape (k_params,)

        Returns
        -------
        list of (ItemBank, ndarray of intp)
        """
        direct = self.person_covariates.direct
        key = [self.groups[:, None]]
        if direct:
            key.append(self.covariates[:, list(direct)])
        _, first, of_person = np.unique(
            np.column_stack(key), axis=0, return_index=True, return_inverse=True
        )
        of_person = of_person.reshape(-1)
        order = np.argsort(of_person, kind="stable")
        edges = np.searchsorted(of_person[order], np.arange(len(first) + 1))
        out = []
        for k, person in enumerate(first):
            values = None if self.covariates is None else self.covariates[person]
            bank = self.bank_at(params, int(self.groups[person]), values)
            out.append((bank, order[edges[k] : edges[k + 1]]))
        return out

    def with_covariates(self, covariates: PersonCovariates) -> IRT:
        """The same model with other covariates of persons.

        Parameters
        ----------
        covariates : PersonCovariates

        Returns
        -------
        IRT
        """
        other = copy(self)
        other.person_covariates, other.covariates = covariates, covariates.values
        other.standard = None if self.priors.terms else Standard.of(other.covariates)
        return other.with_design(
            covariates=covariates.names, regression=covariates.regression, dif=covariates.dif
        )

    def dif_tests(self, result, **options) -> pd.DataFrame:
        """Tests for differential item functioning; see :meth:`sm_gllamm.results.irt.IRTResults.dif`."""
        return dif_tests(result, **options)

    def dif_fit(self, result, item: str, by: str | None = None, kind: str = "both"):
        """Fit with one item that functions differently; see :func:`sm_gllamm.models.item_dif.dif_fit`."""
        return dif_fit(result, item, by, kind)

    def with_design(self, **changes) -> IRT:
        """The same data with another design of the items.

        Parameters
        ----------
        **changes
            Attributes of the model's :class:`sm_gllamm.mapping.item_design.ItemDesign`.

        Returns
        -------
        IRT
        """
        other = copy(self)
        other.layout = lay_out_items(replace(self.layout.design, **changes), other.standard)
        other.data = copy(self.data)
        # names are cached there, and are those of the parameters
        other.data._cache = dict(self.data._cache)
        other._likelihood, other._quadrature = None, None
        other.priors = ItemPriors.of(self.priors.asked, other.layout)
        other._set_up()
        return other

    def latent_means(self, params) -> np.ndarray:
        """Means of the latent variables given group and covariates, shape (n_persons, q)."""
        return latent_means(self.layout, np.asarray(params), self.groups, self.covariates)

    def fit(self, start_params=None, quadrature_tol=None, **kwargs):
        """Fit by marginal maximum likelihood, or to the posterior mode where there are priors.

        Parameters
        ----------
        start_params : array_like, Series or dict, optional
        quadrature_tol : float, optional
            Absolute error of the log-likelihood aimed at when nodes are chosen. Default 1e-6, 1e-5 with
            many different response patterns, of which each then matters less, and 1e-4 with random items,
            each of which is a dimension more.
        **kwargs
            As for :meth:`sm_gllamm.models.glmm.GLMM.fit`: ``n_points``, ``cov_type``, ``cov_kwds``,
            ``maxiter``, ``disp``, ``n_starts`` and so on.

        Returns
        -------
        IRTResultsWrapper

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> round(smg.IRT(data, "Rasch", items=items).fit().llf, 3)
        -2466.938
        """
        if self.item_effects:
            self._check_dimensions(kwargs)
            quadrature_tol = 1e-4 if quadrature_tol is None else quadrature_tol
        elif quadrature_tol is None:
            quadrature_tol = 1e-6 if self.likelihood.problem.n_top < MANY else 1e-5
        return super().fit(start_params, quadrature_tol=quadrature_tol, **kwargs)

    def _check_dimensions(self, options) -> None:
        """Refuse more latent variables of clusters than nodes can be chosen for."""
        many = self.mapping.dimensions[-1]
        said = options.get("n_points") is not None or options.get("integration") == "laplace"
        if many > MOST_OF_CLUSTERS and not said:
            level = self.level_names[-1]
            random = many - len(self.layout.design.dimensions)
            raise SpecificationError(
                f"the model has {many} latent variables of {level}, {random} of them of random items; nodes "
                f"are chosen for {MOST_OF_CLUSTERS} at most. Name fewer random items, or take Laplace's "
                f"approximation in each {level}, fit(n_points={{{level!r}: 1, 'person': 15}}), whose error "
                "the summary prints"
            )

    def _finish(self, fit, *args, **kwargs):
        """Results of a fit, with the signs that people expect."""
        theta = with_positive_directions(self.layout.design, self.mapping, fit.outcome.theta)
        if not np.array_equal(theta, fit.outcome.theta):
            evaluation = self._ready(fit.quadrature).evaluate(theta, 2)
            fit.outcome.theta, fit.outcome.value = theta, evaluation.total
            fit.outcome.gradient, fit.outcome.hessian = evaluation.gradient, evaluation.hessian
        return super()._finish(fit, *args, **kwargs)

    def _starting_theta(self, likelihood) -> np.ndarray:
        patterns = self.assembly.patterns
        if patterns is None:
            return item_start(self.layout, self.codes, self.person_weights, self.groups)
        # equal persons are looked at once
        first = patterns.first
        return item_start(self.layout, self.codes[first], patterns.weight, self.groups[first])

    @property
    def starts_near(self) -> bool:
        """Whether starting values are near enough to the maximum to say how many nodes it takes."""
        return ascends(self.layout)

    def _warn_of_rank(self, theta, restriction=None):
        """The design of the model says what is identified; what is not shows in the information."""
        return None

    def _crossed_thresholds(self, theta) -> tuple[str, ...]:
        """Intercepts of graded items are in order where the likelihood is positive."""
        return ()

    def _check_before_fit(self, scale=None):
        if scale is not None:
            raise SpecificationError("scale= is for grouped binomial and Poisson responses")
        if problem := self.lacking():
            warnings.warn(problem, IdentificationWarning, stacklevel=3)

    def _separation(self, theta) -> tuple[str, ...]:
        return ()

    # ------------------------------------------------------------ prediction
    def predict(self, params, theta=None, which="probability", group: int = 0):
        """Predictions at given parameters and latent variables.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        theta : array_like, shape (m,) or (m, q), optional
            Latent variables; default: averaged over their distribution.
        which : {"probability", "mean"}
            Probabilities of all categories, or expected codes.
        group : int

        Returns
        -------
        list of ndarray, each of shape (m, K_j), or ndarray of shape (m, n_items)
        """
        if which not in ("probability", "mean"):
            raise SpecificationError(f"which={which!r} is not known; use 'probability' or 'mean'")
        bank = self.bank_at(params, group)
        if theta is None:
            varying = self.varying(params)
            shares = [
                marginal_probabilities(item, bank.mean, bank.covariance, varying.get(j, ()))[None]
                for j, item in enumerate(bank.items)
            ]
        else:
            at = np.asarray(theta, dtype=float).reshape(-1, len(bank.dimensions))
            shares = [item.probabilities(at) for item in bank.items]
        if which == "probability":
            return shares
        return np.column_stack([p @ np.arange(p.shape[1]) for p in shares])

    def simulate(self, params, n=1, seed=None) -> np.ndarray:
        """Responses drawn at given parameters for persons with new latent variables.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray of int, shape (n_persons, n_items, n), or (n_persons, n_items) for n = 1
            Codes, -1 where the data are missing.
        """
        rng = np.random.default_rng(seed)
        draws = [draw_responses(self, np.asarray(params, dtype=float), rng) for _ in range(n)]
        return draws[0] if n == 1 else np.stack(draws, axis=-1)

    def cluster_covariance(self, params) -> np.ndarray:
        """Covariance matrix of what varies between clusters of persons: the dimensions, and of items what
        is random, in the order of :func:`sm_gllamm.mapping.random_items.item_effects`."""
        top = len(self.level_names) - 1
        _, _, block, term = next(t for t in self.mapping.terms if t[0] == top)
        return term.matrix(np.asarray(params, dtype=float)[block])

    @property
    def item_effects(self) -> tuple[ItemEffect, ...]:
        """What of the items varies between clusters of persons."""
        return item_effects(self.layout.design)

    def varying(self, params) -> dict[int, list[tuple[int | None, float]]]:
        """Variances between clusters of intercepts (None) and slopes, by latent variable, of each item
        that has any."""
        out: dict[int, list[tuple[int | None, float]]] = {}
        if effects := self.item_effects:
            variance = np.diag(self.cluster_covariance(params))[-len(effects) :].tolist()
            for effect, value in zip(effects, variance, strict=True):
                out.setdefault(effect.item, []).append((effect.dimension, value))
        return out

    def posterior_in_clusters(self, theta, quadrature) -> ClusterPosterior:
        """Posterior moments of persons and clusters at internal parameters."""
        return posterior_in_clusters(self, theta, quadrature)

    def with_effects(self, bank: ItemBank, effects) -> ItemBank:
        """The items as a cluster with given effects has them."""
        return with_effects(self.layout.design, bank, effects)


def _rows(values: np.ndarray | None, which: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[which]
