"""The one door to the kernel: place the nodes, evaluate, look at the posterior.

Work is cut into chunks of top-level clusters whose borders depend on the data alone. Threads take
chunks; sums run over chunks in order. So a result does not depend on the number of threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, lru_cache
from math import prod

import numpy as np

from sm_gllamm.engine.dispatch import Kernel, Rule
from sm_gllamm.engine.patterns import code_patterns, row_patterns
from sm_gllamm.engine.problem import Evaluation, Posterior, Problem
from sm_gllamm.engine.rules import TRAPEZOID_DEPTH, LevelRule, nodes_of

__all__ = ["Integrator"]

#: Row-nodes in a chunk: large enough that starting a thread's task is negligible.
CHUNK = 200_000
MAX_CHUNKS = 64
#: Row-nodes below which starting threads costs more than it gains.
THREADED_WORK = 1_000_000
#: Share of the clusters from which on all predictors are set, as scattered rows take longer.
FEW = 0.05
MODE_ITERATIONS = 200
MODE_TOLERANCE = 1e-16
#: With one node the log-likelihood has a first-order error in the mode, which differences would amplify.
LAPLACE_MODE_TOLERANCE = 1e-24
#: Posterior-moment placement: passes, and the change of the log-likelihood that ends them.
MOMENT_PASSES = 50
MOMENT_TOLERANCE = 1e-9


@lru_cache(maxsize=256)
def _kernel_rule(rules: tuple[LevelRule, ...], dimensions: tuple[int, ...]) -> Rule:
    """The kernel's form of one rule a level; immutable, so it is shared."""
    return Rule([nodes_of(rule, q) for rule, q in zip(rules, dimensions, strict=True)])


def _symmetric(lower: np.ndarray) -> np.ndarray:
    """A symmetric matrix of its lower triangle, which the kernel fills."""
    lower += lower.T
    lower.flat[:: len(lower) + 1] *= 0.5
    return lower


