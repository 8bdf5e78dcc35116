"""Tests for differential item functioning, item by item, with purification."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.dif import dif_effect, ets_class
from sm_gllamm.mapping.item_design import dif_name
from sm_gllamm.models.person_covariates import PersonCovariates

__all__ = ["dif_fit", "dif_tests"]

#: Rounds of purification before giving up.
ROUNDS = 10
_KINDS = ("both", "uniform", "nonuniform")


@dataclass(frozen=True)
class _ByGroups:
    """Items whose parameters are free in every group (multiple-group analysis)."""

    model: Any
    kind: str

    def freed(self, items: Sequence[str]):
        """Design in which some items have parameters of their own in the groups."""
        design = self.model.layout.design
        chosen = np.isin(design.items, list(items))
        which = {
            "both": ("intercepts", "slopes"), "uniform": ("intercepts",), "nonuniform": ("slopes",)
        }[self.kind]  # fmt: skip
        by_group = {
            what: np.asarray(flags) | (chosen if what in which else False)
            for what, flags in design.by_group.items()
        }
        return {"by_group": by_group}

    def names(self, item: str, names: Sequence[str]) -> list[list[str]]:
        """Parameters that are equal without DIF: one list for each equality."""
        labels = self.model.layout.design.groups
        out = []
        for name in names:
            if f"[{item}" in name and f"|{labels[0]}" in name:
                out.append([name.replace(f"|{labels[0]}", f"|{label}") for label in labels])
        return [group for group in out if all(one in names for one in group)]


@dataclass(frozen=True)
class _ByCovariates:
    """Direct effects of covariates on items (MIMIC models, and moderated non-linear ones)."""

    model: Any
    kind: str
    columns: tuple[int, ...]

    def freed(self, items: Sequence[str]):
        known = dict(self.model.layout.design.dif)
        for item in items:
            intercept, slope = known.get(item, ((), ()))
            if self.kind != "nonuniform":
                intercept = tuple(dict.fromkeys((*intercept, *self.columns)))
            if self.kind != "uniform":
                slope = tuple(dict.fromkeys((*slope, *self.columns)))
            known[item] = (intercept, slope)
        return {"dif": known}

    def names(self, item: str, names: Sequence[str]) -> list[list[str]]:
        design = self.model.layout.design
        j = design.items.index(item)
        wanted = [dif_name(design, j, k) for k in self.columns]
        wanted += [
            dif_name(design, j, k, d) for k in self.columns for d in range(len(design.dimensions))
        ]
        return [[name] for name in wanted if name in names]


def _start(result, names: Sequence[str]) -> dict[str, float]:
    """Estimates of a fit as the start of another model of the same items."""
    labels = result.model.group_labels

    def shared(name: str) -> str:
        """Name of a parameter that is the same in all groups."""
        for label in labels:
            name = name.replace(f"|{label}]", "]").replace(f"|{label},", ",")
        return name

    known = dict(zip(result.model.param_names, np.asarray(result.params).tolist(), strict=True))
    average: dict[str, list[float]] = {}
    for name, value in known.items():
        average.setdefault(shared(name), []).append(value)
    out = {}
    for name in names:
        others = [] if "(" in name else average.get(shared(name), [])
        if name in known:
            out[name] = known[name]
        elif others:
            out[name] = float(np.mean(others))
        else:
            out[name] = 1.0 if name.startswith("scale(") and "," not in name else 0.0
    return out


def _fitted(base, model):
    """The fit of another design, from the estimates of a fit at hand."""
    return model.fit(
        start_params=_start(base, model.param_names), warn_convergence=False,
        cov_type=base.cov_type if base.cov_type in ("nonrobust", "robust") else "nonrobust",
    )  # fmt: skip


def dif_tests(
    result, by: str | None = None, items=None, kind: str = "both", method: str = "lr",
    anchors=None, purify: bool = True, alpha: float = 0.05, adjust: str = "fdr_bh", disp: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Test items for differential functioning; see :meth:`sm_gllamm.results.irt.IRTResults.dif`."""
    model = result.model
    if kind not in _KINDS:
        raise SpecificationError(f"kind={kind!r} is not known; use {', '.join(map(repr, _KINDS))}")
    if method not in ("lr", "wald"):
        raise SpecificationError(f"method={method!r} is not known; use 'lr' or 'wald'")
    if model.weights.sampling and method == "lr":
        raise SpecificationError(
            "with sampling weights there is no likelihood-ratio test; use method='wald'"
        )
    names = list(model.layout.design.items)
    tested = names if items is None else [items] if isinstance(items, str) else list(items)
    anchors = [] if anchors is None else [anchors] if isinstance(anchors, str) else list(anchors)
    for listed in (tested, anchors):
        if unknown := [item for item in listed if item not in names]:
            raise SpecificationError(f"{unknown[0]!r} is no item; they are {names}")
    tested = [item for item in tested if item not in anchors]
    base_model, approach = _approach(model, by, kind)
    base = result if base_model is model else base_model.fit(warn_convergence=False)
    flagged: tuple[str, ...] = ()
    seen = set()
    for round_ in range(ROUNDS if purify else 1):
        rows, fits = _one_round(base, base_model, approach, tested, flagged, method)
        table = pd.DataFrame(rows, index=pd.Index(tested, name="item"))
        adjusted = multipletests(table["p_value"].fillna(1.0), alpha, adjust)[1]
        table["p_adjusted"] = adjusted
        found = tuple(item for item, p in zip(tested, adjusted, strict=True) if p < alpha)
        if disp:
            print(f"round {round_ + 1}: {len(found)} items flagged {list(found)}")
        if set(found) == set(flagged) or frozenset(found) in seen:
            break
        if len(found) >= len(names) - 1:
            warnings.warn(
                f"{len(found)} of {len(names)} items are flagged: items without differential functioning are "
                "needed to tell it from differences of the latent variables, so there is no purification; "
                "name anchors=[...]",
                SpecificationWarning,
                stacklevel=5,
            )
            break
        seen.add(frozenset(found))
        flagged = found
        if not purify:
            break
    table["flagged"] = table["p_adjusted"] < alpha
    return table.join(_effects(fits, approach, tested, table, alpha))


