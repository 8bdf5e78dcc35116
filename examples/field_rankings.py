"""Factor structures in rankings and choices: utilities with a latent variable.

First, 2262 Germans ordered four political goals (Croon 1989). A factor whose loadings differ between the
goals makes their utilities dependent: postmaterialists place say and free speech above order and stable
prices. A second factor is tested. Second, households choose a brand of crackers again and again (Jain,
Vilcassim & Chintagunta 1994): the loadings of the brands are their places on a line of tastes.

Usage::

    python examples/field_rankings.py

Elrod, T. (1988), Choice map: inferring a product-market map from panel data. Marketing Science 7, 21-40.
Skrondal, A. & Rabe-Hesketh, S. (2003), Multilevel logistic regression for polytomous data and rankings.
Psychometrika 68, 267-287.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

GOALS = ["say", "prices", "speech"]
BRANDS = ["sunshine", "keebler", "nabisco"]

ONE_FACTOR = [smg.Latent("values", "ordering", "0 + say + prices + speech")]
#: Without a loading of `say` the second factor cannot be rotated into the first.
TWO_FACTORS = [*ONE_FACTOR, smg.Latent("second", "ordering", "0 + prices + speech")]


def load_goals():
    """A row a goal and ordering, with indicators of the goals other than order."""
    rows = datasets.political_goals.load_pandas().data
    return rows.assign(**{goal: (rows["goal"] == goal).astype(float) for goal in GOALS})


def ranking_model(rows, latent):
    """Rankings of the goals with utilities that depend on latent variables of variance one."""
    return smg.GLLAMM.from_formula(
        "rank ~ 0 + say + prices + speech",
        rows,
        latent=latent,
        covariance="diagonal",
        identification="variance",
        family=smg.families.Ranking(),
        sets="ordering",
        freq_weights={"ordering": "freq"},
    )


def saturated(rows):
    """Log-likelihood of a free probability for each of the 24 orderings."""
    count = rows.groupby("ordering")["freq"].first()
    return float(np.sum(count * np.log(count / count.sum())))


def load_crackers():
    """A row a brand and purchase, with indicators of the brands other than private labels."""
    rows = datasets.crackers.load_pandas().data
    return rows.assign(**{brand: (rows["brand"] == brand).astype(float) for brand in BRANDS})


def choice_model(rows):
    """Choices of brands with a factor of taste."""
    return smg.GLLAMM.from_formula(
        "choice ~ 0 + sunshine + keebler + nabisco + price + display + feature",
        rows,
        latent=[smg.Latent("taste", "id", "0 + sunshine + keebler + nabisco")],
        identification="variance",
        family=smg.families.Choice(),
        sets=["id", "occasion"],
    )


def show_goals():
    """One and two factors, how well they describe the 24 frequencies, scores, path diagram."""
    rows = load_goals()
    for latent in (ONE_FACTOR, TWO_FACTORS):
        result = ranking_model(rows, latent).fit()
        table = pd.DataFrame({"estimate": result.params, "std_err": result.bse})
        print(table.round(2).to_string())
        deviance = 2 * (saturated(rows) - result.llf)
        print(f"deviance {deviance:.1f} with {23 - len(table)} degrees of freedom\n")
    one = ranking_model(rows, ONE_FACTOR).fit()
    scores = one.latent_scores.sort_values("values")
    print("orderings of the lowest and the highest scores (1 order, 2 say, 3 prices, 4 speech)")
    print(scores.iloc[[0, 1, -2, -1]].round(2).to_string())
    print(one.path_diagram())


def show_crackers():
    """Marketing and the places of the brands."""
    result = choice_model(load_crackers()).fit()
    table = pd.DataFrame({"estimate": result.params, "std_err": result.bse})
    print(table.round(2).to_string())


SECTIONS = {
    "Political goals: a factor in rankings": show_goals,
    "Crackers: a factor in choices": show_crackers,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
