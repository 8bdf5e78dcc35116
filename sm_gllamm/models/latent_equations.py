"""Latent variables as said by the user, with the values of their columns in the rows of the data."""

from __future__ import annotations

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.measurement import LatentColumns
from sm_gllamm.mapping.structural import Coefficient, Path
from sm_gllamm.models.designs import design_of
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean
from sm_gllamm.specification.grouping import show_label
from sm_gllamm.specification.latent import Equation, Latent, short_name

__all__ = ["check_ambiguity", "covariance_structures", "latent_columns"]


def covariance_structures(
    covariance, latent: list[Latent], equations: list[Equation], levels: list[str]
) -> dict:
    """Structure of the disturbances' covariance matrix, or the pairs that covary, by level.

    Parameters
    ----------
    covariance : None, str, list of pairs, or dict of level name to these
    latent : list of Latent
    equations : list of Equation
    levels : list of str
    """
    level_of = {one.name: one.level for one in latent}
    if isinstance(covariance, dict):
        if unknown := [name for name in covariance if name not in levels]:
            raise SpecificationError(
                f"covariance names level {unknown[0]!r}{did_you_mean(str(unknown[0]), levels)}"
            )
        given = covariance
    elif covariance is None or isinstance(covariance, str):
        given = dict.fromkeys(levels, covariance)
    else:
        given = {level: [] for level in levels}
        for pair in _pairs(covariance, level_of):
            given[level_of[pair[0]]].append(pair)
    out = {}
    for level in levels:
        structure = given.get(level)
        if structure is None:
            structure = _default_pairs([one for one in latent if one.level == level], equations)
        elif not isinstance(structure, str):
            structure = _pairs(structure, level_of)
            for a, b in structure:
                if level_of[a] != level:
                    raise SpecificationError(
                        f"covariance of level {level!r} names {a!r} and {b!r}, which vary at level "
                        f"{level_of[a]!r}"
                    )
        out[level] = structure
    return out


def _pairs(pairs, level_of: dict[str, str]) -> list[tuple[str, str]]:
    """Pairs of latent variables that covary, checked."""
    proper = isinstance(pairs, (list, tuple, set)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs
    )
    if not proper:
        raise SpecificationError(
            f"covariance={pairs!r} is not known; use 'unstructured', 'diagonal', 'equal', or a list of pairs "
            "of latent variables"
        )
    for a, b in pairs:
        for name in (a, b):
            if name not in level_of:
                raise SpecificationError(
                    f"covariance names {name!r}{did_you_mean(str(name), list(level_of))}"
                )
        if a == b:
            raise SpecificationError(
                f"covariance has the pair ({a!r}, {b!r}): its variance is free without being named"
            )
        if level_of[a] != level_of[b]:
            raise SpecificationError(
                f"{a!r} varies at level {level_of[a]!r} and {b!r} at level {level_of[b]!r}; disturbances of "
                "different levels are independent"
            )
    return list(dict.fromkeys(tuple(pair) for pair in pairs))


def _default_pairs(latent: list[Latent], equations) -> list[tuple[str, str]]:
    """Disturbances of a level that covary: those of latent variables that are regressed on no others,
    and those of latent variables that are and that no other is regressed on.

    What is regressed on a factor of second order covaries by that factor alone.
    """
    unmeasured = {one.name for one in latent if not one.measured}
    parents = {equation.response: set(equation.parents) for equation in equations}
    regressors = set().union(*parents.values())
    free = [one.name for one in latent if one.variance is None]
    exogenous = [name for name in free if not parents.get(name)]
    last = [
        name
        for name in free
        if parents.get(name) and name not in regressors and not parents[name] & unmeasured
    ]
    return [
        (a, b) for group in (exogenous, last) for i, a in enumerate(group) for b in group[i + 1 :]
    ]


