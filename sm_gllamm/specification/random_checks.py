"""Checks of whether the data can identify the variances of the random part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.collinearity import collinear_columns
from sm_gllamm.specification.elements import Level, RandomTerm

__all__ = ["check_levels"]

#: Responses with nothing beside their own variation by which an effect of each row could be told from
#: it (Skrondal & Rabe-Hesketh 2007, Redundant overdispersion parameters in multilevel models for
#: categorical responses), and what that variation is.
_ONE_DRAW = {
    "gaussian": "the residual",
    "interval": "the residual",
    "bernoulli": "the variation of a single 0/1 response (overdispersion is a matter of several trials)",
    "ordinal": "the variation of a single category (the scale of its latent response is not identified)",
    "nominal": "the variation of a single category",
}


def check_levels(levels: Sequence[Level], kind: str, row_counts: np.ndarray | None = None) -> None:
    """Refuse random effects whose variances the data cannot identify.

    Parameters
    ----------
    levels : sequence of Level
    kind : {"gaussian", "bernoulli", "binomial", "poisson"}
        "bernoulli" is one trial a row. Counts, and several trials a row, may have an effect of
        each row (overdispersion); the others may not.
    row_counts : ndarray, shape (nobs,), optional
        Frequency weights of rows: a row that stands for several counts as several.

    Raises
    ------
    SpecificationError
        One cluster only; clusters of one row each; as many random effects as rows; a slope that
        is constant or a linear combination of others.

    Warns
    -----
    ModelWarning
        A random slope that does not vary within any cluster: legitimate, it makes the variance of
        the intercept depend on the covariate, but rarely what was meant.
    """
    for level in levels:
        if level.terms:
            # classes need no variance between clusters
            _check_clusters(level, kind, row_counts)
        for term in level.terms:
            _check_term(level, term)


def _check_clusters(level: Level, kind: str, row_counts: np.ndarray | None) -> None:
    if level.n_clusters == 1:
        raise SpecificationError(
            f"Grouping factor '{level.name}' has a single cluster; a variance between clusters "
            "needs several. Leave out its random effects."
        )
    if kind not in _ONE_DRAW:
        return
    sizes = np.bincount(level.codes, weights=row_counts, minlength=level.n_clusters)
    n_rows, n_effects = int(sizes.sum()), level.n_clusters * len(level.names)
    if (sizes <= 1).all():
        what = _ONE_DRAW[kind]
        crossed = ""
        if ":" in level.name:
            crossed = (
                " If its factors are crossed, not nested: crossed random effects cannot be fitted "
                "so far."
            )
        raise SpecificationError(
            f"Every row is a cluster of its own in grouping factor '{level.name}', so that its "
            f"random effects cannot be told from {what}. Group by a factor with several rows per "
            f"cluster.{crossed}"
        )
    if kind == "gaussian" and n_effects >= n_rows:
        raise SpecificationError(
            f"Level '{level.name}' has {n_effects} random effects ({len(level.names)} in each of "
            f"{level.n_clusters} clusters) for {n_rows} rows, so that their variances cannot be "
            "told from the residual variance. Leave out random slopes."
        )


def _check_term(level: Level, term: RandomTerm) -> None:
    intercept = _constant_name(level)
    for name, column in zip(term.names, term.columns.T, strict=True):
        if name == intercept:
            continue
        slope = f"The random slope of '{name}' at level '{level.name}'"
        if (column == column[0]).all():
            if intercept is not None or column[0] == 0:
                raise SpecificationError(
                    f"{slope} belongs to a covariate that is {column[0]:g} in every row; leave it "
                    "out."
                )
        elif _constant_within(column, level):
            warnings.warn(
                f"{slope} belongs to a covariate that does not vary within any cluster. It then "
                "says that clusters with another value of it vary more or less, not that its "
                "effect differs between clusters.",
                ModelWarning,
                stacklevel=4,
            )
    if term.structure == "unstructured" and len(term.names) > 1:
        dependences = collinear_columns(term.columns, term.names)
        if dependences:
            raise SpecificationError(
                f"Random effects of level '{level.name}' are collinear: {dependences[0]}. Leave it "
                "out."
            )


def _constant_name(level: Level) -> str | None:
    """The column of the level that is its random intercept."""
    for term in level.terms:
        for name, column in zip(term.names, term.columns.T, strict=True):
            if column[0] != 0 and (column == column[0]).all():
                return name
    return None


def _constant_within(column: np.ndarray, level: Level) -> bool:
    by_cluster = np.empty(level.n_clusters)
    by_cluster[level.codes] = column
    return bool((by_cluster[level.codes] == column).all())
