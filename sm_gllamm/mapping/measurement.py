"""Loadings and regressions of latent variables laid out on the columns of the engine's design."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.assemble import ColumnUnion, slot_places
from sm_gllamm.mapping.covariances import CorrelationMatrix, TermCovariance
from sm_gllamm.mapping.structural import Coefficient, LatentEquation, Path, StructuralMapping

__all__ = ["LatentColumns", "lay_out_latents"]


@dataclass(frozen=True, slots=True)
class LatentColumns:
    """A latent variable with the values of everything that its equations name.

    Attributes
    ----------
    name, level : str
    loadings : ndarray, shape (n, r)
    loading_names : list of str
    coefficients : list of Coefficient
        One a column.
    paths : tuple of Path
        Terms of its regression: latent variables, products, covariates.
    covariates : ndarray, shape (n, s), or None
        Those that the paths name by position.
    variance : float or None
        Of the disturbance where it is known; 0: there is none.
    formulas : tuple of str
        Of the loadings, empty where there are none, and of the covariates.
    engine : object
        What evaluates them for new data.
    """

    name: str
    level: str
    loadings: np.ndarray
    loading_names: list[str]
    coefficients: list[Coefficient]
    paths: tuple[Path, ...] = ()
    covariates: np.ndarray | None = None
    variance: float | None = None
    formulas: tuple[str, ...] = ("",)
    engine: Any = None

    @property
    def disturbed(self) -> bool:
        """Whether there is a disturbance."""
        return self.variance != 0.0

    @property
    def parents(self) -> tuple[str, ...]:
        """Latent variables that it depends on directly, each once."""
        return tuple(dict.fromkeys(name for path in self.paths for name in path.factors))

    def without_data(self) -> LatentColumns:
        """The same equations without the values by row."""
        return replace(self, loadings=np.empty((0, len(self.loading_names))), covariates=None)


def lay_out_latents(
    latents: Sequence[LatentColumns], structures: Mapping, unit_variance: bool
) -> Callable:
    """The layout that :func:`sm_gllamm.mapping.assemble.assemble` asks for.

    Parameters
    ----------
    latents : sequence of LatentColumns
    structures : mapping of level name to {"unstructured", "diagonal", "equal"} or pairs of names
        Covariance matrix of the disturbances: its structure, or the pairs that covary.
    unit_variance : bool
        Whether disturbances have variance one, so that covariances are correlations.
    """

    def lay_out(data, rows, levels, exog, exog_names):
        union = ColumnUnion(exog)
        names = [level.name for level in levels]
        if len(rows.copies) > 1:
            raise SpecificationError(
                "loadings of the categories of an unordered response are not available; lay them out as "
                "rows of alternatives with family=Choice()"
            )
        columns: dict[int, np.ndarray] = {}
        equations = []
        for latent in latents:
            matrix, _ = rows.columns(latent.loadings, latent.loading_names)
            loadings = []
            for column, coefficient in zip(matrix.T, latent.coefficients, strict=True):
                where = union.place(column)
                columns[where] = column
                loadings.append((where, coefficient))
            equations.append(
                LatentEquation(
                    latent.name,
                    names.index(latent.level),
                    tuple(loadings),
                    latent.paths,
                    latent.disturbed,
                )
            )

        def multiplied(where: int, covariates) -> int:
            column = columns[where]
            for m, k in covariates:
                column = column * rows.take(latents[m].covariates[:, k])
            return union.place(column)

        mapping = StructuralMapping(
            exog_names, list(range(exog.shape[1])), equations,
            [_covariance(name, latents, structures, unit_variance) for name in names],
            slot_places(data, rows, union), multiplied,
        )  # fmt: skip
        return union.design, mapping

    return lay_out


def _covariance(level: str, latents, structures: Mapping, unit_variance: bool) -> TermCovariance:
    """Covariance matrix of the disturbances of a level."""
    inside = [latent for latent in latents if latent.level == level and latent.disturbed]
    names = tuple(latent.name for latent in inside)
    if not names:
        raise SpecificationError(f"no latent variable with a disturbance varies at level {level!r}")
    structure = structures[level]
    if unit_variance:
        known: tuple = ()
    else:
        known = tuple((k, x.variance) for k, x in enumerate(inside) if x.variance is not None)
    if isinstance(structure, str) and not (known and structure == "diagonal"):
        if known:
            listed = ", ".join(inside[k].name for k, _ in known)
            raise SpecificationError(
                f"covariance={structure!r} of level {level!r} does not go with known variances ({listed}); "
                "name the pairs that covary"
            )
        pairs: tuple = ()
    else:
        pairs = () if isinstance(structure, str) else tuple(structure)
        structure = "pattern"
        pairs = tuple((names.index(a), names.index(b)) for a, b in pairs)
        if bound := [k for k, _ in known if any(k in pair for pair in pairs)]:
            raise SpecificationError(
                f"the variance of the disturbance of {names[bound[0]]!r} is fixed, so it cannot covary with "
                "others; use identification='variance' or leave its covariances out"
            )
    if unit_variance:
        return CorrelationMatrix(structure, names, level, level, pairs)
    return TermCovariance(structure, names, level, level, pairs, known)
