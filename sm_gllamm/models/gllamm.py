"""The general model: loadings, latent regressions, any response, any number of levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.measurement import LatentColumns, lay_out_latents
from sm_gllamm.mapping.structural import Coefficient
from sm_gllamm.models.extras import design_of
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.results.gllamm import GLLAMMResults, GLLAMMResultsWrapper
from sm_gllamm.specification.evaluation import did_you_mean
from sm_gllamm.specification.grouping import show_label
from sm_gllamm.specification.latent import Latent, parse_regressions, short_name

__all__ = ["GLLAMM"]

_IDENTIFICATION = ("loading", "variance")


class GLLAMM(GLMM):
    """Generalized linear latent and mixed model, fitted by maximum likelihood.

    Use :meth:`from_formula`. Responses, levels, weights, quadrature and inference are those of
    :class:`sm_gllamm.models.glmm.GLMM`.

    Notes
    -----
    ``nu_i = x_i'beta + sum_m (z_mi'lambda_m) eta_m`` with ``eta = B eta + Gamma w + zeta`` and normal
    disturbances zeta, independent between levels (Rabe-Hesketh, Skrondal & Pickles 2004, eq. 1-4). B is
    recursive, so both parts together are polynomials in the parameters, and the engine integrates
    standard normal variables as in a mixed model.

    References
    ----------
    Rabe-Hesketh, S., Skrondal, A., & Pickles, A. (2004). Generalized multilevel structural equation
    modeling. Psychometrika 69, 167-190.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import sm_gllamm.api as smg
    >>> rng = np.random.default_rng(1)
    >>> person, item = np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300)
    >>> nu = np.array([1.0, 0.5, 0.0, -0.5])[item] + rng.normal(size=300)[person]
    >>> y = rng.binomial(1, 1 / (1 + np.exp(-nu)))
    >>> data = pd.DataFrame({"y": y, "item": item, "person": person})
    >>> factor = smg.Latent("ability", "person", loadings="0 + C(item)")
    >>> model = smg.GLLAMM.from_formula("y ~ 0 + C(item)", data, latent=[factor], family="binomial")
    >>> bool(model.fit().converged)
    True
    """

    results_class = GLLAMMResults
    wrapper_class = GLLAMMResultsWrapper
    effects_are_columns = False

    def __init__(self, *args, latents=(), structures=None, unit_variance=False, **kwargs):
        if not latents or not all(isinstance(latent, LatentColumns) for latent in latents):
            raise SpecificationError(
                "a GLLAMM is specified by GLLAMM.from_formula(formula, data, latent=[Latent(...)])"
            )
        self.latents, self.structures = tuple(latents), dict(structures or {})
        self.unit_variance = unit_variance
        super().__init__(*args, **kwargs)
        self._init_keys += ["latents", "structures", "unit_variance"]
        self._data_attr += ["latents"]

    def _lay_out(self):
        return lay_out_latents(self.latents, self.structures, self.unit_variance)

    @classmethod
    def from_formula(
        cls, formula, data, latent=(), regressions=(), covariance="unstructured",
        identification="loading", eval_env=0, **kwargs,
    ):  # fmt: skip
        """Model from a formula for the rows, latent variables, and equations between them.

        Parameters
        ----------
        formula : str
            Fixed part, without bars.
        data : DataFrame
            A row a response; items in long form (see :func:`sm_gllamm.api.stack_responses`).
        latent : list of Latent
        regressions : list of str
            Equations such as ``"ability ~ motivation + age"``: latent variables of the same or higher
            levels, and covariates that are constant within the clusters of the response's level.
        covariance : {"unstructured", "diagonal", "equal"} or dict of level name to these
            Covariance matrix of the disturbances of a level.
        identification : {"loading", "variance"}
            The first loading of a latent variable is one, or the variances of the disturbances are one,
            which then are uncorrelated.
        eval_env : int or dict
        **kwargs
            As for :meth:`sm_gllamm.models.glmm.GLMM.from_formula`.

        Returns
        -------
        GLLAMM

        Raises
        ------
        SpecificationError
            Unknown names, a cycle of regressions, a path from a lower to a higher level, a covariate
            that varies within clusters.
        """
        latent = [latent] if isinstance(latent, Latent) else latent
        proper = isinstance(latent, (list, tuple)) and all(isinstance(x, Latent) for x in latent)
        if not latent or not proper:
            raise SpecificationError("latent must be a list of Latent(name, level, loadings)")
        if identification not in _IDENTIFICATION:
            raise SpecificationError(
                f"identification={identification!r} is not known; use 'loading' or 'variance'"
            )
        if not isinstance(formula, str):
            raise SpecificationError(f"formula must be a string, not {formula!r}")
        if kwargs.get("variance_by") is not None:
            raise SpecificationError(
                "variance_by is not available in a GLLAMM; write a latent variable for each group"
            )
        if "|" in formula:
            raise SpecificationError(
                "the formula of a GLLAMM has no bars; a random intercept is Latent(name, level)"
            )
        equations = parse_regressions(regressions, latent)
        _check_ambiguity(equations, data)
        levels = dict.fromkeys(one.level for one in latent)
        if isinstance(covariance, dict) and (unknown := [x for x in covariance if x not in levels]):
            raise SpecificationError(
                f"covariance names level {unknown[0]!r}{did_you_mean(str(unknown[0]), list(levels))}"
            )
        bars = " + ".join(f"(1 | {level})" for level in levels)
        structures = (
            dict(covariance)
            if isinstance(covariance, dict)
            else {level: covariance for level in levels}
        )
        unit = identification == "variance"

        def arguments(design):
            columns = [_latent_columns(one, equations, design, identification) for one in latent]
            _check_paths(columns, [level.name for level in design.levels])
            return {"latents": columns, "structures": structures, "unit_variance": unit}

        if isinstance(eval_env, int):
            eval_env += 1
        return super().from_formula(
            f"{formula} + {bars}", data, eval_env=eval_env, arguments=arguments, **kwargs
        )

    @property
    def param_table(self) -> pd.DataFrame:
        """Every coefficient of the model's equations, free or fixed, before any fit.

        Returns
        -------
        DataFrame
            With columns ``block``, ``name``, ``level``, ``fixed`` (value, NaN where free) and
            ``parameter`` (the name it is estimated under).
        """
        rows = [
            ("fixed part", name, "", np.nan, name)
            for name in self.mapping.param_names[: self.k_exog]
        ]
        for latent in self.latents:
            for name, c in zip(latent.loading_names, latent.coefficients, strict=True):
                free = c.name is not None
                rows.append(
                    ("loading", f"{latent.name}: {name}", latent.level,
                     np.nan if free else c.value, c.name or "")
                )  # fmt: skip
            for name in (*latent.parents, *latent.covariate_names):
                label = f"{latent.name} ~ {name}"
                rows.append(("regression", label, latent.level, np.nan, label))
        for _, _, block, covariance in self.mapping.terms:
            for name in self.mapping.param_names[block]:
                rows.append(("covariance", name, covariance.group, np.nan, name))
        for block, slot in self.mapping.slots:
            if slot.entries:
                for name in self.mapping.param_names[block]:
                    rows.append((slot.slot, name, "", np.nan, name))
        return pd.DataFrame(rows, columns=["block", "name", "level", "fixed", "parameter"])

    def latent_columns(self, data: pd.DataFrame) -> tuple[LatentColumns, ...]:
        """Equations of the latent variables with values from new data, coded as in the model's data.

        Parameters
        ----------
        data : DataFrame, n rows
            With the columns of the formulas of loadings and regressions.

        Returns
        -------
        tuple of LatentColumns
            NaN where values are missing.

        Raises
        ------
        SpecificationError
            A column is lacking, or a factor has levels that the model's data did not have.
        """

        def values(what: str, formula: str) -> np.ndarray:
            return design_of(what, formula, data, self.data.frame)[0]

        return tuple(
            replace(
                latent,
                loadings=values(f"loadings of {latent.name}", latent.formulas[0])
                if latent.formulas[0]
                else np.empty((len(data), 0)),
                covariates=values(f"regression of {latent.name}", latent.formulas[1])
                if latent.formulas[1]
                else None,
            )
            for latent in self.latents
        )


def _latent_columns(latent: Latent, equations, design, identification: str) -> LatentColumns:
    """Values and coefficients of a latent variable's loadings and covariates."""
    frame = design.frame
    text = "~ " + latent.loadings.strip().removeprefix("~")
    if latent.measured:
        matrix, names = design_of(f"loadings of {latent.name}", text, frame)
    else:
        matrix, names = np.empty((len(frame), 0)), []
        if not any(latent.name in equation.parents for equation in equations):
            raise SpecificationError(
                f"latent variable {latent.name!r} has no loadings (loadings='0') and no other latent "
                "variable is regressed on it; leave it out"
            )
    _refuse_missing(matrix, names, frame, latent.name)
    used = np.any(matrix != 0.0, axis=0)
    if not used.all():
        raise SpecificationError(
            f"latent variable {latent.name!r}: column {names[int(np.argmin(used))]!r} of its loadings is "
            "zero in all rows"
        )
    coefficients = _coefficients(latent, names, identification)
    own = [equation for equation in equations if equation.response == latent.name]
    covariates, labels, parents = None, (), ()
    if own:
        parents = own[0].parents
        if own[0].covariates is not None:
            covariates, listed = design_of(
                f"regression of {latent.name}", "~ " + own[0].covariates, frame
            )
            _refuse_missing(covariates, listed, frame, latent.name)
            level = next(level for level in design.levels if level.name == latent.level)
            _refuse_variation(covariates, listed, level, latent.name)
            labels = tuple(listed)
    formulas = (
        text if latent.measured else "",
        "~ " + own[0].covariates if covariates is not None else "",
    )
    return LatentColumns(
        latent.name, latent.level, matrix, names, coefficients, parents, covariates, labels, formulas
    )


