"""One object that says whether a fit can be trusted, and what to try if not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict"]


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
        Variances estimated as zero.
    singular : tuple of str
        Levels whose covariance matrix is singular (correlation of plus or minus one).
    unidentified : tuple of str
        Parameters involved in a flat direction of the log-likelihood.
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
    separation: tuple[str, ...] = ()
    crossing: tuple[str, ...] = ()
    condition_number: float = 1.0
    quadrature_error: float = 0.0
    quadrature_tol: float = 1e-3
    advice: tuple[str, ...] = ()

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
        if self.boundary:
            out.append(
                f"On the boundary: {', '.join(self.boundary)} estimated as zero; no standard error."
            )
        if self.singular:
            out.append(
                f"Singular covariance matrix of the random effects of {', '.join(self.singular)} "
                "(correlation of +-1): standard errors of its entries mean nothing."
            )
        if self.unidentified:
            out.append(f"Not identified by the data: {', '.join(self.unidentified)}.")
        if self.crossing:
            out.append(
                f"Thresholds cross in some rows: {', '.join(self.crossing)}; category probabilities "
                "there are negative. Fewer covariates in thresholds, or proportional odds."
            )
        if self.quadrature_error > self.quadrature_tol:
            out.append(
                f"The integral is off by about {self.quadrature_error:.1e} in the log-likelihood; "
                "use more n_points, or n_points=None to have them chosen."
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
        lines += self.messages()
        lines += [f"Try: {text}" for text in self.advice]
        return "\n".join(lines)
