"""Tables of items and of the latent distribution: methods of results of item response models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.intervals import fisher_limits, log_limits
from sm_gllamm.items.bank import Item
from sm_gllamm.items.probability_gradient import coefficients
from sm_gllamm.results.bank_jacobian import BankJacobian, bank_jacobian
from sm_gllamm.results.base import LatentVariableResults
from sm_gllamm.results.random_part import covariance_frames

__all__ = ["ItemMethods"]

_COLUMNS = ["estimate", "std_err", "lower", "upper"]
#: Variances of estimates, relative to their squares, that are rounding: the estimate is fixed.
_ROUNDING = 1e-24


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A function of the coefficients of an item, with its gradient in them.

    `scale` is that on which limits are symmetric: "identity", "log", "logit" or "fisher".
    """

    name: str
    value: float
    gradient: np.ndarray
    scale: str = "identity"


def _unit(size: int, at: int, value: float = 1.0) -> np.ndarray:
    out = np.zeros(size)
    out[at] = value
    return out


def _by_step(item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Slopes that the steps of an item have in common, shape (q,), and their gradient."""
    c, q = coefficients(item), item.slopes.shape[-1]
    gradient = np.zeros((q, len(c)))
    last = 0 if item.form != "divide" else (item.n_categories - 1) * q
    steps = 1 if item.form != "divide" else item.n_categories - 1
    for d in range(q):
        gradient[d, last + d] += 1.0 / steps
        if steps > 1 or item.form == "divide":
            gradient[d, d] -= 1.0 / steps
    return gradient @ c, gradient


def _intercepts(item: Item) -> list[tuple[str, int]]:
    """Label and position of the intercepts that are parameters."""
    first = item.slopes.size
    if item.form == "binary":
        return [("", first)]
    start = 1 if item.form == "divide" else 0
    return [(f"[{k + 1 - start}]", first + k) for k in range(start, len(item.intercepts))]


def _steps(item: Item) -> list[tuple[str, np.ndarray]]:
    """Label and gradient of the intercepts at which categories, or neighbours, are equally likely."""
    size = len(coefficients(item))
    out = []
    for label, position in _intercepts(item):
        gradient = _unit(size, position)
        if item.form == "divide":
            gradient[position - 1] = -1.0
        out.append((label, gradient))
    return out


def _asymptotes(item: Item, jacobian: np.ndarray) -> list[_Quantity]:
    size = len(coefficients(item))
    out: list[_Quantity] = []
    if item.form != "binary":
        return out
    for name, at, value, none in (("lower", -2, item.lower, 0.0), ("upper", -1, item.upper, 1.0)):
        if value != none or jacobian[at].any():
            out.append(_Quantity(f"{name}_asymptote", value, _unit(size, at), "logit"))
    return out


def _slopes_and_intercepts(item: Item, dimensions, jacobian) -> list[_Quantity]:
    """Coefficients of the predictors."""
    c, size, q = coefficients(item), len(coefficients(item)), len(dimensions)
    out = []
    if item.model == "nominal":
        for k in range(1, item.n_categories):
            for d, name in enumerate(dimensions):
                at = k * q + d
                if q == 1 or c[at] != 0.0 or jacobian[at].any():
                    where = f"[{k}]" if q == 1 else f"[{k}, {name}]"
                    out.append(_Quantity(f"slope{where}", c[at], _unit(size, at)))
    else:
        slopes, gradient = _by_step(item)
        for d, name in enumerate(dimensions):
            if q == 1 or slopes[d] != 0.0 or (gradient[d] @ jacobian).any():
                where = "" if q == 1 else f"[{name}]"
                out.append(_Quantity(f"slope{where}", slopes[d], gradient[d]))
    for label, at in _intercepts(item):
        out.append(_Quantity(f"intercept{label}", c[at], _unit(size, at)))
    return out + _asymptotes(item, jacobian)


def _discrimination_and_difficulty(item: Item, dimensions, jacobian) -> list[_Quantity]:
    """Discrimination and difficulties; of several dimensions MDISC and MDIFF (Reckase 1985)."""
    if item.model == "nominal":
        return _slopes_and_intercepts(item, dimensions, jacobian)
    c = coefficients(item)
    slopes, gradient = _by_step(item)
    if len(dimensions) == 1:
        names, a, da = ("discrimination", "difficulty"), slopes[0], gradient[0]
    else:
        names, a = ("MDISC", "MDIFF"), float(np.sqrt(slopes @ slopes))
        da = np.full(len(c), np.nan) if a == 0.0 else slopes @ gradient / a
    out = [_Quantity(names[0], a, da)]
    for label, step in _steps(item):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = -(step @ c) / a if a != 0.0 else np.nan
            slope = -step / a - (value / a) * da
        out.append(_Quantity(f"{names[1]}{label}", value, slope))
    return out + _asymptotes(item, jacobian)


_FORMS = {"intercept": _slopes_and_intercepts, "difficulty": _discrimination_and_difficulty}


class ItemMethods(LatentVariableResults):
    """Items and latent distribution; part of :class:`sm_gllamm.results.irt.IRTResults`."""

    # ------------------------------------------------------------ delta method
    def _std_errors(self, values: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Standard errors of functions of the parameters.

        Parameters
        ----------
        values : ndarray, shape (n,)
        gradient : ndarray, shape (n, p)

        Returns
        -------
        ndarray, shape (n,)
            NaN of what is fixed, and of what depends on a variance that is estimated as zero.
        """
        known = np.where(np.isfinite(gradient), gradient, 0.0)
        cov = np.asarray(self.cov_params())
        variance = np.einsum("np,pq,nq->n", known, cov, known)
        fixed = variance <= _ROUNDING * (1.0 + np.where(np.isfinite(values), values, 0.0) ** 2)
        edge = self._at_boundary()
        lost = ~np.isfinite(gradient).all(axis=1) | (known[:, edge] != 0.0).any(axis=1)
        return np.where(fixed | lost, np.nan, np.sqrt(np.maximum(variance, 0.0)))

    def _rows(self, quantities: list[_Quantity], jacobian: np.ndarray, alpha: float) -> np.ndarray:
        """Estimates, standard errors and limits, shape (n, 4)."""
        values = np.array([quantity.value for quantity in quantities])
        gradient = np.array([quantity.gradient for quantity in quantities]) @ jacobian
        se, q = self._std_errors(values, gradient), self._quantile(alpha)
        limits = [
            _limits(quantity.scale, value, error, q)
            for quantity, value, error in zip(quantities, values.tolist(), se, strict=True)
        ]
        return np.column_stack([values, se, np.array(limits)])

    def _group_numbers(self, group: str | None) -> list[int]:
        """Positions of the groups that are asked for, all by default."""
        labels = list(self.model.group_labels)
        if group is None:
            return list(range(len(labels)))
        if str(group) not in labels:
            known = labels if len(labels) > 1 else "the model has no groups"
            raise SpecificationError(f"group={group!r} is not known: {known}")
        return [labels.index(str(group))]

    def _jacobian(self, group: int = 0, covariates=None) -> BankJacobian:
        """The bank of a group with derivatives in the parameters."""
        return bank_jacobian(self.model, np.asarray(self.params), group, covariates)

    # ------------------------------------------------------------ tables
    def item_table(
        self, form: str = "intercept", alpha: float = 0.05, group: str | None = None,
        wide: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """Parameters of the items with standard errors and confidence limits.

        Parameters
        ----------
        form : {"intercept", "difficulty"}
            - intercept: slopes and intercepts of the predictors ``slope'theta + intercept``. Of graded
              items ``intercept[k]`` is that of ``P(y >= k)``; of partial credit items the predictor of
              category k is ``k slope'theta + intercept[k]``, of nominal ones ``slope[k]'theta +
              intercept[k]``.
            - difficulty: discriminations a and difficulties, in terms of the intercepts d: ``-d / a``;
              graded ``b[k] = -d[k] / a``, where ``P(y >= k)`` is 1/2; partial credit, generalized partial
              credit and rating scale ``b[k] = -(d[k] - d[k - 1]) / a``, where categories k - 1 and k are
              equally likely. Nominal items keep their slopes and intercepts. With several dimensions
              ``MDISC = sqrt(a'a)`` and ``MDIFF``, the same with MDISC for a.
        alpha : float
            One minus the confidence level.
        group : str, optional
            Label of a group; default all of them.
        wide : bool
            A row an item, with columns ``name`` and ``se(name)`` for every parameter.

        Returns
        -------
        DataFrame
            Rows are (item, parameter), with several groups (group, item, parameter); columns
            ``estimate``, ``std_err``, ``lower``, ``upper``. Asymptotes are probabilities, with limits
            that are symmetric for logits.

        Raises
        ------
        SpecificationError
            Unknown form or group.

        Notes
        -----
        Standard errors are by the delta method from ``cov_params()``, so robust where those are. They are
        NaN, as are the limits, for what is fixed: slopes of Rasch items, known parameters (`fixed`), what
        a constraint fixes. Difficulties of items whose slope is near zero have huge standard errors;
        where it is exactly zero there is no difficulty: NaN.

        References
        ----------
        Reckase, M. D. (1985). The difficulty of test items that measure more than one ability. Applied
        Psychological Measurement 9, 401-412.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.item_table("difficulty").loc["item_1"].round(2))
                        estimate  std_err  lower  upper
        parameter
        discrimination      0.83     0.26   0.32   1.33
        difficulty         -3.36     0.87  -5.06  -1.66
        """
        if form not in _FORMS:
            raise SpecificationError(f"form={form!r} is not known; use 'intercept' or 'difficulty'")
        frames = {}
        for g in self._group_numbers(group):
            found, dimensions = self._jacobian(g), self.bank.dimensions
            rows, keys = [], []
            for item, jacobian in zip(found.bank.items, found.items, strict=True):
                quantities = _FORMS[form](item, dimensions, jacobian)
                rows.append(self._rows(quantities, jacobian, alpha))
                keys += [(item.name, quantity.name) for quantity in quantities]
            index = pd.MultiIndex.from_tuples(keys, names=["item", "parameter"])
            frames[self.model.group_labels[g]] = pd.DataFrame(
                np.concatenate(rows), index=index, columns=_COLUMNS
            )
        table = _by_group(frames)
        return _widened(table) if wide else table

    def latent_distribution(self, alpha: float = 0.05) -> pd.DataFrame:
        """Means, variances and correlations of the latent variables, by group.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            Rows are parameters, with several groups (group, parameter): ``mean(name)``, ``var(name)``,
            ``sd(name)``, ``corr(name,other)``; coefficients of the latent regression, ``name ~
            covariate``, as they are named in `params`; of models of clusters the part of the variance
            between clusters, ``var(name|cluster)``, and its share, ``icc(name)``; of testlets
            ``sd(testlet)``. Columns ``estimate``, ``std_err``, ``lower``, ``upper``; what is fixed to
            identify the model has no standard error (NaN).

        Notes
        -----
        Means and variances are those given covariates of zero and given covariates. Variances of models
        of clusters are those of persons of the whole population, between and within clusters. Limits are
        symmetric for logarithms of variances and standard deviations, for Fisher's z of correlations and
        for logits of shares. Standard errors are by the delta method.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.IRT(data, "Rasch", items=items).fit()
        >>> print(result.latent_distribution().round(3))
                     estimate  std_err  lower  upper
        parameter
        mean(theta)     0.000      NaN    NaN    NaN
        var(theta)      0.570    0.105  0.398  0.818
        sd(theta)       0.755    0.069  0.631  0.904
        """
        frames = {}
        p = len(self.params)
        for g, label in enumerate(self.model.group_labels):
            quantities = self._moments(self._jacobian(g))
            if g == 0:
                quantities += self._coefficients()
            if self.model.layout.design.cluster:
                quantities += self._between_clusters(self._jacobian(g))
            index = pd.Index([quantity.name for quantity in quantities], name="parameter")
            frames[label] = pd.DataFrame(
                self._rows(quantities, np.eye(p), alpha), index=index, columns=_COLUMNS
            )
        return _by_group(frames)

    def _moments(self, found: BankJacobian) -> list[_Quantity]:
        """Means, variances, standard deviations and correlations of the general dimensions."""
        names, bank = self.model.layout.design.dimensions, found.bank
        out = [
            _Quantity(f"mean({name})", bank.mean[d], found.mean[d]) for d, name in enumerate(names)
        ]
        for d, name in enumerate(names):
            variance = bank.covariance[d, d]
            out.append(_Quantity(f"var({name})", variance, found.covariance[d, d], "log"))
        for d, name in enumerate(names):
            sd = np.sqrt(bank.covariance[d, d])
            gradient = found.covariance[d, d] / (2.0 * sd) if sd > 0.0 else found.covariance[d, d]
            out.append(_Quantity(f"sd({name})", sd, gradient, "log"))
        for d in range(len(names)):
            for e in range(d):
                out.append(_correlation(f"corr({names[e]},{names[d]})", found, e, d))
        return out

    def _coefficients(self) -> list[_Quantity]:
        """Latent regressions and standard deviations of testlets, which are parameters."""
        design = self.model.layout.design
        names = [
            f"{name} ~ {design.covariates[k]}"
            for name in design.dimensions
            for k in design.regression
        ]
        if design.testlets:
            names += [f"sd({name})" for name in design.specific_names]
        position = {name: k for k, name in enumerate(self.model.param_names)}
        params = np.asarray(self.params)
        return [
            _Quantity(name, float(params[k]), _unit(len(params), k))
            for name, k in ((name, position[name]) for name in names)
        ]

    def _between_clusters(self, found: BankJacobian) -> list[_Quantity]:
        """Variances between clusters of persons and their shares."""
        design, params = self.model.layout.design, np.asarray(self.params)
        level = self.model.level_names[-1]

        def between(values):
            frames = covariance_frames(self.model.mapping, self.model.level_names, values)
            return np.diag(frames[level].to_numpy())[: len(design.dimensions)]

        inside = [block for where, _, block, _ in self.model.mapping.terms
                  if where == len(self.model.level_names) - 1]  # fmt: skip
        gradient = np.zeros((len(design.dimensions), len(params)))
        for k in np.arange(inside[0].start, inside[0].stop):
            # variances are parameters, so that differences are exact
            step = _unit(len(params), k, 1e-5)
            gradient[:, k] = (between(params + step) - between(params - step)) / 2e-5
        out = []
        for d, name in enumerate(design.dimensions):
            value = between(params)[d]
            out.append(_Quantity(f"var({name}|{level})", value, gradient[d], "log"))
            total = found.bank.covariance[d, d]
            share = value / total
            slope = gradient[d] / total - share / total * found.covariance[d, d]
            out.append(_Quantity(f"icc({name})", share, slope, "logit"))
        return out


def _correlation(name: str, found: BankJacobian, d: int, e: int) -> _Quantity:
    psi, slope = found.bank.covariance, found.covariance
    scale = np.sqrt(psi[d, d] * psi[e, e])
    if scale == 0.0:
        return _Quantity(name, np.nan, np.full(slope.shape[-1], np.nan))
    r = psi[d, e] / scale
    gradient = slope[d, e] / scale
    gradient = gradient - 0.5 * r * (slope[d, d] / psi[d, d] + slope[e, e] / psi[e, e])
    return _Quantity(name, r, gradient, "fisher")


def _limits(scale: str, value: float, se: float, q: float) -> tuple[float, float]:
    """Limits that are symmetric on a scale."""
    if not np.isfinite(se):
        return np.nan, np.nan
    if scale == "log":
        return log_limits(value, se, q)
    if scale == "fisher":
        return fisher_limits(value, se, 1.0, q)
    if scale == "logit":
        if not 0.0 < value < 1.0:
            return np.nan, np.nan
        half = q * se / (value * (1.0 - value))
        return float(expit(logit(value) - half)), float(expit(logit(value) + half))
    return value - q * se, value + q * se


def _by_group(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of groups below each other; a single one as it is."""
    if len(frames) == 1:
        return next(iter(frames.values()))
    return pd.concat(frames, names=["group"])


def _widened(table: pd.DataFrame) -> pd.DataFrame:
    """A row an item, with the estimate and the standard error of every parameter."""
    names = list(dict.fromkeys(table.index.get_level_values("parameter")))
    others = [name for name in table.index.names if name != "parameter"]
    keys = table.index.droplevel("parameter").unique()
    parts = {}
    for name in names:
        own = table.xs(name, level="parameter")
        parts[name], parts[f"se({name})"] = own["estimate"], own["std_err"]
    frame = pd.DataFrame(parts).reindex(keys)
    frame.index.names = others
    return frame
