"""Effects of covariates, columns of the data, on mean responses, wherever they are in the model."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.prediction.marginal_effects import AT, METHODS
from sm_gllamm.prediction.means import MeanWithGradient
from sm_gllamm.prediction.predict import predicted_with_gradient, rows_for, targets_of
from sm_gllamm.specification.evaluation import did_you_mean

__all__ = ["CovariateEffects", "covariate_effects"]

#: Half the width of a difference quotient, in standard deviations of the covariate.
STEP = 1e-3


@dataclass(frozen=True)
class CovariateEffects:
    """Effects of covariates on mean responses.

    Attributes
    ----------
    names : list of str
        Columns of the data.
    margeff : ndarray, shape (k,), or (nobs, k) for ``at="all"``
    margeff_cov : ndarray, shape (k, k), or None
    margeff_options : dict
        "method" and "at".
    """

    names: list[str]
    margeff: np.ndarray
    margeff_cov: np.ndarray | None
    margeff_options: dict[str, str]

    def _averaged(self) -> np.ndarray:
        if self.margeff_cov is None:
            raise SpecificationError("effects of every row (at='all') have no standard errors here")
        return self.margeff_cov

    @property
    def margeff_se(self) -> np.ndarray:
        """Standard errors by the delta method, shape (k,)."""
        return np.sqrt(np.diag(self._averaged()))

    @property
    def tvalues(self) -> np.ndarray:
        """Effects divided by their standard errors, shape (k,)."""
        return self.margeff / self.margeff_se

    @property
    def pvalues(self) -> np.ndarray:
        """Two-sided, normal; shape (k,)."""
        return 2.0 * norm.sf(np.abs(self.tvalues))

    def conf_int(self, alpha: float = 0.05) -> np.ndarray:
        """Confidence intervals, shape (k, 2)."""
        half = norm.ppf(1 - alpha / 2) * self.margeff_se
        return np.column_stack([self.margeff - half, self.margeff + half])

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Table with the columns that statsmodels' discrete models have."""
        low, high = self.conf_int(alpha).T
        name = {"dydx": "dy/dx", "eyex": "d(lny)/d(lnx)", "dyex": "dy/d(lnx)", "eydx": "d(lny)/dx"}
        return pd.DataFrame(
            {
                name[self.margeff_options["method"]]: self.margeff, "Std. Err.": self.margeff_se,
                "z": self.tvalues, "Pr(>|z|)": self.pvalues, "Conf. Int. Low": low,
                "Cont. Int. Hi.": high,
            },
            index=self.names,
        )  # fmt: skip

    def summary(self, alpha: float = 0.05) -> Summary:
        """The same as text."""
        frame, text = self.summary_frame(alpha), Summary()
        headers = [*frame.columns[:4], f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]"]
        cells = [[f"{value:.4f}" for value in row] for row in frame.to_numpy()]
        title = f"Marginal Effects, {self.margeff_options['at']}"
        text.tables.append(SimpleTable(cells, headers, self.names, title=title))
        return text


def _covariates(model, frame: pd.DataFrame) -> list[str]:
    """Numeric columns that the fixed part or a regression has other than as categories."""
    formulas = [model.formula.split("~", 1)[1]]
    formulas += [text for latent in model.latents for text in latent.formulas[1:]]
    text = re.sub(r"\bC\([^()]*\)", "", " ".join(formulas))
    mentioned = set(re.findall(r"[^\W\d]\w*", text))
    return [
        str(name)
        for name in frame.columns
        if name in mentioned and pd.api.types.is_numeric_dtype(frame[name])
    ]


def _checked(variables, model, frame: pd.DataFrame) -> list[str]:
    if variables is None:
        found = _covariates(model, frame)
        if not found:
            raise SpecificationError("the model has no numeric covariates")
        return found
    chosen = [variables] if isinstance(variables, str) else list(variables)
    for name in chosen:
        if name not in frame.columns:
            raise SpecificationError(
                f"variables: the data have no column {name!r}{did_you_mean(str(name), frame.columns)}"
            )
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise SpecificationError(
                f"variables: {name!r} is no number; compare predictions (get_prediction) for data that "
                "differ in it"
            )
    return chosen


