"""Whether one model is nested in another, and the likelihood-ratio test of the two."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
from statsmodels.tools.sm_exceptions import InvalidTestWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.likelihood_ratio import LikelihoodRatioTest, likelihood_ratio_test
from sm_gllamm.results.item_nesting import check_item_models_nested

__all__ = ["compare_likelihoods"]

#: Log-likelihoods may be the wrong way round by this much (rounding, quadrature) before it is an error.
SLACK = 1e-3


def compare_likelihoods(full, restricted) -> LikelihoodRatioTest:
    """Likelihood-ratio test of `restricted` within `full`.

    Parameters
    ----------
    full : LatentVariableResults
    restricted : LatentVariableResults, or results of a statsmodels model without random effects

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    SpecificationError
        Other data, other family, models that are not nested, REML fits with different coefficients,
        sampling weights.
    """
    restricted = getattr(restricted, "_results", restricted)
    if full.quasi or getattr(restricted, "quasi", False):
        raise SpecificationError(
            "a quasi-likelihood (scale='X2') has no log-likelihood to compare; use Wald tests"
        )
    ours = hasattr(restricted, "verdict")
    _check_same_data(full, restricted)
    _check_likelihoods(full, restricted, ours)
    if hasattr(full.model, "item_responses"):
        return _tested(full, restricted, *_item_models(full, restricted))
    _check_fixed_part(full, restricted)
    if ours:
        _check_other_predictors(full.model, restricted.model)
    free, kept = _free_entries(full), _free_entries(restricted) if ours else set()
    kept = _in_groups(full.model, restricted.model, kept, free) if ours else kept
    _check_random_part(full, restricted, free, kept, ours)
    n_zero = sum(len(pair) == 1 for _, pair in free - kept)
    k_fixed = np.size(restricted.params)
    if ours:
        df = full.df_modelwc - restricted.df_modelwc
        # one variance shared by all effects of a term counts once
        n_zero = min(n_zero, df)
    else:
        # statsmodels does not count the scale of a GLM
        scale = full.model.response.family in ("Gaussian", "Gamma", "InverseGaussian")
        df = full.df_modelwc - int(scale) - k_fixed
    return _tested(full, restricted, int(df), n_zero)


def _item_models(full, restricted) -> tuple[int, int]:
    """Difference of the numbers of parameters of item response models, and of those at their edge."""
    if not hasattr(restricted.model, "item_responses"):
        raise SpecificationError(
            f"the other model is {type(restricted.model).__name__}, not an item response model"
        )
    _check_constraints(full, restricted, True)
    n_zero = check_item_models_nested(full.model, restricted.model)
    df = full.df_modelwc - restricted.df_modelwc
    return df, min(n_zero, max(df, 0))


def _tested(full, restricted, df: int, n_zero: int) -> LikelihoodRatioTest:
    """The test, of models that are nested."""
    if df < 0:
        raise SpecificationError(
            f"the restricted model has {-df} more parameters than this one; compare the other way round"
        )
    statistic = 2.0 * (full.llf - restricted.llf)
    if statistic < -SLACK:
        raise SpecificationError(
            f"the restricted model has the higher log-likelihood ({restricted.llf:.6f} against "
            f"{full.llf:.6f}): one of the fits has not converged, or they are not nested"
        )
    return likelihood_ratio_test(statistic, df, n_zero)


def _check_same_data(full, restricted):
    ours, theirs = full.model.endog, restricted.model.endog
    if full.model.endog is None or theirs is None:
        same = full.nobs == restricted.nobs
    else:
        ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        if ours.ndim == 2 and theirs.ndim == 1:
            # statsmodels' GLM keeps proportions of counts
            ours = ours[:, 0] / ours.sum(1)
        same = ours.shape == theirs.shape and _alike(ours, theirs)
        same = same or (
            # rows may come in another order
            ours.shape == theirs.shape and _alike(np.sort(ours, axis=0), np.sort(theirs, axis=0))
        )
    if not same:
        raise SpecificationError(
            f"the models are fitted to different data ({full.nobs:g} and {restricted.nobs:g} observations); "
            "rows with missing values may have been dropped from one of them only"
        )


def _alike(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether responses are the same, missing ones of items among them."""
    return bool(np.allclose(ours, theirs, rtol=1e-12, atol=0, equal_nan=True))


def _check_likelihoods(full, restricted, ours: bool):
    if full.sampling_weights or getattr(restricted, "sampling_weights", False):
        raise SpecificationError(
            "with sampling weights there is no likelihood, so no likelihood-ratio test; use wald_test"
        )
    if ours:
        if full.settings.reml != restricted.settings.reml:
            raise SpecificationError("one model is fitted by REML, the other by ML; fit both by ML")
    elif full.settings.reml:
        raise SpecificationError(
            "a REML fit cannot be compared with a model without random effects; fit it by ML"
        )
    mine, other = _families(full.model), _families(restricted.model)
    if other is not None and mine != other:
        raise SpecificationError(
            f"the families differ: {_shown(full.model)} and {_shown(restricted.model)}"
        )
    robust = full.cov_type != "nonrobust" or getattr(restricted, "cov_type", "") != "nonrobust"
    if robust:
        warnings.warn(
            "likelihood-ratio test is likely invalid with robust covariance",
            InvalidTestWarning,
            stacklevel=4,
        )