def _coefficients(latent: Latent, names: list[str], identification: str) -> list[Coefficient]:
    """Free and fixed loadings, columns being known by name or by what is in its brackets."""
    brackets = [short_name(name) for name in names]
    short = {s: name for s, name in zip(brackets, names, strict=True) if brackets.count(s) == 1}

    def full(key: str) -> str:
        found = key if key in names else short.get(str(key))
        if found is None:
            raise SpecificationError(
                f"latent variable {latent.name!r} has no loading {key!r}"
                f"{did_you_mean(str(key), names)}"
            )
        return found

    fixed = {full(key): float(value) for key, value in latent.fixed.items()}
    equal = {full(key): label for key, label in latent.equal.items()}
    if clash := sorted(set(fixed) & set(equal)):
        raise SpecificationError(
            f"latent variable {latent.name!r}: loading {clash[0]!r} is both fixed and equal to others"
        )
    if fixed and len(fixed) == len(names) and not any(fixed.values()):
        raise SpecificationError(
            f"latent variable {latent.name!r}: all loadings are fixed at zero; leave it out"
        )
    if names and not any(fixed.values()) and identification == "loading":
        first = next(name for name in names if name not in fixed)
        if first in equal:
            raise SpecificationError(
                f"latent variable {latent.name!r}: loading {first!r} is one for identification and cannot "
                "be equal to others; leave it out of equal, fix another one, or use "
                "identification='variance'"
            )
        fixed[first] = 1.0
    return [
        Coefficient(None, fixed[name])
        if name in fixed
        else Coefficient(f"loading({equal.get(name, f'{latent.name}: {name}')})")
        for name in names
    ]


