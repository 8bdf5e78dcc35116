"""Fit measures agree with lavaan's."""

import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import CASES, data, fit

LEFT_OUT = {"gfi", "agfi", "cn_05", "srmr_mplus"}


@pytest.mark.parametrize("case", list(CASES))
def test_fit_measures(case):
    known = {name.replace(".", "_"): value for name, value in CASES[case]["fit"].items()}
    ours = fit(case).fit_measures()
    if "scaling_factor_h0" in known:
        # lavaan divides by the number of free parameters, equal ones counted each
        known["scaling_factor_h0"] *= fit(case).model.table.n_free / fit(case).df_modelwc
    for name in set(known) - LEFT_OUT:
        if known[name] is None:
            continue
        scale = max(1.0, abs(known[name]))
        # EM has not quite converged in lavaan's saturated models of two levels
        tolerance = 2e-3 if case == "twolevel_robust" else 1e-4
        assert abs(ours[name] - known[name]) < tolerance * min(scale, 100.0), (
            name, ours[name], known[name]
        )  # fmt: skip


def test_one_index_after_the_other_is_finite():
    assert np.isfinite(fit("cfa").fit_measures()).all()


@pytest.mark.filterwarnings("ignore")
def test_too_few_clusters_have_no_saturated_model():
    text = "level: 1 \n y1 ~ x1 \n y2 ~ x1 \n level: 2 \n y1 + y2 ~ w1 + w2"
    few = data("twolevel").query("cluster < 4")
    result = SEM(text, few, cluster="cluster").fit(maxiter=5)
    with pytest.raises(SpecificationError, match="too few clusters"):
        result.fit_measures()
    with pytest.raises(SpecificationError, match="too few clusters"):
        result.chisquare()
    assert "chi2(" not in result.summary().as_text()


@pytest.mark.parametrize("missing", [False, True])
def test_clusters_of_the_fit_are_those_of_the_model(missing):
    frame = data("holzinger").assign(block=lambda d: np.arange(len(d)) // 7)
    if missing:
        frame["x1"] = frame["x1"].where(frame["ageyr"] > 12)
    text = "visual =~ x1 + x2 + x3 \n textual =~ x4 + x5 + x6"
    one = SEM(text, frame, cluster="block", meanstructure=True).fit()
    other = SEM(text, frame, meanstructure=True)
    other = other.fit(cov_type="cluster", cov_kwds={"groups": frame["block"]})
    np.testing.assert_allclose(one.fit_measures(), other.fit_measures(), rtol=1e-8, atol=1e-12)
    assert "Robust CFI" in other.summary().as_text()
