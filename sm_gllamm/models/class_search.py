"""How the maximum of a latent class model is looked for: many starts, and probabilities of zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

import numpy as np

from sm_gllamm.estimation.class_em import ClassTable, em_from_random_starts, polished
from sm_gllamm.estimation.mixture_search import Found, climb, search
from sm_gllamm.estimation.newton import Controls
from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.class_boundary import FAR, canonical_logits, zero_probabilities
from sm_gllamm.models.class_refits import RefitMethods
from sm_gllamm.models.class_start import measured_start, upper_start

__all__ = ["SearchMethods"]

#: Units that random starts look at.
START_UNITS = 20_000
#: Runs that are followed to their maximum: those within this of the best, and at most so many.
FOLLOWED, WITHIN = 5, 5.0
#: Runs whose log-likelihoods differ by less go to the same maximum.
SAME = 1e-2
#: The same after these runs of EM were continued.
MERGED = 1e-3
#: A probability of zero that EM raises by this factor or more is not at its maximum.
RISES = 1.0 + 1e-4
#: Probability that it starts anew from, and rounds of that.
RELEASED, ROUNDS = 1e-2, 3
#: Logarithm of a class probability below which coefficients have run away.
NEVER = -20.0
#: What stands for a variance that went to zero.
TINY = 1e-30
#: Fits to simulated responses.
REFIT = Controls(maxiter=200, tol=1e-8)
#: Start of a model with classes on two levels, before the best of them are followed.
SHORT_RUN = Controls(maxiter=4, tol=0.1)


@dataclass(slots=True)
class _Runs:
    """Random starts and which of them were followed.

    Attributes
    ----------
    loglike : ndarray, shape (S,)
        Where the starts ended before any was followed, in their order.
    followed : ndarray of int, shape (S,)
        Number of the maximum that a start was followed to, -1 for none.
    comparable : bool
        Whether these are log-likelihoods of all units.
    """

    loglike: np.ndarray
    followed: np.ndarray
    comparable: bool = True

    def merged(self, ends: ClassTable) -> ClassTable:
        """Ends without those that came to the same log-likelihood as one before."""
        kept: list[int] = []
        number = np.arange(len(ends.loglike))
        for k, value in enumerate(ends.loglike):
            same = [j for j, other in enumerate(kept) if abs(value - ends.loglike[other]) < MERGED]
            number[k] = same[0] if same else len(kept)
            if not same:
                kept.append(k)
        there = self.followed >= 0
        self.followed[there] = number[self.followed[there]]
        return ClassTable(ends.loglike[kept], ends.sizes[kept], ends.shares[kept], ends.order[kept])

    def values(self, maxima) -> tuple[float, ...]:
        """Log-likelihood of every start at its end; NaN where that is not known."""
        maxima = np.append(np.asarray(maxima, dtype=float), np.nan)
        out = np.where(self.comparable, self.loglike, np.nan)
        there = self.followed >= 0
        out[there] = maxima[self.followed[there]]
        return tuple(out.tolist())


def _grouped(loglike: np.ndarray, within: float = WITHIN) -> tuple[list[int], np.ndarray]:
    """Runs to follow, and which of them stands for each run, -1 for none; runs sorted, the best first."""
    chosen: list[int] = []
    followed = np.full(len(loglike), -1)
    for k, value in enumerate(loglike):
        for j, other in enumerate(chosen):
            if abs(value - loglike[other]) < SAME:
                followed[k] = j
                break
        else:
            near = value >= loglike[0] - (within if len(chosen) > 1 else 2 * within)
            if near and len(chosen) < FOLLOWED:
                followed[k] = len(chosen)
                chosen.append(k)
    return chosen, followed


class SearchMethods(RefitMethods):
    """Starts of the search and boundary probabilities; part of
    :class:`sm_gllamm.models.latent_class.LatentClass`."""

    equal: tuple[str, ...]
    _runs: _Runs | None = None

    def _before_fit(self, likelihood) -> None:
        if not any(indicator.template is not None for indicator in self.inputs.indicators):
            cells = np.prod([float(i.n_responses) for i in self.nominal]) - 1.0
            k = self.mapping.k_params - len(self.fixed)
            first = self.assembly.layout.first
            codes = np.column_stack([i.codes[first] for i in self.nominal])
            # some of them tell, most of the time
            for part in (codes[:1000], codes):
                patterns = len(np.unique(part, axis=0))
                if patterns >= self.n_classes:
                    break
            if patterns < self.n_classes and self.n_classes > 1:
                raise SpecificationError(
                    f"{self.n_classes} classes for {patterns} different response patterns: use fewer classes"
                )
            if self.inputs.design.shape[1] == 1 and self.n_upper == 1 and k > cells:
                raise SpecificationError(
                    f"{self.n_classes} classes have {k} parameters, and {len(self.nominal)} indicators have "
                    f"{cells:g} free probabilities of responses: use fewer classes or more indicators"
                )

    # ------------------------------------------------------------ starts
    def _starts(self, likelihood, n_starts: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Ends of runs of EM where indicators are nominal, else memberships at random."""
        self._runs = None
        if self.measured or not self.nominal:
            yield from measured_start(self, likelihood, n_starts, rng)
            return
        chosen = self._em_ends(likelihood, n_starts, rng)
        runs = self._runs
        if self.n_upper == 1:
            for sizes, shares in zip(chosen.sizes, chosen.shares, strict=True):
                yield self._theta_of(sizes, shares)
            return
        # each start has upper classes of its own
        short: list[Found] = []
        assert runs is not None
        for k in range(n_starts):
            at = max(int(runs.followed[k]), 0)
            theta = upper_start(self, self._theta_of(chosen.sizes[at], chosen.shares[at]), rng)
            short.append(climb(likelihood, theta, SHORT_RUN, self._edges, held=self._fixed_mask))
        values = np.array([found.value for found in short])
        order = np.argsort(-values, kind="stable")
        # a few steps do not tell which end is out of reach
        which, followed = _grouped(values[order], np.inf)
        of_start = np.full(n_starts, -1)
        of_start[order] = followed
        self._runs = _Runs(values, of_start)
        for k in which:
            yield short[order[k]].theta

    @property
    def _em_alone(self) -> bool:
        """Whether EM for nominal indicators maximises this very likelihood."""
        plain = self.inputs.design.shape[1] == 1 and self.n_upper == 1
        return plain and bool(self.nominal) and not (self.measured or self.equal or self.fixed)

    def _em_ends(
        self, likelihood, n_starts: int, rng, more: Sequence[np.ndarray] = ()
    ) -> ClassTable:
        """Ends of the runs of EM that are to be followed, with those from given parameters."""
        units = likelihood.units
        weight = units.weight * units.group_weight[units.group]
        members = self._members(self.assembly.layout.first)[0]
        counts = np.array([i.n_responses for i in self.nominal])
        allowed, whole = units.allowed, len(weight) <= START_UNITS
        everybody = members, weight, allowed
        if not whole:
            some = rng.choice(len(weight), START_UNITS, replace=False)
            members, weight = members[some], weight[some]
            allowed = None if allowed is None else allowed[some]
        table = em_from_random_starts(
            members, counts, weight, self.n_classes, n_starts, rng, allowed=allowed
        )
        chosen, followed = _grouped(table.loglike)
        loglike, of_start = np.empty(n_starts), np.empty(n_starts, dtype=int)
        loglike[table.order], of_start[table.order] = table.loglike, followed
        self._runs = _Runs(loglike, of_start, whole and self._em_alone)
        best = ClassTable(
            table.loglike[chosen], table.sizes[chosen], table.shares[chosen], table.order[chosen]
        )
        if self._em_alone:
            best = best.extended(*zip(*map(self._shares_at, more), strict=True)) if more else best
            if not whole:
                members, weight, allowed = everybody
            best = polished(best, members, counts, weight, allowed=allowed)
            best = self._runs.merged(best)
        return best

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
        likelihood, more = self._ready(), tuple(self._drawn_in(theta) for theta in more)
        if self._em_alone:
            # EM tells the best one
            best = self._em_ends(likelihood, n_starts, rng, more)
            at = int(np.argmax(best.loglike))
            starts = [self._theta_of(best.sizes[at], best.shares[at])]
        else:
            starts = [*more, *self._starts(likelihood, n_starts, rng)]

        def run(theta):
            return climb(
                likelihood, theta, REFIT, self._edges, held=self._fixed_mask,
                hopeless=self._hopeless,
            )  # fmt: skip

        def refuse(found: Found) -> bool:
            return bool(self._degenerate(found.theta))

        found, _ = search(map(run, map(self._with_fixed, starts)), refuse)
        if found.outcome.interrupted:
            raise KeyboardInterrupt
        return found

    def _search(self, likelihood, starts, controls, disp: int) -> tuple[Found, tuple[float, ...]]:
        """The best of the maxima above the starts, and where each start ended."""
        self._runs = None

        stop = Event()

        def run(theta, likelihood):
            found = climb(
                likelihood, theta, controls, self._edges, held=self._fixed_mask,
                hopeless=lambda at: stop.is_set() or self._hopeless(at),
            )  # fmt: skip
            return self._released(likelihood, found, controls)

        def refuse(found: Found) -> bool:
            return bool(self._degenerate(found.theta))

        def progress(number, found: Found, best: Found) -> None:
            if disp:
                state = "" if found.outcome.converged else f"  ({found.outcome.reason})"
                what = "start" if self._runs is None else "maximum"
                print(
                    f"{what} {number + 1:3d}  log-likelihood {found.value:.6f}  "
                    f"best {best.value:.6f}{state}"
                )

        runs = self._runs_from(run, starts, likelihood, stop)
        found, values = search(runs, refuse, progress)
        if self._runs is None:
            return found, values
        ends = self._runs.values(values)
        if disp:
            for number, value in enumerate(ends):
                at = self._runs.followed[number]
                where = f"maximum {at + 1}" if at >= 0 else "not followed"
                print(f"start {number + 1:3d}  log-likelihood {value:.6f}  {where}")
        return found, ends

    def _verdict(self, likelihood, found: Found, evaluation, values, settings):
        """With coefficients of the classes that run to infinity: covariates tell a class perfectly."""
        verdict = super()._verdict(likelihood, found, evaluation, values, settings)
        if self.inputs.design.shape[1] == 1 or self.n_upper > 1 or self.n_classes == 1:
            return verdict
        logs = likelihood.logits.log_probabilities(found.theta)
        sizes = self._class_sizes(likelihood, found.theta)
        gone = [c for c in range(self.n_classes) if logs[:, c].min() < NEVER and sizes[c] > 1e-6]
        if not gone:
            return verdict
        width, at = len(self._class_columns), self.mapping.class_places
        # of the first class all coefficients are at stake
        which = range(1, self.n_classes) if 0 in gone else gone
        names = [self.param_names[k] for c in which for k in at[(c - 1) * width : c * width]]
        return replace(
            verdict,
            unidentified=tuple(dict.fromkeys((*verdict.unidentified, *names))),
            advice=(*verdict.advice, "covariates that do not tell the classes perfectly"),
        )

    def _hopeless(self, theta: np.ndarray) -> bool:
        """Whether a variance goes to zero."""
        return bool(self.measured) and bool(self._degenerate(theta))

    def _after_search(self, likelihood, found: Found, controls) -> Found:
        """Variances that went to zero are left at a small number: zero is outside the parameter space."""
        params = self.mapping.params(found.theta)
        lost = (params == 0.0) & [
            name in self._degenerate(found.theta) for name in self.param_names
        ]
        if lost.any():
            params[lost] = TINY
            found.theta = self.mapping.theta(params)
        return found

    def _released(self, likelihood, found: Found, controls) -> Found:
        """Without probabilities of zero that would rise: these are not at their maximum."""
        for _ in range(ROUNDS):
            if not self.nominal or found.outcome.interrupted:
                break
            theta = self._without_zeros(likelihood, found)
            if theta is None:
                break
            other = climb(likelihood, theta, controls, self._edges, held=self._fixed_mask)
            if not other.value > found.value:
                break
            found = other
        return found

    def _without_zeros(self, likelihood, found: Found) -> np.ndarray | None:
        """Parameters to start from again, None where no probability of zero would rise."""
        fixed = self._fixed_mask
        held = found.held & ~fixed
        if not held.any():
            return None
        theta = found.theta
        weights = likelihood.weights(likelihood.posterior(theta))
        members = self._members(self.assembly.layout.first)[0]
        edges = np.concatenate([[0], np.cumsum([i.n_responses for i in self.nominal])])
        first = {i.name: a for i, a in zip(self.nominal, edges[:-1], strict=True)}
        out = None
        counts = np.asarray(members.T @ weights)
        for c, indicator, place in self._nominal_blocks():
            if not held[place].any() or fixed[place].any():
                continue
            at = slice(first[indicator.name], first[indicator.name] + indicator.n_responses)
            common = indicator.name in self.equal
            seen = counts[at].sum(axis=1) if common else counts[at, c]
            logits = np.concatenate([[0.0], theta[place]])
            share = np.exp(logits - logits.max())
            share /= share.sum()
            rises = (share < 1e-9) & (seen > RISES * share * seen.sum())
            if rises.any():
                out = theta.copy() if out is None else out
                share = np.where(rises, RELEASED, np.maximum(share, np.exp(-FAR)))
                out[place] = np.log(share[1:] / share[0])
        return out

    def _shares_at(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class sizes (C,) and response probabilities (C, R) of parameters."""
        logits = np.append(0.0, theta[self.mapping.class_places])
        sizes = np.exp(logits - logits.max())
        rows: list[list[np.ndarray]] = [[] for _ in range(self.n_classes)]
        for c, _, place in self._nominal_blocks():
            full = np.append(0.0, theta[place])
            share = np.exp(full - full.max())
            rows[c].append(share / share.sum())
        return sizes / sizes.sum(), np.array([np.concatenate(row) for row in rows])

    def _theta_of(self, sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Parameters of class sizes (C,) and response probabilities (C, R)."""
        theta = np.zeros(self.mapping.k_params)
        counts = [i.n_responses for i in self.nominal]
        edges = np.concatenate([[0], np.cumsum(counts)])
        for c, place in enumerate(self.mapping.places):
            at = 0
            for a, b in zip(edges[:-1], edges[1:], strict=True):
                p = np.maximum(shares[c, a:b], np.exp(-FAR))
                theta[place[at : at + b - a - 1]] = np.log(p[1:] / p[0])
                at += b - a - 1
        width = len(self._class_columns)
        for c in range(1, self.n_classes):
            own = self.mapping.class_places[(c - 1) * width : c * width]
            logit = np.log(sizes[c] / sizes[0])
            if self.n_upper == 1:
                theta[own[0]] = logit
            else:
                theta[own[-self.n_upper :]] = logit
        return theta

    def _one_class_theta(self) -> np.ndarray:
        """Parameters of a single class, in all classes."""
        parts = []
        if self.nominal:
            for indicator in self.nominal:
                count = np.bincount(
                    indicator.codes[indicator.codes >= 0], minlength=indicator.n_responses
                )
                share = (count + 0.5) / (count + 0.5).sum()
                parts.append(np.log(share[1:] / share[0]))
        for indicator in self.measured:
            template = indicator.template
            parts.append(template._starting_theta(template._ready()))
        theta = np.zeros(self.mapping.k_params)
        for place in self.mapping.places:
            theta[place] = np.concatenate(parts)
        return theta

    def _nominal_blocks(self):
        """Class, indicator, and positions in theta of the logits of its categories."""
        for c, place in enumerate(self.mapping.places):
            at = 0
            for indicator in self.nominal:
                width = indicator.n_responses - 1
                if c == 0 or indicator.name not in self.equal:
                    yield c, indicator, place[at : at + width]
                at += width

    def _edges(self, theta: np.ndarray, held: np.ndarray):
        """Logits of probabilities that go to zero held far out; None where none is new."""
        if not self.nominal:
            return None
        out, now = theta, held
        for _, _, place in self._nominal_blocks():
            zero = zero_probabilities(theta[place], held[place])
            if zero is not None:
                if out is theta:
                    out, now = theta.copy(), held.copy()
                out[place], now[place] = canonical_logits(theta[place], zero)
        return None if out is theta else (out, now)

    def _held_names(self, theta: np.ndarray, held: np.ndarray) -> tuple[str, ...]:
        names = []
        for c, indicator, place in self._nominal_blocks():
            if not held[place].any():
                continue
            logits = np.concatenate([[0.0], theta[place]])
            shares = np.exp(logits - logits.max())
            for k in np.flatnonzero(shares / shares.sum() < 1e-9):
                own = "" if indicator.name in self.equal else f"|{self.class_names[c]}"
                names.append(f"P({indicator.name}={indicator.categories[k]}{own}) = 0")
        return tuple(names)

    def _degenerate(self, theta: np.ndarray) -> tuple[str, ...]:
        """Variances of gaussian indicators that are next to nothing."""
        params, names, out = self.mapping.params(theta), self.param_names, []
        for indicator in self.measured:
            spread = np.var(np.asarray(indicator.template.endog, dtype=float))
            for k, name in enumerate(names):
                stem = name.split(":", 1)[-1] if name.startswith("class") else name
                if stem == f"var({indicator.name})" and params[k] < 1e-8 * spread:
                    out.append(name)
        return tuple(out)
