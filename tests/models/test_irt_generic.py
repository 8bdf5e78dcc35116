"""What results of every model do, for item response models: statsmodels' generic checks and more."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.base.tests.test_generic_methods import CheckGenericMixin
from statsmodels.base.tests.test_shrink_pickle import RemoveDataPickle
from statsmodels.tools.sm_exceptions import InvalidTestWarning

import sm_gllamm.api as smg
from sm_gllamm.estimation.newton import INTERRUPTED
from sm_gllamm.exceptions import ConvergenceWarning, SpecificationError
from tests.reference import load_data

ITEMS = [f"item_{k}" for k in range(1, 7)]
EQUAL = ", ".join(f"slope[item_{k}] = slope[item_{k + 1}]" for k in range(1, 6))


def people(n=400):
    """Return six items of two correlated kinds, of persons of two sexes in schools."""
    rng = np.random.default_rng(7)
    x, school = rng.normal(size=n), rng.integers(0, 30, n)
    both = rng.normal(size=(n, 3)) @ np.array([[0.85, 0.85], [0.5, 0.0], [0.0, 0.5]])
    theta = both + (0.4 * x + 0.6 * rng.normal(size=30)[school])[:, None]
    kind, shift = [0, 0, 0, 1, 1, 1], [1.0, -0.5, 0.0, 0.4, 0.8, -0.6]
    slope = [0.9, 1.5, 1.2, 1.8, 1.1, 1.4]
    frame = {
        item: (slope[j] * theta[:, kind[j]] + shift[j] + rng.logistic(size=n) > 0).astype(int)
        for j, item in enumerate(ITEMS)
    }
    return pd.DataFrame(frame).assign(
        x=x, sex=rng.choice(["f", "m"], n), school=school, count=rng.integers(1, 4, n)
    )


DATA = people()


@pytest.fixture(scope="module")
def two():
    return smg.IRT(DATA, items=ITEMS, regression="~ x").fit()


@pytest.fixture(scope="module")
def one():
    return smg.IRT(DATA, "1PL", items=ITEMS, regression="~ x").fit()


class TestGeneric(CheckGenericMixin):
    def setup_method(self):
        super().setup_method()
        self.results = smg.IRT(load_data("lsat").iloc[::5]).fit()

    # these take parameters by number, and predict for rows of a design
    test_ttest_tvalues = None
    test_fitted = None
    test_predict_types = None
    test_zero_collinear = None
    test_zero_constrained = None


class TestRemoveDataPickle(RemoveDataPickle):
    def setup_method(self):
        self.results = smg.IRT(DATA, items=ITEMS, regression="~ x").fit()

    # they predict for rows of a design
    def test_remove_data_pickle(self):
        result = self.results
        params, table, bank = result.params, result.item_table(), result.bank
        size = len(pickle.dumps(result._results))
        result.remove_data()
        after = pickle.dumps(result._results)
        assert len(after) < 0.7 * size
        for kept in (result, pickle.loads(after)):
            np.testing.assert_array_equal(kept.params, params)
            pd.testing.assert_frame_equal(pd.DataFrame(kept.item_table()), table)
            assert kept.bank.names == bank.names
            assert "Log-Likelihood" in kept.summary().as_text()
        with pytest.raises(SpecificationError, match="removed by remove_data"):
            result.model.fit()

    test_remove_data_docstring = None


class TestParametersByName:
    def test_equal_slopes_are_one_slope(self, two, one):
        restricted = two.model.fit_constrained(EQUAL)
        assert restricted.llf == pytest.approx(one.llf, abs=1e-5)
        slopes = restricted.params.filter(like="slope[")
        np.testing.assert_allclose(slopes, one.params["slope"], rtol=1e-4)
        np.testing.assert_allclose(restricted.bse[slopes.index], one.bse["slope"], rtol=1e-4)
        by_constraint = two.compare_lr_test(restricted)
        by_model = two.compare_lr_test(one)
        assert by_constraint.df_diff == by_model.df_diff == 5
        assert by_constraint.statistic == pytest.approx(by_model.statistic, abs=1e-4)
        assert by_model.pvalue == pytest.approx(stats.chi2.sf(by_model.statistic, 5))

    def test_wald(self, two):
        test = two.wald_test(EQUAL, scalar=True)
        names = [f"slope[{item}]" for item in ITEMS]
        difference = -np.diff(two.params[names])
        contrast = -np.diff(np.eye(6), axis=0)
        covariance = contrast @ two.cov_params().loc[names, names].to_numpy() @ contrast.T
        assert test.statistic == pytest.approx(difference @ np.linalg.solve(covariance, difference))
        single = two.t_test("slope[item_1] = slope[item_2]")
        assert single.tvalue.item() == pytest.approx(difference[0] / np.sqrt(covariance[0, 0]))
        with pytest.raises(SpecificationError, match="use wald_test"):
            two.wald_test_terms()

    def test_profile(self, two):
        low, high = two.profile("slope[item_3]").limits
        at_low = two.model.fit_constrained({"slope[item_3]": low}).llf
        assert 2 * (two.llf - at_low) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-3)
        assert low < two.params["slope[item_3]"] < high


class TestLikelihoodRatio:
    """Statistic and degrees of freedom of nested models; an error that says why others are not."""

    @staticmethod
    def fitted(model="2PL", **options):
        return smg.IRT(DATA, model, items=ITEMS, **options).fit()

    @pytest.mark.parametrize(
        ("full", "restricted", "df", "n_zero"),
        [
            ({"regression": "~ x + sex"}, {"regression": "~ x"}, 1, 0),
            ({"groups": "sex", "group_equal": ()}, {"groups": "sex"}, 10, 0),
            ({"groups": "sex", "group_equal": "slopes"}, {"groups": "sex"}, 5, 0),
            ({"groups": "sex", "free_items": ["item_1"]}, {"groups": "sex"}, 2, 0),
            ({"groups": "sex"}, {}, 2, 0),
            ({"groups": "sex"}, {"groups": "sex", "model": "1PL"}, 5, 0),
            ({"regression": "~ sex", "dif": {"item_1": "~ sex"}}, {"regression": "~ sex"}, 1, 0),
            ({}, {"model": "Rasch"}, 5, 0),
            ({}, {"model": "Rasch", "fixed": {"item_1": {"intercept": 2.7}}}, 5, 0),
            ({"clusters": "school"}, {}, 1, 1),
            ({"dimensions": {"A": ITEMS[:3], "B": ITEMS[3:]}}, {}, 1, 1),
            (
                {"model": "Rasch", "specific": {"s": ITEMS[:2]}, "testlets": True},
                {"model": "Rasch"}, 1, 1,
            ),
        ],
    )  # fmt: skip
    def test_nested(self, full, restricted, df, n_zero):
        full, restricted = self.fitted(**full), self.fitted(**restricted)
        test = full.compare_lr_test(restricted)
        assert (test.df_diff, test.n_zero) == (df, n_zero)
        assert test.statistic == pytest.approx(max(2 * (full.llf - restricted.llf), 0))

    @pytest.mark.parametrize(
        ("full", "restricted", "match"),
        [
            ({"model": "1PL"}, {}, "item 'item_1' is '2PL' in the restricted model and '1PL' here"),
            ({}, {"regression": "~ x"}, r"latent regression on \['x'\], this one has not"),
            ({}, {"groups": "sex"}, "groups that this one has not"),
            (
                {"groups": "sex"}, {"groups": "sex", "free_items": ["item_2"]},
                "slopes of item 'item_2' differ between groups in the restricted model only",
            ),
            ({}, {"clusters": "school"}, "clusters that this one has not"),
            ({"link": "probit"}, {}, "the links differ"),
            (
                {"dimensions": {"A": ITEMS[:3], "B": ITEMS[3:]}, "correlated": False}, {},
                "uncorrelated dimensions",
            ),
            (
                {"dimensions": {"A": ITEMS[:3], "B": ITEMS[3:]}},
                {"dimensions": {"A": ITEMS[:2], "B": ITEMS[2:]}},
                "item 'item_3' measures 'B' in the restricted model only",
            ),
            (
                {"fixed": {"item_1": {"slope": 1.0}}}, {},
                "the slope of item 'item_1' is known here and not",
            ),
            ({"priors": {"slope": ("normal", 1, 1)}}, {"model": "1PL"}, "posterior modes"),
            ({"freq_weights": "count"}, {"model": "1PL"}, "different"),
            ({"weights": "count"}, {"weights": "count", "model": "1PL"}, "sampling weights"),
        ],
    )  # fmt: skip
    def test_not_nested(self, full, restricted, match):
        full, restricted = self.fitted(**full), self.fitted(**restricted)
        with pytest.raises(SpecificationError, match=match):
            full.compare_lr_test(restricted)

    @pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
    @pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.IdentificationWarning")
    def test_asymptotes(self):
        free = self.fitted({"item_1": "3PL"})
        known = {value: self.fitted(fixed={"item_1": {"lower": value}}) for value in (0.0, 0.1)}
        upper = self.fitted(fixed={"item_1": {"upper": 0.95}})
        plain = self.fitted()
        for restricted, n_zero in ((known[0.1], 0), (known[0.0], 1), (plain, 1)):
            test = free.compare_lr_test(restricted)
            assert (test.df_diff, test.n_zero) == (1, n_zero)
        # the same asymptote, said to be known and of an item that would have it free
        other = self.fitted(
            {**dict.fromkeys(ITEMS, "1PL"), "item_1": "3PL"}, fixed={"item_1": {"lower": 0.1}}
        )
        assert known[0.1].compare_lr_test(other).df_diff == 4
        for full, restricted, match in (
            (free, upper, "upper asymptote of item 'item_1' is 1 here and 0.95 in"),
            (plain, known[0.1], "lower asymptote of item 'item_1' is 0 here and 0.1 in"),
            (known[0.1], free, "lower asymptote of item 'item_1' is 0.1 here and free in"),
            (plain, free, "lower asymptote of item 'item_1' is 0 here and free in"),
        ):
            with pytest.raises(SpecificationError, match=match):
                full.compare_lr_test(restricted)

    def test_slopes_of_zero(self):
        full = self.fitted(specific={"s": ITEMS[:3]})
        with pytest.warns(InvalidTestWarning, match="parametric bootstrap"):
            assert full.compare_lr_test(self.fitted()).df_diff == 3

    def test_polytomous(self):
        from sm_gllamm import datasets

        data = datasets.science.load_pandas().data[["comfort", "work", "future", "benefit"]]
        fits = [smg.IRT(data, name).fit() for name in ("nominal", "GPCM", "PCM", "RSM")]
        for full, restricted, df in zip(fits, fits[1:], (8, 3, 6), strict=False):
            assert full.compare_lr_test(restricted).df_diff == df
        with pytest.raises(SpecificationError, match="'GPCM' in the restricted .* 'graded' here"):
            smg.IRT(data, "graded").fit().compare_lr_test(fits[1])


class TestWeights:
    @pytest.mark.parametrize("options", [{}, {"regression": "~ x"}, {"clusters": "school"}])
    def test_frequencies_are_copies(self, options):
        counted = smg.IRT(DATA, items=ITEMS, freq_weights="count", **options).fit()
        copies = DATA.loc[DATA.index.repeat(DATA["count"])].reset_index(drop=True)
        if "clusters" in options:
            expanded = smg.IRT(copies, items=ITEMS, **options).fit()
        else:
            # several persons a pattern
            expanded = smg.IRT(copies, items=ITEMS, **options).fit()
            robust = smg.IRT(DATA, items=ITEMS, freq_weights="count", **options).fit(
                cov_type="robust"
            )
            explicit = smg.IRT(copies, items=ITEMS, **options).fit(cov_type="robust")
            np.testing.assert_allclose(robust.bse, explicit.bse, rtol=1e-6)
        assert counted.nobs == expanded.nobs == len(copies)
        assert counted.llf == pytest.approx(expanded.llf, abs=1e-5)
        assert counted.bic == pytest.approx(expanded.bic, abs=1e-4)
        np.testing.assert_allclose(counted.params, expanded.params, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(counted.bse, expanded.bse, rtol=1e-4)

    def test_sampling_weights(self):
        scaled = smg.IRT(DATA, items=ITEMS, weights=7.0 * DATA["count"]).fit()
        counted = smg.IRT(DATA, items=ITEMS, freq_weights="count").fit()
        assert scaled.cov_type == "robust"
        assert scaled.nobs == len(DATA)
        np.testing.assert_allclose(scaled.params, counted.params, rtol=1e-4, atol=1e-5)
        share = len(DATA) / DATA["count"].sum()
        assert scaled.llf == pytest.approx(share * counted.llf, rel=1e-7)
        # sandwich of the weighted scores of persons
        weight = DATA["count"].to_numpy() * share
        scores = smg.IRT(DATA, items=ITEMS)
        scores.fit(scaled.params, maxiter=0, n_points=41, warn_convergence=False)
        s = scores.score_obs(scaled.params.to_numpy()) * weight[:, None]
        bread = np.linalg.inv(-scaled.model.hessian(scaled.params.to_numpy()))
        np.testing.assert_allclose(scaled.cov_params(), bread @ (s.T @ s) @ bread, rtol=1e-3)

    @pytest.mark.parametrize("options", [{}, {"regression": "~ x"}])
    def test_sandwiches(self, options):
        model = smg.IRT(DATA, items=ITEMS, **options)
        robust = model.fit(cov_type="robust")
        p = robust.params.to_numpy()
        s = model.score_obs(p)
        assert s.shape == (len(DATA), len(p))
        bread = np.linalg.inv(-model.hessian(p))
        np.testing.assert_allclose(robust.cov_params(), bread @ (s.T @ s) @ bread, rtol=1e-6)
        by_school = model.fit(cov_type="cluster", cov_kwds={"groups": DATA["school"]})
        sums = pd.DataFrame(s).groupby(DATA["school"]).sum().to_numpy()
        meat = sums.T @ sums * len(sums) / (len(sums) - 1)
        np.testing.assert_allclose(by_school.cov_params(), bread @ meat @ bread, rtol=1e-6)

    def test_cluster_groups_must_hold_whole_clusters(self):
        model = smg.IRT(DATA, items=ITEMS, clusters="school")
        with pytest.raises(SpecificationError, match="whole clusters of school"):
            model.fit(cov_type="cluster", cov_kwds={"groups": DATA["sex"]})


class TestFit:
    def test_start_params(self, two):
        again = two.model.fit(two.params.to_dict())
        assert again.verdict.iterations <= 1
        assert again.llf == pytest.approx(two.llf, abs=1e-6)
        held = two.model.fit(two.params, maxiter=0, n_points=41, warn_convergence=False)
        assert held.llf == pytest.approx(two.llf, abs=2e-5)
        np.testing.assert_array_equal(held.params, two.params)
        with pytest.raises(SpecificationError, match="start_params names"):
            two.model.fit({"slope": 1.0})

    def test_threads_and_repetition_change_nothing(self):
        options = {"items": ITEMS, "model": "3PL", "priors": {"lower": ("beta", 5, 17)}}
        fits = [smg.IRT(DATA, n_threads=k, **options).fit() for k in (1, 2, 1)]
        for other in fits[1:]:
            np.testing.assert_array_equal(fits[0].params, other.params)
            np.testing.assert_array_equal(fits[0].bse, other.bse)

    def test_disp(self, capsys):
        smg.IRT(DATA, items=ITEMS).fit(disp=1)
        assert "iteration   0  log-likelihood" in capsys.readouterr().out

    @pytest.mark.filterwarnings("ignore:the log-likelihood is off")
    def test_iteration_limit(self):
        with pytest.warns(ConvergenceWarning, match="iteration limit"):
            # the usual start is too near to the maximum
            result = smg.IRT(DATA, items=ITEMS).fit(np.repeat([1.0, 0.3], 6), maxiter=1)
        assert not result.converged
        assert np.isfinite(result.bse).all()

    def test_interrupted(self, monkeypatch):
        model = smg.IRT(DATA, items=ITEMS)
        evaluate, calls = type(model.likelihood).evaluate, []

        def pressed(self, theta, *args, **kwargs):
            calls.append(theta)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return evaluate(self, theta, *args, **kwargs)

        monkeypatch.setattr(type(model.likelihood), "evaluate", pressed)
        with pytest.warns(ConvergenceWarning):
            result = model.fit()
        assert not result.converged
        assert result.verdict.reason == INTERRUPTED

    def test_pickle(self, two):
        again = pickle.loads(pickle.dumps(two))
        np.testing.assert_array_equal(again.params, two.params)
        np.testing.assert_array_equal(again.bse, two.bse)
        assert again.model.fit().llf == pytest.approx(two.llf, abs=1e-6)
        assert pickle.loads(pickle.dumps(two.model)).fit().llf == pytest.approx(two.llf, abs=1e-6)

    def test_summaries(self, two):
        text = two.summary().as_text()
        assert "6 x 2PL" in text
        assert "theta ~ x" in text
        assert "slope[item_5]" in two.summary2().as_text()
        restricted = two.model.fit_constrained("slope[item_1] = 1")
        assert "slope[item_1] = 1" in restricted.summary().as_text()

    def test_priors_are_not_in_the_log_likelihood(self):
        priors = {"lower": ("beta", 5, 17), "slope": ("lognormal", 0.2, 0.6)}
        model = smg.IRT(DATA, "3PL", items=ITEMS, priors=priors)
        result = model.fit()
        free = smg.IRT(DATA, "3PL", items=ITEMS)
        p = result.params.to_numpy()
        free.fit(p, maxiter=0, n_points=41, warn_convergence=False)
        assert result.llf == pytest.approx(free.loglike(p), abs=2e-5)
        assert "beta(5, 17)" in result.summary().as_text()
        # the posterior mode: slope of log-likelihood and log prior are opposite
        a, g = p[model.param_names.index("slope[item_2]")], p[6]
        assert model.param_names[6] == "logit_lower[item_1]"
        slope = -((np.log(a) - 0.2) / 0.36 + 1) / a
        position = model.param_names.index("slope[item_2]")
        assert free.score(p)[position] == pytest.approx(-slope, abs=1e-3)
        c = 1 / (1 + np.exp(-g))
        assert free.score(p)[6] == pytest.approx(-(4 * (1 - c) - 16 * c), abs=1e-3)
        np.testing.assert_allclose(model.score(p), 0, atol=1e-6)


class TestSamples:
    def test_simulated_responses(self):
        data = DATA.assign(item_2=DATA["item_2"].astype(float).mask(DATA.index % 5 == 0))
        model = smg.IRT(data, items=ITEMS, groups="sex")
        params = model.start_params
        drawn = model.simulate(params, n=200, seed=5)
        assert drawn.shape == (len(data), 6, 200)
        assert ((drawn[:, 1] == -1) == data["item_2"].isna().to_numpy()[:, None]).all()
        for g, label in enumerate(model.group_labels):
            means = drawn[data["sex"] == label].transpose(0, 2, 1)
            share = [means[..., j][means[..., j] >= 0].mean() for j in range(6)]
            expected = model.predict(params, which="mean", group=g)[0]
            np.testing.assert_allclose(share, expected, atol=0.015)
        again = model.simulate(params, seed=5)
        np.testing.assert_array_equal(again, drawn[..., 0])

    @pytest.mark.parametrize("method", ["cluster", "parametric"])
    def test_bootstrap(self, one, method):
        sample = one.bootstrap(40, method=method, seed=1)
        assert sample.n_failed == 0
        np.testing.assert_allclose(sample.bse, one.bse, rtol=0.45)
