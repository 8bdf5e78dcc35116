"""What a structural equation model explains, and what it leaves: R-squared, reliability, residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.sem_fit_measures import SemFitMeasures
from sm_gllamm.results.sem_standardized import KINDS, Scales, numerical_jacobian

__all__ = ["SemDiagnostics"]


class SemDiagnostics(SemFitMeasures):
    """R-squared, reliability, residual moments and modification indices."""

    def _block_labels(self, b: int) -> dict[str, str]:
        """Group and level of a block, where there are several."""
        table = self.model.table
        row = next(r for r in table.rows if r.block == b + 1)
        out = {}
        if len(table.groups) > 1:
            out["group"] = table.groups[row.group - 1]
        if len(table.levels) > 1:
            out["level"] = table.levels[row.level - 1]
        return out

    def r_squared(self) -> pd.DataFrame:
        """Share of the variance of each dependent variable that the model explains.

        Returns
        -------
        DataFrame
            Columns ``variable`` (with ``group`` and ``level`` where there are several) and ``rsquared``, NaN
            where a residual variance is negative.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.r_squared()["rsquared"].round(3).tolist()
        [0.386, 0.229, 0.504]
        """
        model, params = self.model, np.asarray(self.params)
        rows = []
        for b, block in enumerate(model.mapping.implied(params)):
            paths, residual, _ = block.block.matrices(params)
            dependent = {
                r.rhs if r.op == "=~" else r.lhs
                for r in model.table.rows
                if r.block == b + 1 and r.op in ("=~", "~")
            }
            for k, name in enumerate(block.block.variables):
                if name in dependent:
                    share = 1.0 - residual[k, k] / block.covariance[k, k]
                    fine = residual[k, k] >= 0.0
                    rows.append(
                        self._block_labels(b)
                        | {"variable": name, "rsquared": share if fine else np.nan}
                    )
        return pd.DataFrame(rows)

    def reliability(self) -> pd.DataFrame:
        """Reliability of the sum of the indicators of each latent variable.

        Returns
        -------
        DataFrame
            Indexed by latent variable: ``omega`` (share of the variance of the sum that comes from the latent
            variable, McDonald 1999, with the implied variance below the line), its standard error ``se`` by
            the delta method, coefficient ``alpha`` of the implied covariances, and ``ave``, the average
            variance extracted of standardised indicators (Fornell & Larcker 1981).

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.reliability()["omega"].round(3).tolist()
        [0.633]
        """
        model, params = self.model, np.asarray(self.params)
        parts = []
        for b, roles in enumerate(model.table.roles):
            for factor in roles.latent:
                own = [
                    r.rhs for r in model.table.rows
                    if r.block == b + 1 and r.op == "=~" and r.lhs == factor
                    and r.rhs in roles.indicators
                ]  # fmt: skip
                if len(own) > 1:
                    parts.append((b, factor, own))

        def values(at: np.ndarray) -> np.ndarray:
            implied = model.mapping.implied(at)
            return np.array(
                [_reliability(implied[b], factor, own, at)[0] for b, factor, own in parts]
            )

        if not parts:
            raise SpecificationError("no latent variable has two observed indicators")
        jacobian = numerical_jacobian(values, params)
        se = np.sqrt(np.einsum("ri,ij,rj->r", jacobian, np.asarray(self.cov_params()), jacobian))
        implied = model.mapping.implied(params)
        rows = []
        for (b, factor, own), error in zip(parts, se, strict=True):
            omega, alpha, ave = _reliability(implied[b], factor, own, params)
            rows.append(
                self._block_labels(b)
                | {"factor": factor, "omega": omega, "se": error, "alpha": alpha, "ave": ave}
            )
        return pd.DataFrame(rows).set_index("factor").rename_axis(index=None)

    def residuals(self, kind: str = "raw") -> dict[str, pd.DataFrame] | pd.DataFrame:
        """Residual covariances: of the sample (or saturated model) less those of the model.

        Parameters
        ----------
        kind : {"raw", "correlation", "normalized", "standardized"}
            Differences of covariances; of correlations; of covariances divided by the standard errors of the
            sample's (or saturated model's), as if those of the model were known; or divided by their own
            standard errors, which makes them normal with a variance of one if the model is true.

        Returns
        -------
        DataFrame, or dict of DataFrame by group
            With a row ``mean`` where means are modelled and `kind` is not "correlation". Normalised ones
            are NaN for given covariates, standardised ones also for moments that the model fits whatever
            the data are.

        Notes
        -----
        Standard errors are those of normal responses (Browne 1984; Joreskog & Sorbom 1981 for normalised
        residuals), from the expected information with complete data of one level, otherwise from the observed
        one.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3 + x9", data).fit()
        >>> round(float(result.residuals("correlation").loc["x9", "x1"]), 3)
        0.029
        >>> round(float(result.residuals("standardized").loc["x9", "x1"]), 2)
        1.58
        """
        if kind not in ("raw", "correlation", "normalized", "standardized"):
            raise SpecificationError(
                f"kind={kind!r} is not known; use 'raw', 'correlation', 'normalized' or 'standardized'"
            )
        model, params = self.model, np.asarray(self.params)
        implied = model.implied_moments(params)
        errors = None
        if kind in ("normalized", "standardized"):
            self._needs_saturated()
            errors = model.residual_errors(
                params, self.restriction, self._saturated, kind == "standardized"
            )
        out = {}
        for b, ((mean, covariance), (mean_hat, covariance_hat)) in enumerate(
            zip(self._saturated.moments, implied, strict=True)
        ):
            names = list(covariance_hat.columns)
            hat = covariance_hat.to_numpy()
            left = covariance - hat
            if kind == "correlation":
                sd, sd_hat = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(hat))
                left = covariance / np.outer(sd, sd) - hat / np.outer(sd_hat, sd_hat)
            elif errors is not None:
                left = left / errors[b][1]
            frame = pd.DataFrame(left, names, names)
            if model.inputs.mean_structure and kind != "correlation":
                off = np.asarray(mean) - mean_hat.to_numpy()
                frame.loc["mean"] = off if errors is None else off / errors[b][0]
            out[", ".join(self._block_labels(b).values())] = frame
        return next(iter(out.values())) if len(out) == 1 else out

    def modification_indices(
        self, minimum: float = 0.0, information: str = "expected"
    ) -> pd.DataFrame:
        """Score tests of parameters that are fixed or left out, one at a time.

        Parameters
        ----------
        minimum : float
            Smallest index to list.
        information : {"expected", "observed"}

        Returns
        -------
        DataFrame
            A row a parameter, the largest index first: ``mi`` (chi-square with one degree of freedom),
            ``pvalue``, ``epc`` (expected parameter change), and what it would be standardised, ``epc_lv`` and
            ``epc_all``.

        Notes
        -----
        Parameters that would not be identified are left out. Under constraints, the indices are of parameters
        that are added while the constraints hold.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> text = "visual =~ x1 + x2 + x3 \\n speed =~ x7 + x8 + x9"
        >>> result = smg.SEM(text, data).fit()
        >>> table = result.modification_indices()
        >>> " ".join(table.iloc[0][["lhs", "op", "rhs"]]), round(float(table["mi"].iloc[0]), 2)
        ('visual =~ x9', 35.52)
        """
        _check_information(information)
        model, params = self.model, np.asarray(self.params)
        which, statistic, change = model.modification_scores(params, information, self.restriction)
        table, values = model.table, model.row_values(params)[0]
        variances = model.implied_variances(params)
        scales = {kind: Scales(table, values, variances, kind) for kind in KINDS}
        rows = []
        for candidate, mi, epc in zip(which, statistic, change, strict=True):
            if not np.isfinite(mi) or mi < minimum:
                continue
            row = self._block_labels(candidate.block - 1) | {
                "lhs": candidate.lhs, "op": candidate.op, "rhs": candidate.rhs, "mi": mi,
                "pvalue": float(stats.chi2.sf(mi, 1)), "epc": epc,
            }  # fmt: skip
            for kind, scale in scales.items():
                row[f"epc_{kind}"] = epc * scale.factor(
                    candidate.block, candidate.lhs, candidate.op, candidate.rhs
                )
            rows.append(row)
        columns = ["lhs", "op", "rhs", "mi", "pvalue", "epc", "epc_lv", "epc_all"]
        frame = pd.DataFrame(rows, columns=None if rows else columns)
        return frame.sort_values("mi", ascending=False, kind="stable", ignore_index=True)

    def constraint_tests(self, information: str = "expected") -> pd.DataFrame:
        """Score tests of equal labels, equations and other constraints, as if each of them were released.

        Parameters
        ----------
        information : {"expected", "observed"}

        Returns
        -------
        DataFrame
            A row a constraint, in the order of the model, and ``all`` of them together: ``lhs``, ``rhs``,
            ``statistic`` (chi-square), ``df``, ``pvalue``, and ``change``, the difference of both sides that
            is expected without the constraint.

        Raises
        ------
        SpecificationError
            The model has no equations.

        Notes
        -----
        Lagrange multiplier tests of one constraint while the others hold (Buse 1982, *American Statistician*
        36, 153-157), as ``lavTestScore`` of lavaan. Of parameters with one label each is tested against the
        first. ``df`` is 0 where releasing a constraint leaves a parameter that is not identified.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + a*x2 + a*x3 + x9", data).fit()
        >>> print(result.constraint_tests()[["lhs", "rhs", "statistic", "change"]].round(2))
                  lhs         rhs  statistic  change
        0  visual=~x2  visual=~x3       4.25   -0.26
        1         all                   4.25     NaN
        """
        _check_information(information)
        found = self.model.release_tests(np.asarray(self.params), information, self.restriction)
        if not found:
            raise SpecificationError("the model has no equal labels or equations to test")
        rows = [
            {
                "lhs": one.lhs, "rhs": one.rhs, "statistic": one.statistic if one.df else np.nan,
                "df": one.df,
                "pvalue": float(stats.chi2.sf(one.statistic, one.df)) if one.df else np.nan,
                "change": one.change,
            }
            for one in found
        ]  # fmt: skip
        return pd.DataFrame(rows)


def _check_information(information: str) -> None:
    if information not in ("expected", "observed"):
        raise SpecificationError(
            f"information={information!r} is not known; use 'expected' or 'observed'"
        )


def _reliability(implied, factor: str, own: list[str], params) -> tuple[float, float, float]:
    """omega, alpha and average variance extracted of the indicators of a factor."""
    block = implied.block
    at = [block.variables.index(name) for name in own]
    f = block.variables.index(factor)
    loadings = block.matrices(params)[0][at, f]
    covariance = implied.covariance[np.ix_(at, at)]
    variance, total = implied.covariance[f, f], covariance.sum()
    omega = loadings.sum() ** 2 * variance / total
    k = len(own)
    alpha = k / (k - 1) * (1.0 - np.trace(covariance) / total)
    ave = float(np.mean(loadings**2 * variance / np.diag(covariance)))
    return float(omega), float(alpha), ave
