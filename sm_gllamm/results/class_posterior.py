"""Posterior probabilities and sizes of latent classes: what results of all mixtures have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sm_gllamm.classes.classification import Classification, classification
from sm_gllamm.classes.delta import interval, softmax_gradient, standard_errors
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.results.base import LatentVariableResults

__all__ = ["ClassPosteriorMethods", "ClassificationResults"]

#: Criteria beside those of statsmodels.
_MORE_CRITERIA = ("sabic", "caic", "aic3", "icl")


@dataclass(frozen=True)
class ClassificationResults:
    """How well modal assignment tells the classes apart.

    Attributes
    ----------
    average_posterior : DataFrame, shape (C, C)
        Average posterior probability of each class (columns) among the units assigned to a class (rows).
    assignment : DataFrame, shape (C, C)
        Probability of being assigned to a class (columns) for members of a class (rows): the
        classification errors that three-step methods correct for.
    counts : DataFrame, shape (C, C)
        Expected number of units by class (rows) and modal class (columns).
    entropy_r2 : float
        One minus the uncertainty of the posterior relative to its largest possible value (1: certain).
    errors : float
        Expected share of units that modal assignment puts into another class than theirs.
    error_reduction : float
        Share of the errors avoided that assignment of everybody to the largest class would make.
    """

    average_posterior: pd.DataFrame
    assignment: pd.DataFrame
    counts: pd.DataFrame
    entropy_r2: float
    errors: float
    error_reduction: float

    def __str__(self) -> str:
        return (
            f"Average posterior probability by modal class\n{self.average_posterior.round(4)}\n"
            f"Entropy R2 {self.entropy_r2:.4f}, expected misclassification {self.errors:.4f}, "
            f"reduction of errors {self.error_reduction:.4f}"
        )

    @classmethod
    def of(cls, table: Classification, names) -> ClassificationResults:
        """Tables with the names of the classes."""

        def frame(values, rows, columns):
            return pd.DataFrame(values, pd.Index(names, name=rows), pd.Index(names, name=columns))

        return cls(
            frame(table.average_posterior, "modal", "class"),
            frame(table.assignment_given_class, "class", "modal"),
            frame(table.joint, "class", "modal"),
            table.entropy_r2, table.errors, table.error_reduction,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _ClassFacts:
    """Sizes of the classes with their derivatives in the parameters, and classification.

    Attributes
    ----------
    sizes : ndarray, shape (C,)
        Average prior probabilities.
    gradient : ndarray, shape (C, p)
    given_upper : ndarray, shape (H, C)
        The same in each upper class.
    given_upper_gradient : ndarray, shape (H, C, p)
    upper : ndarray, shape (H,)
    upper_gradient : ndarray, shape (H, p)
    classification : Classification
    upper_classification : Classification
    """

    sizes: np.ndarray
    gradient: np.ndarray
    given_upper: np.ndarray
    given_upper_gradient: np.ndarray
    upper: np.ndarray
    upper_gradient: np.ndarray
    classification: Classification
    upper_classification: Classification


def _average_prior(logits, prior: np.ndarray, weight: np.ndarray, h: int, p: int):
    """Weighted average of prior probabilities, shape (C,), and its derivatives, shape (C, p)."""
    share = weight / weight.sum()
    average, gradient = share @ prior, np.zeros((prior.shape[1], p))
    if logits.fixed is None and logits.places:
        x = logits.columns(h)
        slopes = softmax_gradient(prior)
        for d, place in enumerate(logits.places):
            gradient[:, place] += (share[:, None] * slopes[:, :, d]).T @ x
    return average, gradient


def _class_facts(likelihood, theta: np.ndarray) -> _ClassFacts:
    """Everything about the classes that summaries need, which stays when the data go."""
    posterior, units, p = likelihood.posterior(theta), likelihood.units, len(theta)
    group = units.group
    weight = units.weight * units.group_weight[group]
    logits = likelihood.logits
    given, slopes = [], []
    for h in range(len(likelihood.index)):
        row = h if logits.above is not None else 0
        average, gradient = _average_prior(logits, posterior.prior[h], weight, row, p)
        given.append(average)
        slopes.append(gradient)
    top = units.group_weight
    if likelihood.upper is None:
        upper, upper_gradient = np.ones(1), np.zeros((1, p))
    else:
        upper, upper_gradient = _average_prior(likelihood.upper, posterior.upper_prior, top, 0, p)
    given_upper, given_gradient = np.array(given), np.array(slopes)
    sizes = upper @ given_upper
    gradient = np.einsum("h,hcp->cp", upper, given_gradient) + given_upper.T @ upper_gradient
    marginal = np.einsum("nh,hnc->nc", posterior.upper[group], posterior.lower)
    return _ClassFacts(
        sizes, gradient, given_upper, given_gradient, upper, upper_gradient,
        classification(marginal, weight), classification(posterior.upper, top),
    )  # fmt: skip


class ClassPosteriorMethods(LatentVariableResults):
    """Posterior class probabilities, class sizes, classification and criteria; part of results of mixtures.

    The model has ``class_names``, a :class:`~sm_gllamm.likelihood.mixture.MixtureLikelihood` and, for new
    cases, ``likelihood_for(data)``.
    """

    _facts: _ClassFacts | None = None

    def _class_facts(self) -> _ClassFacts:
        """Sizes and classification, found once: they remain after ``remove_data()``."""
        if self._facts is None:
            self._facts = _class_facts(self.model.likelihood, self.theta)
        return self._facts

    @property
    def _class_names(self) -> list[str]:
        return list(self.model.class_names)

    @property
    def _upper_names(self) -> list[str]:
        """Names of the upper classes; empty where there are none."""
        number = getattr(self.model, "n_upper", 1)
        return [f"upper{h + 1}" for h in range(number)] if number > 1 else []

    def _needs_upper(self, what: str) -> None:
        if not self._upper_names:
            raise SpecificationError(f"{what}: the model has no classes of clusters")

    # ------------------------------------------------------------ sizes
    def _size_table(self, value, gradient, index, alpha: float) -> pd.DataFrame:
        """Probabilities with standard errors and intervals that are symmetric on the logit scale."""
        value, cov = np.asarray(value), np.asarray(self.cov_params())
        se = standard_errors(np.asarray(gradient), cov)
        inside = (value > 0.0) & (value < 1.0)
        lower, upper = interval(value, se, self._quantile(alpha), "logit")
        return pd.DataFrame(
            {
                "estimate": value,
                "std_err": se,
                "lower": np.where(inside, lower, value),
                "upper": np.where(inside, upper, value),
            },
            index=index,
        )

    def class_sizes(self, given_upper: bool = False, alpha: float = 0.05) -> pd.DataFrame:
        """Sizes of the classes: average prior probabilities.

        Parameters
        ----------
        given_upper : bool
            Within each class of the clusters, of models with classes on two levels.
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            A row a class: ``estimate``, ``std_err``, ``lower``, ``upper``, and ``assigned``, the
            number of units whose most probable class it is.

        Raises
        ------
        SpecificationError
            There are no classes of clusters.

        Notes
        -----
        With covariates the probabilities are averaged over the units of the fit, whose covariates are
        taken as known. Standard errors are by the delta method, intervals symmetric on the logit scale.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.class_sizes().round(3))
                estimate  std_err  lower  upper  assigned
        class
        class1      0.66    0.149  0.346  0.878     681.0
        class2      0.34    0.149  0.122  0.654     319.0
        """
        facts, names = self._class_facts(), self._class_names
        if given_upper:
            self._needs_upper("given_upper=True")
            index = pd.MultiIndex.from_product([self._upper_names, names], names=["upper", "class"])
            slopes = facts.given_upper_gradient.reshape(len(index), -1)
            return self._size_table(facts.given_upper.ravel(), slopes, index, alpha)
        table = self._size_table(facts.sizes, facts.gradient, pd.Index(names, name="class"), alpha)
        return table.assign(assigned=facts.classification.counts)

    def upper_class_sizes(self, alpha: float = 0.05) -> pd.DataFrame:
        """Sizes of the classes of the clusters.

        Parameters
        ----------
        alpha : float
            One minus the confidence level.

        Returns
        -------
        DataFrame
            As :meth:`class_sizes`; ``assigned`` counts clusters.

        Raises
        ------
        SpecificationError
            There are no classes of clusters.
        """
        self._needs_upper("upper_class_sizes")
        facts = self._class_facts()
        table = self._size_table(
            facts.upper, facts.upper_gradient, pd.Index(self._upper_names, name="upper"), alpha
        )
        return table.assign(assigned=facts.upper_classification.counts)

    # ------------------------------------------------------------ posterior
    def _cases(self, data):
        """Likelihood, unit of each row, labels of the rows and of the clusters, of the fit or of new data."""
        if data is not None:
            return self.model.likelihood_for(data)
        likelihood = self.model.likelihood
        layout = self.model.assembly.layout
        labels = self.model.data.row_labels
        if labels is None or len(labels) != len(layout.of_row):
            labels = pd.RangeIndex(len(layout.of_row))
        return likelihood, layout.of_row, labels, getattr(self.model, "cluster_labels", None)

    def _unit_posterior(self, likelihood) -> np.ndarray:
        """Posterior class probabilities of units, averaged over the classes of their clusters."""
        found = likelihood.posterior(self.theta)
        return np.einsum("nh,hnc->nc", found.upper[likelihood.units.group], found.lower)

    def posterior(self, data=None) -> pd.DataFrame:
        """Posterior class probabilities.

        Parameters
        ----------
        data : DataFrame, optional
            New cases with the columns of the model; default the rows of the fit. Responses may be missing;
            a case without any has its prior probabilities.

        Returns
        -------
        DataFrame, shape (n, C)
            Rows as the data.

        Raises
        ------
        SpecificationError
            Unknown categories, missing columns or covariates; the message names variable and row.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.posterior(data.iloc[[0, -1]]).round(3))
             class1  class2
        0     0.011   0.989
        999   0.931   0.069
        """
        likelihood, of_row, index, _ = self._cases(data)
        return pd.DataFrame(self._unit_posterior(likelihood)[of_row], index, self._class_names)

    def assigned_class(self, data=None) -> pd.Series:
        """Most probable class of each row.

        Parameters
        ----------
        data : DataFrame, optional
            As in :meth:`posterior`.

        Returns
        -------
        Series of str
            Names of classes; of equal probabilities the first.
        """
        table = self.posterior(data)
        names = np.array(self._class_names, dtype=object)
        return pd.Series(names[table.to_numpy().argmax(axis=1)], table.index, name="class")

    def upper_posterior(self, data=None) -> pd.DataFrame:
        """Posterior probabilities of the classes of clusters.

        Parameters
        ----------
        data : DataFrame, optional
            New clusters with their cases; default those of the fit.

        Returns
        -------
        DataFrame, shape (K, H)
            A row a cluster.

        Raises
        ------
        SpecificationError
            There are no classes of clusters.
        """
        self._needs_upper("upper_posterior")
        likelihood, _, _, labels = self._cases(data)
        found = likelihood.posterior(self.theta).upper
        index = pd.RangeIndex(len(found)) if labels is None else pd.Index(labels)
        return pd.DataFrame(found, index.rename(self.model.cluster_name), self._upper_names)

    # ------------------------------------------------------------ classification
    def classification(self, upper: bool = False) -> ClassificationResults:
        """Classification table and errors of modal assignment.

        Parameters
        ----------
        upper : bool
            Of the classes of clusters.

        Returns
        -------
        ClassificationResults
            With ``average_posterior``, ``assignment``, ``counts``, ``entropy_r2``, ``errors`` and
            ``error_reduction``.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> print(result.classification().average_posterior.round(3))
        class   class1  class2
        modal
        class1   0.820   0.180
        class2   0.319   0.681
        """
        facts = self._class_facts()
        if upper:
            self._needs_upper("classification(upper=True)")
            return ClassificationResults.of(facts.upper_classification, self._upper_names)
        return ClassificationResults.of(facts.classification, self._class_names)

    @property
    def entropy_r2(self) -> float:
        """How certain posterior classes are: 1 - (mean entropy of the posterior) / log C; 1 is certain."""
        return self._class_facts().classification.entropy_r2

    # ------------------------------------------------------------ criteria
    def info_criteria(self, crit: str, dk_params: int = 0, n: str | float | None = None) -> float:
        """Information criterion with a stated sample size.

        Parameters
        ----------
        crit : {"aic", "aicc", "aic3", "bic", "sabic", "caic", "hqic", "icl"}
            "aic3": penalty 3 a parameter; "sabic": BIC with (n + 2) / 24 for n (Sclove 1987); "caic":
            penalty log n + 1 (Bozdogan 1987); "icl": BIC plus twice the uncertainty of the posterior
            (Biernacki, Celeux & Govaert 2000).
        dk_params : int
            Added to the number of parameters.
        n : str or float, optional
            Sample size: None for units (sum of the frequency weights), the name of a level for its number
            of clusters, or a number.

        Returns
        -------
        float

        Raises
        ------
        SpecificationError
            Unknown criterion or level.

        Notes
        -----
        Probabilities estimated as zero or one count as parameters.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> result = smg.LatentClass(data, n_classes=2, items=items).fit()
        >>> round(result.info_criteria("bic"), 2), round(result.info_criteria("sabic"), 2)
        (5010.8, 4975.86)
        """
        if crit not in _MORE_CRITERIA:
            if crit not in ("aic", "aicc", "bic", "hqic"):
                raise SpecificationError(
                    f"crit={crit!r} is not known; use 'aic', 'aicc', 'aic3', 'bic', 'sabic', 'caic', "
                    "'hqic' or 'icl'"
                )
            return super().info_criteria(crit, dk_params, n)
        k = self.df_modelwc + dk_params
        bic = super().info_criteria("bic", dk_params, n)
        if crit == "aic3":
            return -2.0 * self.llf + 3.0 * k
        if crit == "caic":
            return bic + k
        if crit == "icl":
            return bic + 2.0 * self._class_facts().classification.uncertainty
        size = self.n_clusters[n] if isinstance(n, str) else self.nobs if n is None else n
        return float(-2.0 * self.llf + k * np.log((size + 2.0) / 24.0))

    def remove_data(self) -> None:
        """Remove everything that has the length of the data, here and on the model.

        Estimates, tests, intervals, class sizes, profiles, classification tables, summaries and posterior
        probabilities of new cases remain.
        """
        self._class_facts()
        super().remove_data()
