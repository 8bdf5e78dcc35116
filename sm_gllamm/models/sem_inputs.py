"""What users give a structural equation model, checked and laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_moments import NormalProblem
from sm_gllamm.mapping.sem_moments import ImpliedBlock
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.models.sem_data import (
    GroupMoments,
    GroupRows,
    check_moments,
    column_values,
    group_moments,
    group_rows,
    numeric,
)
from sm_gllamm.models.sem_problem import given_moments, moment_problem, row_problem
from sm_gllamm.models.sem_start import StartMoments
from sm_gllamm.models.sem_twolevel import (
    LevelVariables,
    TwoLevelGroup,
    two_level_group,
    two_level_problem,
)
from sm_gllamm.specification.lavaan_table import LavaanTable, lavaan_table
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["SemInputs", "sem_inputs"]


@dataclass(frozen=True)
class SemInputs:
    """Table of parameters and data of a model.

    Attributes
    ----------
    table : LavaanTable
    problem : NormalProblem
    given : list of dict
        Moments of given covariates by block.
    start_moments : list of (mean, covariance)
        Of the observed variables of each block.
    mean_structure : bool
        Whether means are modelled.
    n_observations : float
    weights : LevelWeights
    endog : DataFrame
        Rows in use, or a row of means.
    rows : tuple of GroupRows
        Empty where moments were given.
    moments : tuple of GroupMoments or None
        None for groups with missing values.
    cluster : ndarray of int, shape (n_rows,), or None
    first_row : ndarray of int, or None
        First row of each cluster, where clusters are the independent units.
    cluster_counts : dict of str to int
    """

    table: LavaanTable
    problem: NormalProblem
    given: list
    start_moments: list[StartMoments]
    mean_structure: bool
    n_observations: float
    weights: LevelWeights
    endog: pd.DataFrame
    rows: tuple[GroupRows, ...] = ()
    moments: tuple[GroupMoments | None, ...] = ()
    cluster: np.ndarray | None = None
    first_row: np.ndarray | None = None
    cluster_counts: dict = field(default_factory=dict)
    group_column: str = "group"
    cluster_labels: Any = None
    levels: tuple[TwoLevelGroup, ...] = ()

    @property
    def has_rows(self) -> bool:
        """Whether the data are rows, and not moments only."""
        return bool(self.rows)

    @property
    def complete(self) -> bool:
        """Whether no values are missing."""
        return bool(self.levels) or all(known is not None for known in self.moments)

    @property
    def group_sizes(self) -> list[float]:
        """Number of rows of each group, sum of the weights."""
        if self.levels:
            return [float(group.size.sum()) for group in self.levels]
        return [float(pieces.count.sum()) for pieces in self.problem.sets]

    @property
    def block_sizes(self) -> list[float]:
        """Number of independent vectors behind the moments of each block."""
        if self.levels:
            return [n for g in self.levels for n in (float(g.size.sum()), float(len(g.size)))]
        return self.group_sizes

    def rows_of(self, data: pd.DataFrame | None, what: str, needed=None):
        """Block, index and values of the persons of each group.

        Parameters
        ----------
        data : DataFrame or None
            None: those of the fit.
        what : str
            For messages.
        needed : list of str, optional
            Columns that `data` must have; default all, others are missing values where absent.

        Yields
        ------
        tuple of (int, Index, ndarray of shape (n, p))
        """
        if data is None:
            if not self.has_rows:
                raise SpecificationError(f"the model was given moments; {what} needs data")
            for b, group in enumerate(self.rows):
                yield b, self.endog.index[group.rows], group.values
            return
        data = data.set_axis([str(name) for name in data.columns], axis=1)
        several = len(self.table.groups) > 1
        if several and self.group_column not in data:
            raise SpecificationError(
                f"{what} of new persons needs their groups: column {self.group_column!r}"
            )
        labels = data[self.group_column].astype(str) if several else None
        if labels is not None and (new := set(labels) - set(self.table.groups)):
            raise SpecificationError(f"the fit has no group {min(new)!r}")
        for b, roles in enumerate(self.table.roles):
            part = data if labels is None else data[labels == self.table.groups[b]]
            columns = []
            for name in roles.observed:
                known = name in part or all(piece in part for piece in name.split(":"))
                if not known and (needed is None or name in needed):
                    raise SpecificationError(f"the data have no column {name!r}")
                columns.append(numeric(part, name) if known else np.full(len(part), np.nan))
            yield b, part.index, np.column_stack(columns)

    def in_order(self, frames: list[pd.DataFrame], data: pd.DataFrame | None) -> pd.DataFrame:
        """Frames of groups as one, with rows in the order of the data."""
        if len(frames) == 1:
            return frames[0]
        if data is None:
            place = np.concatenate([group.rows for group in self.rows])
        else:
            labels = data.set_axis([str(c) for c in data.columns], axis=1)[self.group_column]
            labels = labels.astype(str).to_numpy()
            place = np.concatenate([np.flatnonzero(labels == g) for g in self.table.groups])
        return pd.concat(frames).iloc[np.argsort(place, kind="stable")]

    def resampled(self, rng: np.random.Generator) -> SemInputs:
        """Rows, or clusters, drawn with replacement within groups: weights are how often."""
        rows = []
        if self.levels:
            times = np.zeros(self.problem.n_units)
            for group in self.levels:
                n = len(group.unit)
                times[group.unit] = rng.multinomial(n, np.full(n, 1.0 / n))
            return _two_levels(self, self.rows, times)
        for group in self.rows:
            if self.cluster is None:
                n = len(group.rows)
                times = rng.multinomial(n, np.full(n, 1.0 / n)).astype(float)
            else:
                codes, unit = np.unique(self.cluster[group.rows], return_inverse=True)
                n = len(codes)
                times = rng.multinomial(n, np.full(n, 1.0 / n)).astype(float)[unit]
            keep = times > 0.0
            rows.append(
                replace(
                    group, values=group.values[keep], rows=group.rows[keep],
                    weight=(group.weight * times)[keep],
                )
            )  # fmt: skip
        return _from_rows(self, rows)

    def with_values(self, data: pd.DataFrame) -> SemInputs:
        """The same rows with other values of the variables."""
        rows = []
        for group in self.rows:
            values = data[list(group.variables)].to_numpy()[group.rows]
            rows.append(replace(group, values=values))
        return _from_rows(self, rows)

    def drawn(self, implied: list[ImpliedBlock], rng: np.random.Generator) -> pd.DataFrame:
        """Values drawn from implied moments, given the covariates that are given."""
        if not self.has_rows:
            raise SpecificationError("the model was given moments; draws need rows")
        out = self.endog.copy()
        for g, group in enumerate(self.rows):
            block = implied[g]
            n_observed = block.block.n_observed
            covariance = block.covariance[:n_observed, :n_observed]
            mean = block.mean[:n_observed]
            if not self.mean_structure:
                mean = np.asarray(self.start_moments[g][0])
            x = [group.variables.index(name) for name in given_covariates(self.table, g)]
            y = [k for k in range(n_observed) if k not in x]
            centre = np.tile(mean[y], (len(group.rows), 1))
            spread = covariance[np.ix_(y, y)]
            if x:
                slope = np.linalg.solve(covariance[np.ix_(x, x)], covariance[np.ix_(x, y)])
                centre = centre + (group.values[:, x] - mean[x]) @ slope
                spread = spread - covariance[np.ix_(y, x)] @ slope
            values, vectors = np.linalg.eigh(spread)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            draws = centre + rng.normal(size=centre.shape) @ root.T
            draws[np.isnan(group.values[:, y])] = np.nan
            columns = [out.columns.get_loc(group.variables[k]) for k in y]
            block_of = out.to_numpy(copy=True)
            block_of[np.ix_(group.rows, columns)] = draws
            out = pd.DataFrame(block_of, out.index, out.columns)
        return out


def sem_inputs(
    model, data, *, groups, cluster, missing, cov, means, nobs, cov_divisor, weights, freq_weights,
    meanstructure, table_options,
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
        model, data, groups, cluster, missing, weights, freq_weights, meanstructure, table_options
    )


def _table(model: str, labels, columns, meanstructure, options) -> LavaanTable:
    several = labels if len(labels) > 1 else None
    if meanstructure is None and options.get("style") == "growth":
        meanstructure = True
    return lavaan_table(
        model, groups=several, columns=columns, meanstructure=meanstructure, **options
    )


def _labels(series: pd.Series | None) -> tuple[list[str], np.ndarray | None]:
    """Labels of groups in the order in which they come, and codes of rows."""
    if series is None:
        return ["1"], None
    codes, values = pd.factorize(series)
    return [str(value) for value in values], codes


def _weights(data, weights, freq_weights) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """Weight of each row, whether it is a sampling weight, and frequencies."""
    if weights is not None and freq_weights is not None:
        raise SpecificationError("give weights or freq_weights, not both")
    what = "weights" if weights is not None else "freq_weights"
    series = column_values(data, weights if weights is not None else freq_weights, what)
    if series is None:
        return np.ones(len(data)), False, None
    values = series.to_numpy(dtype=float)
    if not np.isfinite(values).all() or values.min() < 0.0 or values.sum() <= 0.0:
        raise SpecificationError(f"{what} must be numbers from 0 on, not all of them 0")
    if weights is not None:
        return values, True, None
    return values, False, values


def _from_data(
    model, data, groups, cluster, missing, weights, freq_weights, meanstructure, options
) -> SemInputs:
    labels, codes = _labels(column_values(data, groups, "groups"))
    clusters = column_values(data, cluster, "cluster")
    columns = [str(name) for name in data.columns]
    data = data.set_axis(columns, axis=1)
    table = _table(model, labels, columns, meanstructure, options)
    if len(table.levels) > 1:
        _check_levels(table, clusters, weights, freq_weights)
    order = [labels.index(label) for label in table.groups] if len(labels) > 1 else [0]
    codes = np.zeros(len(data), dtype=int) if codes is None else np.argsort(order)[codes]
    names = list(dict.fromkeys(name for roles in table.roles for name in roles.observed))
    values = {name: numeric(data, name) for name in names}
    weight, sampling, frequency = _weights(data, weights, freq_weights)
    n_levels = len(table.levels)
    blocks = [range(g * n_levels, (g + 1) * n_levels) for g in range(len(table.groups))]
    given = [[n for b in own for n in given_covariates(table, b)] for own in blocks]
    variables = [
        list(dict.fromkeys(n for b in own for n in table.roles[b].observed)) for own in blocks
    ]
    rows = group_rows(values, variables, given, table.groups, codes, weight, missing == "listwise")
    if n_levels > 1 and any(np.isnan(group.values).any() for group in rows):
        raise SpecificationError(
            "models of two levels need complete rows in closed form; leave rows with missing values out by "
            "missing='listwise'"
        )
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
    shell = SemInputs(
        table, NormalProblem((), len(kept)), [], [], _has_means(table),
        float(len(kept) if frequency is None else frequency.sum()), level_weights, endog,
        cluster=code, cluster_counts=counts, first_row=first, cluster_labels=cluster_labels,
        group_column=groups if isinstance(groups, str) else "group",
    )  # fmt: skip
    inputs = _from_rows(shell, rows)
    for known in inputs.moments:
        if known is not None and n_levels == 1:
            check_moments(known)
    return inputs


def _has_means(table: LavaanTable) -> bool:
    return any(row.op == "~1" for row in table.rows)


def _from_rows(shell: SemInputs, rows) -> SemInputs:
    """Problem and moments from rows, everything else as it is."""
    table = shell.table
    if len(table.levels) > 1:
        return _two_levels(shell, rows, None)
    moments = [None if np.isnan(group.values).any() else group_moments(group) for group in rows]
    given = [given_covariates(table, g) for g in range(len(rows))]
    problem = row_problem(rows, moments, given, shell.mean_structure, len(shell.endog))
    start, known = [], []
    for group, whole, names in zip(rows, moments, given, strict=True):
        mean, covariance = (
            _available(group) if whole is None else (whole.mean, whole.covariance)
        )  # fmt: skip
        start.append((mean, covariance))
        known.append(given_moments(group.variables, names, mean, covariance))
    return replace(
        shell, problem=problem, given=known, start_moments=start, rows=tuple(rows),
        moments=tuple(moments),
    )  # fmt: skip


def _check_levels(table: LavaanTable, clusters, weights, freq_weights) -> None:
    if len(table.levels) > 2:
        raise SpecificationError("models of more than two levels are not available in closed form")
    if clusters is None:
        raise SpecificationError("the model has levels: say which rows belong together by cluster=")
    if weights is not None or freq_weights is not None:
        raise SpecificationError(
            "weights are not available for models of two levels in closed form"
        )


def _level_variables(table: LavaanTable, g: int) -> LevelVariables:
    within, between = table.roles[2 * g].observed, table.roles[2 * g + 1].observed
    return LevelVariables(
        within, between, given_covariates(table, 2 * g), given_covariates(table, 2 * g + 1)
    )


def _two_levels(shell: SemInputs, rows, times: np.ndarray | None) -> SemInputs:
    """Problem and moments of clusters from complete rows; `times` says how often each cluster counts."""
    cluster = np.asarray(shell.cluster)
    groups, densities, known, start = [], [], [], []
    for g, group in enumerate(rows):
        names = _level_variables(shell.table, g)
        if twice := set(names.given_within) & set(names.given_between):
            raise SpecificationError(
                f"covariate {min(twice)!r} is given at both levels, which is not available: model its "
                "distribution (fixed_x=False), or put its cluster mean into the data as another variable"
            )
        unit, codes = np.unique(cluster[group.rows], return_inverse=True)
        codes = codes.reshape(-1)
        labels = [shell.cluster_labels[k] for k in unit]
        statistics = two_level_group(group, names, codes, unit, labels)
        groups.append(statistics)
        densities.append(statistics.given_loglike(group, codes))
        known += statistics.given_moments(group)
        start += statistics.start_moments()
    n_units = int(cluster.max()) + 1
    problem = two_level_problem(groups, densities, n_units, times)
    return replace(
        shell, problem=problem, given=known, start_moments=start, rows=tuple(rows),
        moments=(None,) * len(rows), levels=tuple(groups),
    )  # fmt: skip


def _available(group: GroupRows) -> tuple[np.ndarray, np.ndarray]:
    """Means of what is observed, covariances from pairs of observed values."""
    present = ~np.isnan(group.values)
    weight = present * group.weight[:, None]
    values = np.where(present, group.values, 0.0)
    mean = (values * weight).sum(0) / weight.sum(0)
    centred = np.where(present, group.values - mean, 0.0)
    pairs = present.T @ weight
    covariance = centred.T @ (centred * group.weight[:, None]) / np.maximum(pairs, 1e-300)
    # covariates are complete: their covariance matrix is the usual one
    return mean, covariance


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
    mean_structure = _has_means(table)
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