def dif_fit(result, item: str, by: str | None = None, kind: str = "both"):
    """Fit in which an item functions differently, and the banks of the reference and the focal group.

    Parameters
    ----------
    result : IRTResults
    item : str
    by, kind
        As for :func:`dif_tests`.

    Returns
    -------
    fit : IRTResults
    banks : callable
        From published parameters to a pair of ItemBank.
    """
    model = result.model
    if item not in model.layout.design.items:
        raise SpecificationError(f"{item!r} is no item; they are {list(model.layout.design.items)}")
    base_model, approach = _approach(model, by, kind)
    base = result if base_model is model else base_model.fit(warn_convergence=False)
    fit = _fitted(base, base_model.with_design(**approach.freed((item,))))
    return fit, lambda params: _banks(fit.model, approach, params)


def _banks(model, approach, params):
    """Items and latent distribution of the reference and the focal group."""
    reference = model.bank_at(params, 0)
    if isinstance(approach, _ByGroups):
        return reference, model.bank_at(params, len(model.group_labels) - 1)
    design = model.layout.design
    x = np.zeros(len(design.covariates))
    x[list(approach.columns)] = 1.0
    shifted = model.bank_at(params, 0, x)
    mean = shifted.mean.copy()
    for d, name in enumerate(design.dimensions):
        mean[d] += sum(
            params[model.param_names.index(f"{name} ~ {design.covariates[k]}")]
            for k in approach.columns
        )
    return reference, replace(shifted, mean=mean)