def latent_columns(
    latents: list[Latent], equations: list[Equation], design, identification: str, environment: dict
) -> list[LatentColumns]:
    """Values and coefficients of the latent variables' loadings and paths, checked.

    Parameters
    ----------
    latents : list of Latent
    equations : list of Equation
    design : Design
        Of the rows, with the levels.
    identification : {"loading", "variance"}
    environment : dict
        Functions and variables that formulas use.
    """
    by_name = {equation.response: equation for equation in equations}
    engine = FormulaEngine("patsy", {"np": np, **environment})
    columns = [
        _columns(one, by_name.get(one.name), design, identification, engine) for one in latents
    ]
    _check_loadings(columns)
    _check_paths(columns, [level.name for level in design.levels])
    return columns


def _columns(latent: Latent, equation, design, identification: str, engine) -> LatentColumns:
    frame = design.frame
    text = "~ " + latent.loadings.strip().removeprefix("~")
    if latent.measured:
        matrix, names = design_of(f"loadings of {latent.name}", text, frame, None, engine)
    else:
        matrix, names = np.empty((len(frame), 0)), []
    _refuse_missing(matrix, names, frame, latent.name)
    used = np.any(matrix != 0.0, axis=0)
    if not used.all():
        raise SpecificationError(
            f"latent variable {latent.name!r}: column {names[int(np.argmin(used))]!r} of its loadings is "
            "zero in all rows"
        )
    if identification == "variance" and latent.variance not in (None, 0.0, 1.0):
        raise SpecificationError(
            f"latent variable {latent.name!r}: variance={latent.variance:g} does not go with "
            "identification='variance', where it is one"
        )
    if latent.variance == 0.0 and equation is None:
        raise SpecificationError(
            f"latent variable {latent.name!r} has neither a disturbance (variance=0) nor a regression; "
            "leave it out"
        )
    coefficients = _coefficients(latent, names, identification)
    paths, covariates, formulas = (), None, ()
    if equation is not None:
        level = next(level for level in design.levels if level.name == latent.level)
        paths, covariates, formulas = _paths(equation, frame, level, engine)
    return LatentColumns(
        latent.name, latent.level, matrix, names, coefficients, paths, covariates, latent.variance,
        (text if latent.measured else "", *formulas), engine,
    )  # fmt: skip


def _paths(equation, frame, level, engine):
    """Terms of a regression, the covariates that they name, and the formulas of these."""
    response, regression = equation.response, equation.regression
    matrices, formulas, found, count = [], [], [], 0

    def columns(text: str) -> list[str]:
        matrix, names = design_of(f"regression of {response}", text, frame, None, engine)
        _refuse_missing(matrix, names, frame, response)
        _refuse_variation(matrix, names, level, response)
        matrices.append(matrix)
        formulas.append(text)
        return names

    main = [term.label for term in equation.terms if term.covariate is None]

    def add(factors: tuple[str, ...], text: str, contrasts: bool) -> None:
        """Paths for the columns of a formula; for contrasts it has a constant that is no path."""
        nonlocal count
        for name in columns(f"~ {text}"):
            if not (contrasts and name == "Intercept"):
                found.append((":".join([*factors, name]), factors, count))
            count += 1

    for term in equation.terms:
        if term.covariate is None:
            found.append((term.label, term.factors, None))
        else:
            contrasts = ":".join(term.factors) in main
            add(term.factors, f"{int(contrasts)} + {term.covariate}", contrasts)
    if equation.covariates is not None:
        contrasts = not equation.constant
        add((), f"1 + {equation.covariates}" if contrasts else equation.covariates, contrasts)
    labels = [label for label, _, _ in found]
    for key in (*regression.fixed, *regression.equal):
        if key not in labels:
            raise SpecificationError(
                f"regression of {response!r}: there is no term {key!r}{did_you_mean(str(key), labels)}"
            )

    def coefficient(label: str) -> Coefficient:
        if label in regression.fixed:
            return Coefficient(None, float(regression.fixed[label]))
        shared = regression.equal.get(label)
        return Coefficient(f"{response} ~ {label}" if shared is None else f"regression({shared})")

    paths = tuple(Path(label, tuple(f), c, coefficient(label)) for label, f, c in found)
    return paths, np.concatenate(matrices, axis=1) if matrices else None, tuple(formulas)


