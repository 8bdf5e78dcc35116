"""Three-step analysis: latent classes related to other variables without changing the classes.

The classes come from a model of the indicators alone (step 1), units are assigned to them (step 2), and
the assigned class is an indicator of the true one whose errors are known (step 3). By maximum likelihood
step 3 is a latent class model with that one indicator, its response probabilities fixed (Vermunt 2010);
by the method of Bolck, Croon and Hagenaars it is an analysis weighted with the inverse of the errors.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sm_gllamm.estimation.newton import Controls, maximize
from sm_gllamm.exceptions import BoundaryWarning, SpecificationError
from sm_gllamm.inference.covariance import inverse_information
from sm_gllamm.likelihood.mixture import ClassLogits
from sm_gllamm.models.class_search import SearchMethods
from sm_gllamm.models.designs import design_of
from sm_gllamm.results.class_three_step import ThreeStepResults
from sm_gllamm.specification.evaluation import FormulaEngine, did_you_mean

__all__ = ["ThreeStepMethods"]

METHODS, ASSIGNMENTS = ("ml", "bch"), ("modal", "proportional")
#: Smallest classification error; the logarithm of zero is not finite.
LEAST = 1e-12
#: Relative step of differences of classification errors.
STEP = 1e-5
#: Name of the column of assigned classes.
ASSIGNED = "assigned class"


class ThreeStepMethods(SearchMethods):
    """Step 3; part of :class:`sm_gllamm.models.latent_class.LatentClass`."""

    def three_step(
        self, results, distal=None, covariates=None, method="ml", assignment="modal",
        first_step=None, family=None, data=None,
    ) -> ThreeStepResults:  # fmt: skip
        """Step 3 of an analysis whose step 1 is a fit; see :meth:`LatentClassResults.three_step`."""
        if method not in METHODS:
            raise SpecificationError(f"method={method!r} is not known; use 'ml' or 'bch'")
        if assignment not in ASSIGNMENTS:
            raise SpecificationError(
                f"assignment={assignment!r} is not known; use 'modal' or 'proportional'"
            )
        if method == "ml" and assignment != "modal":
            raise SpecificationError("method='ml' goes with assignment='modal'")
        if (distal is None) == (covariates is None):
            raise SpecificationError("give distal= or covariates=, one of them")
        if self.n_classes == 1 or self.n_upper > 1:
            raise SpecificationError(
                "three_step is for models with several classes of units, and none of clusters"
            )
        frame = self.inputs.frame
        if data is not None:
            if len(data) == len(frame) and data.index.equals(frame.index):
                frame = data
            elif frame.index.isin(data.index).all() and data.index.is_unique:
                frame = data.loc[frame.index]
            else:
                raise SpecificationError("data lacks rows of the data of the fit")
        step = _ThirdStep(self, results, assignment, method, frame, first_step)
        if distal is not None:
            return step.distal(distal, family)
        return step.covariates(covariates)


class _ThirdStep:
    """Assignments with their errors, and what is done with them."""

    def __init__(self, model, results, assignment: str, method: str, frame, first_step):
        self.model, self.results, self.frame, self.method = model, results, frame, method
        self.assignment = assignment
        #: what is to be said against the estimates of step 3
        self.notes: tuple[str, ...] = ()
        self.first_step = method == "ml" if first_step is None else bool(first_step)
        if self.first_step and method == "bch":
            raise SpecificationError("first_step=True goes with method='ml'")
        likelihood, layout = model.likelihood, model.assembly.layout
        posterior = self._posterior(results.theta)
        self.share = posterior
        if assignment == "modal":
            self.share = np.eye(posterior.shape[1])[posterior.argmax(axis=1)]
        units = likelihood.units
        self.unit_weight = units.weight * units.group_weight[units.group]
        self.errors = self._errors(posterior)
        self.of_row, self.row_weight = layout.of_row, layout.row_weight
        self.n_classes = posterior.shape[1]

    def _posterior(self, theta: np.ndarray) -> np.ndarray:
        return self.model.likelihood.posterior(theta).lower[0]

    def _errors(self, posterior: np.ndarray) -> np.ndarray:
        """P(assigned class s | class t), shape (C, C), rows t."""
        joint = (posterior * self.unit_weight[:, None]).T @ self.share
        return joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)

    # ------------------------------------------------------------ weights
    def weights(self) -> np.ndarray:
        """Weights of each row in each class, the inverse of the errors times assignments, shape (n, C)."""
        if np.linalg.cond(self.errors) > 1e10:
            raise SpecificationError(
                "the classes cannot be told apart: classification errors have no inverse; use fewer classes"
            )
        return (self.share @ np.linalg.inv(self.errors))[self.of_row] * self.row_weight[:, None]

    def _scores_per_unit(self, influence: np.ndarray) -> np.ndarray:
        """Cross-product of influences, of which each row comes with its weight once."""
        frequency = self.model.weights.frequency
        if frequency is None:
            return influence.T @ influence
        scale = np.sqrt(np.maximum(frequency, 1e-300))
        return (influence / scale[:, None]).T @ (influence / scale[:, None])

    # ------------------------------------------------------------ distal outcomes
    def distal(self, name, family) -> ThreeStepResults:
        """Means or proportions of an outcome by class."""
        values, label = self._outcome(name)
        numeric = pd.api.types.is_numeric_dtype(values.dtype)
        family = family or ("gaussian" if numeric else "nominal")
        if family not in ("gaussian", "nominal"):
            raise SpecificationError(f"family={family!r} is not known; use 'gaussian' or 'nominal'")
        if family == "gaussian" and not numeric:
            raise SpecificationError(f"distal {label!r} is not numeric; use family='nominal'")
        missing = values.isna().to_numpy()
        if missing.all():
            raise SpecificationError(f"distal {label!r} is missing in all rows")
        if values[~missing].nunique() == 1:
            raise SpecificationError(f"distal {label!r} is constant")
        if family == "nominal":
            categories = sorted(values[~missing].unique().tolist())
            columns = np.column_stack([(values == c).to_numpy(dtype=float) for c in categories])
        else:
            categories, columns = [None], np.array(values, dtype=float)[:, None]
        columns[missing] = 0.0
        if self.method == "bch":
            estimate, cov = self._bch_means(columns, missing)
        else:
            estimate, cov = self._ml_means(values, label, family, len(categories))
        return ThreeStepResults.distal(
            label, list(self.model.class_names), categories, estimate, cov, self.method,
            self.assignment, self.errors, self.notes,
        )  # fmt: skip

    def _outcome(self, name) -> tuple[pd.Series, str]:
        if isinstance(name, str):
            if name not in self.frame:
                raise SpecificationError(
                    f"distal={name!r} is no column of the data{did_you_mean(name, self.frame.columns)}"
                )
            return self.frame[name].reset_index(drop=True), name
        if isinstance(name, pd.Series) and self.frame.index.isin(name.index).all():
            return name.loc[self.frame.index].reset_index(drop=True), str(name.name or "outcome")
        values = pd.Series(np.asarray(name))
        if len(values) != len(self.frame):
            raise SpecificationError(
                f"distal has {len(values)} entries; the fit has {len(self.frame)} rows"
            )
        return values, "outcome"

    def _bch_means(self, columns: np.ndarray, missing: np.ndarray):
        """Weighted means, shape (C, m), and the covariance matrix of all of them."""
        weight = np.where(missing[:, None], 0.0, self.weights())
        total = weight.sum(axis=0)
        mean = (weight.T @ columns) / total[:, None]
        residual = columns[:, None, :] - mean[None]
        influence = (weight / total)[:, :, None] * residual
        influence[missing] = 0.0
        return mean, self._scores_per_unit(influence.reshape(len(columns), -1))

    def _ml_means(self, values: pd.Series, label: str, family: str, m: int):
        """The same from a latent class model of assigned class and outcome."""
        column = label if label != ASSIGNED else "outcome"
        data = pd.DataFrame({ASSIGNED: self._assigned(), column: values.to_numpy()})
        mean, _ = self._bch_means(
            np.where(values.isna(), 0.0, values.fillna(0.0)).astype(float)[:, None]
            if family == "gaussian"
            else np.zeros((len(values), 1)),
            values.isna().to_numpy(),
        )
        model = self._model(data, {column: family}, None)
        start: dict[str, float] = {}
        if family == "gaussian":
            for c, name in enumerate(self.model.class_names):
                start[f"{name}:{column}"] = float(mean[c, 0])
                start[f"{name}:var({column})"] = float(np.nanvar(values.to_numpy(dtype=float)))
        fit, names = self._fit(model, start)
        params, cov = np.asarray(fit.params), self._covariance(fit)
        if family == "gaussian":
            at = [names.index(f"{name}:{column}") for name in self.model.class_names]
            return params[at][:, None], cov[np.ix_(at, at)]
        # probabilities of logits
        estimate = np.zeros((self.n_classes, m))
        jacobian = np.zeros((self.n_classes * m, len(params)))
        for c, place in enumerate(model.mapping.places):
            at = place[-(m - 1) :]
            full = np.append(0.0, params[at])
            p = np.exp(full - full.max())
            p /= p.sum()
            estimate[c] = p
            slopes = np.diag(p) - np.outer(p, p)
            jacobian[c * m : (c + 1) * m, at] = slopes[:, 1:]
        return estimate, jacobian @ cov @ jacobian.T

    # ------------------------------------------------------------ covariates
    def covariates(self, formula: str) -> ThreeStepResults:
        """Multinomial logit of the classes."""
        if not isinstance(formula, str):
            raise SpecificationError("covariates must be a formula such as '~ age + sex'")
        text = formula if formula.lstrip().startswith("~") else f"~ {formula}"
        design, names = design_of("covariates", text, self.frame, engine=FormulaEngine("patsy", {}))
        whole = ~np.isnan(design).any(axis=1)
        published = [f"logit({c}):{name}" for c in self.model.class_names[1:] for name in names]
        if self.method == "bch":
            params, cov = self._bch_logits(design, whole)
        else:
            data = self.frame.reset_index(drop=True).copy()
            data[ASSIGNED] = self._assigned()
            fit, every = self._fit(self._model(data, {}, text), {})
            at = [every.index(name) for name in published]
            params = np.asarray(fit.params)[at]
            cov = self._covariance(fit)[np.ix_(at, at)]
        return ThreeStepResults.covariates(
            published, names, list(self.model.class_names), params, cov, self.method,
            self.assignment, self.errors, self.notes,
        )  # fmt: skip

    def _bch_logits(self, design: np.ndarray, whole: np.ndarray):
        """Weighted multinomial logit: estimates and robust covariance matrix."""
        x, weight = np.where(whole[:, None], design, 0.0), self.weights()
        weight[~whole] = 0.0
        own, k = weight.sum(axis=1), design.shape[1]
        p = (self.n_classes - 1) * k
        logits = ClassLogits(
            x, tuple(np.arange(c * k, (c + 1) * k) for c in range(self.n_classes - 1))
        )

        def scores(theta):
            residual = weight - own[:, None] * np.exp(logits.log_probabilities(theta))
            return (residual[:, 1:, None] * x[:, None, :]).reshape(len(x), p)

        def evaluate(theta, want):
            logs = logits.log_probabilities(theta)
            value = float((weight * logs).sum())
            if not want:
                return value, None, None
            hessian = np.zeros((p, p))
            logits.add_hessian(hessian, np.exp(logs), own)
            return value, scores(theta).sum(axis=0), hessian

        outcome = maximize(evaluate, np.zeros(p), Controls())
        if not outcome.converged:
            raise SpecificationError(
                f"step 3 did not converge ({outcome.reason}): covariates may tell a class perfectly, or the "
                "classes overlap too much for weights; use method='ml'"
            )
        bread = inverse_information(-evaluate(outcome.theta, 2)[2])
        return outcome.theta, bread @ self._scores_per_unit(scores(outcome.theta)) @ bread

    # ------------------------------------------------------------ maximum likelihood
    def _assigned(self) -> np.ndarray:
        """Number of the assigned class of each row, from 1."""
        return self.share.argmax(axis=1)[self.of_row] + 1

    def _model(self, data: pd.DataFrame, families: dict[str, str], classes: str | None):
        """A latent class model of the assigned class, with known response probabilities."""
        weights = self.model.weights
        used = np.unique(data[ASSIGNED])
        if len(used) < self.n_classes:
            lost = next(c for c in range(self.n_classes) if c + 1 not in used)
            raise SpecificationError(
                f"nobody is assigned to {self.model.class_names[lost]}; use method='bch' with "
                "assignment='proportional', or fewer classes"
            )
        keyword: dict[str, Any] = {}
        if weights.frequency is not None:
            keyword["freq_weights"] = weights.frequency
        elif weights.sampling:
            keyword["weights"] = self.row_weight
        model = type(self.model)(
            data, self.n_classes, items=[ASSIGNED, *families], families=families, classes=classes,
            n_threads=self.model.n_threads, **keyword,
        )  # fmt: skip
        shares = np.maximum(self.errors, LEAST)
        model.fixed = {
            int(place[s - 1]): float(np.log(shares[c, s] / shares[c, 0]))
            for c, place in enumerate(model.mapping.places)
            for s in range(1, self.n_classes)
        }
        return model

    def _fit(self, model, start: dict[str, float]):
        """The fit with robust standard errors, and the names of its parameters."""
        names = list(model.param_names)
        params = np.zeros(len(names))
        sizes = self.errors_sizes()
        for c in range(1, self.n_classes):
            params[names.index(f"logit(class{c + 1}):Intercept")] = np.log(sizes[c] / sizes[0])
        for name, value in start.items():
            params[names.index(name)] = value
        for place, value in model.fixed.items():
            params[place] = value
        with warnings.catch_warnings():
            # what is fixed is on no boundary of interest
            warnings.simplefilter("ignore", BoundaryWarning)
            fit = model.fit(start_params=params, cov_type="robust")
        self.notes = tuple(replace(fit.verdict, held=()).messages())
        return fit, names

    def errors_sizes(self) -> np.ndarray:
        """Class sizes of step 1."""
        sizes = self.unit_weight @ self._posterior(self.results.theta)
        return np.maximum(sizes / sizes.sum(), 1e-6)

    def _covariance(self, fit) -> np.ndarray:
        """Robust covariance matrix with what the uncertainty of step 1 adds (Bakk et al. 2014)."""
        cov = np.array(fit.cov_params(), dtype=float)
        if not self.first_step:
            return cov
        model = fit.model
        hessian = model.likelihood.evaluate(fit.theta, 2, by_cluster=False).hessian
        fixed = np.array(sorted(model.fixed), dtype=np.intp)
        free = np.setdiff1d(np.arange(len(fit.params)), fixed)
        free = free[~np.asarray(fit.held)[free]]
        bread = inverse_information(-hessian[np.ix_(free, free)])
        slopes = model.mapping.jacobian(fit.theta)[np.ix_(free, free)] @ bread
        slopes = slopes @ hessian[np.ix_(free, fixed)] @ self._error_slopes(len(fixed))
        first = np.asarray(self.results.cov_params())
        cov[np.ix_(free, free)] += slopes @ first @ slopes.T
        return cov

    def _error_slopes(self, n: int) -> np.ndarray:
        """Derivatives of the logits of the errors in the parameters of step 1."""
        params = np.asarray(self.results.params, dtype=float)
        known = np.diag(np.asarray(self.results.cov_params())) > 0.0
        out = np.zeros((n, len(params)))
        for k in np.flatnonzero(known):
            step = STEP * max(1.0, abs(params[k]))
            ends = []
            for sign in (1.0, -1.0):
                moved = params.copy()
                moved[k] += sign * step
                errors = np.maximum(
                    self._errors(self._posterior(self.model.mapping.theta(moved))), LEAST
                )
                ends.append(np.log(errors[:, 1:] / errors[:, :1]).ravel())
            out[:, k] = (ends[0] - ends[1]) / (2.0 * step)
        return out
