"""A covariate that is missing for some: a latent variable that others have measured without error.

Simulated patients: an exposure is missing in two of five, more often for those who are ill. A logistic
regression of those with all variables is biased; the joint model of illness and exposure is not.

Usage::

    python examples/field_missing_covariate.py

Skrondal, A. & Rabe-Hesketh, S. (2004), Generalized Latent Variable Modeling. Boca Raton: Chapman & Hall/CRC.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg

#: What the patients are simulated from, under the names of the joint model's parameters.
TRUTH = pd.Series(
    {
        "ill": -0.8,
        "ill:w": 0.5,
        "loading(exposure: ill)": 1.0,
        "exposure ~ one": 0.5,
        "exposure ~ w": 0.5,
        "var(exposure|patient)": 1.0,
    }
)

#: Variance of the measurement error of a covariate that is known, a thousandth of its own.
KNOWN = 1e-3


def simulate(n=1000, seed=1):
    """Patients with illness `y`, covariate `w` and exposure `x`, which is missing at random."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=n)
    x = TRUTH["exposure ~ one"] + TRUTH["exposure ~ w"] * w + rng.normal(size=n)
    linear = TRUTH["ill"] + TRUTH["ill:w"] * w + TRUTH["loading(exposure: ill)"] * x
    y = rng.binomial(1, 1 / (1 + np.exp(-linear))).astype(float)
    # depends on what is always seen, but not only on covariates
    missing = rng.random(n) < 1 / (1 + np.exp(-(-1.5 + 1.5 * y - 1.0 * w + 2.0 * y * w)))
    return pd.DataFrame({"patient": range(n), "w": w, "x": np.where(missing, np.nan, x), "y": y})


def fit_joint(patients):
    """Logistic regression on the exposure, which is latent, and its measurement where known."""
    rows = pd.concat(
        [
            patients.assign(kind="illness", value=patients["y"]),
            patients.dropna().assign(kind="measurement", value=patients["x"].dropna()),
        ],
        ignore_index=True,
    ).drop(columns="x")
    ill = (rows["kind"] == "illness").astype(float)
    model = smg.GLLAMM.from_formula(
        "value ~ 0 + ill + ill:w",
        rows.assign(ill=ill, measured=1 - ill, one=1.0),
        latent=[smg.Latent("exposure", "patient", "0 + measured + ill")],
        regressions=["exposure ~ one + w"],
        family={"illness": "binomial", "measurement": "gaussian"},
        family_by="kind",
    )
    return model.fit_constrained(f"var(Residual)[measurement] = {KNOWN}")


def fit_complete(patients):
    """Logistic regression of those whose exposure is known."""
    return sm.Logit.from_formula("y ~ x + w", patients.dropna()).fit(disp=False)


def show_patients():
    """Truth, joint model and complete cases side by side."""
    patients = simulate()
    print(f"exposure missing: {patients['x'].isna().mean():.0%}")
    joint, complete = fit_joint(patients), fit_complete(patients)
    names = {"Intercept": "ill", "w": "ill:w", "x": "loading(exposure: ill)"}
    table = pd.DataFrame(
        {
            "truth": TRUTH,
            "joint": joint.params,
            "std_err": joint.bse,
            "complete cases": complete.params.rename(names),
            "std_err ": complete.bse.rename(names),
        }
    )
    print(table.loc[TRUTH.index].round(3).to_string(na_rep=""))
    print(joint.path_diagram())


SECTIONS = {"Illness and an exposure that is missing for some": show_patients}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
