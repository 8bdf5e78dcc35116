"""The fit with mass points: their number is raised while the directional derivative finds an ascent."""

from __future__ import annotations

import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import ModelWarning

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.npml import NPML
from sm_gllamm.models.npml_plan import mass_plan

__all__ = ["npml_fit"]

#: Most mass points that are tried where their number is to be found.
MOST = 15
#: Directional derivative, in log-likelihood units, below which no mass point is added, and the least that
#: a new one must gain.
ASCENT, GAIN = 1e-4, 1e-6


def npml_fit(model, n_masses=None, npml_levels=None, **options):
    """Fit with mass points; their number is raised while the directional derivative finds an ascent.

    Parameters
    ----------
    model : GLMM, GLLAMM or IRT
    n_masses : int or dict of level name to int, optional
    npml_levels : str or sequence of str, optional
    **options
        As for :meth:`sm_gllamm.models.discrete.DiscreteModel.fit`.

    Returns
    -------
    NPMLResultsWrapper
    """
    _check_template(model)
    plan = mass_plan(model, npml_levels)
    names = [model.level_names[lv] for lv in plan.masses]
    if n_masses is not None and not isinstance(n_masses, dict):
        n_masses = dict.fromkeys(names, n_masses)
    for name, number in (n_masses or {}).items():
        if name not in names:
            raise SpecificationError(
                f"n_masses names {name!r}; levels with mass points are {names}"
            )
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise SpecificationError(f"n_masses must be whole numbers from 1 on, not {number!r}")
    if n_masses is not None:
        if absent := [name for name in names if name not in n_masses]:
            raise SpecificationError(f"n_masses lacks {absent[0]!r}")
        return NPML(model, n_masses, npml_levels).fit(**options)
    if len(names) > 1:
        raise SpecificationError(
            f"say how many mass points each level has, n_masses={{{names[1]!r}: 2, {names[0]!r}: 3}}; their "
            "number is found for one level at a time, npml_levels="
        )
    npml = NPML(model, {names[0]: 2}, npml_levels)
    with warnings.catch_warnings():
        # of the numbers of mass points that were tried nothing is to be said but of the last one
        warnings.simplefilter("ignore", ModelWarning)
        npml, found, tried = _more_masses(npml, options)
    found._results.search = tuple(tried)
    npml._warn_of_classes(found.verdict, options.get("warn_convergence", True))
    return found


def _check_template(model) -> None:
    """Refuse what mass points cannot take the place of."""
    if model.likelihood.prior is not None:
        raise SpecificationError("random='npml' is maximum likelihood: leave out priors=")
    if getattr(getattr(model, "layout", None), "design", None) is not None:
        if model.layout.design.specific_names:
            raise SpecificationError(
                "mass points of testlets and specific dimensions would have to be the same for all of them: "
                "leave out specific="
            )


def _more_masses(npml: NPML, options: dict):
    """Fits with more and more mass points until no direction leads up: model, fit, and what was tried."""
    found = npml.fit(**options)
    tried = [(npml.n_classes, float(found.llf))]
    while npml.n_classes < MOST:
        place, slope = npml.steepest(found._results.theta)
        if int(options.get("disp", 0)):
            print(
                f"{npml.n_classes:2d} mass points  log-likelihood {found.llf:.6f}  largest directional "
                f"derivative {slope:.2e}"
            )
        if slope < ASCENT:
            break
        larger, start = npml.with_one_more(found._results.theta, place)
        more = larger.fit(**{**options, "start_params": larger.mapping.params(start)})
        if not more.llf > found.llf + GAIN:
            break
        npml, found = larger, more
        tried.append((npml.n_classes, float(found.llf)))
    return npml, found, tried
