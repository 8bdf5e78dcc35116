"""Latent class models with several numbers of classes, fitted one after another."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

from statsmodels.tools.sm_exceptions import SpecificationWarning

from sm_gllamm.exceptions import BoundaryWarning, SpecificationError
from sm_gllamm.results.class_enumeration import ClassEnumerationResults

__all__ = ["ClassEnumeration"]


class ClassEnumeration:
    """Models that differ in the number of classes; what ``LatentClass(data, range(1, 5))`` gives.

    Parameters
    ----------
    models : dict of int to LatentClass
        By number of classes.

    Attributes
    ----------
    models : dict of int to LatentClass

    Examples
    --------
    >>> import sm_gllamm.api as smg
    >>> from sm_gllamm.datasets import lsat
    >>> data = lsat.load_pandas().data
    >>> items = [c for c in data if c.startswith("item")]
    >>> fits = smg.LatentClass(data, range(1, 4), items=items).fit(disp=0)
    >>> fits.best("bic")
    2
    >>> print(fits.table[["llf", "k_params", "bic"]].round(2))
                   llf  k_params      bic
    n_classes
    1         -2493.44         5  5021.41
    2         -2467.41        11  5010.80
    3         -2464.65        17  5046.73
    """

    formula: str | None = None

    def __init__(self, models: Mapping[int, Any]):
        self.models = dict(sorted(models.items()))

    def fit(
        self, disp: int = 1, blrt: int = 0, lmr: bool = False, seed: int = 0, **kwargs
    ) -> ClassEnumerationResults:  # fmt: skip
        """Fit all of them.

        Parameters
        ----------
        disp : int
            1 prints a line a model, 2 a line a start, too.
        blrt : int
            Samples of the bootstrap likelihood-ratio test of each number of classes against the next
            smaller one; 0 for no test.
        lmr : bool
            The Lo-Mendell-Rubin tests.
        seed : int
            Of random starts and samples.
        **kwargs
            As for :meth:`LatentClass.fit`.

        Returns
        -------
        ClassEnumerationResults

        Raises
        ------
        SpecificationError
            No model can be fitted.

        Warns
        -----
        SpecificationWarning
            A model that has more classes than the data support; it is left out.
        ConvergenceWarning, IdentificationWarning
            As of each fit. Probabilities on the boundary are in the summary.
        """
        found: dict[int, Any] = {}
        reasons: list[str] = []
        for k, model in self.models.items():
            began = time.perf_counter()
            try:
                with warnings.catch_warnings(record=True) as heard:
                    warnings.simplefilter("always")
                    found[k] = model.fit(seed=seed, disp=max(int(disp) - 1, 0), **kwargs)
                _say(k, heard)
            except SpecificationError as error:
                reasons.append(str(error))
                warnings.warn(f"{k} classes: {error}", SpecificationWarning, stacklevel=2)
                continue
            if disp:
                print(_line(k, found[k], time.perf_counter() - began), flush=True)
        if not found:
            raise SpecificationError(reasons[0])
        results = ClassEnumerationResults(found)
        if lmr:
            results.lmr()
        if blrt:
            results.blrt(blrt, seed=seed, disp=disp)
        return results


def _say(k: int, heard) -> None:
    """Warnings of a fit with its number of classes; zeros, which many classes have, are in the summary."""
    for warning in heard:
        if not issubclass(warning.category, BoundaryWarning):
            warnings.warn(f"{k} classes: {warning.message}", warning.category, stacklevel=3)


def _line(k: int, results, seconds: float) -> str:
    """What is to be said when a model was fitted."""
    verdict = results.verdict
    starts = f"  reached by {verdict.replicated} of {len(verdict.starts)}" if verdict.starts else ""
    state = "" if results.converged else "  (not converged)"
    return (
        f"{k} class{'es' if k > 1 else ''}  log-likelihood {results.llf:.4f}  "
        f"BIC {results.bic:.2f}{starts}  {seconds:.2f} s{state}"
    )
