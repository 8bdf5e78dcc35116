"""Starting values: the pooled model, moments of the rows of clusters, a scale for the random effects."""

from __future__ import annotations

import numpy as np

from sm_gllamm.estimation.linked import LinkedResponses, response_unit
from sm_gllamm.estimation.newton import Outcome
from sm_gllamm.estimation.start import link_scale_start, pooled_fit, scale_start
from sm_gllamm.likelihood.marginal import MarginalLikelihood
from sm_gllamm.mapping.structural import StructuralMapping
from sm_gllamm.models.diagnosis import diagonal_units
from sm_gllamm.models.loading_start import latent_by_latent, moment_fit
from sm_gllamm.models.moments import pair_moments
from sm_gllamm.models.row_units import row_units

__all__ = ["start_theta"]

#: Rows that the least-squares start looks at, spread over the data.
START_ROWS = 50_000
#: Slots that start where they are put: without latent variables the data say little of these.
HELD = ("lower", "upper")
#: What moments of latent variables are multiplied with: links attenuate large variances.
FACTORS = (1.0, 2.0, 4.0)


def start_theta(
    likelihood: MarginalLikelihood, use_moments: bool = True
) -> tuple[np.ndarray, Outcome]:
    """Starting values from the pooled model and a few scales of the random effects.

    Parameters
    ----------
    likelihood : MarginalLikelihood
        With a quadrature in force.
    use_moments : bool
        Whether loadings, paths and covariances of latent variables start from moments; otherwise
        loadings are equal.

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
    if sample.weight.any():
        theta[:k] = link_scale_start(design, sample.linked - sample.offset, sample.weight)
    free = [np.arange(k)]
    if mapping.slots:
        values = sample.slot_values(design @ theta[:k] + sample.offset)
        for (block, slot), columns in zip(mapping.slots, mapping.slot_columns, strict=True):
            if slot.entries:
                theta[block] = _slot_start(slot, columns, problem.design[rows], values)
                known = sample.weight > 0
                if slot.names[0].startswith("log_sd:") and known.any():
                    residual = sample.linked - design @ theta[:k] - sample.offset
                    found = _log_sd_start(
                        slot, columns, problem.design[rows][known], residual[known]
                    )
                    theta[block] = theta[block] if found is None else found
                if slot.slot not in HELD:
                    free.append(np.arange(block.start, block.stop))
    index = np.concatenate(free).astype(np.intp)
    pooled = pooled_fit(likelihood, theta, index)
    if pooled.interrupted:
        raise KeyboardInterrupt
    theta[index] = pooled.theta
    unit = response_unit(problem, mapping, theta)
    if isinstance(mapping, StructuralMapping) and not mapping.coefficients_only:
        return _latent_start(likelihood, theta, use_moments), pooled
    return scale_start(likelihood, theta, diagonal_units(likelihood, theta, unit)), pooled


def _latent_start(
    likelihood: MarginalLikelihood, theta: np.ndarray, use_moments: bool
) -> np.ndarray:
    """Loadings, paths and covariances, from moments where there are any."""
    problem, mapping = likelihood.problem, likelihood.mapping
    k, moments = mapping.k_exog, None
    # single rows say nothing of responses that own several, as rankings, and times of late entry more than
    # the durations after them
    if use_moments and problem.set_size is None and problem.entry is None:
        sample = LinkedResponses(problem, slice(None))
        residual = sample.linked - (problem.design[:, :k] @ theta[:k] + sample.offset)
        moments = pair_moments(problem, residual / sample.pull)
    by_row = np.broadcast_to(row_units(likelihood, theta), len(problem.y))

    def moderate(column: int) -> float:
        values = np.ones(len(by_row)) if column < 0 else problem.design[:, column]
        rows = values != 0.0
        return float(np.mean(by_row[rows]) / np.sqrt(np.mean(values[rows] ** 2)))

    theta = latent_by_latent(mapping, moments, theta, moderate)
    units = diagonal_units(likelihood, theta, row_units(likelihood, theta))
    crude = scale_start(likelihood, theta, units)
    if moments is None:
        return crude
    best, highest = crude, likelihood.evaluate(crude).total
    for factor in FACTORS[:1] if problem.exact else FACTORS:
        theta = moment_fit(mapping, problem, moments, theta, factor)[0]
        value = likelihood.evaluate(theta).total
        if not value > highest:
            if factor > 1.0:
                break
            continue
        best, highest = theta, value
    return best


def _log_sd_start(slot, columns, design, residual) -> np.ndarray | None:
    """Least squares of the logarithms of residuals, in the rows that the block is about, if any."""
    part = np.zeros((len(design), len(slot.names)))
    for entry, column in zip(slot.entries, columns, strict=True):
        part[:, entry.parameter] += entry.coefficient * (1.0 if column < 0 else design[:, column])
    rows = np.any(part != 0.0, axis=1)
    if not rows.any():
        return None
    size = np.abs(residual[rows])
    # E log|z| of a standard normal variable is -0.635
    target = np.log(np.maximum(size, 1e-8 * size.max(initial=1e-300))) + 0.635
    return np.linalg.lstsq(part[rows], target, rcond=1e-10)[0]


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