def _families(model):
    """What tells the families of two models apart; None for models without a family."""
    family = getattr(model, "family", None)
    if not hasattr(family, "link"):
        return None
    if hasattr(family, "members"):
        return {label: _key(member) for label, member in family.members.items()}
    return _key(family)


def _key(family):
    """Class, link and settings of a family, the structure of thresholds excepted."""
    if isinstance(family, str):
        return family
    settings = {
        name: value
        for name, value in vars(family).items()
        if isinstance(value, (str, float, int))
        and not name.startswith("_")
        and name not in ("thresholds", "n")
    }
    return type(family), type(family.link), settings


def _shown(model) -> str:
    link = type(model.family.link).__name__
    return f"{type(model.family).__name__} ({link})"


def _spans(wide: np.ndarray, narrow: np.ndarray) -> bool:
    """Whether the columns of one design are combinations of those of another."""
    left = narrow - wide @ np.linalg.lstsq(wide, narrow, rcond=None)[0]
    size = np.maximum(np.abs(narrow).max(0), 1e-300)
    return bool(np.all(np.abs(left).max(0) <= 1e-7 * size))


def _structures(model) -> dict:
    """Structure of the thresholds of each family."""
    families = getattr(model.family, "members", {None: model.family})
    return {label: getattr(family, "thresholds", "free") for label, family in families.items()}


def _constant(responses, key) -> np.ndarray:
    """The constant of a predictor: ones in all rows, or in those of the family that it belongs to."""
    if not isinstance(key, tuple):
        return np.ones((len(responses.y), 1))
    column = np.zeros((len(responses.y), 1))
    for label, _, _, at, _ in responses.members:
        if label == key[1]:
            column[at] = 1.0
    return column


def _check_other_predictors(full, restricted):
    """Designs of dispersions, zero inflation, thresholds and scales must be nested like exog."""
    theirs = _structures(restricted)
    for label, structure in _structures(full).items():
        if structure not in ("free", theirs[label]):
            raise SpecificationError(
                f"not nested: thresholds of this model are {structure}, of the other {theirs[label]}"
            )
    if full.responses is None or restricted.responses is None:
        return
    for key, (narrow, _) in restricted.responses.designs.items():
        keyword = _keyword(key)
        wide = full.responses.designs.get(key)
        constant = keyword not in ("thresholds", "scale")
        if wide is None and constant:
            wide = (_constant(full.responses, key), [])
        if wide is None or not _spans(wide[0], narrow):
            raise SpecificationError(
                f"not nested: {keyword}= of the restricted model has columns that are not combinations of "
                "those of this model"
            )
    for key, (wide, _) in full.responses.designs.items():
        keyword, absent = _keyword(key), key not in restricted.responses.designs
        if (
            absent
            and keyword in ("dispersion", "zero", "lower", "upper")
            and not _spans(wide, _constant(full.responses, key))
        ):
            raise SpecificationError(
                f"not nested: {keyword}= of this model has no constant, which the restricted model has"
            )


def _keyword(key) -> str:
    """Keyword of a design, which with several families belongs to one of them."""
    return key[0] if isinstance(key, tuple) else key


def _with_thresholds(model, exog: np.ndarray) -> np.ndarray:
    """Columns of the predictor, and those that all thresholds have with coefficients of their own.

    An effect that is the same at all thresholds is one in the predictor, with the other sign.
    """
    responses = getattr(model, "responses", None)
    if responses is None:
        return exog
    columns = [exog]
    for key, (matrix, _) in responses.designs.items():
        if _keyword(key) == "thresholds":
            columns += [_constant(responses, key), matrix]
    return np.column_stack(columns)


def _coefficient_names(model) -> set[str]:
    """Names of the coefficients of exog."""
    if hasattr(model, "mapping"):
        return set(model.mapping.param_names[: model.mapping.k_exog])
    return set(model.exog_names)


