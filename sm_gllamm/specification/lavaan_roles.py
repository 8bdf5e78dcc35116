"""What the variables of a structural equation model are: latent, indicators, outcomes, covariates."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sm_gllamm.specification.lavaan_syntax import Term

__all__ = ["Roles", "variable_roles"]


@dataclass(frozen=True, slots=True)
class Roles:
    """The variables of a block, each tuple in the order of first appearance.

    Attributes
    ----------
    latent : tuple of str
        Left of ``=~``, and random coefficients.
    coefficients : tuple of str
        Random coefficients of the levels below.
    indicators : tuple of str
        Observed, right of ``=~``.
    outcomes : tuple of str
        Observed, left of ``~``, not indicators.
    covariates : tuple of str
        Observed, only right of ``~``; with products of observed variables, ``"x:z"``.
    others : tuple of str
        Observed, in covariances, intercepts or thresholds only.
    products : tuple of str
        Products with a latent variable, ``"f:g"``: neither observed nor variables of their own.
    higher : tuple of str
        Latent variables of levels above that predict variables of this one.
    mentioned : tuple of str
        In covariances or intercepts: covariates among them are random.
    exogenous_latent : tuple of str
        Latent variables that neither are regressed on others nor measure others.
    dependent : tuple of str
        Latent variables and outcomes that are regressed on others and predict none.
    sole_indicators : tuple of str
        The indicator of a latent variable that has no other, and that measures no other.
    """

    latent: tuple[str, ...]
    coefficients: tuple[str, ...]
    indicators: tuple[str, ...]
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]
    others: tuple[str, ...]
    products: tuple[str, ...]
    higher: tuple[str, ...]
    mentioned: tuple[str, ...]
    exogenous_latent: tuple[str, ...]
    dependent: tuple[str, ...]
    sole_indicators: tuple[str, ...]

    @property
    def observed(self) -> tuple[str, ...]:
        """All observed variables, covariates behind indicators and outcomes."""
        return (*self.indicators, *self.outcomes, *self.covariates, *self.others)

    @property
    def random_covariates(self) -> tuple[str, ...]:
        """Covariates whose distribution the text speaks of."""
        return tuple(name for name in self.covariates if name in self.mentioned)


def variable_roles(
    terms: Iterable[Term], coefficients: Iterable[str] = (), above: Collection[str] = ()
) -> Roles:
    """The roles that variables play in some terms.

    Parameters
    ----------
    terms : iterable of Term
    coefficients : iterable of str
        Names of random coefficients, which are latent variables here.
    above : collection of str
        Latent variables of levels above.

    Returns
    -------
    Roles

    Examples
    --------
    >>> from sm_gllamm.specification.lavaan_syntax import parse
    >>> roles = variable_roles(parse("f =~ y1 + y2 \\n f ~ x \\n z ~ f + x").terms)
    >>> roles.latent, roles.indicators, roles.outcomes, roles.covariates
    (('f',), ('y1', 'y2'), ('z',), ('x',))
    """
    terms = tuple(terms)
    by_op: dict[str, list[Term]] = {}
    for term in terms:
        by_op.setdefault(term.op, []).append(term)
    loadings, slopes = by_op.get("=~", []), by_op.get("~", [])
    coefficients = _unique(coefficients)
    factors = _unique(term.lhs for term in loadings)
    latent = _unique((*factors, *coefficients))
    measured = _unique(term.rhs for term in loadings)
    regressed = _unique(term.lhs for term in slopes)
    right = _unique(term.rhs for term in slopes)
    predictors = [part for name in right for part in (name, *name.split(":"))]
    higher = tuple(n for n in dict.fromkeys(predictors) if n in above and n not in latent)
    products = tuple(
        n for n in right if ":" in n and any(p in (*latent, *higher) for p in n.split(":"))
    )
    known = {*latent, *products, *higher}
    indicators = _new(measured, known)
    outcomes = _new(regressed, known)
    covariates = _new(right, known)
    covariances = by_op.get("~~", [])
    named = [
        *(term.lhs for term in covariances),
        *(term.rhs for term in covariances),
        *(term.lhs for term in by_op.get("~1", [])),
    ]
    others = _new([*named, *(t.lhs for op in ("|", "~*~") for t in by_op.get(op, []))], known)
    counts = {name: sum(term.rhs == name for term in loadings) for name in measured}
    alone = {f: [term.rhs for term in loadings if term.lhs == f] for f in factors}
    return Roles(
        latent=latent,
        coefficients=coefficients,
        indicators=indicators,
        outcomes=outcomes,
        covariates=covariates,
        others=others,
        products=products,
        higher=higher,
        mentioned=_unique(named),
        exogenous_latent=tuple(f for f in factors if f not in regressed and f not in measured),
        dependent=tuple(
            name
            for name in (*(f for f in factors if f in regressed and f not in measured), *outcomes)
            if name not in predictors
        ),
        sole_indicators=tuple(
            rhs[0] for rhs in alone.values() if len(set(rhs)) == 1 and counts[rhs[0]] == len(rhs)
        ),
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _new(names: Iterable[str], known: set[str]) -> tuple[str, ...]:
    """Names that are not known yet, which they are from then on."""
    found = tuple(name for name in dict.fromkeys(names) if name not in known)
    known.update(found)
    return found