def _ends(values: pd.Series, dummy: bool, count: bool):
    """Two values of a covariate, the distance between them, and whether that is a step."""
    number = values.astype(float)
    binary = bool(number.isin((0.0, 1.0)).all())
    if pd.api.types.is_bool_dtype(values) or dummy and binary:
        kind = bool if pd.api.types.is_bool_dtype(values) else float
        return (np.zeros(len(number), dtype=kind), np.ones(len(number), dtype=kind)), 1.0, True
    if count and not binary and (number == np.round(number)).all():
        return (number - 1.0, number + 1.0), 2.0, True
    step = STEP * (float(number.std(ddof=0)) or 1.0)
    return (number - step, number + step), 2.0 * step, False


def covariate_effects(
    model, params, cov_params, kind: str, variables=None, at: str = "overall", method: str = "dydx",
    atexog=None, dummy: bool = False, count: bool = False,
) -> CovariateEffects:  # fmt: skip
    """Marginal effects of columns of the model's data.

    Parameters
    ----------
    model : GLMM
        From a formula, with its data.
    params : array_like, shape (p,)
    cov_params : ndarray, shape (p, p)
    kind : {"marginal", "conditional"}
    variables : str or sequence of str, optional
        Default the numeric columns of the fixed part and the regressions.
    at : {"overall", "all"}
    method : {"dydx", "eyex", "dyex", "eydx"}
    atexog : dict of str to value, optional
        Columns that are held at a value in all rows.
    dummy, count : bool
        Treat 0/1 columns as changing from 0 to 1, whole numbers as changing by one.

    Raises
    ------
    SpecificationError
    """
    if at not in AT or method not in METHODS:
        raise SpecificationError(f"at must be one of {AT}, method one of {METHODS}")
    if at not in ("overall", "all"):
        raise SpecificationError(
            f"at={at!r} is not available with latent variables, whose items have no mean; use 'overall', "
            "or atexog={column: value}"
        )
    if kind not in ("marginal", "conditional"):
        raise SpecificationError("marginal effects are on 'marginal' or 'conditional' means")
    if not hasattr(model, "formula"):
        raise SpecificationError("effects of the data's columns are for models from a formula")
    data = model.data.frame if model.applied_frame is None else model.applied_frame
    names, frame = _checked(variables, model, data), data.assign(**dict(atexog or {}))

    def mean(changed: pd.DataFrame) -> MeanWithGradient:
        rows = rows_for(model, kind, changed, offset=model.offset, exposure=model.exposure)
        targets = targets_of(model, rows)
        if len(targets) > 1 or targets[0][0].member.layout not in ("plain", "interval"):
            raise SpecificationError(
                f"marginal effects are not available for {type(model.family).__name__} responses; compare "
                "predictions (get_prediction) for data that differ in a covariate"
            )
        out = predicted_with_gradient(model, params, rows, kind)
        if method.startswith("ey"):
            return MeanWithGradient(np.log(out.value), out.gradient / out.value[:, None])
        return out

    effects, gradients = [], []
    for name in names:
        ends, width, step = _ends(frame[name], dummy, count)
        low, high = (mean(frame.assign(**{name: np.asarray(end)})) for end in ends)
        scale = np.full(len(frame), 1.0 / width)
        if method.endswith("ex") and not step:
            scale *= frame[name].to_numpy(dtype=float)
        effects.append(scale * (high.value - low.value))
        gradients.append(np.mean(scale[:, None] * (high.gradient - low.gradient), axis=0))
    options = {"method": method, "at": at}
    if at == "all":
        return CovariateEffects(names, np.column_stack(effects), None, options)
    jacobian = np.array(gradients)
    covariance = jacobian @ cov_params @ jacobian.T
    return CovariateEffects(names, np.array([e.mean() for e in effects]), covariance, options)
