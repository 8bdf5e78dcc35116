"""Factor models for continuous items: one, two and three factors, and a bifactor model.

Nine tests of mental ability of 301 children (Holzinger & Swineford 1939): the example of every
program for factor analysis. Three tests each are about visual perception (x1-x3), verbal ability
(x4-x6) and speed (x7-x9).

Usage::

    python examples/field_factor_continuous.py

Eid, M., Geiser, C., Koch, T. & Heene, M. (2017), Anomalous results in G-factor models: explanations
and alternatives. Psychological Methods 22, 541-562.
Rosseel, Y. (2012), lavaan: an R package for structural equation modeling. Journal of Statistical
Software 48(2), 1-36.
"""

import numpy as np
import pandas as pd
from scipy.stats import chi2

import sm_gllamm.api as smg
from sm_gllamm import datasets

ITEMS = [f"x{k}" for k in range(1, 10)]
VISUAL, TEXTUAL, SPEED = "0 + x1 + x2 + x3", "0 + x4 + x5 + x6", "0 + x7 + x8 + x9"
EVERY = "0 + " + " + ".join(ITEMS)

#: Three factors as lavaan's documentation prints them (Rosseel 2012, section 3).
PUBLISHED = {
    "loading(visual: x2)": 0.554,
    "loading(visual: x3)": 0.729,
    "loading(textual: x5)": 1.113,
    "loading(textual: x6)": 0.926,
    "loading(speed: x8)": 1.180,
    "loading(speed: x9)": 1.082,
    "var(visual|child)": 0.809,
    "var(textual|child)": 0.979,
    "var(speed|child)": 0.384,
    "cov(visual,textual|child)": 0.408,
    "cov(visual,speed|child)": 0.262,
    "cov(textual,speed|child)": 0.173,
}
PUBLISHED_CHI2, PUBLISHED_DF = 85.306, 24


def load():
    """One row a child and test, with an indicator of each test under its name."""
    wide = datasets.holzinger.load_pandas().data
    rows = smg.stack_responses(wide, ITEMS, id="child")
    return rows.join(pd.get_dummies(rows["response"], dtype=float))


def fit(rows, latent, **options):
    """Every test has a constant and a residual variance of its own."""
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + C(response)", rows, latent=latent, dispersion="~ 0 + C(response)", **options
    )
    return model.fit()


def fit_one(rows):
    """Everything measures one ability."""
    return fit(rows, [smg.Latent("ability", "child", EVERY)])


def fit_two(rows):
    """Speed apart from the rest."""
    power = smg.Latent("power", "child", f"{VISUAL} + x4 + x5 + x6")
    return fit(rows, [power, smg.Latent("speed", "child", SPEED)])


def fit_three(rows):
    """A factor for each group of tests, correlated."""
    groups = {"visual": VISUAL, "textual": TEXTUAL, "speed": SPEED}
    return fit(rows, [smg.Latent(name, "child", tests) for name, tests in groups.items()])


def fit_bifactor(rows):
    """A general factor, and specific ones of the verbal and the speed tests; all uncorrelated.

    Visual perception has no factor of its own: what it measures is what the general factor means
    (Eid et al. 2017).
    """
    groups = {"general": EVERY, "textual": TEXTUAL, "speed": SPEED}
    latent = [smg.Latent(name, "child", tests) for name, tests in groups.items()]
    return fit(rows, latent, identification="variance", covariance="diagonal")


MODELS = {
    "one factor": fit_one,
    "two factors": fit_two,
    "three factors": fit_three,
    "bifactor": fit_bifactor,
}


