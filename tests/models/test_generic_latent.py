"""statsmodels' own generic checks on models with latent variables."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from statsmodels.base.tests.test_generic_methods import CheckGenericMixin
from statsmodels.base.tests.test_shrink_pickle import RemoveDataPickle

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError


def simulate(family, seed=987689):
    """Return four items of 60 persons in 20 clusters, with a covariate of persons."""
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(60), 4), np.tile(np.arange(1, 5), 60)
    x = rng.normal(size=60)
    trait = (0.5 * x + rng.normal(size=60) + 0.7 * rng.normal(size=20)[np.arange(60) // 3])[person]
    nu = 0.3 * item - 0.7 + np.array([1.0, 0.8, 1.2, 0.9])[item - 1] * trait
    if family == "binomial":
        y = (rng.random(240) < 1 / (1 + np.exp(-nu))).astype(float)
    else:
        y = nu + rng.normal(size=240)
    return pd.DataFrame(
        {"y": y, "item": item, "person": person, "cluster": person // 3, "x": x[person]}
    )


def fit(family):
    latent = [smg.Latent("f", "person", "0 + C(item)"), smg.Latent("h", "cluster")]
    return smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)", simulate(family), latent, regressions=["f ~ x"], family=family
    ).fit()


class GenericCase(CheckGenericMixin):
    family = None

    def setup_method(self):
        super().setup_method()
        # the checks are about models from arrays
        model = fit(self.family).model
        endog, exog = np.asarray(model.endog), np.asarray(model.exog)
        self.results = type(model)(endog, exog, **model._get_init_kwds()).fit()
        self.exog = exog

    def test_predict_types(self):
        with pytest.raises(SpecificationError, match="by a DataFrame"):
            self.results.predict(self.exog[:2])

    # they predict for rows of a design
    test_zero_collinear = None
    test_zero_constrained = None


class TestGenericBinomial(GenericCase):
    family = "binomial"


class TestGenericGaussian(GenericCase):
    family = "gaussian"


class PickleCase(RemoveDataPickle):
    family = None

    def setup_method(self):
        self.results = fit(self.family)

    def test_remove_data_pickle(self):
        result = fit(self.family)
        params, table, diagram = result.params, result.param_table, result.path_diagram()
        new = result.model.data.frame.head(9)
        predicted = result.predict(new)
        before = len(pickle.dumps(result._results))
        result.remove_data()
        after = pickle.dumps(result._results)
        assert len(after) < 0.5 * before
        for kept in (result, pickle.loads(after)):
            np.testing.assert_array_equal(kept.params, params)
            pd.testing.assert_frame_equal(kept.param_table, table)
            assert kept.path_diagram() == diagram
            assert "Log-Likelihood" in kept.summary().as_text()
            np.testing.assert_array_equal(kept.predict(new), predicted)
            for ask in (kept.predict, kept.ranef, partial(getattr, kept, "latent_scores")):
                with pytest.raises(SpecificationError, match="removed by remove_data"):
                    ask()


class TestRemoveDataPickleBinomial(PickleCase):
    family = "binomial"


class TestRemoveDataPickleGaussian(PickleCase):
    family = "gaussian"


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_clone_by_init_kwds(family):
    result = fit(family)
    model = result.model
    clone = type(model)(model.endog, model.exog, **model._get_init_kwds())
    assert clone.loglike(result.params) == pytest.approx(result.llf, rel=1e-6)
    assert len(clone.param_names) == len(model.param_names)
