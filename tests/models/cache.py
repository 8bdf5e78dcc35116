"""Fitted models that several test modules share, filled when first asked for."""

import warnings
from functools import cache

import numpy as np  # noqa: F401, the name is used in a formula
import statsmodels.api as sm

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import QuadratureWarning
from tests.reference import load_cases, load_data

LINKS = {
    "identity": sm.families.links.Identity,
    "log": sm.families.links.Log,
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
}
FAMILIES = {
    "binomial": sm.families.Binomial,
    "gaussian": sm.families.Gaussian,
    "poisson": sm.families.Poisson,
}

# Nodes a dimension with which the log-likelihood of a case is converged beyond the digits of its
# reference; where a case is not listed, 25 are plenty.
NODES = {
    "toenail_ri_logit": 121,
    "retinopathy_ri_cloglog": 41,
    "bacteria_ri_logit": 41,
    "contraception_rs_probit": 15,
    "epilepsy_rs_poisson": 15,
    "guimmun_3level_logit": 31,
    "guimmun_3level_logit_short": 31,
    "grouseticks_3level_poisson": 21,
}


def build(case):
    """Return the unfitted model of a reference case."""
    family = FAMILIES[case["family"]](link=LINKS[case["link"]]())
    options = {key: case[key] for key in ("weights", "exposure") if key in case}
    return smgf.glmm(case["formula"], load_data(case["data"]), family=family, **options)


@cache
def model(source, name):
    """Return the unfitted model of a reference case, always the same object."""
    return build(load_cases(source)[name])


@cache
def fitted(source, name, cov_type="nonrobust"):
    """Return a case fitted with more nodes than its reference needs, or with those it states."""
    case = load_cases(source)[name]
    if case["family"] == "gaussian":
        options = {}
    elif case.get("points"):
        options = {"n_points": case["points"], "integration": "meansd"}
    else:
        options = {"n_points": NODES.get(name, 25)}
    if case.get("reml"):
        options["reml"] = True
    with warnings.catch_warnings():
        if case.get("points"):
            # The stated number of nodes may well be too small.
            warnings.simplefilter("ignore", QuadratureWarning)
        return model(source, name).fit(cov_type=cov_type, **options)


@cache
def fitted_by_default(source, name):
    """Return a case fitted without a word about quadrature."""
    return model(source, name).fit()


def params_in_order(source, name):
    """Return the reference's estimates in the order of the model's parameters."""
    reference = load_cases(source)[name]["params"]
    return [reference[label]["est"] for label in model(source, name).mapping.param_names]
