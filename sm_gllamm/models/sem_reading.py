"""What users give a structural equation model, checked and laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_moments import NormalProblem
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.models.sem_data import (
    GroupMoments,
    check_moments,
    column_values,
    group_rows,
    numeric,
)
from sm_gllamm.models.sem_inputs import SemInputs, has_means, inputs_of_rows
from sm_gllamm.models.sem_problem import given_moments, moment_problem
from sm_gllamm.models.sem_weights import two_level_weights
from sm_gllamm.specification.lavaan_table import LavaanTable, lavaan_table
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["group_labels", "row_weights", "sem_inputs"]


def sem_inputs(
    model, data, *, groups, cluster, missing, cov, means, nobs, cov_divisor, weights, freq_weights,
    meanstructure, table_options, weight_scaling=None,
) -> SemInputs:  # fmt: skip
    """Table and data of a model; see :class:`sm_gllamm.models.sem.SEM`."""
    if not isinstance(model, str):
        raise SpecificationError(f"the model is a string of equations, not {type(model).__name__}")
    if missing not in ("fiml", "listwise"):
        raise SpecificationError(f"missing={missing!r} is not known; use 'fiml' or 'listwise'")
    if cov is not None:
        if data is not None:
            raise SpecificationError("give data or moments (cov=, means=, nobs=), not both")
        if weights is not None or freq_weights is not None or cluster is not None:
            raise SpecificationError("weights and clusters belong to rows of data, not to moments")
        return _from_moments(
            model, cov, means, nobs, cov_divisor, meanstructure, table_options, groups
        )
    if data is None:
        raise SpecificationError("give data, a DataFrame, or moments: cov= and nobs=")
    if not isinstance(data, pd.DataFrame):
        raise SpecificationError(f"data must be a DataFrame, not {type(data).__name__}")
    if means is not None or nobs is not None:
        raise SpecificationError("means= and nobs= go with cov=, not with data")
    if not len(data):
        raise SpecificationError("the data have no rows")
    return _from_data(
        model, data, groups, cluster, missing, weights, freq_weights, meanstructure, table_options,
        weight_scaling,
    )  # fmt: skip


def _table(model: str, labels, columns, meanstructure, options) -> LavaanTable:
    several = labels if len(labels) > 1 else None
    if meanstructure is None and options.get("style") == "growth":
        meanstructure = True
    return lavaan_table(
        model, groups=several, columns=columns, meanstructure=meanstructure, **options
    )


def group_labels(series: pd.Series | None) -> tuple[list[str], np.ndarray | None]:
    """Labels of groups in the order in which they come, and codes of rows."""
    if series is None:
        return ["1"], None
    codes, values = pd.factorize(series)
    return [str(value) for value in values], codes


def row_weights(data, weights, freq_weights) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """Weight of each row, whether it is a sampling weight, and frequencies."""
    if weights is not None and freq_weights is not None:
        raise SpecificationError("give weights or freq_weights, not both")
    what, given = ("weights", weights) if weights is not None else ("freq_weights", freq_weights)
    if isinstance(given, Mapping):
        if list(given) != ["row"]:
            raise SpecificationError(
                f"{what} names {', '.join(map(str, given))}; a model of one level has weights of rows only"
            )
        given = given["row"]
    series = column_values(data, given, what)
    if series is None:
        return np.ones(len(data)), False, None
    values = series.to_numpy(dtype=float)
    if not np.isfinite(values).all() or values.min() < 0.0 or values.sum() <= 0.0:
        raise SpecificationError(f"{what} must be numbers from 0 on, not all of them 0")
    if weights is not None:
        return values, True, None
    return values, False, values


def _from_data(
    model, data, groups, cluster, missing, weights, freq_weights, meanstructure, options,
    weight_scaling,
) -> SemInputs:  # fmt: skip
    labels, codes = group_labels(column_values(data, groups, "groups"))
    clusters = column_values(data, cluster, "cluster")
    columns = [str(name) for name in data.columns]
    data = data.set_axis(columns, axis=1)
    table = _table(model, labels, columns, meanstructure, options)
    if len(table.levels) > 1:
        _check_levels(table, clusters)
    elif weight_scaling is not None:
        raise SpecificationError("weight_scaling is for weights of models with two levels")
    order = [labels.index(label) for label in table.groups] if len(labels) > 1 else [0]
    codes = np.zeros(len(data), dtype=int) if codes is None else np.argsort(order)[codes]
    names = list(dict.fromkeys(name for roles in table.roles for name in roles.observed))
    values = {name: numeric(data, name) for name in names}
    n_levels = len(table.levels)
    by_row = (weights, freq_weights) if n_levels == 1 else (None, None)
    weight, sampling, frequency = row_weights(data, *by_row)
    blocks = [range(g * n_levels, (g + 1) * n_levels) for g in range(len(table.groups))]
    given = [[n for b in own for n in given_covariates(table, b)] for own in blocks]
    variables = [
        list(dict.fromkeys(n for b in own for n in table.roles[b].observed)) for own in blocks
    ]
    rows = group_rows(values, variables, given, table.groups, codes, weight, missing == "listwise")
    if meanstructure is None and any(np.isnan(group.values).any() for group in rows):
        table = _table(model, labels, columns, True, options)
    kept = np.sort(np.concatenate([group.rows for group in rows]))
    position = np.full(len(data), -1)
    position[kept] = np.arange(len(kept))
    scale = len(kept) / weight[kept].sum() if sampling else 1.0
    rows = [
        replace(group, rows=position[group.rows], weight=group.weight * scale) for group in rows
    ]
    frequency = None if frequency is None else frequency[kept]
    level_weights = LevelWeights(
        {} if weights is None and freq_weights is None else {"row": weight[kept] * scale},
        sampling, frequency,
    )  # fmt: skip
    endog = pd.DataFrame({name: values[name][kept] for name in names}, index=data.index[kept])
    code, counts, first, cluster_labels = None, {}, None, None
    if clusters is not None:
        code, cluster_labels = pd.factorize(clusters.iloc[kept])
        counts = {cluster if isinstance(cluster, str) else "cluster": int(code.max()) + 1}
        if n_levels > 1:
            first = np.unique(code, return_index=True)[1]
            name = next(iter(counts))
            level_weights = two_level_weights(
                data, kept, code, name, weights, freq_weights, weight_scaling
            )
            frequency = level_weights.frequency
            if (of_rows := level_weights.by_level.get("row")) is not None:
                rows = [replace(group, weight=of_rows[group.rows]) for group in rows]
    shell = SemInputs(
        table, NormalProblem((), len(kept)), [], [], has_means(table),
        float(len(kept) if frequency is None else frequency.sum()), level_weights, endog,
        cluster=code, cluster_counts=counts, first_row=first, cluster_labels=cluster_labels,
        group_column=groups if isinstance(groups, str) else "group",
        cluster_column=cluster if isinstance(cluster, str) else "cluster",
    )  # fmt: skip
    inputs = inputs_of_rows(shell, rows)
    for known in inputs.moments:
        if known is not None and n_levels == 1:
            check_moments(known)
    return inputs


def _check_levels(table: LavaanTable, clusters) -> None:
    if len(table.levels) > 2:
        raise SpecificationError("models of more than two levels are not available in closed form")
    if clusters is None:
        raise SpecificationError("the model has levels: say which rows belong together by cluster=")


def _from_moments(
    model, cov, means, nobs, cov_divisor, meanstructure, options, groups
) -> SemInputs:
    if groups is not None:
        raise SpecificationError(
            "with moments the groups are the keys of cov=, means= and nobs=; leave groups= out"
        )
    if cov_divisor not in ("n-1", "n"):
        raise SpecificationError(f"cov_divisor={cov_divisor!r} is not known; use 'n-1' or 'n'")
    if nobs is None:
        raise SpecificationError("nobs=, the number of rows behind the moments, is missing")
    labels = [str(label) for label in cov] if isinstance(cov, Mapping) else ["1"]
    covs = _by_label(cov, labels, "cov")
    sizes = _by_label(nobs, labels, "nobs")
    averages = _by_label(means, labels, "means") if means is not None else [None] * len(labels)
    columns = _names_of(covs)
    if meanstructure is None and means is None and len(labels) > 1:
        meanstructure = False
    table = _table(model, labels, columns, meanstructure, options)
    if len(table.levels) > 1:
        raise SpecificationError("a model of several levels needs the data, not moments")
    order = [labels.index(label) for label in table.groups] if len(labels) > 1 else [0]
    moments = []
    for g, k in enumerate(order):
        names = table.roles[g].observed
        moments.append(
            _moments(table.groups[g], names, covs[k], averages[k], sizes[k], cov_divisor)
        )
    for known in moments:
        check_moments(known)
    given = [given_covariates(table, g) for g in range(len(moments))]
    mean_structure = has_means(table)
    problem = moment_problem(moments, given, mean_structure)
    of_covariates = [
        given_moments(m.variables, x, m.mean, m.covariance)
        for m, x in zip(moments, given, strict=True)
    ]
    every = list(dict.fromkeys(name for m in moments for name in m.variables))
    total = float(sum(m.n for m in moments))
    endog = pd.DataFrame(np.zeros((1, len(every))), columns=every)
    return SemInputs(
        table, problem, of_covariates, [(m.mean, m.covariance) for m in moments], mean_structure, total,
        LevelWeights({}), endog, (), tuple(moments),
    )  # fmt: skip


def _by_label(value: Any, labels: list[str], what: str) -> list:
    if isinstance(value, Mapping):
        own = {str(key): item for key, item in value.items()}
        if absent := [label for label in labels if label not in own]:
            raise SpecificationError(f"{what} has nothing for group {absent[0]!r}")
        return [own[label] for label in labels]
    if len(labels) > 1:
        raise SpecificationError(f"cov is by group; give {what} as a dict with the same keys")
    return [value]


def _names_of(covs: list) -> list[str] | None:
    """Labels of covariance matrices, None if they have none."""
    if all(isinstance(one, pd.DataFrame) for one in covs):
        return list(dict.fromkeys(str(name) for one in covs for name in one.columns))
    return None


def _moments(label: str, names, cov, mean, n, divisor: str) -> GroupMoments:
    where = "" if label == "1" else f" of group {label!r}"
    if isinstance(cov, pd.DataFrame):
        cov = cov.set_axis([str(c) for c in cov.columns], axis=1)
        if list(cov.columns) != [str(c) for c in cov.index]:
            raise SpecificationError(f"rows and columns of cov{where} have different labels")
        cov = cov.set_axis(list(cov.columns), axis=0).loc[list(names), list(names)]
    matrix = np.asarray(cov, dtype=float)
    if matrix.shape != (len(names), len(names)):
        raise SpecificationError(
            f"cov{where} has shape {matrix.shape}; the model's variables are {', '.join(names)}, in this "
            "order where cov has no labels"
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-10 * np.abs(matrix).max()):
        raise SpecificationError(f"cov{where} is not symmetric")
    if isinstance(mean, pd.Series):
        mean = mean.set_axis([str(c) for c in mean.index]).reindex(list(names))
    if mean is not None:
        mean = np.asarray(mean, dtype=float)
        if mean.shape != (len(names),) or not np.isfinite(mean).all():
            raise SpecificationError(
                f"means{where} must have a number for each of {', '.join(names)}"
            )
    n = float(n)
    if not n > 1:
        raise SpecificationError(f"nobs{where} must be a number above 1, not {n:g}")
    matrix = (matrix + matrix.T) / 2.0
    return GroupMoments(
        label, tuple(names), n, mean, matrix * ((n - 1.0) / n if divisor == "n-1" else 1.0)
    )
