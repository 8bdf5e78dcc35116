"""Person-period data and split episodes against likelihoods written out directly."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, special

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.preparation.person_period import person_period
from sm_gllamm.preparation.split_episodes import split_episodes

# Diabetic retinopathy study (Huster et al. 1989) by half-years: eyes censored and eyes gone blind in
# periods 1 to 15. 3574 eye-periods are the rows that lme4 and gllamm have for these data.
CENSORED = [5, 4, 9, 1, 4, 6, 4, 4, 10, 18, 31, 21, 18, 50, 54]
BLIND = [24, 22, 18, 23, 9, 10, 11, 6, 6, 6, 7, 5, 3, 2, 3]
EYE_PERIODS = 3574

# Agreement of two optimisers that stop where the gradient is about 1e-6.
OPTIMUM = 1e-4


@pytest.fixture
def eyes():
    period = np.arange(1, 16)
    frame = pd.DataFrame(
        {
            "period_last": np.concatenate([np.repeat(period, CENSORED), np.repeat(period, BLIND)]),
            "blind": np.repeat([0, 1], [sum(CENSORED), sum(BLIND)]),
        }
    )
    return frame.sample(frac=1, random_state=3)


@pytest.fixture
def times():
    """Continuous durations with censoring, late entry and a covariate."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=300)
    failure = rng.exponential(5 * np.exp(-0.5 * x))
    censoring = rng.uniform(1, 12, size=300)
    frame = pd.DataFrame(
        {
            "time": np.minimum(failure, censoring),
            "died": failure < censoring,
            "start": np.where(rng.random(300) < 0.3, rng.uniform(0, 3, size=300), 0.0),
            "x": x,
        },
        index=[f"p{i}" for i in range(300)],
    )
    return frame[frame.start < frame.time]


def test_blindness(eyes):
    rows = person_period(eyes, "period_last", "blind")
    assert len(rows) == EYE_PERIODS
    assert list(rows.columns) == ["row", "period", "y"]
    life_table = rows.groupby("period").y.agg(["size", "sum"])
    leavers = np.add(CENSORED, BLIND)
    assert_array_equal(life_table["size"], 394 - np.cumsum(leavers) + leavers)
    assert_array_equal(life_table["sum"], BLIND)


def test_rows_map_back(eyes):
    rows = person_period(eyes, "period_last", "blind", id="eye")
    by_eye = rows.groupby("eye").agg({"period": "max", "y": "sum"}).loc[eyes.index]
    assert_array_equal(by_eye.period, eyes.period_last)
    assert_array_equal(by_eye.y, eyes.blind)
    assert rows.eye.drop_duplicates().tolist() == eyes.index.tolist()


def test_hazard_likelihood_with_late_entry():
    rng = np.random.default_rng(2)
    hazard = rng.uniform(0.1, 0.4, size=9)
    entry = rng.integers(0, 4, size=50)
    last = entry + rng.integers(1, 6, size=50)
    died = rng.integers(0, 2, size=50)
    data = pd.DataFrame({"t": last, "d": died.astype(bool), "e": entry})
    rows = person_period(data, "t", "d", entry="e")
    h = hazard[rows.period - 1]
    by_rows = np.where(rows.y == 1, np.log(h), np.log1p(-h)).sum()
    survival = np.concatenate([[1.0], np.cumprod(1 - hazard)])
    probability = np.where(died, survival[last - 1] * hazard[last - 1], survival[last])
    assert_allclose(by_rows, np.log(probability / survival[entry]).sum())
    assert list(rows.columns) == ["row", "period", "y"]


