"""Structural equation models for responses of any type: the same numbers as the other fronts."""

import numpy as np
import pytest

import sm_gllamm.api as smg
from sm_gllamm.datasets import lsat

LSAT = " + ".join(f"item_{k}" for k in range(1, 6))


def lsat_data():
    return lsat.load_pandas().data


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_a_factor_of_binary_indicators_is_the_two_parameter_model(link):
    data = lsat_data()
    items = smg.IRT(data, link=link).fit()
    for options in ({}, {"std_lv": True}):
        result = smg.SEM(f"f =~ {LSAT}", data, ordered=True, link=link, **options).fit()
        assert result.converged
        assert result.llf == pytest.approx(items.llf, rel=1e-9)
    slopes = [items.params[f"slope[item_{k}]"] for k in range(1, 6)]
    np.testing.assert_allclose(result.params.filter(like="=~"), slopes, atol=2e-4)
    np.testing.assert_allclose(
        result.params.filter(like="|t1"), -items.params.filter(like="intercept"), atol=2e-4
    )
    np.testing.assert_allclose(
        result.bse.filter(like="=~"), items.bse.filter(like="slope"), rtol=1e-3
    )