def goodness_of_fit(rows, results):
    """Test of each model against an unrestricted mean vector and covariance matrix.

    Parameters
    ----------
    rows : DataFrame
    results : dict of str to results

    Returns
    -------
    DataFrame
        With columns ``loglike``, ``chi2``, ``df``, ``p``, ``RMSEA``, ``AIC``.
    """
    scores = rows.pivot(index="child", columns="response", values="y")
    n, p = scores.shape
    log_determinant = np.linalg.slogdet(np.cov(scores.T, bias=True))[1]
    unrestricted = -n / 2 * (p * np.log(2 * np.pi) + log_determinant + p)
    table = {}
    for name, result in results.items():
        statistic = 2 * (unrestricted - result.llf)
        df = p + p * (p + 1) // 2 - len(result.params)
        rmsea = np.sqrt(max(statistic - df, 0) / (df * n))
        table[name] = (result.llf, statistic, df, chi2.sf(statistic, df), rmsea, result.aic)
    columns = ["loglike", "chi2", "df", "p", "RMSEA", "AIC"]
    return pd.DataFrame.from_dict(table, orient="index", columns=columns).astype({"df": int})


def standardized_loadings(result):
    """Loadings for factors and items with variances of one, and the residuals' share.

    Parameters
    ----------
    result : results of a model with uncorrelated factors of variance one

    Returns
    -------
    DataFrame
        A row an item; a column a factor, and ``residual``, its share of the variance.
    """
    table = result.param_table.query("block == 'loading'")
    names = table["name"].str.split(": ", expand=True)
    loadings = pd.DataFrame({"item": names[1], "factor": names[0], "value": table["estimate"]})
    loadings = loadings.pivot(index="item", columns="factor", values="value").fillna(0.0)
    loadings = loadings[names[0].unique()].rename_axis(index=None, columns=None)
    residual = np.exp(2 * result.params[[f"log_sd:C(response)[{item}]" for item in ITEMS]])
    variance = (loadings**2).sum(axis=1) + residual.to_numpy()
    out = loadings.div(np.sqrt(variance), axis=0)
    return out.assign(residual=residual.to_numpy() / variance)


def reliability(result):
    """Share of the variance of the sum of all items: of all factors (omega), of the general one.

    Parameters
    ----------
    result : results of :func:`fit_bifactor`

    Returns
    -------
    tuple of float
        Omega total and omega hierarchical (McDonald 1999).
    """
    table = result.param_table.query("block == 'loading'")
    sums = table.groupby(table["name"].str.split(": ").str[0])["estimate"].sum()
    residual = np.exp(2 * result.params.filter(like="log_sd")).sum()
    total = (sums**2).sum() + residual
    return float((sums**2).sum() / total), float(sums["general"] ** 2 / total)


def show_models():
    """How many factors?"""
    print("y_ij = b_i + sum_m lambda_im eta_mj + e_ij,   e_ij ~ N(0, theta_i)\n")
    rows = load()
    table = goodness_of_fit(rows, {name: fit_model(rows) for name, fit_model in MODELS.items()})
    print(table.round(3).to_string())
    print(f"\nlavaan, three factors: chi2 = {PUBLISHED_CHI2} with {PUBLISHED_DF} df")


def show_three():
    """Three correlated factors beside the published estimates."""
    result = fit_three(load())
    table = pd.DataFrame(
        {"lavaan": PUBLISHED, "estimate": result.params, "std_err": result.bse}
    ).loc[list(PUBLISHED)]
    print(table.round(3).to_string())


def show_bifactor():
    """Standardised loadings of the bifactor model, reliability of a sum score, the diagram."""
    print("y_ij = b_i + lambda_i0 general_j + lambda_im specific_mj + e_ij\n")
    result = fit_bifactor(load())
    print(standardized_loadings(result).round(2).to_string())
    total, hierarchical = reliability(result)
    print(f"\nomega = {total:.2f}, of the general factor alone {hierarchical:.2f}\n")
    print(result.path_diagram())


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit_bifactor(load())


SECTIONS = {
    "One, two, three factors and a bifactor model": show_models,
    "Three correlated factors: published and estimated": show_three,
    "Bifactor model": show_bifactor,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
