"""The marginal likelihood of item response models written down anew: dense grids, parameters by name.

Nothing of the package is used here: probabilities come from the formulas of the item models, integrals
from trapezoidal rules on equidistant grids, which converge exponentially for analytic integrands.
"""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import norm

#: Slopes that are one, and slopes that all items of a dimension have in common.
ONE, COMMON = ("Rasch", "PCM", "RSM"), ("1PL",)
ADJACENT = ("PCM", "RSM", "GPCM", "nominal")


def trapezoid(q, step, half_width=8.0):
    """Return nodes (m, q) and log weights of a standard normal density in q dimensions."""
    axis = np.arange(-half_width, half_width + step / 2, step)
    nodes = np.array(list(product(axis, repeat=q))).reshape(-1, q)
    return nodes, norm.logpdf(nodes).sum(axis=1) + q * np.log(step)


@dataclass
class Direct:
    """A model in words; `loglike` takes parameters by name."""

    models: dict  # of each item: name of its model
    codes: np.ndarray  # -1 missing
    dimensions: dict = field(default_factory=dict)
    groups: np.ndarray | None = None
    covariates: dict = field(default_factory=dict)  # name: values by person
    clusters: np.ndarray | None = None
    specific: dict = field(default_factory=dict)
    testlets: bool = False
    link: str = "logit"
    fixed: dict = field(default_factory=dict)
    item_covariates: dict = field(default_factory=dict)  # item: {name: value}
    weights: np.ndarray | None = None
    step: float = 0.25

    def __post_init__(self):
        self.items = list(self.models)
        if not self.dimensions:
            self.dimensions = {"theta": self.items}
        self.n_categories = dict(zip(self.items, self.codes.max(axis=0) + 1, strict=True))

    # -------------------------------------------------------------- parameters by name
    def find(self, params, what, item, group, category=None, dimension=None):
        """A parameter of an item, which may belong to a group or not."""
        number = "" if category is None else f":{category}"
        for label in ([] if group is None else [f"|{group}"]) + [""]:
            for where in [f", {dimension}", ""] if dimension else [""]:
                name = f"{what}[{item}{number}{label}{where}]"
                if name in params:
                    return params[name]
        raise KeyError((what, item, group, category, dimension))

    def slope(self, params, item, dimension, group, category):
        """Slope of the predictor of a category, 0 for the first."""
        model = self.models[item]
        times = category if model in ADJACENT else 1.0
        if "slope" in self.fixed.get(item, {}):
            known = self.fixed[item]["slope"]
            known = known[dimension] if isinstance(known, dict) else known
            return known[category - 1] if np.ndim(known) else times * known
        if model in ONE:
            return times
        if model in COMMON:
            return params.get(f"slope[{dimension}]", params.get("slope"))
        if model == "nominal":
            return self.find(params, "slope", item, group, category, dimension)
        return times * self.find(params, "slope", item, group, None, dimension)

    def intercept(self, params, item, group, category):
        model = self.models[item]
        if "intercept" in self.fixed.get(item, {}):
            return np.atleast_1d(self.fixed[item]["intercept"])[category - 1]
        if self.item_covariates:
            own = sum(value * params[name] for name, value in self.item_covariates[item].items())
        elif model == "RSM":
            own = self.find(params, "intercept", item, group)
        else:
            last = None if self.n_categories[item] == 2 and model != "nominal" else category
            return self.find(params, "intercept", item, group, last)
        if model == "RSM":
            step = params.get(f"step[{category}]", params.get(f"step[{category}|{group}]", 0.0))
            own = category * own + step
        return own

    def asymptote(self, params, item, group, what, otherwise):
        if what in self.fixed.get(item, {}):
            return self.fixed[item][what]
        try:
            return expit(self.find(params, f"logit_{what}", item, group))
        except KeyError:
            return otherwise

    # -------------------------------------------------------------- probabilities
    def log_probability(self, params, item, group, theta, specific=0.0, label=None):
        """Log-probabilities of all categories; theta (m, q), `specific` broadcast behind it."""
        k = self.n_categories[item]
        nu = []
        for category in range(1, k):
            predictor = self.intercept(params, item, group, category)
            slopes = np.array(
                [
                    self.slope(params, item, d, group, category) if item in members else 0.0
                    for d, members in self.dimensions.items()
                ]
            )
            predictor = predictor + theta @ slopes
            if label is not None:
                predictor = predictor[:, None] + specific * self.specific_slope(
                    params, item, label, category, slopes[self.first(item)], group
                )
            nu.append(predictor)
        nu = np.stack(nu, axis=-1)
        if self.models[item] in ADJACENT and k > 2 or self.models[item] == "nominal":
            nu = np.concatenate([np.zeros((*nu.shape[:-1], 1)), nu], axis=-1)
            return nu - logsumexp(nu, axis=-1, keepdims=True)
        above = expit(nu) if self.link == "logit" else norm.cdf(nu)
        lower = self.asymptote(params, item, group, "lower", 0.0)
        upper = self.asymptote(params, item, group, "upper", 1.0)
        above = lower + (upper - lower) * above
        one, none = np.ones((*nu.shape[:-1], 1)), np.zeros((*nu.shape[:-1], 1))
        with np.errstate(divide="ignore"):
            return np.log(np.concatenate([one, above], -1) - np.concatenate([above, none], -1))

    def first(self, item):
        """The first dimension of an item."""
        return next(k for k, members in enumerate(self.dimensions.values()) if item in members)

    def specific_slope(self, params, item, label, category, general, group):
        if self.testlets:
            return general * params[f"sd({label})"]
        times = category if self.models[item] in ADJACENT else 1.0
        if self.models[item] == "nominal":
            return self.find(params, "slope", item, group, category, label)
        return times * self.find(params, "slope", item, group, None, label)

    # -------------------------------------------------------------- latent distribution
    def distribution(self, params, group):
        """Mean of a group without covariates, and a root of its covariance matrix of persons."""
        names = list(self.dimensions)
        mean = np.array([params.get(f"mean({d})", 0.0) for d in names])
        mean = mean + [params.get(f"mean({d}|{group})", 0.0) for d in names]
        root = self.root(params, names, "person")
        scale = np.eye(len(names))
        for r, d in enumerate(names):
            scale[r, r] = params.get(f"scale({d}|{group})", 1.0)
            for c, e in enumerate(names[:r]):
                scale[r, c] = params.get(f"scale({d},{e}|{group})", 0.0)
        return mean, scale @ root

    def root(self, params, names, level):
        matrix = np.diag([params.get(f"var({d}|{level})", 1.0) for d in names])
        for r, d in enumerate(names):
            for c, e in enumerate(names[:r]):
                both = params.get(
                    f"cov({e},{d}|{level})", params.get(f"corr({e},{d}|{level})", 0.0)
                )
                matrix[r, c] = matrix[c, r] = both
        return np.linalg.cholesky(matrix)

    def conditional(self, params, i, above):
        """Log-likelihood of person i given the cluster's latent variables, shape (len(above),)."""
        group = None if self.groups is None else self.groups[i]
        mean, root = self.distribution(params, group)
        for name, values in self.covariates.items():
            mean = mean + [params[f"{d} ~ {name}"] * values[i] for d in self.dimensions]
        nodes, log_weight = trapezoid(len(root), self.step)
        theta = (above[:, None, :] + mean + nodes @ root.T).reshape(-1, len(root))
        total = np.zeros(len(theta))
        of_item = {item: label for label, listed in self.specific.items() for item in listed}
        z, log_z = trapezoid(1, self.step)
        inner = {label: np.zeros((len(theta), len(z))) for label in self.specific}
        for j, item in enumerate(self.items):
            code = self.codes[i, j]
            if code < 0:
                continue
            label = of_item.get(item)
            if label is None:
                total += self.log_probability(params, item, group, theta)[:, code]
            else:
                log_p = self.log_probability(params, item, group, theta, z[:, 0], label)
                inner[label] += log_p[:, :, code]
        for values in inner.values():
            total += logsumexp(values + log_z, axis=1)
        return logsumexp(total.reshape(len(above), -1) + log_weight, axis=1)

    def loglike(self, params):
        q = len(self.dimensions)
        weights = np.ones(len(self.codes)) if self.weights is None else self.weights
        if self.clusters is None:
            at = np.zeros((1, q))
            own = [self.conditional(params, i, at)[0] for i in range(len(self.codes))]
            return float(weights @ own)
        names = [f"{d}(school)" for d in self.dimensions]
        nodes, log_weight = trapezoid(q, self.step)
        above = nodes @ self.root(params, names, "school").T
        total = 0.0
        for cluster in np.unique(self.clusters):
            members = np.flatnonzero(self.clusters == cluster)
            log_f = sum(weights[i] * self.conditional(params, i, above) for i in members)
            total += logsumexp(log_f + log_weight)
        return float(total)


def plausible(names, rng, ordered=()):
    """Return parameters of all kinds somewhere in the interior; `ordered` items have thresholds."""
    out = {}
    for name in names:
        kind = name.partition("[")[0].partition("(")[0]
        if kind == "slope":
            out[name] = rng.uniform(0.5, 1.7) * (-1 if rng.random() < 0.15 else 1)
        elif kind in ("logit_lower", "logit_upper"):
            out[name] = rng.normal(-1.5 if kind.endswith("lower") else 1.5, 0.4)
        elif kind in ("var", "sd"):
            out[name] = rng.uniform(0.5, 1.4)
        elif kind in ("cov", "corr"):
            out[name] = rng.uniform(-0.3, 0.3)
        elif kind == "scale" and "," not in name:
            out[name] = rng.uniform(0.7, 1.3)
        else:
            out[name] = rng.normal(0, 0.5)
    for item in ordered:
        for label in {n.partition("|")[2] for n in names if n.startswith(f"intercept[{item}:")}:
            tail = f"|{label}" if label else "]"
            own = [n for n in names if n.startswith(f"intercept[{item}:") and n.endswith(tail)]
            out |= dict(zip(own, sorted(rng.normal(0, 1.2, len(own)))[::-1], strict=True))
    return out