def test_intervals_are_closed_on_the_right():
    data = pd.DataFrame({"t": [1.0, 2.0, 2.5, 3.0], "d": [1, 0, 1, 0], "e": [0.0, 1.0, 0.5, 2.0]})
    rows = person_period(data, "t", "d", entry="e", intervals=[1, 2, 3])
    assert rows.row.tolist() == [0, 1, 2, 2, 2, 3]
    assert rows.period.tolist() == [1, 2, 1, 2, 3, 3]
    assert rows.y.tolist() == [1, 0, 0, 0, 1, 0]
    whole = data[["t", "d"]].assign(t=[1, 2, 2, 3])
    by_number = person_period(whole, "t", "d")
    for intervals in ([1, 2, 3], [0, 1, 2, np.inf]):
        pd.testing.assert_frame_equal(
            person_period(whole, "t", "d", intervals=intervals), by_number
        )


def test_other_columns_keep_their_types():
    data = pd.DataFrame(
        {
            "t": pd.array([2, 1], dtype="Int64"),
            "d": pd.array([True, False], dtype="boolean"),
            "when": pd.to_datetime(["2020-01-01", None]),
            "arm": pd.Categorical(["a", "b"], categories=["b", "a"]),
        },
        index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)]),
    )
    rows = person_period(data, "t", "d")
    assert rows["row"].tolist() == [("x", 1), ("x", 1), ("y", 2)]
    assert rows.arm.dtype == data.arm.dtype
    assert rows.when.isna().tolist() == [False, False, True]


def test_piecewise_exponential_likelihood(times):
    cuts = [1.5, 4.0]
    rows = split_episodes(times, "time", "died", cuts, entry="start", id="patient")
    constant = np.log(rows.exposure[rows.event == 1]).sum()
    interval = rows.interval.cat.codes.to_numpy()

    def cumulative_hazard(time, rates):
        pieces = np.diff([0, *cuts, np.inf])
        begin = np.array([0, *cuts])
        return np.clip(time[:, None] - begin, 0, pieces) @ rates

    def direct(theta):
        rates, relative = np.exp(theta[:3]), np.exp(theta[3] * times.x.to_numpy())
        at_end = rates[np.searchsorted(cuts, times.time)]
        gone = cumulative_hazard(times.time.to_numpy(), rates)
        before = cumulative_hazard(times.start.to_numpy(), rates)
        return np.sum(times.died * np.log(at_end * relative) - relative * (gone - before))

    def poisson(theta):
        mean = rows.exposure * np.exp(theta[:3][interval] + theta[3] * rows.x)
        return np.sum(special.xlogy(rows.event, mean) - mean)

    for theta in np.random.default_rng(1).normal(size=(5, 4)):
        assert_allclose(poisson(theta) - constant, direct(theta))
    best = [optimize.minimize(lambda theta, f=f: -f(theta), np.zeros(4)) for f in (direct, poisson)]
    assert_allclose(best[0].x, best[1].x, atol=OPTIMUM)


def test_episodes_cover_the_time_at_risk(times):
    rows = split_episodes(times, "time", "died", [0, 1.5, 4.0, np.inf], entry="start", id="patient")
    assert list(rows.columns) == [
        "patient", "start", "stop", "exposure", "event", "interval", "x"
    ]  # fmt: skip
    assert list(rows.interval.cat.categories) == ["(0, 1.5]", "(1.5, 4]", "(4, inf)"]
    assert rows.interval.cat.ordered
    by_patient = rows.groupby("patient").agg(
        {"start": "min", "stop": "max", "exposure": "sum", "event": "sum", "x": "nunique"}
    )
    by_patient = by_patient.loc[times.index]
    assert_array_equal(by_patient.start, times.start)
    assert_array_equal(by_patient.stop, times.time)
    assert_allclose(by_patient.exposure, times.time - times.start)
    assert_array_equal(by_patient.event, times.died)
    assert (by_patient.x == 1).all()
    assert (rows.exposure > 0).all()


