"""Fits that cannot be trusted say so: in a warning, in the verdict and in the summary."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm

import sm_gllamm.api as smg
from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.exceptions import (
    BoundaryWarning,
    ConvergenceWarning,
    IdentificationWarning,
    QuadratureWarning,
    SeparationWarning,
)
from tests.bad_input.data import BOTH, from_arrays, from_formula, simulate

VARIANCE = "var(Intercept|g)"


@pytest.fixture(scope="module")
def data():
    return simulate()


class TestIterationLimit:
    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("short", [1, 2])
    def test_verdict(self, model, short, data):
        start = [-1.0, 0.0, 4.0]
        limit = model(data).fit(start_params=start).verdict.iterations - short
        assert limit > 0
        reason = rf"iteration limit \({limit}\) reached"
        with pytest.warns(ConvergenceWarning, match=reason) as caught:
            result = model(data).fit(start_params=start, maxiter=limit)
        assert "more iterations" in str(caught[0].message) and caught[0].filename == __file__
        assert not result.converged and not result.verdict.ok
        assert result.verdict.iterations == limit
        assert result.mle_retvals["converged"] is False
        assert "more iterations" in " ".join(result.verdict.advice)
        for text in (str(result.summary()), str(result.summary2())):
            assert "iteration limit" in text.replace("\n    ", " ")
        assert np.isfinite(result.bse).all()

    def test_the_warning_can_be_left_out(self, data):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not from_formula(data).fit(maxiter=1, warn_convergence=False).converged

    def test_evaluation_at_given_values(self, data):
        start = {"Intercept": 0.0, "x": 0.5, VARIANCE: 1.0}
        with pytest.warns(ConvergenceWarning, match="no iterations were asked for"):
            result = from_formula(data).fit(start_params=start, maxiter=0)
        assert result.params.to_dict() == pytest.approx(start)

    @pytest.mark.parametrize("start", [[100.0, -300.0, 50.0], [0.0, 0.0, 0.0], [-5.0, 5.0, 1e-8]])
    @pytest.mark.parametrize("link", ["Logit", "Probit", "CLogLog"])
    def test_far_starts(self, start, link, data):
        family = sm.families.Binomial(getattr(sm.families.links, link)())
        model = from_formula(data, family=family)
        expected = model.fit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = model.fit(start_params=start)
        if result.converged:
            assert result.llf == pytest.approx(expected.llf, abs=1e-6)
        else:
            assert "starting values" in result.verdict.reason


class TestInterruption:
    """Ctrl-C at any evaluation of the likelihood."""

    @pytest.mark.parametrize("options", [{}, {"n_points": 7}])
    @pytest.mark.parametrize("call", range(1, 30))
    def test_best_point_so_far(self, call, options, data, monkeypatch):
        model = from_formula(data)
        finished = model.fit(**options)
        original, calls = Integrator.evaluate, []

        def interrupted(self, want, by_cluster=True):
            calls.append(want)
            if len(calls) == call:
                raise KeyboardInterrupt
            return original(self, want, by_cluster)

        monkeypatch.setattr(Integrator, "evaluate", interrupted)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = model.fit(**options)
            except KeyboardInterrupt:
                # there is nothing to return before the first point has been evaluated
                assert call <= 4
                return
        if len(calls) < call:
            assert result.converged
            return
        assert result.verdict.reason.startswith("interrupted")
        assert not result.converged and any(w.category is ConvergenceWarning for w in caught)
        assert "interrupted" in str(result.summary()).lower()
        assert np.isfinite(result.llf) and result.llf <= finished.llf + 1e-6

    def test_gaussian_and_restricted(self, monkeypatch):
        data = simulate("gaussian")
        for reml, last in ((False, 7), (True, 100)):
            original, calls = Integrator.evaluate, []

            def interrupted(self, want, by_cluster=True, original=original, calls=calls, last=last):
                calls.append(want)
                if len(calls) == last:
                    raise KeyboardInterrupt
                return original(self, want, by_cluster)

            with monkeypatch.context() as patch:
                patch.setattr(Integrator, "evaluate", interrupted)
                with pytest.warns(ConvergenceWarning, match="interrupted"):
                    try:
                        result = from_formula(data, family="gaussian").fit(reml=reml)
                    except KeyboardInterrupt:
                        pytest.fail(f"interruption of a fit with reml={reml} returns nothing")
            assert not result.converged and np.isfinite(result.params).all()


class TestBoundary:
    @pytest.mark.parametrize("family,seed", [("binomial", 3), ("poisson", 5), ("gaussian", 2)])
    @pytest.mark.parametrize("model", BOTH)
    def test_no_variance_between_clusters(self, family, seed, model):
        data = simulate(family, sd=0.0, seed=seed)
        with pytest.warns(BoundaryWarning, match="g"):
            result = model(data, family=family).fit()
        names = result.model.param_names
        where = names.index(VARIANCE)
        assert result.converged and result.verdict.boundary == (VARIANCE,)
        assert abs(np.asarray(result.params)[where]) < 1e-6
        assert np.isnan(np.asarray(result.bse)[where])
        assert np.isfinite(np.delete(np.asarray(result.bse), where)).all()
        for text in (str(result.summary()), str(result.summary2())):
            assert "nan" not in text and "On the boundary" in text
        assert "refitting without" in str(result.verdict)
        pooled = {"binomial": sm.families.Binomial, "poisson": sm.families.Poisson}.get(family)
        if pooled:
            glm = sm.GLM(data.y, sm.add_constant(data[["x"]]), family=pooled()).fit()
            np.testing.assert_allclose(np.asarray(result.params)[:2], glm.params, rtol=1e-5)
            np.testing.assert_allclose(np.asarray(result.bse)[:2], glm.bse, rtol=1e-4)

    def test_correlation_of_one(self):
        data = simulate("gaussian", sd=0.0, seed=2)
        u = np.random.default_rng(8).normal(size=40)[data.g]
        data["y"] += u + 0.5 * u * data.x
        with pytest.warns(BoundaryWarning, match="g"):
            result = from_formula(data, "y ~ x + (1 + x | g)", "gaussian").fit()
        assert result.converged and result.verdict.singular == ("g",)
        assert "Singular covariance matrix" in str(result.summary())
        assert "nan" not in str(result.summary())
        a, b, c = result.params.iloc[2:5]
        assert abs(b / np.sqrt(a * c)) == pytest.approx(1, abs=1e-3)

    def test_slope_without_variance(self):
        data = simulate("gaussian", seed=4)
        data["z"] = np.random.default_rng(3).normal(size=len(data))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = from_formula(data, "y ~ x + z + (1 + z || g)", "gaussian").fit()
        if result.verdict.boundary:
            assert any(w.category is BoundaryWarning for w in caught)
            assert np.isnan(result.bse["var(z|g)"]) and np.isfinite(result.bse[VARIANCE])
        assert "nan" not in str(result.summary())

    def test_counts_all_the_same(self, data):
        with pytest.warns(sm.tools.sm_exceptions.ModelWarning, match="is 3 in every row"):
            model = from_formula(data.assign(y=3.0), family="poisson")
        with pytest.warns(BoundaryWarning):
            result = model.fit()
        assert result.params.iloc[0] == pytest.approx(np.log(3))
        assert "nan" not in str(result.summary())


class TestSeparation:
    @pytest.mark.parametrize("link", ["Logit", "Probit", "CLogLog"])
    def test_complete(self, link, data):
        family = sm.families.Binomial(getattr(sm.families.links, link)())
        with pytest.warns(SeparationWarning, match="s"):
            result = from_formula(data.assign(s=data.y), "y ~ s + (1 | g)", family).fit()
        assert result.verdict.separation == ("s",) and not result.verdict.ok
        assert "Perfect separation: s" in str(result.summary())

    @pytest.mark.parametrize("model", BOTH)
    def test_quasi_complete(self, model, data):
        data = data.assign(s=data.y * (data.t % 3 == 0))
        exog = sm.add_constant(data[["x", "s"]])
        with pytest.warns(SeparationWarning, match="s"):
            if model is from_formula:
                result = model(data, "y ~ x + s + (1 | g)").fit()
            else:
                result = model(data, exog=exog).fit()
        assert result.verdict.separation == ("s",)
        assert abs(np.asarray(result.params)[1] - 0.7) < 0.5

    def test_cluster_explains_everything(self, data):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = from_formula(data.assign(y=data.g % 2.0)).fit()
        assert not result.verdict.ok and caught


class TestIdentification:
    def test_perfect_fit(self):
        data = simulate("gaussian")
        for response in (1 + 2 * data.x, data.g.astype(float)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = from_formula(data.assign(y=response), family="gaussian").fit()
            assert not result.verdict.ok
            assert {w.category for w in caught} & {
                ConvergenceWarning,
                IdentificationWarning,
                BoundaryWarning,
            }
            assert "nan" not in str(result.summary())

    def test_mean_runs_to_zero(self, data):
        data = simulate("gaussian")
        family = sm.families.Gaussian(sm.families.links.Log())
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            result = from_formula(data.assign(y=-np.exp(data.y / 5)), family=family).fit()
        assert not result.verdict.ok


class TestQuadrature:
    def test_too_few_points(self, data):
        with pytest.warns(QuadratureWarning, match="increase n_points or leave it out"):
            result = from_formula(data).fit(n_points=2)
        assert result.verdict.quadrature_error > 0.1
        assert "use more n_points" in str(result.summary()).replace("\n    ", " ")

    def test_laplace(self, data):
        with pytest.warns(QuadratureWarning):
            result = from_arrays(data).fit(integration="laplace")
        exact = from_arrays(data).fit()
        error = abs(result.model.loglike_at(result.params, n_points=31) - result.llf)
        assert result.verdict.quadrature_error == pytest.approx(error, rel=0.3)
        assert exact.verdict.quadrature_error < 1e-4


def test_warnings_are_statsmodels_own():
    pairs = [
        (ConvergenceWarning, sm.tools.sm_exceptions.ConvergenceWarning),
        (smg.QuadratureWarning, sm.tools.sm_exceptions.ConvergenceWarning),
        (smg.SeparationWarning, sm.tools.sm_exceptions.PerfectSeparationWarning),
        (smg.IdentificationWarning, sm.tools.sm_exceptions.HessianInversionWarning),
        (smg.BoundaryWarning, sm.tools.sm_exceptions.ModelWarning),
    ]
    for ours, theirs in pairs:
        assert issubclass(ours, theirs)
