"""What a structural equation model for any response says at given parameters, beside its likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.marginal import Quadrature
from sm_gllamm.mapping.sem_rows import SemAssembly
from sm_gllamm.models.sem_blocks import moment_blocks
from sm_gllamm.models.sem_data import column_values, numeric
from sm_gllamm.models.sem_persons import (
    Persons,
    assembled,
    latent_rows,
    outcome_rows,
    response_codes,
)
from sm_gllamm.models.sem_quadrature_fit import SemLikelihood
from sm_gllamm.models.sem_quadrature_inputs import check_levels
from sm_gllamm.models.sem_responses import SemResponse
from sm_gllamm.responses.forms import InverseLink
from sm_gllamm.responses.laws import BINOMIAL
from sm_gllamm.survey.weights import LevelWeights

__all__ = ["QuadraturePredictions"]

#: Nodes a dimension, at least, where there are no responses to say where they should be.
PRIOR_POINTS = 20


class QuadraturePredictions:
    """Variances, scores, predictions and draws; part of :class:`QuadratureSEM`."""

    inputs: Any
    table: Any
    mapping: Any
    n_threads: Any

    # ------------------------------------------------------------ values of the table
    def implied_variances(self, params) -> list[dict[str, float]]:
        """Implied variances of all variables of each block, of what lies behind categorical responses.

        Parameters
        ----------
        params : array_like, shape (k_params,)

        Returns
        -------
        list of dict of str to float
            NaN for responses without a residual variance, such as counts.

        Raises
        ------
        SpecificationError
            Products of latent variables, random coefficients, or responses that are regressed on the
            categories of others: there is no standardised solution.
        """
        translation = self.inputs.translation
        for b, roles in enumerate(self.table.roles):
            for names, what in (
                (roles.products, "products of latent variables"),
                (roles.coefficients, "random coefficients"),
                (roles.higher, "latent variables of a higher level"),
            ):
                if names:
                    raise SpecificationError(
                        f"there is no standardised solution with {what} ({names[0]!r}): variances differ "
                        f"with covariates, or are not those of one level"
                    )
            home = translation.nodes[b // len(self.table.levels)].home
            for name in set(home) & translation.predicting:
                if not self.inputs.persons.responses[name].normal:
                    raise SpecificationError(
                        f"there is no standardised solution: {name!r} is a predictor as observed, and a "
                        f"latent response as an outcome"
                    )
        out = []
        values = np.asarray(params, dtype=float)
        blocks = moment_blocks(self.table, self.inputs.given)
        for block in blocks:
            found = block.implied(values)
            variances = np.diag(found.covariance).tolist()
            own = dict(zip(block.variables, variances, strict=True))
            for name, response in self.inputs.persons.responses.items():
                if name in own and not response.normal and response.residual_variance is None:
                    own[name] = float("nan")
            out.append(own)
        return out

    # ------------------------------------------------------------ persons
    def persons_of(
        self, data: pd.DataFrame | None, what: str, needed: Sequence[str] = ()
    ) -> Persons:
        """Persons of new data, or those of the fit.

        Parameters
        ----------
        data : DataFrame or None
        what : str
            For messages.
        needed : sequence of str
            Responses that must be columns; others are missing where absent.
        """
        inputs = self.inputs
        if data is None:
            if not inputs.has_rows:
                raise SpecificationError(f"the data were removed; {what} needs data")
            return inputs.persons
        data = data.set_axis([str(name) for name in data.columns], axis=1)
        table = self.table
        group = np.zeros(len(data), dtype=int)
        if len(table.groups) > 1:
            if inputs.group_column not in data:
                raise SpecificationError(
                    f"{what} of new persons needs their groups: column {inputs.group_column!r}"
                )
            labels = data[inputs.group_column].astype(str)
            if new := set(labels) - set(table.groups):
                raise SpecificationError(f"the fit has no group {min(new)!r}")
            group = labels.map({g: k for k, g in enumerate(table.groups)}).to_numpy()
        clusters, names = [], inputs.cluster_columns if len(table.levels) > 1 else ()
        for k, name in enumerate(names):
            keys = [pd.factorize(column_values(data, n, "cluster"))[0] for n in names[k:]]
            codes = np.unique(np.column_stack(keys), axis=0, return_index=True, return_inverse=True)
            labels = pd.Index(data[name].to_numpy()[codes[1]], name=name)
            clusters.append((codes[2].reshape(-1), labels))
        covariates = {}
        for name in inputs.persons.covariates:
            if not all(part in data for part in ([name] if name in data else name.split(":"))):
                raise SpecificationError(f"the data have no column {name!r}")
            covariates[name] = numeric(data, name)
            if name in inputs.translation.covariate_levels and np.isnan(covariates[name]).any():
                row = data.index[int(np.argmax(np.isnan(covariates[name])))]
                raise SpecificationError(f"{name!r} is missing in row {row!r}; {what} needs it")
        responses = {}
        for name, response in inputs.persons.responses.items():
            if name not in data and name in needed:
                raise SpecificationError(f"the data have no column {name!r}")
            values = _coded(response, data)
            responses[name] = replace(response, values=values)
        persons = Persons(
            data.index, group, tuple(code for code, _ in clusters),
            tuple(label for _, label in clusters), covariates, responses,
        )  # fmt: skip
        check_levels(persons, inputs.translation)
        return persons

    def _posterior(
        self, params, persons: Persons, mapping, silent, quadrature: Quadrature, blind: bool
    ) -> tuple[SemLikelihood, SemAssembly]:
        """Likelihood of persons with further rows of weight zero, placed at parameters."""
        assembly = assembled(
            self.inputs.translation, mapping, persons, LevelWeights({}), silent, blind, False
        )
        likelihood = SemLikelihood(assembly.problem, mapping, self.n_threads)
        rules = quadrature.of(assembly.problem)
        if rules.assignment is not None and rules.assignment is quadrature.assignment:
            rules = Quadrature(rules.placement, rules.rules[-1:])
        if blind:
            finer = tuple(
                replace(rule, points=max(rule.points, PRIOR_POINTS)) if rule.kind == "hermite" else rule
                for rule in rules.rules[-1]
            )  # fmt: skip
            rules = Quadrature("mode", (finer,))
        likelihood.use(rules)
        likelihood.place(mapping.theta(params))
        return likelihood, assembly

    def latent_scores(
        self, params, quadrature: Quadrature, data: pd.DataFrame | None = None
    ) -> list[tuple[int, str, np.ndarray, np.ndarray, np.ndarray]]:
        """Posterior means and standard deviations of the latent variables.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        quadrature : Quadrature
        data : DataFrame, optional
            New persons, and clusters of them.

        Returns
        -------
        list of (level, name, positions of persons, means, standard deviations)
            Of latent variables of clusters one person of each.
        """
        translation, persons = self.inputs.translation, self.persons_of(data, "factor_scores")
        mapping = translation.mapping(latent=True)
        silent = latent_rows(translation, persons)
        likelihood, assembly = self._posterior(params, persons, mapping, silent, quadrature, False)
        posterior = likelihood.posterior(mapping.theta(params))
        first = int(assembly.variable.max()) + 1 - len(silent)
        out = []
        for k, (_, (level, name)) in enumerate(translation.latent_nodes):
            at = np.flatnonzero(assembly.variable == first + k)
            out.append(
                (
                    level,
                    name,
                    assembly.person[at],
                    posterior.nu[at],
                    np.sqrt(posterior.nu_variance[at]),
                )
            )
        return out

    def expected_responses(
        self, params, quadrature: Quadrature, data: pd.DataFrame | None, outcomes, which: str
    ) -> pd.DataFrame:
        """Expected responses of persons; see :meth:`QuadratureSEMResults.predict`."""
        inputs = self.inputs
        known = list(inputs.persons.responses)
        names = (
            known
            if outcomes is None
            else [outcomes]
            if isinstance(outcomes, str)
            else list(outcomes)
        )
        for name in names:
            if name not in known:
                raise SpecificationError(f"{name!r} is no response of the model; they are {known}")
        persons = self.persons_of(data, "predict")
        mapping = inputs.translation.mapping()
        silent = outcome_rows(inputs.translation, persons, names)
        blind = which == "marginal"
        likelihood, assembly = self._posterior(params, persons, mapping, silent, quadrature, blind)
        theta = mapping.theta(params)
        first = int(assembly.variable.max()) + 1 - len(silent)
        columns: dict[str, np.ndarray] = {}
        n_rows = len(assembly.variable)
        for k, name in enumerate(names):
            response = persons.responses[name]
            at = np.flatnonzero(assembly.variable == first + k)
            person = assembly.person[at]
            code = response_codes(inputs.translation, persons, name, person, True)
            given = self._given(mapping, theta, response, code)
            values = []
            law = BINOMIAL if response.binary else response.response.law
            for form in law.forms(given):
                if not isinstance(form, InverseLink):
                    raise SpecificationError(
                        f"predicted means of {name!r} ({response.title}) are not available"
                    )
                links, shift = np.zeros(n_rows, dtype=np.intc), np.zeros(n_rows)
                slope = np.ones(n_rows)
                links[at], shift[at], slope[at] = form.codes, form.shift, form.slope
                found = likelihood.posterior(theta, links, shift, slope).response[at]
                values.append(form.factor * found)
            found = law.combined(values, given)
            if response.binary:
                found = np.column_stack([1.0 - found, found])
            if response.labels:
                for c, label in enumerate(response.labels):
                    columns[f"{name}={label}"] = np.full(len(persons), np.nan)
                    columns[f"{name}={label}"][person] = found[:, c]
            else:
                columns[name] = np.full(len(persons), np.nan)
                columns[name][person] = found
        return pd.DataFrame(columns, persons.index)

    def _given(self, mapping, theta, response: SemResponse, code: np.ndarray) -> SimpleNamespace:
        """What responses have beside their predictors, by row."""
        n = len(code)
        behind = 1 + sum(mapping.dimensions) + len(mapping.products)
        constants = mapping.coefficients(theta)[-1, behind:]
        slots = np.array(
            [[constants[k] for k in mapping.slot_numbers[c]] for c in np.unique(code)]
        ).reshape(len(np.unique(code)), -1)[np.unique(code, return_inverse=True)[1]]
        given = SimpleNamespace(
            n=n, link=response.response.link, dispersion=np.ones(n), passed=np.ones(n),
            lower=np.zeros(n), upper=np.ones(n), scale=np.ones(n), thresholds=np.empty((n, 0)),
            categories=response.labels, trials=np.ones(n), entry=None, y=np.zeros(n), groups=[],
            parts=np.ones(n), links=np.full(n, response.response.link),
        )  # fmt: skip
        if response.layout == "cumulative":
            given.thresholds = slots
            return given
        free = response.response.slots[:1] if response.normal else response.free_slots
        for slot, value in zip(free, slots.T, strict=True):
            if slot.name == "zero":
                given.passed = 1.0 / (1.0 + np.exp(value))
            elif slot.name in ("lower", "upper"):
                setattr(given, slot.name, 1.0 / (1.0 + np.exp(-value)))
            else:
                given.dispersion = np.exp(value)
        known: dict[str, float] = getattr(response.family, "known", dict)()
        for name, value in known.items():
            if name in ("lower", "upper"):
                setattr(given, name, np.full(n, 1.0 / (1.0 + np.exp(-value))))
            elif name == "dispersion":
                given.dispersion = np.full(n, np.exp(value))
        return given

    # ------------------------------------------------------------ draws
    def simulated_responses(self, params, rng: np.random.Generator) -> Mapping[str, SemResponse]:
        """Responses drawn at given parameters, missing where those of the data are.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        rng : numpy.random.Generator
        """
        inputs = self.inputs
        if not inputs.has_rows:
            raise SpecificationError("the data were removed; draws need them")
        mapping, persons, translation = self.mapping, inputs.persons, inputs.translation
        theta = mapping.theta(params)
        n = len(persons)
        u = []
        for level, q in zip(mapping.levels, mapping.dimensions, strict=True):
            units = persons.units(int(level))
            u.append(rng.normal(size=(int(units.max()) + 1, q))[units])
        channels = [np.ones((n, 1)), *u]
        values = np.concatenate(u, axis=1)
        for r, s in mapping.products:
            channels.append((values[:, r] * values[:, s])[:, None])
        c = np.concatenate(channels, axis=1)
        phi = mapping.coefficients(theta)[:-1, : c.shape[1]]
        by_name = {
            name: np.array(
                persons.covariates[name] if name in persons.covariates
                else persons.responses[name].values
            )
            for name in translation.covariates
        }  # fmt: skip
        drawn = {name: np.full(n, np.nan) for name in persons.responses}
        for g in range(len(self.table.groups)):
            for name in translation.order(g):
                response = persons.responses[name]
                at = np.flatnonzero((persons.group == g) & ~np.isnan(response.values))
                level = translation.nodes[g].home[name]
                first, unit = np.arange(len(at)), np.arange(len(at))
                if level:
                    _, first, unit = np.unique(
                        persons.units(level)[at], return_index=True, return_inverse=True
                    )
                own = at[first]
                code = response_codes(translation, persons, name, own)
                nu = self._predictors(mapping, phi, code, by_name, translation.covariates, own, c)
                given = self._given(mapping, theta, response, code)
                law = BINOMIAL if response.binary else response.response.law
                values = law.draw(rng, nu, given)
                if getattr(response.family, "censoring", None) == "limits":
                    values = np.clip(values, response.family.lower, response.family.upper)
                drawn[name][at] = values[unit.reshape(-1)]
                for covariate in by_name:
                    parts = covariate.split(":")
                    if name in parts:
                        product = np.ones(n)
                        for part in parts:
                            product = product * (
                                drawn[part] if part in drawn and part in translation.nodes[g].home
                                else numericalised(persons, part)
                            )  # fmt: skip
                        here = persons.group == g
                        by_name[covariate][here] = product[here]
        return {name: replace(r, values=drawn[name]) for name, r in persons.responses.items()}

    @staticmethod
    def _predictors(mapping, phi, code, by_name, names, at, c) -> np.ndarray:
        """Linear predictors of rows at given standard normal variables."""
        design = mapping.table[code]
        for k, covariates in enumerate(mapping.covariates):
            product = np.ones(len(at))
            for covariate in covariates:
                product = product * by_name[names[covariate]][at]
            own = mapping.source == k
            design[:, own] *= np.where(np.isnan(product), 0.0, product)[:, None]
        return np.einsum("nc,nc->n", design, c[at] @ phi.T)

    def simulate(self, params, n: int = 1, seed=None) -> pd.DataFrame | list[pd.DataFrame]:
        """Responses drawn at given parameters, with the covariates and missing values of the data.

        Parameters
        ----------
        params : array_like, shape (k_params,)
        n : int
        seed : int or numpy.random.Generator, optional

        Returns
        -------
        DataFrame, or list of n DataFrames
            Columns of responses, categories by label, of covariates, groups and clusters.
        """
        rng = np.random.default_rng(seed)
        persons = self.inputs.persons
        frames = []
        for _ in range(n):
            columns: dict[str, Any] = {}
            for name, response in self.simulated_responses(params, rng).items():
                if response.labels:
                    codes = np.where(np.isnan(response.values), -1, response.values).astype(int)
                    columns[name] = _labelled(codes, response.labels)
                else:
                    columns[name] = response.values
            for name, values in persons.covariates.items():
                if ":" not in name and name not in columns:
                    columns[name] = values
            if len(self.table.groups) > 1:
                columns[self.inputs.group_column] = np.array(self.table.groups)[persons.group]
            for code, labels in zip(persons.clusters, persons.labels, strict=True):
                columns[str(labels.name)] = labels.to_numpy()[code]
            frames.append(pd.DataFrame(columns, persons.index))
        return frames[0] if n == 1 else frames


def numericalised(persons: Persons, name: str) -> np.ndarray:
    """Values of a variable as a number."""
    if name in persons.covariates:
        return persons.covariates[name]
    return persons.responses[name].values


def _labelled(codes: np.ndarray, labels: Sequence) -> Any:
    """Labels of codes, of numbers with NaN where missing, otherwise as an ordered categorical."""
    array = np.asarray(labels)
    if array.dtype.kind in "iufb":
        values = array.astype(float)
        return np.where(codes < 0, np.nan, values[codes])
    return pd.Categorical.from_codes(codes, list(labels), ordered=True)


def _coded(response: SemResponse, data: pd.DataFrame) -> np.ndarray:
    """Values of a response in new data, categories by code."""
    if response.name not in data:
        return np.full(len(data), np.nan)
    column = data[response.name]
    if not response.labels:
        return numeric(data, response.name)
    codes = pd.Index(list(response.labels)).get_indexer(column)
    unknown = (codes < 0) & column.notna().to_numpy()
    if unknown.any():
        row = int(np.argmax(unknown))
        raise SpecificationError(
            f"{response.name!r} is {column.iloc[row]!r} in row {data.index[row]!r}, which is no category of "
            f"the fit: {list(response.labels)}"
        )
    return np.where(codes < 0, np.nan, codes)
