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
    """The model of Table 1: schools differ in their level."""
    return smgf.glmm(
        f"{FIXED} + (1 | id_school)", data, family=sm.families.Binomial(), **kwargs
    ).fit()


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
    """Coefficients within schools beside those of the population (GEE), and probability contrasts.

    Returns
    -------
    coefficients : DataFrame
        Log odds ratios: conditional on the school, and averaged over schools.
    contrasts : Series
        Effect of speaking the language of the test at home on the probability, averaged over the
        students: in a median school, and averaged over schools.
    """
    population = sm.GEE.from_formula(
        FIXED,
        "id_school",
        data,
        family=sm.families.Binomial(),
        cov_struct=sm.cov_struct.Exchangeable(),
    ).fit()
    coefficients = pd.DataFrame(
        {
            "conditional": result.params[population.params.index],
            "marginal": population.params,
        }
    )
    coefficients["ratio"] = coefficients["marginal"] / coefficients["conditional"]
    contrasts = pd.Series(
        {
            which: np.mean(
                result.predict(data.assign(test_lang=1), which=which)
                - result.predict(data.assign(test_lang=0), which=which)
            )
            for which in ("conditional", "marginal")
        }
    )
    return coefficients, contrasts


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


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}")


def main(path=FIGURE):
    data = load()
    heading("Random intercept (Table 1 of Rabe-Hesketh & Skrondal 2010)")
    result = fit_random_intercept(data)
    print(result.summary())
    print("\nOdds ratios with 95% intervals")
    print(result.odds_ratios().round(2))
    comparison = pd.DataFrame({"published": PUBLISHED, "here": result.params})
    print("\nPublished estimates")
    print(comparison.loc[PUBLISHED.index].round(2))
    print(f"\nlog-likelihood {result.llf:.8f}")
    print(f"residual intraclass correlation\n{result.icc().round(3)}")

    figure = draw_figure(result)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"\nFigure 1 is in {path}")

    heading("Random slope of SES")
    print(fit_random_slope(data).summary())

    heading("Survey weights")
    weighted = fit_weighted(data)
    both = {"unweighted": result, "weighted": weighted}
    print(
        pd.concat(
            {name: pd.DataFrame({"coef": r.params, "se": r.bse}) for name, r in both.items()},
            axis=1,
        ).round(3)
    )

    heading("Conditional and marginal effects")
    coefficients, contrasts = conditional_and_marginal(data, result)
    print(coefficients.round(3))
    print("\nEffect of the home language on the probability, averaged over students")
    print(contrasts.round(3))


if __name__ == "__main__":
    main(*sys.argv[1:])
