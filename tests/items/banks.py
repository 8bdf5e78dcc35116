"""Item banks of all forms for tests."""

import numpy as np

from sm_gllamm.items.bank import Item, ItemBank

BINARY = Item("binary", "binary", "2PL", [1.3], [0.4])
ITEMS = {
    "2PL": BINARY,
    "2PL negative": Item("negative", "binary", "2PL", [-0.8], [0.3]),
    "3PL": Item("guessing", "binary", "3PL", [1.7], [-0.5], lower=0.2),
    "4PL": Item("slipping", "binary", "4PL", [1.5], [0.5], lower=0.15, upper=0.95),
    "probit": Item("probit", "binary", "2PL", [0.9], [0.2], link="probit"),
    "probit 3PL": Item("probit3", "binary", "3PL", [1.1], [0.1], lower=0.1, link="probit"),
    "graded": Item("graded", "graded", "graded", [1.4], [1.6, 0.2, -1.1]),
    "graded probit": Item("gprobit", "graded", "graded", [1.0], [0.9, -0.7], link="probit"),
    "partial": Item(
        "partial", "divide", "gpcm", [[0.0], [0.9], [1.8], [2.7]], [0.0, 0.7, 0.3, -0.8]
    ),
    "nominal": Item("nominal", "divide", "nominal", [[0.0], [1.1], [0.6]], [0.0, 0.2, 0.5]),
}


def one_dimension(*names, mean=0.0, variance=1.0):
    """Bank of some of ITEMS."""
    return ItemBank(
        tuple(ITEMS[name] for name in names or ITEMS), mean=[mean], covariance=[[variance]]
    )


def two_dimensions(asymptote=0.0):
    """Six items within two correlated dimensions, of all forms."""
    slopes = np.array([[1.2, 0.0], [0.8, 0.5], [0.0, 1.5], [0.3, 1.0]])
    items = [
        Item(f"b{j}", "binary", "3PL", a, [0.4 * j - 0.5], lower=asymptote)
        for j, a in enumerate(slopes)
    ]
    items.append(Item("g", "graded", "graded", [0.7, 0.9], [1.0, -0.6]))
    items.append(Item("d", "divide", "nominal", [[0, 0], [0.8, 0.2], [0.9, 1.1]], [0.0, 0.3, -0.2]))
    return ItemBank(tuple(items), ("verbal", "number"), [0.2, -0.1], [[1.0, 0.4], [0.4, 1.3]])


def bifactor_like(q, seed=0, n_items=8):
    """Binary items with slopes on two of q dimensions each."""
    rng = np.random.default_rng(seed)
    items = []
    for j in range(n_items):
        slopes = np.zeros(q)
        slopes[[0, j % q]] = rng.uniform(0.6, 1.6, 2)
        items.append(Item(f"i{j}", "binary", "2PL", slopes, [rng.normal()]))
    names = tuple(f"f{r}" for r in range(q))
    return ItemBank(tuple(items), names, np.zeros(q), 0.7 * np.eye(q) + 0.3)


def all_patterns(bank):
    """Codes of all response patterns."""
    sides = [np.arange(item.n_categories) for item in bank.items]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(sides))


def simulated(bank, n, seed=0):
    """Responses of n persons, and their latent variables."""
    rng = np.random.default_rng(seed)
    theta = rng.multivariate_normal(bank.mean, bank.covariance, n)
    codes = [
        (rng.random(n)[:, None] > item.probabilities(theta).cumsum(axis=1)[:, :-1]).sum(axis=1)
        for item in bank.items
    ]
    return np.column_stack(codes), theta
