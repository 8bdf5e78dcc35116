"""Parameters of mixtures: those of the classes, some of them shared, and those of class probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError

__all__ = ["MixtureMapping"]


class MixtureMapping:
    """Published parameters and internal theta of a mixture, component by component.

    Parameters
    ----------
    mappings : sequence of ParameterBlocks or CategoryMapping
        Of each component. What is shared between components is shared block by block, so that each
        mapping takes its own part of theta to its own part of params.
    names : sequence of sequence of str
        Published names of the parameters of each component; equal names are one parameter.
    class_names : sequence of str
        Names of coefficients of class probabilities, the last parameters.

    Attributes
    ----------
    param_names : list of str
    places : tuple of ndarray of intp
        Positions of each component's parameters.
    class_places : ndarray of intp
        Positions of the coefficients of class probabilities.
    """

    #: what summaries of random effects and dispersions look at: parameters stand in tables by class
    terms: tuple = ()
    slots: tuple = ()
    slot_columns: tuple = ()
    dimensions: tuple[int, ...] = ()
    coefficients_only = False
    diagonal: frozenset[int] = frozenset()

    def __init__(
        self, mappings: Sequence, names: Sequence[Sequence[str]], class_names: Sequence[str]
    ):
        position: dict[str, int] = {}
        for its_names in names:
            for name in its_names:
                position.setdefault(name, len(position))
        first = len(position)
        for name in class_names:
            if name in position:
                raise SpecificationError(f"parameter name {name!r} occurs twice; rename a column")
            position[name] = len(position)
        self.param_names = list(position)
        self.mappings = tuple(mappings)
        self.places = tuple(
            np.array([position[name] for name in its_names], dtype=np.intp) for its_names in names
        )
        self.class_places = np.arange(first, len(position), dtype=np.intp)
        owner = np.full(len(position), -1)
        for c, place in reversed(list(enumerate(self.places))):
            owner[place] = c
        #: what each component answers for: what it shares with none before it
        self._owns = tuple(owner[place] == c for c, place in enumerate(self.places))

    @property
    def k_params(self) -> int:
        return len(self.param_names)

    @property
    def k_exog(self) -> int:
        """All parameters are in one table."""
        return self.k_params

    def theta(self, params) -> np.ndarray:
        """Internal parameters of published ones; SpecificationError outside the parameter space."""
        params = np.asarray(params, dtype=float)
        if params.shape != (self.k_params,):
            raise SpecificationError(
                f"{self.k_params} parameters are needed ({', '.join(self.param_names)}), not an array "
                f"of shape {params.shape}"
            )
        theta = params.copy()
        for mapping, place in zip(self.mappings, self.places, strict=True):
            theta[place] = mapping.theta(params[place])
        return theta

    def params(self, theta) -> np.ndarray:
        """Published parameters."""
        theta = np.asarray(theta, dtype=float)
        params = theta.copy()
        for mapping, place in zip(self.mappings, self.places, strict=True):
            params[place] = mapping.params(theta[place])
        return params

    def jacobian(self, theta) -> np.ndarray:
        """d params / d theta, shape (p, p)."""
        theta = np.asarray(theta, dtype=float)
        out = np.eye(self.k_params)
        for mapping, place in zip(self.mappings, self.places, strict=True):
            out[np.ix_(place, place)] = mapping.jacobian(theta[place])
        return out

    def curvature(self, theta, gradient) -> np.ndarray:
        """sum_t gradient_t d2 params_t / d theta d theta', shape (p, p)."""
        theta, gradient = np.asarray(theta, dtype=float), np.asarray(gradient, dtype=float)
        out = np.zeros((self.k_params, self.k_params))
        for mapping, place, owns in zip(self.mappings, self.places, self._owns, strict=True):
            part = mapping.curvature(theta[place], np.where(owns, gradient[place], 0.0))
            out[np.ix_(place, place)] += part
        return out

    def normalised(self, theta) -> np.ndarray:
        """The same model with non-negative diagonals of Cholesky factors (signs are arbitrary)."""
        theta = np.array(theta, dtype=float)
        for mapping, place in zip(self.mappings, self.places, strict=True):
            if hasattr(mapping, "normalised"):
                theta[place] = mapping.normalised(theta[place])
        return theta
