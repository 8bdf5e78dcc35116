"""Persons of a structural equation model as rows of the engine's problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.item_rows import collapse
from sm_gllamm.mapping.sem_rows import SemAssembly, VariableRows, sem_problem
from sm_gllamm.mapping.sem_structure import SemMapping
from sm_gllamm.models.sem_responses import SemResponse
from sm_gllamm.models.sem_translation import Translation
from sm_gllamm.prediction.joining import silent_rows
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["Persons", "assembled", "latent_rows", "outcome_rows", "response_codes"]

#: Share of different persons above which it does not pay to count equal ones together.
MOST_PATTERNS = 0.8


@dataclass(frozen=True)
class Persons:
    """Values of persons, the rows of the data in use.

    Attributes
    ----------
    index : pandas.Index
    group : ndarray of int, shape (n,)
    clusters : tuple of ndarray of int, shape (n,)
        Of the levels of the text above the first.
    labels : tuple of pandas.Index
        Of these clusters.
    covariates : dict of str to ndarray, shape (n,)
    responses : dict of str to SemResponse
    """

    index: pd.Index
    group: np.ndarray
    clusters: tuple[np.ndarray, ...]
    labels: tuple[pd.Index, ...]
    covariates: Mapping[str, np.ndarray]
    responses: Mapping[str, SemResponse]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, at: np.ndarray) -> Persons:
        """Some persons; clusters keep their codes."""
        return replace(
            self,
            index=self.index[at],
            group=self.group[at],
            clusters=tuple(code[at] for code in self.clusters),
            covariates={name: values[at] for name, values in self.covariates.items()},
            responses={name: replace(r, values=r.values[at]) for name, r in self.responses.items()},
        )

    def units(self, level: int) -> np.ndarray:
        """Cluster of each person at a level, at the lowest the person."""
        return np.arange(len(self)) if level == 0 else self.clusters[level - 1]


def variable_rows(translation: Translation, persons: Persons) -> list[VariableRows]:
    """Rows of the likelihood of every response.

    Parameters
    ----------
    translation : Translation
    persons : Persons
    """
    out = []
    for name, response in persons.responses.items():
        for level in {nodes.home[name] for nodes in translation.nodes if name in nodes.home}:
            seen = ~np.isnan(response.values)
            seen &= np.isin(
                persons.group,
                [g for g, nodes in enumerate(translation.nodes) if nodes.home.get(name) == level],
            )
            at = np.flatnonzero(seen)
            if level:
                at = at[np.sort(np.unique(persons.units(level)[at], return_index=True)[1])]
            rows = response.rows(at, persons.index)
            source = rows.sources
            out.append(
                VariableRows(
                    level, at[source], response_codes(translation, persons, name, at)[source], rows
                )
            )
    return out


def response_codes(
    translation: Translation, persons: Persons, name: str, at: np.ndarray, alone: bool = False
) -> np.ndarray:
    """Predictor of a response of each of some persons.

    Parameters
    ----------
    translation : Translation
    persons : Persons
    name : str
    at : ndarray of intp
    alone : bool
        Whether responses with residuals that covary with its own are not used.
    """
    code = np.full(len(at), -1, dtype=np.intp)
    for (g, own, given), number in translation.codes.items():
        if own != name:
            continue
        here = persons.group[at] == g
        for other in translation.before(g, name):
            here &= ~(np.isnan(persons.responses[other].values[at]) | alone) == (other in given)
        code[here] = number
    if (code < 0).any():
        raise SpecificationError(
            f"residuals that covary with that of {name!r} are missing in a combination that the rows of the "
            "fit do not have"
        )
    return code


def assembled(
    translation: Translation, mapping: SemMapping, persons: Persons, weights: LevelWeights,
    silent: Sequence[VariableRows] = (), blind: bool = False, collapsed: bool = True,
) -> SemAssembly:  # fmt: skip
    """The engine's problem of some persons.

    Parameters
    ----------
    translation : Translation
    mapping : SemMapping
    persons : Persons
    weights : LevelWeights
    silent : sequence of VariableRows
        Further rows, which have a weight of zero.
    blind : bool
        Whether responses have a weight of zero, too.
    collapsed : bool
        Whether equal persons are counted together where they are the top-level clusters.
    """
    rows = variable_rows(translation, persons)
    covariates = np.column_stack(
        [_filled(persons, name) for name in translation.covariates] or [np.empty((len(persons), 0))]
    )
    names = ("row", *(label.name for label in persons.labels))
    by_level: list[np.ndarray | None] = [weights.by_level.get(str(name)) for name in names]
    exact = all(r.response.exact for r in persons.responses.values())
    patterns = None
    if collapsed and mapping.levels[-1] == 0 and len(names) == 1:
        patterns = _equal_persons(translation, persons, covariates, by_level[0])
    if patterns is not None:
        chosen = np.zeros(len(persons), dtype=bool)
        chosen[patterns.first] = True
        rows = [one.of_persons(chosen) for one in rows]
        weight = np.zeros(len(persons))
        weight[patterns.first] = patterns.weight
        by_level[0] = weight
    quiet = range(0 if blind else len(rows), len(rows) + len(silent))
    rows = [*rows, *silent]
    out = sem_problem(
        mapping, rows, covariates, persons.clusters, by_level, exact and not silent, list(quiet)
    )
    if patterns is None:
        return out
    place = np.full(len(persons), -1)
    place[out.first_person] = np.arange(len(out.first_person))
    return replace(out, pattern=place[patterns.first][patterns.of_person])


def _filled(persons: Persons, name: str) -> np.ndarray:
    """A covariate; zero where rows that do not use it lack it."""
    if name in persons.covariates:
        values = persons.covariates[name]
    else:
        values = persons.responses[name].values
    return np.where(np.isnan(values), 0.0, values)


def _equal_persons(translation: Translation, persons: Persons, covariates, weight):
    """Patterns of responses, None where few persons are equal."""
    if not all(r.discrete for r in persons.responses.values()):
        return None
    codes = np.column_stack(
        [np.where(np.isnan(r.values), -1, r.values) for r in persons.responses.values()]
    )
    if not np.array_equal(codes, np.round(codes)):
        return None
    others = [persons.group] if len(translation.table.groups) > 1 else []
    if covariates.shape[1]:
        others.append(covariates)
    patterns = collapse(codes.astype(np.int64), others, weight)
    return patterns if len(patterns.first) < MOST_PATTERNS * len(persons) else None


def latent_rows(translation: Translation, persons: Persons) -> list[VariableRows]:
    """A row for each latent variable in each of its clusters, to enter with a weight of zero.

    Parameters
    ----------
    translation : Translation
    persons : Persons
    """
    out = []
    for g, node in translation.latent_nodes:
        at = np.flatnonzero(persons.group == g)
        if node[0]:
            at = at[np.sort(np.unique(persons.units(node[0])[at], return_index=True)[1])]
        code = np.full(len(at), translation.latent_code(g, node))
        out.append(VariableRows(node[0], at, code, silent_rows(len(at), False)))
    return out


def outcome_rows(
    translation: Translation, persons: Persons, names: Sequence[str]
) -> list[VariableRows]:
    """A row for each of some responses of all persons, to enter with a weight of zero.

    Parameters
    ----------
    translation : Translation
    persons : Persons
    names : sequence of str
    """
    out = []
    for name in names:
        at = np.flatnonzero(np.isin(persons.group, translation.groups_with(name)))
        code = response_codes(translation, persons, name, at, True)
        out.append(VariableRows(0, at, code, silent_rows(len(at), False)))
    return out
