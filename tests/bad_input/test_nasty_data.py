"""Legitimate data of awkward types, orders, scales and sizes: right numbers, no surprises."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.bad_input.data import BOTH, changed, from_arrays, from_formula, simulate

LINKS = sm.families.links


@pytest.fixture(scope="module")
def data():
    return simulate()


@pytest.fixture(scope="module")
def reference(data):
    return from_formula(data).fit()


def same(result, reference, rtol=1e-7):
    assert result.converged
    assert_allclose(result.llf, reference.llf, rtol=rtol)
    assert_allclose(result.params, reference.params, rtol=1e-5, atol=1e-9)
    assert_allclose(result.bse, reference.bse, rtol=1e-4)


class TestOrderAndLabels:
    def test_series_in_another_order(self, data, reference):
        shuffled = data.sample(frac=1, random_state=1)
        exog = sm.add_constant(shuffled[["x"]])
        for given in ({"groups": shuffled.g}, {"exog": exog}, {"freq_weights": 0 * shuffled.x + 1}):
            same(from_arrays(data, **given).fit(), reference)
        same(from_arrays(data, endog=shuffled.y).fit(), reference)
        same(from_formula(shuffled).fit(), reference)

    def test_labels_used_again(self, data, reference):
        same(from_formula(data.set_axis([0] * len(data))).fit(), reference)
        same(from_arrays(data.set_axis([0] * len(data))).fit(), reference)

    def test_arrays_beside_series(self, data, reference):
        same(from_arrays(data, groups=data.g.to_numpy()).fit(), reference)
        same(from_arrays(data, exog=sm.add_constant(data.x.to_numpy())).fit(), reference)

    def test_grouping_column_in_the_index(self, data, reference):
        same(from_formula(data.set_index("g", drop=False)).fit(), reference)
        with pytest.raises(SpecificationError, match="no column 'g'"):
            from_formula(data.set_index("g"))


class TestTypes:
    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize(
        "labels",
        [
            lambda g: pd.Categorical(g, categories=range(99, -1, -1)),
            lambda g: g / 3,
            lambda g: pd.Timestamp("2020-01-01") + pd.to_timedelta(g, unit="D"),
            lambda g: g.astype(str),
            lambda g: g.astype("Int64"),
            lambda g: [(label, "b") for label in g],
        ],
    )
    def test_groups(self, model, labels, data, reference):
        same(model(data.assign(g=labels(data.g))).fit(), reference)

    @pytest.mark.parametrize("model", BOTH)
    def test_nullable(self, model, data, reference):
        same(model(data.convert_dtypes()).fit(), reference)
        holes = data.convert_dtypes()
        for row, column in enumerate(["y", "x", "g"]):
            holes.loc[row, column] = pd.NA
        same(model(holes, missing="drop").fit(), from_formula(data.iloc[3:]).fit())

    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("dtype", [bool, "boolean", np.int8, np.float32])
    def test_response(self, model, dtype, data, reference):
        same(model(data.assign(y=data.y.astype(dtype))).fit(), reference)

    def test_containers(self, data, reference):
        class Frame:
            def to_pandas(self):
                return data

        columns = {name: data[name].to_numpy() for name in data}
        for given in (columns, data.to_dict("records"), data.to_records(), Frame()):
            same(from_formula(given).fit(), reference)
        with pytest.raises(SpecificationError, match="data must be a pandas DataFrame"):
            from_formula({"y": [0, 1], "x": [1], "g": [1, 2]})

    def test_lists(self, data, reference):
        exog = sm.add_constant(data[["x"]]).to_numpy().tolist()
        same(smg.GLMM(data.y.tolist(), exog, data.g.tolist(), family="binomial").fit(), reference)

    def test_masked_arrays(self, data):
        masked = np.ma.masked_array(data.y, mask=np.arange(len(data)) < 3)
        with pytest.raises(SpecificationError, match="missing='drop'"):
            from_arrays(data, endog=masked)
        exog = sm.add_constant(data[["x"]]).to_numpy()
        groups = data.g.to_numpy()
        result = from_arrays(data, endog=masked, exog=exog, groups=groups, missing="drop").fit()
        same(result, from_formula(data.iloc[3:]).fit())

    @pytest.mark.parametrize(
        "layout",
        [
            np.asfortranarray,
            lambda x: x[::-1].copy()[::-1],
            lambda x: np.repeat(x, 2, axis=0)[::2],
            lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
        ],
    )
    def test_memory(self, layout, data, reference):
        exog = layout(sm.add_constant(data[["x"]]).to_numpy())
        same(from_arrays(data, exog=exog).fit(), reference)

    def test_columns_of_one_name(self, data, reference):
        twice = pd.concat([data, data[["x"]]], axis=1)
        with pytest.raises(SpecificationError, match="more than one column 'x'; rename one"):
            from_formula(twice)
        with pytest.raises(SpecificationError, match="more than one column 'g'; rename one"):
            from_formula(pd.concat([data, data[["g"]]], axis=1))
        unused = pd.concat([data, data[["t"]]], axis=1)
        same(from_formula(unused).fit(), reference)

    def test_names(self, data, reference):
        renamed = data.rename(columns={"x": "a b", "g": "g g"})
        same(from_formula(renamed, "y ~ Q('a b') + (1 | Q('g g'))").fit(), reference)
        exog = pd.DataFrame({0: 1.0, 1: data.x})
        same(from_arrays(data, exog=exog).fit(), reference)
        exog.columns = ["const", "var(Intercept|g)"]
        with pytest.raises(SpecificationError, match="names occur twice.*rename"):
            from_arrays(data, exog=exog)


class TestSizes:
    def test_single_rows_among_clusters(self, data):
        alone = np.arange(len(data)) % 3 == 0
        mixed = data.assign(g=np.where(alone, 1000 + np.arange(len(data)), data.g))
        assert from_formula(mixed).fit().converged

    @pytest.mark.parametrize("model", BOTH)
    @pytest.mark.parametrize("family", ["binomial", "gaussian"])
    @pytest.mark.parametrize("zero", [slice(None, None, 3), slice(0, 8)])
    def test_weight_zero_is_no_row(self, model, family, zero):
        data = simulate(family)
        weights = np.ones(len(data))
        weights[zero] = 0
        result = model(data, family=family, freq_weights=weights).fit()
        kept = model(data[weights > 0], family=family).fit()
        assert_allclose(result.params, kept.params, rtol=1e-5)
        assert_allclose(result.llf, kept.llf, rtol=1e-9)
        assert_allclose(result.bse, kept.bse, rtol=1e-4)

    @pytest.mark.parametrize("model", BOTH)
    def test_clusters_of_weight_zero(self, model, data):
        weights = (data.g > 0).astype(float)
        result = model(data, weights={"g": weights}).fit()
        assert_allclose(result.params, model(data[data.g > 0]).fit().params, rtol=1e-5)

    def test_rows_without_trials(self, data):
        rng = np.random.default_rng(2)
        trials = np.where(data.t == 0, 0, 5)
        share = 1 / (1 + np.exp(-rng.normal(size=40)[data.g]))
        counts = data.assign(s=np.minimum(rng.binomial(5, share), trials))
        counts["f"] = trials - counts.s
        result = from_formula(counts, "s + f ~ x + (1 | g)").fit()
        same(result, from_formula(counts[trials > 0], "s + f ~ x + (1 | g)").fit())

    @pytest.mark.parametrize("scale", [1e3, 1e6])
    def test_large_counts(self, scale):
        rng = np.random.default_rng(3)
        data = simulate("poisson")
        u = 0.3 * rng.normal(size=40)
        data["y"] = rng.poisson(scale * np.exp(0.5 * data.x + u[data.g])).astype(float)
        result = from_formula(data, family="poisson").fit()
        assert result.verdict.ok
        assert_allclose(result.params.iloc[0], np.log(scale), atol=0.2)
        assert_allclose(result.params.iloc[1], 0.5, atol=10 / np.sqrt(scale * 320))
        assert 0.03 < result.bse.iloc[0] < 0.08

    def test_cluster_without_successes(self, data):
        result = from_formula(data.assign(y=data.y.where(data.g > 4, 0))).fit()
        assert result.verdict.ok and result.params.iloc[-1] > 1

    def test_tiny(self):
        data = pd.DataFrame({"y": [0.0, 1, 1, 0], "one": 1.0, "g": [0, 0, 1, 1]})
        with pytest.warns(smg.BoundaryWarning):
            result = smg.GLMM(data.y, data[["one"]], groups=data.g, family="binomial").fit()
        assert_allclose(result.params, 0, atol=1e-6)
        with pytest.raises(SpecificationError, match="no rows"):
            smg.GLMM([], np.ones((0, 1)), groups=[], family="binomial")

    def test_no_fixed_part(self, data):
        result = from_formula(data, "y ~ 0 + (1 | g)").fit()
        assert result.converged and list(result.params.index) == ["var(Intercept|g)"]


class TestScales:
    @pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
    @pytest.mark.parametrize("factor", [1e-12, 1e-8, 1e8, 1e15])
    def test_unscaled_covariates(self, family, factor):
        data = simulate(family)
        plain = from_formula(data, family=family).fit()
        scaled = from_formula(data.assign(x=factor * data.x), family=family).fit()
        assert scaled.verdict.ok
        assert_allclose(scaled.llf, plain.llf, rtol=1e-8)
        assert_allclose(scaled.params.iloc[1] * factor, plain.params.iloc[1], rtol=1e-4)
        assert_allclose(scaled.bse.iloc[1] * factor, plain.bse.iloc[1], rtol=1e-4)

    @pytest.mark.parametrize("family", ["binomial", "gaussian"])
    @pytest.mark.parametrize("shift", [1e3, 1e4, 1e5])
    def test_shifted_covariates(self, family, shift):
        data = simulate(family)
        plain = from_formula(data, family=family).fit()
        moved = from_formula(data.assign(x=data.x + shift), family=family).fit()
        assert moved.converged
        assert_allclose(moved.llf, plain.llf, rtol=1e-7)
        assert_allclose(moved.params.iloc[1], plain.params.iloc[1], rtol=1e-4)
        assert_allclose(moved.bse.iloc[1], plain.bse.iloc[1], rtol=1e-3)

    def test_a_year_and_its_square(self, data):
        years = data.assign(year=2000 + np.arange(len(data)) % 20)
        centred = years.assign(year=years.year - 2010)
        formula = "y ~ year + I(year**2) + (1 | g)"
        result, expected = from_formula(years, formula).fit(), from_formula(centred, formula).fit()
        assert result.converged
        assert_allclose(result.llf, expected.llf, rtol=1e-7)
        assert_allclose(result.params.iloc[2], expected.params.iloc[2], rtol=1e-3)

    @pytest.mark.parametrize("factor", [1e-6, 1e6])
    def test_random_slopes(self, factor):
        data = simulate("gaussian")
        plain = from_formula(data, "y ~ x + (1 + x | g)", "gaussian").fit()
        scaled = from_formula(
            data.assign(x=factor * data.x), "y ~ x + (1 + x | g)", "gaussian"
        ).fit()
        assert scaled.converged
        assert_allclose(scaled.llf, plain.llf, rtol=1e-8)
        powers = np.array([0, 1, 0, 1, 2, 0])
        assert_allclose(scaled.params * factor**powers, plain.params, rtol=1e-3)
        assert_allclose(scaled.bse * factor**powers, plain.bse, rtol=1e-3)

    @pytest.mark.parametrize("factor", [1e-8, 1e8])
    def test_gaussian_responses(self, factor):
        data = simulate("gaussian")
        plain = from_formula(data, family="gaussian").fit()
        scaled = from_formula(data.assign(y=factor * data.y), family="gaussian").fit()
        powers = np.array([1, 1, 2, 2])
        assert_allclose(scaled.params / factor**powers, plain.params, rtol=1e-5)
        assert_allclose(scaled.bse / factor**powers, plain.bse, rtol=1e-5)
        shifted = from_formula(data.assign(y=data.y + 1e6), family="gaussian").fit()
        assert_allclose(shifted.params - [1e6, 0, 0, 0], plain.params, rtol=1e-4)

    @pytest.mark.parametrize("link", [LINKS.Logit, LINKS.Probit, LINKS.CLogLog])
    def test_an_outlier(self, link, data):
        family = sm.families.Binomial(link())
        result = from_formula(data.assign(x=changed(data.x, 0, 1e4)), family=family).fit()
        assert result.converged and np.isfinite(result.bse).all()

    @pytest.mark.parametrize("offset", [700.0, -700.0])
    def test_offsets(self, offset):
        data = simulate("poisson")
        plain = from_formula(data, family="poisson").fit()
        moved = from_formula(data, family="poisson", offset=np.full(len(data), offset)).fit()
        assert_allclose(moved.llf, plain.llf, rtol=1e-8)
        assert_allclose(moved.params.iloc[0] + offset, plain.params.iloc[0], rtol=1e-5)

    @pytest.mark.parametrize("model", BOTH)
    def test_no_warnings_without_reason(self, model, data):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            str(model(data).fit().summary())


class TestStatsmodelsData:
    """What somebody does who tries the package on statsmodels' own data sets."""

    def test_grunfeld_as_mixedlm(self):
        data = sm.datasets.grunfeld.load_pandas().data
        formula = "invest ~ value + capital"
        for reml in (False, True):
            result = from_formula(data, formula, "gaussian", groups="firm").fit(reml=reml)
            expected = sm.MixedLM.from_formula(formula, data, groups="firm").fit(reml=reml)
            assert_allclose(result.llf, expected.llf, rtol=1e-8)
            assert_allclose(result.params.iloc[:3], expected.fe_params, rtol=1e-4)

    def test_longley(self):
        data = sm.datasets.longley.load_pandas().data
        data["span"] = data.YEAR // 4
        formula = "TOTEMP ~ GNPDEFL + GNP + UNEMP + ARMED + POP + YEAR"
        with pytest.warns(smg.BoundaryWarning):
            result = from_formula(data, formula + " + (1 | span)", "gaussian").fit()
        expected = sm.OLS.from_formula(formula, data).fit()
        assert result.converged
        assert_allclose(result.llf, expected.llf, rtol=1e-9)
        assert_allclose(result.params.iloc[:7], expected.params, rtol=1e-5)

    def test_fair(self):
        data = sm.datasets.fair.load_pandas().data
        result = from_formula(data, "I(affairs > 0) ~ rate_marriage + age + (1 | occupation)").fit()
        pooled = sm.Logit(
            (data.affairs > 0) * 1.0, sm.add_constant(data[["rate_marriage", "age"]])
        ).fit(disp=0)
        assert result.verdict.ok and result.llf > pooled.llf
        assert_allclose(result.params.iloc[:3], pooled.params, atol=0.2)

    def test_star98(self):
        data = sm.datasets.star98.load_pandas().data
        result = smg.GLMM(
            data[["NABOVE", "NBELOW"]],
            sm.add_constant(data[["LOWINC", "PERASIAN"]]),
            groups=pd.Series(range(len(data)), name="district"),
            family="binomial",
        ).fit()
        assert result.verdict.ok and result.bse.iloc[-1] < 0.05
