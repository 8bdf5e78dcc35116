"""The verdict on a structural equation model: whether its solution is one that could be true."""

from __future__ import annotations

from dataclasses import dataclass

from sm_gllamm.estimation.verdict import Verdict

__all__ = ["SemVerdict"]


@dataclass(frozen=True)
class SemVerdict(Verdict):
    """What is to be said about a fit.

    Attributes
    ----------
    negative : tuple of str
        Variances estimated as negative (Heywood cases).
    indefinite : tuple of str
        Latent variables of a block whose covariance matrix is not positive definite although no variance is
        negative: a correlation beyond one, or a combination without variance.
    active : tuple of str
        Inequalities that hold as equations.
    """

    negative: tuple[str, ...] = ()
    indefinite: tuple[str, ...] = ()
    active: tuple[str, ...] = ()

    @property
    def proper(self) -> bool:
        """Whether all variances are positive and all correlations within plus and minus one."""
        return not (self.negative or self.indefinite)

    def messages(self) -> list[str]:
        """One sentence for each thing that is wrong; empty if nothing is."""
        out = super().messages()
        if self.negative:
            out.append(
                f"Improper solution (Heywood case): {', '.join(self.negative)} estimated as negative."
            )
        if self.indefinite:
            out.append(
                f"Improper solution: the covariance matrix of {', '.join(self.indefinite)} is not positive "
                "definite (a correlation beyond plus or minus one, or a linear dependence)."
            )
        if self.active:
            out.append(f"On the edge of what constraints allow: {'; '.join(self.active)}.")
        return out
