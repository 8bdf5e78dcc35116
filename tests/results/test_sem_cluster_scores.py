"""Scores and predictions of models of two levels, against whole clusters and lavaan."""

import numpy as np
import pandas as pd
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.likelihood.test_normal_clusters import holes
from tests.models.sem_cases import CASES, fit

TEXT = """level: 1
fw =~ y1 + y2 + y3
fw ~ x
y2 ~ x
level: 2
fb =~ y1 + y2 + y3
fb ~ w
z ~ fb"""


@pytest.fixture(scope="module")
def result():
    # given starting values, without a fit: what is checked is true at any parameters
    model = SEM(TEXT, holes(40, seed=3), cluster="g")
    return model.fit(model.start_params, maxiter=0, warn_convergence=False)


class Whole:
    """All rows of a cluster and its latent variables as one normal vector."""

    def __init__(self, result, rows):
        low, high = result.model.mapping.implied(np.asarray(result.params))
        self.n, self.q = len(rows), len(low.block.variables)
        self.low = {name: i for i, name in enumerate(low.block.variables)}
        self.high = {name: i for i, name in enumerate(high.block.variables)}
        size = self.n * self.q + len(self.high)
        self.total = np.zeros((size, size))
        self.total[: self.n * self.q, : self.n * self.q] = np.kron(np.eye(self.n), low.covariance)
        self.total[self.n * self.q :, self.n * self.q :] = high.covariance
        self.mean = np.concatenate([np.tile(low.mean, self.n), high.mean])
        self.observed = (
            [*low.block.variables[: low.block.n_observed]],
            [n for n in high.block.variables[: high.block.n_observed] if n not in self.low],
        )

    def pick(self, i, name):
        out = np.zeros(len(self.mean))
        if name in self.low:
            out[i * self.q + self.low[name]] = 1.0
        if name in self.high:
            out[self.n * self.q + self.high[name]] = 1.0
        return out

    def data(self, rows, given=None):
        """Picks of the observed values, and the values."""
        picks, values = [], []
        for i, (_, row) in enumerate(rows.iterrows()):
            for name in self.observed[0] + (self.observed[1] if i == 0 else []):
                if not np.isnan(row[name]) and (given is None or name in given):
                    picks.append(self.pick(i, name))
                    values.append(row[name])
        return np.array(picks), np.array(values)

    def posterior(self, rows, wanted, given=None):
        seen, values = self.data(rows, given)
        if not len(seen):
            return wanted @ self.mean, np.sqrt(np.diag(wanted @ self.total @ wanted.T))
        cross = self.total @ seen.T
        slope = cross @ np.linalg.inv(seen @ cross)
        mean = self.mean + slope @ (values - seen @ self.mean)
        left = self.total - slope @ cross.T
        return wanted @ mean, np.sqrt(np.diag(wanted @ left @ wanted.T))


def some(result):
    data = result.model.inputs.endog.assign(g=result.model.inputs.cluster)
    return [data[data["g"] == cluster] for cluster in (0, 4, 7, 21)]


