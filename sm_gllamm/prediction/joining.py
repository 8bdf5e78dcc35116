"""New rows of known clusters joined to the rows of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.assemble import Assembly, assemble, lay_out_mixed
from sm_gllamm.mapping.likelihood_rows import Copy, Rows, concatenated
from sm_gllamm.mapping.rows import ResponseData, rows_of
from sm_gllamm.prediction.latent_design import LatentDesign, latents_behind
from sm_gllamm.prediction.members import Member
from sm_gllamm.prediction.rows import PredictionRows
from sm_gllamm.responses.densities import CODES
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.grouping import show_label

__all__ = [
    "check_nesting",
    "copied_clusters",
    "density_rows",
    "joined",
    "new_responses",
    "new_rows",
    "rows_of_fit",
    "silent_rows",
    "stacked",
]

#: Rows of the likelihood beyond which clusters are not copied.
MOST_ROWS = 10_000_000


def check_nesting(fitted: tuple[Level, ...], rows: PredictionRows) -> None:
    """Refuse new rows that put a known cluster into another one than it was in.

    Raises
    ------
    SpecificationError
    """
    for lower, upper, old_lower, old_upper in zip(
        rows.levels, rows.levels[1:], fitted, fitted[1:], strict=False
    ):
        parent = np.full(len(lower.labels) + 1, -1, dtype=np.intp)
        parent[old_lower.codes] = old_upper.codes
        wrong = (lower.codes >= 0) & (parent[lower.codes] != upper.codes)
        if wrong.any():
            row = int(np.argmax(wrong))
            cluster = show_label(lower.labels[lower.codes[row]])
            was = show_label(upper.labels[parent[lower.codes[row]]])
            raise SpecificationError(
                f"row {row} of the new data: {lower.name} = {cluster} belongs to {upper.name} = "
                f"{was} in the data of the model, but not here"
            )


# ------------------------------------------------------------ rows of the likelihood
def rows_of_fit(model) -> Rows:
    """Rows of the likelihood of a model, in the order of its data."""
    return rows_of(model.family, model.response, model.responses)


def new_responses(model, rows: PredictionRows, y: np.ndarray) -> ResponseData:
    """New rows as the layouts of responses want them."""
    data = model.responses
    designs = {
        key: (rows.designs.get(key, np.repeat(matrix[:1], rows.n, axis=0)), names)
        for key, (matrix, names) in data.designs.items()
    }
    sets = None if rows.sets is None else np.unique(rows.sets, return_inverse=True)[1]
    return replace(
        data, y=y, m=np.ones(rows.n), exog=rows.exog, offset=rows.offset, designs=designs, sets=sets,
        entry=None, parts=rows.parts, links=rows.links, members=(),
    )  # fmt: skip


def density_rows(n: int, density: str, y: float, m: float, constant=0.0) -> Rows:
    """Rows of the likelihood for new rows, of a density without slots that has their predictors.

    Parameters
    ----------
    n : int
        Number of new rows.
    density : str
    y, m : float
    constant : float
        What the kernel's log density leaves out.
    """
    return Rows(
        np.arange(n), np.full(n, CODES[density], dtype=np.intc), np.full(n, y), np.full(n, m),
        np.full(n, constant), n_slots=1, slot_channel=np.full((n, 1), -1, dtype=np.intc),
        copies=(Copy("", np.ones(n)),),
    )  # fmt: skip


def silent_rows(n: int, exact: bool) -> Rows:
    """Rows that have a predictor, but are to enter with weight zero."""
    return density_rows(n, "gaussian_identity" if exact else "binomial_logit", 0.0, 1.0)


def new_rows(member: Member, response, data: ResponseData, family=None) -> Rows:
    """Rows of the likelihood for new responses of one of the model's families.

    Parameters
    ----------
    member : Member
    response : Response
    data : ResponseData
        From :func:`new_responses`.
    family : optional
        Another one than the member's that has the same predictors.
    """
    family = member.family if family is None else family
    if member.label is None:
        return rows_of(family, response, data)
    designs = {
        keyword: table for (keyword, label), table in data.designs.items() if label == member.label
    }
    share = replace(data, designs=designs, labels=member.categories)
    return rows_of(family, response, share).of_member(member.label, member.first)


def stacked(rows: Rows, others: Rows) -> Rows:
    """Rows of the likelihood with others, of the same new rows, behind them."""
    return _joined_rows(rows, others, 0)


def _joined_rows(fit: Rows, new: Rows, n_data: int) -> Rows:
    """Rows of the fit, and new ones, whose data rows come behind `n_data`."""
    both = concatenated([fit, replace(new, source=n_data + new.sources)])
    return replace(both, slots=fit.slots, n_constants=fit.n_constants, used=fit.used)


# ------------------------------------------------------------ rows of data
def _behind(data: ResponseData, at, new: ResponseData) -> ResponseData:
    """Rows `at` of the data, with new ones behind them, as far as assembling looks at them."""
    offset = None
    if data.offset is not None or new.offset is not None:
        before = np.zeros(len(data.y)) if data.offset is None else data.offset
        after = np.zeros(len(new.y)) if new.offset is None else new.offset
        offset = np.concatenate([before[at], after])
    return replace(
        data, y=np.concatenate([data.y[at], new.y]), m=np.concatenate([data.m[at], new.m]),
        exog=np.concatenate([data.exog[at], new.exog]), offset=offset,
        designs={
            key: (np.concatenate([matrix[at], new.designs[key][0]]), names)
            for key, (matrix, names) in data.designs.items()
        },
    )  # fmt: skip


def _levels(model, rows: PredictionRows, at, codes: list[np.ndarray]) -> tuple[Level, ...]:
    """Levels of rows `at` of the data with new ones behind them, and given codes."""
    return tuple(
        Level(
            level.name,
            code,
            level.labels,
            tuple(
                replace(term, columns=np.concatenate([term.columns[at], other.columns]))
                for term, other in zip(level.terms, new.terms, strict=True)
            ),
        )
        for level, new, code in zip(model.random, rows.levels, codes, strict=True)
    )


def _lay_out(model, rows: PredictionRows, at):
    """How rows `at` of the data with new ones behind them are laid out for the engine."""
    if rows.latents is None:
        return lay_out_mixed
    return LatentDesign.of(model, latents_behind(model.latents, at, rows.latents.columns)).lay_out()


def _new_codes(rows: PredictionRows) -> list[np.ndarray]:
    """Codes with one extra cluster in each known cluster above for the rows in unknown ones."""
    codes = [rows.levels[-1].codes]
    for level in rows.levels[-2::-1]:
        codes.insert(0, np.where(level.codes >= 0, level.codes, level.n_clusters + codes[0]))
    return codes


def joined(model, fit: Rows, rows: PredictionRows, data: ResponseData, new: Rows) -> Assembly:
    """The rows of the clusters that new rows are in, and these with weight zero.

    Parameters
    ----------
    model : GLMM
    fit : Rows
        Of the model.
    rows : PredictionRows
        In known top-level clusters.
    data : ResponseData
        Of the new rows.
    new : Rows
        Of the new rows.

    Returns
    -------
    Assembly
        Its last rows of the likelihood, before sorting, are the new ones.
    """
    n_data, everything = len(model.responses.y), slice(None)
    used = np.isin(model.random[-1].codes, rows.levels[-1].codes)
    part = fit.at(np.flatnonzero(used[fit.sources]))
    new_codes = _new_codes(rows)
    codes = [
        np.concatenate([level.codes, code])
        for level, code in zip(model.random, new_codes, strict=True)
    ]
    given = model.weights.by_level
    weights = {"row": np.concatenate([given.get("row", np.ones(n_data)), np.zeros(rows.n)])}
    for level, code in zip(model.random, new_codes, strict=True):
        if level.name in given:
            of_cluster = np.ones(code.max() + 1 + level.n_clusters)
            of_cluster[level.codes] = given[level.name]
            weights[level.name] = np.concatenate([given[level.name], of_cluster[code]])
    return assemble(
        _behind(model.responses, everything, data), _joined_rows(part, new, n_data),
        _levels(model, rows, everything, codes), model.assembly.problem.exact, weights,
        _lay_out(model, rows, everything),
    )  # fmt: skip


def copied_clusters(
    model, fit: Rows, rows: PredictionRows, data: ResponseData, variants: list[Rows]
) -> list[Assembly]:
    """For every new row a copy of its top-level cluster, in which it is a row like the others.

    The log-likelihood of a copy, beyond that of the cluster, is the logarithm of the posterior mean
    of the new row's density.

    Parameters
    ----------
    model, fit, rows, data
        As in :func:`joined`.
    variants : list of Rows
        Of the new rows, an assembly for each.

    Returns
    -------
    list of Assembly
        Top-level clusters are in the order of the new rows.

    Raises
    ------
    SpecificationError
        Weights below the top level, or very many rows.
    """
    given = model.weights.by_level
    for level in model.random[:-1]:
        if not np.all(given.get(level.name, 1.0) == 1.0):
            raise SpecificationError(
                f"posterior predictions of this family are not available with weights of {level.name}"
            )
    top = rows.levels[-1].codes
    n_top = model.random[-1].n_clusters
    data_rows = _grouped(model.random[-1].codes, n_top)
    likelihood_rows = _grouped(model.random[-1].codes[fit.sources], n_top)
    total = sum(len(likelihood_rows[code]) for code in top)
    if total > MOST_ROWS:
        raise SpecificationError(
            f"posterior predictions of this family copy the cluster of each row, {total:,} rows; ask "
            "for fewer rows at a time"
        )
    at = np.concatenate([data_rows[code] for code in top])
    sizes = np.array([len(data_rows[code]) for code in top])
    copy = np.concatenate([np.repeat(np.arange(rows.n), sizes), np.arange(rows.n)])
    position = np.empty(len(model.responses.y), dtype=np.intp)
    for group in data_rows:
        position[group] = np.arange(len(group))
    part = fit.at(np.concatenate([likelihood_rows[code] for code in top]))
    own = np.repeat(np.arange(rows.n), [len(likelihood_rows[code]) for code in top])
    part = replace(part, source=(np.cumsum(sizes) - sizes)[own] + position[part.source])
    codes = []
    for level, new_code in zip(model.random, _new_codes(rows), strict=True):
        code = np.concatenate([level.codes[at], new_code])
        codes.append(np.unique(copy * (code.max() + 1) + code, return_inverse=True)[1])
    weights = {}
    if "row" in given:
        weights["row"] = np.concatenate([given["row"][at], np.ones(rows.n)])
    joint, levels = _behind(model.responses, at, data), _levels(model, rows, at, codes)
    lay_out = _lay_out(model, rows, at)
    return [
        assemble(joint, _joined_rows(part, new, len(at)), levels, False, weights, lay_out)
        for new in variants
    ]


def _grouped(codes: np.ndarray, n: int) -> list[np.ndarray]:
    """Positions of each code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=n))[:-1])