def _check_ambiguity(equations, data) -> None:
    """Refuse equations in which a name may be a latent variable or a column."""
    columns = getattr(data, "columns", ())
    for equation in equations:
        for parent in equation.parents:
            if parent in columns:
                raise SpecificationError(
                    f"{equation.response!r} is regressed on {parent!r}, which is a latent variable and a "
                    "column of the data; give the latent variable another name"
                )


def _check_paths(columns: list[LatentColumns], levels: list[str]) -> None:
    """Refuse paths from a latent variable to one of a higher level."""
    level_of = {latent.name: levels.index(latent.level) for latent in columns}
    for latent in columns:
        for parent in latent.parents:
            if level_of[parent] < level_of[latent.name]:
                raise SpecificationError(
                    f"{latent.name!r} varies at level {latent.level!r} and cannot be regressed on "
                    f"{parent!r}, which varies within its clusters"
                )


def _refuse_missing(matrix, names, frame, latent: str) -> None:
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = (int(index[0]) for index in np.nonzero(bad))
        raise SpecificationError(
            f"latent variable {latent!r}: {names[column]!r} is missing in row {frame.index[row]!r}; "
            "drop it"
        )


def _refuse_variation(covariates, names, level, latent: str) -> None:
    first = np.zeros((level.n_clusters, covariates.shape[1]))
    first[level.codes[::-1]] = covariates[::-1]
    bad = first[level.codes] != covariates
    if bad.any():
        row, column = (int(index[0]) for index in np.nonzero(bad))
        cluster = show_label(level.labels[level.codes[row]])
        raise SpecificationError(
            f"{latent!r} is regressed on {names[column]!r}, which varies within cluster {cluster} of "
            f"its level {level.name!r}"
        )
