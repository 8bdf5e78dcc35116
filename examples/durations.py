"""Diabetic retinopathy: the same frailty model in discrete and in continuous time.

One eye of each of 197 patients was treated by laser, the other was not; times to blindness are
censored on the right. Two eyes of a patient share a frailty. Compares a discrete-time model, a
piecewise exponential one and parametric ones.

Usage::

    python examples/durations.py

Huster, W. J., Brookmeyer, R. & Self, S. G. (1989), Modelling paired survival data with covariates.
Biometrics 45, 145-156.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets

COVARIATES = "trt * type + (1 | id)"
EFFECTS = ["trt", "type[T.adult]", "trt:type[T.adult]", "var(Intercept|id)"]
CUTS = [6, 12, 18, 24, 36, 48]


def load():
    """The eyes, one row each."""
    return datasets.retinopathy.load_pandas().data


def fit_discrete(data):
    """Hazards by interval, complementary log-log link: grouped proportional hazards."""
    periods = smg.person_period(data, "futime", "status", intervals=[*CUTS, np.inf])
    family = sm.families.Binomial(sm.families.links.CLogLog())
    return smgf.glmm(f"y ~ 0 + C(period) + {COVARIATES}", periods, family=family).fit()


def fit_piecewise(data):
    """A constant hazard within intervals."""
    episodes = smg.split_episodes(data, "futime", "status", CUTS)
    model = smgf.glmm(
        f"event ~ 0 + interval + {COVARIATES}", episodes, family="poisson", exposure="exposure"
    )
    return model.fit()


def fit_parametric(data, family):
    """One of the parametric families."""
    return smgf.glmm(f"futime + status ~ {COVARIATES}", data, family=family).fit()


def show_hazards(data):
    """Log hazard ratios of the proportional-hazards models."""
    fits = {
        "discrete": fit_discrete(data),
        "piecewise": fit_piecewise(data),
        "Weibull": fit_parametric(data, smg.families.Weibull("ph")),
        "exponential": fit_parametric(data, smg.families.Exponential("ph")),
    }
    print(pd.DataFrame({name: fit.params[EFFECTS] for name, fit in fits.items()}).round(3))
    print("standard errors")
    print(pd.DataFrame({name: fit.bse[EFFECTS] for name, fit in fits.items()}).round(3))


def show_times(data):
    """Accelerated failure: effects on the logarithm of the time."""
    fits = {
        "Weibull": smg.families.Weibull("aft"),
        "gamma": smg.families.GammaDuration(),
        "log-normal": smg.families.LogNormal(),
        "log-logistic": smg.families.LogLogistic(),
    }
    fits = {name: fit_parametric(data, family) for name, family in fits.items()}
    print(pd.DataFrame({name: fit.params[EFFECTS] for name, fit in fits.items()}).round(3))
    print(pd.Series({name: fit.llf for name, fit in fits.items()}).round(2).to_string())


def show_survival(data):
    """Probabilities to keep sight, averaged over patients."""
    result = fit_parametric(data, smg.families.Weibull())
    new = data.drop_duplicates(["trt", "type"])[["trt", "type", "id"]].sort_values(["type", "trt"])
    table = result.predict(new, survival=[12, 24, 36, 48, 60]).round(3)
    print(new[["type", "trt"]].join(table).to_string(index=False))


SECTIONS = {
    "Proportional hazards": show_hazards,
    "Accelerated failure": show_times,
    "Survival in months": show_survival,
}


def main():
    data = load()
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show(data)


if __name__ == "__main__":
    main()
