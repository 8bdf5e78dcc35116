"""Responses of different kinds in one model, linked by correlated random effects.

First, reading proficiency and socio-economic status of students (PISA 2000): a binary and a gaussian
response whose random effects of schools are correlated, so that the contextual effect is one of the
school's true mean status. Second, calls of owl nestlings: whether there are any, and how many, a
hurdle model with random effects of nests in both parts.

Usage::

    python examples/mixed_responses.py

Skrondal, A. & Rabe-Hesketh, S. (2004), Generalized Latent Variable Modeling, chapter 14. Boca Raton:
Chapman & Hall/CRC.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

COLUMNS = ["estimate", "std_err", "sd_corr"]


def fit_school(data):
    """Reading and status of students, with a random effect of each at the school."""
    rows = smg.stack_responses(data, ["pass_read", "ses"], ["id_school"])
    model = smgf.glmm(
        "y ~ 0 + response + (0 + response | id_school)",
        rows,
        family={"pass_read": sm.families.Binomial(), "ses": sm.families.Gaussian()},
        family_by="response",
    )
    return model.fit()


def fit_owls(data, bars):
    """Any calls, and their number where there are any; `bars` are the random effects."""
    calls = data["SiblingNegotiation"]
    rows = pd.concat(
        [
            data.assign(part="any", y=(calls > 0).astype(float)),
            data[calls > 0].assign(part="count", y=calls[calls > 0]),
        ],
        ignore_index=True,
    )
    model = smgf.glmm(
        f"y ~ 0 + part + part:FoodTreatment + part:log_brood + {bars}",
        rows,
        family={"any": "binomial", "count": smg.families.ZeroTruncated("nb2")},
        family_by="part",
    )
    return model.fit()


def show_school():
    """The contextual effect of the school's true mean status."""
    result = fit_school(datasets.pisa.load_pandas().data)
    print(result.summary())
    level = "id_school"
    between = result.params[f"cov(response[pass_read],response[ses]|{level})"]
    slope = between / result.params[f"var(response[ses]|{level})"]
    print(f"difference in the log odds for one unit of the school's mean status: {slope:.2f}")


def show_owls():
    """Is a nest that calls at all also one that calls often?"""
    data = datasets.owls.load_pandas().data
    data["log_brood"] = np.log(data["BroodSize"])
    joint = fit_owls(data, "(0 + part | Nest)")
    print(joint.random_effects_table()[COLUMNS].round(3).to_string())
    test = joint.compare_lr_test(fit_owls(data, "(0 + part || Nest)"))
    print(f"test of no correlation: chi2 = {test.statistic:.2f}, p = {test.pvalue:.3f}")


SECTIONS = {
    "Reading and status, binary and gaussian": show_school,
    "Any calls and their number, binary and truncated count": show_owls,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
