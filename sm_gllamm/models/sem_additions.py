"""Score tests of parameters that a structural equation model by quadrature could have besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.lavaan_table import LavaanTable

__all__ = ["Addition", "additions", "score_test"]

#: Information on an addition, as a share of what it would be if all else were known, that is none.
NOTHING = 1e-8


@dataclass(frozen=True, slots=True)
class Addition:
    """A parameter that is not in the text: group and level (from 0), variables and operator."""

    group: int
    level: int
    lhs: str
    op: str
    rhs: str

    def text(self, table: LavaanTable) -> str:
        """Lines that add it to the text of a model, free in its group and zero in others."""
        n = len(table.groups)
        free = (
            "NA"
            if n == 1
            else f"c({', '.join('NA' if g == self.group else '0' for g in range(n))})"
        )
        line = f"{self.lhs} {self.op} {free}*{self.rhs}"
        if len(table.levels) == 1:
            return f"\n{line}\n"
        return f"\nlevel: {table.levels[self.level]}\n{line}\n"


def additions(model) -> list[Addition]:
    """Loadings of further indicators, direct effects of covariates, and covariances of residuals.

    Parameters
    ----------
    model : QuadratureSEM

    Returns
    -------
    list of Addition
    """
    table, out = model.table, []
    normal = {name for name, r in model.inputs.persons.responses.items() if r.normal}
    n_levels = len(table.levels)
    for b, roles in enumerate(table.roles):
        group, level = divmod(b, n_levels)
        rows = [row for row in table.rows if row.block == b + 1]
        taken = {(row.lhs, row.op, row.rhs) for row in rows}
        taken |= {(row.rhs, "~~", row.lhs) for row in rows if row.op == "~~"}
        effects = {(row.lhs, row.rhs) for row in rows if row.op == "~"}
        factors = [name for name in roles.latent if name not in roles.coefficients]
        for factor in factors:
            for name in (*roles.indicators, *roles.outcomes):
                if (factor, "=~", name) not in taken and (name, factor) not in effects:
                    out.append(Addition(group, level, factor, "=~", name))
        for covariate in roles.covariates:
            for name in (*roles.indicators, *roles.outcomes, *factors):
                if (name, "~", covariate) not in taken:
                    out.append(Addition(group, level, name, "~", covariate))
        inner = [name for name in (*roles.indicators, *roles.outcomes) if name in normal]
        for k, one in enumerate(inner):
            for other in inner[k + 1 :]:
                if (one, "~~", other) not in taken:
                    out.append(Addition(group, level, one, "~~", other))
    return out


def score_test(
    model, params, covariance, quadrature, text: str
) -> tuple[float, int, Any, list[str]]:
    """Score test of what some lines add to the text of a model.

    Parameters
    ----------
    model : QuadratureSEM
    params : ndarray, shape (p,)
        Estimates.
    covariance : ndarray, shape (p, p)
        Inverse information of these, under the constraints that hold.
    quadrature : Quadrature
        Of the fit.
    text : str
        Lines with the additions.

    Returns
    -------
    statistic : float
        Chi-square; NaN where the additions are not identified.
    df : int
    change : ndarray, shape (df,)
        Expected parameter changes.
    names : list of str
        Of the parameters that are added.

    Raises
    ------
    SpecificationError
        The lines add nothing, or what is added has no score at zero, such as a variance.
    """
    larger = model.with_inputs(model.inputs.with_text(model.syntax + text))
    names = larger.mapping.param_names
    known = dict(zip(model.mapping.param_names, np.asarray(params).tolist(), strict=True))
    new = [k for k, name in enumerate(names) if name not in known]
    if not new or len(names) - len(new) != len(known):
        raise SpecificationError("the lines must add parameters, and leave the others as they are")
    variances = {
        names[larger.table.distinct[row.free - 1]]
        for row in larger.table.rows
        if row.free and row.op == "~~" and row.lhs == row.rhs
    }
    if wrong := [names[k] for k in new if names[k] in variances]:
        raise SpecificationError(
            f"{wrong[0]} is a variance, whose score at zero says nothing; use compare_lr_test()"
        )
    at = np.array([known.get(name, 0.0) for name in names])
    larger._quadrature = quadrature.of(larger.assembly.problem)
    found = larger._in_params(at, 2)
    old = [names.index(name) for name in model.mapping.param_names]
    score, information = found.gradient[new], -found.hessian
    cross = information[np.ix_(new, old)]
    own = information[np.ix_(new, new)]
    left = own - cross @ covariance @ cross.T
    if np.linalg.eigvalsh(left)[0] <= NOTHING * np.abs(np.diag(own)).max():
        return float("nan"), len(new), np.full(len(new), np.nan), [names[k] for k in new]
    change = np.linalg.solve(left, score)
    return float(score @ change), len(new), change, [names[k] for k in new]
