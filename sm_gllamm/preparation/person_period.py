"""Person-period data for discrete-time hazard models."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.columns import expand, show
from sm_gllamm.preparation.durations import read_cuts, read_episodes, refuse_fractions
from sm_gllamm.preparation.ragged import repeat_rows

__all__ = ["person_period"]


def person_period(
    data: pd.DataFrame,
    duration: Hashable,
    event: Hashable,
    *,
    entry: Hashable | None = None,
    intervals: Sequence[float] | np.ndarray | None = None,
    id: Hashable | None = None,
) -> pd.DataFrame:
    r"""Expand durations to one row for each subject and period at risk.

    A binary model of column ``y`` in these rows, with logit or complementary log-log link, is a
    discrete-time hazard model of the durations; a random intercept is a shared frailty.

    Parameters
    ----------
    data : DataFrame
        One row for each subject (or spell).
    duration : str
        Column with the last period in which the subject was at risk, 1, 2, ...; with `intervals`
        the time to which it was observed, any positive number.
    event : str
        Column that is 1 if the event happened then, 0 if the duration is censored.
    entry : str, optional
        Column with the time of late entry: the number of periods that had passed before the subject
        came under observation, 0 for those observed from the start. Periods up to `entry` are left
        out, because a subject who had the event in them would not have been seen.
    intervals : sequence of float, optional
        Ends of the periods, for times that are not numbers of periods: period k runs from the end
        of the one before (0 for the first), exclusive, to ``intervals[k - 1]``, inclusive. No
        duration may be longer; a last end of ``numpy.inf`` leaves the last period open.
    id : str, optional
        Name of the new column with the subject's row label in `data`. The name of the index, or
        "row", if not given.

    Returns
    -------
    DataFrame
        A subject's rows one after the other, periods ascending, rows numbered anew, with columns

        `id`
            row label in `data`, so that results map back: ``groupby(id)`` gathers a subject's rows;
        ``period``
            1, 2, ...;
        ``y``
            1 in the period of the event, else 0;

        and all columns of `data` but `duration`, `event` and `entry`.

    Raises
    ------
    SpecificationError
        A duration that is not positive, not whole or beyond the last interval; an event other than 0
        and 1; an entry that is not before the end; missing values in these columns; a column named
        as one of the new ones.

    See Also
    --------
    split_episodes : For hazards in continuous time, constant within intervals.

    Notes
    -----
    With :math:`h_{is} = P(T_i = s \mid T_i \geq s)` the hazard of subject i in period s, entry
    :math:`e_i`, duration :math:`t_i` and event :math:`d_i`, the likelihood of a subject is that of
    independent binary responses in its rows,

    .. math::

        P(T_i = t_i \mid T_i > e_i)^{d_i} P(T_i > t_i \mid T_i > e_i)^{1 - d_i}
            = \prod_{s = e_i + 1}^{t_i} h_{is}^{y_{is}} (1 - h_{is})^{1 - y_{is}}

    (Allison 1982; Singer & Willett 1993). The complementary log-log link makes it the proportional
    hazards model in continuous time, observed by intervals (Prentice & Gloeckler 1978). Only the sum
    over subjects counts: log-likelihood and standard errors need no correction for the repetition.

    A period in which a subject is observed in part only, because it enters or is censored between
    two ends in `intervals`, counts as one at risk; the likelihood is exact where entry and censoring
    happen at ends.

    References
    ----------
    Allison, P. D. (1982). Discrete-time methods for the analysis of event histories. Sociological
    Methodology 13, 61-98.

    Prentice, R. L. & Gloeckler, L. A. (1978). Regression analysis of grouped survival data with
    application to breast cancer data. Biometrics 34, 57-67.

    Singer, J. D. & Willett, J. B. (1993). It's about time: using discrete-time survival analysis to
    study duration and the timing of events. Journal of Educational Statistics 18, 155-195.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.preparation.person_period import person_period
    >>> eyes = pd.DataFrame(
    ...     {"months": [2, 3], "blind": [1, 0], "treated": [0, 1]}, index=["left", "right"]
    ... )
    >>> person_period(eyes, "months", "blind", id="eye")
         eye  period  y  treated
    0   left       1  0        0
    1   left       2  1        0
    2  right       1  0        1
    3  right       2  0        1
    4  right       3  0        1
    >>> person_period(eyes, "months", "blind", intervals=[2.5, 5], id="eye")
         eye  period  y  treated
    0   left       1  1        0
    1  right       1  0        1
    2  right       2  0        1
    """
    episodes = read_episodes(data, duration, event, entry)
    if intervals is None:
        refuse_fractions(episodes.duration, duration, data.index)
        refuse_fractions(episodes.entry, entry, data.index)
        before, last = (times.astype(np.intp) for times in (episodes.entry, episodes.duration))
    else:
        ends = read_cuts(intervals, "intervals")
        beyond = episodes.duration > ends[-1]
        if beyond.any():
            at = int(np.argmax(beyond))
            raise SpecificationError(
                f"The duration '{duration}' is {episodes.duration[at]:g} in row "
                f"{show(data.index[at])}, beyond the end of the last interval, {ends[-1]:g}; add an "
                "interval (numpy.inf leaves the last one open), or censor the duration."
            )
        before = np.searchsorted(ends, episodes.entry, side="right")
        last = np.searchsorted(ends, episodes.duration, side="left") + 1
    source, position = repeat_rows(last - before)
    period = before[source] + position + 1
    y = (episodes.event[source] & (period == last[source])).astype(np.int64)
    without = [name for name in (duration, event, entry) if name is not None]
    return expand(data, source, {"period": period, "y": y}, id, without)
