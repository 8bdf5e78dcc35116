"""Tests of the number of classes; part of results of latent class models."""

from __future__ import annotations

import time

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.class_number import (
    BootstrapLikelihoodRatioTest,
    LoMendellRubinTest,
    lo_mendell_rubin,
)
from sm_gllamm.results.class_posterior import ClassPosteriorMethods
from sm_gllamm.results.comparison import _check_same_data

__all__ = ["ClassNumberMethods"]


class ClassNumberMethods(ClassPosteriorMethods):
    """Comparison with models of fewer classes."""

    def _check_fewer(self, smaller, what: str) -> None:
        """SpecificationError unless `smaller` is the same model of the same data with fewer classes."""
        for results in (self, smaller):
            if results.model.assembly is None:
                raise SpecificationError(
                    f"the data were removed by remove_data(); {what} needs them"
                )
            if results.model.weights.sampling:
                raise SpecificationError(
                    f"{what}: sampling weights leave no likelihood to compare; use info_criteria"
                )
            if results.constraints is not None and not results.model._restricts:
                raise SpecificationError(
                    f"{what} is for models without fit_constrained; say order= or zeros= in the model"
                )
        mine, theirs = self.model.n_classes, smaller.model.n_classes
        if theirs >= mine:
            raise SpecificationError(
                f"{what}: the other model has {theirs} classes, this one {mine}; it must have fewer"
            )
        if self.model.n_upper != smaller.model.n_upper:
            raise SpecificationError(f"{what}: the models differ in the classes of clusters")
        _check_same_data(self, smaller)

    def compare_blrt(
        self, smaller, n_rep: int = 99, seed: int = 0, n_starts: int = 10, disp: int = 0
    ) -> BootstrapLikelihoodRatioTest:
        """Parametric-bootstrap likelihood-ratio test of the number of classes.

        Parameters
        ----------
        smaller : results
            The same model with fewer classes.
        n_rep : int
            Samples drawn from the smaller model; both models are fitted to each.
        seed : int
            The same test for the same seed.
        n_starts : int
            Random starts of each fit, beside one from the estimates.
        disp : int
            1 reports progress.

        Returns
        -------
        BootstrapLikelihoodRatioTest
            With ``statistic``, ``pvalue`` and the ``samples`` of the statistic.

        Raises
        ------
        SpecificationError
            Not fewer classes, other data, sampling weights, or data removed.

        References
        ----------
        McLachlan, G. J. (1987). On bootstrapping the likelihood ratio test statistic for the number of
        components in a normal mixture. Applied Statistics 36, 318-324.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> one, two = (smg.LatentClass(data, k, items=items).fit() for k in (1, 2))
        >>> two.compare_blrt(one, n_rep=9).pvalue
        0.1
        """
        self._check_fewer(smaller, "compare_blrt")
        if n_rep < 1:
            raise SpecificationError(f"n_rep={n_rep!r}; at least one sample is needed")
        larger_model, smaller_model = self.model, smaller.model
        params = np.asarray(smaller.params)
        statistics, failed, interrupted = [], 0, False
        began, every = time.perf_counter(), max(n_rep // 10, 1)
        try:
            for done in range(1, n_rep + 1):
                # a sample is the same however many there are
                rng = np.random.default_rng([int(seed), done])
                drawn = smaller_model.draw(params, rng)
                null = smaller_model.with_responses(drawn).highest(n_starts, rng, smaller.theta)
                other = larger_model.with_responses(drawn).highest(n_starts, rng, self.theta)
                if null.outcome.converged and other.outcome.converged:
                    statistics.append(2.0 * (other.value - null.value))
                else:
                    failed += 1
                if disp and (done % every == 0 or done == n_rep):
                    elapsed = time.perf_counter() - began
                    print(f"sample {done:5d} of {n_rep}  {elapsed:8.1f} s  ({failed} failed)")
        except KeyboardInterrupt:
            interrupted = True
        return BootstrapLikelihoodRatioTest(
            2.0 * (self.llf - smaller.llf),
            (smaller_model.n_classes, larger_model.n_classes),
            np.array(statistics),
            failed,
            interrupted,
        )

    def compare_lmr(self, smaller) -> LoMendellRubinTest:
        """Likelihood-ratio test of the number of classes of Vuong, Lo, Mendell and Rubin.

        Parameters
        ----------
        smaller : results
            The same model with fewer classes.

        Returns
        -------
        LoMendellRubinTest
            With ``statistic``, ``pvalue``, and an ad hoc adjustment of both.

        Raises
        ------
        SpecificationError
            As for :meth:`compare_blrt`.

        Notes
        -----
        The conditions of the theorem do not hold for mixtures with different numbers of classes (Jeffries
        2003), and the test rejects too often in small samples; :meth:`compare_blrt` has the right size.
        Probabilities estimated as zero count as known.

        References
        ----------
        Jeffries, N. O. (2003). A note on 'Testing the number of components in a normal mixture'.
        Biometrika 90, 991-994.

        Lo, Y., Mendell, N. R. & Rubin, D. B. (2001). Testing the number of components in a normal mixture.
        Biometrika 88, 767-778.

        Vuong, Q. H. (1989). Likelihood ratio tests for model selection and non-nested hypotheses.
        Econometrica 57, 307-333.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> items = [c for c in data if c.startswith("item")]
        >>> one, two = (smg.LatentClass(data, k, items=items).fit() for k in (1, 2))
        >>> test = two.compare_lmr(one)
        >>> round(test.statistic, 2), test.pvalue < 1e-5
        (52.06, True)
        """
        self._check_fewer(smaller, "compare_lmr")
        scores, hessians = [], []
        if self.constraints is not None or smaller.constraints is not None:
            raise SpecificationError(
                "compare_lmr is for models without restrictions; use compare_blrt"
            )
        for results in (self, smaller):
            model, free = results.model, ~np.asarray(results.held)
            evaluation = model.likelihood.evaluate(results.theta, 2)
            scores.append(model._scores_of_units(evaluation.score)[:, free])
            hessians.append(evaluation.hessian[np.ix_(free, free)])
        return lo_mendell_rubin(
            2.0 * (self.llf - smaller.llf), (scores[0], scores[1]), (hessians[0], hessians[1]),
            self.nobs, (smaller.model.n_classes, self.model.n_classes),
        )  # fmt: skip
