"""Nonparametric maximum likelihood: mass points in place of normal latent variables.

The nonparametric estimate of a distribution is discrete (Laird 1978; Lindsay 1983), with few mass points.
Points are added where the directional (Gateaux) derivative of the log-likelihood towards them is positive,
and the estimate is the nonparametric one where it is positive nowhere: then the log-likelihood of no
distribution is higher by more than the largest derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from sm_gllamm.estimation.mixture_search import Found
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.likelihood.components import ClusterComponent, PlainComponent, empty_levels
from sm_gllamm.likelihood.marginal import Quadrature
from sm_gllamm.likelihood.mixture import ClassLogits, MixtureLikelihood, Units
from sm_gllamm.likelihood.quadrature import normal_nodes
from sm_gllamm.mapping.located import LocatedLevel, LocatedMapping, located_problem
from sm_gllamm.mapping.mixture import MixtureMapping
from sm_gllamm.models.discrete import DiscreteModel, MixtureAssembly, UnitLayout
from sm_gllamm.models.mixture_nodes import rough_controls, with_enough_nodes
from sm_gllamm.models.npml_plan import mass_plan
from sm_gllamm.results.npml import NPMLResults, NPMLResultsWrapper

__all__ = ["NPML"]

#: Places beyond this, in units of the linear predictor, run to infinity.
RUNS = 25.0
#: Probability that a new mass point begins with.
NEW = 0.02
#: Candidates for a new mass point: standard deviations around the mean, and points a dimension.
RANGE, GRID = 6.0, (121, 25, 9)
#: Nodes of a level with a normal distribution above one with mass points.
NODES = 31
#: Where mass points that run to infinity are held.
FAR = 40.0


class NPML(DiscreteModel):
    """A model whose latent variables have mass points instead of a normal distribution.

    Made by ``fit(random="npml")`` of the model.

    Parameters
    ----------
    model : GLMM, GLLAMM or IRT
    n_masses : dict of level name to int
    npml_levels : str or sequence of str, optional
        Levels with mass points; default all.
    n_nodes : int
        Nodes, at even distances, over the normal distribution of a level above one with mass points.

    Notes
    -----
    Places of the first mass point are zero where the fixed part has a coefficient for them (its intercept
    is that of the first mass point), so that "mass2(Intercept|id)" is a difference; the results have the
    distribution with its mean and standard deviation. Where all loadings are free and the variance of a
    latent variable is known, the first two mass points are at 0 and 1.

    References
    ----------
    Laird, N. (1978). Nonparametric maximum likelihood estimation of a mixing distribution. Journal of the
    American Statistical Association 73, 805-811.

    Rabe-Hesketh, S., Pickles, A., & Skrondal, A. (2003). Correcting for covariate measurement error in
    logistic regression using nonparametric maximum likelihood estimation. Statistical Modelling 3, 215-232.
    """

    results_class = NPMLResults
    wrapper_class = NPMLResultsWrapper

    def __init__(self, model, n_masses, npml_levels=None, n_nodes=NODES, **kwargs):
        #: nodes of a level with a normal distribution above one with mass points
        self.n_nodes = n_nodes
        self.template, self.npml_levels = model, npml_levels
        self.plan = mass_plan(model, npml_levels)
        names = model.level_names
        #: number of mass points of each level that has any
        self.n_masses = {names[lv]: int(n_masses[names[lv]]) for lv in self.plan.masses}
        self.weights, self.n_threads = model.weights, model.n_threads
        self.family = getattr(model, "family", None)
        super().__init__(model.data.orig_endog, None, missing="none", **kwargs)
        self._data_attr += ["template", "weights", "assembly", "_likelihood", "data.orig_endog"]
        self._set_up()

    # ------------------------------------------------------------ layout
    def _effects(self, level: int) -> list[str]:
        """Names of the latent variables of a level."""
        out: list[tuple[int, str]] = []
        for where, position, _, covariance in self.template.mapping.terms:
            if where == level:
                out += [(position + r, name) for r, name in enumerate(covariance.names)]
        return [name for _, name in sorted(out)]

    def _anchored(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Whether the fixed part can do what a shift of each latent variable does; which scales are known."""
        template, problem = self.template, self.assembly_of_template
        mapping = template.mapping
        first = 1 + int(sum(problem.dimensions[:level]))
        q = problem.dimensions[level]
        rng = np.random.default_rng(0)
        phi = mapping.phi(rng.normal(size=mapping.k_params))
        fixed = [
            problem.column(int(c))
            for c, m in zip(problem.active_column, problem.active_channel, strict=True)
            if m == 0
        ]
        behind = 1 + sum(problem.dimensions) + len(problem.products)
        thresholds = bool(np.any(problem.active_channel >= behind))
        shift, scale = np.zeros(q, dtype=bool), np.zeros(q, dtype=bool)
        for r in range(q):
            entries = np.flatnonzero(problem.active_channel == first + r)
            effect = sum(phi[t] * problem.column(int(problem.active_column[t])) for t in entries)
            effect = np.asarray(effect, dtype=float)
            shift[r] = _in_span(effect, fixed) or (thresholds and bool(np.ptp(effect) < 1e-9))
        for where, position, _, covariance in mapping.terms:
            if where == level:
                free = {row for row, col, _ in covariance.entries if row == col}
                for r in range(len(covariance.names)):
                    scale[position + r] = r not in free
        return shift, scale

    @property
    def assembly_of_template(self):
        """The template's problem."""
        return self.template.assembly.problem

    def _set_up(self) -> None:
        template, plan = self.template, self.plan
        problem, inner = self.assembly_of_template, template.mapping
        lower = plan.masses[0]
        upper = None
        if plan.drop_top:
            upper = lower + 1
        self._lower, self._upper = lower, upper
        names = template.level_names
        self.level_names = list(names)
        n_lower = self.n_masses[names[lower]]
        n_upper = 1
        if upper is not None:
            n_upper = self.n_nodes if upper in plan.nodes else self.n_masses[names[upper]]
        self.n_classes, self.n_upper = n_lower, n_upper
        self.class_names = tuple(f"mass{c + 1}" for c in range(n_lower))
        self.cluster_name = names[-1]
        moved = [lower] if upper is None else [lower, upper]
        self._located = located_problem(problem, moved, plan.drop_top)
        mappings, labels = [], []
        lower_places = self._mass_levels(lower, n_lower)
        if upper is None:
            upper_places: list[LocatedLevel | None] = [None]
        elif upper in plan.nodes:
            z, self._node_weights = normal_nodes(self.n_nodes)
            q = problem.dimensions[upper]
            if q > 1:
                raise SpecificationError(
                    f"{names[upper]!r} has {q} normal random effects above mass points; one is possible. "
                    "Let it have mass points, too"
                )
            upper_places = [LocatedLevel(upper, ("",), np.array([u]), False) for u in z]
        else:
            upper_places = list(self._mass_levels(upper, n_upper))
        for above in upper_places:
            for below in lower_places:
                located = [below] if above is None else [below, above]
                mapping = LocatedMapping(inner, problem, located)
                mappings.append(mapping)
                labels.append(mapping.param_names)
        self._mapping = MixtureMapping(mappings, labels, self._class_parameter_names())
        self.assembly = MixtureAssembly(problem, self._mapping, self._unit_layout())
        all_names = list(self._mapping.param_names)
        self._set_extra_params_names(all_names)
        self.data.xnames = all_names
        self.nobs = template.endog.shape[0]
        self.k_exog = self.k_vars = len(all_names)
        self.k_extra, self.k_constant = 0, 0
        self.df_model = len(all_names)
        self.df_resid = self.nobs - len(all_names)

    def _mass_levels(self, level: int, number: int) -> list[LocatedLevel]:
        """Places of each mass point of a level."""
        effects, group = self._effects(level), self.template.level_names[level]
        shift, scale = self._anchored(level)
        out = []
        for c in range(number):
            names, known = [], np.zeros(len(effects))
            for r, effect in enumerate(effects):
                at_zero = c == 0 and shift[r]
                at_one = scale[r] and c == (1 if shift[r] else 0)
                names.append("" if at_zero or at_one else f"mass{c + 1}({effect}|{group})")
                known[r] = 1.0 if at_one else 0.0
            out.append(LocatedLevel(level, tuple(names), known, True))
        return out

    def _class_parameter_names(self) -> list[str]:
        names = self.template.level_names
        out = [f"logit(mass{c + 1}|{names[self._lower]})" for c in range(1, self.n_classes)]
        if self._upper is not None and self._upper not in self.plan.nodes:
            out += [f"logit(mass{h + 1}|{names[self._upper]})" for h in range(1, self.n_upper)]
        return out

    def _unit_layout(self) -> UnitLayout:
        """Rows behind the units; the independent ones are clusters of the top level, or persons."""
        template, n = self.template, self.template.endog.shape[0]
        assembly, problem = template.assembly, self.assembly_of_template
        patterns = getattr(assembly, "patterns", None)
        weight = problem.cluster_weights[-1]
        if patterns is not None:
            return UnitLayout(
                patterns.first, patterns.of_person, patterns.weight, template.person_weights
            )
        rows = np.arange(len(problem.y)) if assembly.source is None else assembly.source
        top = np.empty(n, dtype=np.intp)
        top[rows] = np.repeat(np.arange(problem.n_top), problem.rows_of_top)
        weight = np.ones(problem.n_top) if weight is None else weight
        return UnitLayout(assembly.first_row, top, weight, np.ones(n), top)

    # ------------------------------------------------------------ likelihood
    def _mixture(self) -> MixtureLikelihood:
        located, mappings = self._located, self.mapping.mappings
        kind = PlainComponent if all(empty_levels(located)) else ClusterComponent
        components: list[Any] = [kind(located, mapping, self.n_threads) for mapping in mappings]
        index = np.arange(len(components)).reshape(self.n_upper, self.n_classes)
        n = located.n_top
        at = self.mapping.class_places
        logits = ClassLogits(
            np.ones((n, 1)), tuple(at[c : c + 1] for c in range(self.n_classes - 1))
        )
        problem = self.assembly_of_template
        top = problem.cluster_weights[-1]
        top = np.ones(problem.n_top) if top is None else top
        if self._upper is None:
            units = Units(np.ones(n), None, top)
            return MixtureLikelihood(
                components, self.mapping.places, index, logits, None, units, self.mapping.k_params
            )
        offsets, weight = problem.cluster_offsets[-1], problem.cluster_weights[-2]
        code = np.repeat(np.arange(problem.n_top), np.diff(offsets))
        units = Units(np.ones(n) if weight is None else weight, code, top)
        design = np.ones((problem.n_top, 1))
        if self._upper in self.plan.nodes:
            upper = ClassLogits(design, (), fixed=self._node_weights)
        else:
            rest = at[self.n_classes - 1 :]
            upper = ClassLogits(design, tuple(rest[h : h + 1] for h in range(self.n_upper - 1)))
        return MixtureLikelihood(
            components, self.mapping.places, index, logits, upper, units, self.mapping.k_params
        )

    # ------------------------------------------------------------ places
    def places(self, theta, level: int | None = None) -> np.ndarray:
        """Places of the mass points of a level, shape (number, q); default the lowest with mass points."""
        level = self._lower if level is None else level
        step, number = (
            (1, self.n_classes) if level == self._lower else (self.n_classes, self.n_upper)
        )
        dimensions = self.assembly_of_template.dimensions
        span = slice(int(sum(dimensions[:level])), int(sum(dimensions[: level + 1])))
        mappings, at = self.mapping.mappings, self.mapping.places
        theta = np.asarray(theta, dtype=float)
        return np.array(
            [mappings[c * step].places_of(theta[at[c * step]])[span] for c in range(number)]
        )

    def effects(self, level: int | None = None) -> list[str]:
        """Names of the latent variables of a level."""
        return self._effects(self._lower if level is None else level)

    def mass_levels(self) -> dict[str, int]:
        """Levels with mass points, by name."""
        names = self.template.level_names
        return {names[lv]: lv for lv in self.plan.masses}

    def theta_with(self, inner, places: dict[int, np.ndarray], logits: np.ndarray) -> np.ndarray:
        """Parameters from those of the template, places of the mass points of each level, and logits."""
        dimensions = self.assembly_of_template.dimensions
        theta = np.zeros(self.mapping.k_params)
        pairs = zip(self.mapping.mappings, self.mapping.places, strict=True)
        for m, (mapping, at) in enumerate(pairs):
            full = np.zeros(int(sum(dimensions)))
            for level, values in places.items():
                first = int(sum(dimensions[:level]))
                c = m % self.n_classes if level == self._lower else m // self.n_classes
                full[first : first + values.shape[1]] = values[c]
            theta[at] = mapping.assembled(inner, full)
        theta[self.mapping.class_places] = logits
        return theta

    # ------------------------------------------------------------ search
    def _starts(self, likelihood, n_starts: int, rng: np.random.Generator):
        """Mass points around the mean: at even distances, then at random."""
        template = self.template
        inner = template._starting_theta(template._ready())
        factor = {lv: _spread(template.mapping, inner, lv) for lv in self.plan.masses}
        for number in range(n_starts):
            places = {}
            for lv, root in factor.items():
                k = self.n_classes if lv == self._lower else self.n_upper
                q = len(root)
                if number == 0:
                    # 0, 1, -1, 2, ...: the first one is where the fixed part has its intercept
                    order = np.arange(k)
                    z = np.where(order % 2, 1.0, -1.0) * ((order + 1) // 2)
                    z = np.tile(z[:, None], (1, q)) * (-1.0) ** np.arange(q)
                else:
                    z = 1.5 * rng.normal(size=(k, q))
                    z[0] = 0.0
                places[lv] = z @ root.T
            yield self.theta_with(inner, places, np.zeros(len(self.mapping.class_places)))

    def _edges(self, theta: np.ndarray, held: np.ndarray):
        """Mass points that run to infinity held far out, None where none is new."""
        if self.assembly_of_template.exact:
            return None
        mass = np.array([name.startswith("mass") for name in self.param_names])
        new = mass & (np.abs(theta) > RUNS) & ~held
        if not new.any():
            return None
        out = theta.copy()
        out[new] = np.sign(theta[new]) * FAR
        return out, held | new

    def _held_names(self, theta: np.ndarray, held: np.ndarray) -> tuple[str, ...]:
        return tuple(
            f"{name} = {'-' if theta[k] < 0 else ''}infinity"
            for k, name in enumerate(self.param_names)
            if held[k]
        )

    def _search(self, likelihood, starts, controls, disp: int):
        if not all(empty_levels(self._located)):
            controls = rough_controls(likelihood, controls)
        return super()._search(likelihood, starts, controls, disp)

    def _after_search(self, likelihood, found: Found, controls) -> Found:
        """Finer nodes for latent variables below the mass points."""
        self._error = 0.0
        if not all(empty_levels(self._located)):
            found, self._error = with_enough_nodes(likelihood, found, controls, self._edges)
        if self.plan.nodes:
            finer = NPML(self.template, self.n_masses, self.npml_levels, 2 * self.n_nodes - 1)
            self._error += abs(finer.likelihood.evaluate(found.theta).total - found.value)
        return found

    def _quadrature_error(self) -> float:
        return self._error

    # ------------------------------------------------------------ directional derivative
    def gateaux(self, theta, candidates: np.ndarray) -> np.ndarray:
        """Directional derivatives of the log-likelihood towards mass points of the lowest such level.

        Parameters
        ----------
        theta : ndarray, shape (p,)
        candidates : ndarray, shape (m, q)
            Places, relative to that of the first mass point where this is zero.

        Returns
        -------
        ndarray, shape (m,)
            Sum over units of L_j(e) / L_j - 1, in log-likelihood units.
        """
        theta, likelihood = np.asarray(theta, dtype=float), self.likelihood
        posterior = likelihood.posterior(theta)
        units, mappings = likelihood.units, self.mapping.mappings
        loglike = likelihood.component_loglike(theta)
        out = np.zeros(len(candidates))
        for h in range(self.n_upper):
            row = likelihood.index[h]
            joint = np.log(posterior.prior[h]) + loglike[:, row]
            high = joint.max(axis=1)
            total = high + np.log(np.exp(joint - high[:, None]).sum(axis=1))
            outer = posterior.upper[units.group, h]
            weight = outer * units.weight * units.group_weight[units.group]
            first = int(row[0])
            inner = mappings[first].inner_theta(theta[self.mapping.places[first]])
            probe = self._probe(h)
            span = slice(*_span(self.assembly_of_template.dimensions, self._lower))
            full = mappings[first].places_of(theta[self.mapping.places[first]])
            for m, candidate in enumerate(candidates):
                full[span] = candidate
                value = probe.loglike(probe.mapping.assembled(inner, full))
                out[m] += float(weight @ np.expm1(np.minimum(value - total, 500.0)))
        return out

    def _probe(self, h: int):
        """A component with its mass point anywhere, in an upper class."""
        problem, lower = self.assembly_of_template, self._lower
        q = problem.dimensions[lower]
        anywhere = LocatedLevel(lower, tuple(f"e{r}" for r in range(q)), np.zeros(q), True)
        levels = [anywhere, *self.mapping.mappings[h * self.n_classes].levels[1:]]
        mapping = LocatedMapping(self.template.mapping, problem, levels)
        kind = PlainComponent if all(empty_levels(self._located)) else ClusterComponent
        return kind(self._located, mapping, self.n_threads)

    def steepest(self, theta) -> tuple[np.ndarray, float]:
        """Where a new mass point would raise the log-likelihood most, and the derivative there."""
        at, shares = self.places(theta), self.mass_shares(theta)
        # what runs to infinity says nothing of where the others are
        near = np.where(np.abs(at) < RUNS, at, 0.0)
        mean = shares @ near
        spread = np.sqrt(np.maximum(shares @ (near - mean) ** 2, 1e-12))
        q = at.shape[1]
        points = GRID[min(q, 3) - 1]
        axis = np.linspace(-RANGE, RANGE, points)
        if q <= 2:
            grid = np.stack(np.meshgrid(*[axis] * q, indexing="ij"), axis=-1).reshape(-1, q)
        else:
            grid = np.random.default_rng(0).normal(scale=RANGE / 3.0, size=(500, q))
        candidates = mean + grid * spread
        values = self.gateaux(theta, candidates)
        best = candidates[int(np.argmax(values))]
        outcome = minimize(
            lambda e: -float(self.gateaux(theta, e[None])[0]), best, method="Nelder-Mead",
            options={"xatol": 1e-6 * float(spread.max()), "fatol": 1e-9, "maxfev": 80 * q},
        )  # fmt: skip
        if -outcome.fun > values.max():
            return outcome.x, float(-outcome.fun)
        return best, float(values.max())

    def at_infinity(self, theta, level: int | None = None) -> np.ndarray:
        """Which mass points of a level run to infinity."""
        return np.abs(self.places(theta, level)).max(axis=1) > RUNS

    def mass_shares(self, theta, level: int | None = None) -> np.ndarray:
        """Probabilities of the mass points of a level; default the lowest that has any."""
        at, below = self.mapping.class_places, self.n_classes - 1
        lower = level is None or level == self._lower
        own = at[:below] if lower else at[below:]
        logits = np.concatenate([[0.0], np.asarray(theta)[own]])
        share = np.exp(logits - logits.max())
        return share / share.sum()

    def with_one_more(self, theta, place: np.ndarray) -> tuple[NPML, np.ndarray]:
        """The model with another mass point, and starting values."""
        names = self.template.level_names
        number = {**self.n_masses, names[self._lower]: self.n_classes + 1}
        other = NPML(self.template, number, self.npml_levels, self.n_nodes)
        theta, places = np.asarray(theta, dtype=float), {}
        places[self._lower] = np.vstack([self.places(theta), place])
        if self._upper in self.plan.masses:
            places[self._upper] = self.places(theta, self._upper)
        at = self.mapping.class_places
        share = self.mass_shares(theta)
        new = np.log(NEW / (1.0 - NEW) / share[0])
        logits = np.concatenate(
            [theta[at[: self.n_classes - 1]], [new], theta[at[self.n_classes - 1 :]]]
        )
        inner = self.mapping.mappings[0].inner_theta(theta[self.mapping.places[0]])
        return other, other.theta_with(inner, places, logits)

    @property
    def n_observations(self) -> float:
        return self.template.n_observations

    @property
    def cluster_counts(self) -> dict[str, int]:
        """Number of clusters of each level, from the top level down."""
        return self.template.cluster_counts

    def _rules(self) -> Quadrature:
        component = self.likelihood.components[0]
        if isinstance(component, ClusterComponent):
            return component.quadrature
        rules = super()._rules().rules[0]
        return Quadrature("mode", (rules * len(self.level_names),))


def _spread(mapping, theta: np.ndarray, level: int) -> np.ndarray:
    """Cholesky factor of a level's covariance matrix, of moderate size where it is zero."""
    root = mapping.factor(theta, level)
    size = np.abs(np.diag(root))
    return root if size.min() > 1e-3 else root + np.diag(np.where(size > 1e-3, 0.0, 0.5))


def _span(dimensions, level: int) -> tuple[int, int]:
    first = int(sum(dimensions[:level]))
    return first, first + dimensions[level]


def _in_span(effect: np.ndarray, columns: list[np.ndarray]) -> bool:
    """Whether a column is a linear combination of others."""
    if not columns or not np.any(effect):
        return False
    table = np.column_stack(columns)
    found = np.linalg.lstsq(table, effect, rcond=None)[0]
    return bool(np.abs(table @ found - effect).max() < 1e-8 * np.abs(effect).max())
