"""Data of a structural equation model whose likelihood is an integral."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.sem_rows import SemAssembly
from sm_gllamm.mapping.sem_structure import SemMapping
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.models.sem_data import column_values, numeric
from sm_gllamm.models.sem_persons import Persons, assembled
from sm_gllamm.models.sem_responses import SemResponse, families_of, sem_responses
from sm_gllamm.models.sem_translation import Translation
from sm_gllamm.specification.lavaan_table import LavaanTable, lavaan_table
from sm_gllamm.survey.scaling import scale_level_weights
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["QuadratureInputs", "check_levels", "quadrature_inputs"]


@dataclass(frozen=True)
class QuadratureInputs:
    """Table, data and problem of a model.

    Attributes
    ----------
    table : LavaanTable
    translation : Translation
    mapping : SemMapping
    persons : Persons
    assembly : SemAssembly
    weights : LevelWeights
        Of persons ("row") and of the levels above.
    n_observations : float
    level_names : tuple of str
        Of all levels of the text.
    group_column : str
    cluster_columns : tuple of str
    cluster : ndarray of int, shape (n,), or None
        Clusters that standard errors take into account where the text has no levels.
    given : list of dict
        By block, means and covariances of the covariates, which standardised solutions use.
    options : dict
        What the table was made with, for further texts.
    """

    table: LavaanTable
    translation: Translation
    mapping: SemMapping
    persons: Persons
    assembly: SemAssembly
    weights: LevelWeights
    n_observations: float
    level_names: tuple[str, ...]
    group_column: str
    cluster_columns: tuple[str, ...]
    cluster: np.ndarray | None = None
    given: list[dict] = field(default_factory=list)
    options: dict = field(default_factory=dict)

    mean_structure = True
    moments: tuple = ()
    levels: tuple = ()
    first_row = None

    @property
    def has_rows(self) -> bool:
        """Whether there are data."""
        return len(self.persons) > 0

    @property
    def complete(self) -> bool:
        """Whether no responses are missing."""
        return not any(np.isnan(r.values).any() for r in self.persons.responses.values())

    @property
    def endog(self) -> pd.DataFrame:
        """Responses, categories by code."""
        return pd.DataFrame(
            {name: r.values for name, r in self.persons.responses.items()}, self.persons.index
        )

    @property
    def group_sizes(self) -> list[float]:
        """Number of persons of each group, the sum of the frequency weights."""
        frequency = self.weights.frequency
        return np.bincount(self.persons.group, frequency, len(self.table.groups)).tolist()

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters of each level, from the top level down."""
        if self.cluster is not None:
            return {self.cluster_columns[0]: int(self.cluster.max()) + 1}
        return {
            name: len(np.unique(code))
            for name, code in zip(self.level_names[:0:-1], self.persons.clusters[::-1], strict=True)
        }

    def without_rows(self) -> QuadratureInputs:
        """The same without anything that has the length of the data."""
        persons = self.persons.take(np.zeros(0, dtype=np.intp))
        persons = replace(persons, labels=tuple(label[:0] for label in persons.labels))
        return replace(
            self, persons=persons, weights=LevelWeights({}, self.weights.sampling), cluster=None,
            assembly=replace(
                self.assembly, variable=np.zeros(0, int), person=np.zeros(0, int),
                first_person=np.zeros(0, int), pattern=None,
            ),
        )  # fmt: skip

    def with_responses(self, responses: Mapping[str, SemResponse]) -> QuadratureInputs:
        """The same persons with other responses."""
        persons = replace(self.persons, responses=responses)
        assembly = assembled(self.translation, self.mapping, persons, self.weights)
        return replace(self, persons=persons, assembly=assembly)

    def with_text(self, text: str) -> QuadratureInputs:
        """Another model of the same responses, whose covariates are among those of this one.

        Parameters
        ----------
        text : str

        Raises
        ------
        SpecificationError
        """
        table = lavaan_table(text, **self.options)
        if _modelled(table) != list(self.persons.responses):
            raise SpecificationError("the text has other responses")
        translation = Translation(table, self.persons.responses, _patterns(self.persons))
        lacking = translation.predicting - set(self.persons.covariates)
        if lacking:
            raise SpecificationError(f"{min(lacking)!r} predicts nothing in the model of the fit")
        check_levels(self.persons, translation)
        mapping = translation.mapping()
        assembly = assembled(translation, mapping, self.persons, self.weights)
        return replace(
            self, table=table, translation=translation, mapping=mapping, assembly=assembly
        )


