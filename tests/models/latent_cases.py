"""Reference cases with latent variables: their data, models, fits, and what the references call things."""

from functools import cache

import numpy as np
import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm.specification.latent import Latent
from tests.reference import load_cases, load_data

CASES = load_cases("latent")
ITEMS = "0 + C(item)"
DIMENSIONS = [[7, 9, 10, 11, 13, 15, 17, 18], [2, 4, 5, 12, 14, 19, 20, 23]]

# Nodes a dimension with which the log-likelihood is converged beyond the digits of the reference.
NODES = {
    "irtsim_3level_2pl": 15,
    "sat12_2dim_between16": 15,
    "lsat_2pl": 25,
    "asvab_latreg": 25,
    "asvab_mimic_dif1": 25,
}


def long(wide, items, keep=()):
    """Return items of persons in rows, with an indicator of each item under its name."""
    wide = wide.assign(person=np.arange(len(wide)))
    rows = wide.melt(["person", *keep], items, "item", "resp")
    return rows.assign(**{item: (rows["item"] == item).astype(float) for item in items})


def model(formula, data, latent, **options):
    return smg.GLLAMM.from_formula(formula, data, latent=latent, **options)


def lsat():
    data = long(load_data("lsat"), [f"item_{k}" for k in range(1, 6)])
    ability = Latent("theta", "person", ITEMS)
    return model(
        "resp ~ 0 + C(item)", data, [ability], family="binomial", identification="variance"
    )


def asvab(direct=""):
    items = [f"item_{k}" for k in range(1, 5)]
    data = long(load_data("asvab"), items, ["black", "female", "freq"])
    return model(
        "resp ~ 0 + C(item)" + direct, data, [Latent("theta", "person", ITEMS)],
        regressions=["theta ~ black * female"], family="binomial", identification="variance",
        freq_weights={"person": "freq"},
    )  # fmt: skip


def holzinger():
    wide = load_data("holzinger")
    wide = wide.assign(female=wide["sex"] - 1.0, age=wide["ageyr"] + wide["agemo"] / 12)
    return long(wide, [f"x{k}" for k in range(1, 10)], ["female", "age"])


def one_factor():
    factor = Latent("f", "person", ITEMS)
    return model("resp ~ 0 + C(item)", holzinger(), [factor], dispersion="~ 0 + C(item)")


FACTORS = [
    Latent("visual", "person", "0 + x1 + x2 + x3"),
    Latent("textual", "person", "0 + x4 + x5 + x6"),
    Latent("speed", "person", "0 + x7 + x8 + x9"),
]


def three_factors(direct="", regressions=()):
    return model(
        "resp ~ 0 + C(item)" + direct, holzinger(), FACTORS, regressions=regressions,
        dispersion="~ 0 + C(item)",
    )  # fmt: skip


def second_order():
    return model(
        "resp ~ 0 + C(item)", holzinger(), [*FACTORS, Latent("general", "person", "0")],
        regressions=[f"{factor.name} ~ general" for factor in FACTORS],
        identification="variance", dispersion="~ 0 + C(item)",
    )  # fmt: skip


def democracy(correlated=()):
    """Industrialisation and democracy, with a latent variable for each pair of correlated residuals."""
    wide = load_data("politicaldemocracy")
    latent = [
        Latent("ind60", "person", "0 + x1 + x2 + x3"),
        Latent("dem60", "person", "0 + y1 + y2 + y3 + y4"),
        Latent("dem65", "person", "0 + y5 + y6 + y7 + y8"),
        *(
            Latent(f"{a}_{b}", "person", f"0 + {a} + {b}", fixed={a: 1.0, b: 1.0})
            for a, b in correlated
        ),
    ]
    return model(
        "resp ~ 0 + C(item)", long(wide, list(wide.columns)), latent, covariance="diagonal",
        regressions=["dem60 ~ ind60", "dem65 ~ ind60 + dem60"], dispersion="~ 0 + C(item)",
    )  # fmt: skip


