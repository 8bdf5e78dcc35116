"""Polytomous item response models of attitudes to science and technology.

Four statements, answered from 0, strongly disagree, to 3, strongly agree, by 392 persons (Eurobarometer
1992): graded response, partial credit, rating scale and nominal models, scores and fit.

Usage::

    python examples/irt_science.py

Chalmers, R. P. (2012), mirt: a multidimensional item response theory package for the R environment.
Journal of Statistical Software 48(6), 1-29.
"""

import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

ITEMS = ["comfort", "work", "future", "benefit"]
#: Statements against science, which measure another attitude.
AGAINST = ["environment", "technology", "industry"]
MODELS = ["RSM", "PCM", "GPCM", "graded", "nominal"]
#: Log-likelihood of the graded response model that mirt's help pages print.
PUBLISHED = -1608.870


def load(items=ITEMS):
    """A row a person, a column a statement."""
    return datasets.science.load_pandas().data[items]


def fit(model="graded", **options):
    """A model of the four statements; `options` are those of :class:`sm_gllamm.api.IRT`."""
    return smg.IRT(load(), model, **options).fit()


def show_graded():
    """Discriminations and the attitudes at which half choose a category or a higher one."""
    result = fit()
    print(result.item_table("difficulty").round(2).to_string())
    print(f"\nlog-likelihood {result.llf:.3f}, mirt {PUBLISHED:.3f}")


def show_models():
    """All models of polytomous items."""
    first, *others = [fit(name) for name in MODELS]
    print(first.compare(*others, names=MODELS).round(3).to_string())


def show_steps():
    """Partial credit: the attitudes at which neighbouring categories are equally likely."""
    print(
        fit("GPCM").item_table("difficulty", wide=True).filter(regex="^[^s]").round(2).to_string()
    )


def show_scores():
    """What persons are said to think, and how sure that is."""
    result = fit()
    print(load().join(result.scores()).head(4).round(2).to_string())
    print(f"\nmarginal reliability {result.reliability().loc['theta', 'marginal']:.2f}")
    print(f"\n{result.information([-3, -1, 1, 3]).round(2).to_string()}")


def show_fit():
    """The model, the items, and pairs of items."""
    result = fit()
    print(result.m2()[["statistic", "df", "p_value", "rmsea", "srmsr"]].round(3).to_string())
    print(f"\n{result.item_fit().round(3).to_string()}")
    print(f"\nQ3 less its mean\n{result.local_dependence('q3*').round(2).to_string()}")


def show_dimensions():
    """Seven statements: one attitude or two."""
    data = load(ITEMS + AGAINST)
    one = smg.IRT(data).fit()
    two = smg.IRT(data, dimensions={"for": ITEMS, "against": AGAINST}).fit()
    numbers = {"llf": [one.llf, two.llf], "aic": [one.aic, two.aic]}
    print(pd.DataFrame(numbers, index=["one dimension", "two dimensions"]).round(2).to_string())
    print(f"correlation {two.latent_distribution().loc['corr(for,against)', 'estimate']:.2f}")


def figure_categories():
    """Probabilities of the categories."""
    return fit().plot_category_curves()


def figure_information():
    """Information of the test, with that of its items."""
    return fit().plot_test_information(items=True)


def figure_item_fit():
    """Observed and expected responses by sum score."""
    return fit().plot_item_fit()


SECTIONS = {
    "Graded response model": show_graded,
    "Models compared": show_models,
    "Step difficulties": show_steps,
    "Scores and information": show_scores,
    "Fit": show_fit,
    "Two dimensions": show_dimensions,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
