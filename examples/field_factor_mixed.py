"""Factor models for items of different kinds: continuous, binary and ordinal ones in one model.

Simulated pupils: a test score, passing an examination, and a grade measure knowledge; hours of study,
doing the homework, and the teacher's rating measure effort. Each kind of item has its own family and
link. The data are simulated, so that the right answer is known.

Usage::

    python examples/field_factor_mixed.py

Skrondal, A. & Rabe-Hesketh, S. (2004), Generalized Latent Variable Modeling, chapter 14. Boca Raton:
Chapman & Hall/CRC.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import chi2

import sm_gllamm.api as smg

#: Items of knowledge, then of effort.
KNOWLEDGE, EFFORT = ["score", "passed", "grade"], ["hours", "homework", "rating"]

FAMILIES = {
    "score": "gaussian",
    "passed": "binomial",
    "grade": smg.families.Ordinal("logit"),
    "hours": "gaussian",
    "homework": sm.families.Binomial(sm.families.links.Probit()),
    "rating": smg.families.Ordinal("probit"),
}

#: What the pupils are simulated from; the loadings of score and hours are one.
TRUTH = {
    "score": 2.0,
    "passed": 0.3,
    "hours": 1.0,
    "homework": -0.2,
    "loading(knowledge: passed)": 1.5,
    "loading(knowledge: grade)": 1.2,
    "loading(effort: homework)": 1.0,
    "loading(effort: rating)": 0.8,
    "threshold(0|1)[grade]": -1.5,
    "threshold(1|2)[grade]": 0.0,
    "threshold(2|3)[grade]": 1.5,
    "threshold(0|1)[rating]": -0.5,
    "threshold(1|2)[rating]": 0.8,
    "var(knowledge|pupil)": 1.0,
    "cov(knowledge,effort|pupil)": 0.5,
    "var(effort|pupil)": 0.8,
    "var(Residual)[score]": 0.5,
    "var(Residual)[hours]": 1.0,
}


def simulate(n=1000, seed=1):
    """Items of pupils in long form.

    Parameters
    ----------
    n : int
        Number of pupils.
    seed : int or Generator

    Returns
    -------
    rows : DataFrame
        A row a pupil and item, with an indicator of each item under its name.
    factors : DataFrame, shape (n, 2)
        The latent variables.
    """
    rng = np.random.default_rng(seed)
    t = TRUTH
    between = t["cov(knowledge,effort|pupil)"]
    covariance = [[t["var(knowledge|pupil)"], between], [between, t["var(effort|pupil)"]]]
    knowledge, effort = rng.multivariate_normal([0, 0], covariance, size=n).T

    def ordinal(item, latent_response):
        thresholds = [value for name, value in t.items() if f"[{item}]" in name and "|" in name]
        return np.searchsorted(thresholds, latent_response)

    wide = pd.DataFrame({"pupil": np.arange(n)})
    sd = {item: np.sqrt(t[f"var(Residual)[{item}]"]) for item in ("score", "hours")}
    wide["score"] = t["score"] + knowledge + sd["score"] * rng.normal(size=n)
    passed = t["passed"] + t["loading(knowledge: passed)"] * knowledge + rng.logistic(size=n)
    wide["passed"] = passed > 0
    grade = t["loading(knowledge: grade)"] * knowledge + rng.logistic(size=n)
    wide["grade"] = ordinal("grade", grade)
    wide["hours"] = t["hours"] + effort + sd["hours"] * rng.normal(size=n)
    homework = t["homework"] + t["loading(effort: homework)"] * effort + rng.normal(size=n)
    wide["homework"] = homework > 0
    rating = t["loading(effort: rating)"] * effort + rng.normal(size=n)
    wide["rating"] = ordinal("rating", rating)
    rows = smg.stack_responses(wide, [*KNOWLEDGE, *EFFORT], ["pupil"])
    rows = rows.join(pd.get_dummies(rows["response"], dtype=float))
    factors = pd.DataFrame({"knowledge": knowledge, "effort": effort})
    return rows, factors


def fit(rows, latent, **options):
    """Constants for all items but the ordinal ones, which have thresholds."""
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + score + passed + hours + homework", rows, latent=latent, family=FAMILIES,
        family_by="response", **options,
    )  # fmt: skip
    return model.fit()


def formula(items):
    return "0 + " + " + ".join(items)


def fit_one(rows):
    """One factor of all items."""
    return fit(rows, [smg.Latent("general", "pupil", formula(KNOWLEDGE + EFFORT))])


def fit_two(rows):
    """Knowledge and effort, correlated: the model the data come from."""
    groups = {"knowledge": KNOWLEDGE, "effort": EFFORT}
    return fit(rows, [smg.Latent(name, "pupil", formula(x)) for name, x in groups.items()])


def fit_bifactor(rows):
    """A factor of all items, and one of what is specific to effort, uncorrelated.

    It contains the model of two factors, in which effort = rho knowledge + specific.
    """
    groups = {"general": KNOWLEDGE + EFFORT, "specific": EFFORT}
    latent = [smg.Latent(name, "pupil", formula(x)) for name, x in groups.items()]
    return fit(rows, latent, covariance="diagonal")


def show_recovery():
    """Estimates beside what the data were simulated from."""
    print("score:    y = b + knowledge + e        hours:    y = b + effort + e")
    print("passed:   logit Pr(y = 1) = b + l K    homework: probit Pr(y = 1) = b + l E")
    print("grade:    logit Pr(y > s) = l K - k_s  rating:   probit Pr(y > s) = l E - k_s\n")
    rows, _ = simulate()
    result = fit_two(rows)
    table = pd.DataFrame({"truth": TRUTH, "estimate": result.params, "std_err": result.bse})
    table["z"] = (table["estimate"] - table["truth"]) / table["std_err"]
    print(table.loc[list(TRUTH)].round(2).to_string())


def show_models():
    """One factor, two, and a bifactor model."""
    rows, _ = simulate()
    models = {"one factor": fit_one, "two factors": fit_two, "bifactor": fit_bifactor}
    results = {name: fit_model(rows) for name, fit_model in models.items()}
    table = {name: (len(r.params), r.llf, r.aic) for name, r in results.items()}
    columns = ["parameters", "loglike", "AIC"]
    print(pd.DataFrame.from_dict(table, orient="index", columns=columns).round(2).to_string())
    # nested by rotation, not by name, so compare_lr_test does not take them
    statistic = 2 * (results["bifactor"].llf - results["two factors"].llf)
    p_value = chi2.sf(statistic, 2)
    print(f"\nbifactor against two factors: chi2(2) = {statistic:.2f}, p = {p_value:.2f}")


def show_scores():
    """Scores of pupils beside the factors that only a simulation knows."""
    rows, factors = simulate()
    scores = fit_two(rows).latent_scores
    print(scores.head().round(2).to_string())
    for name in factors:
        known = np.corrcoef(scores[name], factors[name])[0, 1]
        print(f"correlation of the scores with {name}: {known:.2f}")


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit_two(simulate()[0])


SECTIONS = {
    "Two factors: what was simulated and what is estimated": show_recovery,
    "One factor, two factors, a bifactor model": show_models,
    "Scores": show_scores,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
