"""Where parameters of mixtures run to infinity: probabilities of zero and one, variances of zero."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sm_gllamm.models.discrete import DiscreteModel
from sm_gllamm.models.irt import IRT
from sm_gllamm.responses.densities import CODES

__all__ = ["EdgeMethods"]

#: Intercepts of binary responses beyond this run to infinity, and where they are held.
RUNS, HELD_AT = 20.0, 40.0
#: A residual variance this share of that of one class is none: the likelihood is unbounded there.
DEGENERATE = 1e-6


class EdgeMethods(DiscreteModel):
    """Boundaries of the parameters; part of :class:`sm_gllamm.models.mixture.Mixture`."""

    def _edges(self, theta: np.ndarray, held: np.ndarray):
        """Coefficients of binary responses that run to infinity held far out, None where none is new."""
        far = self._may_run & (np.abs(theta) > RUNS) & ~held
        if not far.any():
            return None
        if isinstance(self.template, IRT):
            out = theta.copy()
            out[far] = np.sign(theta[far]) * HELD_AT
            return out, held | far
        return self._first_edge(theta, held, far)

    def _first_edge(self, theta: np.ndarray, held: np.ndarray, far: np.ndarray):
        """The first coefficient held that takes a predictor with it.

        Where an intercept runs, the coefficients of dummies run the other way in rows whose probability is
        inside: they stay free, and make up for the move.
        """
        exog = self.template.responses.exog
        for place in self.mapping.places:
            own = place[: exog.shape[1]]
            nu = exog @ theta[own]
            for k in np.flatnonzero(far[own]):
                sign = np.sign(theta[own[k]])
                if not (sign * nu[exog[:, k] != 0.0] > RUNS).any():
                    continue
                out, now = theta.copy(), held.copy()
                out[own[k]], now[own[k]] = sign * HELD_AT, True
                for j in np.flatnonzero(self._may_run[own] & ~held[own]):
                    opposite = j != k and sign * theta[own[j]] < -0.5 * RUNS
                    if opposite and (exog[:, j] * exog[:, k] != 0.0).any():
                        out[own[j]] -= out[own[k]] - theta[own[k]]
                return out, now
        return None

    def made_up(self, theta: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Coefficients that make up for one that is held far out: only their sum is estimated.

        Parameters
        ----------
        theta : ndarray, shape (p,)
        held : ndarray of bool, shape (p,)

        Returns
        -------
        ndarray of bool, shape (p,)
        """
        return self._may_run & (np.abs(theta) > RUNS) & ~held & held.any()

    @cached_property
    def _may_run(self) -> np.ndarray:
        """Coefficients of indicator columns of binary responses."""
        template, mask = self.template, np.zeros(self.mapping.k_params, dtype=bool)
        problem, mapping = self.assembly.problem, self._template_mapping
        binary = [code for name, code in CODES.items() if name.startswith("binomial")]
        if not np.isin(np.unique(problem.family), binary).all():
            return mask
        loadings = self._kinds()["loadings"]
        if loadings if not isinstance(template, IRT) else loadings - self._common():
            # with a slope that runs, too, the probability is not zero everywhere
            return mask
        for k, name in enumerate(mapping.param_names[: mapping.k_exog]):
            if isinstance(template, IRT):
                indicator = name.startswith("intercept[")
            else:
                # columns of exog are the first ones of the design
                indicator = bool(np.isin(problem.column(k), (0.0, 1.0)).all())
            if indicator:
                for place in self.mapping.places:
                    mask[place[k]] = True
        return mask

    def _degenerate(self, theta: np.ndarray) -> tuple[str, ...]:
        response = getattr(self.template, "response", None)
        if getattr(response, "family", "") != "Gaussian":
            return ()
        names = self._kinds()["dispersions"]
        template = self.template
        spread = float(np.var(np.asarray(template.endog, dtype=float)))
        params, out = self.mapping.params(theta), []
        for k, name in enumerate(self.param_names):
            stem = name.split(":", 1)[-1] if ":" in name else name
            if stem in names and params[k] < DEGENERATE * spread and stem.startswith("var("):
                out.append(name)
        return tuple(out)

    def _held_names(self, theta: np.ndarray, held: np.ndarray) -> tuple[str, ...]:
        """What is on the boundary, in words."""
        return tuple(
            f"{name} = {'-' if theta[k] < 0 else ''}infinity"
            for k, name in enumerate(self.param_names)
            if held[k]
        )