def _check_loadings(columns: list[LatentColumns]) -> None:
    """Refuse latent variables that nothing depends on."""
    regressors = {name for latent in columns for name in latent.parents}
    for latent in columns:
        if not latent.loading_names and latent.name not in regressors:
            raise SpecificationError(
                f"latent variable {latent.name!r} has no loadings (loadings='0') and no other latent "
                "variable is regressed on it; leave it out"
            )


def _coefficients(latent: Latent, names: list[str], identification: str) -> list[Coefficient]:
    """Free and fixed loadings, columns being known by name or by what is in its brackets."""
    brackets = [short_name(name) for name in names]
    short = {s: name for s, name in zip(brackets, names, strict=True) if brackets.count(s) == 1}

    def full(key: str) -> str:
        found = key if key in names else short.get(str(key))
        if found is None:
            raise SpecificationError(
                f"latent variable {latent.name!r} has no loading {key!r}"
                f"{did_you_mean(str(key), names)}"
            )
        return found

    fixed = {full(key): float(value) for key, value in latent.fixed.items()}
    equal = {full(key): label for key, label in latent.equal.items()}
    if clash := sorted(set(fixed) & set(equal)):
        raise SpecificationError(
            f"latent variable {latent.name!r}: loading {clash[0]!r} is both fixed and equal to others"
        )
    if fixed and len(fixed) == len(names) and not any(fixed.values()):
        raise SpecificationError(
            f"latent variable {latent.name!r}: all loadings are fixed at zero; leave it out"
        )
    # without a disturbance, or with one of free variance, a loading has to set the scale
    by_loading = latent.variance == 0.0 or (identification == "loading" and latent.variance is None)
    if names and not any(fixed.values()) and by_loading:
        first = next(name for name in names if name not in fixed)
        if first in equal:
            raise SpecificationError(
                f"latent variable {latent.name!r}: loading {first!r} is one for identification and cannot "
                "be equal to others; leave it out of equal, fix another one, or use "
                "identification='variance'"
            )
        fixed[first] = 1.0
    return [
        Coefficient(None, fixed[name])
        if name in fixed
        else Coefficient(f"loading({equal.get(name, f'{latent.name}: {name}')})")
        for name in names
    ]


def check_ambiguity(equations: list[Equation], data) -> None:
    """Refuse equations in which a name may be a latent variable or a column."""
    columns = getattr(data, "columns", ())
    for equation in equations:
        for parent in equation.parents:
            if parent in columns:
                raise SpecificationError(
                    f"{equation.response!r} is regressed on {parent!r}, which is a latent variable and a "
                    "column of the data; give the latent variable another name"
                )


def _check_paths(columns: list[LatentColumns], levels: list[str]) -> None:
    """Refuse paths from a latent variable to one of a higher level."""
    level_of = {latent.name: levels.index(latent.level) for latent in columns}
    for latent in columns:
        for parent in latent.parents:
            if level_of[parent] < level_of[latent.name]:
                raise SpecificationError(
                    f"{latent.name!r} varies at level {latent.level!r} and cannot be regressed on "
                    f"{parent!r}, which varies within its clusters"
                )


def _refuse_missing(matrix, names, frame, latent: str) -> None:
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = (int(index[0]) for index in np.nonzero(bad))
        raise SpecificationError(
            f"latent variable {latent!r}: {names[column]!r} is missing in row {frame.index[row]!r}; "
            "drop it"
        )


def _refuse_variation(covariates, names, level, latent: str) -> None:
    first = np.zeros((level.n_clusters, covariates.shape[1]))
    first[level.codes[::-1]] = covariates[::-1]
    bad = first[level.codes] != covariates
    if bad.any():
        row, column = (int(index[0]) for index in np.nonzero(bad))
        cluster = show_label(level.labels[level.codes[row]])
        raise SpecificationError(
            f"{latent!r} is regressed on {names[column]!r}, which varies within cluster {cluster} of "
            f"its level {level.name!r}"
        )
