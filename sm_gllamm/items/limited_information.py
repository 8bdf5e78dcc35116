"""Overall fit from univariate and bivariate margins: M2, M2* and C2 with RMSEA, SRMSR, TLI and CFI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import Item, ItemBank
from sm_gllamm.items.latent_quadrature import (
    ConditionalItems,
    Testlet,
    conditional_items,
    dependence,
)
from sm_gllamm.items.marginal_moments import Margins, ResponseVariables

__all__ = ["LimitedInformationFit", "limited_information_fit"]

STATISTICS = ("M2", "M2*", "C2")
#: Singular values below this fraction of the largest count as zero.
RANK_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True)
class LimitedInformationFit:
    """Fit of a model to univariate and bivariate margins.

    Attributes
    ----------
    name : {"M2", "M2*", "C2"}
    statistic, df, p_value : float, int, float
    rmsea, rmsea_lower, rmsea_upper : float
        Root mean square error of approximation with its interval.
    srmsr : ndarray, shape (G,)
        Standardised root mean square residual (of correlations of scores) by group.
    tli, cfi : float
        Tucker-Lewis and comparative fit index against independent items.
    null_statistic, null_df : float, int
        The same statistic of independent items.
    residuals : tuple of ndarray
        Observed minus expected moments by group: univariate ones, then pairs of items.
    n_persons : float
        Persons used: the sum of their frequencies.
    n_dropped : float
        Persons left out because a response is missing.
    """

    name: str
    statistic: float
    df: int
    p_value: float
    rmsea: float
    rmsea_lower: float
    rmsea_upper: float
    srmsr: np.ndarray
    tli: float
    cfi: float
    null_statistic: float
    null_df: int
    residuals: tuple[np.ndarray, ...]
    n_persons: float
    n_dropped: float


def _independent(codes: np.ndarray, weights: np.ndarray, bank: ItemBank) -> ConditionalItems:
    """Independent items with the observed proportions: one node."""
    probabilities = tuple(
        (np.bincount(codes[:, j], weights, item.n_categories) / weights.sum())[None, None]
        for j, item in enumerate(bank.items)
    )
    items = tuple(range(len(bank.items)))
    nowhere = np.zeros((1, 0))
    return ConditionalItems(np.ones(1), (Testlet(items, np.ones(1), nowhere, probabilities),))


def _jacobian(
    margins: Margins, bank_of: Callable[[np.ndarray], ItemBank], params: np.ndarray
) -> np.ndarray:
    """Derivatives of the wanted moments in the parameters, shape (moments, parameters)."""
    base = bank_of(params)
    columns = [_derivative(margins, base, bank_of, params, k) for k in range(len(params))]
    return np.column_stack(columns)[margins.variables.wanted]


def _derivative(
    margins: Margins, base: ItemBank, bank_of, params: np.ndarray, k: int
) -> np.ndarray:
    # steps of 1e-3 make both errors about 1e-12; shorter ones are for values near a bound
    for relative in (1e-3, 1e-4, 1e-5):
        step = relative * max(1.0, abs(params[k]))
        try:
            banks = []
            for multiple in (1.0, -1.0, 2.0, -2.0):
                moved = params.copy()
                moved[k] += multiple * step
                banks.append(bank_of(moved))
            column = _moments_by_differences(margins, base, banks, step)
        except SpecificationError:
            continue
        if np.isfinite(column).all():
            return column
    raise SpecificationError(
        f"the expected moments cannot be computed on both sides of parameter {k} = "
        f"{params[k]:.6g}: it is at the edge of its range; fix it there and fit again"
    )


def _fourth_order(values: list[np.ndarray], step: float) -> np.ndarray:
    """Derivative from values one step up, one down, two up and two down."""
    up, down, far_up, far_down = values
    return (8.0 * (up - down) - (far_up - far_down)) / (12.0 * step)


def _moments_by_differences(margins, base: ItemBank, banks, step: float) -> np.ndarray:
    for item in (item for bank in banks for item in bank.items):
        if item.form == "graded" and np.any(np.diff(item.intercepts) >= 0.0):
            raise SpecificationError(f"the intercepts of item {item.name} are not descending")
    same_population = all(
        np.array_equal(bank.mean, base.mean) and np.array_equal(bank.covariance, base.covariance)
        for bank in banks
    )
    changed = [
        j
        for j, item in enumerate(base.items)
        if not all(_equal(item, bank.items[j]) for bank in banks)
    ]
    same_structure = all(
        np.array_equal(dependence(base.items[j]), dependence(bank.items[j]))
        for j in changed
        for bank in banks
    )
    if not (same_population and same_structure):
        return _fourth_order(
            [Margins(margins.variables, conditional_items(bank)).expected() for bank in banks],
            step,
        )
    # only probabilities of some items at the same nodes change
    theta = {j: testlet.theta for testlet in margins.conditional.testlets for j in testlet.items}
    return margins.derivative(
        {
            j: _fourth_order([bank.items[j].probabilities(theta[j]) for bank in banks], step)
            for j in changed
        }
    )


def _equal(one: Item, other: Item) -> bool:
    return (
        np.array_equal(one.slopes, other.slopes)
        and np.array_equal(one.intercepts, other.intercepts)
        and (one.lower, one.upper) == (other.lower, other.upper)
    )


def _quadratic_form(
    errors: list[np.ndarray],
    covariances: list[np.ndarray],
    jacobians: list[np.ndarray],
    sizes: list[float],
    name: str,
) -> tuple[float, int]:
    """Squared distance of the moments from the tangent of the model, and degrees of freedom.

    N e' (X^-1 - X^-1 D (D' X^-1 D)^-1 D' X^-1) e is what remains of L^-1 e, X = L L', after the
    regression on L^-1 D: a least-squares problem, in which groups are stacked.
    """
    z, d = [], []
    for error, covariance, jacobian, n in zip(errors, covariances, jacobians, sizes, strict=True):
        scale = np.sqrt(np.diag(covariance))
        try:
            root = np.linalg.cholesky(covariance / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            raise SpecificationError(
                f"the covariance matrix of the moments of {name} is singular: some responses are "
                "too rare under the model; collapse categories, or use statistic='C2' or 'M2*'"
            ) from None
        joined = np.column_stack([error, jacobian]) / scale[:, None] * np.sqrt(n)
        joined = solve_triangular(root, joined, lower=True)
        z.append(joined[:, 0])
        d.append(joined[:, 1:])
    target, design = np.concatenate(z), np.vstack(d)
    norms = np.sqrt((design**2).sum(axis=0))
    left, singular, _ = np.linalg.svd(design / np.where(norms > 0, norms, 1.0), full_matrices=False)
    rank = int((singular > RANK_TOLERANCE * singular.max(initial=0.0)).sum())
    left = left[:, :rank]
    residual = target - left @ (left.T @ target)
    return float(residual @ residual), len(target) - rank


def _rmsea(statistic: float, df: int, n: float, confidence: float) -> tuple[float, float, float]:
    """RMSEA and its interval from that of the noncentrality."""

    def noncentrality(probability: float) -> float:
        def excess(value):
            return (
                ncx2.cdf(statistic, df, value) - probability
                if value > 0
                else (chi2.cdf(statistic, df) - probability)
            )

        if excess(0.0) <= 0.0:
            return 0.0
        upper = max(statistic, 1.0)
        while excess(upper) > 0.0:
            upper *= 2.0
        return brentq(excess, 0.0, upper, xtol=1e-10, rtol=1e-12)

    tail = 0.5 * (1.0 - confidence)
    point = max(statistic - df, 0.0)
    lower, upper = noncentrality(1.0 - tail), noncentrality(tail)
    return (
        float(np.sqrt(point / (df * n))),
        float(np.sqrt(lower / (df * n))),
        float(np.sqrt(upper / (df * n))),
    )


def _srmsr(codes: np.ndarray, weights: np.ndarray, bank: ItemBank, conditional) -> float:
    """Root mean square of observed minus expected correlations of scores."""
    variables = ResponseVariables.of(bank, "M2*")
    n_items = len(bank.items)
    pairs = (variables.first, variables.second)

    def correlations(moments, squares):
        means, products = moments[:n_items], moments[n_items:]
        sd = np.sqrt(squares - means**2)
        return (products - means[pairs[0]] * means[pairs[1]]) / (sd[pairs[0]] * sd[pairs[1]])

    observed_squares = weights @ codes.astype(float) ** 2 / weights.sum()
    expected_squares = np.array(
        [(conditional.weights @ p) @ np.arange(p.shape[1]) ** 2.0 for p in conditional.by_item()]
    )
    difference = correlations(variables.observed(codes, weights), observed_squares) - correlations(
        Margins(variables, conditional).expected(), expected_squares
    )
    return float(np.sqrt(np.mean(difference**2)))


def _complete(codes, weights, groups, missing):
    """Codes and weights by group of persons with all responses, and the number left out."""
    codes = np.asarray(codes)
    weights = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=float)
    if np.any(weights < 0) or np.any(weights != np.round(weights)):
        raise SpecificationError(
            "M2, M2* and C2 have their chi-square distribution in simple random samples only: "
            "weights must be frequencies of persons, whole numbers"
        )
    complete = (codes >= 0).all(axis=1)
    dropped = float(weights[~complete].sum())
    if dropped and missing == "raise":
        raise SpecificationError(
            f"{dropped:.0f} persons have missing responses: M2, M2* and C2 need complete cases; "
            "missing='drop' leaves these persons out (right if responses are missing completely "
            "at random)"
        )
    used = complete & (weights > 0)
    if groups is None:
        return [(codes[used], weights[used])], dropped
    groups = np.asarray(groups)
    parts = [groups == g for g in range(groups.max() + 1)]
    return [(codes[used & part], weights[used & part]) for part in parts], dropped


def limited_information_fit(
    bank_at: Callable[..., ItemBank],
    params: np.ndarray,
    codes: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    statistic: str = "M2*",
    missing: str = "raise",
    confidence: float = 0.9,
) -> LimitedInformationFit:
    """Tests the fit of a model to the univariate and bivariate margins of the responses.

    Parameters
    ----------
    bank_at : callable
        ``bank_at(params)`` is the ItemBank at free parameters; with groups, ``bank_at(params, g)``
        that of group g = 0, 1, ...
    params : ndarray, shape (p,)
        Maximum likelihood estimates of all free parameters, those of the latent distribution too.
    codes : ndarray of int, shape (N, number of items)
        Codes of responses, -1 for a missing one.
    weights : ndarray, shape (N,), optional
        Frequencies of persons.
    groups : ndarray of int, shape (N,), optional
        Codes 0, 1, ... of groups of persons.
    statistic : {"M2*", "C2", "M2"}
        Of dichotomous items these are one. Of others "M2" takes all categories and pairs of them
        (Maydeu-Olivares & Joe 2006), "M2*" means and products of codes (Cai & Hansen 2013), "C2"
        all categories of single items and products of codes (Cai & Monroe 2014), which leaves
        degrees of freedom in short tests with many categories.
    missing : {"raise", "drop"}
        What to do about persons with missing responses.
    confidence : float
        Of the interval of the RMSEA.

    Returns
    -------
    LimitedInformationFit

    Raises
    ------
    SpecificationError
        If a response is missing and not dropped, weights are not frequencies, or no degrees of
        freedom remain.

    Notes
    -----
    With residual moments e, their covariance matrix X for one person and the derivatives D of
    expected moments, M2 = N e'(X^-1 - X^-1 D (D'X^-1 D)^-1 D'X^-1) e is chi-square distributed with
    as many degrees of freedom as there are moments more than the rank of D (Maydeu-Olivares & Joe
    2005), whatever the number of cells with few persons. Groups are stacked, so that
    parameters may be common to them. RMSEA = sqrt(max(M2 - df, 0) / (N df)).

    References
    ----------
    Maydeu-Olivares, A. & Joe, H. (2005). JASA 100:1009. (2006). Psychometrika 71:713. Cai, L. &
    Hansen, M. (2013). British Journal of Mathematical and Statistical Psychology 66:245. Cai, L. &
    Monroe, S. (2014). CRESST Report 839.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.items.bank import Item, ItemBank
    >>> from sm_gllamm.items.limited_information import limited_information_fit
    >>> def bank_at(params):  # Rasch items, variance 1
    ...     return ItemBank(tuple(
    ...         Item(f"i{j}", "binary", "Rasch", np.ones(1), np.array([d]))
    ...         for j, d in enumerate(params)))
    >>> codes = np.repeat([[0, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]], [30, 20, 15, 35], axis=0)
    >>> fit = limited_information_fit(bank_at, np.array([0.2, 0.9, 0.0]), codes)
    >>> fit.df
    3
    """
    if statistic not in STATISTICS:
        raise SpecificationError(f"statistic={statistic!r}: it is one of {STATISTICS}")
    if missing not in ("raise", "drop"):
        raise SpecificationError(f"missing={missing!r}: it is 'raise' or 'drop'")
    params = np.asarray(params, dtype=float)
    data, dropped = _complete(codes, weights, groups, missing)
    sizes = [float(w.sum()) for _, w in data]
    if min(sizes) == 0.0:
        raise SpecificationError("a group has no person with complete responses")

    def banks_of(g: int) -> Callable[[np.ndarray], ItemBank]:
        return bank_at if groups is None else lambda values: bank_at(values, g)

    banks = [banks_of(g)(params) for g in range(len(data))]
    errors, covariances, jacobians, srmsr = [], [], [], []
    null_errors, null_covariances, null_jacobians = [], [], []
    null_size = sum(i.n_categories - 1 for bank in banks for i in bank.items)
    null_at = 0
    for g, (bank, (y, w)) in enumerate(zip(banks, data, strict=True)):
        variables = ResponseVariables.of(bank, statistic)
        wanted = variables.wanted
        conditional = conditional_items(bank)
        margins = Margins(variables, conditional)
        expected = margins.expected()
        observed = variables.observed(y, w)
        errors.append((observed - expected)[wanted])
        covariance = variables.covariance(conditional, expected)
        covariances.append(covariance[np.ix_(wanted, wanted)])
        jacobians.append(_jacobian(margins, banks_of(g), params))
        srmsr.append(_srmsr(y, w, bank, conditional))
        null = _independent(y, w, bank)
        null_expected = Margins(variables, null).expected()
        null_errors.append((observed - null_expected)[wanted])
        null_covariance = variables.covariance(null, null_expected)
        null_covariances.append(null_covariance[np.ix_(wanted, wanted)])
        block = _independence_jacobian(variables, null_expected)[wanted]
        padded = np.zeros((len(wanted), null_size))
        padded[:, null_at : null_at + block.shape[1]] = block
        null_at += block.shape[1]
        null_jacobians.append(padded)
    value, df = _quadratic_form(errors, covariances, jacobians, sizes, statistic)
    if df <= 0:
        other = " statistic='C2' has more of them;" if statistic == "M2*" else ""
        raise SpecificationError(
            f"{statistic} has no degrees of freedom: {sum(map(len, errors))} moments and "
            f"{len(params)} parameters;{other} use more items or a model with fewer parameters"
        )
    null_value, null_df = _quadratic_form(
        null_errors, null_covariances, null_jacobians, sizes, statistic
    )
    n = sum(sizes)
    rmsea, lower, upper = _rmsea(value, df, n, confidence)
    ratio = null_value / null_df
    excess, null_excess = value - df, null_value - null_df
    # one that is worse than the null model fits as badly as possible
    cfi = 1.0 - max(excess, 0.0) / max(null_excess, excess, np.finfo(float).tiny)
    return LimitedInformationFit(
        name=statistic,
        statistic=value,
        df=df,
        p_value=float(chi2.sf(value, df)),
        rmsea=rmsea,
        rmsea_lower=lower,
        rmsea_upper=upper,
        srmsr=np.array(srmsr),
        tli=(ratio - value / df) / (ratio - 1.0),
        cfi=cfi,
        null_statistic=null_value,
        null_df=null_df,
        residuals=tuple(errors),
        n_persons=n,
        n_dropped=dropped,
    )


def _independence_jacobian(variables: ResponseVariables, moments: np.ndarray) -> np.ndarray:
    """Derivatives of moments of independent items in the probabilities of all categories but one."""
    v = len(variables.item)
    own = np.zeros((v, sum(len(values) - 1 for values in variables.values)))
    start = 0
    for part, values in zip(variables.slices, variables.values, strict=True):
        own[part, start : start + len(values) - 1] = (values[1:] - values[0]).T
        start += len(values) - 1
    means = moments[:v]
    products = own[variables.first] * means[variables.second][:, None]
    products += own[variables.second] * means[variables.first][:, None]
    return np.vstack([own, products])
