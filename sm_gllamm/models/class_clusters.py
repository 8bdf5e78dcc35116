"""What clusters contribute to the class probabilities of their units: classes, or a normal random effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.estimation.mixture_search import Found, climb
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.mixture import ClassLogits
from sm_gllamm.likelihood.quadrature import normal_nodes

__all__ = ["ClusterEffect", "with_enough_cluster_nodes"]

#: Nodes to begin with, and the most of them.
FEWEST, MOST = 31, 241
#: Absolute error of the log-likelihood aimed at.
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class ClusterEffect:
    """Classes of clusters, or a normal random effect of clusters, in the logits of the classes of units.

    Attributes
    ----------
    name : str
        Of the clusters.
    n_upper : int
        Number of classes of clusters; 1 for none.
    n_nodes : int
        Nodes over the normal distribution of a random effect; 0 for none. The effect has a coefficient
        ("sd") for each class but the first (Vermunt 2003).
    """

    name: str = "cluster"
    n_upper: int = 1
    n_nodes: int = 0

    @classmethod
    def of(cls, name: str, clusters, cluster_classes) -> ClusterEffect:
        """What was asked for.

        Raises
        ------
        SpecificationError
        """
        if (clusters is None) != (cluster_classes is None):
            raise SpecificationError(
                "clusters= and cluster_classes= go together: which clusters, and how many classes of them or "
                "'normal' for a random effect"
            )
        if cluster_classes is None:
            return cls(name)
        if isinstance(cluster_classes, str) and cluster_classes == "normal":
            return cls(name, 1, FEWEST)
        whole = isinstance(cluster_classes, (int, np.integer)) and not isinstance(
            cluster_classes, bool
        )
        if not whole or cluster_classes < 1:
            raise SpecificationError(
                f"cluster_classes must be a whole number from 1 on, or 'normal', not {cluster_classes!r}"
            )
        return cls(name, int(cluster_classes))

    @property
    def n_above(self) -> int:
        """Number of upper classes or nodes."""
        return self.n_nodes or self.n_upper

    @property
    def effects(self) -> list[str]:
        """Names of the columns of the logits that depend on the cluster."""
        if self.n_nodes:
            return [f"sd({self.name})"]
        return [f"upper{h + 1}" for h in range(self.n_upper)] if self.n_upper > 1 else []

    def columns(self, covariates: Sequence[str]) -> list[str]:
        """Columns of the logits of the classes of units: covariates, the constant first, then the effects."""
        names = list(covariates)
        # each upper class has a constant of its own
        return [*(names[1:] if self.n_upper > 1 else names), *self.effects]

    def parameter_names(self, class_names: Sequence[str], covariates: Sequence[str]) -> list[str]:
        """Names of all coefficients of class probabilities."""
        columns = self.columns(covariates)
        out = [f"logit({name}):{column}" for name in class_names[1:] for column in columns]
        return out + [f"logit(upper{h + 1}):Intercept" for h in range(1, self.n_upper)]

    def logits(
        self, places: np.ndarray, n_classes: int, design: np.ndarray, n_clusters: int | None
    ) -> tuple[ClassLogits, ClassLogits | None]:
        """Logits of the classes of units, and of what their clusters are in.

        Parameters
        ----------
        places : ndarray of intp
            Positions of all coefficients of class probabilities.
        n_classes : int
        design : ndarray, shape (n, k)
            Covariates of the units, the constant first.
        n_clusters : int or None

        Returns
        -------
        logits : ClassLogits
        upper : ClassLogits or None
        """
        width = design.shape[1] - (self.n_upper > 1) + len(self.effects)
        own = tuple(places[c * width : (c + 1) * width] for c in range(n_classes - 1))
        if n_clusters is None:
            return ClassLogits(design, own), None
        ones = np.ones((n_clusters, 1))
        if self.n_nodes:
            z, log_weight = normal_nodes(self.n_nodes)
            return ClassLogits(design, own, z[:, None]), ClassLogits(ones, (), fixed=log_weight)
        rest = places[(n_classes - 1) * width :]
        upper = ClassLogits(ones, tuple(rest[h : h + 1] for h in range(self.n_upper - 1)))
        if self.n_upper == 1:
            return ClassLogits(design, own), upper
        return ClassLogits(design[:, 1:], own, np.eye(self.n_upper)), upper

    def spread(self, names: Sequence[str]) -> list[int]:
        """Positions of the coefficients of the random effect, none without it."""
        if not self.n_nodes:
            return []
        return [k for k, name in enumerate(names) if name.endswith(f":sd({self.name})")]

    def started(self, theta: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Starting values with a random effect that is not zero: zero is a saddle point."""
        theta = np.array(theta, dtype=float)
        for number, k in enumerate(self.spread(names)):
            if theta[k] == 0.0:
                theta[k] = 0.5 * (-1.0) ** number
        return theta

    def oriented(self, theta: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """The same model with a positive first coefficient: the sign of the random effect is arbitrary."""
        places = self.spread(names)
        if not places or theta[places[0]] >= 0.0:
            return theta
        out = np.array(theta, dtype=float)
        out[places] *= -1.0
        return out


def with_enough_cluster_nodes(model, found: Found, controls) -> tuple[Found, float]:
    """Climb on with more nodes over the random effect of clusters, until their error is small.

    Parameters
    ----------
    model : DiscreteModel
        With a ``cluster_effect`` that is normal.
    found : Found
    controls : Controls

    Returns
    -------
    found : Found
    error : float
        Change of the log-likelihood when the nodes are doubled.
    """
    while True:
        effect = model.cluster_effect
        model.cluster_effect = replace(effect, n_nodes=2 * effect.n_nodes - 1)
        finer = model._mixture()
        # with the nodes that their own latent variables have by now
        finer.components = model.likelihood.components
        error = abs(finer.evaluate(found.theta).total - found.value)
        if error <= TOLERANCE or model.cluster_effect.n_nodes > MOST or found.outcome.interrupted:
            model.cluster_effect = effect
            return found, error
        model._likelihood = finer
        before = found.outcome
        found = climb(finer, found.theta, controls, model._edges, 0, found.held)
        found.outcome.iterations += before.iterations
        found.outcome.path = [*before.path, *found.outcome.path]
