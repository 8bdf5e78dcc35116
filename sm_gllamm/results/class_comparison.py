"""Likelihood-ratio tests of mixtures that have the same number of classes."""

from __future__ import annotations

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.inference.likelihood_ratio import LikelihoodRatioTest
from sm_gllamm.results.class_posterior import ClassPosteriorMethods
from sm_gllamm.results.comparison import _check_constraints, _check_same_data, _tested

__all__ = ["ClassComparisonMethods", "IndicatorComparisonMethods"]


def _refuse_other_classes(full, restricted) -> None:
    """Chi-square does not hold between numbers of classes: the restricted model is on the boundary."""
    for what, attribute in (("classes", "n_classes"), ("classes of clusters", "n_upper")):
        mine, theirs = getattr(full.model, attribute, 1), getattr(restricted.model, attribute, 1)
        if mine == theirs:
            continue
        advice = "compare information criteria"
        if attribute == "n_classes" and hasattr(full, "compare_blrt"):
            advice = "use the parametric bootstrap test, compare_blrt"
        raise SpecificationError(
            f"the models have {mine} and {theirs} {what}: the likelihood ratio has no chi-square "
            f"distribution there; {advice}"
        )


def _parameter_kinds(results) -> tuple[set[str], set[str]]:
    """Names of the parameters without their classes, all of them and those that all classes share."""
    mapping = results.model.mapping
    names, shared = mapping.param_names, set()
    if mapping.places:
        shared = set.intersection(*(set(place.tolist()) for place in mapping.places))
    own = [
        name.split(":", 1)[1] if position not in shared and ":" in name else name
        for position, name in enumerate(names)
        if position not in set(mapping.class_places.tolist())
    ]
    logits = [names[k] for k in mapping.class_places]
    return {*own, *logits}, {names[k] for k in shared}


class ClassComparisonMethods(ClassPosteriorMethods):
    """Comparison of nested models; part of results of mixtures."""

    def compare_lr_test(self, restricted) -> LikelihoodRatioTest:
        """Likelihood-ratio test of a restricted model with the same number of classes.

        Parameters
        ----------
        restricted : results
            Fewer covariates of the classes, fewer direct effects, or more parameters that are the same in
            all classes.

        Returns
        -------
        LikelihoodRatioTest
            Unpacks to (statistic, p-value, degrees of freedom).

        Raises
        ------
        SpecificationError
            Different numbers of classes, different data, sampling weights, order restrictions of one model
            only, or models that are not nested.

        Notes
        -----
        Between numbers of classes the likelihood ratio has no chi-square distribution (McLachlan & Peel
        2000, *Finite Mixture Models*, section 6.4): see the parametric bootstrap test, ``compare_blrt``.
        """
        self._estimated("the likelihood-ratio test")
        restricted = getattr(restricted, "_results", restricted)
        if not hasattr(restricted.model, "class_names"):
            raise SpecificationError(
                f"the other model is {type(restricted.model).__name__}, which has no classes: the "
                "likelihood ratio has no chi-square distribution there"
            )
        if self.sampling_weights or restricted.sampling_weights:
            raise SpecificationError(
                "with sampling weights there is no likelihood, so no likelihood-ratio test; use wald_test"
            )
        _refuse_other_classes(self, restricted)
        mine, theirs = (getattr(r.model, "ordered_items", ()) for r in (self, restricted))
        if set(mine) != set(theirs):
            raise SpecificationError(
                f"the models differ in the order of the classes ({sorted(set(mine) ^ set(theirs))}): "
                "inequalities have no chi-square distribution"
            )
        _check_constraints(self, restricted, True)
        self._check_nested(restricted)
        return _tested(self, restricted, self.df_modelwc - restricted.df_modelwc, 0)

    def _check_nested(self, restricted) -> None:
        """Refuse other data, and models that are not nested by the names of their parameters."""
        _check_same_data(self, restricted)
        (mine, shared), (theirs, also) = _parameter_kinds(self), _parameter_kinds(restricted)
        if unknown := sorted(theirs - mine):
            raise SpecificationError(
                f"not nested: the restricted model has parameters that this one has not: {unknown}"
            )
        if tied := sorted((shared - also) & theirs):
            raise SpecificationError(
                f"not nested: {tied} are the same in all classes of this model, but not of the other"
            )


class IndicatorComparisonMethods(ClassComparisonMethods):
    """Comparison of latent class models, whose parameters have other names with direct effects."""

    def _check_nested(self, restricted) -> None:
        """Refuse other data, other indicators, and models that are not nested."""
        mine, theirs = self.model, restricted.model
        if extra := sorted(set(_free_items(theirs)) - set(_free_items(mine))):
            raise SpecificationError(
                f"not nested: {extra} differ between groups in the restricted model, but not in this one"
            )
        if set(_items(mine)) != set(_items(theirs)):
            raise SpecificationError(
                f"the models have different indicators: {sorted(mine.data.ynames)} and "
                f"{sorted(theirs.data.ynames)}"
            )
        _check_same_rows(self, restricted)
        for what, own, other in (
            ("covariates of the classes", mine.inputs.design_names, theirs.inputs.design_names),
            *(
                (f"direct effects on {name!r}", _direct_names(mine, name), columns)
                for name in theirs.designs.direct
                if (columns := _direct_names(theirs, name))
            ),
        ):
            if extra := sorted(set(other) - set(own)):
                raise SpecificationError(
                    f"not nested: the restricted model has {what} that this one has not: {extra}"
                )
        if tied := sorted(set(mine.equal) - set(theirs.equal)):
            raise SpecificationError(
                f"not nested: {tied} are the same in all classes of this model, but not of the other"
            )


def _items(model) -> list[str]:
    """Indicators as the user names them."""
    return list(model.data.ynames if model.groups is None else model.groups.items)


def _free_items(model) -> tuple[str, ...]:
    """Indicators that differ between observed groups."""
    return () if model.groups is None else model.groups.free


def _check_same_rows(full, restricted) -> None:
    frames = [result.model.inputs.frame for result in (full, restricted)]
    same = full.nobs == restricted.nobs
    if same and all(len(frame) for frame in frames):
        # items that differ between groups are further columns, and groups are categories then
        models = full.model, restricted.model
        columns = [model.groups.column for model in models if model.groups is not None]
        both = [name for name in frames[0] if name in frames[1] and name not in columns]
        same = frames[0][both].equals(frames[1][both])
    if not same:
        raise SpecificationError(
            f"the models are fitted to different data ({full.nobs:g} and {restricted.nobs:g} units); rows "
            "with missing covariates may have been dropped from one of them only"
        )


def _direct_names(model, name: str) -> tuple[str, ...]:
    """Columns with direct effects on an indicator."""
    for indicator in model.measured:
        if indicator.name == name:
            return tuple(indicator.template.design_names[1:])
    return ()
