"""Graded response model: ordinal items with thresholds and discriminations of their own.

Four statements about science and technology (Eurobarometer 1992), answered from 0, strongly disagree,
to 3, strongly agree (Samejima 1969). The example of R's ltm and mirt.

Usage::

    python examples/field_graded_response.py

Chalmers, R. P. (2012), mirt: a multidimensional item response theory package for the R environment.
Journal of Statistical Software 48(6), 1-29.
Samejima, F. (1969), Estimation of latent ability using a response pattern of graded scores.
Psychometrika Monograph 17.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

import sm_gllamm.api as smg
from sm_gllamm import datasets

ITEMS = ["comfort", "work", "future", "benefit"]

#: Log-likelihoods and their comparison as mirt's help pages print them.
PUBLISHED = {"equal": -1613.899, "graded": -1608.870, "statistic": 10.059, "df": 3, "p": 0.018}


def load(items=ITEMS):
    """One row a person and statement."""
    wide = datasets.science.load_pandas().data
    return smg.stack_responses(wide, items, id="person").rename(columns={"response": "item"})


def merge_lowest(rows, item="comfort"):
    """The two lowest categories of a statement in one, as is done where few choose the lowest."""
    lowest = (rows["item"] == item) & (rows["y"] == 0)
    return rows.assign(y=rows["y"].mask(lowest, 1))


def fit(rows, equal=False, **options):
    """Graded response model; `equal`: one discrimination for all items.

    A family for each item gives each its own thresholds; they need not have the same categories.
    `options` are those of the model's ``fit``.
    """
    items = rows["item"].unique()
    attitude = smg.Latent(
        "attitude", "person", "0 + C(item)", equal={item: "a" for item in items} if equal else {}
    )
    model = smg.GLLAMM.from_formula(
        "y ~ 0",
        rows,
        latent=[attitude],
        family={item: smg.families.Ordinal("logit") for item in items},
        family_by="item",
        identification="variance",
    )
    return model.fit(**options)


def thresholds(result, item):
    """Thresholds of an item by the categories they stand between, such as "1|2"."""
    start, end = "threshold(", f")[{item}]"
    names = [name for name in result.params.index if name.startswith(start) and name.endswith(end)]
    out = result.params[names]
    return out.rename(lambda name: name.removeprefix(start).removesuffix(end))


def item_parameters(result):
    """Discriminations and the attitude at which half answer above a category.

    Parameters
    ----------
    result : results of :func:`fit`

    Returns
    -------
    DataFrame
        A row an item: ``a`` and b of each threshold, named after it.
    """
    rows = {}
    for item in ITEMS:
        a = result.params[f"loading(attitude: C(item)[{item}])"]
        rows[item] = {"a": a, **(thresholds(result, item) / a)}
    out = pd.DataFrame.from_dict(rows, orient="index")
    return out[["a", *sorted(out.columns[1:])]]


def category_probabilities(result, item, attitude):
    """Probabilities of the categories of an item given the attitude.

    Parameters
    ----------
    result : results of :func:`fit`
    item : str
    attitude : array_like, shape (m,)

    Returns
    -------
    DataFrame, shape (m, K)
    """
    a = result.params[f"loading(attitude: C(item)[{item}])"]
    cuts = thresholds(result, item)
    above = expit(a * np.asarray(attitude, dtype=float)[:, None] - cuts.to_numpy())
    above = np.column_stack([np.ones(len(above)), above, np.zeros(len(above))])
    categories = [cuts.index[0].split("|")[0], *cuts.index.str.split("|").str[1]]
    index = pd.Index(attitude, name="attitude")
    return pd.DataFrame(-np.diff(above), index=index, columns=categories)


def show_graded():
    """Item parameters, and one discrimination against many."""
    print("logit Pr(y_ij > s) = a_i theta_j - k_is,   theta_j ~ N(0, 1),   b_is = k_is / a_i\n")
    rows = load()
    graded, equal = fit(rows), fit(rows, equal=True)
    print(item_parameters(graded).round(2).to_string())
    test = graded.compare_lr_test(equal)
    print(f"\nequal discriminations {equal.llf:.3f}, free {graded.llf:.3f}", end=": ")
    print(f"chi2(3) = {test.statistic:.2f}, p = {test.pvalue:.3f}")
    print(
        "mirt {equal:.3f}, {graded:.3f}: chi2({df}) = {statistic:.2f}, p = {p}".format(**PUBLISHED)
    )


def show_categories():
    """What persons of several attitudes answer."""
    result = fit(load())
    print("thanks to science there will be more opportunities for future generations:")
    print(category_probabilities(result, "future", [-2, -1, 0, 1, 2]).round(2).to_string())


def show_merged():
    """Items with different numbers of categories."""
    rows = load()
    lowest = rows.query("item == 'comfort' and y == 0")
    print(f"{len(lowest)} of {rows['person'].nunique()} strongly disagree with 'comfort'\n")
    print(item_parameters(fit(merge_lowest(rows))).round(2).to_string(na_rep=""))


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit(load())


SECTIONS = {
    "Graded response model": show_graded,
    "Category probabilities": show_categories,
    "Different numbers of categories": show_merged,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
