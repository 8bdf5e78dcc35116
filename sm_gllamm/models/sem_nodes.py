"""Variables of a structural equation model: where they are latent or responses, what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem_blocks import given_covariates
from sm_gllamm.specification.lavaan_table import LavaanTable, Row

__all__ = ["GroupNodes", "Node", "equation"]

#: Variables: level, from 0, and name.
Node = tuple[int, str]


def equation(node: Node) -> str:
    """Name of the equation of a variable at a level."""
    level, name = node
    return f"{name}|{level}"


class GroupNodes:
    """The variables of a group.

    Parameters
    ----------
    table : LavaanTable
    group : int
        From 0.

    Attributes
    ----------
    latent : dict of Node to None
    home : dict of str to int
        Level at which each modelled observed variable is a response.
    parts : dict of Node to None
        Observed variables at levels above their home, where they are latent.
    """

    def __init__(self, table: LavaanTable, group: int):
        self.table, self.group, self.n_levels = table, group, len(table.levels)
        self.latent: dict[Node, None] = {}
        self.home: dict[str, int] = {}
        self.parts: dict[Node, None] = {}
        for level in range(self.n_levels):
            b = group * self.n_levels + level
            roles = table.roles[b]
            self.latent |= dict.fromkeys((level, name) for name in roles.latent)
            given = given_covariates(table, b)
            for name in roles.observed:
                if name in given:
                    continue
                if name in self.home:
                    self.parts[level, name] = None
                else:
                    self.home[name] = level

    def rows(self, level: int) -> list[Row]:
        """Rows of the table of a level."""
        block = self.group * self.n_levels + level + 1
        return [row for row in self.table.rows if row.block == block]

    def _where(self, node: Node) -> str:
        level, name = node
        return name if self.n_levels == 1 else f"{name} (level {self.table.levels[level]})"

    def _resolve(self, level: int, name: str) -> Node | None:
        """The latent variable that a name stands for at a level; None for an observed value."""
        for above in range(level, self.n_levels):
            if (above, name) in self.latent:
                return above, name
        return (level, name) if (level, name) in self.parts else None

    def factors(self, level: int, name: str) -> tuple[tuple[Node, ...], tuple[str, ...]]:
        """Latent variables and observed ones that a name right of ``~`` is the product of."""
        product = ":" in name and name not in self.home
        latent, observed = [], []
        for part in name.split(":") if product else [name]:
            node = self._resolve(level, part)
            if node is None:
                observed.append(part)
            else:
                latent.append(node)
        return tuple(latent), tuple(observed)

    def coefficient(self, level: int, name: str) -> Node:
        """The random coefficient with a name, at a level above."""
        for above in range(level + 1, self.n_levels):
            if (above, name) in self.latent:
                return above, name
        raise SpecificationError(f"the random coefficient {name!r} varies at no level above")

    def _parents(self, level: int, row: Row) -> list[Node]:
        """Nodes, observed ones at their home, that an equation's term depends on."""
        out: list[Node] = []
        if row.rv:
            out.append(self.coefficient(level, row.rv))
        if row.op == "=~":
            return [*out, (level, row.lhs)]
        latent, observed = self.factors(level, row.rhs)
        return [*out, *latent, *((self.home[n], n) for n in observed if n in self.home)]

    def _parents_of_all(self) -> dict[Node, list[Node]]:
        """What every variable depends on directly."""
        parents: dict[Node, list[Node]] = {}
        for level in range(self.n_levels):
            for row in self.rows(level):
                if row.op in ("=~", "~"):
                    to = level, row.rhs if row.op == "=~" else row.lhs
                    parents.setdefault(to, []).extend(self._parents(level, row))
        for level, name in self.parts:
            parents.setdefault((self.home[name], name), []).append((level, name))
        return parents

    def order(self, before: Callable[[str], Iterable[str]]) -> list[str]:
        """Responses, each behind those that it depends on.

        Parameters
        ----------
        before : callable
            Further responses that a response is to be behind.
        """
        parents = self._parents_of_all()
        out: dict[str, None] = {}
        seen: set[Node] = set()

        def visit(node: Node) -> None:
            if node in seen:
                return
            seen.add(node)
            level, name = node
            own = self.home.get(name) == level
            for parent in parents.get(node, ()):
                visit(parent)
            for other in before(name) if own else ():
                visit((self.home[other], other))
            if own:
                out[name] = None

        for name, level in self.home.items():
            visit((level, name))
        return list(out)

    def check_circles(self) -> None:
        """Refuse variables that depend on themselves.

        Raises
        ------
        SpecificationError
        """
        parents = self._parents_of_all()
        done: set[Node] = set()

        def visit(node: Node, way: tuple[Node, ...]) -> None:
            if node in way:
                circle = " <- ".join(self._where(n) for n in (*way[way.index(node) :], node))
                raise SpecificationError(
                    f"the regressions form a circle, {circle}; models in which variables depend on each "
                    "other both ways are available for continuous responses of one level only"
                )
            if node not in done:
                for parent in parents.get(node, ()):
                    visit(parent, (*way, node))
                done.add(node)

        for node in list(parents):
            visit(node, ())
