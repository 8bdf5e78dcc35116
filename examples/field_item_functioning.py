"""Differential item functioning: a trait regressed on groups (MIMIC), with direct effects on items.

First, four arithmetic items of the Armed Services Vocational Aptitude Battery (Mislevy 1985): is one
of them easier or harder for black persons than for white ones of the same ability? Second, verbal
aggression (Vansteelandt 2000): men and women, and what they would do rather than want to do.

Usage::

    python examples/field_item_functioning.py

Muthen, B. O. (1989), Latent variable modeling in heterogeneous populations. Psychometrika 54,
557-585.
"""

import pandas as pd

import sm_gllamm.api as smg
from sm_gllamm import datasets

ITEMS = [f"item_{k}" for k in range(1, 5)]

#: Independent evaluation of the model with a direct effect on the first item, to three digits.
REFERENCE = {
    "ability ~ black": -1.291,
    "ability ~ female": -0.447,
    "ability ~ black:female": 0.494,
    "black:item_1": 0.354,
}
REFERENCE_LOGLIKE = {"no effect": -1956.233, "effect": -1955.585}


def load():
    """One row a pattern of answers and item, with an indicator of each item under its name.

    The column `freq` is the number of persons with the pattern.
    """
    wide = datasets.asvab.load_pandas().data
    keep = ["black", "female", "freq"]
    rows = smg.stack_responses(wide, ITEMS, keep, id="pattern")
    rows = rows.join(pd.get_dummies(rows["response"], dtype=float))
    return rows.rename(columns={"response": "item"})


def fit(rows, direct="", loadings="0 + C(item)"):
    """Two-parameter model, the ability regressed on groups; `direct` adds effects on items."""
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)" + direct,
        rows,
        latent=[smg.Latent("ability", "pattern", loadings)],
        regressions=["ability ~ black * female"],
        identification="variance",
        family="binomial",
        freq_weights={"pattern": "freq"},
    )
    return model.fit()


def load_aggression():
    """One row a person and item; 1 for men, and for items about doing."""
    data = datasets.verbagg.load_pandas().data
    return data.assign(
        man=(data["Gender"] == "M").astype(float), doing=(data["mode"] == "do").astype(float)
    )


def fit_aggression(data, direct=""):
    """Two-parameter model, the tendency to aggression regressed on gender."""
    model = smg.GLLAMM.from_formula(
        "y ~ 0 + C(item)" + direct,
        data,
        latent=[smg.Latent("aggression", "id", "0 + C(item)")],
        regressions=["aggression ~ man"],
        identification="variance",
        family="binomial",
    )
    return model.fit()


def fit_other_discrimination(rows, item):
    """An effect of the group on an item and another discrimination of it, too."""
    return fit(rows, f" + black:{item}", f"0 + C(item) + black:{item}")


def compare(full, restricted):
    """Likelihood-ratio test as a line to print."""
    test = full.compare_lr_test(restricted)
    df = len(full.params) - len(restricted.params)
    return f"chi2({df}) = {test.statistic:.2f}, p = {test.pvalue:.3f}"


def show_direct_effect():
    """The model with an effect of the group on the first item, beside the reference."""
    print("logit Pr(y_ij = 1) = d_i + delta_i black_j + a_i theta_j")
    print("theta_j = g1 black_j + g2 female_j + g3 black_j female_j + zeta_j,   zeta_j ~ N(0, 1)\n")
    rows = load()
    without, result = fit(rows), fit(rows, " + black:item_1")
    table = pd.DataFrame({"reference": REFERENCE, "estimate": result.params, "std_err": result.bse})
    print(table.loc[list(REFERENCE)].round(3).to_string())
    print(
        f"\nlog-likelihood {without.llf:.3f} without the effect, {result.llf:.3f} with it; ", end=""
    )
    print("reference {no effect}, {effect}".format(**REFERENCE_LOGLIKE))
    print(result.path_diagram())


def show_search():
    """Effects on each item in turn: uniform, and with another discrimination."""
    rows = load()
    none = fit(rows)
    for item in ITEMS:
        uniform = fit(rows, f" + black:{item}")
        effect = uniform.params[f"black:{item}"]
        print(f"{item}: effect {effect:5.2f}, {compare(uniform, none)};", end=" ")
        print(f"discrimination, too: {compare(fit_other_discrimination(rows, item), uniform)}")


def show_aggression():
    """Gender and doing."""
    data = load_aggression()
    none, direct = fit_aggression(data), fit_aggression(data, " + man:doing")
    names = ["aggression ~ man", "man:doing"]
    print(
        "logit Pr(y_ij = 1) = d_i + delta man_j doing_i + a_i theta_j,   theta_j = g man_j + zeta_j\n"
    )
    table = {"no direct effect": none.params, "direct effect": direct.params}
    print(pd.DataFrame(table).loc[names].round(2).to_string(na_rep=""))
    print(compare(direct, none))


def diagram():
    """The fit whose path diagram the documentation draws."""
    return fit(load(), " + black:item_1")


SECTIONS = {
    "Arithmetic: a direct effect on the first item": show_direct_effect,
    "Arithmetic: each item in turn": show_search,
    "Verbal aggression: men and women, wanting and doing": show_aggression,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