def quadrature_inputs(
    model: str, data, *, groups, cluster, missing, weights, freq_weights, weight_scaling, families,
    ordered, link, labels_of, weights_of, table_options,
) -> QuadratureInputs:  # fmt: skip
    """Table and data of a model that is fitted by quadrature.

    Parameters
    ----------
    model : str
    data : DataFrame
    groups, cluster, missing, weights, freq_weights, weight_scaling, families, ordered, link
        See :class:`sm_gllamm.models.sem.SEM`.
    labels_of, weights_of : callable
        What :mod:`sm_gllamm.models.sem_reading` makes of groups and of weights of rows.
    table_options : dict

    Raises
    ------
    SpecificationError

    Warns
    -----
    SpecificationWarning
        Rows without any response, or without a covariate, are left out.
    """
    columns = [str(name) for name in data.columns]
    labels, codes = labels_of(column_values(data, groups, "groups"))
    data = data.set_axis(columns, axis=1)
    several = labels if len(labels) > 1 else None

    options = {"groups": several, "columns": columns, "meanstructure": True, **table_options}
    first = lavaan_table(model, **options)
    names = _modelled(first)
    in_text = list(dict.fromkeys(t.lhs for t in first.syntax.terms if t.op == "|"))
    chosen = families_of(families, ordered, in_text, link, names)
    responses = sem_responses(data, chosen, names)
    options["ordered"] = {n: len(r.labels) - 1 for n, r in responses.items() if r.labels}
    options["residual_variance"] = {
        n: r.residual_variance for n, r in responses.items() if not r.normal
    }
    table = lavaan_table(model, **options)
    order = [labels.index(label) for label in table.groups] if several else [0]
    codes = np.zeros(len(data), dtype=int) if codes is None else np.argsort(order)[codes]
    clusters, cluster_names, robust = _clusters(data, cluster, table)
    given = list(
        dict.fromkeys(n for b in range(len(table.roles)) for n in given_covariates(table, b))
    )
    persons = Persons(
        data.index, codes, tuple(code for code, _ in clusters), tuple(label for _, label in clusters),
        {}, responses,
    )  # fmt: skip
    # what predicts, which a first translation knows
    probe = Translation(table, responses, lambda g, members: [(True,) * len(members)])
    covariates = {name: numeric(data, name) for name in dict.fromkeys((*given, *probe.covariates))}
    persons = replace(persons, covariates=covariates)
    kept = _kept(persons, probe, given, missing == "listwise")
    by_level, sampling, frequency = _weights(
        data, weights, freq_weights, weight_scaling, persons, kept, weights_of
    )
    persons = persons.take(kept)
    translation = Translation(table, responses, _patterns(persons))
    check_levels(persons, translation)
    _check_categories(persons, translation)
    mapping = translation.mapping()
    level_weights = LevelWeights(by_level, sampling, frequency)
    assembly = assembled(translation, mapping, persons, level_weights)
    return QuadratureInputs(
        table, translation, mapping, persons, assembly, level_weights,
        float(len(kept) if frequency is None else frequency.sum()),
        ("row", *cluster_names) if len(table.levels) > 1 else ("row",),
        groups if isinstance(groups, str) else "group", cluster_names,
        None if robust is None else pd.factorize(robust[kept])[0], _moments(persons, table), options,
    )  # fmt: skip


def _modelled(table: LavaanTable) -> list[str]:
    """Observed variables whose distribution the model is about."""
    out: dict[str, None] = {}
    for b, roles in enumerate(table.roles):
        given = given_covariates(table, b)
        out |= dict.fromkeys(name for name in roles.observed if name not in given)
    return list(out)


