"""Interaction of latent variables: the effect of one depends on another one.

Simulated students: effort and ability, each measured by three items with error, act on achievement, and
effort helps the able more (Kenny & Judd 1984). The likelihood of the product is integrated, as in the LMS
method of Klein & Moosbrugger (2000); a regression on sums of items, which ignores their errors,
underestimates everything, the interaction most.

Usage::

    python examples/field_latent_interaction.py

Kenny, D. A. & Judd, C. M. (1984), Estimating the nonlinear and interactive effects of latent variables.
Psychological Bulletin 96, 201-210.
Klein, A. & Moosbrugger, H. (2000), Maximum likelihood estimation of latent interaction effects with the LMS
method. Psychometrika 65, 457-474.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg

#: What the students are simulated from.
TRUTH = pd.Series(
    {
        "achievement ~ effort": 0.4,
        "achievement ~ ability": 0.5,
        "achievement ~ effort:ability": 0.4,
        "var(effort|student)": 1.0,
        "cov(effort,ability|student)": 0.3,
        "var(ability|student)": 1.0,
        "var(achievement|student)": 0.4,
    }
)
LOADINGS, ERROR_SD = (1.0, 0.8, 0.9), 0.7
ITEMS = {
    "effort": ["e1", "e2", "e3"],
    "ability": ["a1", "a2", "a3"],
    "achievement": ["y1", "y2", "y3"],
}


def simulate(n=400, seed=1):
    """A row a student, three items for each latent variable."""
    rng = np.random.default_rng(seed)
    effort, ability = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.3], [0.3, 1.0]], size=n).T
    achievement = TRUTH["achievement ~ effort"] * effort + TRUTH["achievement ~ ability"] * ability
    achievement += TRUTH["achievement ~ effort:ability"] * effort * ability
    achievement += np.sqrt(TRUTH["var(achievement|student)"]) * rng.normal(size=n)
    scores = {"effort": effort, "ability": ability, "achievement": achievement}
    columns = {
        item: loading * scores[name] + ERROR_SD * rng.normal(size=n)
        for name, items in ITEMS.items()
        for item, loading in zip(items, LOADINGS, strict=True)
    }
    return pd.DataFrame(columns).assign(student=range(n))


def interaction_model(students, product=" + effort:ability"):
    """Three factors, one regressed on the others and their product."""
    items = [item for own in ITEMS.values() for item in own]
    rows = smg.stack_responses(students, items, ["student"])
    rows = rows.assign(**{item: (rows["response"] == item).astype(float) for item in items})
    return smg.GLLAMM.from_formula(
        "y ~ 0 + response",
        rows,
        latent=[
            smg.Latent(name, "student", "0 + " + " + ".join(own)) for name, own in ITEMS.items()
        ],
        regressions=[f"achievement ~ effort + ability{product}"],
        dispersion="~ 0 + response",
    )


def simple_slopes(params):
    """Effect of effort on achievement where ability is a standard deviation below, at, above its mean."""
    sd = np.sqrt(params["var(ability|student)"])
    slope, product = params["achievement ~ effort"], params["achievement ~ effort:ability"]
    return pd.Series({"low": slope - product * sd, "mean": slope, "high": slope + product * sd})


def regression_of_sums(students):
    """Least squares of mean items, each sum being divided by the sum of the loadings."""
    means = {name: students[own].sum(axis=1) / sum(LOADINGS) for name, own in ITEMS.items()}
    return sm.OLS.from_formula("achievement ~ effort * ability", pd.DataFrame(means)).fit()


def show_students():
    """Truth, latent variables and sums of items; simple slopes; path diagram."""
    students = simulate()
    result, sums = interaction_model(students).fit(), regression_of_sums(students).params
    linear = interaction_model(students, product="").fit()
    table = pd.DataFrame({"truth": TRUTH, "estimate": result.params, "std_err": result.bse})
    table["sums of items"] = sums.rename(lambda name: f"achievement ~ {name}")
    print(table.loc[TRUTH.index].round(2).to_string(na_rep=""))
    print(f"test of the interaction: chi2(1) = {2 * (result.llf - linear.llf):.1f}")
    print("effect of effort where ability is low, average and high")
    print(simple_slopes(result.params).round(2).to_string())
    print(result.path_diagram())


SECTIONS = {"Effort, ability and achievement": show_students}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
