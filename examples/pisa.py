"""Reading proficiency in US schools: the worked example of Rabe-Hesketh and Skrondal (2010).

Fits the logistic random-intercept model of their Table 1 to the US sample of PISA 2000, draws their
Figure 1, and goes on to a random slope, survey weights and marginal effects.

Usage::

    python examples/pisa.py [figure.png]

Rabe-Hesketh, S. & Skrondal, A. (2010), Generalized linear mixed models. In Peterson, P., Baker, E.
& McGaw, B. (eds), International Encyclopedia of Education, 3rd ed., vol. 7, 171-177. Elsevier.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.iolib.summary2 import summary_col

import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets
from sm_gllamm.exceptions import BoundaryWarning

FIXED = "pass_read ~ mses + female + ses + high_school + college + test_lang"
PUBLISHED = pd.Series(
    {
        "Intercept": -2.02,
        "mses": 1.38,
        "female": 0.56,
        "ses": 0.29,
        "high_school": 0.39,
        "college": 0.71,
        "test_lang": 0.62,
        "var(Intercept|id_school)": 0.27,
    }
)
FIGURE = Path(__file__).parent / "output" / "pisa_figure1.png"


def load():
    """The PISA data, one row a student."""
    return datasets.pisa.load_pandas().data


def fit_random_intercept(data, **kwargs):
    """The model of Table 1: schools differ in their level. `kwargs` are for ``fit``."""
    model = smgf.glmm(f"{FIXED} + (1 | id_school)", data, family=sm.families.Binomial())
    return model.fit(**kwargs)


def fit_random_slope(data):
    """Schools differ in the effect of socio-economic status, too."""
    model = smgf.glmm(f"{FIXED} + (1 + ses | id_school)", data, family=sm.families.Binomial())
    with warnings.catch_warnings():
        # The estimate is on the boundary; the result's verdict, printed below, says so.
        warnings.simplefilter("ignore", BoundaryWarning)
        return model.fit()


def fit_weighted(data):
    """The model of Table 1 with the weights of students given their school, and of schools."""
    return smgf.glmm(
        f"{FIXED} + (1 | id_school)",
        data,
        family=sm.families.Binomial(),
        weights={"row": "wt1", "id_school": "wt2"},
        weight_scaling="size",
    ).fit()


def conditional_and_marginal(data, result):
    """Effects within schools beside effects averaged over schools.

    Returns
    -------
    coefficients : DataFrame
        Log odds ratios given the school, and in the population (generalized estimating equations).
    effects : DataFrame
        Effects on the probability, averaged over the students: in a median school, and averaged
        over schools. Effects of 0/1 covariates are differences, the others derivatives.
    """
    population = sm.GEE.from_formula(
        FIXED,
        "id_school",
        data,
        family=sm.families.Binomial(),
        cov_struct=sm.cov_struct.Exchangeable(),
    ).fit()
    conditional = result.params[population.params.index]
    coefficients = pd.DataFrame({"conditional": conditional, "marginal": population.params})
    coefficients["ratio"] = coefficients["marginal"] / coefficients["conditional"]
    effects = {
        which: result.get_margeff(which=which, dummy=True).summary_frame().iloc[:, 0]
        for which in ("conditional", "marginal")
    }
    return coefficients, pd.DataFrame(effects)


def draw_figure(result):
    """Figure 1: marginal and median probability against the school's mean SES, by language.

    For girls of average socio-economic status whose parents went to college.
    """
    import matplotlib.pyplot as plt

    mses = np.linspace(-1.2, 1.2, 49)
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for test_lang, color, language in ((1, "C0", "language of the test"), (0, "C1", "other")):
        students = pd.DataFrame(
            {
                "mses": mses,
                "female": 1,
                "ses": 0.0,
                "high_school": 0,
                "college": 1,
                "test_lang": test_lang,
            }
        )
        # With a random intercept the curve of the median school is the median over schools.
        for which, style, name in (("marginal", "-", "marginal"), ("conditional", "--", "median")):
            probability = result.predict(students, which=which)
            axes.plot(mses, probability, color + style, label=f"{name}, {language}")
    axes.set(
        xlabel="mean SES of the school",
        ylabel="probability of reading proficiency",
        ylim=(0, 1),
    )
    axes.legend(title="home language", frameon=False)
    return figure


def show_random_intercept(data, result):
    """Table 1: estimates, odds ratios, log-likelihood, intraclass correlation."""
    print(result.summary())
    print("\nOdds ratios with 95% intervals")
    print(result.odds_ratios().round(2))
    comparison = pd.DataFrame({"published": PUBLISHED, "here": result.params})
    print("\nPublished estimates")
    print(comparison.loc[PUBLISHED.index].round(2))
    print("\nLog-likelihood")
    print(f"  nodes chosen automatically  {result.llf:.8f}")
    print(f"  20 nodes                    {fit_random_intercept(data, n_points=20).llf:.8f}")
    print("\nResidual intraclass correlation of the latent responses")
    print(result.icc().round(3))


def show_random_slope(data, _):
    """Do schools differ in the effect of socio-economic status?"""
    print(fit_random_slope(data).summary())


def show_weights(data, result):
    """Estimates with and without the survey weights."""
    models = [result, fit_weighted(data)]
    print(summary_col(models, model_names=["unweighted", "weighted"], stars=False))


def show_effects(data, result):
    """Effects within schools and in the population."""
    coefficients, effects = conditional_and_marginal(data, result)
    print("Log odds ratios: given the school, and in the population")
    print(coefficients.round(3))
    print("\nEffects on the probability: in the median school, and averaged over schools")
    print(effects.round(3))


SECTIONS = {
    "Random intercept (Table 1 of Rabe-Hesketh & Skrondal 2010)": show_random_intercept,
    "Random slope of SES": show_random_slope,
    "Survey weights": show_weights,
    "Conditional and marginal effects": show_effects,
}


def main(path=FIGURE):
    data = load()
    result = fit_random_intercept(data)
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data, result)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_figure(result).savefig(path, dpi=150)
    print(f"\nFigure 1 is in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
