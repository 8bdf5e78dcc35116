"""Episode splitting for the piecewise exponential model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.preparation.columns import expand
from sm_gllamm.preparation.durations import read_cuts, read_episodes
from sm_gllamm.preparation.ragged import repeat_rows

__all__ = ["split_episodes"]


def split_episodes(
    data: pd.DataFrame,
    duration: Hashable,
    event: Hashable,
    cuts: Sequence[float] | np.ndarray,
    *,
    entry: Hashable | None = None,
    id: Hashable | None = None,
) -> pd.DataFrame:
    r"""Split durations at cut points.

    A Poisson model of column ``event`` in these rows, with ``interval`` among the covariates and
    ``exposure`` as exposure, is the piecewise exponential model of the durations; a random
    intercept is a shared frailty.

    Parameters
    ----------
    data : DataFrame
        One row for each subject (or spell).
    duration : str
        Column with the time to which the subject was observed, positive.
    event : str
        Column that is 1 if the event happened then, 0 if the duration is censored.
    cuts : sequence of float
        Positive, increasing times at which the hazard changes. There is one interval more than cut
        points; the last one has no end.
    entry : str, optional
        Column with the time of late entry, 0 for those observed from the start.
    id : str, optional
        Name of the new column with the subject's row label in `data`. The name of the index, or
        "row", if not given.

    Returns
    -------
    DataFrame
        A subject's rows one after the other, times ascending, rows numbered anew, with columns

        `id`
            row label in `data`, so that results map back;
        ``start``, ``stop``
            when the subject was at risk within the interval;
        ``exposure``
            ``stop - start``, positive;
        ``event``
            1 in the interval of the event, else 0;
        ``interval``
            ordered categorical with categories "(0, c1]", "(c1, c2]", ..., also those that nobody
            reached, so that the same `cuts` code other data alike;

        and all columns of `data` but `duration`, `event` and `entry`.

    Raises
    ------
    SpecificationError
        A duration that is not positive; an event other than 0 and 1; an entry that is not before the
        end; missing values in these columns; cut points that do not increase; a column named as one
        of the new ones.

    See Also
    --------
    person_period : For hazards in discrete time.

    Notes
    -----
    With hazard :math:`\lambda_{ik}` of subject i in interval k, exposure :math:`r_{ik}` there and
    event :math:`d_{ik}`, the log-likelihood of a subject is

    .. math:: \ell_i = \sum_k (d_{ik} \log \lambda_{ik} - \lambda_{ik} r_{ik}),

    and the Poisson model with mean :math:`\lambda_{ik} r_{ik}` has

    .. math:: \sum_k \{d_{ik} \log (\lambda_{ik} r_{ik}) - \lambda_{ik} r_{ik}\}
        = \ell_i + \sum_k d_{ik} \log r_{ik}

    (Holford 1980; Laird & Olivier 1981). The difference depends on no parameter: estimates and
    standard errors are the same, and subtracting ``np.log(exposure[event == 1]).sum()`` from the
    Poisson log-likelihood gives the one to compare with other models of the durations.

    References
    ----------
    Holford, T. R. (1980). The analysis of rates and of survivorship using log-linear models.
    Biometrics 36, 299-305.

    Laird, N. & Olivier, D. (1981). Covariance analysis of censored survival data using log-linear
    analysis techniques. Journal of the American Statistical Association 76, 231-240.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.preparation.split_episodes import split_episodes
    >>> patients = pd.DataFrame({"days": [15.0, 40.0], "died": [1, 0], "age": [61, 48]})
    >>> split_episodes(patients, "days", "died", [10, 30], id="patient")
       patient  start  stop  exposure  event   interval  age
    0        0    0.0  10.0      10.0      0    (0, 10]   61
    1        0   10.0  15.0       5.0      1   (10, 30]   61
    2        1    0.0  10.0      10.0      0    (0, 10]   48
    3        1   10.0  30.0      20.0      0   (10, 30]   48
    4        1   30.0  40.0      10.0      0  (30, inf)   48
    """
    points = read_cuts(cuts, "cuts")
    points = points[np.isfinite(points)]
    episodes = read_episodes(data, duration, event, entry)
    first = np.searchsorted(points, episodes.entry, side="right")
    last = np.searchsorted(points, episodes.duration, side="left")
    source, position = repeat_rows(last - first + 1)
    interval = first[source] + position
    is_last = interval == last[source]
    bounds = np.concatenate([[0.0], points, [np.inf]])
    start = np.maximum(bounds[interval], episodes.entry[source])
    stop = np.where(is_last, episodes.duration[source], bounds[interval + 1])
    made = {
        "start": start,
        "stop": stop,
        "exposure": stop - start,
        "event": (episodes.event[source] & is_last).astype(np.int64),
        "interval": pd.Categorical.from_codes(interval, _interval_labels(bounds), ordered=True),
    }
    without = [name for name in (duration, event, entry) if name is not None]
    return expand(data, source, made, id, without)


def _interval_labels(bounds: np.ndarray) -> list[str]:
    shown = [np.format_float_positional(bound, trim="-") for bound in bounds]
    pairs = list(zip(shown, shown[1:], strict=False))
    return [f"({lower}, {upper}]" for lower, upper in pairs[:-1]] + [f"({pairs[-1][0]}, inf)"]
