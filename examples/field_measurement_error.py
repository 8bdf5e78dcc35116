"""Covariate measurement error: fibre in the diet and coronary heart disease.

333 men weighed their food for a week, 76 of them twice (Morris, Marr & Clayton 1977). True fibre is a
latent variable, the two measurements are its items, and heart disease is regressed on it: the example
of gllamm's cme (Rabe-Hesketh, Pickles & Skrondal 2003; Skrondal & Rabe-Hesketh 2004, section 14.2).
Simulated data show what ignoring the error does.

Usage::

    python examples/field_measurement_error.py

Rabe-Hesketh, S., Pickles, A. & Skrondal, A. (2003), Correcting for covariate measurement error in
logistic regression using nonparametric maximum likelihood estimation. Statistical Modelling 3,
215-232.
"""

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

import sm_gllamm.api as smg
from sm_gllamm import datasets

FAMILIES = {"fibre": "gaussian", "chd": "binomial"}

#: galamm's vignette (Laplace approximation), which says that Table 14.1 of Skrondal and Rabe-Hesketh
#: (2004) is very close to it.
PUBLISHED = {
    "loading(fibre: chd)": -0.1339,
    "chd": -1.9152,
    "measured": 17.94834,
    "second": 0.22406,
    "fibre ~ age": -0.21207,
    "fibre ~ bus": -1.68278,
    "fibre ~ age:bus": 0.16821,
    "var(fibre|id)": 23.64,
}

#: What the simulated men are made from.
TRUTH = {
    "chd": -1.0,
    "measured": 17.0,
    "loading(fibre: chd)": -0.15,
    "fibre ~ bus": -1.5,
    "var(fibre|id)": 20.0,
    "var(Residual)[fibre]": 15.0,
}


def with_indicators(rows):
    """Columns that say what a row is: the disease, a measurement, the second one."""
    chd = rows["item"] == "chd"
    return rows.assign(
        kind=np.where(chd, "chd", "fibre"),
        chd=chd.astype(float),
        measured=(~chd).astype(float),
        second=(rows["item"] == "fiber2").astype(float),
    )


def load():
    """One row a man and response."""
    return with_indicators(datasets.diet.load_pandas().data)


def fit(rows, direct=" + (age * bus):chd", exposure="age * bus"):
    """Disease, measurement and exposure models in one.

    Parameters
    ----------
    rows : DataFrame
    direct : str
        Effects on the disease that do not go through fibre.
    exposure : str
        Covariates that true fibre is regressed on.
    """
    second = " + second" if rows["second"].any() else ""
    fibre = smg.Latent("fibre", "id", "0 + measured + chd")
    return smg.GLLAMM.from_formula(
        "y ~ 0 + chd + measured" + second + direct, rows, latent=[fibre],
        regressions=[f"fibre ~ {exposure}"], family=FAMILIES, family_by="kind",
    ).fit()  # fmt: skip


def fit_naive(rows):
    """Logistic regression on the mean of a man's measurements, as if it were the truth."""
    wide = rows.query("kind == 'fibre'").groupby("id").agg({"y": "mean", "bus": "first"})
    wide = wide.rename(columns={"y": "fibre"})
    wide["chd"] = rows.query("kind == 'chd'").set_index("id")["y"]
    return smf.logit("chd ~ fibre + bus", wide).fit(disp=False)


def reliability(result):
    """Share of the variance of a measurement, given the covariates, that is the truth's."""
    true, error = result.params[["var(fibre|id)", "var(Residual)[fibre]"]]
    return float(true / (true + error))


def simulate(n=2000, seed=1):
    """Two measurements of each man and an outcome that depends on the truth only.

    Parameters
    ----------
    n : int
        Number of men.
    seed : int or Generator

    Returns
    -------
    DataFrame, as :func:`load`
    """
    rng = np.random.default_rng(seed)
    bus = rng.integers(2, size=n)
    true = TRUTH["fibre ~ bus"] * bus + np.sqrt(TRUTH["var(fibre|id)"]) * rng.normal(size=n)
    error = np.sqrt(TRUTH["var(Residual)[fibre]"]) * rng.normal(size=(2, n))
    nu = TRUTH["chd"] + TRUTH["loading(fibre: chd)"] * true
    chd = (nu + rng.logistic(size=n) > 0).astype(float)
    wide = pd.DataFrame({"id": np.arange(n), "bus": bus, "chd": chd})
    wide["fiber1"], wide["fiber2"] = TRUTH["measured"] + true + error
    rows = wide.melt(["id", "bus"], ["fiber1", "fiber2", "chd"], "item", "y")
    # one constant for both measurements
    return with_indicators(rows).assign(second=0.0)


def show_diet():
    """The model with direct effects, beside the published estimates."""
    print("measurement   y_ij = b + b2 second_i + F_j + e_ij,   e_ij ~ N(0, theta)")
    print("exposure      F_j = g1 age_j + g2 bus_j + g3 age_j bus_j + zeta_j,   zeta_j ~ N(0, psi)")
    print(
        "disease       logit Pr(d_j = 1) = a + a1 age_j + a2 bus_j + a3 age_j bus_j + lambda F_j\n"
    )
    rows = load()
    result = fit(rows)
    table = pd.DataFrame(
        {"published": PUBLISHED, "estimate": result.params, "std_err": result.bse}
    ).loc[list(PUBLISHED)]
    print(table.round(3).to_string())
    print(f"log-likelihood {result.llf:.3f}")
    print(f"reliability of a measurement given the covariates: {reliability(result):.2f}\n")
    indirect = fit(rows, direct="")
    test = result.compare_lr_test(indirect)
    print(f"no direct effects: chi2(3) = {test.statistic:.2f}, p = {test.pvalue:.2f}")
    slope = indirect.params["loading(fibre: chd)"]
    low, high = np.exp(10 * indirect.conf_int().loc["loading(fibre: chd)"])
    print(f"odds ratio for 10 g of fibre: {np.exp(10 * slope):.2f} ({low:.2f} to {high:.2f})")
    naive = fit_naive(rows)
    print(f"naive, as if measured without error: {np.exp(10 * naive.params['fibre']):.2f}\n")
    print(indirect.path_diagram())


def show_simulation():
    """What ignoring the error does, where the truth is known."""
    rows = simulate()
    result, naive = fit(rows, direct="", exposure="bus"), fit_naive(rows)
    table = pd.DataFrame({"truth": TRUTH, "estimate": result.params, "std_err": result.bse})
    print(table.loc[list(TRUTH)].round(3).to_string())
    print(f"\nnaive logistic regression: {naive.params['fibre']:.3f} instead of", end=" ")
    print(f"{TRUTH['loading(fibre: chd)']}")


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit(load(), direct="")


SECTIONS = {
    "Fibre and heart disease": show_diet,
    "Simulated data: with and without the error": show_simulation,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