def _most_threads() -> float:
    """What OMP_NUM_THREADS allows: its first number, as it may be a list of them by depth."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else float("inf")


class Integrator:
    """Marginal log-likelihood of a :class:`Problem` for given values of the active entries of Phi.

    Parameters
    ----------
    problem : Problem
    n_threads : int or None
        None: all processors where the work is worth it.

    Notes
    -----
    State is the placement of the nodes: :meth:`adapt` renews it, :meth:`evaluate` uses it. Between
    the two calls the derivative of :meth:`evaluate`'s log-likelihood, nodes held fixed, is exact.
    """

    def __init__(self, problem: Problem, n_threads: int | None = None):
        self.problem = problem
        self.n_threads = n_threads
        if problem.row_code is None:
            pattern, entries = row_patterns(problem.design, problem.active_column)
        else:
            pattern = problem.row_code
            entries = code_patterns(problem.code_table, problem.active_column)
        self.kernel = Kernel(
            problem.family, problem.y, problem.trials, problem.constant, problem.row_weight,
            problem.design, problem.offset, problem.active_column, problem.active_channel,
            problem.cluster_offsets, problem.cluster_weights, problem.dimensions, problem.n_slots,
            problem.slot_channel, problem.slot_base, problem.n_constants, problem.set_size,
            problem.entry, problem.link, problem.part, problem.products,
            pattern, entries, problem.code_table, problem.column_source,
        )  # fmt: skip
        self._rows = problem.rows_of_top
        self._row_edges = np.concatenate([[0], np.cumsum(self._rows)])
        self._allocate()
        self.placement_rule = "mode"
        #: whether the nodes stand where the predictors in force want them
        self.placed = False
        self.rules: list[tuple[LevelRule, ...]] = []
        self._placements = 0
        #: whether a rule has a single node, and whether one needs to know where the posterior ends
        self._single = self._bracketed = False
        #: active entries whose predictors are in force in all rows
        self._phi: np.ndarray | None = None
        # one node until rules are set: product rules of many dimensions are larger than any memory
        self.set_rules([tuple(LevelRule("hermite", 1) for _ in problem.dimensions)])

    # ------------------------------------------------------------ rules
    def set_rules(self, rules: list[tuple[LevelRule, ...]], assignment: np.ndarray | None = None):
        """Rules (one LevelRule a level, lowest first) and which of them each top cluster uses."""
        same = self.placed and self._placed_by_modes
        self.rules = rules
        in_use = [rule for levels in rules for rule in levels]
        self._single = any(rule.points == 1 for rule in in_use)
        self._bracketed = any(rule.kind == "trapezoid" for rule in in_use)
        self.placed = same and self._placed_by_modes
        self._sparse = [any(rule.kind == "sparse" for rule in levels) for levels in rules]
        if assignment is None:
            assignment = np.zeros(self.problem.n_top, dtype=np.intp)
        elif (
            assignment.shape != (self.problem.n_top,)
            or assignment.min() < 0
            or assignment.max() >= len(rules)
        ):
            raise ValueError("every top-level cluster needs the number of one of the rules")
        self.assignment = assignment
        self._kernel_rules = [_kernel_rule(rule, self.problem.dimensions) for rule in rules]
        self._chunks = []
        self._work = 0.0
        self._everything = True
        for g, kernel_rule in enumerate(self._kernel_rules):
            clusters = np.flatnonzero(assignment == g).astype(np.intp)
            if len(clusters) == 0:
                continue
            nodes = float(prod(kernel_rule.counts))
            total = float(self._rows[clusters].sum()) * nodes
            self._work += total
            n_chunks = int(min(MAX_CHUNKS, max(1, total // CHUNK)))
            if n_chunks == 1:
                self._chunks.append((g, clusters))
                continue
            work = np.cumsum(self._rows[clusters]) * nodes
            edges = np.searchsorted(work, work[-1] * np.arange(1, n_chunks) / n_chunks)
            for chunk in np.split(clusters, edges):
                if len(chunk):
                    self._chunks.append((g, np.ascontiguousarray(chunk)))

    @property
    def n_nodes(self) -> float:
        """Nodes a row is evaluated at, averaged over top-level clusters."""
        counts = np.array([float(prod(rule.counts)) for rule in self._kernel_rules])
        return float(counts[self.assignment].mean())

    def _map(self, task, chunks=None):
        """Results of task(group, clusters) for all chunks, in order."""
        chunks = self._chunks if chunks is None else chunks
        if len(chunks) == 1:
            return [task(*chunks[0])]
        threads = self.n_threads
        if threads is None and self._work < THREADED_WORK:
            threads = 1
        if threads is None:
            threads = (
                len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
            )
            threads = int(min(threads or 1, _most_threads()))
        threads = min(threads, len(chunks))
        if threads <= 1:
            return [task(*chunk) for chunk in chunks]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda chunk: task(*chunk), chunks))

    @contextmanager
    def only(self, chosen: np.ndarray):
        """Only these top-level clusters, a boolean array, are looked at within the context."""
        everything, self._everything = self._chunks, False
        placed, latest = self.placed, self._placements
        parts = [(g, clusters[chosen[clusters]]) for g, clusters in everything]
        self._chunks = [(g, clusters) for g, clusters in parts if len(clusters)]
        try:
            yield
        finally:
            self._chunks, self._everything = everything, True
            # others may have been left behind
            self.placed = placed and latest == self._placements

    def spread(self, n_clusters: int) -> np.ndarray:
        """Some top-level clusters spread over the data, as a boolean array; all if they are no more."""
        n = self.problem.n_top
        if n <= n_clusters:
            return np.ones(n, dtype=bool)
        chosen = np.zeros(n, dtype=bool)
        chosen[np.linspace(0, n - 1, min(n, n_clusters)).astype(np.intp)] = True
        return chosen

    # ------------------------------------------------------------ predictors and placement
    def _allocate(self):
        """Arrays of modes and placements, one tuple a level."""
        self._placement = self._new_placement()
        self._modes = [
            (np.zeros_like(centre), np.zeros_like(scale), np.zeros_like(shift),
             np.zeros_like(centre), np.zeros_like(centre))
            for centre, scale, _, shift in self._placement
        ]  # fmt: skip

    def _new_placement(self):
        """Nodes centred at zero with unit scale: centre, scale, log determinant, shift of each level."""
        placement = []
        above = sum(self.problem.dimensions)
        for q, offsets in zip(self.problem.dimensions, self.problem.cluster_offsets, strict=True):
            above -= q
            j = len(offsets) - 1
            placement.append(
                (
                    np.zeros((j, q)),
                    np.tile(np.eye(q), (j, 1, 1)),
                    np.zeros(j),
                    np.zeros((j, q, above)),
                )
            )
        return placement

    def set_phi(self, phi: np.ndarray):
        """Put values of the active entries in force; the nodes stay where they are."""
        phi = np.ascontiguousarray(phi, dtype=float)
        self.placed = False
        self._placements += 1
        if self._phi is not None and np.array_equal(self._phi, phi):
            return
        self._phi = None
        looked_at = sum(len(clusters) for _, clusters in self._chunks)
        if not self._everything and looked_at < FEW * self.problem.n_top:
            self._map(lambda g, clusters: self._set_rows(phi, clusters))
            return
        if len(self._chunks) == 1:
            self.kernel.set_predictors(phi, 0, len(self.problem.y))
            self._phi = phi.copy()
            return
        # rows in their order, whatever the rules of their clusters
        edges = np.linspace(0, len(self.problem.y), max(1, len(self._chunks)) + 1).astype(np.intp)
        self._map(
            lambda first, last: self.kernel.set_predictors(phi, first, last),
            list(zip(edges[:-1], edges[1:], strict=True)),
        )
        self._phi = phi.copy()

    def _set_rows(self, phi, clusters):
        """Predictors of the rows of some clusters; consecutive ones at a time."""
        if clusters[-1] - clusters[0] + 1 == len(clusters):
            edges = self._row_edges
            self.kernel.set_predictors(phi, edges[clusters[0]], edges[clusters[-1] + 1])
            return
        breaks = np.flatnonzero(np.diff(clusters) != 1) + 1
        for run in np.split(clusters, breaks):
            self.kernel.set_predictors(phi, self._row_edges[run[0]], self._row_edges[run[-1] + 1])

    def reset_modes(self):
        """Start the next search for modes at zero."""
        self.placed = False
        for mode, *_ in self._modes:
            mode[:] = 0.0

    def adapt(self) -> int:
        """Place the nodes for the predictors in force; returns the number of clusters without a mode."""
        tolerance = LAPLACE_MODE_TOLERANCE if self._single else MODE_TOLERANCE
        failed = self._find_modes(tolerance)
        if failed:
            # far from the last ones, as after a change of signs: from zero it is a short way
            self.reset_modes()
            failed = self._find_modes(tolerance)
        if self.placement_rule == "meansd":
            self._adapt_to_moments()
        if self._bracketed:
            self._map(self._bracket)
        self.placed = True
        return failed

    @property
    def _placed_by_modes(self) -> bool:
        """Whether the nodes of the rules in force stand where those of any such rules would."""
        return self.placement_rule == "mode" and not (self._single or self._bracketed)

    def _find_modes(self, tolerance: float) -> int:
        return sum(
            self._map(
                lambda g, clusters: self.kernel.find_modes(
                    clusters, self._modes, self._placement, MODE_ITERATIONS, tolerance
                )
            )
        )

    def _bracket(self, g, clusters):
        if self.rules[g][0].kind == "trapezoid":
            self.kernel.bracket(clusters, self._placement, TRAPEZOID_DEPTH)

    def _adapt_to_moments(self):
        """Centre and scale from posterior means and covariances, iterated from the modes.

        The scale may shrink by a factor 0.4 a pass at most: a pass that sees a single node with all
        the weight would collapse onto it (Poisson clusters with large counts).
        """
        previous = np.inf
        for _ in range(MOMENT_PASSES):
            value = self.evaluate(0).loglike.sum()
            if abs(value - previous) < MOMENT_TOLERANCE * (1.0 + abs(value)):
                return
            previous = value
            moments, _ = self._moments()
            for level, (mean, _, residual, residual2) in enumerate(moments):
                centre, scale, log_det, _ = self._placement[level]
                covariance = residual2 - residual[:, :, None] * residual[:, None, :]
                old = scale @ np.swapaxes(scale, 1, 2)
                floor = 0.16 * np.einsum("jqq->jq", old)
                diagonal = np.einsum("jqq->jq", covariance)
                grow = np.sqrt(np.maximum(1.0, floor / np.maximum(diagonal, 1e-300)))
                covariance = np.where(
                    (diagonal > 1e-12 * floor).all(1)[:, None, None],
                    covariance * grow[:, :, None] * grow[:, None, :],
                    0.16 * old,
                )
                scale[:] = np.linalg.cholesky(covariance)
                log_det[:] = np.log(np.einsum("jqq->jq", scale)).sum(1)
                centre[:] = mean

    # ------------------------------------------------------------ evaluation
    def evaluate(self, want: int, by_cluster: bool = True) -> Evaluation:
        """Log-likelihood (`want` = 0), score (1) and Hessian (2), nodes held fixed.

        Without `by_cluster` the score is the sum over clusters, shape (1, n_active): a million clusters
        need not be written down.
        """
        problem, placement = self.problem, self._placement
        na = len(problem.active_column)
        value = np.zeros(problem.n_top)
        score = np.zeros((problem.n_top if by_cluster else 1, na)) if want >= 1 else None

        def task(g, clusters):
            # consecutive clusters write straight into the result
            one_run = clusters[-1] - clusters[0] + 1 == len(clusters)
            where = slice(clusters[0], clusters[-1] + 1) if one_run else clusters
            its_value, its_score = value[where], None
            if want >= 1:
                its_score = score[where] if by_cluster else np.zeros((1, na))
            its_hessian = np.zeros((na, na)) if want >= 2 else None
            rule, summed = self._kernel_rules[g], not by_cluster
            self.kernel.evaluate(
                clusters, rule, placement, want, its_value, its_score, its_hessian, summed
            )
            if self._sparse[g] and not np.isfinite(its_value).all():
                self._repair(clusters, placement, want, its_value, its_score, its_hessian, summed)
            if not one_run:
                value[where] = its_value
                if its_score is not None and by_cluster:
                    score[where] = its_score
            return its_score, its_hessian

        results = self._map(task)
        hessian = sum(h for _, h in results) if want >= 2 else None
        weight = problem.cluster_weights[-1]
        if weight is not None:
            value *= weight
        if score is not None and not by_cluster:
            score += sum(its_score for its_score, _ in results)
        elif score is not None and weight is not None:
            score *= weight[:, None]
        return Evaluation(value, score, None if hessian is None else _symmetric(hessian))

    def evaluate_at_zero(self, phi: np.ndarray, want: int, weight=None) -> Evaluation:
        """The same with every latent variable at zero, the score summed over clusters, shape (1, n_active);
        needs no placement and leaves it alone. Top-level clusters may have further weights."""
        self.set_phi(phi)
        n, na = len(self.problem.y), len(self.problem.active_column)
        value, score, hessian = np.zeros(n), np.zeros(na), np.zeros((na, na))
        multiplier = self._multiplier
        if weight is not None:
            multiplier = multiplier * np.repeat(weight, self._rows)
        self.kernel.pooled(multiplier, want, value, score, hessian)
        value *= multiplier
        return Evaluation(
            np.add.reduceat(value, self._row_edges[:-1]),
            score[None] if want >= 1 else None,
            _symmetric(hessian) if want >= 2 else None,
        )

    @cached_property
    def _multiplier(self) -> np.ndarray:
        """Product of the weights of a row's clusters of all levels, shape (n,)."""
        out = np.ones(len(self.problem.y))
        edges = np.arange(len(out) + 1)
        for offsets, weight in zip(
            self.problem.cluster_offsets, self.problem.cluster_weights, strict=True
        ):
            edges = edges[offsets]
            if weight is not None:
                out *= np.repeat(weight, np.diff(edges))
        return out

    def _repair(self, clusters, placement, want, value, score, hessian, summed):
        """Product rule for clusters whose sparse grid (weights of both signs) gave no positive integral."""
        bad = np.flatnonzero(~np.isfinite(value))
        which = np.ascontiguousarray(clusters[bad])
        dimensions = self.problem.dimensions
        product = _kernel_rule((LevelRule("hermite", 5),) * len(dimensions), dimensions)
        repaired = np.empty(len(bad))
        its_score = score
        if score is not None and not summed:
            its_score = np.empty((len(bad), score.shape[1]))
        self.kernel.evaluate(which, product, placement, want, repaired, its_score, hessian, summed)
        value[bad] = repaired
        if score is not None and not summed:
            score[bad] = its_score

    def _moments(self, link=None, shift=None, slope=None):
        moments = [
            (np.zeros(c.shape), np.zeros(s.shape), np.zeros(c.shape), np.zeros(s.shape))
            for c, s, _, _ in self._placement
        ]
        n = len(self.problem.y)
        rows = tuple(np.zeros(n) for _ in range(3))
        if link is None:
            link = np.zeros(n, dtype=np.intc)
        self._map(
            lambda g, clusters: self.kernel.posterior(
                clusters, self._kernel_rules[g], self._placement, moments, rows, link, shift, slope
            )
        )
        return moments, rows

    def posterior(self, link=None, shift=None, slope=None) -> Posterior:
        """Posterior moments given the predictors and nodes in force.

        Parameters
        ----------
        link : ndarray of intc, shape (n,), optional
            Code of the inverse link whose posterior mean is wanted, by row; default identity.
        shift, slope : ndarray, shape (n,), optional
            The inverse link is taken of shift + slope nu; default of nu.
        """
        moments, (nu, nu2, response) = self._moments(link, shift, slope)
        mean = tuple(m[0] for m in moments)
        covariance = tuple(m[1] - m[0][:, :, None] * m[0][:, None, :] for m in moments)
        return Posterior(mean, covariance, nu, np.maximum(nu2 - nu**2, 0.0), response)

    def modes(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Joint modes (J, q) and covariances from their curvature (J, q, q), given the levels above."""
        result = []
        for mode, factor, *_ in self._modes:
            inverse = np.linalg.inv(factor)
            result.append((mode.copy(), np.swapaxes(inverse, 1, 2) @ inverse))
        return tuple(result)
