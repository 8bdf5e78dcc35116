"""Data of a structural equation model with everything that the likelihood needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.normal_moments import NormalProblem
from sm_gllamm.mapping.sem_moments import ImpliedBlock
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.models.sem_clusters import (
    cluster_cells,
    cluster_weights,
    group_likelihood,
    joined,
)
from sm_gllamm.models.sem_data import (
    GroupMoments,
    GroupRows,
    group_moments,
    numeric,
)
from sm_gllamm.models.sem_problem import given_moments, row_problem
from sm_gllamm.models.sem_start import StartMoments
from sm_gllamm.models.sem_twolevel import (
    LevelVariables,
    TwoLevelGroup,
    two_level_group,
)
from sm_gllamm.specification.lavaan_table import LavaanTable
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["SemInputs", "has_means", "inputs_of_rows"]


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
    cluster_column: str = "cluster"
    cluster_labels: Any = None
    levels: tuple[TwoLevelGroup, ...] = ()

    @property
    def has_rows(self) -> bool:
        """Whether the data are rows, and not moments only."""
        return bool(self.rows)

    @property
    def complete(self) -> bool:
        """Whether moments are known, or rows come in clusters."""
        return bool(self.levels) or all(known is not None for known in self.moments)

    def without_rows(self) -> SemInputs:
        """The same without anything that has the length of the data; sums and moments stay."""
        sets = tuple(replace(pieces, units=None) for pieces in self.problem.sets)
        return replace(
            self, problem=replace(self.problem, sets=sets, unit_constant=None), rows=(),
            endog=self.endog.iloc[:0], cluster=None, first_row=None, weights=LevelWeights({}),
            levels=tuple(replace(g, products=g.products[:0], codes=g.codes[:0]) for g in self.levels),
        )  # fmt: skip

    @property
    def group_sizes(self) -> list[float]:
        """Number of rows of each group, sum of the weights."""
        if self.levels:
            return [group.n_rows for group in self.levels]
        return [float(pieces.count.sum()) for pieces in self.problem.sets]

    @property
    def missing_values(self) -> bool:
        """Whether any values are missing."""
        if self.levels:
            return not all(group.complete for group in self.levels)
        return not self.complete

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
            for clusters in self.levels:
                n = len(clusters.unit)
                times[clusters.unit] = rng.multinomial(n, np.full(n, 1.0 / n))
            return _two_levels(self, self.rows, times)
        for group in self.rows:
            if self.cluster is None:
                n = len(group.rows)
                times = rng.multinomial(n, np.full(n, 1.0 / n)).astype(float)
            else:
                codes, unit = np.unique(self.cluster[group.rows], return_inverse=True)
                n = len(codes)
                times = rng.multinomial(n, np.full(n, 1.0 / n)).astype(float)[unit.reshape(-1)]
            keep = times > 0.0
            rows.append(
                replace(
                    group, values=group.values[keep], rows=group.rows[keep],
                    weight=(group.weight * times)[keep],
                )
            )  # fmt: skip
        return inputs_of_rows(self, rows)

    def with_values(self, data: pd.DataFrame) -> SemInputs:
        """The same rows with other values of the variables."""
        rows = []
        for group in self.rows:
            values = data[list(group.variables)].to_numpy()[group.rows]
            rows.append(replace(group, values=values))
        return inputs_of_rows(self, rows)

    def drawn(self, implied: list[ImpliedBlock], rng: np.random.Generator) -> pd.DataFrame:
        """Values drawn from implied moments, given the covariates that are given."""
        if not self.has_rows:
            raise SpecificationError("the model was given moments; draws need rows")
        out = self.endog.to_numpy(dtype=float, copy=True)
        columns = [str(name) for name in self.endog.columns]
        n_levels = len(self.table.levels)
        for g, group in enumerate(self.rows):
            total = np.zeros((len(group.rows), len(columns)))
            modelled = np.zeros(len(columns), dtype=bool)
            above = self._drawn_above(implied, g, rng) if n_levels > 1 else {}
            for level in range(n_levels):
                b = g * n_levels + level
                variables = implied[b].block.variables[: implied[b].block.n_observed]
                x = given_covariates(self.table, b)
                unit = np.arange(len(group.rows))
                first = unit
                if level:
                    cluster = np.asarray(self.cluster)[group.rows]
                    _, first, unit = np.unique(cluster, return_index=True, return_inverse=True)
                known = group.values[first][:, [group.variables.index(name) for name in x]]
                for k, name in enumerate(x):
                    if name in above:
                        # covariates that have parts at both levels, neither of them observed
                        part = above[name]
                        known[:, k] = part[first] if level else known[:, k] - part
                y = [name for name in variables if name not in x]
                draws = self._draw(implied[b], b, variables, x, y, known, rng)
                at = [columns.index(name) for name in y]
                total[:, at] += draws[unit.reshape(-1)]
                modelled[at] = True
            seen = ~np.isnan(out[group.rows]) & modelled
            out[group.rows] = np.where(seen, total, out[group.rows])
        return pd.DataFrame(out, self.endog.index, self.endog.columns)

    def _drawn_above(self, implied, g: int, rng) -> dict[str, np.ndarray]:
        """Between parts, by row, of covariates given at both levels, drawn given all covariates."""
        names = _level_variables(self.table, g)
        both = [name for name in names.given_within if name in names.given_between]
        if not both:
            return {}
        given = [*names.given_within, *names.given_between]
        _, _, cells = next(one for one in self.clusters_of(None, "draws", given) if one[0] == g)
        state = cells.clusters.state(implied)
        p = len(names.between)
        high = implied[2 * g + 1]
        covariance = high.covariance[:p, :p]
        mean = high.mean[:p] + state.pull @ covariance
        spread = covariance - covariance @ state.middle @ covariance
        values, vectors = np.linalg.eigh(spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        draws = mean + np.einsum("jkl,jl->jk", root, rng.normal(size=mean.shape))
        cluster = cells.clusters.cluster[cells.cell]
        return {name: draws[cluster, names.between.index(name)] for name in both}

    def _draw(self, implied, b, variables, given, wanted, known, rng) -> np.ndarray:
        """Variables of a block given its given covariates."""
        n_observed = implied.block.n_observed
        covariance = implied.covariance[:n_observed, :n_observed]
        mean = implied.mean[:n_observed]
        if not self.mean_structure:
            mean = np.asarray(self.start_moments[b][0])
        x = [variables.index(name) for name in given]
        y = [variables.index(name) for name in wanted]
        centre = np.tile(mean[y], (len(known), 1))
        spread = covariance[np.ix_(y, y)]
        if x:
            slope = np.linalg.solve(covariance[np.ix_(x, x)], covariance[np.ix_(x, y)])
            centre = centre + (known - mean[x]) @ slope
            spread = spread - covariance[np.ix_(y, x)] @ slope
        values, vectors = np.linalg.eigh(spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return centre + rng.normal(size=centre.shape) @ root.T

    def clusters_of(self, data: pd.DataFrame | None, what: str, given=None):
        """Number, index and clusters of the rows of each group.

        Parameters
        ----------
        data : DataFrame or None
            None: those of the fit. Otherwise with the columns of the model, of clusters and of groups.
        what : str
            For messages.
        given : collection of str, optional
            Variables that count, others are missing values; default all.

        Yields
        ------
        tuple of (int, Index, Cells)
        """
        several = len(self.table.groups) > 1
        if data is None:
            if not self.has_rows:
                raise SpecificationError(f"the data were removed; {what} needs data")
        else:
            data = data.set_axis([str(name) for name in data.columns], axis=1)
            for column in (self.cluster_column, *[self.group_column] * several):
                if column not in data:
                    raise SpecificationError(f"{what} of new data needs the column {column!r}")
            labels = data[self.group_column].astype(str) if several else None
        for g, label in enumerate(self.table.groups):
            names = _level_variables(self.table, g)
            if data is None:
                group = self.rows[g]
                index, codes = self.endog.index[group.rows], np.asarray(self.cluster)[group.rows]
            else:
                part = data if labels is None else data[labels == label]
                group = _new_rows(part, label, names, given)
                index, codes = part.index, pd.factorize(part[self.cluster_column])[0]
            if not len(index):
                continue
            if given is not None:
                counts = [name in given for name in group.variables]
                group = replace(group, values=np.where(counts, group.values, np.nan))
            unit, codes = np.unique(codes, return_inverse=True)
            unit = np.arange(len(unit))
            cells = cluster_cells(group, names, codes.reshape(-1), unit, np.ones(len(unit)), 2 * g)
            yield g, index, cells


def _new_rows(data: pd.DataFrame, label: str, names: LevelVariables, needed) -> GroupRows:
    """Rows of new clusters; columns that are not needed may be absent."""
    variables = tuple(dict.fromkeys((*names.within, *names.between)))
    columns = []
    for name in variables:
        known = name in data or all(piece in data for piece in name.split(":"))
        if not known and (needed is None or name in needed):
            raise SpecificationError(f"the data have no column {name!r}")
        columns.append(numeric(data, name) if known else np.full(len(data), np.nan))
    n = len(data)
    return GroupRows(label, variables, np.column_stack(columns), np.arange(n), np.ones(n))


def has_means(table: LavaanTable) -> bool:
    """Whether a table has intercepts."""
    return any(row.op == "~1" for row in table.rows)


def inputs_of_rows(shell: SemInputs, rows: Sequence[GroupRows]) -> SemInputs:
    """Problem and moments from rows, everything else as it is.

    Parameters
    ----------
    shell : SemInputs
    rows : sequence of GroupRows

    Returns
    -------
    SemInputs
    """
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


def _level_variables(table: LavaanTable, g: int) -> LevelVariables:
    within, between = table.roles[2 * g].observed, table.roles[2 * g + 1].observed
    return LevelVariables(
        within, between, given_covariates(table, 2 * g), given_covariates(table, 2 * g + 1)
    )


def _two_levels(shell: SemInputs, rows, times: np.ndarray | None) -> SemInputs:
    """Problem and moments of clusters from rows; `times` says how often each cluster counts."""
    cluster = np.asarray(shell.cluster)
    weight = cluster_weights(shell.weights, cluster, shell.cluster_column)
    weight = weight if times is None else weight * times
    parts = []
    for g, group in enumerate(rows):
        unit, codes = np.unique(cluster[group.rows], return_inverse=True)
        labels = [shell.cluster_labels[k] for k in unit]
        names = _level_variables(shell.table, g)
        statistics = two_level_group(group, names, codes.reshape(-1), unit, labels, weight[unit])
        parts.append(group_likelihood(g, group, statistics))
    return replace(
        shell, problem=joined(parts, int(cluster.max()) + 1),
        given=[one for part in parts for one in part.given],
        start_moments=[one for part in parts for one in part.statistics.start_moments()],
        rows=tuple(rows), moments=(None,) * len(rows),
        levels=tuple(part.statistics for part in parts),
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
