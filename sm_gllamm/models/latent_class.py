"""Latent class models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.components import ResponseComponent, ResponsePart
from sm_gllamm.likelihood.mixture import ClassLogits, MixtureLikelihood, Units
from sm_gllamm.mapping.class_responses import incidence
from sm_gllamm.mapping.item_rows import collapse
from sm_gllamm.mapping.mixture import MixtureMapping
from sm_gllamm.models.class_clusters import ClusterEffect
from sm_gllamm.models.class_enumeration import ClassEnumeration
from sm_gllamm.models.class_equations import class_restrictions
from sm_gllamm.models.class_groups import ObservedGroups
from sm_gllamm.models.class_inputs import ClassInputs, class_inputs, nominal_part, split_formula
from sm_gllamm.models.class_new_cases import CovariateDesigns
from sm_gllamm.models.class_restrictions import RestrictionMethods
from sm_gllamm.models.discrete import MixtureAssembly, UnitLayout, UnitProblem
from sm_gllamm.results.latent_class import LatentClassResults, LatentClassResultsWrapper
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.evaluation import names_in_scope

__all__ = ["LatentClass"]

_OPTIONS = ("items", "families", "classes", "direct", "equal", "order", "zeros", "known", "clusters",
            "cluster_classes", "groups", "free", "weights", "freq_weights", "n_threads",
            "eval_env")  # fmt: skip
#: What statsmodels itself hands to constructors.
_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst", "missing")


class LatentClass(RestrictionMethods):
    """Latent class model: indicators that are independent given a class nobody has seen.

    Parameters
    ----------
    data : DataFrame
        A row a unit. Missing responses are left out of the likelihood of their unit.
    n_classes : int or range
        With several numbers the model is a :class:`sm_gllamm.models.class_enumeration.ClassEnumeration`,
        whose ``fit()`` compares them.
    items : list of str, optional
        Columns that are indicators; default all.
    families : dict of str to str or family, optional
        Of indicators: "nominal" (default, response probabilities are free), "gaussian" (default for
        numbers that are not whole: a mean and a variance in each class), "poisson", or any family of
        :class:`sm_gllamm.models.glmm.GLMM`.
    classes : str, optional
        Formula of covariates of the class probabilities (multinomial logit), ``"~ gpa"``.
    direct : dict of str to str, optional
        Direct effects of covariates on indicators, ``{"A": "~ sex"}``, the same in all classes.
    equal : sequence of str, optional
        What is the same in all classes: indicators, "variances" of gaussian indicators (other
        dispersions too), or "thresholds" of ordinal indicators, which classes then only shift.
    order : sequence of str, optional
        Binary or measured indicators whose probability or mean does not fall from class to class. The
        classes are numbered upwards then.
    zeros : sequence of str, optional
        Categories that do not occur in a class, ``["class1:A[2]"]``.
    known : str, array_like of shape (n,) or (n, n_classes), optional
        Number of the class (from 1) where it is known and NaN elsewhere, or which classes are possible.
    clusters : str or array_like, optional
        Clusters of units, such as schools.
    cluster_classes : int or "normal", optional
        Number of classes of the clusters, on which the class probabilities of their units depend
        (multilevel latent class model, Vermunt 2003); or "normal" for a random effect of the clusters in
        their logits.
    groups : str, optional
        Column of observed groups. Classes have sizes of their own in each group; response probabilities
        are the same, unless `free` says otherwise.
    free : sequence of str or True, optional
        Indicators whose probabilities (means) differ between the groups, True for all.
    weights, freq_weights : str or array_like, optional
        Sampling weights (pseudo maximum likelihood with robust standard errors), or how many units a row
        stands for.
    n_threads : int, optional

    Raises
    ------
    SpecificationError
        Constant indicators, unknown columns, classes that contradict each other; the message names the
        indicator or row.

    Warns
    -----
    SpecificationWarning
        Rows without any response, which are left out.

    Notes
    -----
    Unit j has response y_ji to indicator i with probability (density) f_i(y_ji | c) in class c, and is in
    class c with probability proportional to exp(v_j' rho_c), rho_1 = 0. Parameters of nominal indicators are
    logits of categories against the first one: ``class2:A[yes]``; probabilities with standard errors are in
    :meth:`LatentClassResults.profiles`. Units with the same responses and covariates enter the likelihood
    once, with a weight. Classes are ordered by falling size.

    References
    ----------
    Goodman, L. A. (1974). Exploratory latent structure analysis using both identifiable and unidentifiable
    models. Biometrika 61, 215-231.

    Vermunt, J. K. (2003). Multilevel latent class models. Sociological Methodology 33, 213-239.

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import lsat
    >>> data = lsat.load_pandas().data
    >>> items = [c for c in data if c.startswith("item")]
    >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
    >>> round(result.llf, 2)
    -2467.41
    """

    results_class = LatentClassResults
    wrapper_class = LatentClassResultsWrapper
    default_starts = 20

    def __new__(cls, data=None, n_classes=2, **kwargs):
        """The model, or with several numbers of classes all of them."""
        if isinstance(n_classes, str) or not isinstance(n_classes, Iterable):
            return super().__new__(cls)
        if isinstance(kwargs.get("eval_env", 0), int):
            kwargs["eval_env"] = kwargs.get("eval_env", 0) + 1
        models = {}
        for k in _class_numbers(n_classes):
            models[k] = cls(data, k, **kwargs)
        return ClassEnumeration(models)

    def __init__(
        self, data, n_classes=2, *, items=None, families=None, classes=None, direct=None, equal=(),
        order=(), zeros=(), known=None, clusters=None, cluster_classes=None, groups=None,
        free=(), weights=None, freq_weights=None, n_threads=None, eval_env=0, **kwargs,
    ):  # fmt: skip
        check_keywords(set(kwargs) - set(_INTERNAL), _OPTIONS, "LatentClass")
        data = _as_frame(data)
        self.n_classes = _whole(n_classes, "n_classes", 1)
        items = [str(name) for name in (data.columns if items is None else items)]
        data = data.rename(columns=str)
        self.groups: ObservedGroups | None = None
        if groups is not None:
            self.groups = ObservedGroups.of(data, groups, items, free)
            data = self.groups.expanded(data)
            items, equal = self.groups.split_items, self.groups.split_names(_several(equal))
            families = self.groups.split_options(families)
            direct = self.groups.split_options(direct)
            order = self.groups.split_names(_several(order))
            classes = f"{classes or '~ 1'} + {self.groups.formula}"
        elif len(_several(free)) or free is True:
            raise SpecificationError("free= names items that differ between groups; give groups=")
        texts = [text for text in (classes, *(direct or {}).values()) if isinstance(text, str)]
        scope = (
            eval_env
            if isinstance(eval_env, Mapping)
            else names_in_scope(eval_env, texts, map(str, data.columns), depth=1)
        )
        self.inputs: ClassInputs = class_inputs(
            data, items, self.n_classes, classes, families, direct, known, clusters, weights,
            freq_weights, scope,
        )  # fmt: skip
        self.designs = CovariateDesigns.of(classes, direct, scope, data)
        self.clustered, self.cluster_labels = clusters is not None, self.inputs.cluster_labels
        self.class_names = tuple(f"class{c + 1}" for c in range(self.n_classes))
        self.cluster_name = clusters if isinstance(clusters, str) else "cluster"
        self.cluster_effect = ClusterEffect.of(self.cluster_name, clusters, cluster_classes)
        self.n_upper = self.cluster_effect.n_upper
        self.equal = self._checked_equal(equal)
        self.weights = self.inputs.weights
        self.n_threads = n_threads
        endog = self.inputs.frame[[indicator.name for indicator in self.inputs.indicators]]
        codes = np.column_stack([i.codes for i in self.inputs.indicators]).astype(float)
        super().__init__(
            pd.DataFrame(np.where(codes < 0, np.nan, codes), endog.index, endog.columns), None,
            missing="none", **kwargs,
        )  # fmt: skip
        self._data_attr += ["inputs", "weights", "assembly", "_likelihood", "data.orig_endog"]
        self._set_up()
        self.ordered_items = _several(order)
        self.class_order, self.class_equations = class_restrictions(
            self, self.ordered_items, _several(zeros),
        )  # fmt: skip

    def _checked_equal(self, equal) -> tuple[str, ...]:
        equal = _several(equal)
        known = ["variances", "thresholds", *(indicator.name for indicator in self.inputs.indicators)]
        if unknown := [name for name in equal if name not in known]:
            raise SpecificationError(
                f"equal names {unknown[0]!r}; it may name {known[2:]}, 'variances' or 'thresholds'"
            )
        return equal

    def _set_up(self) -> None:
        """Parameters, units, and what statsmodels wants to know."""
        indicators = self.inputs.indicators
        self.nominal = tuple(i for i in indicators if i.template is None)
        self.measured = tuple(i for i in indicators if i.template is not None)
        #: problem and mapping of each part, the nominal indicators together
        self._parts: list[tuple[Any, Any]] = []
        if self.nominal:
            self._parts.append(nominal_part(self.nominal))
        for indicator in self.measured:
            template = indicator.template
            self._parts.append((template.assembly.problem, template.mapping))
        by_class = [self._names_in(c) for c in range(self.n_classes)]
        self._mapping = MixtureMapping(
            [_PartsMapping([mapping for _, mapping in self._parts])] * self.n_classes,
            by_class, self._class_parameter_names(),
        )  # fmt: skip
        layout = self._layout()
        n_top = (
            len(self.inputs.cluster_labels)
            if self.inputs.cluster_labels is not None
            else len(layout.first)
        )
        self.assembly = MixtureAssembly(UnitProblem(True, n_top), self._mapping, layout)
        self.level_names = ["unit"]
        names = list(self._mapping.param_names)
        self._set_extra_params_names(names)
        self.data.xnames = names
        self.data.ynames = [indicator.name for indicator in indicators]
        self.nobs = len(layout.of_row)
        self.k_exog = self.k_vars = len(names)
        self.k_extra, self.k_constant = 0, 0
        self.df_model = len(names)
        self.df_resid = self.nobs - len(names)

    def _names_in(self, c: int) -> list[str]:
        """Names of the parameters of a class; without the class what all have in common."""
        label, out = f"{self.class_names[c]}:", []
        for indicator in self.nominal:
            own = "" if indicator.name in self.equal else label
            out += [f"{own}{indicator.name}[{category}]" for category in indicator.categories[1:]]
        for indicator in self.measured:
            for name in indicator.template.param_names:
                dispersion = name in _dispersions(indicator.template)
                common = (
                    name in indicator.shared
                    or indicator.name in self.equal
                    or (dispersion and "variances" in self.equal)
                )
                out.append(("" if common else label) + _published(indicator.name, name))
        return out

    def _class_parameter_names(self) -> list[str]:
        """Names of the coefficients of class probabilities."""
        return self.cluster_effect.parameter_names(self.class_names, self.inputs.design_names)

    @property
    def _class_columns(self) -> list[str]:
        """Columns of the logits of the classes: covariates, then what depends on the cluster."""
        return self.cluster_effect.columns(self.inputs.design_names)

    # ------------------------------------------------------------ units
    def _layout(self) -> UnitLayout:
        """Rows with the same responses, covariates and cluster as one unit."""
        inputs = self.inputs
        codes = np.column_stack([i.codes for i in inputs.indicators])
        others: list[np.ndarray] = [inputs.design[:, inputs.varying]]
        if inputs.allowed is not None:
            others.append(inputs.allowed.astype(float))
        weight = self.weights.by_level.get("row")
        row_weight = np.ones(len(codes)) if weight is None else weight
        patterns = collapse(codes, [other for other in others if other.shape[1]], row_weight)
        if inputs.cluster is None:
            return UnitLayout(patterns.first, patterns.of_person, patterns.weight, row_weight)
        # units of a cluster one after another
        n_patterns = len(patterns.first)
        key = inputs.cluster.astype(np.int64) * n_patterns + patterns.of_person
        _, first, of_row = np.unique(key, return_index=True, return_inverse=True)
        of_row = of_row.reshape(-1)
        total = np.bincount(of_row, row_weight, len(first))
        return UnitLayout(first, of_row, total, row_weight, inputs.cluster)

    def _units(self) -> Units:
        layout, inputs = self.assembly.layout, self.inputs
        allowed = None if inputs.allowed is None else inputs.allowed[layout.first]
        if inputs.cluster is None:
            return Units(np.ones(len(layout.first)), None, layout.weight, allowed)
        cluster = inputs.cluster[layout.first]
        return Units(layout.weight, cluster, np.ones(int(cluster.max()) + 1), allowed)

    def _members(self, first: np.ndarray):
        """Which response of each part the units have."""
        out = []
        if self.nominal:
            codes = np.column_stack([i.codes[first] for i in self.nominal])
            out.append(incidence(codes, [i.n_responses for i in self.nominal]))
        for indicator in self.measured:
            out.append(incidence(indicator.codes[first][:, None], [indicator.n_responses]))
        return out

    def _mixture(self) -> MixtureLikelihood:
        first = self.assembly.layout.first
        parts = [
            ResponsePart(problem, mapping, members)
            for (problem, mapping), members in zip(self._parts, self._members(first), strict=True)
        ]
        component = ResponseComponent(parts, self.n_threads)
        labels = self.inputs.cluster_labels
        logits, upper = self._logits(
            self.inputs.design[first], None if labels is None else len(labels)
        )
        return MixtureLikelihood(
            [component] * self.n_classes, self.mapping.places,
            np.tile(np.arange(self.n_classes), (self.cluster_effect.n_above, 1)), logits, upper,
            self._units(),
            self.mapping.k_params,
        )  # fmt: skip

    def _logits(
        self, design: np.ndarray, n_clusters: int | None
    ) -> tuple[ClassLogits, ClassLogits | None]:
        """Class probabilities of the units, and of the clusters if these have classes."""
        return self.cluster_effect.logits(
            self.mapping.class_places, self.n_classes, design, n_clusters
        )

    def likelihood_for(self, data):
        """Likelihood of new cases; see :meth:`NewCaseMethods.likelihood_for`."""
        if self.groups is not None:
            data = self.groups.expanded(_as_frame(data).rename(columns=str))
        return super().likelihood_for(data)

    @classmethod
    def from_formula(cls, formula, data, n_classes=2, eval_env=0, **kwargs):
        """Model from a formula and a data frame.

        Parameters
        ----------
        formula : str
            ``"A + B + C ~ gpa"``: indicators, and covariates of the class probabilities (1 for none).
        data : DataFrame
        n_classes : int or range
        **kwargs
            As for the class.

        Returns
        -------
        LatentClass

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> model = smg.LatentClass.from_formula("item_1 + item_2 + item_3 ~ 1", data, n_classes=2)
        >>> model.param_names[-1]
        'logit(class2):Intercept'
        """
        items, right = split_formula(formula)
        if isinstance(eval_env, int):
            eval_env += 1
        model = cls(data, n_classes, items=items, classes=f"~ {right}", eval_env=eval_env, **kwargs)
        model.formula = formula
        return model

    def _ordered(self, theta: np.ndarray, held: np.ndarray):
        """Classes by falling size; as they are where some are known, or parameters of some are."""
        if self.inputs.allowed is not None or self.fixed or self.n_classes == 1:
            return self._ordered_above(theta), held
        sizes = self._class_sizes(self.likelihood, theta)
        theta, held = self._permuted(theta, held, np.argsort(-sizes, kind="stable"))
        return self._ordered_above(theta), held

    def _permuted(self, theta: np.ndarray, held: np.ndarray, order: np.ndarray):
        """The same model with class order[c] in place of class c."""
        out, now = theta.copy(), held.copy()
        for c, place in enumerate(self.mapping.places):
            source = self.mapping.places[order[c]]
            own = place != source
            out[place[own]], now[place[own]] = theta[source[own]], held[source[own]]
        width = len(self._class_columns)
        if width:
            at = self.mapping.class_places[: (self.n_classes - 1) * width].reshape(-1, width)
            table = np.vstack([np.zeros(width), theta[at]])[order]
            out[at] = table[1:] - table[0]
        return out, now

    def _ordered_above(self, theta: np.ndarray) -> np.ndarray:
        """Upper classes by falling size."""
        if self.n_upper == 1:
            return self.cluster_effect.oriented(theta, self.param_names)
        out, width = theta.copy(), len(self._class_columns)
        rest = self.mapping.class_places[(self.n_classes - 1) * width :]
        logits = np.concatenate([[0.0], theta[rest]])
        order = np.argsort(-logits, kind="stable")
        out[rest] = (logits[order] - logits[order[0]])[1:]
        for c in range(self.n_classes - 1):
            own = self.mapping.class_places[c * width : (c + 1) * width][-self.n_upper :]
            out[own] = theta[own][order]
        return out


class _PartsMapping:
    """Mappings of the parts of a class, one after another."""

    def __init__(self, mappings):
        self.mappings = list(mappings)
        self._spans, first = [], 0
        for mapping in self.mappings:
            self._spans.append(slice(first, first + mapping.k_params))
            first += mapping.k_params
        self.k_params = first

    def _joined(self, values, method: str) -> np.ndarray:
        pairs = zip(self.mappings, self._spans, strict=True)
        return np.concatenate([getattr(m, method)(values[span]) for m, span in pairs])

    def theta(self, params) -> np.ndarray:
        return self._joined(params, "theta")

    def params(self, theta) -> np.ndarray:
        return self._joined(theta, "params")

    def jacobian(self, theta) -> np.ndarray:
        out = np.zeros((self.k_params, self.k_params))
        for mapping, span in zip(self.mappings, self._spans, strict=True):
            out[span, span] = mapping.jacobian(theta[span])
        return out

    def curvature(self, theta, gradient) -> np.ndarray:
        out = np.zeros((self.k_params, self.k_params))
        for mapping, span in zip(self.mappings, self._spans, strict=True):
            out[span, span] = mapping.curvature(theta[span], gradient[span])
        return out


def _published(item: str, name: str) -> str:
    """Name of a parameter of an indicator."""
    if name == "const":
        return item
    return f"var({item})" if name == "var(Residual)" else f"{item}:{name}"


def _dispersions(template) -> set[str]:
    """Names of variances and other dispersions."""
    mapping = template.mapping
    return {
        mapping.param_names[k]
        for block, slot in mapping.slots
        if slot.published != "identity"
        for k in range(block.start, block.stop)
    }


def _as_frame(data) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    array = np.asarray(data)
    if array.ndim != 2:
        raise SpecificationError(
            f"data must have a row a unit and a column an indicator, not shape {array.shape}"
        )
    return pd.DataFrame(array, columns=[f"item_{j + 1}" for j in range(array.shape[1])])


def _class_numbers(values: Iterable) -> list[int]:
    """Different numbers of classes."""
    numbers = [_whole(value, "n_classes", 1) for value in values]
    if not numbers:
        raise SpecificationError("n_classes is empty; give numbers of classes such as range(1, 5)")
    return sorted(set(numbers))


def _several(names) -> tuple[str, ...]:
    """Names, of which one may stand alone."""
    return (names,) if isinstance(names, str) else () if names is True else tuple(names or ())


def _whole(value, what: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise SpecificationError(f"{what} must be a whole number from {least} on, not {value!r}")
    return int(value)
