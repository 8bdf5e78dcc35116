"""Bitterness of wine: ordinal models with a random effect of judges.

The example of R's ordinal package: nine judges rated wines from cold or warm grapes, with or without
contact of juice and skins, in five ordered categories. Reproduces the published fit, which is by
Laplace's approximation, and goes on to probabilities, to the proportionality of the odds and to a
scale that differs between treatments.

Usage::

    python examples/ordinal.py

Christensen, R. H. B. (2019), ordinal: regression models for ordinal data. R package.
Randall, J. H. (1989), The analysis of sensory data by generalized linear model. Biometrical Journal
31, 781-793.
"""

import warnings

import pandas as pd
from scipy.stats import chi2

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets
from sm_gllamm.exceptions import QuadratureWarning

FORMULA = "rating ~ temp + contact + (1 | judge)"
#: summary(clmm(rating ~ temp + contact + (1 | judge), data = wine))
PUBLISHED = pd.Series(
    {
        "temp[T.warm]": 3.0630,
        "contact[T.yes]": 1.8349,
        "var(Intercept|judge)": 1.279,
        "threshold(1|2)": -1.6237,
        "threshold(2|3)": 1.5134,
        "threshold(3|4)": 4.2285,
        "threshold(4|5)": 6.0888,
    }
)


def load():
    """The wine data, one row a rating."""
    return datasets.wine.load_pandas().data


def fit_proportional_odds(data, **kwargs):
    """One coefficient for all thresholds. `kwargs` are for ``fit``."""
    return smgf.glmm(FORMULA, data, family=smg.families.Ordinal("logit")).fit(**kwargs)


def fit_partial_proportional_odds(data):
    """The effect of contact may differ between thresholds."""
    model = smgf.glmm(
        "rating ~ temp + (1 | judge)",
        data,
        family=smg.families.Ordinal("logit"),
        thresholds="~ contact",
    )
    return model.fit()


def fit_scaled_probit(data):
    """Ratings of warm wines may vary more, or less."""
    return smgf.glmm(FORMULA, data, family=smg.families.Ordinal("probit"), scale="~ temp").fit()


def show_fit(data, result):
    """Estimates with enough quadrature points beside the published ones."""
    print(result.summary())
    with warnings.catch_warnings():
        # one point is what the published fit has
        warnings.simplefilter("ignore", QuadratureWarning)
        laplace = fit_proportional_odds(data, integration="laplace")
    table = {"published": PUBLISHED, "Laplace": laplace.params, "here": result.params}
    print(pd.DataFrame(table).loc[PUBLISHED.index].round(4))


def show_probabilities(data, result):
    """Probabilities of the ratings for each treatment, over judges and for the median judge."""
    new = data.drop_duplicates(["temp", "contact"])[["temp", "contact", "judge"]]
    for which in ("marginal", "conditional"):
        print(which)
        table = result.predict(new, which=which).round(3)
        print(new[["temp", "contact"]].join(table).to_string(index=False))


def show_assumptions(data, result):
    """Are the odds proportional, is the scale the same?"""
    partial = fit_partial_proportional_odds(data)
    scaled = fit_scaled_probit(data)
    probit = smgf.glmm(FORMULA, data, family=smg.families.Ordinal("probit")).fit()
    for question, large, small in (
        ("proportional odds for contact", partial, result),
        ("equal scales for temp", scaled, probit),
    ):
        statistic, df = 2 * (large.llf - small.llf), len(large.params) - len(small.params)
        print(f"{question}: chi2({df}) = {statistic:.2f}, p = {chi2.sf(statistic, df):.2f}")


SECTIONS = {
    "Proportional odds": show_fit,
    "Probabilities of the categories": show_probabilities,
    "Assumptions": show_assumptions,
}


def main():
    data = load()
    result = fit_proportional_odds(data)
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data, result)


if __name__ == "__main__":
    main()
