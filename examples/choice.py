"""Brands of crackers: discrete choice with a random coefficient of the price.

100 households chose among four brands on 2509 occasions; price, display and feature differ between
brands and occasions. Fits a conditional logit model in which households differ in how they take the
price, predicts market shares and ranks households by their price sensitivity.

Usage::

    python examples/choice.py

Jain, D. C., Vilcassim, N. J. & Chintagunta, P. K. (1994), A random-coefficients logit brand-choice
model applied to panel data. Journal of Business & Economic Statistics 12, 317-328.
"""

import pandas as pd

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

FORMULA = "choice ~ brand + display + feature + price + (0 + price | id)"


def load():
    """The crackers, one row a brand on an occasion."""
    return datasets.crackers.load_pandas().data


def fit(data):
    """A choice set is an occasion of a household."""
    model = smgf.glmm(FORMULA, data, family=smg.families.Choice(), sets=["id", "occasion"])
    return model.fit()


def shares(data, result, change):
    """Shares of the brands if the price of Nabisco changes."""
    new = data.assign(price=data["price"] + change * (data["brand"] == "nabisco"))
    chosen = result.predict(new, which="posterior")
    return chosen.groupby(data["brand"], observed=True).sum() / (len(data) / 4)


def show_fit(data, result):
    print(result.summary())


def show_shares(data, result):
    """Market shares with the households' own price sensitivities."""
    bought = data.groupby("brand", observed=True)["choice"].sum() / (len(data) / 4)
    table = {"bought": bought}
    for change in (-0.10, 0.0, 0.10):
        table[f"Nabisco {change:+.2f}"] = shares(data, result, change)
    print(pd.DataFrame(table).round(3))


def show_households(data, result):
    """Posterior means of the price coefficients."""
    coefficients = result.params["price"] + result.ranef()["price"]
    print(coefficients.describe().round(2).to_string())
    # a normal coefficient is positive for some, who then seem to prefer what is dear
    print(f"positive: {100 * (coefficients > 0).mean():.0f} per cent")


SECTIONS = {
    "Random coefficient of the price": show_fit,
    "Market shares when the price of Nabisco changes": show_shares,
    "Price coefficients of the households": show_households,
}


def main():
    data = load()
    result = fit(data)
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data, result)


if __name__ == "__main__":
    main()
