"""Latent variables with loadings and regressions: item response and structural equation models.

First, verbal aggression (Vansteelandt 2000): a two-parameter logistic model of 24 items whose latent
trait is regressed on trait anger and gender, and the direct effect of gender on the items about doing
rather than wanting (differential item functioning). Second, a structural equation model at two levels:
simulated scores of pupils on three tests, with a factor of pupils and one of schools that have the same
loadings, each regressed on covariates of its level (Rabe-Hesketh, Skrondal & Pickles 2004).

Usage::

    python examples/latent_variables.py

Rabe-Hesketh, S., Skrondal, A. & Pickles, A. (2004), Generalized multilevel structural equation modeling.
Psychometrika 69, 167-190.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

#: What the pupils are simulated from.
TRUTH = {
    "loading(math)": 0.8,
    "loading(science)": 1.2,
    "pupil ~ ses": 0.5,
    "school ~ resources": 0.6,
    "var(school|school_id)": 0.4,
    "var(pupil|pupil_id)": 1.0,
}


def load_aggression():
    """One row a person and item; `man` is 1 for men, `anger` is in units of its SD."""
    data = datasets.verbagg.load_pandas().data
    anger = (data["Anger"] - data["Anger"].mean()) / data["Anger"].std()
    return data.assign(
        aggressive=(data["r2"] == "Y").astype(float),
        man=(data["Gender"] == "M").astype(float),
        anger=anger,
        doing=(data["mode"] == "do").astype(float),
    )


def fit_aggression(data, direct=""):
    """Two-parameter logistic model with a latent regression; `direct` adds effects on items."""
    trait = smg.Latent("aggression", "id", loadings="0 + C(item)")
    model = smg.GLLAMM.from_formula(
        "aggressive ~ 0 + C(item)" + direct,
        data,
        latent=[trait],
        regressions=["aggression ~ anger + man"],
        identification="variance",
        family="binomial",
    )
    return model.fit()


def simulate_pupils(n_schools=100, n_pupils=10, seed=1):
    """Scores of pupils in long form, a row a pupil and test."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_schools), n_pupils)
    n = len(school)
    resources, ses = rng.normal(size=n_schools)[school], rng.normal(size=n)
    of_school = TRUTH["school ~ resources"] * resources
    of_school += np.sqrt(TRUTH["var(school|school_id)"]) * rng.normal(size=n_schools)[school]
    of_pupil = TRUTH["pupil ~ ses"] * ses
    of_pupil += np.sqrt(TRUTH["var(pupil|pupil_id)"]) * rng.normal(size=n)
    wide = pd.DataFrame(
        {"pupil_id": np.arange(n), "school_id": school, "resources": resources, "ses": ses}
    )
    loadings = (1.0, TRUTH["loading(math)"], TRUTH["loading(science)"])
    for test, loading in zip(("reading", "math", "science"), loadings, strict=True):
        wide[test] = loading * (of_pupil + of_school) + rng.normal(size=n)
    keep = ["pupil_id", "school_id", "resources", "ses"]
    return wide.melt(keep, ["reading", "math", "science"], "test", "score")


def fit_pupils(data):
    """Factors of pupils and of schools with the same loadings, reading's being one."""
    equal = {"math": "math", "science": "science"}
    model = smg.GLLAMM.from_formula(
        "score ~ 0 + C(test)",
        data,
        latent=[
            smg.Latent("pupil", "pupil_id", "0 + C(test)", fixed={"reading": 1}, equal=equal),
            smg.Latent("school", "school_id", "0 + C(test)", fixed={"reading": 1}, equal=equal),
        ],
        regressions=["pupil ~ ses", "school ~ resources"],
        dispersion="~ 0 + C(test)",
    )
    return model.fit()


def show_aggression():
    """Discriminations, the latent regression, and a test of differential item functioning."""
    data = load_aggression()
    result = fit_aggression(data)
    regression = result.param_table.query("block == 'regression'")
    print(regression[["name", "estimate", "std_err"]].round(3).to_string(index=False))
    loadings = result.param_table.query("block == 'loading'")["estimate"]
    print(f"discriminations from {loadings.min():.2f} to {loadings.max():.2f}")
    print(result.latent_scores.head(3).round(2).to_string())
    dif = fit_aggression(data, " + man:doing")
    effect, error = dif.params["man:doing"], dif.bse["man:doing"]
    print(f"direct effect of gender on doing: {effect:.2f} (SE {error:.2f})")


def show_pupils():
    """Estimates beside what the data were simulated from, and the path diagram."""
    result = fit_pupils(simulate_pupils())
    table = pd.DataFrame({"truth": TRUTH, "estimate": result.params, "std_err": result.bse})
    print(table.loc[list(TRUTH)].round(2).to_string())
    print(result.path_diagram())


SECTIONS = {
    "Verbal aggression: two-parameter logistic model with a latent regression": show_aggression,
    "Pupils in schools: a factor at each level": show_pupils,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
