"""A structural equation model with three latent variables at two levels.

Pupils answer four test items, and each school has three ordinal ratings of its teaching (simulated after
Rabe-Hesketh, Skrondal & Pickles 2004). The ability of pupils is regressed on their socio-economic status;
its school component is measured by the same items with the same loadings, and regressed on the quality of
teaching, which only the ratings measure.

Usage::

    python examples/field_multilevel_sem.py

Rabe-Hesketh, S., Skrondal, A. & Pickles, A. (2004), Generalized multilevel structural equation modeling.
Psychometrika 69, 167-190.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg

#: What schools and pupils are simulated from.
TRUTH = pd.Series(
    {
        "r1": 1.0,
        "r2": 0.3,
        "r3": -0.2,
        "r4": -0.8,
        "t2": 0.3,
        "t3": -0.4,
        "threshold(1|2)[rating]": -1.0,
        "threshold(2|3)[rating]": 0.2,
        "threshold(3|4)[rating]": 1.4,
        "loading(r2)": 0.8,
        "loading(r3)": 1.2,
        "loading(r4)": 1.0,
        "loading(teaching: t2)": 0.7,
        "loading(teaching: t3)": 1.3,
        "ability ~ ses": 0.4,
        "climate ~ teaching": 0.5,
        "var(climate|school)": 0.25,
        "var(teaching|school)": 1.0,
        "var(ability|pupil)": 1.0,
    }
)
ITEMS, RATINGS = ["r1", "r2", "r3", "r4"], ["t1", "t2", "t3"]


def simulate(n_schools=150, n_pupils=10, seed=1):
    """Long form: four rows a pupil and three a school, which has a `pupil` number of its own."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_schools), n_pupils)
    ses = rng.normal(size=len(school))
    teaching = np.sqrt(TRUTH["var(teaching|school)"]) * rng.normal(size=n_schools)
    climate = TRUTH["climate ~ teaching"] * teaching
    climate += np.sqrt(TRUTH["var(climate|school)"]) * rng.normal(size=n_schools)
    ability = TRUTH["ability ~ ses"] * ses + climate[school] + rng.normal(size=len(school))
    frames = []
    for item in ITEMS:
        nu = TRUTH[item] + TRUTH.get(f"loading({item})", 1.0) * ability
        y = (rng.random(len(school)) < 1 / (1 + np.exp(-nu))).astype(float)
        pupil = np.arange(len(school))
        frames.append(
            pd.DataFrame({"school": school, "pupil": pupil, "ses": ses, "item": item, "y": y})
        )
    thresholds = TRUTH.filter(like="threshold").to_numpy()
    for item in RATINGS:
        latent = TRUTH.get(item, 0.0) + TRUTH.get(f"loading(teaching: {item})", 1.0) * teaching
        y = 1.0 + np.searchsorted(thresholds, latent + rng.logistic(size=n_schools))
        pupil = -1 - np.arange(n_schools)
        frames.append(
            pd.DataFrame(
                {"school": range(n_schools), "pupil": pupil, "ses": 0.0, "item": item, "y": y}
            )
        )
    rows = pd.concat(frames, ignore_index=True)
    dummies = {item: (rows["item"] == item).astype(float) for item in ITEMS + RATINGS}
    kind = np.where(rows["item"].isin(ITEMS), "test", "rating")
    return rows.assign(kind=kind, **dummies)


def school_model(rows):
    """Ability of pupils, its component of schools, and teaching, which acts on that."""
    same = {item: item for item in ITEMS[1:]}
    measured = "0 + " + " + ".join(ITEMS)
    return smg.GLLAMM.from_formula(
        "y ~ 0 + r1 + r2 + r3 + r4 + t2 + t3",
        rows,
        latent=[
            smg.Latent("ability", "pupil", measured, equal=same),
            smg.Latent("climate", "school", measured, equal=same),
            smg.Latent("teaching", "school", "0 + t1 + t2 + t3"),
        ],
        regressions=["ability ~ ses", "climate ~ teaching"],
        covariance="diagonal",
        family={"test": "binomial", "rating": smg.families.Ordinal("logit")},
        family_by="kind",
    )


def show_schools():
    """Estimates beside the truth, how much teaching explains, and the path diagram."""
    result = school_model(simulate()).fit()
    table = pd.DataFrame({"truth": TRUTH, "estimate": result.params, "std_err": result.bse})
    print(table.loc[TRUTH.index].round(2).to_string())
    params = result.params
    explained = params["climate ~ teaching"] ** 2 * params["var(teaching|school)"]
    share = explained / (explained + params["var(climate|school)"])
    print(f"share of the variance between schools that teaching explains: {share:.2f}")
    print(result.path_diagram())


SECTIONS = {"Pupils, schools and teaching": show_schools}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
