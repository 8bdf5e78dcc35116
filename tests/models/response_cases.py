"""Reference cases of responses beyond binary data and counts: their data, models and fits."""

from functools import cache

import numpy as np
import pandas as pd
import statsmodels.api as sm

import sm_gllamm.api as smg
import sm_gllamm.formula.api as smgf
from sm_gllamm import datasets
from sm_gllamm.preparation.person_period import person_period
from tests.reference import load_cases, load_data

#: Ends of the periods that the retinopathy reference has, in months.
PERIODS = [*np.arange(3.5, 52, 4), 59.5, np.inf]

MEMBERS = {
    "mresp": {"a": "gaussian", "b": "binomial"},
    "diet": {"fibre": "gaussian", "chd": "binomial"},
    "swjm_joint": {"outcome": "gaussian", "dropout": smg.families.Weibull()},
}

# Nodes a dimension with which the log-likelihood of a case is converged beyond the digits of its
# reference; where a case is not listed, 25 are plenty.
NODES = {
    "crackers_rc_price": 41,
    "wine_ri_ocloglog": 41,
    "wine_ri_ologit": 41,
}


def aggression():
    """Return the ratings of verbal aggression with the contrasts of De Boeck & Wilson (2004)."""
    data = datasets.verbagg.load_pandas().data
    data["resp"] = data["resp"].cat.reorder_categories(["no", "perhaps", "yes"], ordered=True)
    return data.assign(
        do_want=(data["mode"] == "do").astype(float),
        other_self=(data["situ"] == "other").astype(float),
        blame=np.where(data["btype"] == "shout", -1.0, 0.5),
        express=np.where(data["btype"] == "scold", -1.0, 0.5),
        anger=data["Anger"],
        gender=(data["Gender"] == "M").astype(float),
    )


def crackers():
    """Return the purchases of crackers with an indicator of each brand but the store's."""
    data = datasets.crackers.load_pandas().data
    for brand in ("sunshine", "keebler", "nabisco"):
        data[brand.capitalize()] = (data["brand"] == brand).astype(float)
    return data


def yogurt():
    """Return the purchases of yogurt with indicators of two of four brands."""
    data = load_data("yogurt")
    return data.assign(
        Yoplait=(data["brand"] == 1).astype(float),
        WeightW=(data["brand"] >= 3).astype(float),
        pricec=100 * data["price"],
    )


def orthodont():
    """Return the growth data with an indicator of boys."""
    data = datasets.orthodont.load_pandas().data
    return data.assign(male=(data["Sex"] == "Male").astype(float))


def diet():
    """Return fibre intake and heart disease in rows, with indicators of the outcomes."""
    data = load_data("diet")
    return data.assign(
        chd=(data["item"] == "chd").astype(float),
        fiber=(data["item"] != "chd").astype(float),
        fiber2=(data["item"] == "fiber2").astype(float),
        kind=np.where(data["item"] == "chd", "chd", "fibre"),
    )


def retinopathy():
    """Return a row for each eye and period at risk."""
    data = datasets.retinopathy.load_pandas().data
    data["late"] = (data["type"] == "adult").astype(int)
    return person_period(data, "futime", "status", intervals=PERIODS, id="row")


def retinopathy_bounds():
    """Return durations known up to a period, or to be longer than observed."""
    data = datasets.retinopathy.load_pandas().data
    period = np.searchsorted(PERIODS, data["futime"])
    lost = data["status"] == 1
    return data.assign(
        adult=(data["type"] == "adult").astype(float),
        lower=np.where(lost, np.array([0.0, *PERIODS])[period], data["futime"]),
        upper=np.where(lost, np.array(PERIODS)[period], np.inf),
    )


def kidney():
    """Return the infections with an indicator of women."""
    data = datasets.kidney.load_pandas().data
    return data.assign(female=(data["sex"] == "female").astype(float))


def swjm_joint():
    """Return rows of outcomes and rows of time until dropout."""
    data = load_data("swjm_ci")
    outcome = data[data["yobs"].notna()].assign(kind="outcome", event=0.0, entry=0.0)
    dropout = data.assign(kind="dropout", event=data["d"].astype(float), entry=data["t0"])
    rows = pd.concat([outcome, dropout], ignore_index=True)
    observed = (rows["kind"] == "outcome").astype(float)
    for period in range(1, 6):
        rows[f"j{period}"] = observed * (rows["j"] == period)
    return rows.assign(
        value=np.where(observed, rows["yobs"], rows["t"]),
        treated=observed * rows["x"],
        dropout=1 - observed,
        dropout_treated=(1 - observed) * rows["x"],
    )


BUILT = {
    "aggression": aggression,
    "crackers": crackers,
    "diet": diet,
    "kidney": kidney,
    "orthodont": orthodont,
    "owls": lambda: datasets.owls.load_pandas().data,
    "retinopathy_bounds": retinopathy_bounds,
    "swjm_joint": swjm_joint,
    "wine": lambda: datasets.wine.load_pandas().data,
    "yogurt": yogurt,
}


@cache
def _data(name):
    return BUILT[name]() if name in BUILT else load_data(name)


def data_of(case, loading=None):
    """Return a case's data as a new frame, with its loadings if it has any."""
    data = _data(case["data"]).copy()
    if "loading" in case:
        loading = case["loading"]["est"] if loading is None else loading
        binary = data[case["options"]["family_by"]].isin(["b", "chd"])
        data["loading"] = np.where(binary, loading, 1.0)
    for level, entry in case.get("loadings", {}).items():
        data[f"loading_{level}"] = np.where(data["dropout"], entry["est"], 1.0)
    return data


def family_of(case):
    """Return a case's family."""
    if case["family"] == "Mixed":
        return MEMBERS[case["data"]]
    options = dict(case["family_options"])
    if hasattr(smg.families, case["family"]):
        return getattr(smg.families, case["family"])(**options)
    link = {"log": sm.families.links.Log, None: None}[options.get("link")]
    family = getattr(sm.families, case["family"])
    return family(link()) if link else family()


def build(case, data=None):
    """Return the unfitted model of a case."""
    data = data_of(case) if data is None else data
    return smgf.glmm(case["formula"], data, family=family_of(case), **case["options"])


@cache
def model(source, name):
    """Return the unfitted model of a case, always the same object."""
    return build(load_cases(source)[name])


@cache
def fitted(source, name, cov_type="nonrobust"):
    """Return a case fitted with more nodes than its reference needs."""
    this = model(source, name)
    options = {} if this.likelihood.problem.exact else {"n_points": NODES.get(name, 25)}
    return this.fit(cov_type=cov_type, **options)
