"""Item response models of the Law School Admission Test, section 6.

Five items and 1,000 persons (Bock and Lieberman 1970): the one-, two- and three-parameter logistic
models, scores, and whether the models fit. The example of R's ltm and mirt.

Usage::

    python examples/irt_lsat.py

Bock, R. D. & Lieberman, M. (1970), Fitting a response model for n dichotomously scored items.
Psychometrika 35, 179-197.
"""

import sm_gllamm.api as smg
from sm_gllamm import datasets

#: Log-likelihoods that R's ltm prints for the models with one and with two parameters.
PUBLISHED = {"1PL": -2466.938, "2PL": -2466.653}


def load():
    """A row a person, a column an item: 1 if right, else 0."""
    return datasets.lsat.load_pandas().data


def fit(model="2PL", **options):
    """A model of the five items; `options` are those of :class:`sm_gllamm.api.IRT`."""
    return smg.IRT(load(), model, **options).fit()


def show_items():
    """Discriminations and difficulties with standard errors."""
    result = fit()
    print(result.item_table("difficulty", wide=True).round(2).to_string())
    print(f"\nlog-likelihood {result.llf:.3f}, ltm {PUBLISHED['2PL']}")


def show_models():
    """One slope or five, and guessing with a prior density."""
    two = fit()
    table = two.compare(fit("1PL"), names=["2PL", "1PL"])
    print(table[["n_params", "llf", "aic", "lr", "df", "p_value"]].round(3).to_string())
    three = fit("3PL", priors={"lower": ("beta", 5, 17)})
    guessing = three.item_table().xs("lower_asymptote", level="parameter")
    print("\nthree parameters, posterior modes: probability of guessing")
    print(guessing.round(2).to_string())


def show_scores():
    """Scores of persons, known and new, and what sum scores say."""
    result, data = fit(), load()
    patterns = data.drop_duplicates().iloc[[0, 15, -1]]
    for method in ("EAP", "WLE"):
        print(
            f"{method}\n{patterns.join(result.scores(method, data=patterns).round(2)).to_string()}"
        )
    print(f"\n{result.sum_score_table().round(2).to_string()}")
    print(f"\nmarginal reliability {result.reliability().loc['theta', 'marginal']:.2f}")


def show_fit():
    """Tests of the model, of items and of pairs of items."""
    result = fit()
    print(result.m2()[["statistic", "df", "p_value", "rmsea", "srmsr"]].round(3).to_string())
    print(f"\n{result.item_fit().round(3).to_string()}")
    print(f"\nresidual correlations\n{result.local_dependence('residual').round(3).to_string()}")


def figure_curves():
    """Item characteristic curves with bands."""
    return fit().plot_item_curves()


SECTIONS = {
    "Two-parameter logistic model": show_items,
    "Models compared": show_models,
    "Scores": show_scores,
    "Fit": show_fit,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
