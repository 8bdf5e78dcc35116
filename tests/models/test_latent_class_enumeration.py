"""Several numbers of latent classes: table, choice, and tests of the number of classes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.tools.sm_exceptions import SpecificationWarning

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.class_number import lo_mendell_rubin
from sm_gllamm.inference.weighted_chi_square import weighted_chi_square_sf
from tests.reference import load_data


@pytest.fixture(scope="module")
def carcinoma():
    return load_data("carcinoma")[list("ABCDEFG")]


@pytest.fixture(scope="module")
def fits(carcinoma):
    return smg.LatentClass(carcinoma, range(1, 4)).fit(disp=0, n_starts=10)


def test_table(fits, carcinoma):
    table = fits.table
    assert list(table.index) == [1, 2, 3]
    # poLCA's log-likelihoods of carcinoma
    np.testing.assert_allclose(table["llf"].iloc[1:], [-317.2568373, -293.7049788], atol=1e-6)
    share = carcinoma.eq(2).mean()
    single = len(carcinoma) * (share * np.log(share) + (1 - share) * np.log(1 - share)).sum()
    assert table.loc[1, "llf"] == pytest.approx(single, abs=1e-8)
    k, n = table["k_params"], len(carcinoma)
    assert list(k) == [7, 15, 23]
    np.testing.assert_allclose(table["aic"], -2 * table["llf"] + 2 * k)
    np.testing.assert_allclose(table["bic"], -2 * table["llf"] + np.log(n) * k)
    np.testing.assert_allclose(table["sabic"], -2 * table["llf"] + np.log((n + 2) / 24) * k)
    np.testing.assert_allclose(table["caic"], -2 * table["llf"] + (np.log(n) + 1) * k)
    for c in (2, 3):
        p = fits[c].posterior().to_numpy()
        uncertainty = -(p * np.log(np.maximum(p, 1e-300))).sum()
        assert table.loc[c, "icl"] == pytest.approx(table.loc[c, "bic"] + 2 * uncertainty)
        assert table.loc[c, "entropy"] == pytest.approx(1 - uncertainty / (n * np.log(c)))
        assert table.loc[c, "smallest"] == pytest.approx(fits[c].class_sizes()["estimate"].min())
    assert (table["starts"] == 10).all() and (table["reached"] == 10).all()
    assert table.loc[3, "df"] == 2**7 - 1 - 23
    assert fits.best() == 3 and fits.best("icl") == 2
    with pytest.raises(SpecificationError, match="no fit with 9 classes"):
        fits[9]


def test_progress_and_summary(carcinoma, fits, capsys):
    smg.LatentClass(carcinoma, [2, 1]).fit(n_starts=4)
    out = capsys.readouterr().out
    assert "1 class  log-likelihood" in out and "2 classes  log-likelihood -317.2568" in out
    assert "reached by 4 of 4" in out
    text = str(fits.summary())
    assert "Numbers of Latent Classes" in text and "BIC 3" in text
    assert "3 classes: On the boundary" in text
    assert fits.plot().axes[0].get_xlabel() == "number of classes"


def test_by_formula_with_variables_in_scope(carcinoma):
    data = carcinoma.assign(x=np.arange(len(carcinoma)) % 5)
    shift = 1.0  # noqa: F841, the formula looks it up
    fits = smg.LatentClass.from_formula(
        "A + B + C + D ~ I(x - shift)", data, n_classes=range(1, 3)
    ).fit(disp=0, n_starts=4)
    assert fits[2].model.param_names[-1] == "logit(class2):I(x - shift)"


def test_models_that_are_too_large_are_named_and_left_out(carcinoma):
    model = smg.LatentClass(carcinoma[["A", "B", "C"]], range(1, 4))
    with pytest.warns(SpecificationWarning, match="3 classes: 3 classes have 11 parameters"):
        fits = model.fit(disp=0, n_starts=4)
    assert list(fits) == [1, 2]


def test_bootstrap_test(fits):
    test = fits[2].compare_blrt(fits[1], n_rep=9, seed=3, n_starts=4)
    assert test.statistic == pytest.approx(2 * (fits[2].llf - fits[1].llf))
    assert test.pvalue == 0.1 and len(test.samples) == 9 and test.n_failed == 0
    # a sample is the same however many there are, and never below zero
    again = fits[2].compare_blrt(fits[1], n_rep=4, seed=3, n_starts=4)
    np.testing.assert_array_equal(test.samples[:4], again.samples)
    assert (test.samples > -1e-6).all()
    with pytest.raises(SpecificationError, match="must have fewer"):
        fits[1].compare_blrt(fits[2])


@pytest.mark.filterwarnings("ignore::sm_gllamm.exceptions.BoundaryWarning")
def test_bootstrap_sample_is_a_fit_of_both_models(fits):
    """The statistic of a sample is that of ordinary fits to it."""
    rng = np.random.default_rng([3, 1])
    small = fits[1].model
    drawn = small.draw(np.asarray(fits[1].params), rng)
    data = pd.DataFrame({name: values for name, values in drawn.values.items()})
    direct = [smg.LatentClass(data.astype(int), k).fit(warn_convergence=False) for k in (1, 2)]
    sample = fits[2].compare_blrt(fits[1], n_rep=1, seed=3, n_starts=10).samples[0]
    assert sample == pytest.approx(2 * (direct[1].llf - direct[0].llf), abs=1e-5)


def test_lo_mendell_rubin(fits):
    table = fits.lmr()
    test = fits[3].compare_lmr(fits[2])
    assert table.loc[3, "vlmr_p"] == test.pvalue
    n = 118
    free = test.df_diff
    assert free == (23 - 10) - (15 - 5)
    expected = test.statistic / (1 + 1 / (free * np.log(n)))
    assert test.adjusted_statistic == pytest.approx(expected)
    assert test.chi2_pvalue == pytest.approx(stats.chi2.sf(expected, free))
    assert "vlmr_p" in fits.table and "mean" in str(test)


def test_weights_of_nested_regular_models_are_those_of_chi_square():
    """Of a true restriction the likelihood ratio is chi-square: weights one and zero."""
    rng = np.random.default_rng(2)
    n = 200_000
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])
    y = rng.normal(size=n)

    def fit(design):
        beta = np.linalg.lstsq(design, y, rcond=None)[0]
        return design * (y - design @ beta)[:, None], -design.T @ design

    (large, a), (small, b) = fit(x), fit(x[:, :2])
    test = lo_mendell_rubin(3.0, (large, small), (a, b), n)
    weights = np.sort(test.weights)
    np.testing.assert_allclose(weights[-2:], 1.0, atol=0.02)
    np.testing.assert_allclose(weights[:-2], 0.0, atol=0.15)
    assert test.pvalue == pytest.approx(stats.chi2.sf(3.0, 2), abs=0.02)


@pytest.mark.parametrize("x", [0.0, 0.3, 4.0, 25.0])
def test_weighted_chi_square_against_known_distributions(x):
    # 2 chi2(2) + chi2(2) is a sum of two exponential variables
    a, b = 0.25, 0.5
    expected = (b * np.exp(-a * x) - a * np.exp(-b * x)) / (b - a)
    assert weighted_chi_square_sf(x, [2, 2, 1, 1]) == pytest.approx(expected, abs=1e-9)
    # the difference of two of them is Laplace
    assert weighted_chi_square_sf(x, [1, 1, -1, -1]) == pytest.approx(
        0.5 * np.exp(-x / 2), abs=1e-8
    )
    assert weighted_chi_square_sf(-x, [1, 1, -1, -1]) == pytest.approx(
        1 - 0.5 * np.exp(-x / 2), abs=1e-8
    )
    assert weighted_chi_square_sf(x, [3.0] * 4) == pytest.approx(stats.chi2.sf(x / 3, 4))


def test_weighted_chi_square_against_simulation():
    rng = np.random.default_rng(1)
    weights = np.linspace(-0.5, 2.0, 30)
    q = (rng.normal(size=(100_000, 30)) ** 2) @ weights
    for x in (10.0, 25.0, 45.0):
        p = weighted_chi_square_sf(x, weights)
        assert p == pytest.approx((q > x).mean(), abs=4 * np.sqrt(p * (1 - p) / len(q)))


@pytest.mark.study
@pytest.mark.filterwarnings("ignore")
def test_bootstrap_test_has_its_size():
    """P-values are uniform where there is one class; those of Lo, Mendell and Rubin are too small."""
    bootstrap, adjusted = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = pd.DataFrame((rng.random((150, 5)) < 0.4).astype(int)).add_prefix("y")
        one, two = (smg.LatentClass(y, k).fit(n_starts=8) for k in (1, 2))
        bootstrap.append(two.compare_blrt(one, n_rep=19, n_starts=6, seed=seed).pvalue)
        adjusted.append(two.compare_lmr(one).adjusted_pvalue)
    assert np.mean(bootstrap) == pytest.approx(0.525, abs=0.15)
    assert np.mean(np.array(bootstrap) <= 0.1) < 0.25
    assert np.mean(adjusted) < np.mean(bootstrap)
