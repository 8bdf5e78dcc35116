"""Bootstrap and profile likelihoods of mixtures of models."""

import numpy as np
import pytest
from scipy import optimize

import sm_gllamm.api as smg
from sm_gllamm.datasets import epil
from sm_gllamm.exceptions import SpecificationError


@pytest.fixture(scope="module")
def result():
    data = epil.load_pandas().data
    model = smg.Mixture.from_formula("y ~ trt", data, 2, groups="subject", family="poisson")
    return model.fit(n_starts=3)


def test_bootstrap_draws_units(result):
    one, other = (result.bootstrap(6, seed=2).params for _ in range(2))
    np.testing.assert_allclose(one, other)
    assert (one.std() > 0.01).all()
    drawn = result.bootstrap(4, method="parametric", seed=2).params
    assert (drawn.std() > 0.01).all()


def test_profiles_are_maxima_over_the_other_parameters(result):
    name = "class2:trt[T.progabide]"
    profile = result.profile(name)
    model, k = result.model, result.model.param_names.index(name)
    row = profile.table.iloc[0]

    def negative(others):
        params = np.insert(others, k, row["value"])
        return -model.loglike(params), -np.delete(model.score(params), k)

    start = np.delete(np.asarray(result.params), k)
    found = optimize.minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-6})
    assert row["llf"] == pytest.approx(-found.fun, abs=1e-6)


def test_numbers_of_classes_are_not_compared_by_chi_square(result):
    data = epil.load_pandas().data
    other = smg.Mixture.from_formula("y ~ trt", data, 1, groups="subject", family="poisson").fit()
    with pytest.raises(SpecificationError, match="2 and 1 classes.*compare_blrt"):
        result.compare_lr_test(other)
    plain = smg.Mixture.from_formula("y ~ 1", data, 2, groups="subject", family="poisson")
    test = result.compare_lr_test(plain.fit(n_starts=3))
    assert test.df_diff == 2
    assert result.info_criteria("icl") > result.bic
