"""Structural equation models for responses that are not continuous: measurement error, growth, levels.

Heart disease is regressed on fibre in the diet, which is measured with error (Morris, Marr & Clayton 1977;
Skrondal & Rabe-Hesketh 2004, section 14.2); attitudes to science by ordered statements (Eurobarometer 1992);
infected toenails at seven visits (De Backer and others 1998); contraception by district (Huq & Cleland 1990)

Usage::

    python examples/sem_categorical.py

Skrondal, A. & Rabe-Hesketh, S. (2004), Generalized Latent Variable Modeling. Chapman & Hall/CRC.
"""

import sm_gllamm.api as smg
from sm_gllamm import datasets

#: galamm's vignette of the model of Table 14.1 of Skrondal and Rabe-Hesketh (2004), by Laplace approximation.
PUBLISHED = {
    "chd~fibre": -0.1339,
    "fibre~age": -0.21207,
    "fibre~bus": -1.68278,
    "fibre~age:bus": 0.16821,
    "fiber1~1": 17.94834,
    "fibre~~fibre": 23.64,
}

#: Headings of what is printed.
SECTIONS = ("Heart disease and fibre", "Attitudes to science", "Toenails", "Contraception")

DISEASE = """
fibre =~ 1*fiber1 + 1*fiber2
fiber1 ~~ v*fiber1; fiber2 ~~ v*fiber2
fibre ~ age + bus + age:bus
chd   ~ fibre + age + bus + age:bus
"""

ATTITUDES = """
optimism =~ comfort + work + future + benefit
concern  =~ environment + technology + industry
"""

CONTRACEPTION = """
level: 1
  use ~ age + children + rv("s")*urban
level: 2
  use ~~ use + s
"""


def load_men():
    """A row a man, with one or two measurements of fibre."""
    rows = datasets.diet.load_pandas().data
    men = rows.pivot(index="id", columns="item", values="y")
    return men.join(rows.groupby("id")[["age", "bus"]].first())


def fit_disease():
    """Heart disease given true fibre."""
    return smg.SEM(DISEASE, load_men(), families={"chd": "binomial"}).fit()


def fit_attitudes(**options):
    """Two factors of ordered statements; `options` are those of :class:`sm_gllamm.api.SEM`."""
    science = datasets.science.load_pandas().data
    return smg.SEM(ATTITUDES, science, ordered=True, **options).fit()


def fit_growth():
    """Logits of infection start at a random level and fall linearly, faster with one treatment."""
    rows = datasets.toenail.load_pandas().data
    wide = rows.pivot(index="patient", columns="visit", values="outcome").add_prefix("y")
    wide = wide.join(rows.groupby("patient")["treatment"].first())
    names, months = [f"y{k}" for k in range(1, 8)], [0, 1, 2, 3, 6, 9, 12]
    equations = [
        "level =~ " + " + ".join(f"1*{name}" for name in names),
        "slope =~ " + " + ".join(f"{m}*{name}" for m, name in zip(months, names, strict=True)),
        *(f"{name} ~ c*1" for name in names),
        "level ~ 0*1 + treatment",
        "slope ~ 1 + treatment",
        "slope ~~ 0*slope + 0*level",
    ]
    families = dict.fromkeys(names, "binomial")
    return smg.SEM("\n".join(equations), wide, families=families, style="growth").fit()


def fit_contraception():
    """An effect of living in town that differs between districts."""
    women = datasets.contraception.load_pandas().data
    women["children"] = (women["livch"].astype(str) != "0").astype(int)
    return smg.SEM(CONTRACEPTION, women, cluster="district", families={"use": "binomial"}).fit()


def main():
    """Print what the models say."""
    disease = fit_disease()
    print("Heart disease and fibre, beside the published estimates (Laplace approximation)")
    for name, value in PUBLISHED.items():
        print(f"  {name:15s} {disease.params[name]:9.4f} {value:9.4f}")
    attitudes = fit_attitudes()
    print(f"\nAttitudes to science, log-likelihood {attitudes.llf:.3f}")
    table = attitudes.standardized()
    shown = table[table["op"] == "=~"][["lhs", "rhs", "est", "se"]]
    print(shown.round(3).to_string(index=False))
    print("\nToenails")
    print(fit_growth().params.round(3).to_string())
    print("\nContraception")
    print(fit_contraception().summary())


if __name__ == "__main__":
    main()
