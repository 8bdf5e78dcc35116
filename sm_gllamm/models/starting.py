"""Starting values: the pooled model, and a scale for the random effects."""

from __future__ import annotations

import numpy as np

from sm_gllamm.estimation.linked import LinkedResponses, response_unit
from sm_gllamm.estimation.newton import Outcome
from sm_gllamm.estimation.start import link_scale_start, pooled_fit, scale_start
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.mapping.structural import StructuralMapping
from sm_gllamm.models.diagnosis import diagonal_units
from sm_gllamm.models.loading_start import loading_start

__all__ = ["start_theta"]

#: Rows that the least-squares start looks at, spread over the data.
START_ROWS = 50_000


def start_theta(likelihood: MarginalLikelihood) -> tuple[np.ndarray, Outcome]:
    """Starting values from the pooled model and a few scales of the random effects.

    Parameters
    ----------
    likelihood : MarginalLikelihood
        With a quadrature in force.

    Returns
    -------
    theta : ndarray, shape (p,)
    pooled : Outcome
        Fit without random effects (its first entries are the coefficients).
    """
    problem, mapping = likelihood.problem, likelihood.mapping
    theta = np.zeros(mapping.k_params)
    k = mapping.k_exog
    # a start needs no more than some of the rows
    rows = slice(
        None, None, max(1, len(problem.y) // START_ROWS) if problem.set_size is None else 1
    )
    sample = LinkedResponses(problem, rows)
    design = problem.design[rows, :k]
    if problem.set_size is None and sample.weight.any():
        theta[:k] = link_scale_start(design, sample.linked - sample.offset, sample.weight)
    free = [np.arange(k)]
    if mapping.slots:
        values = sample.slot_values(design @ theta[:k] + sample.offset)
        for (block, slot), columns in zip(mapping.slots, mapping.slot_columns, strict=True):
            if slot.entries:
                theta[block] = _slot_start(slot, columns, problem.design[rows], values)
                free.append(np.arange(block.start, block.stop))
    index = np.concatenate(free).astype(np.intp)
    pooled = pooled_fit(likelihood, theta, index)
    if pooled.interrupted:
        raise KeyboardInterrupt
    theta[index] = pooled.theta
    unit = response_unit(problem, mapping, theta)
    if isinstance(mapping, StructuralMapping):
        sample = LinkedResponses(problem, slice(None))
        fitted = problem.design[:, :k] @ theta[:k] + sample.offset
        theta = loading_start(mapping, problem, theta, sample.linked - fitted, unit)
    return scale_start(likelihood, theta, diagonal_units(likelihood, theta, unit)), pooled


def _slot_start(slot, columns, design, values) -> np.ndarray:
    """Parameters of a block that come nearest to given values of its predictors."""
    parts, targets = [], []
    constant = any(entry.design is None for entry in slot.entries)
    for channel in sorted({entry.channel for entry in slot.entries}):
        part = np.zeros((1 if constant else len(design), len(slot.names)))
        for position, entry in enumerate(slot.entries):
            if entry.channel != channel or (constant and entry.design is not None):
                continue
            column = columns[position]
            part[:, entry.parameter] += entry.coefficient * (
                1.0 if column < 0 else design[:, column]
            )
        parts.append(part)
        targets.append(np.full(len(part), values[channel]))
    return np.linalg.lstsq(np.vstack(parts), np.concatenate(targets), rcond=1e-10)[0]
