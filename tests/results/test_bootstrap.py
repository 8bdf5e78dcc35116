"""Bootstrap samples against explicit refits and known standard errors."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError


def test_clusters_drawn_are_clusters_copied(counts, binary):
    sample = binary.bootstrap(2, seed=13)
    rng = np.random.default_rng(13)
    for row in sample.params.to_numpy():
        times = rng.multinomial(40, np.full(40, 1 / 40))
        copies = [
            counts[counts["g"] == g].assign(copy=f"{g}.{k}")
            for g in range(40)
            for k in range(times[g])
        ]
        explicit = smgf.glmm(
            "y ~ x + C(f) + (1 | copy)", pd.concat(copies), family="binomial"
        ).fit()
        np.testing.assert_allclose(row, explicit.params, rtol=2e-3, atol=1e-3)


def test_parametric_samples_are_refits_of_simulated_responses(sleep, intercept):
    sample = intercept.bootstrap(2, method="parametric", seed=5)
    rng = np.random.default_rng(5)
    for row in sample.params.to_numpy():
        data = sleep.assign(Reaction=intercept.model.simulate(intercept.params, 1, rng))
        explicit = smgf.glmm("Reaction ~ Days + (1 | Subject)", data).fit()
        np.testing.assert_allclose(row, explicit.params, rtol=1e-4)


@pytest.mark.parametrize("method", ["cluster", "parametric"])
def test_standard_errors_are_of_the_right_size(intercept, method):
    sample = intercept.bootstrap(150, method=method, seed=0)
    assert sample.n_failed == 0
    if method == "parametric":
        np.testing.assert_allclose(sample.bse, intercept.bse, rtol=0.25)
    else:
        robust = intercept.model.fit(cov_type="robust")
        np.testing.assert_allclose(sample.bse, robust.bse, rtol=0.3)
    frame = sample.summary_frame()
    assert ((frame["lower"] < frame["estimate"]) & (frame["estimate"] < frame["upper"])).all()
    basic, normal = sample.conf_int(method="basic"), sample.conf_int(method="normal")
    np.testing.assert_allclose(basic[1] - basic[0], frame["upper"] - frame["lower"])
    np.testing.assert_allclose((normal[0] + normal[1]) / 2, intercept.params - sample.bias)
    assert sample.cov_params().shape == (4, 4)


def test_the_seed_decides(intercept):
    few, more = intercept.bootstrap(3, seed=9), intercept.bootstrap(5, seed=9)
    assert few.params.equals(more.params.iloc[:3])
    assert not few.params.equals(intercept.bootstrap(3, seed=10).params)


def test_constraints_and_reml_are_kept(sleep, slope):
    held = slope.model.fit_constrained({"Days": 10.0})
    assert (held.bootstrap(3, seed=1).params["Days"] - 10.0).abs().max() < 1e-9
    reml = smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep).fit(reml=True)
    sample = reml.bootstrap(60, seed=2)
    assert sample.n_failed == 0
    assert abs(sample.bias["var(Residual)"]) < 60


def test_weights_are_kept(counts):
    weighted = smgf.glmm(
        "y ~ x + (1 | g)", counts.assign(w=2.0), family="binomial", freq_weights={"g": "w"}
    ).fit()
    plain = smgf.glmm("y ~ x + (1 | g)", counts, family="binomial").fit()
    np.testing.assert_allclose(
        weighted.bootstrap(2, seed=4).params, plain.bootstrap(2, seed=4).params, rtol=1e-3
    )
    with pytest.raises(SpecificationError, match="cluster"):
        weighted.bootstrap(2, method="parametric")


def test_an_estimate_of_zero_does_not_hold_the_samples_there(no_effects):
    with pytest.warns(BoundaryWarning):
        result = smgf.glmm("y ~ x + (1 | g)", no_effects, family="binomial").fit()
    sample = result.bootstrap(20, method="parametric", seed=1)
    assert (sample.params["var(Intercept|g)"] > 0.01).sum() >= 4


def test_interruption_keeps_what_is_done(intercept, monkeypatch, capsys):
    whole = type(intercept.model).bootstrap_estimates

    def three(*args, **kwds):
        for i, found in enumerate(whole(*args, **kwds)):
            if i == 3:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(type(intercept.model), "bootstrap_estimates", three)
    sample = intercept.bootstrap(10, seed=1, disp=1)
    assert sample.interrupted and len(sample.params) == 3
    assert "interrupted after 3" in capsys.readouterr().out


def test_progress_is_printed(intercept, capsys):
    intercept.bootstrap(4, seed=1, disp=1)
    assert "sample     4 of 4" in capsys.readouterr().out


def test_bad_requests(intercept):
    with pytest.raises(SpecificationError, match="parametric"):
        intercept.bootstrap(method="rows")
    with pytest.raises(SpecificationError, match="at least one"):
        intercept.bootstrap(0)
    with pytest.raises(SpecificationError, match="percentile"):
        intercept.bootstrap(2, seed=1).conf_int(method="bca")
