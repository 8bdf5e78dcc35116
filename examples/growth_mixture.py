"""Toenail infection: a growth mixture of binary outcomes.

Patients are in classes whose risk of a separated nail develops differently over the months, and vary
around that within a class. Compared with the usual mixed logistic regression, and with a mixture without
random effects; trajectories of the classes with intervals.

Usage::

    python examples/growth_mixture.py [figure.png]

De Backer, M., De Vroey, C., Lesaffre, E., Scheys, I. & De Keyser, P. (1998), Twelve weeks of continuous
oral therapy for toenail onychomycosis. Journal of the American Academy of Dermatology 38, S57-S63.
"""

import sys

import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

FIXED = "outcome ~ month * treatment"
MIXED = f"{FIXED} + (1 | patient)"


def load():
    """The visits of 294 patients."""
    return datasets.toenail.load_pandas().data


def fit_growth_mixture(data, n_classes=2, **options):
    """Classes with random intercepts. `options` are for the mixture."""
    model = smg.Mixture.from_formula(MIXED, data, n_classes, family="binomial", **options)
    return model.fit(n_starts=5)


def show_comparison(data):
    """A normal random intercept, two classes, and both."""
    fits = {
        "random intercept": smg.GLMM.from_formula(MIXED, data, family="binomial").fit(),
        "two classes": smg.Mixture.from_formula(
            FIXED, data, 2, groups="patient", family="binomial"
        ).fit(n_starts=5),
        "both": fit_growth_mixture(data),
    }
    rows = {
        name: {"log-likelihood": fit.llf, "parameters": len(fit.params), "BIC": fit.bic}
        for name, fit in fits.items()
    }
    print(pd.DataFrame.from_dict(rows, orient="index").round(1).to_string())


def show_growth_mixture(data):
    """Estimates, and how sure we are of the classes."""
    result = fit_growth_mixture(data)
    print(result.summary())
    print(result.classification())


def show_trajectories(data, path=None):
    """Risks of the classes over the year; drawn where there is a `path`."""
    result = fit_growth_mixture(data)
    table = result.class_trajectories("month", by="treatment", at={"patient": 1}, n=4)
    print(table.round(3).to_string(index=False))
    if path is not None:
        result.plot_class_trajectories("month", by="treatment").savefig(path, dpi=150)


SECTIONS = {
    "Is a normal distribution enough?": show_comparison,
    "Two classes with a random intercept": show_growth_mixture,
    "Trajectories": show_trajectories,
}


def main(path=None):
    data = load()
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        if show is show_trajectories:
            show(data, path)
        else:
            show(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
