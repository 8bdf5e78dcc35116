"""Verbal aggression: persons, items and groups explained.

316 persons and 24 items that cross the behaviour (curse, scold, shout), who is to blame, and whether one
would want to or would do it (Vansteelandt 2000; De Boeck and Wilson 2004): Rasch model, linear
logistic test model, latent regression, testlets, differential item functioning.

Usage::

    python examples/irt_verbal_aggression.py

De Boeck, P. & Wilson, M. (2004), Explanatory Item Response Models. New York: Springer.
"""

import sm_gllamm.api as smg
from sm_gllamm import datasets

#: An item that men and women respond to differently.
ITEM = "S2WantShout"


def load():
    """Responses with a row a person; covariates of persons; covariates of items."""
    data = datasets.verbagg.load_pandas().data
    responses = data.pivot(index="id", columns="item", values="y")
    persons = data.drop_duplicates("id").set_index("id").loc[responses.index, ["Gender", "Anger"]]
    items = data.drop_duplicates("item").set_index("item")[["btype", "situ", "mode"]]
    return responses, persons, items


def fit(model="2PL", **options):
    """A model of the 24 items; `options` are those of :class:`sm_gllamm.api.IRT`."""
    responses, persons, _ = load()
    return smg.IRT(responses, model, data=persons, **options).fit()


def show_rasch():
    """Difficulties of the easiest and the hardest items."""
    result = fit("Rasch")
    table = result.item_table("difficulty").xs("difficulty", level="parameter")
    table = table.sort_values("estimate").round(2)
    print(table.iloc[[0, 1, -2, -1]].to_string())
    print(f"\n{result.latent_distribution().loc[['var(theta)']].round(2).to_string()}")


def show_items_explained():
    """The linear logistic test model, and covariates of items with residuals."""
    items = load()[2]
    formula = "~ btype + situ + mode"
    rasch, lltm = fit("Rasch"), fit("Rasch", item_formula=formula, item_data=items)
    explained = rasch.explain_items(formula, items)
    table = explained.table[["coef", "std_err"]]
    table = table.assign(lltm=lltm.params, lltm_std_err=lltm.bse)
    print(table.round(3).to_string())
    print(
        f"\nR2 of the difficulties {explained.r_squared:.2f}; log-likelihoods {lltm.llf:.2f}",
        end="",
    )
    print(f" (design alone), {rasch.llf:.2f} (all difficulties)")


def show_persons_explained():
    """Latent regression on gender and anger."""
    result = fit("Rasch", regression="~ Gender + Anger")
    print(result.latent_distribution().filter(like="~", axis=0).round(3).to_string())


def show_testlets():
    """Dependence of the items about one situation."""
    responses = load()[0]
    situations = {f"S{k}": [c for c in responses if c.startswith(f"S{k}")] for k in range(1, 5)}
    result = fit(specific=situations, testlets=True)
    print(result.latent_distribution().filter(like="sd(S", axis=0).round(2).to_string())
    print(f"\nlog-likelihood {result.llf:.2f}, without testlets {fit().llf:.2f}")


def show_dif():
    """Uniform differential item functioning between women and men."""
    result = fit(groups="Gender")
    columns = ["statistic", "p_adjusted", "signed", "effect_size", "ets_class"]
    print(
        result.dif(kind="uniform", items=[ITEM, "S2DoScold", "S4DoShout"])[columns]
        .round(3)
        .to_string()
    )


def figure_wright_map():
    """Persons and items on one scale."""
    return fit("Rasch").plot_wright_map()


def figure_groups():
    """Expected scores of an item with parameters of its own in each group, and of one without."""
    return fit(groups="Gender", free_items=[ITEM]).plot_expected_scores([ITEM, "S4DoShout"])


SECTIONS = {
    "Rasch model": show_rasch,
    "Items explained": show_items_explained,
    "Persons explained": show_persons_explained,
    "Testlets": show_testlets,
    "Differential item functioning": show_dif,
}


def main():
    for title, show in SECTIONS.items():
        print(f"\n{title}\n{'-' * len(title)}")
        show()


if __name__ == "__main__":
    main()
