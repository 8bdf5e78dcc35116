"""Mixtures of any model of the package: the clusters of its top level are in classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.estimation.mixture_search import Found
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.components import ClusterComponent, PlainComponent, empty_levels
from sm_gllamm.likelihood.marginal import Quadrature
from sm_gllamm.likelihood.mixture import MixtureLikelihood
from sm_gllamm.mapping.mixture import MixtureMapping
from sm_gllamm.models.class_clusters import ClusterEffect
from sm_gllamm.models.class_enumeration import ClassEnumeration
from sm_gllamm.models.class_inputs import allowed_classes
from sm_gllamm.models.class_new_cases import CovariateDesigns
from sm_gllamm.models.designs import design_of
from sm_gllamm.models.discrete import MixtureAssembly
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.mixture_edges import EdgeMethods
from sm_gllamm.models.mixture_layout import (
    LayoutMethods,
    frame_of,
    offset_columns,
    rows_in_use,
    unit_options,
)
from sm_gllamm.models.mixture_new_units import NewUnitMethods
from sm_gllamm.models.mixture_nodes import rough_controls, with_enough_nodes
from sm_gllamm.models.mixture_order import OrderMethods
from sm_gllamm.models.mixture_refits import MixtureRefitMethods
from sm_gllamm.models.mixture_start import mixture_starts
from sm_gllamm.results.mixture import MixtureModelResults, MixtureModelResultsWrapper
from sm_gllamm.specification.checks import check_keywords
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean, names_in_scope
from sm_gllamm.specification.formula import has_bars

__all__ = ["Mixture"]

_OPTIONS = ("equal", "fixed", "classes", "known", "clusters", "cluster_classes", "data", "n_threads",
            "eval_env")  # fmt: skip
#: What statsmodels itself hands to constructors.
_INTERNAL = ("formula", "missing_idx", "model_spec", "hasconst", "missing")
#: Kinds of parameters that may be the same in all classes.
KINDS = ("coefficients", "covariances", "dispersions", "loadings")


class Mixture(NewUnitMethods, LayoutMethods, EdgeMethods, OrderMethods, MixtureRefitMethods):
    """Finite mixture of a model of the package.

    Clusters of the model's top level (persons of an item response model, single rows where there are no
    clusters) are in classes that differ in the model's parameters: mixtures of regressions, growth
    mixtures, factor mixtures, latent classes with random effects.

    Parameters
    ----------
    model : GLMM, GLLAMM or IRT
        With or without latent variables, not fitted.
    n_classes : int or range
        With several numbers the model is a :class:`sm_gllamm.models.class_enumeration.ClassEnumeration`,
        whose ``fit()`` compares them.
    equal : sequence of str, optional
        What is the same in all classes: parameters by name, or "coefficients", "covariances" (of random
        effects), "dispersions" (residual variances, too), "loadings". Default covariances and dispersions;
        with ``equal=()`` classes share nothing.
    fixed : dict of str to float, optional
        Coefficients held at values, ``{"class2:treated": 0.0}``.
    classes : str, optional
        Formula of covariates of the class probabilities, which do not vary within the clusters in classes.
    known : str or array_like of shape (n,) or (n, n_classes), optional
        Number of the class (from 1) where it is known and NaN elsewhere, or which classes are possible, by
        row of the data.
    clusters : str or array_like, optional
        Clusters of the units in classes, such as schools of persons.
    cluster_classes : int or "normal", optional
        Number of classes of these, with ``n_classes=1`` in the model's parameters, else in the class
        probabilities (Vermunt 2003); or "normal" for a random effect in the logits of the classes.
    data : DataFrame, optional
        What names of columns refer to, a row a row of the model; default the model's own data.
    n_threads : int, optional

    Raises
    ------
    SpecificationError
        Unknown names, covariates that vary within units, classes that contradict each other.

    Notes
    -----
    Parameters are those of `model`, ``class2:x`` that of a class and ``x`` what all classes have in
    common, and coefficients of the logits of the class probabilities against the first class. Classes are
    in the order of falling size, unless some are known or parameters are fixed. Standard errors are those
    of the exact observed information.

    References
    ----------
    McLachlan, G. J., & Peel, D. (2000). Finite Mixture Models. Wiley.

    Muthen, B., & Shedden, K. (1999). Finite mixture modeling with mixture outcomes using the EM algorithm.
    Biometrics 55, 463-469.

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import sleepstudy
    >>> data = sleepstudy.load_pandas().data
    >>> growth = smg.GLMM.from_formula("Reaction ~ Days + (1 | Subject)", data)
    >>> result = smg.Mixture(growth, n_classes=2).fit(n_starts=5)
    >>> result.params.index[0]
    'class1:Intercept'
    """

    results_class = MixtureModelResults
    wrapper_class = MixtureModelResultsWrapper

    def __new__(cls, model=None, n_classes=2, **kwargs):
        """The model, or with several numbers of classes all of them."""
        if isinstance(n_classes, str) or not isinstance(n_classes, Iterable):
            return super().__new__(cls)
        if isinstance(kwargs.get("eval_env", 0), int):
            kwargs["eval_env"] = kwargs.get("eval_env", 0) + 1
        numbers = sorted({_whole(value, "n_classes") for value in n_classes})
        if not numbers:
            raise SpecificationError("n_classes is empty; give numbers of classes, range(1, 5)")
        models = {}
        for k in numbers:
            models[k] = cls(model, k, **kwargs)
        return ClassEnumeration(models)

    def __init__(
        self, model, n_classes=2, *, equal=("covariances", "dispersions"), fixed=None, classes=None,
        known=None, clusters=None, cluster_classes=None, data=None, n_threads=None, eval_env=0, **kwargs,
    ):  # fmt: skip
        check_keywords(set(kwargs) - set(_INTERNAL), _OPTIONS, "Mixture")
        if not isinstance(model, (GLMM, IRT)):
            raise SpecificationError(
                f"model must be a GLMM, GLLAMM or IRT model (not fitted), not {type(model).__name__}"
            )
        if isinstance(model, IRT) and (model.cluster is not None or model.priors.terms):
            raise SpecificationError(
                "mixtures of item response models are without clusters= and priors= of their own; give "
                "clusters= to the mixture"
            )
        self.template = model
        self.n_classes = _whole(n_classes, "n_classes")
        self.cluster_name = clusters if isinstance(clusters, str) else "cluster"
        self.cluster_effect = ClusterEffect.of(self.cluster_name, clusters, cluster_classes)
        self.n_upper = self.cluster_effect.n_upper
        if self.cluster_effect.n_nodes and self.n_classes == 1:
            raise SpecificationError(
                "cluster_classes='normal' is a random effect in the logits of the classes: n_classes must be "
                "2 or more"
            )
        self.class_names = self._names_of_classes()
        self.n_threads = n_threads if n_threads is not None else model.n_threads
        self.weights = model.weights
        self.family = getattr(model, "family", None)
        frame = frame_of(model) if data is None else data
        n = model.endog.shape[0]
        if frame is not None and len(frame) != n:
            raise SpecificationError(f"data has {len(frame)} rows, the model {n}")
        self._frame = frame
        design, names, scope = np.ones((n, 1)), ["Intercept"], {}
        if classes is not None and classes.strip().lstrip("~").strip() not in ("", "1"):
            text = classes if classes.lstrip().startswith("~") else f"~ {classes}"
            scope = (
                eval_env
                if isinstance(eval_env, Mapping)
                else names_in_scope(eval_env, [text], map(str, self._columns()), depth=1)
            )
            design, names = self._class_design(text, scope)
        self.classes_formula = classes if len(names) > 1 else None
        self.class_columns = tuple(names)
        self.designs = CovariateDesigns.of(
            self.classes_formula, None, scope, pd.DataFrame() if frame is None else frame
        )
        self.known_name = known if isinstance(known, str) else None
        allowed = allowed_classes(
            known, self.n_classes, pd.DataFrame(index=np.arange(n)) if frame is None else frame
        )
        cluster = self._clusters(clusters, n)
        super().__init__(model.data.orig_endog, None, missing="none", **kwargs)
        self._data_attr += ["template", "weights", "assembly", "_likelihood", "_design", "_allowed",
                            "_cluster", "_frame", "data.orig_endog"]  # fmt: skip
        self._design, self._allowed, self._cluster = design, allowed, cluster
        self._equal_asked = (equal,) if isinstance(equal, str) else tuple(equal)
        self._set_up(dict(fixed or {}))

    def _names_of_classes(self) -> tuple[str, ...]:
        return tuple(f"class{c + 1}" for c in range(self.n_classes))

    @classmethod
    def from_formula(
        cls, formula, data, n_classes=2, *, groups=None, equal=("covariances", "dispersions"), fixed=None,
        classes=None, known=None, clusters=None, cluster_classes=None, n_threads=None, eval_env=0,
        **options,
    ):  # fmt: skip
        """Mixture of regressions or mixed models from a formula and a data frame.

        Parameters
        ----------
        formula : str
            With lme4's bars the clusters of the top level are in classes; without the clusters of `groups`,
            or single rows.
        data : DataFrame
        n_classes : int
        groups : str, optional
            Column of the units in classes of a formula without bars.
        equal, fixed, classes, known, clusters, cluster_classes, n_threads
            As for the class.
        **options
            As for :meth:`sm_gllamm.models.glmm.GLMM.from_formula`: ``family``, ``offset`` and so on. Where
            single rows are in classes weights are theirs: how many such rows, each in a class of its own.

        Returns
        -------
        Mixture

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import epil
        >>> data = epil.load_pandas().data
        >>> model = smg.Mixture.from_formula("y ~ trt", data, 2, groups="subject", family="poisson")
        >>> len(model.param_names)
        5
        """
        if isinstance(eval_env, int):
            eval_env += 1
        if has_bars(formula) and groups is not None:
            raise SpecificationError("give bars in the formula or groups, not both")
        data, options = unit_options(formula, data, groups, options)
        model = GLMM.from_formula(formula, data, eval_env=eval_env, n_threads=n_threads, **options)
        mixture = cls(
            model, n_classes, equal=equal, fixed=fixed, classes=classes,
            known=rows_in_use(known, model, len(data)),
            clusters=rows_in_use(clusters, model, len(data)), cluster_classes=cluster_classes,
            n_threads=n_threads, eval_env=eval_env,
        )  # fmt: skip
        for one in mixture.models.values() if isinstance(mixture, ClassEnumeration) else [mixture]:
            one.offset_columns = offset_columns(options)
        return mixture

    # ------------------------------------------------------------ data
    def _columns(self):
        return [] if self._frame is None else self._frame.columns

    def _class_design(self, text: str, scope) -> tuple[np.ndarray, list[str]]:
        """Covariates of the class probabilities by row."""
        if self._frame is None:
            raise SpecificationError(
                "classes= is a formula: give the data frame, data=, with a row a row of the model"
            )
        design, names = design_of(
            "classes", text, self._frame, engine=FormulaEngine("patsy", scope)
        )
        if np.isnan(design).any():
            row = int(np.argmax(np.isnan(design).any(axis=1)))
            raise SpecificationError(
                f"classes={text!r} is missing in row {self._frame.index[row]!r}; drop the row"
            )
        return design, names

    def _clusters(self, clusters, n: int) -> np.ndarray | None:
        """Cluster of each row."""
        self.cluster_labels = None
        if clusters is None:
            return None
        if isinstance(clusters, str):
            if clusters not in self._columns():
                raise SpecificationError(
                    f"clusters={clusters!r} is no column of the data{did_you_mean(clusters, self._columns())}"
                )
            clusters = self._frame[clusters]
        values = np.asarray(clusters)
        if values.shape != (n,):
            raise SpecificationError(f"clusters has {len(values)} entries for {n} rows")
        codes, labels = pd.factorize(values, sort=True)
        if (codes < 0).any():
            raise SpecificationError(f"clusters is missing in row {int(np.argmin(codes))}")
        self.cluster_labels = pd.Index(labels)
        if len(labels) < 2:
            raise SpecificationError("clusters has one cluster; leave it out")
        return codes

    # ------------------------------------------------------------ parameters
    def _set_up(self, fixed: dict[str, float]) -> None:
        problem, layout = self._unit_layout()
        template = self.template
        self._template_mapping = template.mapping
        common = self._common()
        by_upper = self.n_classes == 1 and self.n_upper > 1
        prefixes = (
            [f"upper{h + 1}" for h in range(self.n_upper)] if by_upper else list(self.class_names)
        )
        names = [
            [x if x in common else f"{prefix}:{x}" for x in template.param_names]
            for prefix in prefixes
        ]
        if len(prefixes) == 1:
            names = [list(template.param_names)]
        self._by_upper = by_upper
        self._mapping = MixtureMapping(
            [template.mapping] * len(prefixes), names, self._class_parameter_names()
        )
        places = {name: k for k, name in enumerate(self._mapping.param_names)}
        plain = {x for x in template.param_names if x not in self._kinds()["covariances"]}
        plain -= self._kinds()["dispersions"]
        self.fixed = {}
        for name, value in fixed.items():
            stem = name.split(":", 1)[-1] if name.split(":", 1)[0] in prefixes else name
            if name not in places or stem not in plain:
                raise SpecificationError(
                    f"fixed names {name!r}; coefficients and loadings can be fixed: "
                    f"{[x for x in places if x.split(':', 1)[-1] in plain]}"
                )
            self.fixed[places[name]] = float(value)
        self.assembly = MixtureAssembly(problem, self._mapping, layout)
        self.level_names = list(template.level_names)
        all_names = list(self._mapping.param_names)
        self._set_extra_params_names(all_names)
        self.data.xnames = all_names
        self.nobs = template.endog.shape[0]
        self.k_exog = self.k_vars = len(all_names)
        self.k_extra, self.k_constant = 0, 0
        self.df_model = len(all_names)
        self.df_resid = self.nobs - len(all_names)

    def _kinds(self) -> dict[str, set[str]]:
        """Names of the template's parameters by kind."""
        mapping = self._template_mapping
        names = mapping.param_names
        out: dict[str, set[str]] = {kind: set() for kind in KINDS}
        out["coefficients"] = set(names[: mapping.k_exog])
        for _, _, block, _ in mapping.terms:
            out["covariances"] |= set(names[block])
        for block, slot in mapping.slots:
            if slot.published != "identity" or slot.slot == "dispersion":
                out["dispersions"] |= set(names[block])
            elif slot.slot == "loading":
                out["loadings"] |= set(names[block])
        return out

    def _common(self) -> set[str]:
        """Parameters of the template that all classes share."""
        kinds, mapping = self._kinds(), self._template_mapping
        common: set[str] = set()
        for name in self._equal_asked:
            if name in kinds:
                common |= kinds[name]
            elif name in mapping.param_names:
                common.add(name)
            else:
                raise SpecificationError(
                    f"equal names {name!r}; it may name {list(KINDS)} or parameters: "
                    f"{list(mapping.param_names)}"
                )
        for _, _, block, _ in mapping.terms:
            names = set(mapping.param_names[block])
            if names & common and not names <= common:
                raise SpecificationError(
                    f"equal names some of {sorted(names)}: a covariance matrix is the same in all classes as "
                    "a whole or not at all"
                )
        return common

    def _class_parameter_names(self) -> list[str]:
        return self.cluster_effect.parameter_names(self.class_names, self.class_columns)

    @property
    def _class_columns(self) -> list[str]:
        """Columns of the logits of the classes: covariates, then what depends on the cluster."""
        return self.cluster_effect.columns(self.class_columns)

    # ------------------------------------------------------------ likelihood
    def _mixture(self) -> MixtureLikelihood:
        problem, mapping = self.assembly.problem, self._template_mapping
        units = self._units()
        number = len(self.mapping.places)
        if all(empty_levels(problem)):
            components: list[Any] = [PlainComponent(problem, mapping, self.n_threads)] * number
        else:
            components = [ClusterComponent(problem, mapping, self.n_threads) for _ in range(number)]
        if self._by_upper:
            index = np.arange(number)[:, None]
        else:
            index = np.tile(np.arange(self.n_classes), (self.cluster_effect.n_above, 1))
        design = self._design[self.assembly.layout.first]
        logits, upper = self.class_logits(
            design, None if self._cluster is None else len(units.group_weight)
        )
        return MixtureLikelihood(
            components, self.mapping.places, index, logits, upper, units, self.mapping.k_params
        )

    # ------------------------------------------------------------ search
    def _one_class_theta(self) -> np.ndarray:
        """Parameters of a single class, in all classes."""
        template = self.template
        own = template._starting_theta(template._ready())
        theta = np.zeros(self.mapping.k_params)
        for place in self.mapping.places:
            theta[place] = own
        return theta

    def _starts(self, likelihood, n_starts: int, rng: np.random.Generator):
        yield from mixture_starts(self, likelihood, n_starts, rng)

    @property
    def _integrated(self) -> bool:
        """Whether classes have continuous latent variables."""
        return not all(empty_levels(self.assembly.problem))

    def _search(self, likelihood, starts, controls, disp: int):
        if self._integrated:
            controls = rough_controls(likelihood, controls)
        return super()._search(likelihood, starts, controls, disp)

    def _after_search(self, likelihood, found: Found, controls) -> Found:
        """Finer nodes where classes have continuous latent variables, until they are fine enough."""
        self._error = 0.0
        if self._integrated:
            found, self._error = with_enough_nodes(likelihood, found, controls, self._edges)
            likelihood.settled = True
        return found

    def _quadrature_error(self) -> float:
        return self._error

    def _rules(self) -> Quadrature:
        component = self.likelihood.components[0]
        return component.quadrature if hasattr(component, "quadrature") else super()._rules()

    @property
    def n_observations(self) -> float:
        return self.template.n_observations

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters of each level, from the top level down."""
        out = {} if self._cluster is None else {self.cluster_name: int(self._cluster.max()) + 1}
        return out | self.template.cluster_counts


def _whole(value, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise SpecificationError(f"{what} must be a whole number from 1 on, not {value!r}")
    return int(value)
