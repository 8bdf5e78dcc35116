"""Explanatory item response models: what makes an item hard, and a person able.

Verbal aggression (Vansteelandt 2000; De Boeck & Wilson 2004): 24 items cross what is done (cursing,
scolding, shouting), whether it is wanted or done, and who is to blame. The Rasch model has a constant
for each item; the linear logistic test model explains the constants by these properties, a latent
regression explains the trait by anger and gender of the person.

Usage::

    python examples/field_explanatory_irt.py

De Boeck, P. & Wilson, M. (2004), Explanatory Item Response Models. New York: Springer.
De Boeck, P. et al. (2011), The estimation of item response models with the lmer function from the
lme4 package in R. Journal of Statistical Software 39(12), 1-28.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

PROPERTIES = "btype + situ + mode"

#: Log-likelihoods by an independent evaluation with 61 nodes.
REFERENCE = {"Rasch": -4036.905, "LLTM": -4116.613, "LLTM, latent regression": -4109.649}
#: Estimates of the last of them by the same evaluation.
REFERENCE_ESTIMATES = {
    "btype[T.scold]": -1.055,
    "btype[T.shout]": -2.042,
    "situ[T.self]": -1.028,
    "mode[T.do]": -0.671,
    "aggression ~ Anger": 0.0562,
    "aggression ~ man": 0.316,
}


def load():
    """One row a person and item; `y` is 1 for "yes" and "perhaps"."""
    data = datasets.verbagg.load_pandas().data
    return data.assign(man=(data["Gender"] == "M").astype(float))


def fit(data, items, persons=(), loadings="1", **options):
    """Logistic model.

    Parameters
    ----------
    data : DataFrame
    items : str
        Formula of the constants.
    persons : list of str
        Regression of the trait.
    loadings : str
        Formula of the discriminations; "1" for the same in all items.
    """
    trait = smg.Latent("aggression", "id", loadings)
    return smg.GLLAMM.from_formula(
        f"y ~ {items}", data, latent=[trait], regressions=persons, family="binomial", **options
    ).fit()


def fit_rasch(data):
    """A constant for each item."""
    return fit(data, "0 + C(item)")


def fit_lltm(data):
    """Linear logistic test model (Fischer 1973): constants are sums over properties."""
    return fit(data, PROPERTIES)


def fit_latent_regression(data):
    """The trait regressed on anger and gender, too."""
    return fit(data, PROPERTIES, ["aggression ~ Anger + man"])


def fit_two_parameters(data):
    """A constant and a discrimination for each item."""
    return fit(data, "0 + C(item)", loadings="0 + C(item)", identification="variance")


def fit_explained_discriminations(data):
    """Constants and discriminations are sums over properties."""
    return fit(data, PROPERTIES, loadings=PROPERTIES, identification="variance")


MODELS = {
    "Rasch": fit_rasch,
    "LLTM": fit_lltm,
    "LLTM, latent regression": fit_latent_regression,
    "two parameters": fit_two_parameters,
    "LLTM, discriminations by properties": fit_explained_discriminations,
}


def explained_variance(data):
    """Share of the variance of the Rasch constants that the properties explain."""
    constants = fit_rasch(data).params.filter(like="C(item)")
    constants.index = constants.index.str.slice(len("C(item)["), -1)
    linear = fit_lltm(data).predict(which="linear")
    fitted = pd.Series(linear, data["item"].to_numpy()).groupby(level=0).first()
    return float(np.corrcoef(constants, fitted[constants.index])[0, 1] ** 2)


def show_models():
    """All models, beside the reference."""
    print("Rasch:  logit Pr(y_ij = 1) = b_i + theta_j")
    print("LLTM:   logit Pr(y_ij = 1) = x_i'b + theta_j,   theta_j = w_j'g + zeta_j\n")
    data = load()
    results = {name: fit_model(data) for name, fit_model in MODELS.items()}
    table = pd.DataFrame(
        {
            "parameters": {name: len(result.params) for name, result in results.items()},
            "loglike": {name: result.llf for name, result in results.items()},
            "reference": REFERENCE,
            "AIC": {name: result.aic for name, result in results.items()},
        }
    )
    print(table.loc[list(MODELS)].round(3).to_string(na_rep=""))
    print(f"\nproperties explain {explained_variance(data):.0%} of the variance of the constants")


def show_latent_regression():
    """Odds ratios of properties, effects of persons."""
    result = fit_latent_regression(load())
    table = pd.DataFrame(
        {"reference": REFERENCE_ESTIMATES, "estimate": result.params, "std_err": result.bse}
    ).loc[list(REFERENCE_ESTIMATES)]
    table["odds ratio"] = np.exp(table["estimate"])
    print(table.round(4).to_string())
    print(
        f"SD of the trait given anger and gender: {result.params['var(aggression|id)'] ** 0.5:.2f}"
    )
    print(result.path_diagram())


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit_latent_regression(load())


SECTIONS = {
    "Models of items": show_models,
    "Properties of items and persons": show_latent_regression,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