def two_levels():
    keep = ["x1", "x2", "x3", "w1", "w2", "cluster"]
    equal = {"y2": "a", "y3": "b"}
    latent = [
        Latent("fw", "person", ITEMS, equal=equal),
        Latent("fb", "cluster", ITEMS, equal=equal),
    ]
    return model(
        "resp ~ 0 + C(item)", long(load_data("twolevel"), ["y1", "y2", "y3"], keep), latent,
        regressions=["fw ~ x1 + x2 + x3", "fb ~ w1 + w2"], dispersion="~ 0 + C(item)",
    )  # fmt: skip


def three_level_irt():
    equal = {str(k): f"lambda{k}" for k in range(2, 6)}
    latent = [Latent(n, level, ITEMS, equal=equal) for n, level in (("p", "sid"), ("s", "school"))]
    return model("y ~ 0 + C(item)", load_data("irtsim"), latent, family="binomial")


def diet():
    data = load_data("diet")
    chd = data["item"] == "chd"
    data = data.assign(
        chd=chd.astype(float),
        fiber=(~chd).astype(float),
        fiber2=(data["item"] == "fiber2").astype(float),
        kind=np.where(chd, "chd", "fibre"),
    )
    return model(
        "y ~ 0 + chd + (age * bus):chd + fiber + (age * bus):fiber + fiber2", data,
        [Latent("u", "id", "0 + fiber + chd")], family={"fibre": "gaussian", "chd": "binomial"},
        family_by="kind",
    )  # fmt: skip


def sat12():
    items = [f"item_{k}" for k in DIMENSIONS[0] + DIMENSIONS[1]]
    latent = [
        Latent(name, "person", "0 + " + " + ".join(f"item_{k}" for k in numbers))
        for name, numbers in zip(("f1", "f2"), DIMENSIONS, strict=True)
    ]
    data = long(load_data("sat12"), items)
    return model("resp ~ 0 + C(item)", data, latent, family="binomial")


def mixed_responses():
    return model(
        "y ~ x", load_data("mresp"), [Latent("f", "id", "0 + itemgroup")],
        family={"a": "gaussian", "b": "binomial"}, family_by="itemgroup",
    )  # fmt: skip


BUILD = {
    "lsat_2pl": lsat,
    "asvab_latreg": asvab,
    "asvab_mimic_dif1": lambda: asvab(" + black:item_1"),
    "hs_cfa1": one_factor,
    "hs_cfa3": three_factors,
    "hs_mimic": lambda: three_factors(
        " + x3:female", [f"{name} ~ female + age" for name in ("visual", "textual", "speed")]
    ),
    "poldem_sem_nocor": democracy,
    "demo_twolevel_eqload": two_levels,
    "irtsim_3level_2pl": three_level_irt,
    "diet_measurement_error_direct": diet,
    "sat12_2dim_between16": sat12,
    "mresp_shared_factor": mixed_responses,
}  # fmt: skip


@cache
def fitted(name, cov_type=None):
    """Fit of a case; three-level and two-dimensional ones with enough nodes for all digits."""
    return BUILD[name]().fit(n_points=NODES.get(name), quadrature_tol=1e-7, cov_type=cov_type)


# ---------------------------------------------------------------------------- names
# What a reference's parameter is: the name of ours, or a function of all of ours.
def _irt(name):
    kind, _, item = name.partition("_")
    slope, constant = f"loading(theta: C(item)[{item}])", f"C(item)[{item}]"
    if kind == "b":
        return lambda p: -p[constant] / p[slope]
    return {"a": slope, "d": constant}[kind]


def _mimic(name):
    names = {"black": "theta ~ black", "female": "theta ~ female"}
    names |= {"black_female": "theta ~ black:female", "dif_black_item_1": "black:item_1"}
    return names[name] if name in names else _irt(name)


def _lavaan(level, items=None):
    """Translate lavaan's names; `items` writes a loading's column from an item."""

    def translate(name):
        name = name.partition(".l")[0]
        if "=~" in name:
            factor, item = name.split("=~")
            return f"loading({factor}: {items(item) if items else item})"
        if "~~" in name:
            left, right = name.split("~~")
            if left in {"f", "visual", "textual", "speed", "ind60", "dem60", "dem65"}:
                kind = f"var({left}|{level})" if left == right else f"cov({left},{right}|{level})"
                return kind
            return lambda p: np.exp(2 * p[f"log_sd:C(item)[{left}]"])
        left, right = name.split("~")
        if right == "1":
            return f"C(item)[{left}]"
        return "x3:female" if left == "x3" else f"{left} ~ {right}"

    return translate


