"""Begging owl nestlings: overdispersion and additional zeros.

Counts of the calls of nestlings before a parent comes with food, in 27 nests. Compares Poisson,
negative binomial, zero-inflated and hurdle models by how they explain the zeros, and follows the
zeros' dependence on hunger.

Usage::

    python examples/counts.py

Zuur, A. F., Ieno, E. N., Walker, N. J., Saveliev, A. A. & Smith, G. M. (2009), Mixed Effects Models
and Extensions in Ecology with R. New York: Springer.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

FORMULA = "SiblingNegotiation ~ FoodTreatment * SexParent + log_brood + (1 | Nest)"
FAMILIES = {
    "Poisson": "poisson",
    "NB2": smg.families.NegativeBinomial(),
    "NB1": smg.families.NegativeBinomial(kind="nb1"),
    "zero-inflated Poisson": smg.families.ZeroInflated("poisson"),
    "zero-inflated NB2": smg.families.ZeroInflated("nb2"),
    "hurdle NB2": smg.families.Hurdle("nb2"),
}


def load():
    """The owls, one row an arrival of a parent."""
    data = datasets.owls.load_pandas().data
    return data.assign(log_brood=np.log(data["BroodSize"]))


def fit(data, family, **kwargs):
    """The counts with one of the families."""
    return smgf.glmm(FORMULA, data, family=family, **kwargs).fit()


def show_families(data):
    """Log-likelihood, AIC, and the share of zeros in data simulated from each model."""
    rows = {}
    for name, family in FAMILIES.items():
        result = fit(data, family)
        draws = result.simulate(100, seed=1)
        rows[name] = (result.llf, result.aic, 100 * np.mean(np.asarray(draws) == 0))
    table = pd.DataFrame.from_dict(rows, "index", columns=["llf", "aic", "per cent zero"])
    print(table.round(1))
    print(f"per cent zero in the data: {100 * np.mean(data['SiblingNegotiation'] == 0):.1f}")


def show_zeros(data):
    """Do the zeros have the same causes as the counts?"""
    constant = fit(data, smg.families.ZeroInflated("nb2"))
    hunger = fit(data, smg.families.ZeroInflated("nb2"), zero="~ FoodTreatment")
    print(hunger.summary())
    print(f"gain by covariates of the zeros: {2 * (hunger.llf - constant.llf):.1f}")


def show_dispersion(data):
    """Overdispersion that depends on hunger, instead of additional zeros."""
    result = fit(data, smg.families.NegativeBinomial(), dispersion="~ FoodTreatment")
    print(result.params.tail(3).round(3).to_string())
    print(f"AIC {result.aic:.1f}")


SECTIONS = {
    "Families": show_families,
    "Zeros with covariates": show_zeros,
    "Dispersion with covariates": show_dispersion,
}


def main():
    data = load()
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data)


if __name__ == "__main__":
    main()
