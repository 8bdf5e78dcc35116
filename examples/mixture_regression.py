"""Epileptic seizures: mixtures of Poisson regressions.

Counts of seizures of 59 patients in four periods of two weeks vary between patients by much more than
treatment and baseline say. Patients are put in classes with regressions of their own; numbers of classes
are compared, the patients of each class described, and the effect of the treatment averaged over classes.

Usage::

    python examples/mixture_regression.py

Thall, P. F. & Vail, S. C. (1990), Some covariance models for longitudinal count data with
overdispersion. Biometrics 46, 657-671.
"""

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

FORMULA = "y ~ trt + lbase"


def load():
    """The seizures, one row a patient and period."""
    return datasets.epil.load_pandas().data


def fit(data, n_classes, **options):
    """Patients in classes. `options` are for the mixture."""
    model = smg.Mixture.from_formula(
        FORMULA, data, n_classes, groups="subject", family="poisson", **options
    )
    return model.fit(n_starts=25)


def show_numbers_of_classes(data):
    """Information criteria, with the number of patients as sample size."""
    rows = {}
    for n_classes in (1, 2, 3):
        result = fit(data, n_classes)
        rows[n_classes] = {
            "log-likelihood": result.llf,
            "parameters": len(result.params),
            "BIC": result.info_criteria("bic", n="subject"),
            "ICL": result.info_criteria("icl", n="subject"),
        }
    normal = smg.GLMM.from_formula(f"{FORMULA} + (1 | subject)", data, family="poisson").fit()
    rows["normal intercept"] = {
        "log-likelihood": normal.llf,
        "parameters": len(normal.params),
        "BIC": normal.info_criteria("bic", n="subject"),
    }
    print(pd.DataFrame.from_dict(rows, orient="index").round(1).to_string())


def show_classes(data):
    """Two classes, and who is in them."""
    result = fit(data, 2)
    print(result.summary())
    patients = data.drop_duplicates("subject").set_index("subject")
    first = result.assigned_class().groupby(data["subject"].to_numpy()).first()
    seizures = data.groupby("subject")["y"].mean()
    table = pd.DataFrame({"base": patients["base"], "age": patients["age"], "seizures": seizures})
    print(table.groupby(first.to_numpy()).mean().round(1))
    print(result.classification())


def show_treatment(data):
    """Mean of a patient with the median baseline, with and without progabide."""
    result = fit(data, 2)
    typical = data.iloc[[0, 0]].assign(trt=["placebo", "progabide"], lbase=data["lbase"].median())
    table = result.get_prediction(typical).summary_frame()
    print(table.set_axis(typical["trt"]).round(2))
    shared = fit(data, 2, equal=["trt[T.progabide]", "lbase"])
    ratio = np.exp(shared.conf_int().loc["trt[T.progabide]"])
    print(f"rate ratio in both classes: {ratio[0]:.2f} to {ratio[1]:.2f}")
    print(result.compare_lr_test(shared))


SECTIONS = {
    "How many classes?": show_numbers_of_classes,
    "Two classes": show_classes,
    "Treatment": show_treatment,
}


def main():
    data = load()
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data)


if __name__ == "__main__":
    main()
