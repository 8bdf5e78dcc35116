"""Factor scores and predictions of structural equation models, for known and new persons."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.sem_scores import bartlett_scores, conditional_normal
from sm_gllamm.results.base import LatentVariableResults
from sm_gllamm.results.sem_cluster_scores import cluster_predictions, cluster_scores

__all__ = ["SemScores"]


class SemScores(LatentVariableResults):
    """Latent variables of persons, and responses given others."""

    def factor_scores(
        self, data: pd.DataFrame | None = None, method: str = "regression", se: bool = False
    ) -> pd.DataFrame:
        """Values of the latent variables of persons.

        Parameters
        ----------
        data : DataFrame, optional
            New persons, with the columns of the model (and of its groups). Default: those of the fit.
        method : {"regression", "eb", "bartlett"}
            Posterior means (both names: empirical Bayes; the posterior is normal, so they are modes, too), or
            weighted least squares given the latent variables, unbiased and more variable.
        se : bool
            Whether to add columns ``se(f)``: posterior standard deviations, or standard errors given the
            latent variables.

        Returns
        -------
        DataFrame
            A row a person, a column a latent variable; NaN where nothing is observed of what measures it, for
            "bartlett".

        Raises
        ------
        SpecificationError
            Bartlett scores of a latent variable that no observed variable measures.

        Notes
        -----
        With two levels, scores of both levels stand in the rows of the data, those of clusters in each of
        their rows. All that is observed of a cluster counts: for latent variables of rows the others tell
        of the cluster. Bartlett scores take the latent variables of the row, or of the cluster, as fixed and
        everything else as random; standard errors are at the estimates.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.factor_scores().shape
        (301, 1)
        """
        method = "regression" if method == "eb" else method
        if method not in ("regression", "bartlett"):
            raise SpecificationError(
                f"method={method!r} is not known; use 'regression' ('eb') or 'bartlett'"
            )
        if len(self.model.table.levels) > 1:
            return cluster_scores(self.model, np.asarray(self.params), data, method, se)
        frames = []
        for b, index, values in self.model.inputs.rows_of(data, "factor_scores"):
            mean, covariance = self._moments(b)
            block = self.model.mapping.blocks[b]
            latent = np.arange(block.n_observed, len(block.variables))
            if not len(latent):
                raise SpecificationError("the model has no latent variables")
            if method == "regression":
                known = np.arange(block.n_observed)
                score, sd = conditional_normal(values, mean, covariance, known, latent)
            else:
                score, sd = self._bartlett(block, values, covariance, mean)
            names = list(block.variables[block.n_observed :])
            frame = pd.DataFrame(score, index, names)
            if se:
                errors = pd.DataFrame(sd, index, [f"se({name})" for name in names])
                frame = pd.concat([frame, errors], axis=1)
            frames.append(frame)
        return self.model.inputs.in_order(frames, data)

    def _moments(self, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Implied mean and covariance matrix of all variables of a block."""
        model, params = self.model, np.asarray(self.params)
        implied = model.mapping.implied(params)[b]
        mean = implied.mean.copy()
        if not model.inputs.mean_structure:
            known = model.inputs.start_moments[b][0]
            if known is None:
                raise SpecificationError("the model was given no means, which scores need: means=")
            n = implied.block.n_observed
            paths = implied.block.matrices(params)[0]
            # latent variables have intercepts of zero, and the means that covariates give them
            inner = np.eye(len(mean) - n) - paths[n:, n:]
            mean[:n], mean[n:] = known, np.linalg.solve(inner, paths[n:, :n] @ known)
        return mean, implied.covariance

    def _bartlett(self, block, values, covariance, mean) -> tuple[np.ndarray, np.ndarray]:
        """Scores from indicators, less what comes from intercepts and observed variables."""
        seen, n = slice(0, block.n_observed), block.n_observed
        paths, residual, intercepts = block.matrices(np.asarray(self.params))
        loadings = paths[seen, n:]
        if not (bare := np.abs(loadings).max(0, initial=0.0) == 0.0).any():
            inside = np.flatnonzero(np.abs(loadings).max(1) > 0.0)
            own = intercepts[seen]
            if not self.model.inputs.mean_structure:
                # intercepts are what is left of the sample's means
                own = mean[seen] - paths[seen] @ mean
            left = (values - own - values @ paths[seen, seen].T)[:, inside]
            return bartlett_scores(
                left, loadings[inside], residual[np.ix_(inside, inside)], covariance[n:, n:]
            )
        name = block.variables[n + int(np.argmax(bare))]
        raise SpecificationError(
            f"no observed variable measures {name!r}; method='regression' gives its scores"
        )

    def predict(
        self, data: pd.DataFrame | None = None, outcomes=None, given=None, transform=True,
        se: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """Means of some observed variables given others.

        Parameters
        ----------
        data : DataFrame, optional
            New persons. Default: those of the fit.
        outcomes, given : list of str, optional
            Observed variables. Default: given the covariates, all others.
        transform : bool
            For statsmodels' sake.
        se : bool
            Whether to add columns ``se(y)``: standard deviations of the outcomes given the others, at the
            estimates.

        Returns
        -------
        DataFrame
            A row a person, a column an outcome.

        Notes
        -----
        With two levels, what is given of any row of a cluster counts for all of them: `given` indicators of
        the other rows tell of the cluster. An outcome that is not among `given` is predicted as if it were
        missing.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import holzinger
        >>> data = holzinger.load_pandas().data
        >>> result = smg.SEM("visual =~ x1 + x2 + x3", data).fit()
        >>> result.predict(outcomes=["x3"], given=["x1", "x2"]).shape
        (301, 1)
        """
        if len(self.model.table.levels) > 1:
            params = np.asarray(self.params)
            return cluster_predictions(self.model, params, data, outcomes, given, se)
        frames = []
        needed = {name for roles in self.model.table.roles for name in roles.covariates}
        needed = needed if given is None else given
        for b, index, values in self.model.inputs.rows_of(data, "predict", needed):
            mean, covariance = self._moments(b)
            block = self.model.mapping.blocks[b]
            names = list(block.variables[: block.n_observed])
            roles = self.model.table.roles[b]
            known = list(roles.covariates) if given is None else list(given)
            wanted = [n for n in names if n not in known] if outcomes is None else list(outcomes)
            for name in (*known, *wanted):
                if name not in names:
                    raise SpecificationError(
                        f"{name!r} is no observed variable of the model; they are {names}"
                    )
            at, to = ([names.index(name) for name in part] for part in (known, wanted))
            found, sd = conditional_normal(
                values[:, at], mean, covariance, np.array(at, dtype=int), np.array(to, dtype=int)
            )
            frame = pd.DataFrame(found, index, wanted)
            if se:
                errors = pd.DataFrame(sd, index, [f"se({name})" for name in wanted])
                frame = pd.concat([frame, errors], axis=1)
            frames.append(frame)
        return self.model.inputs.in_order(frames, data)
