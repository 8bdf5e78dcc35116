"""The general model: loadings, latent regressions, any response, any number of levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.measurement import LatentColumns, lay_out_latents
from sm_gllamm.models.designs import design_of
from sm_gllamm.models.glmm import GLMM
from sm_gllamm.models.latent_equations import (
    check_ambiguity,
    covariance_structures,
    latent_columns,
)
from sm_gllamm.results.gllamm import GLLAMMResults, GLLAMMResultsWrapper
from sm_gllamm.specification.evaluation import names_in_scope
from sm_gllamm.specification.latent import Latent, parse_regressions

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
        cls, formula, data, latent=(), regressions=(), covariance=None,
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
        regressions : list of str or Regression
            Equations such as ``"ability ~ motivation + age"``: latent variables of the same or higher
            levels, products of two latent variables (``"f:g"``, ``"f*g"``, ``"f:f"``) or of one and a
            covariate (``"f:x"``), and covariates that are constant within the clusters of the
            response's level.
        covariance : None, {"unstructured", "diagonal", "equal"}, list of pairs, or dict by level
            Covariance matrix of the disturbances of a level: all covary, none does ("equal": with one
            variance for all), or those pairs of latent variables do. None: latent variables that are
            regressed on no others covary, and so do those that are and that no other is regressed on,
            but for the factors behind a factor of second order.
        identification : {"loading", "variance"}
            The first loading of a latent variable is one, or the variances of the disturbances are one,
            so that their covariances are correlations.
        eval_env : int or dict
            Frames to go up from the caller to find functions that any of the formulas use; or these.
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
        check_ambiguity(equations, data)
        levels = list(dict.fromkeys(one.level for one in latent))
        bars = " + ".join(f"(1 | {level})" for level in levels)
        structures = covariance_structures(covariance, latent, equations, levels)
        unit = identification == "variance"

        texts = [one.loadings for one in latent] + [one.regression.terms for one in equations]
        environment = names_in_scope(
            eval_env, texts, map(str, getattr(data, "columns", ())), depth=1
        )

        def arguments(design):
            columns = latent_columns(latent, equations, design, identification, environment)
            return {"latents": columns, "structures": structures, "unit_variance": unit}

        if isinstance(eval_env, int) and eval_env >= 0:
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
            With columns ``block``, ``name``, ``level``, ``fixed`` (value, NaN where free),
            ``parameter`` (the name it is estimated under) and ``start`` (starting value).
        """
        table = self.coefficients
        start = dict(zip(self.mapping.param_names, self.start_params.tolist(), strict=True))
        return table.assign(start=table["parameter"].map(start))

    @property
    def coefficients(self) -> pd.DataFrame:
        """The table of parameters without starting values, which needs no data."""
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
            for path in latent.paths:
                c = path.coefficient
                rows.append(
                    ("regression", f"{latent.name} ~ {path.label}", latent.level,
                     np.nan if c.name else c.value, c.name or "")
                )  # fmt: skip
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

        def values(what: str, formulas) -> np.ndarray:
            frame, engine = self.data.frame, self.latents[0].engine
            matrices = [design_of(what, text, data, frame, engine)[0] for text in formulas]
            return np.concatenate(matrices, axis=1)

        return tuple(
            replace(
                latent,
                loadings=values(f"loadings of {latent.name}", latent.formulas[:1])
                if latent.formulas[0]
                else np.empty((len(data), 0)),
                covariates=values(f"regression of {latent.name}", latent.formulas[1:])
                if len(latent.formulas) > 1
                else None,
            )
            for latent in self.latents
        )