def test_regression_scores(result):
    scores = result.factor_scores(se=True)
    for rows in some(result):
        whole = Whole(result, rows)
        for name in ("fw", "fb"):
            wanted = np.array([whole.pick(i, name) for i in range(len(rows))])
            mean, sd = whole.posterior(rows, wanted)
            np.testing.assert_allclose(scores.loc[rows.index, name], mean, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(scores.loc[rows.index, f"se({name})"], sd, rtol=1e-7)


def test_bartlett_scores(result):
    """Generalised least squares for one latent variable, all else random, covariates given."""
    params = np.asarray(result.params)
    scores = result.factor_scores(method="bartlett", se=True)
    checked = 0
    for rows in some(result):
        whole = Whole(result, rows)
        picks, values = whole.data(rows)
        covariate = whole.n * whole.q + whole.high["w"]
        is_x = np.array(
            [
                p[whole.low["x"] : whole.n * whole.q : whole.q].any() or p[covariate] > 0
                for p in picks
            ]
        )
        v = picks @ whole.total @ picks.T
        y, x = np.flatnonzero(~is_x), np.flatnonzero(is_x)
        slope = np.linalg.solve(v[np.ix_(x, x)], v[np.ix_(x, y)]).T
        e = (values - picks @ whole.mean)[y] - slope @ (values - picks @ whole.mean)[x]
        spread = v[np.ix_(y, y)] - slope @ v[np.ix_(x, y)]
        for name, i in (("fb", 0), ("fw", 0), ("fw", len(rows) - 1)):
            factor = whole.pick(i, name)
            block = result.model.mapping.blocks[0 if name == "fw" else 1]
            place = {n: k for k, n in enumerate(block.variables)}
            loading = {n: block.matrices(params)[0][place[n], place[name]] for n in place}
            effect = np.zeros(len(y))
            for k, pick in enumerate(picks[y]):
                for n, b in loading.items():
                    at = (
                        i * whole.q + whole.low[n]
                        if name == "fw"
                        else whole.n * whole.q + whole.high[n]
                    )
                    effect[k] += b * pick[at]
            prior = factor @ whole.total @ factor
            with_x = factor @ whole.total @ picks[x].T
            back = np.linalg.solve(v[np.ix_(x, x)], with_x)
            centre = factor @ whole.mean + back @ (values - picks @ whole.mean)[x]
            prior -= back @ with_x
            information = effect @ np.linalg.solve(spread, effect)
            row = rows.index[i]
            if information < 1e-12:
                assert np.isnan(scores.loc[row, name])
                continue
            checked += 1
            expected = centre + effect @ np.linalg.solve(spread, e) / information
            assert scores.loc[row, name] == pytest.approx(expected, rel=1e-7, abs=1e-9)
            error = np.sqrt(1.0 / information - prior)
            assert scores.loc[row, f"se({name})"] == pytest.approx(error, rel=1e-6)
    assert checked > 6


@pytest.mark.parametrize("given", [None, ["x", "w"], ["y1", "z"]])
def test_predictions(result, given):
    known = ["x", "w"] if given is None else given
    found = result.predict(given=given, se=True)
    for rows in some(result):
        whole = Whole(result, rows)
        for name in ("y2", "y3"):
            wanted = np.array([whole.pick(i, name) for i in range(len(rows))])
            mean, sd = whole.posterior(rows, wanted, known)
            np.testing.assert_allclose(found.loc[rows.index, name], mean, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(found.loc[rows.index, f"se({name})"], sd, rtol=1e-7)


def test_new_clusters_are_as_known_ones(result):
    rows = some(result)[2]
    for method in ("regression", "bartlett"):
        pd.testing.assert_frame_equal(
            result.factor_scores(rows, method), result.factor_scores(method=method).loc[rows.index]
        )
    new = rows.drop(columns=["y2", "y3", "z"])
    found = result.predict(new, ["y2"], ["y1", "x", "w"])
    assert found.equals(result.predict(rows, ["y2"], ["y1", "x", "w"]))
    with pytest.raises(SpecificationError, match="no column 'y2'"):
        result.factor_scores(new)
    with pytest.raises(SpecificationError, match="needs the column 'g'"):
        result.factor_scores(rows.drop(columns="g"))
    with pytest.raises(SpecificationError, match="'nox' is no observed variable"):
        result.predict(outcomes=["nox"])


def test_scores_of_lavaan():
    known = CASES["twolevel"]
    scores = fit("twolevel").factor_scores()
    np.testing.assert_allclose(scores["fw"][:4], np.ravel(known["row_regression"]), atol=3e-4)


def test_groups_keep_the_order_of_rows():
    data = holes(40, seed=3).dropna(subset=["y1", "y2", "y3"], how="all")
    model = SEM("level: 1 \n fw =~ y1 + y2 + y3 \n level: 2 \n y1 ~~ y2", data, cluster="g",
                groups="country", group_equal=["loadings"])  # fmt: skip
    result = model.fit(model.start_params, maxiter=0, warn_convergence=False)
    scores = result.factor_scores()
    assert list(scores.index) == list(model.inputs.endog.index)
    some = data[data["country"] == "b"]
    pd.testing.assert_frame_equal(
        result.factor_scores(some), scores.loc[scores.index.isin(some.index)]
    )