def _two_levels(name):
    for label, item in (("a", "y2"), ("b", "y3")):
        if f"=~{item}" in name:
            return f"loading({label})"
    if "~~fw" in name or "~~fb" in name:
        return {"fw": "var(fw|person)", "fb": "var(fb|cluster)"}[name[:2]]
    return _lavaan("person")(name)


def _three_level_irt(name):
    if name.startswith("log_sd"):
        variance = "var(p|sid)" if name.endswith("person") else "var(s|school)"
        return lambda p: np.log(p[variance]) / 2
    return f"C(item)[{name[1:]}]" if name.startswith("d") else f"loading({name})"


def _diet(name):
    variances = {"psi": "var(u|id)", "theta": "var(Residual)[fibre]"}
    if name in variances:
        return variances[name]
    if name.startswith("log_"):
        return lambda p: np.log(p[variances[name[4:]]])
    if name == "lambda_chd":
        return "loading(u: chd)"
    terms = name.split(":")
    return ":".join(sorted(terms, key=["age", "bus", "chd", "fiber", "fiber2"].index))


def _sat12(name):
    if name.endswith("rho"):

        def correlation(p):
            rho = p["cov(f1,f2|person)"] / np.sqrt(p["var(f1|person)"] * p["var(f2|person)"])
            return np.arctanh(rho) if name.startswith("atanh") else rho

        return correlation
    kind, _, item = name.partition("_")
    if kind == "d":
        return f"C(item)[{item}]"
    first = item in ("item_7", "item_2")
    return lambda p: (
        np.sqrt(p[f"var(f{kind[1]}|person)"])
        * (1.0 if first else p[f"loading(f{kind[1]}: {item})"])
    )


def _mixed_responses(name):
    variances = {"log_sd_u": "var(f|id)", "log_sd_e": "var(Residual)[a]"}
    if name in variances:
        return lambda p: np.log(p[variances[name]]) / 2
    return {"const": "Intercept", "x": "x", "lambda_b": "loading(f: itemgroup[b])"}[name]


def _in_brackets(item):
    return f"C(item)[{item}]"


TRANSLATE = {
    "lsat_2pl": _irt,
    "asvab_latreg": _mimic,
    "asvab_mimic_dif1": _mimic,
    "hs_cfa1": _lavaan("person", _in_brackets),
    "hs_cfa3": _lavaan("person"),
    "hs_mimic": _lavaan("person"),
    "poldem_sem_nocor": _lavaan("person"),
    "demo_twolevel_eqload": _two_levels,
    "irtsim_3level_2pl": _three_level_irt,
    "diet_measurement_error_direct": _diet,
    "sat12_2dim_between16": _sat12,
    "mresp_shared_factor": _mixed_responses,
}


def quantities(name, result):
    """Estimates and delta-method standard errors under the names that the reference has.

    Returns
    -------
    DataFrame, one row a parameter of the reference
        Columns ``est``, ``se``, and ``ref_est``, ``ref_se``, ``ref_robust_se``, NaN where missing.
    """
    params, covariance = result.params, result.cov_params()
    rows = {}
    for label, reference in CASES[name]["params"].items():
        ours = TRANSLATE[name](label)
        if isinstance(ours, str):
            estimate, se = params[ours], np.sqrt(covariance.loc[ours, ours])
        else:
            estimate = ours(params)
            gradient = np.zeros(len(params))
            for k, value in enumerate(params):
                step = 1e-5 * max(1.0, abs(value))
                moves = [params.copy(), params.copy()]
                moves[0].iloc[k] += step
                moves[1].iloc[k] -= step
                gradient[k] = (ours(moves[0]) - ours(moves[1])) / (2 * step)
            se = np.sqrt(gradient @ covariance.to_numpy() @ gradient)
        rows[label] = [
            estimate,
            se,
            *(reference.get(k, np.nan) for k in ("est", "se", "robust_se")),
        ]
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["est", "se", "ref_est", "ref_se", "ref_robust_se"]
    )
