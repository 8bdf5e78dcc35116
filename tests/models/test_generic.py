"""statsmodels' own generic checks, on array and formula models and under both formula engines."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula as formula
from statsmodels.base.tests.test_generic_methods import CheckGenericMixin
from statsmodels.base.tests.test_shrink_pickle import RemoveDataPickle

import sm_gllamm.api as smg


def simulate(family, exog, groups, seed=987689):
    """Outcomes of a random-intercept model with these rows and clusters."""
    rng = np.random.default_rng(seed)
    effect = 0.7 * rng.standard_normal(groups.max() + 1)[groups]
    linear = exog @ np.array([0.2, 0.4, -0.3, 0.1]) + effect
    if family == "poisson":
        return rng.poisson(np.exp(0.5 * linear)).astype(float)
    if family == "binomial":
        return (rng.random(len(groups)) < 1 / (1 + np.exp(-linear))).astype(float)
    return linear + rng.standard_normal(len(groups))


FAMILIES = {
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gaussian": sm.families.Gaussian(),
}


class GenericCase(CheckGenericMixin):
    family = None

    def setup_method(self):
        super().setup_method()
        groups = np.repeat(np.arange(50), 10)
        y = simulate(self.family, self.exog, groups)
        model = smg.GLMM(y, self.exog, groups=groups, family=FAMILIES[self.family])
        # Without options: the checks fit again without them.
        self.results = model.fit()


class TestGenericBinomial(GenericCase):
    family = "binomial"


class TestGenericPoisson(GenericCase):
    family = "poisson"


class TestGenericGaussian(GenericCase):
    family = "gaussian"


class PickleCase(RemoveDataPickle):
    family = None

    def setup_method(self):
        super().setup_method()
        groups = np.repeat(np.arange(100), 10)
        y = simulate(self.family, self.exog, groups)
        self.model_class = smg.GLMM
        self.model_args = (y, self.exog)
        self.model_kwargs = {"groups": groups, "family": FAMILIES[self.family]}
        self.results = self.model_class(*self.model_args, **self.model_kwargs).fit()


class TestRemoveDataPickleBinomial(PickleCase):
    family = "binomial"


class TestRemoveDataPicklePoisson(PickleCase):
    family = "poisson"


class TestRemoveDataPickleGaussian(PickleCase):
    family = "gaussian"


class FormulaPickleCase(RemoveDataPickle):
    engine = "patsy"
    family = None

    @pytest.fixture(autouse=True)
    def formula_case(self):
        # As in statsmodels' own check: the frame stays, to build the formula again.
        self.reduction_factor = 0.5
        before = formula.options.formula_engine
        formula.options.formula_engine = self.engine
        groups = np.repeat(np.arange(100), 10)
        frame = pd.DataFrame(self.exog[:, 1:], columns=["x1", "x2", "x3"])
        frame["y"] = simulate(self.family, self.exog, groups)
        frame["g"] = groups
        self.data, self.xf = frame, frame.iloc[:2]
        self.results = self.estimate_model()
        yield
        formula.options.formula_engine = before

    def estimate_model(self):
        text = "y ~ x1 + np.exp(x2) + (1 | g)"
        return smg.GLMM.from_formula(text, self.data, family=FAMILIES[self.family]).fit()


class TestRemoveDataPickleFormulaGaussian(FormulaPickleCase):
    family = "gaussian"


class TestRemoveDataPickleFormulaBinomial(FormulaPickleCase):
    family = "binomial"


class TestRemoveDataPickleFormulaicGaussian(FormulaPickleCase):
    engine = "formulaic"
    family = "gaussian"


class TestRemoveDataPickleFormulaicBinomial(FormulaPickleCase):
    engine = "formulaic"
    family = "binomial"


@pytest.fixture(params=["patsy", "formulaic"])
def engine(request):
    before = formula.options.formula_engine
    formula.options.formula_engine = request.param
    yield request.param
    formula.options.formula_engine = before


@pytest.mark.parametrize("family", FAMILIES)
def test_engines_and_arrays_agree(engine, family):
    exog = sm.add_constant(np.random.RandomState(3).randn(300, 3))
    groups = np.repeat(np.arange(30), 10)
    y = simulate(family, exog, groups)
    frame = pd.DataFrame(exog[:, 1:], columns=["x1", "x2", "x3"]).assign(y=y, g=groups)
    options = {} if family == "gaussian" else {"n_points": 7}
    by_arrays = smg.GLMM(y, exog, groups=groups, family=FAMILIES[family]).fit(**options)
    by_formula = smg.GLMM.from_formula(
        "y ~ x1 + x2 + x3 + (1 | g)", frame, family=FAMILIES[family]
    ).fit(**options)
    assert by_formula.params.index[0] in ("Intercept", "1")
    np.testing.assert_allclose(by_formula.params, by_arrays.params, rtol=1e-9)
    np.testing.assert_allclose(by_formula.bse, by_arrays.bse, rtol=1e-9)
    variance = "var(Intercept|g)"
    assert float(by_formula.wald_test(f"{variance} = 0.4, x1 = 0.3", scalar=True).pvalue) >= 0


@pytest.mark.parametrize("family", FAMILIES)
def test_clone_by_init_kwds(family):
    exog = sm.add_constant(np.random.RandomState(3).randn(300, 3))
    groups = np.repeat(np.arange(30), 10)
    model = smg.GLMM(simulate(family, exog, groups), exog, groups=groups, family=FAMILIES[family])
    clone = type(model)(model.endog, model.exog, **model._get_init_kwds())
    params = model.fit().params
    assert clone.loglike(params) == pytest.approx(model.loglike(params), rel=1e-13)


@pytest.mark.parametrize("family", FAMILIES)
def test_loglike_and_scores_add_up(family):
    exog = sm.add_constant(np.random.RandomState(3).randn(300, 3))
    groups = np.repeat(np.arange(30), 10)
    model = smg.GLMM(simulate(family, exog, groups), exog, groups=groups, family=FAMILIES[family])
    params = np.asarray(model.fit().params) * 1.05
    assert model.loglikeobs(params).shape == (300,)
    assert model.loglikeobs(params).sum() == pytest.approx(model.loglike(params), rel=1e-12)
    assert model.score_obs(params).shape == (300, len(params))
    np.testing.assert_allclose(model.score_obs(params).sum(0), model.score(params), rtol=1e-10)
