"""One object that says whether a fit can be trusted, and what to try if not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict"]

#: Difference of log-likelihoods that are the same maximum.
SAME = 1e-3
#: Starts of which one alone should not reach the best log-likelihood.
MANY = 5


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a fit.

    Attributes
    ----------
    converged : bool
    reason : str
        Why the optimiser stopped.
    iterations : int
    decrement : float
        Newton decrement at the estimate, in log-likelihood units.
    boundary : tuple of str
        Variances estimated as zero, log dispersions that have gone to minus infinity, and logits of
        asymptotes that are zero or one.
    singular : tuple of str
        Levels whose covariance matrix is singular (correlation of plus or minus one).
    unidentified : tuple of str
        Parameters involved in a flat direction of the log-likelihood.
    runaway : tuple of str
        Those of them that are loadings which have run away, or variances where a loading is fixed: the
        latent variable predicts the item perfectly.
    starts : tuple of float
        Log-likelihoods that the runs from several starting values ended with, the first start first; empty
        where there was one. NaN for runs that did not converge.
    separation : tuple of str
        Covariates that predict a binary response perfectly.
    crossing : tuple of str
        Thresholds that are not in order in some row.
    condition_number : float
        Square root of the ratio of largest to smallest eigenvalue of the scaled information.
    quadrature_error : float
        Estimated absolute error of the log-likelihood; 0 where the integral is exact.
    quadrature_tol : float
        Error above which a warning is given.
    advice : tuple of str
        What to try.

    Examples
    --------
    >>> Verdict(True, "Newton decrement below tolerance", 5, 1e-13).ok
    True
    """

    converged: bool
    reason: str
    iterations: int
    decrement: float
    boundary: tuple[str, ...] = ()
    singular: tuple[str, ...] = ()
    unidentified: tuple[str, ...] = ()
    runaway: tuple[str, ...] = ()
    starts: tuple[float, ...] = ()
    separation: tuple[str, ...] = ()
    crossing: tuple[str, ...] = ()
    condition_number: float = 1.0
    quadrature_error: float = 0.0
    quadrature_tol: float = 1e-3
    advice: tuple[str, ...] = ()

    @property
    def replicated(self) -> int:
        """How many of several starts reached the best log-likelihood."""
        reached = [value for value in self.starts if value == value]
        return sum(value > max(reached) - SAME for value in reached)

    @property
    def ok(self) -> bool:
        """Converged, interior, identified and accurately integrated."""
        return self.converged and not self.messages()

    def messages(self) -> list[str]:
        """One sentence for each thing that is wrong; empty if nothing is."""
        out = []
        if not self.converged:
            out.append(f"Not converged: {self.reason}.")
        if self.separation:
            out.append(
                f"Perfect separation: {', '.join(self.separation)} predict the response perfectly; "
                "estimates and standard errors run away."
            )
        logs = [name for name in self.boundary if name.startswith("log_sd:")]
        ends = [name for name in self.boundary if name.startswith(("logit_lower", "logit_upper"))]
        if zero := [name for name in self.boundary if name not in logs + ends]:
            out.append(f"On the boundary: {', '.join(zero)} estimated as zero; no standard error.")
        if ends:
            out.append(
                f"On the boundary: {', '.join(ends)} of an asymptote that is zero or one; no standard error."
            )
        if logs:
            out.append(
                f"Residual variance of zero (a Heywood case): {', '.join(logs)} has gone to minus infinity."
            )
        if self.singular:
            out.append(
                f"Singular covariance matrix of the random effects of {', '.join(self.singular)} "
                "(correlation of +-1): standard errors of its entries mean nothing."
            )
        if self.runaway:
            out.append(
                f"Runs away: {', '.join(self.runaway)}; the latent variable predicts the item perfectly (a "
                "Heywood case, or quasi-complete separation) and the maximum is at infinity."
            )
        if flat := [name for name in self.unidentified if name not in self.runaway]:
            out.append(f"Not identified by the data: {', '.join(flat)}.")
        if len(self.starts) >= MANY and self.replicated == 1:
            out.append(
                f"The best log-likelihood was reached from one of {len(self.starts)} starts only; a higher "
                "one may exist."
            )
        if self.crossing:
            out.append(
                f"Thresholds cross in some rows: {', '.join(self.crossing)}; category probabilities "
                "there are negative. Fewer covariates in thresholds, or proportional odds."
            )
        if self.quadrature_error > self.quadrature_tol:
            out.append(
                f"The integral is off by about {self.quadrature_error:.1e} in the log-likelihood; "
                "use more n_points or leave n_points out; if it was left out, the finest rule is not fine "
                "enough for the posteriors of this model."
            )
        return out

    def __str__(self) -> str:
        head = "converged" if self.converged else "NOT converged"
        lines = [f"{head} after {self.iterations} iterations: {self.reason}"]
        lines.append(
            f"Newton decrement {self.decrement:.1e}, condition number {self.condition_number:.3g}"
        )
        lines.append(
            f"estimated quadrature error of the log-likelihood {self.quadrature_error:.1e}"
        )
        if self.starts:
            lines.append(
                f"best log-likelihood reached from {self.replicated} of {len(self.starts)} starts"
            )
        lines += self.messages()
        lines += [f"Try: {text}" for text in self.advice]
        return "\n".join(lines)