def test_times_at_cut_points():
    data = pd.DataFrame({"t": [2.0, 4.0], "d": [1, 1], "e": [0.0, 2.0]})
    rows = split_episodes(data, "t", "d", [2, 7], entry="e")
    assert rows.start.tolist() == [0, 2]
    assert rows.stop.tolist() == [2, 4]
    assert rows.interval.tolist() == ["(0, 2]", "(2, 7]"]
    assert len(rows.interval.cat.categories) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": [1, 0]}, r"'t' must be positive; it is 0 in row 'b'"),
        ({"t": [1, -2]}, r"'t' must be positive; it is -2 in row 'b'"),
        ({"t": [1, None]}, r"'t' is missing in row 'b'; leave out the row"),
        ({"t": [1, np.inf]}, r"'t' is infinite in row 'b'"),
        ({"t": [1, "long"]}, r"'t' is not numeric, for instance 'long'"),
        ({"d": [0, 2]}, r"'d' must be 1, or 0 .* it is 2 in row 'b'"),
        ({"d": [0, None]}, r"'d' is missing in row 'b'"),
        ({"e": [-1, 0]}, r"'e' must not be negative; it is -1 in row 'a'"),
        ({"e": [0, 2]}, r"'e' must come before .* 't'; they are 2 and 2 in row 'b'"),
        ({"e": [0, None]}, r"'e' is missing in row 'b'"),
    ],
)
def test_bad_durations(changes, message):
    data = pd.DataFrame({"t": [1, 2], "d": [0, 1], "e": [0, 1]}, index=["a", "b"]).assign(**changes)
    with pytest.raises(SpecificationError, match=message):
        person_period(data, "t", "d", entry="e")
    with pytest.raises(SpecificationError, match=message):
        split_episodes(data, "t", "d", [1], entry="e")


def test_bad_periods():
    data = pd.DataFrame({"t": [1, 2.5], "d": [0, 1], "e": [0.5, 0]})
    with pytest.raises(SpecificationError, match="'t' must be a whole .* 2.5 in row 1.*intervals="):
        person_period(data, "t", "d")
    with pytest.raises(SpecificationError, match="'e' must be a whole number .* 0.5 in row 0"):
        person_period(data.assign(t=[1, 2]), "t", "d", entry="e")
    with pytest.raises(SpecificationError, match="'t' is 2.5 in row 1, beyond .* interval, 2;"):
        person_period(data, "t", "d", intervals=[1, 2])


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ([], "no cut point after 0"),
        ([0], "no cut point after 0"),
        ([2, 1], "increasing"),
        ([1, 1], "increasing"),
        ([-1, 1], "positive"),
        ([1, np.nan], "increasing"),
        (3, "list of cut points"),
        (["a"], "must be numbers"),
    ],
)
def test_bad_cuts(cuts, message):
    data = pd.DataFrame({"t": [1.0], "d": [1]})
    with pytest.raises(SpecificationError, match=f"intervals.*{message}"):
        person_period(data, "t", "d", intervals=cuts)
    with pytest.raises(SpecificationError, match=f"cuts.*{message}"):
        split_episodes(data, "t", "d", cuts)


def test_bad_columns():
    data = pd.DataFrame({"t": [1], "d": [1], "period": [3]})
    with pytest.raises(SpecificationError, match="no column 'time'; its columns are 't', 'd'"):
        person_period(data, "time", "d")
    with pytest.raises(SpecificationError, match="column 'period' is to be made"):
        person_period(data, "t", "d")
    with pytest.raises(SpecificationError, match="column 'y' is to be made.*id="):
        person_period(data.drop(columns="period"), "t", "d", id="y")
    with pytest.raises(SpecificationError, match="2 columns 't'"):
        person_period(pd.concat([data, data], axis=1), "t", "d")
    with pytest.raises(SpecificationError, match="no rows"):
        person_period(data.iloc[:0], "t", "d")
    with pytest.raises(SpecificationError, match="must be a pandas DataFrame, not dict"):
        person_period({"t": [1], "d": [1]}, "t", "d")
    # columns that are read are free to bear a new column's name
    renamed = data.rename(columns={"t": "period", "period": "z", "d": "y"})
    assert list(person_period(renamed, "period", "y").columns) == ["row", "period", "y", "z"]
