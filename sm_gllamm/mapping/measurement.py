"""Loadings and regressions of latent variables laid out on the columns of the engine's design."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.assemble import ColumnUnion, slot_places
from sm_gllamm.mapping.covariances import TermCovariance
from sm_gllamm.mapping.structural import (
    Coefficient,
    LatentEquation,
    StructuralMapping,
    UnitCovariance,
)

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
    parents : tuple of str
    covariates : ndarray, shape (n, s), or None
    covariate_names : list of str
    formulas : tuple of (str, str)
        Of the loadings and of the covariates; empty where there are none.
    """

    name: str
    level: str
    loadings: np.ndarray
    loading_names: list[str]
    coefficients: list[Coefficient]
    parents: tuple[str, ...] = ()
    covariates: np.ndarray | None = None
    covariate_names: tuple[str, ...] = ()
    formulas: tuple[str, str] = ("", "")

    def without_data(self) -> LatentColumns:
        """The same equations without the values by row."""
        return replace(self, loadings=np.empty((0, len(self.loading_names))), covariates=None)


def _ancestors(latents: Sequence[LatentColumns]) -> dict[str, set[str]]:
    """The latent variables that each one depends on, itself included."""
    parents = {latent.name: latent.parents for latent in latents}

    def collect(name: str, found: set[str]) -> set[str]:
        if name not in found:
            found.add(name)
            for parent in parents[name]:
                collect(parent, found)
        return found

    return {name: collect(name, set()) for name in parents}


def lay_out_latents(
    latents: Sequence[LatentColumns], structures: dict[str, str], unit_variance: bool
) -> Callable:
    """The layout that :func:`sm_gllamm.mapping.assemble.assemble` asks for.

    Parameters
    ----------
    latents : sequence of LatentColumns
    structures : dict of level name to {"unstructured", "diagonal", "equal"}
        Covariance matrix of the disturbances.
    unit_variance : bool
        Whether disturbances have variance one; they are uncorrelated then.
    """

    def lay_out(data, rows, levels, exog, exog_names):
        union = ColumnUnion(exog)
        names = [level.name for level in levels]
        placed: dict[str, list] = {}
        if len(rows.copies) > 1:
            raise SpecificationError(
                "loadings of the categories of an unordered response are not available; lay them out as "
                "rows of alternatives with family=Choice()"
            )
        for latent in latents:
            matrix, _ = rows.columns(latent.loadings, latent.loading_names)
            placed[latent.name] = [
                (column, union.place(column), coefficient)
                for column, coefficient in zip(matrix.T, latent.coefficients, strict=True)
            ]
        reach = _ancestors(latents)
        equations = []
        for latent in latents:
            downstream = [other for other in latents if latent.name in reach[other.name]]
            covariates = []
            for k, label in enumerate(latent.covariate_names):
                values = rows.take(latent.covariates[:, k])
                columns = {
                    where: union.place(column * values)
                    for other in downstream
                    for column, where, _ in placed[other.name]
                }
                covariates.append((columns, Coefficient(f"{latent.name} ~ {label}")))
            equations.append(
                LatentEquation(
                    latent.name,
                    names.index(latent.level),
                    tuple((where, coefficient) for _, where, coefficient in placed[latent.name]),
                    tuple((p, Coefficient(f"{latent.name} ~ {p}")) for p in latent.parents),
                    tuple(covariates),
                )
            )
        covariances = []
        for name in names:
            inside = tuple(latent.name for latent in latents if latent.level == name)
            if not inside:
                raise SpecificationError(f"no latent variable varies at level {name!r}")
            kind = UnitCovariance if unit_variance else TermCovariance
            covariances.append(kind(structures.get(name, "unstructured"), inside, name, name))
        mapping = StructuralMapping(
            exog_names, list(range(exog.shape[1])), equations, covariances,
            slot_places(data, rows, union),
        )  # fmt: skip
        return union.design, mapping

    return lay_out
