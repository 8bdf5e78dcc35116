"""The verdict on a mixture: boundary probabilities, empty and equal classes, and how many starts agree."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sm_gllamm.estimation.verdict import Verdict

__all__ = ["MixtureVerdict"]


@dataclass(frozen=True)
class MixtureVerdict(Verdict):
    """What is to be said about a fit.

    Attributes
    ----------
    held : tuple of str
        Probabilities estimated as zero or one, which have no standard error.
    empty : tuple of str
        Classes that nobody is in.
    duplicate : tuple of (str, str)
        Classes that are the same.
    degenerate : tuple of str
        Standard deviations so small that the likelihood is unbounded there.
    """

    held: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    duplicate: tuple[tuple[str, str], ...] = ()
    degenerate: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Converged, identified, and without empty or equal classes; probabilities of zero are allowed."""
        return self.converged and not replace(self, held=()).messages()

    def messages(self) -> list[str]:
        """One sentence for each thing that is to be said; empty if nothing is."""
        out = super().messages()
        if self.held:
            out.append(
                f"On the boundary: {', '.join(self.held)}; held there, without a standard error. The other "
                "standard errors are given these."
            )
        if self.empty:
            out.append(f"Empty: nobody is in {', '.join(self.empty)}. Use fewer classes.")
        for one, other in self.duplicate:
            out.append(f"Equal: {one} and {other} are the same class. Use fewer classes.")
        if self.degenerate:
            out.append(
                f"Degenerate: {', '.join(self.degenerate)} goes to zero, where the likelihood has no "
                "maximum. Let classes share it."
            )
        return out
