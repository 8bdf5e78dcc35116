"""From a table of parameters to the equations that the engine integrates over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.polynomials import Monomial
from sm_gllamm.mapping.sem_internal import Component, InternalParameters
from sm_gllamm.mapping.sem_structure import GroupSystem, Predictor, SemMapping
from sm_gllamm.mapping.structural import LatentEquation, Path
from sm_gllamm.models.sem_blocks import parameter_names
from sm_gllamm.models.sem_nodes import GroupNodes, Node, equation
from sm_gllamm.models.sem_responses import SemResponse
from sm_gllamm.specification.lavaan_table import LavaanTable, Row

__all__ = ["Translation"]

ONE = Monomial(1.0)
#: Whether residuals with these names are observed in some rows of a group: the patterns that occur.
Patterns = Callable[[int, Sequence[str]], list[tuple[bool, ...]]]


class Translation:
    """Equations, covariance matrices and predictors of a model.

    Parameters
    ----------
    table : LavaanTable
    responses : dict of str to SemResponse
        Modelled observed variables.
    patterns : callable
        See :data:`Patterns`.

    Attributes
    ----------
    names : list of str
        Of all parameters: those of the table, then dispersions of responses.
    covariates : list of str
        Observed variables, and products ``"x:z"`` of them, that predict.
    covariate_levels : dict of str to int
        Highest level at which each predicts.
    codes : dict of (group, variable, names of the residuals given) to int
    extras : list of (name, group, variable, slot)
        Dispersions that the table does not have.
    """

    def __init__(
        self, table: LavaanTable, responses: Mapping[str, SemResponse], patterns: Patterns
    ):
        self.table, self.responses = table, responses
        self.n_levels, self.n_groups = len(table.levels), len(table.groups)
        self.names = parameter_names(table)
        self.covariates: list[str] = []
        self.covariate_levels: dict[str, int] = {}
        self.codes: dict[tuple[int, str, tuple[str, ...]], int] = {}
        self.extras: list[tuple[str, int, str, str]] = []
        self._predicting: set[str] = set()
        #: residual variances of ordered responses that are not those of their link, by group and equation:
        #: parameter or None, value, and variance of the link
        self._scales: dict[tuple[int, str], tuple[int | None, float, float]] = {}
        #: nodes with a disturbance, by group
        self._vary: set[tuple[int, Node]] = set()
        self._before: dict[tuple[int, str], tuple[str, ...]] = {}
        self._components: list[Component] = []
        self._residuals: set[int] = set()
        self._plain: set[int] = set()
        self._positive: set[int] = set()
        self._groups: list[GroupSystem] = []
        #: Predictor, or what is known of it before the parameters' internal form
        self._pending: list[tuple] = []
        self._refuse_scales()
        self.nodes = [GroupNodes(table, g) for g in range(self.n_groups)]
        for g in range(self.n_groups):
            self.nodes[g].check_circles()
            self._groups.append(self._system(g))
            self._add_responses(g, patterns)

    def mapping(self, latent: bool = False) -> SemMapping:
        """The mapping of the model's parameters.

        Parameters
        ----------
        latent : bool
            Whether there are codes, behind those of responses, for all latent variables; see `latent_codes`.
        """
        internal = InternalParameters(
            self.names, self._components, self._residuals, self._plain, self._positive
        )
        predictors = [self._finished(internal, one) for one in self._pending]
        if latent:
            predictors += [Predictor(g, equation(node)) for g, node in self.latent_nodes]
        scaled = [k for (_, name, _), k in self.codes.items() if not self.responses[name].normal]
        return SemMapping(internal, self._groups, predictors, self.n_levels, scaled)

    @property
    def latent_nodes(self) -> list[tuple[int, Node]]:
        """Latent variables of all groups, random coefficients and parts with a variance among them."""
        return [
            (g, node)
            for g, nodes in enumerate(self.nodes)
            for node in (*nodes.latent, *(part for part in nodes.parts if (g, part) in self._vary))
        ]

    def latent_code(self, group: int, node: Node) -> int:
        """Code of rows whose predictor is a latent variable, in ``mapping(latent=True)``."""
        return len(self._pending) + self.latent_nodes.index((group, node))

    def before(self, g: int, name: str) -> tuple[str, ...]:
        """Responses before one in a component of residuals that covary."""
        return self._before.get((g, name), ())

    def order(self, g: int) -> list[str]:
        """Responses of a group, each behind those that it depends on."""
        return self.nodes[g].order(lambda name: self.before(g, name))

    def groups_with(self, name: str) -> list[int]:
        """Groups in which a variable is a response."""
        return [g for g, nodes in enumerate(self.nodes) if name in nodes.home]

    @property
    def predicting(self) -> set[str]:
        """Observed variables, and products, that the text lets predict."""
        return self._predicting

    def _refuse_scales(self) -> None:
        """Scales of ordered responses are those of their links."""
        for row in self.table.rows:
            if row.op == "~*~" and (row.free or row.ustart != 1.0):
                raise SpecificationError(
                    f"{row.lhs} ~*~ {row.rhs}: scales of ordered responses (the delta parametrisation) are "
                    f"not available; free the residual variance instead, {row.lhs} ~~ NA*{row.lhs}, in "
                    f"groups or at occasions whose thresholds are equal to those of others"
                )

    # ------------------------------------------------------------ equations
    def _value(self, row: Row) -> Monomial:
        """A loading, path, intercept or threshold."""
        if row.free:
            k = int(self.table.distinct[row.free - 1])
            self._plain.add(k)
            return Monomial(1.0, (k,))
        return Monomial(float(row.ustart or 0.0))

    def covariate(self, name: str, level: int) -> int:
        """Number of an observed variable that predicts."""
        if name not in self.covariates:
            self.covariates.append(name)
        self.covariate_levels[name] = max(level, self.covariate_levels.get(name, 0))
        return self.covariates.index(name)

    def _terms(self, g: int, level: int, row: Row) -> list[Path]:
        """What a row adds to the equation of its target."""
        value = self._value(row) if not row.rv else ONE
        label = f"{row.lhs} {row.op} {row.rhs}"
        if not row.rv and not row.free and not row.ustart:
            return []
        random = (equation(self.nodes[g].coefficient(level, row.rv)),) if row.rv else ()
        if row.op == "~1":
            return [Path(label, (), None, value)]
        if row.op == "=~":
            return [Path(label, (*random, equation((level, row.lhs))), None, value)]
        latent, observed = self.nodes[g].factors(level, row.rhs)
        covariate = self.covariate(":".join(observed), level) if observed else None
        self._predicting |= {":".join(observed)} if observed else set()
        out = [Path(label, (*random, *map(equation, latent)), covariate, value)]
        for part in self._centres(g, level, latent, observed):
            less = Monomial(-1.0) * value
            out.append(Path(label, (*random, equation(part)), None, less))
        return out

    def _centres(self, g: int, level: int, latent, observed) -> list[Node]:
        """Parts at levels above of a normal response that predicts at its own level: its mean there."""
        if len(observed) != 1 or latent:
            return []
        name, nodes = observed[0], self.nodes[g]
        if nodes.home.get(name) != level or not self.responses[name].normal:
            return []
        return [node for node in nodes.parts if node[1] == name]

    def _system(self, g: int) -> GroupSystem:
        nodes = self.nodes[g]
        terms: dict[Node, list[Path]] = {}
        for level in range(self.n_levels):
            for row in self.nodes[g].rows(level):
                if row.op not in ("=~", "~", "~1") or row.exo:
                    continue
                to = level, row.rhs if row.op == "=~" else row.lhs
                terms.setdefault(to, []).extend(self._terms(g, level, row))
        for name, level in nodes.home.items():
            if self.responses[name].binary:
                less = Monomial(-1.0) * self._thresholds(g, name)[0]
                terms.setdefault((level, name), []).append(Path(f"{name} | t1", (), None, less))
        for level, name in nodes.parts:
            # what a response has at a level above is part of its predictor
            home = nodes.home[name], name
            path = Path(f"{name} at level {level + 1}", (equation((level, name)),), None, ONE)
            terms.setdefault(home, []).append(path)
        disturbances = []
        disturbed: set[Node] = set()
        self._with_residuals: list[tuple[Component, Component | None, list[str]]] = []
        for level in range(self.n_levels):
            for component, latent, residuals in self._covariances(g, level):
                if component is not None:
                    members = [(level, name) for name in latent]
                    disturbed |= set(members)
                    self._vary |= {(g, node) for node in members}
                    disturbances.append((level, component, tuple(map(equation, members))))
                    self._components.append(component)
                if residuals is not None:
                    self._with_residuals.append((residuals, component, latent))
        order = [*nodes.latent, *nodes.parts, *((level, n) for n, level in nodes.home.items())]
        equations = [
            LatentEquation(
                equation(node), node[0], (), tuple(terms.get(node, ())), node in disturbed
            )
            for node in order
        ]
        return GroupSystem(tuple(equations), tuple(disturbances))

    def _covariances(self, g: int, level: int):
        """Components of the covariance matrix of a level.

        Yields
        ------
        component : Component or None
            Of latent variables and parts.
        latent : list of str
        residuals : Component or None
            The same with residuals of normal responses that covary with these or with each other.
        """
        nodes = self.nodes[g]
        latent = [n for at, n in (*nodes.latent, *nodes.parts) if at == level]
        observed = [n for n, at in nodes.home.items() if at == level]
        names = [*latent, *observed]
        place = {name: k for k, name in enumerate(names)}
        values, index = np.zeros((len(names),) * 2), np.full((len(names),) * 2, -1)
        for row in self.nodes[g].rows(level):
            if row.op != "~~" or row.exo:
                continue
            i, j = place[row.lhs], place[row.rhs]
            if row.free:
                index[i, j] = index[j, i] = int(self.table.distinct[row.free - 1])
            else:
                values[i, j] = values[j, i] = float(row.ustart or 0.0)
            if i != j and (row.free or row.ustart):
                self._check_covariance(row, latent)
        linked = (index >= 0) | (values != 0.0)
        exists = np.diag(linked)
        for k, name in enumerate(latent):
            others = np.flatnonzero(linked[k])
            if not exists[k] and len(others):
                raise SpecificationError(
                    f"{name!r} has a variance of zero, so that it cannot covary with "
                    f"{names[others[0]]!r}; leave the covariance or the variance out of the model"
                )
        left = [k for k in range(len(names)) if exists[k]]
        while left:
            group = {left[0]}
            while more := {int(j) for k in group for j in np.flatnonzero(linked[k])} - group:
                group |= more
            left = [k for k in left if k not in group]
            own = sorted(group)
            inner = [k for k in own if k < len(latent)]
            component = _component(names, values, index, inner, len(inner)) if inner else None
            residuals = None
            if len(own) > max(len(inner), 1):
                residuals = _component(names, values, index, own, len(inner))
            if component is not None or residuals is not None:
                yield component, [names[k] for k in inner], residuals

    def _check_covariance(self, row: Row, latent: list[str]) -> None:
        """Only normal responses have residuals that may covary."""
        for name, other in ((row.lhs, row.rhs), (row.rhs, row.lhs)):
            if name not in latent and not self.responses[name].normal:
                raise SpecificationError(
                    f"{row.lhs} ~~ {row.rhs}: the residual of {name!r} ({self.responses[name].title}) cannot "
                    f"covary: given the latent variables its responses are independent. Give {name!r} and "
                    f"{other!r} a latent variable in common, such as 'd =~ 1*{name} + 1*{other}' with "
                    "'d ~~ 0*f' for the factors f of the model: its variance is the covariance"
                )

    # ------------------------------------------------------------ responses
    def _add_responses(self, g: int, patterns: Patterns) -> None:
        """Codes of the responses of a group."""
        nodes = self.nodes[g]
        in_component = {
            (component.names[k], component.n_latent): (component, latents)
            for component, latents, _ in self._with_residuals
            for k in range(component.n_latent, component.q)
        }
        covarying = {name: found for (name, _), found in in_component.items()}
        for name, level in nodes.home.items():
            slots = self._slots(g, level, name)
            if name not in covarying:
                self._add_code(g, name, (), slots, None, None, level)
                continue
            component, latents = covarying[name]
            members = list(component.names[component.n_latent :])
            before = members[: members.index(name)]
            self._before[g, name] = tuple(before)
            for seen in patterns(g, [*before, name]):
                if not seen[-1]:
                    continue
                given = tuple(n for n, there in zip(before, seen, strict=False) if there)
                own = [*component.names[: component.n_latent], *given, name]
                at = [component.names.index(n) for n in own]
                part = _component(
                    component.names, component.values, component.index, at, component.n_latent
                )
                self._components.append(part)
                self._add_code(g, name, given, slots, part, latents, level)

    def _add_code(self, g, name, given, slots, component, latents, level) -> None:
        self.codes[g, name, given] = len(self._pending)
        numbers = tuple((self.covariate(n, 0), equation((level, n))) for n in given)
        self._pending.append((g, equation((level, name)), slots, component, latents, numbers))

    def _finished(self, internal: InternalParameters, pending: tuple) -> Predictor:
        """A predictor with its slots in internal parameters."""
        g, name, slots, component, latents, given = pending
        if component is not None and component.n_latent + len(given) < component.q:
            last = component.q - 1
            slots = (internal.factor_entries(component)[last, last],)
        else:
            slots = tuple(
                internal.log_sd(s.parameters[0] if s.parameters else None, s.coefficient)
                if kind == "variance"
                else s
                for kind, s in slots
            )
        scale = self._scales.get((g, name))
        if scale is None:
            return Predictor(g, name, slots, component, latents, given)
        parameter, value, known = scale
        size = Monomial(float(np.sqrt(known if parameter is not None else known / value)))
        if parameter is not None:
            size = size * internal.inverse_sd(parameter)
        return Predictor(g, name, slots, component, latents, given, size)

    def _thresholds(self, g: int, name: str) -> list[Monomial]:
        """Thresholds of an ordered response, which stand at the highest level of the variable by default."""
        rows = [row for at in range(self.n_levels) for row in self.nodes[g].rows(at)]
        found = {row.rhs: row for row in rows if row.op == "|" and row.lhs == name}
        return [self._value(found[f"t{k}"]) for k in range(1, len(self.responses[name].labels))]

    def _slots(self, g: int, level: int, name: str) -> tuple[tuple[str, Monomial], ...]:
        """Thresholds or dispersions of a response: of variances what the table says."""
        response = self.responses[name]
        rows = self.nodes[g].rows(level)
        self._check_scale(g, rows, name, response)
        if response.layout == "cumulative":
            return () if response.binary else tuple(("", t) for t in self._thresholds(g, name))
        if response.normal:
            variance = next(row for row in rows if _variance_of(row, name))
            if variance.free:
                k = int(self.table.distinct[variance.free - 1])
                if not self._covaries(rows, name):
                    self._residuals.add(k)
                return (("variance", Monomial(1.0, (k,))),)
            return (("variance", Monomial(float(variance.ustart or 0.0))),)
        out = []
        for slot in response.free_slots:
            suffix = f".g{g + 1}" if g else ""
            self.extras.append((f"{slot.label}({name}){suffix}", g, name, slot.label))
            if slot.published == "exp":
                self._positive.add(len(self.names))
            else:
                self._plain.add(len(self.names))
            out.append(("", Monomial(1.0, (len(self.names),))))
            self.names.append(f"{slot.label}({name}){suffix}")
        return tuple(out)

    def _covaries(self, rows: Sequence[Row], name: str) -> bool:
        return any(
            row.op == "~~" and row.lhs != row.rhs and name in (row.lhs, row.rhs)
            and (row.free or row.ustart)
            for row in rows
        )  # fmt: skip

    def _check_scale(self, g: int, rows: Sequence[Row], name: str, response: SemResponse) -> None:
        """The residual variance of a response is a parameter only where its distribution has one."""
        variance = next((row for row in rows if _variance_of(row, name)), None)
        known = response.residual_variance
        if response.normal:
            assert variance is not None
            if not variance.free and not (variance.ustart or 0.0) > 0.0:
                raise SpecificationError(
                    f"the residual variance of {name!r} is fixed at {variance.ustart or 0.0:g}: with "
                    "quadrature a normal response needs a positive one. A latent variable that it alone "
                    f"measures is {name!r} itself: write {name!r} in its place"
                )
        elif variance is not None and known is not None:
            value = float(variance.ustart or 0.0)
            if not variance.free and abs(value - known) < 1e-8:
                return
            if not self._thresholds_known(g, name, response) or not (variance.free or value > 0.0):
                raise SpecificationError(
                    f"{name} ~~ {name}: the scale of what lies behind {name!r} ({response.title}) is not "
                    f"identified; its residual variance is {known:.4g}, fixed by the link. It may differ in "
                    "groups, or at occasions, whose thresholds are fixed or equal to those of others"
                )
            k = int(self.table.distinct[variance.free - 1]) if variance.free else None
            if k is not None:
                self._plain.add(k)
            home = self.nodes[g].home[name]
            self._scales[g, equation((home, name))] = k, value, known

    def _thresholds_known(self, g: int, name: str, response: SemResponse) -> bool:
        """Whether all thresholds of an ordered response are fixed, or those of other groups or variables."""
        if not response.labels:
            return False
        free = [row for row in self.table.rows if row.op == "|" and row.free]
        counts = np.bincount([self.table.distinct[row.free - 1] for row in free], minlength=1)
        return all(
            counts[self.table.distinct[row.free - 1]] > 1
            for row in free
            if row.lhs == name and row.group == g + 1
        )


def _variance_of(row: Row, name: str) -> bool:
    return row.op == "~~" and row.lhs == row.rhs == name


def _component(names, values, index, own: Sequence[int], n_latent: int) -> Component:
    at = np.ix_(own, own)
    return Component(tuple(names[k] for k in own), values[at], index[at], n_latent)
