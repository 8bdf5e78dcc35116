"""Units of a mixture that are not those of the fit: new ones with their responses, and drawn ones."""

from __future__ import annotations

import copy
from itertools import chain

import numpy as np
import pandas as pd

from sm_gllamm.estimation.mixture_search import Found
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.assemble import assemble
from sm_gllamm.mapping.rows import rows_of
from sm_gllamm.models.class_inputs import allowed_classes
from sm_gllamm.models.class_new_cases import CovariateDesigns
from sm_gllamm.models.discrete import DiscreteModel
from sm_gllamm.models.fitting import FitSettings
from sm_gllamm.models.irt import IRT
from sm_gllamm.models.mixture_nodes import QUADRATURE_TOL, ROUNDS
from sm_gllamm.models.mixture_refits import CONTROLS
from sm_gllamm.prediction.simulate import as_endog, latent_draws, observed

__all__ = ["NewUnitMethods"]


class NewUnitMethods(DiscreteModel):
    """New and drawn units; part of :class:`sm_gllamm.models.mixture.Mixture`."""

    designs: CovariateDesigns
    known_name: str | None
    #: columns with offset and exposure, where these were named
    offset_columns: dict[str, str] = {}

    # ------------------------------------------------------------ class probabilities
    def design_for(self, data: pd.DataFrame) -> np.ndarray:
        """Columns of the class probabilities of new rows.

        Parameters
        ----------
        data : DataFrame
            With the covariates of `classes`.

        Returns
        -------
        ndarray, shape (n, k)
        """
        return self.designs.class_design(data)

    def class_logits(self, design: np.ndarray, n_groups: int | None):
        """Logits of the classes of units, and of classes of clusters, for any rows of covariates.

        Parameters
        ----------
        design : ndarray, shape (n, k)
            With the constant first.
        n_groups : int or None
            Number of clusters; None where these have no classes.

        Returns
        -------
        logits : ClassLogits
        upper : ClassLogits or None
        """
        return self.cluster_effect.logits(
            self.mapping.class_places, self.n_classes, design, n_groups
        )

    # ------------------------------------------------------------ new units
    def settled_likelihood(self, theta: np.ndarray):
        """The likelihood, with nodes that are fine enough at theta if it was never fitted.

        Parameters
        ----------
        theta : ndarray, shape (p,)

        Returns
        -------
        MixtureLikelihood
        """
        likelihood = self.likelihood
        if self._integrated and not getattr(likelihood, "settled", False):
            settle(likelihood, theta)
        return likelihood

    def applied(self, data: pd.DataFrame, params, settings: FitSettings | None = None):
        """The mixture with other data, for everything but estimation.

        Parameters
        ----------
        data : DataFrame
            With all columns that the model uses, whole units. Rows with missing values are left out.
        params : array_like, shape (k_params,)
            Where quadrature is to be accurate.
        settings : FitSettings, optional

        Returns
        -------
        Mixture
            Without weights.

        Raises
        ------
        SpecificationError
            Columns are lacking, the model is from arrays or of items, its data were removed.
        """
        template = self.template
        if isinstance(template, IRT):
            raise SpecificationError(
                "new data are for mixtures of regressions, not of item response models"
            )
        if not isinstance(data, pd.DataFrame):
            raise SpecificationError(
                f"new data must be a DataFrame with the columns of the model, not {type(data).__name__}"
            )
        top = template.level_names[-1]
        if top not in data and len(template.assembly.problem.y) == template.assembly.problem.n_top:
            # rows are units of their own
            data = data.assign(**{top: np.arange(len(data))})
        params = np.asarray(params, dtype=float)
        settings = FitSettings() if settings is None else settings
        new = copy.copy(self)
        new.template = template.applied(
            data, params[self.mapping.places[0]], settings, **self._offsets_of_new_rows()
        )
        frame = new.template.applied_frame
        new._frame, new._design = frame, self.design_for(frame)
        new.weights = new.template.weights
        new._allowed = None
        if self.known_name is not None and self.known_name in frame:
            new._allowed = allowed_classes(self.known_name, self.n_classes, frame)
        if self._cluster is not None:
            new._cluster = new._clusters(self.cluster_name, len(frame))
        new.data, new._likelihood = copy.copy(self.data), None
        fixed = self.fixed
        new._set_up({})
        new.fixed = fixed
        return new

    def likelihood_for(self, data: pd.DataFrame, params, settings: FitSettings | None = None):
        """Likelihood of new units.

        Parameters
        ----------
        data, params, settings
            As for :meth:`applied`.

        Returns
        -------
        likelihood : MixtureLikelihood
        of_row : ndarray of intp
            Unit of each row that is complete.
        index : pandas.Index
            Labels of these rows.
        clusters : pandas.Index or None
        """
        new = self.applied(data, params, settings)
        likelihood = new.settled_likelihood(new.mapping.theta(np.asarray(params, dtype=float)))
        return likelihood, new.assembly.layout.of_row, new._frame.index, new.cluster_labels

    def _offsets_of_new_rows(self) -> dict[str, str]:
        """Names of the columns with offset and exposure."""
        for key in ("offset", "exposure"):
            if getattr(self.template, key) is not None and key not in self.offset_columns:
                raise SpecificationError(
                    f"the model has {key}= that new data need, too; name a column in "
                    f"{type(self).__name__}.from_formula, {key}='...'"
                )
        return self.offset_columns

    # ------------------------------------------------------------ draws
    def drawn_classes(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Component of each row, drawn from the prior class probabilities.

        Parameters
        ----------
        theta : ndarray, shape (p,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of intp, shape (n,)
            Classes, or classes of clusters where parameters differ between these.
        """
        likelihood, layout = self.likelihood, self.assembly.layout
        units = likelihood.units
        # persons with the same responses are one unit: each is drawn by itself
        by_row = isinstance(self.template, IRT)
        unit = layout.of_row if by_row else np.arange(len(units.weight))
        upper = np.zeros(len(units.group_weight), dtype=np.intp)
        if likelihood.upper is not None:
            upper = _drawn(np.exp(likelihood.upper.log_probabilities(theta)), rng)
        group = (
            np.zeros(len(unit), dtype=np.intp) if units.code is None else upper[units.code[unit]]
        )
        out = np.empty(len(unit), dtype=np.intp)
        for h, row in enumerate(likelihood.index):
            here = np.flatnonzero(group == h)
            above = h if likelihood.logits.above is not None else 0
            share = np.exp(likelihood.logits.log_probabilities(theta, above))[unit[here]]
            if units.allowed is not None:
                share = np.where(units.allowed[unit[here]], share, 0.0)
            out[here] = np.asarray(row)[_drawn(share / share.sum(axis=1, keepdims=True), rng)]
        return out if by_row else out[layout.of_row]

    def simulate(self, params, n: int = 1, seed=None) -> np.ndarray:
        """Responses drawn at given parameters, with new classes and random effects in every draw.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray
            As of the model of the classes, the last axis the draws; without it for n = 1. Units whose
            class is known stay in it.
        """
        rng = np.random.default_rng(seed)
        if isinstance(self.template, IRT):
            out = [self.draw(params, rng) for _ in range(n)]
        else:
            out = [
                as_endog(self.template, observed(self.template, self.draw(params, rng)))
                for _ in range(n)
            ]
        return out[0] if n == 1 else np.stack(out, axis=-1)

    def draw(self, params, rng: np.random.Generator) -> np.ndarray:
        """Responses before any censoring; codes of items, -1 where they are missing.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n,) or (n_persons, n_items)
        """
        params = np.asarray(params, dtype=float)
        chosen, total = self.drawn_classes(self.mapping.theta(params), rng), None
        for m, place in enumerate(self.mapping.places):
            if isinstance(self.template, IRT):
                draw = np.asarray(self.template.simulate(params[place], 1, rng))
            else:
                draw = next(latent_draws(self.template, params[place], 1, rng))
            total = np.array(draw) if total is None else total
            total[chosen == m] = draw[chosen == m]
        return np.asarray(total)

    def with_responses(self, drawn: np.ndarray):
        """The same model for other responses.

        Parameters
        ----------
        drawn : ndarray
            As :meth:`draw` gives them.

        Returns
        -------
        Mixture
        """
        new, template = copy.copy(self), self.template
        if isinstance(template, IRT):
            new._drawn_codes = drawn
        else:
            template = copy.copy(template)
            data = observed(template, drawn)
            template.responses, template.endog = data, as_endog(template, data)
            rows = rows_of(template.family, template.response, data)
            template.assembly = assemble(
                data, rows, template.random, template.assembly.problem.exact,
                template.weights.by_level, template._lay_out(),
            )  # fmt: skip
            template._mapping = template.assembly.mapping
            template._likelihood = None
        new.template, new.data, new._likelihood = template, copy.copy(self.data), None
        # kept from before, of other responses
        new.__dict__.pop("_may_run", None)
        new._set_up({})
        new.fixed = self.fixed
        return new

    def _simulated_model(self, params, rng: np.random.Generator):
        new = self.with_responses(self.draw(params, rng))
        new.settled_likelihood(self.mapping.theta(np.asarray(params, dtype=float)))
        return new

    def highest(self, n_starts: int, rng: np.random.Generator, *more: np.ndarray) -> Found:
        """The maximum without results of a fit: of random starts, and from given parameters.

        Parameters
        ----------
        n_starts : int
        rng : numpy.random.Generator
        *more : ndarray, shape (p,)
            Internal parameters to start from besides.

        Returns
        -------
        Found
        """
        likelihood = self._ready()
        starts = map(self._with_fixed, chain(more, self._starts(likelihood, n_starts, rng)))
        found, _ = self._search(likelihood, starts, CONTROLS, 0)
        return self._after_search(likelihood, found, CONTROLS)


def settle(likelihood, theta: np.ndarray) -> None:
    """Finer nodes for the components, until the error of the log-likelihood at theta is small."""
    components, places = likelihood.components, likelihood.places
    for _ in range(ROUNDS):
        weight = likelihood.weights(likelihood.posterior(theta))
        errors = [
            component.errors(theta[place]) * weight[:, m : m + 1]
            for m, (component, place) in enumerate(zip(components, places, strict=True))
        ]
        if sum(float(its.sum()) for its in errors) <= QUADRATURE_TOL:
            break
        finer = [
            component.refine(its, QUADRATURE_TOL / len(errors))
            for component, its in zip(components, errors, strict=True)
        ]
        if not any(finer):
            break
    likelihood.settled = True


def _drawn(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A category by row."""
    below = np.cumsum(probabilities, axis=1)[:, :-1]
    return (rng.random(len(probabilities))[:, None] > below).sum(axis=1)
