"""Which response each observed variable of a structural equation model is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.genmod.families import Binomial

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.likelihood_rows import Rows
from sm_gllamm.mapping.rows import ResponseData, rows_of
from sm_gllamm.models.responses import encode_categories, prepare_responses
from sm_gllamm.responses.base import Response, Slot
from sm_gllamm.responses.families import Ordinal, known_slots
from sm_gllamm.responses.registry import response_for
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["SemResponse", "families_of", "sem_responses"]

#: Layouts of responses with one row and one column.
LAYOUTS = ("plain", "cumulative")
LINKS = ("probit", "logit")


@dataclass(frozen=True)
class SemResponse:
    """A variable with the distribution of its responses.

    Attributes
    ----------
    name : str
    family : statsmodels family or Family
    response : Response
    labels : tuple
        Of ordered categories.
    values : ndarray, shape (n,)
        Responses of all rows of data, categories by code, NaN where missing.
    """

    name: str
    family: Any
    response: Response
    labels: tuple
    values: np.ndarray

    @property
    def layout(self) -> str:
        return getattr(self.family, "layout", "plain")

    @cached_property
    def normal(self) -> bool:
        """Whether its residual variance is a parameter."""
        slots = self.response.slots
        return bool(slots) and slots[0].published == "variance"

    @cached_property
    def binary(self) -> bool:
        """Whether two ordered categories are a success and a failure, which is quicker."""
        return len(self.labels) == 2 and self.response.link in ("Logit", "Probit")

    @property
    def title(self) -> str:
        """Family and link, for messages."""
        return f"{self.response.family}, {self.response.link}"

    @property
    def residual_variance(self) -> float | None:
        """Residual variance that the link fixes, None where there is none."""
        if self.normal or self.response.slots and self.layout != "cumulative":
            return None
        return self.response.latent_variance

    @property
    def free_slots(self) -> tuple[Slot, ...]:
        """Predictors without latent variables that are parameters, thresholds left out."""
        if self.layout == "cumulative":
            return ()
        known = known_slots(self.family)
        return tuple(slot for slot in self.response.slots if slot.name not in known)

    @property
    def discrete(self) -> bool:
        """Whether persons may be expected to have equal responses."""
        return self.response.kind in ("binomial", "ordinal", "count")

    def rows(self, at: np.ndarray, index: pd.Index) -> Rows:
        """Rows of the likelihood of some rows of data, in which the response is observed."""
        n = len(at)
        if self.binary:
            # with the threshold in the predictor
            family, response = response_for(Binomial(self.family.link))
            data = ResponseData(self.values[at], np.ones(n), np.empty((n, 0)), [])
            return rows_of(family, response, data)
        if self.labels:
            # that all categories occur is a matter of the fit
            data = ResponseData(
                self.values[at], np.ones(n), np.empty((n, 0)), [], labels=self.labels
            )
        else:
            data = prepare_responses(
                self.family, self.response, self.values[at], self.labels, self.name, index[at],
                np.empty((n, 0)), [], None, {}, in_mixture=True,
            )  # fmt: skip
        return rows_of(self.family, self.response, data)


def families_of(
    families: Mapping[str, Any] | None, ordered: Iterable[str] | bool, in_text: Iterable[str],
    link: str, names: Iterable[str],
) -> dict[str, Any]:  # fmt: skip
    """Family of each variable that is said to have one.

    Parameters
    ----------
    families : dict of str to family, or None
    ordered : sequence of str
        Ordered variables besides those.
    in_text : iterable of str
        Variables with thresholds in the text.
    link : {"probit", "logit"}
        Of ordered variables.
    names : iterable of str
        Modelled variables.

    Raises
    ------
    SpecificationError
        Unknown families or links, variables that are not modelled or said to be two things.
    """
    if link not in LINKS:
        raise SpecificationError(f"link={link!r} is not known; use 'probit' or 'logit'")
    if families is not None and not isinstance(families, Mapping):
        raise SpecificationError(
            "families must be a dict of variables and their families, such as {'x1': 'binomial'}"
        )
    names = list(names)
    if isinstance(ordered, bool):
        ordered = names if ordered else ()
    ordered = [ordered] if isinstance(ordered, str) else list(ordered)
    out: dict[str, Any] = {}
    for name, family in (families or {}).items():
        out[name] = Ordinal(link) if family == "ordinal" else response_for(family)[0]
    for name in [*ordered, *in_text]:
        if name in out and getattr(out[name], "layout", "plain") != "cumulative":
            raise SpecificationError(
                f"{name!r} is ordered, or has thresholds, but families= says "
                f"{type(out[name]).__name__}; say one of the two"
            )
        out.setdefault(name, Ordinal(link))
    for name in out:
        if name not in names:
            raise SpecificationError(
                f"families= or ordered= names {name!r}, which is no response of the model, an indicator or "
                f"an outcome (of covariates nothing is assumed){did_you_mean(name, names)}"
            )
    return out


def sem_responses(
    data: pd.DataFrame, families: Mapping[str, Any], names: Iterable[str]
) -> dict[str, SemResponse]:
    """Responses with their values; those without a family are normal.

    Parameters
    ----------
    data : DataFrame
    families : dict of str to family
    names : iterable of str
        Modelled variables, which are columns of the data.

    Raises
    ------
    SpecificationError
        Responses of several columns or rows, categories without an order.
    """
    out = {}
    for name in names:
        family, response = response_for(families.get(name))
        layout = getattr(family, "layout", "plain")
        limits = layout == "interval" and family.censoring == "limits"
        if layout not in LAYOUTS and not limits:
            raise SpecificationError(
                f"families[{name!r}]: {type(family).__name__} responses have several rows or columns; they "
                "are available in smg.GLLAMM (data in long form), not in SEM"
            )
        if layout == "cumulative" and family.thresholds != "free":
            raise SpecificationError(
                f"families[{name!r}]: thresholds are free in SEM; write constraints on them in the text"
            )
        column = data[name]
        if isinstance(column, pd.DataFrame):
            raise SpecificationError(f"the data have several columns {name!r}; rename them")
        labels: tuple = ()
        if layout == "cumulative":
            values, labels = encode_categories(family, column, name)
        else:
            values = _numbers(column, name, type(family).__name__)
        out[name] = SemResponse(name, family, response, labels, values)
    return out


def _numbers(column: pd.Series, name: str, family: str) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        raise SpecificationError(
            f"column {name!r} has categories, not numbers, but is {family}; say "
            f"ordered=[{name!r}], or give it numbers"
        )
    try:
        values = column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise SpecificationError(
            f"column {name!r} of type {column.dtype} has values that are no numbers; say "
            f"ordered=[{name!r}] if it has categories"
        ) from None
    if np.isinf(values).any():
        row = column.index[int(np.argmax(np.isinf(values)))]
        raise SpecificationError(f"column {name!r} is infinite in row {row!r}")
    return values