def _approach(model, by, kind: str):
    """The model without DIF, and how DIF enters."""
    if by is None:
        if len(model.group_labels) > 1:
            return model, _ByGroups(model, kind)
        raise SpecificationError(
            "the model has no groups; say which covariates with by='~ x', or fit it with groups="
        )
    if len(model.group_labels) > 1:
        raise SpecificationError("the model has groups already; leave by= out")
    known = model.person_covariates
    if known.dif:
        raise SpecificationError(
            "the model has direct effects on items already; test a model without dif= and dif_slopes="
        )
    frame = known.frame if known.frame is not None else model.persons_data
    texts = [text for text, _ in known.formulas]
    formula = by if by.lstrip().startswith("~") else f"~ {by}"
    whole = formula if not texts else " + ".join([texts[0], formula.lstrip().removeprefix("~")])
    wider = PersonCovariates.of(
        whole, {names: formula for names in model.layout.design.items[:1]}, None, frame,
        model.layout.design.items, {},
    )  # fmt: skip
    columns = wider.dif[model.layout.design.items[0]][0]
    wider = replace(wider, dif={})
    other = model.with_covariates(wider)
    return other, _ByCovariates(other, kind, columns)


def _one_round(base, base_model, approach, tested, flagged, method: str):
    """A test of every item, the items flagged so far being free in both models."""
    rows, fits = [], {}
    without: dict[tuple[str, ...], object] = {(): base}

    def fit_with(free: tuple[str, ...]):
        if free not in without:
            design = approach.freed(free)
            without[free] = _fitted(base, base_model.with_design(**design))
        return without[free]

    for item in tested:
        others = tuple(one for one in flagged if one != item)
        null = fit_with(others)
        full = fit_with(tuple(sorted((*others, item))))
        fits[item] = full
        equalities = approach.names(item, full.model.param_names)
        df = sum(max(len(group) - 1, 1) for group in equalities)
        if method == "lr":
            statistic = max(2.0 * (full.llf - null.llf), 0.0)
        else:
            statistic = _wald(full, equalities)
        rows.append(
            {
                "statistic": statistic, "df": df, "p_value": stats.chi2.sf(statistic, df),
                "converged": bool(full.converged and null.converged),
            }
        )  # fmt: skip
    return rows, fits


def _wald(full, equalities) -> float:
    """Wald statistic of parameters that are equal, or zero, without DIF."""
    names = list(full.model.param_names)
    rows = []
    for group in equalities:
        for other in group[1:] or [None]:
            row = np.zeros(len(names))
            row[names.index(group[0])] = 1.0
            if other is not None:
                row[names.index(other)] = -1.0
            rows.append(row)
    matrix = np.array(rows)
    value = matrix @ np.asarray(full.params)
    covariance = matrix @ np.asarray(full.cov_params()) @ matrix.T
    return float(value @ np.linalg.solve(covariance, value))


def _effects(fits, approach, tested, table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Effect sizes of every item, of the last group or a covariate one unit (0/1: the group with 1)."""
    out = []
    for item in tested:
        full = fits[item]
        model, params = full.model, np.asarray(full.params)
        j = model.layout.design.items.index(item)
        reference, focal = _banks(model, approach, params)
        effect = dif_effect(reference.items[j], focal.items[j], focal.mean, focal.covariance)
        row: dict[str, Any] = {
            "signed": effect.signed, "unsigned": effect.unsigned, "effect_size": effect.standardised
        }  # fmt: skip
        a, b = reference.items[j], focal.items[j]
        if a.form == "binary" and len(reference.dimensions) == 1 and a.link == "logit":
            shift = -b.intercepts[0] / b.slopes[0] + a.intercepts[0] / a.slopes[0]
            row["difficulty"] = shift
            # of a Rasch-like item with the average slope
            logits = shift * 0.5 * (a.slopes[0] + b.slopes[0])
            row["ets_class"] = ets_class(logits, table.loc[item, "p_value"], alpha)
        out.append(row)
    return pd.DataFrame(out, index=table.index)
