"""Generalized linear mixed models by maximum likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.assemble import assemble, lay_out_mixed
from sm_gllamm.mapping.rows import rows_of
from sm_gllamm.models.applied import NewDataMethods
from sm_gllamm.models.extras import ROWS, extras_from_arrays, extras_from_frame
from sm_gllamm.models.inputs import level_weights, prepare_arrays
from sm_gllamm.models.member_rows import filled_ranks, filled_second_column
from sm_gllamm.models.responses import (
    CATEGORICAL,
    encode_categories,
    family_by_label,
    prepare_responses,
    report_broken_sets,
    without_constant,
)
from sm_gllamm.prediction.means import kind_of_prediction
from sm_gllamm.prediction.predict import predicted, rows_for
from sm_gllamm.prediction.simulate import response_draws
from sm_gllamm.responses.densities import CODES
from sm_gllamm.responses.registry import response_for
from sm_gllamm.results.glmm import GLMMResults, GLMMResultsWrapper
from sm_gllamm.specification.checks import check_covariates, check_keywords
from sm_gllamm.specification.design import build_design
from sm_gllamm.specification.random_checks import check_levels
from sm_gllamm.specification.set_checks import (
    check_alternatives,
    check_mixed_columns,
    check_sets,
)
from sm_gllamm.specification.variance_by import with_variances_by_group

__all__ = ["GLMM"]

_OPTIONS = ("groups", "exog_re", "family", "offset", "exposure", "weights", "freq_weights",
            "weight_scaling", "covariance", "missing", "n_threads", "dispersion", "zero",
            "thresholds", "scale", "lower", "upper", "sets", "entry", "parts", "links",
            "family_by", "variance_by")  # fmt: skip
#: What statsmodels itself hands to constructors.
_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst")


class GLMM(NewDataMethods):
    """Generalized linear mixed model with nested random effects, fitted by maximum likelihood.

    Parameters
    ----------
    endog : array_like, shape (nobs,) or (nobs, 2)
        Response. Two columns are successes and failures of binomial families (proportions are not
        accepted), duration and event (1, or 0 if censored) of durations, lower and upper bound with
        ``censoring="interval"``. Categories may be an ordered categorical, integers, or strings with
        a stated order; of choices it is 1 for the chosen alternative, of rankings the rank.
    exog : array_like, shape (nobs, k)
        Fixed-effects design, with a constant if one is wanted.
    groups : array_like, shape (nobs,), or DataFrame / dict of nested labels from top to bottom
        Cluster of each row.
    exog_re : array_like, shape (nobs, q), or dict of level name to array, optional
        Random-effects design; a random intercept at every level if not given.
    family : statsmodels family, one of ``smg.families``, class, name or dict, optional
        Default gaussian. A dict of families, with `family_by`, is a model of mixed responses. All
        pairs of family and link stand in :data:`sm_gllamm.responses.registry.RESPONSES`.
    offset, exposure : array_like, shape (nobs,), optional
        Added to the linear predictor; the exposure's logarithm is.
    weights : array_like or dict of level name (``"row"`` for rows) to array_like, shape (nobs,), optional
        Sampling weights: inverse conditional selection probabilities of the units of a level given
        their cluster. The fit is pseudo maximum likelihood with sandwich standard errors.
    freq_weights : the same, optional
        Frequency weights: how many identical units a unit stands for.
    weight_scaling : {None, "size", "effective"}
        Scaling of sampling weights within clusters; see :mod:`sm_gllamm.survey.scaling`.
    covariance : {"unstructured", "diagonal", "equal"} or dict of level name to these
        Covariance matrix of the random effects of a level.
    missing : {"none", "drop", "raise"}
        What to do with rows that have missing values.
    n_threads : int, optional
        Threads over top-level clusters; results do not depend on it.
    dispersion : array_like, shape (nobs, r), or dict of family to such, optional
        Covariates, with a constant, of the logarithm of the dispersion (of gaussian responses: of the
        standard deviation; of counts alpha, of proportions the precision, of durations shape or
        scale). Default a constant. Of mixed responses a dict, ``{"count": ...}``, names families, in
        the rows of which alone values are needed; what is no dict is for all that have a dispersion.
    zero : array_like, shape (nobs, r), or dict of family to such, optional
        Covariates, with a constant, of the logit of the probability of a zero, of zero-inflated and
        hurdle families. Default a constant.
    thresholds : array_like, shape (nobs, r), or dict of family to such, optional
        Covariates with coefficients of their own in every threshold of an ordinal response (partial
        proportional odds), without a constant; leave them out of `exog`.
    scale : array_like, shape (nobs, r), or dict of family to such, optional
        Covariates, without a constant, of the log scale of the latent response of an ordinal response.
    lower, upper : array_like, shape (nobs, r), or dict of family to such, optional
        Covariates, with a constant, of the logits of the asymptotes of binomial responses with asymptotes.
        Default a constant.
    sets : array_like, shape (nobs,), optional
        Which rows are one response: the alternatives of a choice or a ranking, the parts of a
        composite mean. Rows of a set need not be adjacent. Of mixed responses values are needed in the
        rows of these families only, as those of `entry`, `parts` and `links` in the rows of theirs.
    entry : array_like, shape (nobs,), optional
        Times of late entry of durations; 0 for none.
    parts : array_like, shape (nobs,), optional
        Weights of the rows in the mean of a composite response; default 1.
    links : array_like of str, shape (nobs,), optional
        Links of the rows of composite responses; default the family's link.
    family_by : array_like, shape (nobs,), optional
        Which family of the dict `family` each row has. With one family: rows with different labels have
        dispersions and thresholds of their own, as items do.
    variance_by : dict of level name to array_like of shape (nobs,), optional
        Groups of clusters whose random effects have variances and covariances of their own.

    Raises
    ------
    SpecificationError
        If the data do not fit the model; the message names the column, row or cluster.
    CrossedDesignError
        If grouping factors are crossed.

    Notes
    -----
    Conditional on random effects ``u`` the linear predictor of row i is ``x_i'beta + offset_i +
    sum_l z_i^(l)'C^(l) u^(l)``, with C the Cholesky factor of the level's covariance matrix and u
    standard normal. The likelihood integrates u out by adaptive quadrature, recursively from the
    lowest level (Rabe-Hesketh, Skrondal & Pickles 2005, sec. 2-3).

    `params` are the published quantities: coefficients, then for each level from the top down the
    variances and covariances of the random effects, then thresholds and dispersions (residual
    variance, dispersion, alpha, precision, shape or scale), logits of asymptotes, or the coefficients of
    their formulas.

    References
    ----------
    Rabe-Hesketh, S., Skrondal, A., & Pickles, A. (2005). Maximum likelihood estimation of limited and
    discrete dependent variable models with nested random effects. Journal of Econometrics 128, 301-323.

    Examples
    --------
    >>> import numpy as np, statsmodels.api as sm
    >>> import sm_gllamm.api as smg
    >>> rng = np.random.default_rng(0)
    >>> school = np.repeat(np.arange(50), 10)
    >>> x = rng.normal(size=500)
    >>> p = 1 / (1 + np.exp(-(x + rng.normal(size=50)[school])))
    >>> model = smg.GLMM(rng.binomial(1, p), sm.add_constant(x), groups=school, family="binomial")
    >>> result = model.fit()
    >>> bool(result.converged)
    True
    """

    _formula_max_endog = None
    results_class = GLMMResults
    wrapper_class = GLMMResultsWrapper
    #: whether the columns of the levels' terms are what random effects multiply
    effects_are_columns = True
    #: latent variables with equations of their own, of the general model
    latents: tuple = ()
    #: the data, where they are not those that the coding of categories is learned from
    applied_frame: pd.DataFrame | None = None

    def __init__(
        self, endog, exog, groups=None, exog_re=None, family=None, offset=None, exposure=None,
        weights=None, freq_weights=None, weight_scaling=None, covariance="unstructured",
        missing="none", random=None, n_threads=None, dispersion=None, zero=None, thresholds=None,
        scale=None, lower=None, upper=None, sets=None, entry=None, parts=None, links=None,
        family_by=None, variance_by=None, extras=None, **kwargs,
    ):  # fmt: skip
        self.family, self.response = response_for(family_by_label(family, family_by))
        if extras is None:
            extras = extras_from_arrays(
                {"dispersion": dispersion, "zero": zero, "thresholds": thresholds, "scale": scale,
                 "lower": lower, "upper": upper, "sets": sets, "entry": entry, "parts": parts,
                 "links": links, "family_by": family_by, "variance_by": variance_by},
                endog, self.family,
            )  # fmt: skip
            if isinstance(endog, (pd.DataFrame, np.ndarray)) and np.shape(endog)[1:] == (2,):
                endog = self._filled(endog, extras)
        if getattr(self.family, "layout", "plain") in CATEGORICAL and not extras.labels:
            endog, extras = self._coded(endog, extras)
        if getattr(self.family, "layout", "plain") in ("ranking", "mixed"):
            endog = filled_ranks(self.family, endog, extras.rows.get("family_by"))
        if random is None:
            lacking = extras.missing()
            arrays = prepare_arrays(
                endog, exog, groups, exog_re, covariance, missing,
                offset=offset, exposure=exposure, weights=weights, freq_weights=freq_weights,
                extras=None if lacking is None else np.where(lacking, np.nan, 0.0),
            )  # fmt: skip
            endog, exog, random, self.kept_rows = (
                arrays.endog,
                arrays.exog,
                arrays.levels,
                arrays.kept,
            )
            offset, exposure = arrays.offset, arrays.exposure
            extras = extras.take(arrays.kept)
            weights, freq_weights = arrays.weights, arrays.freq_weights
        check_keywords(set(kwargs) - set(_INTERNAL), _OPTIONS, "GLMM")
        check_covariates(exog)
        super().__init__(endog, exog, missing="none", **kwargs)
        # patsy's DesignInfo does not pickle; self.data keeps it and knows how to rebuild it
        self.__dict__.pop("model_spec", None)
        self.weights = level_weights(weights, freq_weights, weight_scaling, random)
        check_levels(random, self.kind, self.weights.frequency)
        self.random = with_variances_by_group(tuple(random), extras.groups)
        self.extras = replace(extras, groups={})
        self.offset, self.exposure = offset, exposure
        self.n_threads = n_threads
        self._init_keys = [
            "family", "offset", "exposure", "weights", "random", "n_threads", "extras",
        ]  # fmt: skip
        self._data_attr += [
            "random",
            "extras",
            "responses",
            "offset",
            "exposure",
            "weights",
            "kept_rows",
            "assembly",
            "_likelihood",
            "data.orig_endog",
            "data.orig_exog",
        ]
        self._set_up()

    def _lay_out(self):
        """How random effects become columns of the engine's design."""
        return lay_out_mixed

    def _coded(self, endog, extras):
        """Codes of a categorical response, and the extras with its labels."""
        name = str(getattr(endog, "name", None) or "endog")
        codes, labels = encode_categories(self.family, endog, name)
        if isinstance(endog, pd.Series):
            codes = pd.Series(codes, endog.index, name=name)
        return codes, replace(extras, labels=labels)

    def _filled(self, endog, extras):
        """Endog without missing values in second columns that the families of rows do not have."""
        by = extras.rows.get("family_by")
        if getattr(self.family, "layout", "plain") != "mixed" or by is None:
            return endog
        second = endog.iloc[:, 1] if isinstance(endog, pd.DataFrame) else endog[:, 1]
        filled = filled_second_column(self.family, second, by)
        if isinstance(endog, pd.DataFrame):
            return pd.concat([endog.iloc[:, 0], filled], axis=1)
        return np.column_stack([endog[:, 0], filled])

    def _set_up(self):
        """Sort the data, lay out the parameters, tell statsmodels their names and number."""
        name = (
            self.endog_names if isinstance(self.endog_names, str) else ", ".join(self.endog_names)
        )
        total = self.offset
        if self.exposure is not None:
            total = np.log(self.exposure) + (0.0 if total is None else total)
        exog = np.asarray(self.exog, dtype=float)
        #: columns of exog, those without a coefficient included
        self.design_names = list(self.exog_names)
        self.kept_columns = without_constant(self.family, exog, self.extras.rows.get("family_by"))
        names = [x for x, keep in zip(self.exog_names, self.kept_columns, strict=True) if keep]
        data = prepare_responses(
            self.family, self.response, self.endog, self.extras.labels, name, self.data.row_labels,
            exog if self.kept_columns.all() else exog[:, self.kept_columns], names, total,
            self.extras.designs, **{key: self.extras.rows.get(key) for key in ROWS},
        )  # fmt: skip
        if data.sets is not None:
            check_sets(data.sets, self.random, self.weights.by_level, self.data.row_labels)
        effects = self.random if self.effects_are_columns else ()
        if self.response.law.alternatives:
            check_alternatives(data.sets, data.exog, names, effects)
        for label, _, response, at, share in data.members:
            if response.law.alternatives:
                check_alternatives(share.sets, share.exog, names, effects, at, label)
        rows = rows_of(self.family, self.response, data)
        if data.members:
            data, rows = self._of_members(data, rows)
        self.responses = data
        exact = bool(np.all(rows.code == CODES["gaussian_identity"]))
        self.assembly = assemble(
            data, rows, self.random, exact, self.weights.by_level, self._lay_out()
        )
        self._mapping = self.assembly.mapping
        self.level_names = [level.name for level in self.random]
        self.k_exog = self.mapping.k_exog
        self.k_vars = self.k_exog
        self.nobs = len(exog)
        k_params = self.mapping.k_params
        self.data.xnames = self.mapping.param_names[: self.k_exog]
        self._set_extra_params_names(self.mapping.param_names[self.k_exog :])
        self.k_extra = k_params - self.k_exog
        if not self.kept_columns.all():
            self.k_constant = 0
        self.df_model = self.k_exog - self.k_constant
        self.df_resid = self.nobs - k_params

    def _of_members(self, data, rows):
        """Mixed responses with what the columns of designs are in the rows of their likelihood."""
        if len(rows.copies) > 1:
            data = replace(data, used=rows.columns_in_use(data.exog, self.random))
            rows = replace(rows, used=data.used)
        if rows.n != len(data.y) or rows.set_size is not None:
            check_mixed_columns(data, rows)
        return data, rows

    @property
    def kind(self) -> str:
        """Kind of response for checks, such as "gaussian", "bernoulli", "binomial" or "count"."""
        if self.response.kind == "binomial":
            two = np.ndim(self.endog) == 2
            several = two and bool((np.sum(self.endog, axis=1) > 1).any())
            return "binomial" if several else "bernoulli"
        return self.response.kind

    @classmethod
    def from_formula(
        cls, formula, data, subset=None, drop_cols=None, groups=None, re_formula=None, vc_formula=None,
        family=None, offset=None, exposure=None, weights=None, freq_weights=None, weight_scaling=None,
        covariance="unstructured", missing="drop", n_threads=None, eval_env=0, dispersion=None,
        zero=None, thresholds=None, scale=None, lower=None, upper=None, sets=None, entry=None, parts=None,
        links=None, family_by=None, variance_by=None, arguments=None, **kwargs,
    ):  # fmt: skip
        """Mixed model from a formula and a data frame.

        Parameters
        ----------
        formula : str
            With lme4's bars, ``"y ~ x + (1 + x | school)"``, ``(x || g)``, ``(1 | school/class)``;
            or without, and `groups` (MixedLM's way).
        data : DataFrame
        subset : str, array_like of bool, or row labels, optional
        drop_cols : list of str, optional
        groups : str or list of str, optional
            Column, or nested columns from top to bottom.
        re_formula : str, optional
            Random effects of `groups`, such as ``"~ x"``; default a random intercept.
        vc_formula : dict of str to str, optional
            Variance components within `groups`.
        family, weight_scaling, covariance, n_threads
            As for the class.
        offset, exposure, weights, freq_weights
            As for the class, or names of columns.
        missing : {"drop", "raise"}
            Rows with a missing value in anything used are dropped, or raise.
        eval_env : int or dict
            Where functions in formulas are looked up: frames up from the caller, or names.
        dispersion, zero, thresholds, scale, lower, upper : str, or dict of family to str, optional
            Formulas that start with "~", see the class.
        sets, entry, parts, links, family_by, variance_by
            Names of columns (several for `sets`), or values as for the class.

        Returns
        -------
        GLMM

        Raises
        ------
        SpecificationError
            Names the column, term or row at fault.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import cbpp
        >>> data = cbpp.load_pandas().data
        >>> data["rest"] = data["size"] - data["incidence"]
        >>> formula = "incidence + rest ~ C(period) + (1 | herd)"
        >>> model = smg.GLMM.from_formula(formula, data, family="binomial")
        >>> round(model.fit().llf, 2)
        -91.98
        """
        formula_options = ("subset", "drop_cols", "re_formula", "vc_formula", "eval_env")
        check_keywords(kwargs, (*_OPTIONS, *formula_options), "GLMM.from_formula")
        if isinstance(eval_env, int):
            eval_env += 1
        by = data[family_by] if isinstance(family_by, str) and family_by in data else family_by
        if not isinstance(by, str):
            family = family_by_label(family, by)
        family, frame = response_for(family)[0], data
        extras, data = extras_from_frame(
            family, formula, data,
            {"dispersion": dispersion, "zero": zero, "thresholds": thresholds, "scale": scale,
             "lower": lower, "upper": upper, "sets": sets, "entry": entry, "parts": parts,
             "links": links, "family_by": family_by, "variance_by": variance_by},
            eval_env,
        )  # fmt: skip
        left_out, sets = extras.missing(), extras.rows.get("sets")
        if left_out is not None:
            if missing == "raise":
                row = int(np.argmax(left_out))
                raise SpecificationError(
                    f"row {data.index[row]!r} has missing values in {extras.missing_in(row)}; drop it"
                )
            if isinstance(subset, (pd.Series, np.ndarray, list)) and len(subset) == len(data):
                subset = np.asarray(subset)[~left_out]
            data, extras = data[~left_out], extras.take(np.flatnonzero(~left_out))
        design = build_design(
            formula, data, subset=subset, drop_cols=drop_cols, groups=groups, re_formula=re_formula,
            vc_formula=vc_formula, covariance=covariance, offset=offset, exposure=exposure,
            weights=weights, freq_weights=freq_weights, missing=missing, eval_env=eval_env,
        )  # fmt: skip
        more = {} if arguments is None else arguments(design)
        try:
            model = cls(
                design.endog, design.exog, random=design.levels, family=family, offset=design.offset,
                exposure=design.exposure, weights=design.weights, freq_weights=design.freq_weights,
                weight_scaling=weight_scaling, n_threads=n_threads, formula=design.fixed_formula,
                model_spec=design.model_spec, missing_idx=None,
                extras=extras.in_use(design.kept, design.frame), **more,
            )  # fmt: skip
        except SpecificationError as error:
            gone = len(frame) - len(design.kept)
            if "sets" not in extras.rows or not gone or subset is not None:
                raise
            raise SpecificationError(
                f"{error} ({gone} rows had missing values and were dropped: the alternative chosen may be "
                "among them; drop whole sets.)"
            ) from None
        model.formula = design.fixed_formula
        model.random_formula = formula
        model.data.frame = design.frame
        model.random_design = design.random
        model.variance_by = {
            level: (variance_by[level], groups.categories)
            for level, groups in extras.groups.items()
        }
        model.kept_rows = (
            design.kept if left_out is None else np.flatnonzero(~left_out)[design.kept]
        )
        if sets is not None and subset is None:
            report_broken_sets(family, sets, model.kept_rows)
        return model

    # ------------------------------------------------------------ prediction
    def predict(
        self, params, exog=None, which="mean", *, groups=None, exog_re=None, offset=None,
        exposure=None, random_effects=None, extras=None, survival=None,
    ) -> np.ndarray:  # fmt: skip
        """Predictions at given parameters, from arrays.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        exog : array_like, shape (n, k) or (k,), optional
            Rows of the fixed-effects design; default those of the model.
        which, groups, exog_re, offset, exposure, random_effects, extras, survival
            As in :meth:`sm_gllamm.results.glmm.GLMMResults.predict`.

        Returns
        -------
        ndarray, shape (n,), or (n, K) where predictions of a row are several numbers
        """
        kind = kind_of_prediction(which)
        rows = rows_for(
            self, kind, exog, False, None, groups, exog_re, offset, exposure, random_effects, extras
        )
        return predicted(self, params, rows, kind, random_effects, survival=survival)

    def simulate(self, params, n=1, seed=None) -> np.ndarray:
        """Responses drawn at given parameters, with new random effects in every draw.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray, shape (nobs, n), or (nobs,) for n = 1
            Counts of successes for binomial responses, codes for categories. Where endog has two
            columns (durations and events, bounds), shape (nobs, 2, n) or (nobs, 2).
        """
        draws = list(response_draws(self, params, n, np.random.default_rng(seed)))
        return draws[0] if n == 1 else np.stack(draws, axis=-1)
