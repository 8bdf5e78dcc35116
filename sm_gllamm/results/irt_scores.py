"""Scores of persons and what they are worth: methods of results of item response models."""

from __future__ import annotations

from copy import copy

import numpy as np
import pandas as pd

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.information import empirical_reliability
from sm_gllamm.items.reliabilities import marginal_reliabilities
from sm_gllamm.items.scoring import FOUND, PRIOR, ROUGH, Scores, scores
from sm_gllamm.items.sum_scores import sum_scores
from sm_gllamm.items.testlet_posterior import testlet_moments
from sm_gllamm.items.testlet_sum_scores import testlet_sum_scores
from sm_gllamm.results.irt_cluster_scores import ClusterScoreMethods, ScoredPersons, eap_scores
from sm_gllamm.specification.item_responses import code_responses

__all__ = ["ScoreMethods"]


class ScoreMethods(ClusterScoreMethods):
    """Scores and reliability; part of :class:`sm_gllamm.results.irt.IRTResults`."""

    # ------------------------------------------------------------ persons
    def _own_persons(self) -> ScoredPersons:
        model, params = self.model, np.asarray(self.params)
        if getattr(model, "item_responses", None) is None:
            raise SpecificationError("the data were removed; give data=")
        banks = model.banks_of_persons(params)
        if names := self._item_effect_names():
            effects = self.item_effects[names].to_numpy()
            banks = [
                (model.with_effects(bank, effects[k]), rows[model.cluster[rows] == k])
                for bank, rows in banks
                for k in np.unique(model.cluster[rows]).tolist()
            ]
        return ScoredPersons(
            model.item_responses.persons, model.codes, model.latent_means(params), banks
        )

    def _new_persons(self, data, groups) -> ScoredPersons:
        """Persons whose responses were not part of the fit."""
        model, params = self.model, np.asarray(self.params)
        design = model.layout.design
        codes = code_responses(data, design.items, [item.categories for item in self.bank.items])
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(codes))
        # the model with these persons in place of its own
        other = copy(model)
        other.groups = _group_codes(groups, data, model.group_labels, index)
        if not design.covariates:
            banks = [
                (self.model.bank_at(params, g), np.flatnonzero(other.groups == g))
                for g in np.unique(other.groups).tolist()
            ]
            return ScoredPersons(index, codes, other.latent_means(params), banks)
        if model.person_covariates is None:
            raise SpecificationError(
                "the data were removed, and with them how covariates of persons are coded: new persons "
                "cannot be scored"
            )
        if not isinstance(data, pd.DataFrame):
            raise SpecificationError(
                f"data must be a data frame with the covariates {list(design.covariates)}"
            )
        other.covariates = model.person_covariates.of_new(data)
        missing = np.isnan(other.covariates).any(axis=1)
        if missing.any():
            person = index[int(np.argmax(missing))]
            raise SpecificationError(
                f"covariates of person {person!r} are missing; drop the person"
            )
        return ScoredPersons(
            index, codes, other.latent_means(params), other.banks_of_persons(params)
        )

    # ------------------------------------------------------------ scores
    def scores(
        self, method: str = "EAP", data=None, groups=None, persons=None, *, bounds=None,
        information: str = "expected", rotation=None,
    ) -> pd.DataFrame:  # fmt: skip
        """Estimates of the latent variables of persons, with standard errors.

        Parameters
        ----------
        method : {"EAP", "MAP", "ML", "WLE"}
            Mean or mode of the posterior distribution given the responses (with the latent distribution
            of the person's group and covariates as the prior), maximum of the likelihood, or Warm's
            weighted likelihood estimate (of one latent variable), which is finite for all responses.
        data : DataFrame or array_like, shape (n, n_items), optional
            Responses of other persons, coded as those of the model, with the covariates of the model if
            it has any; items that are lacking are missing. Nothing is estimated again. Default the persons
            of the fit.
        groups : str or array_like, shape (n,), optional
            For `data`: groups of the persons, or the column that says them.
        persons : sequence, optional
            Labels of persons to which the table is limited.
        bounds : (low, high), optional
            Where estimates other than EAPs may be.
        information : {"expected", "observed"}
            Which information standard errors of ML are from.
        rotation : RotatedSolution, optional
            What :meth:`rotate` returned: scores are about the rotated latent variables.

        Returns
        -------
        DataFrame
            A row a person. Of one latent variable columns with its name and ``se``; of several ``name`` and
            ``se(name)`` for each; ``status`` says how the estimate came about, and why there is none.

        Raises
        ------
        SpecificationError
            Responses that are no categories of their items, groups or covariates that are lacking,
            methods that the model does not have.

        Notes
        -----
        Item parameters are taken as known. Persons of a model with clusters have posterior means, and
        modes, given the responses of everybody in their cluster: the modes are those of all latent
        variables of a cluster and its persons together (the conditional modes of mixed models), the
        standard errors from the curvature there. ML and WLE take
        items that are random at their posterior means in the cluster. New persons (`data`) of
        such a model are members of clusters nobody else of which is known, with the latent distribution of
        the whole population as the prior. Specific latent variables of bifactor models are integrated
        over one at a time.

        References
        ----------
        Bock, R. D., & Mislevy, R. J. (1982). Adaptive EAP estimation of ability in a microcomputer
        environment. Applied Psychological Measurement 6, 431-444.

        Warm, T. A. (1989). Weighted likelihood estimation of ability in item response theory.
        Psychometrika 54, 427-450.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> new = data.iloc[[0, -1]]
        >>> print(result.scores(data=new).round(3))
             theta     se     status
        0   -1.897  0.801  estimated
        999  0.646  0.859  estimated
        >>> print(result.scores("ML", data=new)["theta"].tolist())
        [-inf, inf]
        """
        found, who = self._scores(method, data, groups, bounds, information)
        return _score_frame(self._rotated(found, rotation), who.index, persons, rotation,
                            self.bank.dimensions)  # fmt: skip

    def _scores(self, method, data=None, groups=None, bounds=None, information="expected"):
        """Estimates of all persons, and who they are."""
        if data is None and groups is not None:
            raise SpecificationError("groups= is for new persons: give data=, too")
        if data is not None:
            self._refuse_random_items("scores of new persons are")
        who = self._own_persons() if data is None else self._new_persons(data, groups)
        if data is None and self.model.cluster is not None and method in ("EAP", "MAP"):
            if bounds is not None:
                raise SpecificationError(
                    "bounds= is not for EAP and MAP of persons in clusters, which are always finite"
                )
            return (self._in_clusters(who) if method == "EAP" else self._map_in_clusters(who)), who
        parts = []
        for bank, rows in who.banks:
            if method == "EAP" and bounds is None and self._testlets(bank):
                part = self._by_testlets(bank, who.codes[rows], who.mean[rows])
            else:
                part = scores(
                    bank, who.codes[rows], method, who.mean[rows], None, bounds, information
                )
            parts.append((part, rows))
        return _together(parts, len(who.codes)), who

    def _by_testlets(self, bank, codes, mean) -> Scores:
        found = testlet_moments(bank, bank.checked_codes(codes), mean, self._testlets(bank))
        status = np.where(found.accurate, FOUND, ROUGH)
        status[(codes < 0).all(axis=1)] = PRIOR
        return eap_scores(found.mean, found.covariance, status)

    def _rotated(self, found: Scores, rotation) -> Scores:
        if rotation is None:
            return found
        turn = rotation.rotation
        if found.estimate.shape[1] != len(turn):
            raise SpecificationError(
                f"the rotation is of {len(turn)} latent variables, the scores are of "
                f"{found.estimate.shape[1]}"
            )
        with np.errstate(invalid="ignore"):
            estimate, covariance = found.estimate @ turn, turn.T @ found.covariance @ turn
        std_err = np.sqrt(np.einsum("nrr->nr", covariance))
        return Scores(found.method, estimate, std_err, covariance, found.status)

    # ------------------------------------------------------------ sum scores
    def sum_score_table(self, group: str | None = None) -> pd.DataFrame:
        """What every sum score says about the latent variables: EAP scores by sum score.

        Parameters
        ----------
        group : str, optional
            Label of a group; default all of them.

        Returns
        -------
        DataFrame
            Rows are sum scores of the codes, 0 and up, with several groups (group, score). Columns: posterior
            mean and SD of each latent variable (but specific ones) given the sum score, ``name`` and
            ``sd(name)``;
            ``probability`` of the sum score; ``expected`` and ``observed`` number of persons among those
            who responded to all items.

        Raises
        ------
        SpecificationError
            Latent regressions and direct effects of covariates on items, with which the sum score says
            different things about different persons; more than five latent variables that are not
            specific.

        Notes
        -----
        By the recursion of Lord & Wingersky (1984), for polytomous items of Thissen, Pommerich, Billeaud &
        Williams (1995), within testlets and then over testlets where there are any (Cai 2015).

        References
        ----------
        Cai, L. (2015). Lord-Wingersky algorithm version 2.0 for hierarchical item factor models with
        applications in test scoring, scale alignment, and model fit testing. Psychometrika 80, 535-559.

        Lord, F. M., & Wingersky, M. S. (1984). Comparison of IRT true-score and equipercentile
        observed-score "equatings". Applied Psychological Measurement 8, 453-461.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.sum_score_table().round(2).tail(2))
               theta  sd(theta)  probability  expected  observed
        score
        4       0.07       0.84         0.36    362.42     357.0
        5       0.65       0.86         0.30    296.68     298.0
        """
        self._refuse_random_items("sum-score tables are")
        if self.model.layout.design.covariates:
            raise SpecificationError(
                "what a sum score says depends on the covariates of the person; use scores()"
            )
        frames = {}
        for g in self._group_numbers(group):
            label = self.model.group_labels[g]
            bank = self.banks[label]
            many = self._testlets(bank)
            table = testlet_sum_scores(bank, many) if many else sum_scores(bank)
            frame = pd.DataFrame(index=pd.Index(table.score, name="score"))
            for d, name in enumerate(bank.dimensions[: table.eap.shape[1]]):
                frame[name], frame[f"sd({name})"] = table.eap[:, d], table.sd[:, d]
            frame["probability"] = table.probability
            if getattr(self.model, "item_responses", None) is not None:
                codes = self.model.codes
                complete = (self.model.groups == g) & (codes >= 0).all(axis=1)
                weights = self.model.person_weights[complete]
                counts = np.bincount(
                    codes[complete].sum(axis=1, dtype=np.int64), weights, len(table.score)
                )
                frame["expected"], frame["observed"] = table.probability * weights.sum(), counts
            frames[label] = frame
        if len(frames) == 1:
            return next(iter(frames.values()))
        return pd.concat(frames, names=["group"])

    # ------------------------------------------------------------ reliability
    def reliability(self, method: str = "EAP") -> pd.DataFrame:
        """Marginal and empirical reliability of the scores, by group and latent variable.

        Parameters
        ----------
        method : {"EAP", "MAP", "ML", "WLE"}
            The scores that the empirical reliability is of; they must be finite.

        Returns
        -------
        DataFrame
            Rows are latent variables, with several groups (group, dimension); columns:

            - ``marginal``: one minus the expected error variance ``(I(theta) + Psi^-1)^-1`` of scores that
              use the prior over the variance Psi of the latent variable, for one latent variable ``E[I / (I
              + 1/var)]``; of more than two latent variables to three or four digits;
            - ``empirical``: of EAP and MAP variance of the scores over itself plus the mean squared
              standard error, of ML and WLE one minus mean squared standard error over variance.

        Notes
        -----
        With a latent regression the marginal reliability is that among persons whose covariates are zero,
        with direct effects of covariates on items, too.

        Examples
        --------
        >>> import sm_gllamm.api as smg
        >>> from sm_gllamm.datasets import lsat
        >>> data = lsat.load_pandas().data
        >>> result = smg.IRT(data, items=[c for c in data if c.startswith("item")]).fit()
        >>> print(result.reliability().round(3))
                   marginal  empirical
        dimension
        theta         0.299      0.301
        """
        found, _ = self._scores(method)
        frames = {}
        for g, (label, bank) in enumerate(self.banks.items()):
            here = self.model.groups == g
            own = Scores(
                found.method, found.estimate[here], found.std_err[here], found.covariance[here],
                found.status[here],
            )  # fmt: skip
            marginal = marginal_reliabilities(bank)
            empirical = empirical_reliability(own, self.model.person_weights[here])
            frames[label] = pd.DataFrame(
                {"marginal": marginal, "empirical": empirical},
                index=pd.Index(bank.dimensions, name="dimension"),
            )
        if len(frames) == 1:
            return next(iter(frames.values()))
        return pd.concat(frames, names=["group"])


