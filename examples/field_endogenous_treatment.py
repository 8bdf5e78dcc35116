"""Selection and endogenous treatment: an outcome and the decision before it share a latent variable.

First, wages of married women (Mroz 1987), known only of those who work. The likelihood has two maxima;
the estimates that are printed elsewhere are those of the lower one. Second, simulated visits to the doctor of
people who decide whether to insure themselves (Terza 1998): a count whose treatment is endogenous.

Usage::

    python examples/field_endogenous_treatment.py

Heckman, J. J. (1979), Sample selection bias as a specification error. Econometrica 47, 153-161.
Terza, J. V. (1998), Estimating count data models with endogenous switching: sample selection and endogenous
treatment effects. Journal of Econometrics 84, 129-154.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

PROBIT = sm.families.Binomial(sm.families.links.Probit())

#: Maximum likelihood by ``selection`` of the R package sampleSelection, as printed in Nguyen (2020), *A Guide
#: on Data Analysis*: log-likelihood, correlation, standard deviation and the wage equation.
PUBLISHED = pd.Series(
    {
        "log-likelihood": -914.0777,
        "rho": 0.05048,
        "sigma": 0.66326,
        "wage": -0.5814781,
        "wage:education": 0.1078481,
        "wage:experience": 0.0415752,
        "wage:I(experience ** 2)": -0.0008125,
        "wage:city": 0.0522990,
    }
)

#: What the visits are simulated from.
TRUTH = pd.Series({"use": 0.5, "use:treated": 0.4, "use:x": 0.3, "rho": 0.6, "sigma": 0.8})


def load_wages():
    """One row for each woman's decision, and one for the log wage of those who work."""
    women = datasets.mroz.load_pandas().data
    women = women.assign(
        woman=range(len(women)),
        kids=women["youngkids"] + women["oldkids"],
        works=women["participation"],
        logwage=np.log(women["wage"].where(women["participation"] == 1)),
    )
    keep = ["woman", "age", "kids", "hwage", "education", "experience", "city"]
    rows = smg.stack_responses(women, ["works", "logwage"], keep).dropna()
    works = (rows["response"] == "works").astype(float)
    return rows.assign(works=works, wage=1 - works)


def wage_model(rows, strength=1.0):
    """Probit of working and the log wage; `strength` is the loading of the decision."""
    return smg.GLLAMM.from_formula(
        "y ~ 0 + works + works:(age + I(age**2) + kids + hwage + education)"
        " + wage + wage:(education + experience + I(experience**2) + city)",
        rows,
        latent=[smg.Latent("eta", "woman", "0 + works + wage", fixed={"works": strength})],
        identification="variance",
        family={"works": PROBIT, "logwage": "gaussian"},
        family_by="response",
    )


def correlation(strength, loading, variance):
    """Correlation of the total residuals of decision and outcome, and the outcome's SD."""
    sigma = np.sqrt(loading**2 + variance)
    return strength * loading / (np.sqrt(1 + strength**2) * sigma), sigma


def wage_table(fits):
    """The wage equation and the residuals' correlation; `fits` has a result for each strength."""
    columns = {"published": PUBLISHED}
    for strength, result in fits.items():
        params = result.params
        rho, sigma = correlation(
            strength, params["loading(eta: wage)"], params["var(Residual)[logwage]"]
        )
        column = params.reindex(PUBLISHED.index)
        column[["log-likelihood", "rho", "sigma"]] = result.llf, rho, sigma
        columns[f"loading {strength:g}"] = column
    return pd.DataFrame(columns)


def simulate_visits(n=2000, seed=4):
    """People with a decision, `insured`, that `z` moves, and a count of visits that it does not."""
    rng = np.random.default_rng(seed)
    decision, own = rng.normal(size=(2, n))
    error = TRUTH["sigma"] * (TRUTH["rho"] * decision + np.sqrt(1 - TRUTH["rho"] ** 2) * own)
    x, z = rng.normal(size=n), rng.binomial(1, 0.5, n)
    insured = (-0.6 + 0.5 * x + 1.0 * z + decision > 0).astype(float)
    mean = TRUTH["use"] + TRUTH["use:treated"] * insured + TRUTH["use:x"] * x + error
    return pd.DataFrame(
        {
            "person": range(n),
            "x": x,
            "z": z,
            "insured": insured,
            "visits": rng.poisson(np.exp(mean)),
        }
    )


def visits_model(people, strength=2.0):
    """Probit of insurance and log-linear model of visits, linked by a latent variable."""
    rows = smg.stack_responses(
        people.assign(treated=people["insured"]),
        ["insured", "visits"],
        ["person", "x", "z", "treated"],
    )
    buy = (rows["response"] == "insured").astype(float)
    return smg.GLLAMM.from_formula(
        "y ~ 0 + buy + buy:(x + z) + use + use:(treated + x)",
        rows.assign(buy=buy, use=1 - buy),
        latent=[
            smg.Latent("need", "person", "0 + buy + use", fixed={"buy": strength}),
            smg.Latent("own", "person", "0 + use"),
        ],
        covariance="diagonal",
        identification="variance",
        family={"insured": PROBIT, "visits": "poisson"},
        family_by="response",
    )


def both_maxima(rows, **options):
    """Fits with loadings 1 and 3 of the decision, the latter from where the correlation is negative."""
    wide = wage_model(rows, 3.0)
    start = wide.fit_constrained("loading(eta: wage) = -0.5").params
    return {
        1.0: wage_model(rows).fit(**options),
        3.0: wide.fit(start_params=start, **options),
    }


def show_wages():
    """Both maxima of the likelihood beside the published estimates."""
    print(wage_table(both_maxima(load_wages())).round(4).to_string())


def show_visits():
    """The effect of insurance with and without its equation."""
    people = simulate_visits()
    strength = 2.0
    joint = visits_model(people, strength).fit()
    params = joint.params
    rho, sigma = correlation(
        strength, params["loading(need: use)"], params["loading(own: use)"] ** 2
    )
    naive = smgf.glmm("visits ~ insured + x + (1 | person)", people, family="poisson").fit().params
    table = pd.DataFrame({"truth": TRUTH, "joint": params.reindex(TRUTH.index)})
    table["std_err"] = joint.bse.reindex(TRUTH.index)
    table.loc[["rho", "sigma"], "joint"] = rho, sigma
    table["outcome alone"] = pd.Series(
        {
            "use": naive["Intercept"],
            "use:treated": naive["insured"],
            "use:x": naive["x"],
            "sigma": np.sqrt(naive["var(Intercept|person)"]),
        }
    )
    print(table.round(3).to_string(na_rep=""))
    print(joint.path_diagram())


SECTIONS = {
    "Wages of married women: sample selection": show_wages,
    "Visits to the doctor: endogenous insurance": show_visits,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
