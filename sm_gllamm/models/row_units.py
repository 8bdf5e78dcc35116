"""How large a difference in a row's predictor is, by the response that the row has."""

from __future__ import annotations

import numpy as np

from sm_gllamm.estimation.linked import LinkedResponses, distinct, response_unit
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.responses.densities import CODES

__all__ = ["row_units"]

#: Densities whose first slot is the logarithm of the SD on the scale of the predictor.
_LOG_SD = ("gaussian_identity", "censored_gaussian")


def row_units(likelihood: MarginalLikelihood, theta: np.ndarray) -> float | np.ndarray:
    """The change of the predictor that makes a difference to a row's response.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    theta : ndarray, shape (p,)

    Returns
    -------
    float, or ndarray of shape (n,) where rows differ in their responses or dispersions
        About one on the scale of logits, probits and logarithms; the residual standard deviation of
        gaussian responses.
    """
    problem, mapping = likelihood.problem, likelihood.mapping
    if problem.row_code is not None:
        # items: logits and probits of categories
        return 1.0
    unit = response_unit(problem, mapping, theta)
    dispersions = [len(slot.names) for _, slot in mapping.slots if slot.slot == "dispersion"]
    codes = distinct(problem.family)
    if len(codes) == 1 and sum(dispersions) < 2:
        return unit
    units = np.ones(len(problem.family))
    normal = np.isin(problem.family, [CODES[name] for name in _LOG_SD])
    if not normal.all():
        spread = LinkedResponses(problem, slice(None)).spread
        for code, unit in spread.items():
            units[problem.family == code] = unit
    if normal.any():
        units[normal] = np.exp(_first_slot(likelihood, theta)[normal])
    return units


def _first_slot(likelihood: MarginalLikelihood, theta: np.ndarray) -> np.ndarray:
    """Value of the first predictor without random effects of each row, zero where there is none."""
    problem, mapping = likelihood.problem, likelihood.mapping
    values = np.zeros((len(problem.y), problem.n_constants + 1))
    for (block, slot), columns in zip(mapping.slots, mapping.slot_columns, strict=True):
        for entry, column in zip(slot.entries, columns, strict=True):
            value = entry.coefficient * theta[block.start + entry.parameter]
            values[:, entry.channel] += value * problem.column(column)
    own = np.zeros(len(values), dtype=np.intp)
    if problem.slot_channel is not None:
        own = problem.slot_channel[:, 0] - (1 + sum(problem.dimensions) + len(problem.products))
    # the last column stands for no predictor
    return values[np.arange(len(values)), np.where(own >= 0, own, -1)]
