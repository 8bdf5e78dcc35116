"""Factor models for binary items: one and two parameters, two factors, and a bifactor model.

First, five items of the Law School Admission Test (Bock & Lieberman 1970), the classical example of
item response theory. Second, verbal aggression (Vansteelandt 2000): 12 items about what a person
would want to do and 12 about what he or she would do, with one factor, with two correlated factors,
and with a general factor and specific ones.

Usage::

    python examples/field_factor_binary.py

Gibbons, R. D. & Hedeker, D. R. (1992), Full-information item bi-factor analysis. Psychometrika 57,
423-436.
Rizopoulos, D. (2006), ltm: an R package for latent variable modeling and item response theory
analyses. Journal of Statistical Software 17(5), 1-25.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

LSAT = [f"item_{k}" for k in range(1, 6)]
ALL = "0 + C(item)"

#: Rizopoulos (2006), section 4.1: difficulties and discrimination of the one-parameter model.
PUBLISHED = pd.Series([-3.6153, -1.3224, -0.3176, -1.7301, -2.7802, 0.7551], [*LSAT, "a"])
#: The same section: log-likelihoods with one and two parameters, and their comparison.
PUBLISHED_FIT = {"one": -2466.938, "two": -2466.65, "statistic": 0.57, "df": 4, "p": 0.967}


def load_lsat():
    """One row a person and item."""
    wide = datasets.lsat.load_pandas().data
    return smg.stack_responses(wide, LSAT, id="person").rename(columns={"response": "item"})


def load_aggression():
    """One row a person and item, with an indicator of each item under its name."""
    data = datasets.verbagg.load_pandas().data
    return data.join(pd.get_dummies(data["item"], dtype=float))


def fit(rows, latent, **options):
    """Logistic model; every item has a constant."""
    return smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)", rows, latent=latent, family="binomial", **options
    ).fit()


def fit_one_parameter(rows):
    """All items have the same discrimination, the ability has variance one."""
    equal = {item: "a" for item in rows["item"].unique()}
    ability = smg.Latent("ability", "person", ALL, equal=equal)
    return fit(rows, [ability], identification="variance")


def fit_two_parameters(rows):
    """Every item has a discrimination of its own."""
    return fit(rows, [smg.Latent("ability", "person", ALL)], identification="variance")


def items_of(rows, mode):
    """Formula with the items about wanting, or about doing."""
    return "0 + " + " + ".join(rows.loc[rows["mode"] == mode, "item"].unique())


def fit_one_factor(rows):
    """One tendency to aggression."""
    return fit(rows, [smg.Latent("aggression", "id", ALL)], identification="variance")


def fit_two_factors(rows):
    """Wanting and doing, correlated."""
    latent = [smg.Latent(mode, "id", items_of(rows, mode)) for mode in ("want", "do")]
    return fit(rows, latent)


def fit_bifactor(rows):
    """A general factor of all items, and what is specific to wanting and to doing."""
    latent = [smg.Latent(mode, "id", items_of(rows, mode)) for mode in ("want", "do")]
    latent = [smg.Latent("general", "id", ALL), *latent]
    return fit(rows, latent, identification="variance", covariance="diagonal")


def difficulties(result, items, latent="ability"):
    """Difficulties -d/a of items with standard errors by the delta method.

    Parameters
    ----------
    result : results
    items : list of str
    latent : str
        Latent variable whose loadings are the discriminations; a shared one is named "a".

    Returns
    -------
    DataFrame
        Columns ``difficulty`` and ``std_err``.
    """
    covariance = result.cov_params()
    rows = {}
    for item in items:
        names = [f"C(item)[{item}]", f"loading({latent}: C(item)[{item}])"]
        names[1] = names[1] if names[1] in result.params else "loading(a)"
        d, a = result.params[names]
        gradient = np.array([-1 / a, d / a**2])
        rows[item] = -d / a, np.sqrt(gradient @ covariance.loc[names, names] @ gradient)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["difficulty", "std_err"])


def correlation(result):
    """Correlation of the two factors."""
    matrix = result.cov_re.to_numpy()
    return float(matrix[0, 1] / np.sqrt(matrix[0, 0] * matrix[1, 1]))


def discriminations(result):
    """Loadings, a row an item and a column a factor.

    Parameters
    ----------
    result : results

    Returns
    -------
    DataFrame
        NaN where an item does not load on a factor.
    """
    table = result.param_table.query("block == 'loading'")
    names = table["name"].str.replace(r"C\(item\)\[(.*)\]", r"\1", regex=True)
    names = names.str.split(": ", expand=True)
    long = pd.DataFrame({"item": names[1], "factor": names[0], "value": table["estimate"]})
    out = long.pivot(index="item", columns="factor", values="value")
    return out.loc[names[1].unique(), names[0].unique()].rename_axis(index=None, columns=None)


def explained_common_variance(result):
    """Share of the general factor in the squared loadings of all factors (ECV)."""
    squares = (discriminations(result) ** 2).sum()
    return float(squares["general"] / squares.sum())


def show_lsat():
    """One and two parameters."""
    print("logit Pr(y_ij = 1) = d_i + a_i theta_j,   theta_j ~ N(0, 1),   difficulty -d_i / a_i\n")
    rows = load_lsat()
    one, two = fit_one_parameter(rows), fit_two_parameters(rows)
    table = difficulties(one, LSAT).assign(published=PUBLISHED[LSAT])
    print(table.round(4).to_string())
    print(f"discrimination {one.params['loading(a)']:.4f}, published {PUBLISHED['a']}\n")
    table = difficulties(two, LSAT)
    loadings = [f"loading(ability: C(item)[{item}])" for item in LSAT]
    table.insert(0, "discrimination", two.params[loadings].to_numpy())
    print(table.round(3).to_string())
    test = two.compare_lr_test(one)
    print(f"\none parameter {one.llf:.3f}, two {two.llf:.3f}", end=": ")
    print(f"chi2(4) = {test.statistic:.2f}, p = {test.pvalue:.3f}")
    print("published {one}, {two}: chi2({df}) = {statistic}, p = {p}".format(**PUBLISHED_FIT))


def show_aggression():
    """One, two factors, and a bifactor model."""
    print("logit Pr(y_ij = 1) = d_i + a_i0 general_j + a_im specific_mj\n")
    rows = load_aggression()
    models = {"one factor": fit_one_factor, "two factors": fit_two_factors}
    results = {name: fit_model(rows) for name, fit_model in models.items()}
    results["bifactor"] = bifactor = fit_bifactor(rows)
    table = {
        name: (len(result.params), result.llf, result.aic, result.info_criteria("bic", n="id"))
        for name, result in results.items()
    }
    columns = ["parameters", "loglike", "AIC", "BIC (persons)"]
    table = pd.DataFrame.from_dict(table, orient="index", columns=columns)
    print(table.round(2).to_string())
    print(f"\ncorrelation of wanting and doing: {correlation(results['two factors']):.2f}")
    print(f"bifactor model: {explained_common_variance(bifactor):.0%} of the common variance")
    print("is that of the general factor; discriminations:\n")
    print(discriminations(bifactor).round(2).to_string(na_rep=""))


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit_two_factors(load_aggression())


SECTIONS = {
    "Law School Admission Test: one and two parameters": show_lsat,
    "Verbal aggression: one factor, two factors, a bifactor model": show_aggression,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