def _check_fixed_part(full, restricted):
    """exog of the restricted model must lie in the column space of the full one's (equal to it for REML)."""
    wide, narrow = full.model.exog, restricted.model.exog
    mine, theirs = _coefficient_names(full.model), _coefficient_names(restricted.model)
    if wide is None or narrow is None:
        nested = theirs <= mine
    elif np.shape(narrow)[1] == 0:
        nested = True
    else:
        wide, narrow = np.asarray(wide, dtype=float), np.asarray(narrow, dtype=float)
        nested = _spans(_with_thresholds(full.model, wide), narrow)
        # other order of rows: names are all there is to go by
        nested = nested or theirs <= mine
    if not nested:
        raise SpecificationError(
            "the restricted model has columns of exog that are not combinations of those of this model: "
            f"{sorted(theirs - mine)}"
        )
    if full.settings.reml and (wide is None or narrow is None or wide.shape[1] != narrow.shape[1]):
        raise SpecificationError(
            "restricted likelihoods of models with different coefficients are not comparable; fit by ML "
            "(reml=False)"
        )


def _free_entries(results) -> set:
    """Entries (level, {effect, effect}) of the covariance matrices that are free."""
    zero = set(results.constraints.zeros) if results.constraints is not None else set()
    free = set()
    for _, _, block, covariance in results.model.mapping.terms:
        for k, (r, c) in enumerate(covariance.params):
            if block.start + k in zero:
                continue
            effects = covariance.names if covariance.structure == "equal" else None
            if effects is None:
                free.add((covariance.group, frozenset({covariance.names[r], covariance.names[c]})))
            else:
                free |= {(covariance.group, frozenset({name})) for name in effects}
    return free


def _groups_by_name(full, group: str, name: str, free: set) -> list[str] | None:
    """Effects of a model that are one effect in the groups of its ``variance_by``."""
    by = getattr(full, "variance_by", {}).get(group)
    if by is None:
        return None
    names = [f"{name}[{label}]" for label in by[1]]
    return names if all((group, frozenset({one})) in free for one in names) else None


def _columns_of_effects(model, group: str) -> dict[str, np.ndarray]:
    """Columns that the random effects of a level multiply."""
    if not getattr(model, "effects_are_columns", False):
        return {}
    return {
        name: column
        for level in model.random or ()
        if level.name == group
        for term in level.terms
        for name, column in zip(term.names, np.asarray(term.columns).T, strict=True)
    }


def _groups_by_column(full, restricted, group: str, name: str) -> list[str] | None:
    """Effects of a model whose columns are those of one effect in groups of whole clusters."""
    mine = _columns_of_effects(full, group)
    column = _columns_of_effects(restricted, group).get(name)
    if not mine or column is None or any(len(own) != len(column) for own in mine.values()):
        return None
    codes = next(level.codes for level in full.random if level.name == group)
    names, covered = [], np.zeros(len(column), dtype=bool)
    for effect, own in mine.items():
        inside = np.isin(codes, codes[own != 0.0])
        whole = np.array_equal(own, np.where(inside, column, 0.0))
        if own.any() and whole and not covered[inside].any():
            names.append(effect)
            covered |= inside
    return names if np.all(covered | (column == 0.0)) else None


def _in_groups(full, restricted, kept: set, free: set) -> set:
    """Entries of the restricted model as those of one whose variances differ between groups of clusters.

    Equal (co)variances in all groups are one (co)variance of all clusters, so that the model with
    ``variance_by`` contains the one without.
    """
    parts: dict[tuple[str, str], list[str]] = {}
    lacking = sorted({(group, name) for group, pair in kept - free for name in pair})
    for group, name in lacking:
        if found := _groups_by_name(full, group, name, free) or _groups_by_column(
            full, restricted, group, name
        ):
            parts[group, name] = found
    out = set()
    for group, pair in kept:
        first, *other = sorted(pair)
        own = parts.get((group, first), [first])
        if not other:
            out |= {(group, frozenset({name})) for name in own}
            continue
        second = parts.get((group, other[0]), other)
        # covariances are of effects in the same group of clusters
        pairs = zip(own, second, strict=True) if len(own) == len(second) else product(own, second)
        out |= {(group, frozenset(pair)) for pair in pairs}
    return out


def _check_random_part(full, restricted, free: set, kept: set, ours: bool):
    if extra := kept - free:
        shown = sorted(f"{','.join(sorted(pair))}|{group}" for group, pair in extra)
        raise SpecificationError(
            f"not nested: the restricted model has variances or covariances of {shown}, this one has not"
        )
    tied = [c for *_, c in full.model.mapping.terms if c.structure == "equal"]
    for covariance in tied:
        members = {(covariance.group, frozenset({name})) for name in covariance.names}
        shared = members & kept
        if shared and shared != members:
            raise SpecificationError(
                f"not nested: this model has one variance for all effects of {covariance.label} in "
                f"{covariance.group}, the restricted model only some of them"
            )
    _check_constraints(full, restricted, ours)


def _check_constraints(full, restricted, ours: bool) -> None:
    if full.constraints is not None and not (
        ours
        and restricted.constraints is not None
        and restricted.constraints.implies(full.constraints)
    ):
        raise SpecificationError(
            "not nested: this model has constraints that the restricted one has not"
        )