def _together(parts: list[tuple[Scores, np.ndarray]], n: int) -> Scores:
    """Scores of some persons each, as those of all."""
    if len(parts) == 1:
        return parts[0][0]
    first = parts[0][0]
    fields = [
        np.empty((n, *values.shape[1:]), values.dtype)
        for values in (first.estimate, first.std_err, first.covariance, first.status)
    ]
    for part, rows in parts:
        values = (part.estimate, part.std_err, part.covariance, part.status)
        for out, value in zip(fields, values, strict=True):
            out[rows] = value
    return Scores(first.method, *fields)


def _score_frame(found: Scores, index, persons, rotation, dimensions) -> pd.DataFrame:
    """Scores as a table, of some persons if asked for."""
    names = list(dimensions) if rotation is None else list(rotation.dimensions)
    frame = pd.DataFrame(index=index)
    for d, name in enumerate(names):
        frame[name] = found.estimate[:, d]
        frame["se" if len(names) == 1 else f"se({name})"] = found.std_err[:, d]
    frame["status"] = found.status_text
    if persons is None:
        return frame
    if unknown := [label for label in persons if label not in index]:
        raise SpecificationError(f"person {unknown[0]!r} is not among the persons")
    return frame.loc[list(persons)]


def _group_codes(groups, data, labels, index) -> np.ndarray:
    """Groups of new persons as numbers."""
    if len(labels) == 1:
        if groups is not None:
            raise SpecificationError("the model has no groups")
        return np.zeros(len(index), dtype=np.intp)
    if groups is None:
        raise SpecificationError(f"the model has the groups {list(labels)}: give groups=")
    if isinstance(groups, str):
        if not isinstance(data, pd.DataFrame) or groups not in data:
            raise SpecificationError(f"groups={groups!r} is no column of data")
        groups = data[groups]
    given = pd.Series(np.asarray(groups)) if not isinstance(groups, pd.Series) else groups
    if len(given) != len(index):
        raise SpecificationError(f"groups has {len(given)} values for {len(index)} persons")
    place = {label: g for g, label in enumerate(labels)}
    codes = np.array([place.get(str(value), -1) for value in given], dtype=np.intp)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise SpecificationError(
            f"group {given.iloc[row]!r} of person {index[row]!r} is none of {list(labels)}"
        )
    return codes
