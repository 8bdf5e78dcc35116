"""Dropout that depends on random coefficients: the outcome and its dropout in one model.

First, a stepped-wedge trial (Gasparini et al. 2024) whose subjects drop out at a rate that depends on
the random intercepts of subject and cluster. Stata's gsem printed the results for seven quadrature points,
which are not enough. Second, a simulated trial in which those who worsen fastest leave first: random
intercept and slope both affect the discrete-time hazard.

Usage::

    python examples/field_dependent_dropout.py

Gasparini, A., Crowther, M. J., Hoogendijk, E. O., Li, F. & Harhay, M. O. (2024), Analysis of cohort stepped
wedge cluster-randomized trials with nonignorable dropout via joint modeling. arXiv 2404.14840.
Ten Have, T. R., Kunselman, A. R., Pulkstenis, E. P. & Landis, J. R. (1998), Mixed effects logistic regression
models for longitudinal binary response data with informative drop-out. Biometrics 54, 367-383.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

#: Estimates of gsem with seven points, as printed by the authors (Stata 18), under this model's names.
PUBLISHED = pd.Series(
    {
        "period[1]:outcome": 29.9577,
        "period[2]:outcome": 29.50618,
        "period[3]:outcome": 29.97324,
        "period[4]:outcome": 29.82219,
        "period[5]:outcome": 29.6149,
        "outcome:treated": 20.25012,
        "leave:treated": -0.400578,
        "leave": -1.719202,
        "var(among_clusters|cluster)": 2.113537,
        "var(within|subject)": 58.53769,
        "var(Residual)[outcome]": 39.95259,
        "shape[leave]": np.exp(0.083451),
        "loading(among_clusters: leave)": -0.1319004,
        "loading(within: leave)": 0.4166568,
    }
)
PUBLISHED_LLF = -30974.042

#: What the trial is simulated from: level and slope of the placebo group, effect on the slope, hazard.
TRUTH = pd.Series(
    {
        "outcome": 5.0,
        "outcome:time": -0.2,
        "outcome:time:drug": -0.3,
        "leave": -2.2,
        "leave:drug": 0.0,
        "loading(level: leave)": 0.4,
        "loading(slope: leave)": 2.0,
        "var(level|person)": 1.0,
        "cov(level,slope|person)": 0.1,
        "var(slope|person)": 0.25,
        "var(Residual)[outcome]": 1.0,
    }
)


def load_wedge():
    """A row for each outcome and one for each time at risk, with entry, exit and event."""
    data = datasets.stepped_wedge.load_pandas().data
    outcome = data[data["seen"] == 1].assign(kind="outcome", event=0, start=0.0)
    leave = data.assign(kind="leave", event=data["dropout"], y=data["stop"])
    rows = pd.concat([outcome, leave], ignore_index=True)
    seen = (rows["kind"] == "outcome").astype(float)
    return rows.assign(
        outcome=seen, leave=1 - seen, subject=rows["id"], period=rows["period"].astype(str)
    )


def wedge_model(rows):
    """Gaussian outcome and Weibull proportional hazards with two random intercepts in common."""
    return smg.GLLAMM.from_formula(
        "y + event ~ 0 + period:outcome + outcome:treated + leave:treated + leave",
        rows,
        latent=[
            smg.Latent("among_clusters", "cluster", "0 + outcome + leave"),
            smg.Latent("within", "subject", "0 + outcome + leave"),
        ],
        family={"outcome": "gaussian", "leave": smg.families.Weibull("ph")},
        family_by="kind",
        entry="start",
    )


def fit_wedge(rows):
    """Maximum of the joint model, from the printed estimates."""
    return wedge_model(rows).fit(start_params=PUBLISHED.to_dict())


def fit_wedge_alone(rows):
    """The linear mixed model of the outcomes that were seen."""
    seen = rows[rows["kind"] == "outcome"]
    formula = "y ~ 0 + period + treated + (1 | cluster) + (1 | subject)"
    return smgf.glmm(formula, seen).fit()


def simulate_trial(n=400, n_visits=6, seed=1):
    """Visits until dropout in long form: a row for each outcome and each interval after a visit."""
    rng = np.random.default_rng(seed)
    covariance = TRUTH["cov(level,slope|person)"]
    covariance = [
        [TRUTH["var(level|person)"], covariance],
        [covariance, TRUTH["var(slope|person)"]],
    ]
    level, slope = rng.multivariate_normal([0.0, 0.0], covariance, size=n).T
    drug = np.arange(n) % 2
    linear = TRUTH["leave"] + TRUTH["loading(level: leave)"] * level
    hazard = -np.expm1(-np.exp(linear + TRUTH["loading(slope: leave)"] * slope))
    stays = rng.geometric(hazard)  # visits before the dropout
    time, person = np.meshgrid(np.arange(n_visits), np.arange(n))
    wide = pd.DataFrame({"person": person.ravel(), "time": time.ravel()})
    wide = wide.assign(drug=drug[wide["person"]], stays=stays[wide["person"]])
    trend = TRUTH["outcome:time"] + TRUTH["outcome:time:drug"] * wide["drug"]
    mean = TRUTH["outcome"] + level[wide["person"]] + (trend + slope[wide["person"]]) * wide["time"]
    wide["y"] = mean + rng.normal(size=len(wide))
    seen = wide[wide["time"] < wide["stays"]]
    at_risk = seen[seen["time"] < n_visits - 1]
    at_risk = at_risk.assign(y=(at_risk["time"] + 1 == at_risk["stays"]).astype(float))
    rows = pd.concat([seen.assign(kind="outcome"), at_risk.assign(kind="leave")], ignore_index=True)
    outcome = (rows["kind"] == "outcome").astype(float)
    return rows.assign(outcome=outcome, leave=1 - outcome).drop(columns="stays")


def trial_model(rows):
    """Random intercept and slope of the outcome that also act on the hazard of leaving."""
    return smg.GLLAMM.from_formula(
        "y ~ 0 + outcome + outcome:(time + time:drug) + leave + leave:drug",
        rows,
        latent=[
            smg.Latent("level", "person", "0 + outcome + leave"),
            smg.Latent("slope", "person", "0 + outcome:time + leave", fixed={"outcome:time": 1.0}),
        ],
        family={"outcome": "gaussian", "leave": sm.families.Binomial(sm.families.links.CLogLog())},
        family_by="kind",
    )


def show_wedge():
    """The published estimates, the maximum, and what ignoring the dropout gives."""
    rows = load_wedge()
    joint, alone = fit_wedge(rows), fit_wedge_alone(rows)
    names = {"treated": "outcome:treated", "var(Intercept|cluster)": "var(among_clusters|cluster)"}
    names |= {f"period[{k}]": f"period[{k}]:outcome" for k in range(1, 6)}
    names |= {"var(Intercept|subject)": "var(within|subject)"}
    names |= {"var(Residual)": "var(Residual)[outcome]"}
    table = pd.DataFrame(
        {
            "gsem, 7 points": PUBLISHED,
            "maximum": joint.params,
            "std_err": joint.bse,
            "outcomes alone": alone.params.rename(names),
        }
    )
    print(table.loc[PUBLISHED.index].round(3).to_string(na_rep=""))
    print(f"log-likelihood: published {PUBLISHED_LLF:.3f}, maximum {joint.llf:.3f}")
    print(joint.path_diagram())


def show_trial():
    """Slopes with and without the model of the dropout."""
    rows = simulate_trial()
    joint = trial_model(rows).fit()
    alone = smgf.glmm(
        "y ~ time + time:drug + (1 + time | person)", rows[rows["kind"] == "outcome"]
    ).fit()
    names = {"Intercept": "outcome", "time": "outcome:time", "time:drug": "outcome:time:drug"}
    table = pd.DataFrame(
        {
            "truth": TRUTH,
            "joint": joint.params,
            "std_err": joint.bse,
            "outcomes alone": alone.params.rename(names),
            "std_err ": alone.bse.rename(names),
        }
    )
    print(table.loc[TRUTH.index].round(3).to_string(na_rep=""))


SECTIONS = {
    "A stepped-wedge trial with dropout": show_wedge,
    "Those who worsen fastest leave first": show_trial,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
