"""From the arguments of a model's constructor to aligned arrays, levels and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.arrays import align_inputs, levels_from_arrays, missing_rows, take_rows
from sm_gllamm.specification.checks import check_exposure, check_level_weights
from sm_gllamm.specification.design import weights_by_level
from sm_gllamm.specification.elements import Level
from sm_gllamm.specification.response_checks import check_response
from sm_gllamm.specification.row_arrays import numeric_rows
from sm_gllamm.survey.scaling import scale_level_weights
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["ArrayInputs", "level_weights", "prepare_arrays", "successes_and_trials"]


@dataclass(frozen=True, slots=True)
class ArrayInputs:
    """Aligned inputs of an array model; all have one entry (row) for each row in use.

    Attributes
    ----------
    endog, exog : array_like
    levels : tuple of Level
    offset, exposure : ndarray or None
    weights, freq_weights : dict of level name to ndarray
    kept : ndarray of intp
        Position of each row in the inputs.
    """

    endog: Any
    exog: Any
    levels: tuple[Level, ...]
    offset: np.ndarray | None
    exposure: np.ndarray | None
    weights: dict[str, np.ndarray]
    freq_weights: dict[str, np.ndarray]
    kept: np.ndarray


def _numeric(values, role: str):
    """Arrays and data frames as they are, sequences as arrays; an error for anything else."""
    if values is None or np.ndim(values) == 0:
        raise SpecificationError(
            f"{role} must be an array with one row an observation, not {values!r}"
        )
    if isinstance(values, (pd.Series, pd.DataFrame)):
        if role == "endog" and any(dtype.kind in "OUST" for dtype in np.atleast_1d(values.dtypes)):
            name = str(getattr(values, "name", None) or role)
            check_response(values.to_numpy(dtype=object), "gaussian", name, values.index)
        return values
    return values if hasattr(values, "shape") else np.asarray(values)


def prepare_arrays(endog, exog, groups, exog_re, covariance, missing, **rows) -> ArrayInputs:
    """Align on the response's index, treat missing rows, build the levels.

    Raises
    ------
    SpecificationError
        Wrong lengths, missing values with ``missing="raise"`` or ``"none"``, bad weights.
    """
    if missing not in ("none", "drop", "raise"):
        raise SpecificationError(f"missing={missing!r} is not known; use 'none', 'drop' or 'raise'")
    endog, exog = _numeric(endog, "endog"), _numeric(exog, "exog")
    nobs = len(endog)
    index = endog.index if isinstance(endog, (pd.Series, pd.DataFrame)) else None
    given = align_inputs(index, nobs, exog=exog, groups=groups, exog_re=exog_re, **rows)
    mask = missing_rows(nobs, endog=endog, **given)
    kept = np.arange(nobs)
    if mask.any():
        if missing != "drop":
            where = np.flatnonzero(mask)[:5].tolist()
            labels = where if index is None else index[where].tolist()
            raise SpecificationError(
                f"{int(mask.sum())} rows have missing values (the first: {labels}); "
                "drop them, or use missing='drop'"
            )
        kept = np.flatnonzero(~mask)
        endog = take_rows(endog, kept)
        given = {role: take_rows(value, kept) for role, value in given.items()}
        index = None if index is None else index[kept]
    nobs = len(kept)
    frame = pd.DataFrame(index=pd.RangeIndex(nobs) if index is None else index)
    levels = levels_from_arrays(given["groups"], given["exog_re"], nobs, covariance, index)
    names = [level.name for level in levels]
    by_level: dict[str, dict[str, np.ndarray]] = {}
    for role in ("weights", "freq_weights"):
        by_level[role] = {}
        if given[role] is not None and not isinstance(given[role], LevelWeights):
            by_level[role] = weights_by_level(given[role], frame, names, role)
            check_level_weights(by_level[role], levels, frame.index, role)
    values = {
        role: None if given[role] is None else numeric_rows(given[role], frame, role)
        for role in ("offset", "exposure")
    }
    if values["exposure"] is not None:
        check_exposure(values["exposure"], frame.index)
    return ArrayInputs(
        endog, given["exog"], levels, values["offset"], values["exposure"],
        by_level["weights"], by_level["freq_weights"], kept,
    )  # fmt: skip


def successes_and_trials(endog: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of successes and binomial denominators of a one- or two-column response."""
    if endog.ndim == 2 and endog.shape[1] == 2:
        return endog[:, 0], endog.sum(1)
    endog = endog.reshape(len(endog))
    return endog, np.ones(len(endog))


def level_weights(weights, freq_weights, scaling, levels) -> LevelWeights:
    """Sampling and frequency weights combined into exponents, sampling weights scaled first."""
    if isinstance(weights, LevelWeights):
        return weights
    codes = {level.name: level.codes for level in levels}
    by_level = scale_level_weights(weights or {}, codes, scaling)
    sampling = bool(by_level)
    frequency = None
    for name, w in (freq_weights or {}).items():
        by_level[name] = by_level.get(name, 1.0) * w
        frequency = w if frequency is None else frequency * w
    return LevelWeights(by_level, sampling, frequency)
