"""New cases of a latent class model: their likelihood with the parameters of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.components import ResponseComponent, ResponsePart
from sm_gllamm.likelihood.mixture import MixtureLikelihood, Units
from sm_gllamm.mapping.class_responses import incidence
from sm_gllamm.models.class_indicators import IndicatorMethods
from sm_gllamm.models.class_inputs import Indicator, nominal_part
from sm_gllamm.models.designs import design_of
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean

__all__ = ["CovariateDesigns", "NewCaseMethods", "category_codes", "extended_indicator"]


@dataclass(frozen=True, slots=True)
class CovariateDesigns:
    """How covariates of the classes, and those with direct effects, become columns.

    Attributes
    ----------
    classes : str or None
        Formula of the class probabilities.
    direct : dict of str to str
        Formulas of direct effects by indicator.
    engine : FormulaEngine
    frame : DataFrame
        What the formulas use of the data of the model, from which coding is learned.
    """

    classes: str | None
    direct: dict[str, str]
    engine: FormulaEngine
    frame: pd.DataFrame

    @classmethod
    def of(cls, classes, direct, scope: Mapping, data: pd.DataFrame) -> CovariateDesigns:
        """Formulas with the columns that they use."""
        if classes is not None and classes.strip().lstrip("~").strip() in ("", "1"):
            classes = None
        if classes is not None and not classes.lstrip().startswith("~"):
            classes = f"~ {classes}"
        texts = [*([] if classes is None else [classes]), *(direct or {}).values()]
        used = [name for name in data.columns if any(str(name) in text for text in texts)]
        return cls(classes, dict(direct or {}), FormulaEngine("patsy", dict(scope)), data[used])

    def class_design(self, data: pd.DataFrame) -> np.ndarray:
        """Columns of the class probabilities of new rows, with the constant; shape (n, k)."""
        if self.classes is None:
            return np.ones((len(data), 1))
        return self._whole("classes", self.classes, data)

    def direct_design(self, item: str, data: pd.DataFrame) -> np.ndarray:
        """Columns of direct effects on an indicator without the constant, shape (n, r)."""
        matrix, names = design_of(
            f"direct[{item!r}]", self.direct[item], data, self.frame, self.engine
        )
        inside = [k for k, name in enumerate(names) if name != "Intercept"]
        return _without_missing(f"direct[{item!r}]", matrix, names, data)[:, inside]

    def _whole(self, keyword: str, formula: str, data: pd.DataFrame) -> np.ndarray:
        matrix, names = design_of(keyword, formula, data, self.frame, self.engine)
        return _without_missing(keyword, matrix, names, data)


def _without_missing(keyword: str, matrix: np.ndarray, names: Sequence[str], data) -> np.ndarray:
    bad = np.isnan(matrix)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise SpecificationError(
            f"{keyword}: {names[column]!r} is missing in row {data.index[row]!r} of the new data; leave "
            "the row out or fill it in"
        )
    return matrix


def _column(data: pd.DataFrame, name: str) -> pd.Series:
    if name not in data:
        raise SpecificationError(
            f"the new data have no column {name!r}{did_you_mean(name, data.columns)}"
        )
    return data[name]


def category_codes(values: pd.Series, categories: Sequence, name: str) -> np.ndarray:
    """Numbers of categories, -1 where missing; SpecificationError for unknown ones."""
    code = {label: k for k, label in enumerate(categories)}
    out = np.full(len(values), -1, dtype=np.intp)
    missing = values.isna().to_numpy()
    for row, value in enumerate(values.tolist()):
        if missing[row]:
            continue
        if value not in code:
            raise SpecificationError(
                f"indicator {name!r} is {value!r} in row {values.index[row]!r} of the new data; the "
                f"categories of the model are {list(categories)}"
            )
        out[row] = code[value]
    return out


def extended_indicator(indicator: Indicator, values: np.ndarray, covariates) -> Indicator:
    """An indicator with a family of its own that has other responses.

    The responses of the fit stay among the different ones: they have all categories, so that the
    parameters are the same.

    Parameters
    ----------
    indicator : Indicator
        With a template.
    values : ndarray, shape (n,)
        Codes of categories or measurements, NaN where missing.
    covariates : ndarray, shape (n, r), or None
        With direct effects.
    """
    present = ~np.isnan(values)
    key = values[present][:, None]
    if covariates is not None:
        key = np.column_stack([key, covariates[present]])
    different, of_row = np.unique(key, axis=0, return_inverse=True)
    fit = indicator.template
    old_y, old_x = _responses_of(fit)
    codes = np.full(len(values), -1, dtype=np.intp)
    codes[present] = len(old_y) + of_row.reshape(-1)
    new_x = np.column_stack([np.ones(len(different)), different[:, 1:]])
    exog = pd.DataFrame(np.vstack([old_x, new_x]), columns=list(fit.design_names))
    response = np.concatenate([old_y, different[:, 0]])
    level = Level("response", np.arange(len(response)), pd.RangeIndex(len(response)), ())
    endog = pd.Series(response.astype(int) if indicator.categories else response)
    try:
        new = GLMM(endog.rename(indicator.name), exog, random=(level,), family=indicator.family)
    except SpecificationError as error:
        raise SpecificationError(f"indicator {indicator.name!r}: {error}") from None
    if new.mapping.k_params != fit.mapping.k_params:
        unknown = sorted(set(different[:, 0].tolist()) - set(old_y.tolist()))
        raise SpecificationError(
            f"indicator {indicator.name!r} has responses that the data of the fit have not: {unknown[:5]}"
        )
    return replace(indicator, codes=codes, template=new)


def _responses_of(template) -> tuple[np.ndarray, np.ndarray]:
    """Different responses of a template as they were given, and their covariates."""
    y, labels = np.asarray(template.endog, dtype=float), template.extras.labels
    if labels:
        y = np.asarray(labels, dtype=float)[y.astype(np.intp)]
    return y, np.asarray(template.exog, dtype=float)


def _numbers(indicator: Indicator, values: pd.Series) -> np.ndarray:
    """New responses as codes of categories or numbers, NaN where missing."""
    if indicator.categories:
        codes = category_codes(values, indicator.categories, indicator.name)
        return np.where(codes < 0, np.nan, codes.astype(float))
    try:
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise SpecificationError(
            f"indicator {indicator.name!r} is not numeric in the new data"
        ) from None


class NewCaseMethods(IndicatorMethods):
    """Likelihood of new cases; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    designs: CovariateDesigns
    #: whether cases are in clusters that have classes
    clustered: bool

    def design_for(self, data: pd.DataFrame) -> np.ndarray:
        """Columns of the class probabilities of new rows.

        Parameters
        ----------
        data : DataFrame

        Returns
        -------
        ndarray, shape (n, k)
        """
        return self.designs.class_design(data)

    def likelihood_for(self, data):
        """Likelihood of new cases.

        Parameters
        ----------
        data : DataFrame
            With the columns of the model; responses may be missing.

        Returns
        -------
        likelihood : MixtureLikelihood
            Every row is a unit; clusters are new ones.
        of_row : ndarray of intp
        index : pandas.Index
            Labels of the rows.
        clusters : pandas.Index or None

        Raises
        ------
        SpecificationError
            Missing columns, unknown categories, missing covariates.
        """
        if not isinstance(data, pd.DataFrame):
            raise SpecificationError(
                f"new cases must be a DataFrame with the columns of the model, not {type(data).__name__}"
            )
        if not len(data):
            raise SpecificationError("the new data have no rows")
        data = data.rename(columns=str)
        parts: list[ResponsePart] = []
        if self.nominal:
            codes = np.column_stack(
                [category_codes(_column(data, i.name), i.categories, i.name) for i in self.nominal]
            )
            counts = [i.n_responses for i in self.nominal]
            parts.append(ResponsePart(*nominal_part(self.nominal), incidence(codes, counts)))
        for indicator in self.measured:
            values, covariates = _column(data, indicator.name), None
            if indicator.name in self.designs.direct:
                covariates = self.designs.direct_design(indicator.name, data)
            new = extended_indicator(indicator, _numbers(indicator, values), covariates)
            problem = new.template.assembly.problem
            members = incidence(new.codes[:, None], [problem.n_top])
            parts.append(ResponsePart(problem, new.template.mapping, members))
        component = ResponseComponent(parts, self.n_threads)
        n, clusters, labels = len(data), None, None
        if self.clustered:
            clusters, labels = pd.factorize(np.asarray(_column(data, self.cluster_name)), sort=True)
            if (clusters < 0).any():
                row = data.index[int(np.argmin(clusters))]
                raise SpecificationError(f"{self.cluster_name!r} is missing in row {row!r}")
            labels = pd.Index(labels)
        units = Units(np.ones(n), clusters, np.ones(n if labels is None else len(labels)))
        logits, upper = self._logits(self.design_for(data), None if labels is None else len(labels))
        likelihood = MixtureLikelihood(
            [component] * self.n_classes, self.mapping.places,
            np.tile(np.arange(self.n_classes), (self.cluster_effect.n_above, 1)), logits, upper, units,
            self.mapping.k_params,
        )  # fmt: skip
        return likelihood, np.arange(n), data.index, labels
