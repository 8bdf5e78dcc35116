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
