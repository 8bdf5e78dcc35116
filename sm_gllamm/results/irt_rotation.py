"""Rotation and standardized loadings: methods of results of item response models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.bank import ItemBank
from sm_gllamm.items.rotation import rotate, rotation_gradient
from sm_gllamm.results.bank_jacobian import BankJacobian
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["RotatedSolution", "RotationMethods"]

#: Residual standard deviations of latent responses by metric and link.
METRICS = {
    ("normal", "logit"): 1.702,
    ("logistic", "logit"): float(np.pi / np.sqrt(3.0)),
    ("normal", "probit"): 1.0,
}


@dataclass(frozen=True)
class RotatedSolution:
    """Slopes, loadings and correlations of rotated latent variables.

    Attributes
    ----------
    method : str
    dimensions : tuple of str
        Names of the rotated latent variables, F1, F2, ...
    slopes, slopes_se : DataFrame, shape (n_items, q)
        Of the predictors, and their standard errors.
    loadings, loadings_se : DataFrame, shape (n_items, q)
        Standardized.
    correlations, correlations_se : DataFrame, shape (q, q)
        Of the rotated latent variables, in the first group.
    communalities : Series
        Share of the latent response that the latent variables explain.
    rotation : ndarray, shape (q, q)
        T: rotated latent variables are ``T'theta``.
    n_minima : int
        Local minima of the criterion that were found, of which this is the lowest.
    """

    method: str
    dimensions: tuple[str, ...]
    slopes: pd.DataFrame
    slopes_se: pd.DataFrame
    loadings: pd.DataFrame
    loadings_se: pd.DataFrame
    correlations: pd.DataFrame
    correlations_se: pd.DataFrame
    communalities: pd.Series
    rotation: np.ndarray
    n_minima: int

    def summary_frame(self) -> pd.DataFrame:
        """Loadings with standard errors and communalities.

        Returns
        -------
        DataFrame
            A row an item; columns ``name`` and ``se(name)`` for each latent variable, and
            ``communality``.
        """
        frame = pd.DataFrame(index=self.loadings.index)
        for name in self.dimensions:
            frame[name], frame[f"se({name})"] = self.loadings[name], self.loadings_se[name]
        return frame.assign(communality=self.communalities)


class RotationMethods(LatentVariableResults):
    """Factor analysis of items; part of :class:`sm_gllamm.results.irt.IRTResults`."""

    def _residual_sd(self, metric: str) -> float:
        link = self.model.layout.design.link
        if (metric, link) not in METRICS:
            known = [name for name, own in METRICS if own == link]
            raise SpecificationError(f"metric={metric!r} is not known for the {link}; use {known}")
        return METRICS[metric, link]

    def standardized_loadings(
        self, metric: str = "normal", group: str | None = None
    ) -> pd.DataFrame:
        """Loadings of the latent responses on the latent variables, both with unit variances.

        Parameters
        ----------
        metric : {"normal", "logistic"}
            What latent responses are given the latent variables: of logit models normal with standard
            deviation 1.702, by which the logistic distribution is approximated (as in mirt), or logistic,
            with variance pi^2 / 3. Of probit models they are normal with variance one.
        group : str, optional
            Label of a group, default the first.

        Returns
        -------
        DataFrame
            A row an item; columns ``name`` and ``se(name)`` for each latent variable, ``communality`` and
            ``se(communality)``. NaN of nominal items, which have no single latent response.

        Notes
        -----
        ``a_d sd_d / sqrt(D^2 + a' Psi a)`` with slopes a, the covariance Psi of the latent variables and D
        the residual standard deviation; the communality is ``a' Psi a / (D^2 + a' Psi a)``. Slopes of
        partial credit items are those of a step. Asymptotes are left out of account.

        References
        ----------
        Takane, Y., & de Leeuw, J. (1987). On the relationship between item response theory and factor
        analysis of discretized variables. Psychometrika 52, 393-408.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.standardized_loadings().round(3).head(2))
                theta  se(theta)  communality  se(communality)
        item
        item_1  0.436      0.110        0.191            0.096
        item_2  0.391      0.086        0.153            0.067
        """
        scale = self._residual_sd(metric)
        found = self._jacobian(0 if group is None else self._group_numbers(group)[0])
        loadings, gradient, shares, slope = _standardized(found, scale)
        q = loadings.shape[1]
        errors = self._std_errors(
            loadings.ravel(), gradient.reshape(loadings.size, -1)
        ).reshape(-1, q)  # fmt: skip
        frame = pd.DataFrame(index=pd.Index(found.bank.names, name="item"))
        for d, name in enumerate(found.bank.dimensions):
            frame[name], frame[f"se({name})"] = loadings[:, d], errors[:, d]
        frame["communality"] = shares
        frame["se(communality)"] = self._std_errors(shares, slope)
        return frame

    def omega(self, metric: str = "normal", group: str | None = None) -> pd.DataFrame:
        """Coefficients omega of the sum of all items and of the items of every specific dimension.

        Parameters
        ----------
        metric : {"normal", "logistic"}
            As for :meth:`standardized_loadings`.
        group : str, optional
            Label of a group, default the first.

        Returns
        -------
        DataFrame
            Rows ``total`` and specific dimensions; columns ``omega``, the share of the variance of the sum
            that the latent variables explain, and ``omega_hierarchical``, the share that is due to the
            general ones (of rows of specific dimensions: to the specific one).

        Raises
        ------
        SpecificationError
            Nominal items.

        Notes
        -----
        Of sums of latent responses; those of the observed codes are less reliable: see
        :meth:`reliability`.

        References
        ----------
        Rodriguez, A., Reise, S. P., & Haviland, M. G. (2016). Evaluating bifactor models: calculating and
        interpreting statistical indices. Psychological Methods 21, 137-150.
        """
        found = self._jacobian(0 if group is None else self._group_numbers(group)[0])
        loadings, _, shares, _ = _standardized(found, self._residual_sd(metric))
        if np.isnan(loadings).any():
            raise SpecificationError("omega is not defined for nominal items")
        design = self.model.layout.design
        q, sd = len(design.dimensions), np.sqrt(np.diag(found.bank.covariance))
        correlation = found.bank.covariance / np.multiply.outer(sd, sd)
        rows = {"total": (np.ones(len(shares), dtype=bool), list(range(q)))}
        for s, name in enumerate(design.specific_names):
            rows[name] = (np.asarray(design.specific) == s, [q + s])
        out = {}
        for name, (items, dimensions) in rows.items():
            sums = loadings[items].sum(axis=0)
            common = sums @ correlation @ sums
            total = common + (1.0 - shares[items]).sum()
            part = sums[dimensions] @ correlation[np.ix_(dimensions, dimensions)] @ sums[dimensions]
            out[name] = (common / total, part / total)
        return pd.DataFrame.from_dict(out, orient="index", columns=["omega", "omega_hierarchical"])

    def rotate(
        self, method: str = "oblimin", metric: str = "normal", normalize: bool = False, **options
    ) -> RotatedSolution:
        """Rotate an exploratory model to simple structure.

        Parameters
        ----------
        method : str
            Orthogonal: "varimax", "quartimax", "equamax", "parsimax"; oblique: "oblimin", "quartimin",
            "geomin", "crawford-ferguson", "target", "promax".
        metric : {"normal", "logistic"}
            Of the standardized loadings that are rotated: see :meth:`standardized_loadings`.
        normalize : bool
            Kaiser's normalization.
        **options
            Of the method: ``gamma=0`` (oblimin), ``kappa=0`` (crawford-ferguson), ``epsilon=0.01`` (geomin),
            ``target=``, an array with a row an item and NaN where nothing is specified; ``oblique=False``;
            ``power=4`` (promax).

        Returns
        -------
        RotatedSolution
            With ``slopes``, ``loadings``, ``correlations`` and their standard errors. Latent variables are
            in the order of their sums of squared loadings, with signs that make sums of loadings
            positive.

        Raises
        ------
        SpecificationError
            Models that are not exploratory, nominal items, unknown methods.

        Notes
        -----
        The fit does not depend on the rotation. Standard errors are by the delta method through the
        rotation, whose derivatives are those of the minimum of its criterion (Jennrich 1973): that the
        rotation is estimated, too, is accounted for.

        References
        ----------
        Jennrich, R. I. (1973). Standard errors for obliquely rotated factor loadings. Psychometrika 38,
        593-604.

        Examples
        --------
        >>> import numpy as np
        >>> import sm_gllamm.api as smg
        >>> rng = np.random.default_rng(5)
        >>> theta = rng.normal(size=(500, 2)) @ [[1.0, 0.4], [0.0, 0.9]]
        >>> nu = 1.8 * np.repeat(theta, 4, axis=1)
        >>> responses = (rng.random(nu.shape) < 1 / (1 + np.exp(-nu))).astype(int)
        >>> rotated = smg.IRT(responses, dimensions=2).fit().rotate("oblimin")
        >>> (rotated.loadings.abs() > 0.5).sum().tolist()
        [4, 4]
        """
        if not self.model.exploratory:
            raise SpecificationError(
                "rotation is for exploratory models, dimensions=2 or more; what items measure is specified "
                "in this one: see standardized_loadings()"
            )
        found = self._jacobian(0)
        loadings, gradient, shares, _ = _standardized(found, self._residual_sd(metric))
        if np.isnan(loadings).any():
            raise SpecificationError("rotation is not available for nominal items")
        turned = rotate(loadings, method, normalize, **options)
        matrix = turned.matrix
        change = np.einsum(
            "rsid,idp->rsp", rotation_gradient(turned, loadings), gradient, optimize=True
        )
        slopes, slopes_gradient = _slopes(found)
        names = tuple(f"F{d + 1}" for d in range(len(matrix)))
        correlations = matrix.T @ matrix
        one_way = np.einsum("krp,ks->rsp", change, matrix)
        tables: list[pd.DataFrame] = []
        for values, own in ((slopes, slopes_gradient), (loadings, gradient)):
            # values times the inverse of T'
            inverse = np.linalg.inv(matrix.T)
            rotated = values @ inverse
            total = np.einsum("idp,de->iep", own, inverse) - np.einsum(
                "ib,cbp,ce->iep", rotated, change, inverse, optimize=True
            )
            errors = self._std_errors(rotated.ravel(), total.reshape(rotated.size, -1))
            index = pd.Index(found.bank.names, name="item")
            tables += [
                pd.DataFrame(part, index=index, columns=names)
                for part in (rotated, errors.reshape(rotated.shape))
            ]
        both = one_way + one_way.swapaxes(0, 1)
        errors = self._std_errors(correlations.ravel(), both.reshape(correlations.size, -1))
        if not turned.oblique:
            correlations, errors = np.eye(len(matrix)), np.full(correlations.size, np.nan)
        errors = errors.reshape(correlations.shape)
        np.fill_diagonal(errors, np.nan)
        return RotatedSolution(
            method, names, tables[0], tables[1], tables[2], tables[3],
            pd.DataFrame(correlations, index=names, columns=names),
            pd.DataFrame(errors, index=names, columns=names),
            pd.Series(shares, index=tables[0].index, name="communality"), matrix, turned.n_minima,
        )  # fmt: skip


def _slopes(found: BankJacobian) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of all items, shape (n_items, q), with derivatives in the parameters; NaN of nominal ones."""
    bank: ItemBank = found.bank
    q = len(bank.dimensions)
    values, gradient = [], []
    for item, jacobian in zip(bank.items, found.items, strict=True):
        own = jacobian[: item.slopes.size].reshape(-1, q, jacobian.shape[1])
        if item.form == "divide":
            steps = item.n_categories - 1
            own = ((own[-1] - own[0]) / steps)[None]
        lost = np.nan if item.model == "nominal" else 1.0
        values.append(lost * item.discrimination)
        gradient.append(lost * own[0])
    return np.array(values), np.array(gradient)


def _standardized(found: BankJacobian, scale: float):
    """Standardized loadings and communalities, with derivatives in the parameters."""
    a, da = _slopes(found)
    psi, dpsi = found.bank.covariance, found.covariance
    sd = np.sqrt(np.diag(psi))
    dsd = np.einsum("ddp->dp", dpsi) / (2.0 * np.where(sd > 0.0, sd, np.nan)[:, None])
    covariance = a @ psi
    common = np.einsum("id,id->i", covariance, a)
    total = scale**2 + common
    dcommon = 2.0 * np.einsum("id,idp->ip", covariance, da)
    dcommon += np.einsum("id,dep,ie->ip", a, dpsi, a, optimize=True)
    root = np.sqrt(total)[:, None]
    loadings = a * sd / root
    gradient = (da * sd[:, None] + a[:, :, None] * dsd) / root[:, :, None]
    gradient -= loadings[:, :, None] * (dcommon / (2.0 * total[:, None]))[:, None, :]
    return loadings, gradient, common / total, dcommon * (scale**2 / total**2)[:, None]
