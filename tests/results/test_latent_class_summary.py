"""Summaries, tests, comparison and plots of latent class models."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import SpecificationError
from tests.reference import load_data
from tests.results.latent_class_cases import CHEATING, fitted, mixed, nested, simulated, two_levels


def test_summary_has_a_table_for_each_class():
    result = fitted("carcinoma_lca2")
    text = str(result.summary())
    for piece in ("No. Classes:", "Indicators:", "7 nominal", "Entropy R2:", "0.9855", "Class sizes",
                  "Starts Agreeing:", "G2 (df=112):", "62.365", "class1 (size 0.501)",
                  "class2 (size 0.499)", "Class probabilities (logits)"):  # fmt: skip
        assert piece in text, piece
    # names without the class, which is in the title
    assert "\nB[2] " in text and "class1:B[2]" not in text
    assert len(max(text.split("\n"), key=len)) <= 100


def test_probabilities_on_the_boundary_are_printed_as_such():
    for text in (str(fitted("carcinoma_lca2").summary()), str(fitted("carcinoma_lca2").summary2())):
        assert "40.0" not in text
        assert text.count("P = 1") == 2 and text.count("P = 0") == 3
        assert "P(A=1|class1) = 0" in text


def test_categories_whose_reference_does_not_occur_are_printed_as_probabilities():
    rng = np.random.default_rng(1)
    c = np.repeat([0, 1], 150)
    data = pd.DataFrame({f"y{j}": (rng.random(300) < np.where(c, 0.9, 0.1)) * 1 for j in range(4)})
    data["z"] = np.where(c, rng.choice([1, 2], 300, p=[0.3, 0.7]), rng.choice([0, 1, 2], 300))
    with pytest.warns(UserWarning, match="boundary"):
        result = smg.LatentClass(data, 2).fit()
    share = result.profiles("z")["estimate"]
    (without,) = [c for c in ("class1", "class2") if share[("z", 0, c)] == 0.0]
    text = str(result.summary())
    for k in (1, 2):
        assert f"P = {share[('z', k, without)]:.3f}" in text


def test_summary_of_two_levels_has_both_sizes():
    text = str(nested().summary())
    assert "Classes of school, and class sizes in each" in text
    assert "2, 2 of school" in text
    text = str(nested().summary2())
    assert "upper1" in text and "logit(upper2):Intercept" in text
    assert "var(g)" in str(mixed().summary()) and "All classes" in str(mixed().summary())
    for fit in (mixed, nested):
        assert "nan" not in str(fit().summary()).lower()


def test_names_may_be_given():
    result = fitted("cheating_lca2")
    names = [f"b{k}" for k in range(9)]
    assert "\nb3 " in str(result.summary(xname=names, yname="cheat", title="A title"))
    assert "A title" in str(result.summary2(title="A title"))


def test_wald_tests_take_the_names_of_parameters():
    result = fitted("cheating_lca2")
    names = ["class1:FRAUD[2]", "class2:FRAUD[2]"]
    d = result.params[names[0]] - result.params[names[1]]
    cov = result.cov_params().loc[names, names].to_numpy()
    test = result.wald_test(f"{names[0]} = {names[1]}")
    assert test.statistic == pytest.approx(d**2 / (np.array([1, -1]) @ cov @ [1, -1]))
    result = fitted("cheating_lca2_gpa")
    test = result.t_test("logit(class2):GPA = 0")
    assert float(test.tvalue.item()) == pytest.approx(result.tvalues["logit(class2):GPA"])


def test_likelihood_ratio_tests_are_for_the_same_number_of_classes():
    with pytest.raises(SpecificationError, match="3 and 2 classes.*compare_blrt"):
        fitted("carcinoma_lca3").compare_lr_test(fitted("carcinoma_lca2"))
    data = two_levels()
    items = [f"y{j}" for j in range(6)]
    one_level = smg.LatentClass(data, 2, items=items, classes="~ x").fit(n_starts=3)
    with pytest.raises(SpecificationError, match="2 and 1 classes of clusters.*information criteria"):
        nested().compare_lr_test(one_level)
    plain = smg.LatentClass(data, 2, items=items).fit(n_starts=3)
    test = one_level.compare_lr_test(plain)
    assert test.df_diff == 1
    assert test.statistic == pytest.approx(2 * (one_level.llf - plain.llf))
    with pytest.raises(SpecificationError, match=r"covariates of the classes .* \['x'\]"):
        plain.compare_lr_test(one_level)


def test_nesting_of_direct_effects_and_equal_probabilities():
    data = simulated().dropna()
    options = {"items": list("ABCg"), "families": {"A": "nominal", "C": "nominal"}}

    def fit(**more):
        return smg.LatentClass(data, 2, **options, **more).fit(n_starts=3)

    plain, direct = fit(classes="~ x"), fit(classes="~ x", direct={"C": "~ x"})
    assert direct.compare_lr_test(plain).df_diff == 1
    with pytest.raises(SpecificationError, match="direct effects on 'C'"):
        plain.compare_lr_test(direct)
    equal = fit(classes="~ x", equal="variances")
    assert plain.compare_lr_test(equal).df_diff == 1
    with pytest.raises(SpecificationError, match="'variances'. are the same in all classes"):
        equal.compare_lr_test(fit(classes="~ x", equal="B"))
    with pytest.raises(SpecificationError, match="different indicators"):
        plain.compare_lr_test(fitted("cheating_lca2"))
    half = smg.LatentClass(data.iloc[:200], 2, classes="~ x", **options).fit(n_starts=3)
    with pytest.raises(SpecificationError, match="different data"):
        plain.compare_lr_test(half)


def test_plots_show_what_the_tables_say():
    result = mixed()
    figure = result.plot_profiles()
    shares, means = figure.axes[:2]
    assert [t.get_text() for t in shares.get_xticklabels()][:2] == ["A = 1", "B = a"]
    assert [t.get_text() for t in means.get_xticklabels()] == ["g", "p", "G"]
    table = result.profiles()["estimate"]
    drawn = shares.lines[0].get_ydata()
    assert drawn[0] == table[("A", 1, "class1")]
    # no line between categories of different indicators
    assert np.isnan(drawn[1]) and drawn[2] == table[("B", "a", "class1")]
    g = simulated()["g"]
    standardized = (table[("g", "mean", "class2")] - g.mean()) / g.std(ddof=0)
    assert means.lines[1].get_ydata()[0] == pytest.approx(standardized)
    ax = result.plot_class_sizes().axes[0]
    np.testing.assert_allclose(
        [bar.get_height() for bar in ax.patches], result.class_sizes()["estimate"]
    )
    assert len(nested().plot_class_sizes(upper=True).axes[0].patches) == 2
    figure = fitted("carcinoma_lca3").plot_posterior()
    assert [ax.get_title() for ax in figure.axes] == ["class1", "class2", "class3"]
    counted = sum(bar.get_height() for bar in figure.axes[0].patches)
    assert counted == pytest.approx(118)


def test_curves_of_class_probabilities():
    result = fitted("cheating_lca2_gpa")
    ax = result.plot_class_probabilities("GPA").axes[0]
    x, y = ax.lines[1].get_data()
    a, b = (result.params[f"logit(class2):{name}"] for name in ("Intercept", "GPA"))
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-(a + b * x))))
    assert (x.min(), x.max()) == (1.0, 5.0)
    data = load_data("cheating").dropna()
    data["grade"] = np.where(data["GPA"] > 2, "high", "low")
    formula = " + ".join(CHEATING) + " ~ grade * GPA"
    result = smg.LatentClass.from_formula(formula, data, 2).fit()
    ax = result.plot_class_probabilities("grade", at={"GPA": 2.0}).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["high", "low"]
    with pytest.raises(SpecificationError, match="'FRAUD' is no covariate"):
        result.plot_class_probabilities("FRAUD")
