"""Complier average causal effects: principal strata as classes that the arms of a trial show in part."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.mixture import Mixture
from sm_gllamm.models.mixture_layout import offset_columns, unit_options
from sm_gllamm.prediction.rows import frame_rows
from sm_gllamm.results.cace import CACEResults, CACEResultsWrapper
from sm_gllamm.specification.evaluation import did_you_mean, names_in_scope

__all__ = ["CACE"]

COMPLIER, NEVER, ALWAYS = "complier", "never", "always"
_SIDES = (None, "one", "two")


class CACE(Mixture):
    """Effect of a treatment among those who comply with their assignment to it.

    Units are compliers, who take the treatment if and only if it is assigned to them, never-takers or
    always-takers; there are no defiers. The arms show some of this: a mixture of regressions with
    classes that are known in part.

    Parameters
    ----------
    formula : str
        Of the outcome: covariates, and with lme4's bars random effects within the strata (units are then
        the clusters of the top level). The assignment is added where the formula does not have it.
    data : DataFrame
    assignment, treatment : str
        Columns of zeros and ones that do not vary within units: assigned to the treatment, and treated.
    noncompliance : {None, "one", "two"}
        "one": nobody in one of the arms can do otherwise, so there are compliers and never-takers (or, where
        everybody assigned to the treatment takes it, always-takers) only. "two": all three strata. None:
        as the data are.
    exclusion : bool or sequence of {"never", "always"}
        Strata in which assignment as such has no effect; True for both, False for none.
    varying : bool or sequence of str
        Coefficients of covariates that differ between the strata; True for all. The intercept always does.
    classes : str, optional
        Formula of covariates of the strata.
    equal : sequence of str
        What else the strata share, see :class:`~sm_gllamm.models.mixture.Mixture`.
    groups : str, optional
        Column of the units of a formula without bars; default rows.
    n_threads : int, optional
    eval_env : int or dict
    **options
        As for :meth:`sm_gllamm.models.glmm.GLMM.from_formula`: ``family``, ``freq_weights`` and so on.

    Raises
    ------
    SpecificationError
        Assignment or treatment are no zeros and ones, or vary within units; an arm is missing; somebody took
        the treatment (or did not) who cannot have; no compliers, or nobody else.

    Notes
    -----
    With probability pi_s of stratum s, and density f_s(y | z) of the outcome under assignment z, a unit that
    was assigned to the treatment and took it contributes pi_c f_c(y | 1) + pi_a f_a(y | 1), one that did
    not pi_n f_n(y | 1), and so on (Imbens & Rubin 1997). Under the exclusion restriction f_n and f_a do
    not depend on z. Without covariates and with a binary outcome the estimate is the instrumental-variable
    one, as long as no probability is estimated as zero or one.

    References
    ----------
    Angrist, J. D., Imbens, G. W., & Rubin, D. B. (1996). Identification of causal effects using instrumental
    variables. Journal of the American Statistical Association 91, 444-455.

    Imbens, G. W., & Rubin, D. B. (1997). Bayesian inference for causal effects in randomized experiments with
    noncompliance. Annals of Statistics 25, 305-327.

    Skrondal, A., & Rabe-Hesketh, S. (2004). Generalized Latent Variable Modeling, section 14.6.

    Examples
    --------
    >>> import pandas as pd
    >>> import sm_gllamm.api as smg
    >>> # vitamin A and survival of children (Sommer & Zeger 1991)
    >>> trial = pd.DataFrame({
    ...     "assigned": [1, 1, 1, 1, 0, 0], "treated": [0, 0, 1, 1, 0, 0],
    ...     "survived": [0, 1, 0, 1, 0, 1], "n": [34, 2385, 12, 9663, 74, 11514],
    ... })
    >>> model = smg.CACE("survived ~ 1", trial, "assigned", "treated", family="binomial",
    ...                  freq_weights="n")
    >>> result = model.fit()
    >>> print(result.cace().round(5))
    estimate    0.00323
    std_err     0.00116
    lower       0.00096
    upper       0.00550
    Name: CACE, dtype: float64
    """

    results_class = CACEResults
    wrapper_class = CACEResultsWrapper

    def __new__(cls, *args, **kwargs):
        """The number of classes is that of the strata."""
        return object.__new__(cls)

    def __init__(
        self, formula, data=None, assignment=None, treatment=None, *, noncompliance=None, exclusion=True,
        varying=(), classes=None, equal=("covariances", "dispersions"), groups=None, n_threads=None,
        eval_env=0, **options,
    ):  # fmt: skip
        if not isinstance(data, pd.DataFrame):
            raise SpecificationError("CACE needs a formula and a DataFrame")
        z, w = _indicator(data, assignment, "assignment"), _indicator(data, treatment, "treatment")
        self.assignment, self.treatment = assignment, treatment
        if not re.search(rf"\b{re.escape(assignment)}\b", formula.partition("~")[2]):
            formula = f"{formula} + {assignment}"
        if isinstance(eval_env, int):
            names = [str(column) for column in data.columns]
            eval_env = names_in_scope(eval_env, [formula, classes or ""], names, depth=1)
        data, options = unit_options(formula, data, groups, options)
        template = GLMM.from_formula(
            formula, data, eval_env=eval_env, n_threads=n_threads, **options
        )
        kept = template.kept_rows
        z, w = z[kept], w[kept]
        self.strata = _strata(z, w, noncompliance, assignment, treatment)
        known = possible_strata(z, w, self.strata, template.data.frame.index)
        effects = assignment_columns(template, assignment)
        covariates = [
            name for name in template.param_names[: template.k_exog]
            if name not in effects and name != "Intercept"
        ]  # fmt: skip
        common = _common(covariates, varying)
        excluded = _excluded(exclusion, self.strata)
        fixed = {f"{stratum}:{name}": 0.0 for stratum in excluded for name in effects}
        #: strata in which assignment has no effect, and columns that it changes
        self.excluded, self.effect_names = tuple(excluded), tuple(effects)
        self._outcome = np.asarray(z), np.asarray(w)
        super().__init__(
            template, len(self.strata), equal=(*common, *equal), fixed=fixed, classes=classes, known=known,
            n_threads=n_threads, eval_env=eval_env,
        )  # fmt: skip
        self.offset_columns = offset_columns(options)
        self._data_attr += ["_outcome"]

    def _names_of_classes(self) -> tuple[str, ...]:
        return self.strata

    @classmethod
    def from_formula(cls, formula, data, assignment=None, treatment=None, **options):
        """The same as the class itself.

        Parameters
        ----------
        formula, data, assignment, treatment, **options
            As for the class.

        Returns
        -------
        CACE
        """
        eval_env = options.pop("eval_env", 0)
        if isinstance(eval_env, int):
            eval_env += 1
        return cls(formula, data, assignment, treatment, eval_env=eval_env, **options)


def _indicator(data: pd.DataFrame, name, role: str) -> np.ndarray:
    """A column of zeros and ones."""
    if not isinstance(name, str) or name not in data:
        raise SpecificationError(
            f"{role}={name!r} is no column of the data{did_you_mean(str(name), data.columns)}"
        )
    values = pd.to_numeric(data[name], errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise SpecificationError(
            f"{role}={name!r} must be 0 or 1; it is {data[name].iloc[row]} in row {data.index[row]!r}"
        )
    return values


def _strata(z, w, noncompliance, assignment: str, treatment: str) -> tuple[str, ...]:
    """Strata that there are, compliers first."""
    if noncompliance not in _SIDES:
        raise SpecificationError(f"noncompliance={noncompliance!r} must be 'one', 'two' or None")
    for arm in (0.0, 1.0):
        if not (z == arm).any():
            raise SpecificationError(f"no row has {assignment} = {arm:g}; two arms are needed")
    refused, crossed = bool((w[z == 1] == 0).any()), bool((w[z == 0] == 1).any())
    if not w[z == 1].mean() > w[z == 0].mean():
        raise SpecificationError(
            f"no compliers: {treatment} is no more frequent where {assignment} = 1 than where it is 0"
        )
    if noncompliance == "two" and not (refused and crossed):
        arm, what = (0, "nobody is treated") if refused else (1, "everybody is treated")
        raise SpecificationError(
            f"noncompliance='two', but {what} where {assignment} = {arm}: one of the strata is empty; use "
            "noncompliance='one'"
        )
    if refused and crossed:
        if noncompliance == "one":
            row = int(np.argmax((z == 0) & (w == 1)))
            raise SpecificationError(
                f"noncompliance='one', but in both arms some do otherwise, such as row {row} with "
                f"{assignment} = 0 and {treatment} = 1; use noncompliance='two'"
            )
        return COMPLIER, NEVER, ALWAYS
    if not (refused or crossed):
        raise SpecificationError(
            f"everybody complies: {treatment} is {assignment}; the effect is the coefficient of a regression"
        )
    return (COMPLIER, NEVER) if refused else (COMPLIER, ALWAYS)


def possible_strata(z, w, strata: Sequence[str], index=None) -> np.ndarray:
    """Strata that each row may be in.

    Parameters
    ----------
    z, w : ndarray, shape (n,)
        Assignment and treatment, zeros and ones.
    strata : sequence of str
        Of "complier", "never", "always".
    index : pandas.Index, optional
        Labels for messages.

    Returns
    -------
    ndarray of bool, shape (n, number of strata)

    Raises
    ------
    SpecificationError
        A row that can be in none.

    Examples
    --------
    >>> import numpy as np
    >>> from sm_gllamm.models.cace import possible_strata
    >>> z, w = np.array([1, 1, 0]), np.array([1, 0, 0])
    >>> possible_strata(z, w, ("complier", "never")).tolist()
    [[True, False], [False, True], [True, True]]
    """
    z, w = np.asarray(z), np.asarray(w)
    possible = {COMPLIER: z == w, NEVER: w == 0, ALWAYS: w == 1}
    out = np.column_stack([possible[stratum] for stratum in strata])
    if not out.any(axis=1).all():
        row = int(np.argmin(out.any(axis=1)))
        label = row if index is None else index[row]
        raise SpecificationError(
            f"row {label!r} was assigned to {z[row]:g} and treated {w[row]:g}, which none of the strata "
            f"{list(strata)} does"
        )
    return out


def assignment_columns(template, assignment: str) -> list[str]:
    """Coefficients of the outcome regression that assignment changes the columns of.

    Raises
    ------
    SpecificationError
        Such a column is not zero without assignment, or strata have no intercept.
    """
    frame = template.data.frame
    rows = [
        frame_rows(template, frame.assign(**{assignment: arm}), False, False).exog
        for arm in (0.0, 1.0)
    ]
    names = template.param_names[: rows[0].shape[1]]
    changed = (rows[0] != rows[1]).any(axis=0)
    for name, column, moves in zip(names, rows[0].T, changed, strict=True):
        if moves and (column != 0.0).any():
            raise SpecificationError(
                f"{name!r} is not zero where {assignment} = 0; let {assignment} enter the formula as the "
                "column of zeros and ones that it is"
            )
    if "Intercept" not in names:
        raise SpecificationError("the outcome needs an intercept, which differs between the strata")
    return [name for name, moves in zip(names, changed, strict=True) if moves]


def _common(covariates: list[str], varying) -> list[str]:
    """Coefficients of covariates that the strata share."""
    if isinstance(varying, bool):
        return [] if varying else covariates
    varying = [varying] if isinstance(varying, str) else list(varying)
    for name in varying:
        if name not in covariates:
            raise SpecificationError(
                f"varying names {name!r}; the covariates are {covariates}"
                f"{did_you_mean(str(name), covariates)}"
            )
    return [name for name in covariates if name not in varying]


def _excluded(exclusion, strata: Sequence[str]) -> list[str]:
    """Strata in which assignment has no effect."""
    others = list(strata[1:])
    if isinstance(exclusion, bool):
        return others if exclusion else []
    chosen = [exclusion] if isinstance(exclusion, str) else list(exclusion)
    for name in chosen:
        if name not in others:
            raise SpecificationError(f"exclusion names {name!r}; the strata are {others}")
    return chosen