def _clusters(data, cluster, table: LavaanTable):
    """Codes and labels of the clusters of each level, their names, and clusters of standard errors."""
    if cluster is None:
        if len(table.levels) > 1:
            raise SpecificationError(
                "the model has levels: say which rows belong together by cluster="
            )
        return [], (), None
    several = isinstance(cluster, (list, tuple)) and all(
        isinstance(one, (str, pd.Series, np.ndarray)) for one in cluster
    )
    listed = list(cluster) if several else [cluster]
    names = tuple(
        one if isinstance(one, str) else "cluster" if len(listed) == 1 else f"cluster {k}"
        for k, one in enumerate(listed, 1)
    )
    series: list[Any] = [column_values(data, one, "cluster") for one in listed]
    if len(table.levels) == 1:
        if len(listed) > 1:
            raise SpecificationError(
                "cluster= names several columns, but the model has no level: blocks"
            )
        return [], names, np.asarray(pd.factorize(series[0])[0])
    if len(listed) != len(table.levels) - 1:
        raise SpecificationError(
            f"the model has {len(table.levels)} levels, so that cluster= must name "
            f"{len(table.levels) - 1} columns, the lowest level first, not {len(listed)}"
        )
    out: list[tuple[np.ndarray, pd.Index]] = []
    for k in range(len(series)):
        # clusters of a level are told apart by those of the levels above
        keys = [pd.factorize(one)[0] for one in series[k:]]
        stacked = np.column_stack(keys)
        _, first, codes = np.unique(stacked, axis=0, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        labels = pd.Index(series[k].to_numpy()[np.sort(first)], name=names[k])
        out.append((rank[codes.reshape(-1)], labels))
        if len(first) == len(data) and k == 0:
            raise SpecificationError(
                f"every cluster of {names[k]!r} has one row, so that the levels cannot be told apart"
            )
    return out, names, None


def _kept(persons: Persons, translation: Translation, given, listwise: bool) -> np.ndarray:
    """Rows with the covariates of their group and some response."""
    n = len(persons)
    absent = np.zeros(n, dtype=bool)
    blame = ""
    for name, values in persons.covariates.items():
        if name in given or name in translation.predicting:
            lost = np.isnan(values)
            blame = blame or (name if lost.any() else "")
            absent |= lost
    there = [~np.isnan(r.values) for r in persons.responses.values()]
    nothing = ~np.any(there, axis=0)
    if listwise:
        nothing |= ~np.all(there, axis=0)
    lost = absent | nothing
    if lost.any():
        why = "with missing values" if listwise else "without any response or without a covariate"
        what = f" (such as {blame!r})" if blame and not listwise else ""
        warnings.warn(
            f"{int(lost.sum())} rows {why}{what} are left out", SpecificationWarning, stacklevel=5
        )
    kept = np.flatnonzero(~lost)
    if not len(kept):
        raise SpecificationError("no rows are left: all lack a covariate, or all responses")
    for name, values in zip(persons.responses, there, strict=True):
        if not values[kept].any():
            raise SpecificationError(f"{name!r} is missing in all rows in use")
    return kept


def _weights(data, weights, freq_weights, scaling, persons: Persons, kept, weights_of):
    """Weights by level of the rows in use, whether they are sampling weights, and frequencies."""
    if weights is not None and freq_weights is not None:
        raise SpecificationError("give weights or freq_weights, not both")
    sampling, given = weights is not None, weights if weights is not None else freq_weights
    if given is None:
        return {}, False, None
    what = "weights" if sampling else "freq_weights"
    codes = {
        str(label.name): code[kept]
        for code, label in zip(persons.clusters, persons.labels, strict=True)
    }
    by_level = {}
    for name, own in given.items() if isinstance(given, Mapping) else [("row", given)]:
        if name not in ("row", *codes):
            raise SpecificationError(f"{what} names {name!r}; the levels are {['row', *codes]}")
        values = weights_of(data, *((own, None) if sampling else (None, own)))[0][kept]
        if name != "row":
            level = list(codes).index(name)
            _constant(values, codes[name], f"the weight of {name!r}", persons, level)
        by_level[name] = values
    if not sampling:
        return by_level, False, np.prod(list(by_level.values()), axis=0)
    by_level = scale_level_weights(by_level, codes, scaling)
    top = ["row", *codes][-1]
    if top in by_level:
        own = by_level[top]
        first = np.unique(codes[top], return_index=True)[1] if codes else slice(None)
        by_level[top] = own * (len(own[first]) / own[first].sum())
    return by_level, True, None


def _constant(values, code, what: str, persons: Persons, level: int) -> None:
    """Refuse values that vary within clusters."""
    known = ~np.isnan(values)
    first = np.full(int(code.max()) + 1, np.nan)
    first[code[known][::-1]] = values[known][::-1]
    varies = known & (values != first[code])
    if varies.any():
        label = persons.labels[level].tolist()[int(code[int(np.argmax(varies))])]
        raise SpecificationError(
            f"{what} varies within cluster {label!r} of {persons.labels[level].name!r}; a variable of that "
            "level is constant in its clusters. Put its cluster mean into the data as another variable"
        )


def check_levels(persons: Persons, translation: Translation) -> None:
    """Refuse variables of a level that vary within its clusters.

    Parameters
    ----------
    persons : Persons
    translation : Translation
    """
    for name, level in translation.covariate_levels.items():
        if level:
            code = persons.clusters[level - 1]
            _constant(persons.covariates[name], code, f"{name!r}", persons, level - 1)
    for nodes in translation.nodes:
        for name, level in nodes.home.items():
            if level:
                code = persons.clusters[level - 1]
                values = persons.responses[name].values
                _constant(values, code, f"{name!r}", persons, level - 1)


def _check_categories(persons: Persons, translation: Translation) -> None:
    """Refuse thresholds of a group in which nobody chose a category, unless they are those of others."""
    table = translation.table
    shared = [
        int(k) for row in table.rows if row.op == "|" and row.free
        for k in [table.distinct[row.free - 1]]
    ]  # fmt: skip
    counts = np.bincount(shared, minlength=1) if shared else np.zeros(1, dtype=int)
    for row in table.rows:
        if row.op != "|" or not row.free or counts[table.distinct[row.free - 1]] > 1:
            continue
        response = persons.responses[row.lhs]
        own = response.values[persons.group == row.group - 1]
        k = int(row.rhs[1:])
        for code in (k - 1, k):
            if not (own == code).any():
                where = (
                    f" in group {table.groups[row.group - 1]!r}" if len(table.groups) > 1 else ""
                )
                raise SpecificationError(
                    f"nobody{where} chose category {response.labels[code]!r} of {row.lhs!r}, so that its "
                    "threshold is infinite; merge categories, or hold thresholds equal in all groups "
                    "(group_equal)"
                )


def _patterns(persons: Persons):
    """Which of some responses are observed together, in a group."""

    def patterns(g: int, members: Sequence[str]) -> list[tuple[bool, ...]]:
        here = persons.group == g
        there = np.column_stack([~np.isnan(persons.responses[n].values[here]) for n in members])
        return [tuple(map(bool, row)) for row in np.unique(there, axis=0)]

    return patterns


def _moments(persons: Persons, table: LavaanTable) -> list[dict]:
    """Means and covariances of given covariates by block."""
    out = []
    n_levels = len(table.levels)
    for b in range(len(table.roles)):
        names = given_covariates(table, b)
        level, here = b % n_levels, persons.group == b // n_levels
        units = persons.units(level)[here]
        first = np.unique(units, return_index=True)[1]
        known: dict[tuple[str, ...], float] = {}
        if names:
            values = np.column_stack([persons.covariates[n][here][first] for n in names])
            covariance = np.cov(values.T, bias=True).reshape(len(names), -1)
            for i, name in enumerate(names):
                known[name,] = float(values[:, i].mean())
                for j, other in enumerate(names):
                    known[name, other] = float(covariance[i, j])
        out.append(known)
    return out
