"""The benchmark cases: which model, on which data, against which peers, with which aim."""

from collections.abc import Callable
from dataclasses import dataclass

import data
import pandas as pd

from sm_gllamm.api import Latent


@dataclass(frozen=True)
class Peer:
    """One competitor in a case.

    Attributes
    ----------
    name : {"lme4", "glmmTMB", "clmm", "clmm2", "glmm"}
    aim : float or None
        Ratio of CPU times (peer / this package) to be reached, or None when only reported.
    n_points : int or None
        Quadrature points of the peer; None for the number of the case. 1 is Laplace.
    repeats : int
        Timed fits of which the median is taken.
    formula, family, offset : str or None
        Where the same likelihood is another model there; None for those of the case.
    shift : callable or None
        What of the log-likelihood depends on the data only and is missing there, from the data.
    """

    name: str
    aim: float | None = None
    n_points: int | None = None
    repeats: int = 3
    formula: str | None = None
    family: str | None = None
    offset: str | None = None
    shift: Callable[[pd.DataFrame], float] | None = None


@dataclass(frozen=True)
class Case:
    """One model on one data set. The formula is valid in all packages as it stands.

    Attributes
    ----------
    family : str
        A key of ``ours.FAMILIES``.
    n_points : int or tuple of int or None
        Quadrature points of this package, as in ``fit(n_points=...)``.
    factors : tuple of str
        Columns that R has to take as factors.
    offset : str or None
        Column that is added to the linear predictor.
    reference : float or None
        Log-likelihood that a fit has to reach to within `within`, when peers only have Laplace.
    seconds : float or None
        Elapsed seconds allowed on two cores.
    latent : tuple of Latent or None
        What stands for the bars of the formula where we fit the model as a GLLAMM.
    """

    key: str
    title: str
    load: Callable[[], pd.DataFrame]
    formula: str
    family: str
    n_points: int | tuple[int, ...] | None
    peers: tuple[Peer, ...]
    factors: tuple[str, ...] = ()
    offset: str | None = None
    reference: float | None = None
    within: float = 1e-3
    seconds: float | None = None
    repeats: int = 5
    n_threads: int = 1
    latent: tuple[Latent, ...] | None = None


PISA_FORMULA = (
    "pass_read ~ mses + female + ses + high_school + college + test_lang + (1 | id_school)"
)
GUIMMUN_FORMULA = (
    "immun ~ kid2p + mom25p + ord + ethn + momEd + husEd + momWork + rural + pcInd81"
    " + (1 | comm/mom)"
)

SIMULATED = "y ~ x1 + x2 + x3 + x4 + (1 | g)"
#: Events as Poisson counts with the log of the time at risk as offset: the likelihood of
#: exponential durations but for the times of the events.
AS_POISSON = {
    "formula": "event ~ x1 + x2 + x3 + x4 + (1 | g)",
    "family": "poisson",
    "offset": "log_time",
    "shift": lambda frame: -float((frame["event"] * frame["log_time"]).sum()),
}

CASES = (
    Case(
        key="pisa",
        title="PISA: 2,069 rows, 148 schools, random intercept, logit, 7 points",
        load=data.pisa,
        formula=PISA_FORMULA,
        family="binomial",
        n_points=7,
        peers=(Peer("lme4", 30), Peer("glmm", 2, repeats=9), Peer("glmmTMB", n_points=1)),
        factors=("id_school",),
        repeats=15,
    ),
    Case(
        key="sim20k",
        title="simulated: 20,000 rows, 1,000 clusters, logit, 7 points",
        load=lambda: data.logit_clusters(20_000, 1_000, seed=1),
        formula=SIMULATED,
        family="binomial",
        n_points=7,
        peers=(Peer("glmm", 5, repeats=5), Peer("glmmTMB", n_points=1, repeats=1)),
        factors=("g",),
    ),
    Case(
        key="sim100k",
        title="simulated: 100,000 rows, 5,000 clusters, logit, 7 points",
        load=lambda: data.logit_clusters(100_000, 5_000, seed=2),
        formula=SIMULATED,
        family="binomial",
        n_points=7,
        peers=(
            Peer("lme4", 150, repeats=1),
            Peer("glmmTMB", 40, n_points=1, repeats=1),
            Peer("glmm"),
        ),
        factors=("g",),
    ),
    Case(
        key="groups125k",
        title="125,066 groups of 2-10 rows, gaussian",
        load=lambda: data.many_groups(gaussian=True),
        formula="value ~ cat1 + cat2 + x + (1 | unit)",
        family="gaussian",
        n_points=None,
        peers=(Peer("lme4", repeats=1), Peer("glmm", repeats=1)),
        factors=("unit", "cat1", "cat2"),
        seconds=10.0,
        repeats=3,
        n_threads=2,
    ),
    Case(
        key="groups125k_logit",
        title="125,066 groups of 2-10 rows, logit, 7 points",
        load=lambda: data.many_groups(gaussian=False),
        formula="value ~ cat1 + cat2 + x + (1 | unit)",
        family="binomial",
        n_points=7,
        peers=(Peer("glmm", repeats=1),),
        factors=("unit", "cat1", "cat2"),
        seconds=10.0,
        repeats=3,
        n_threads=2,
    ),
    Case(
        key="contraception",
        title="Contraception: 1,934 rows, 60 districts, intercept and slope, 7 x 7 points",
        load=data.contraception,
        formula="use ~ age + age2 + urban + ch1 + ch2 + ch3p + (1 + urban | district)",
        family="binomial",
        n_points=7,
        peers=(Peer("glmm", 5, repeats=5), Peer("lme4", n_points=1), Peer("glmmTMB", n_points=1)),
        factors=("district",),
        repeats=15,
    ),
    Case(
        key="guimmun",
        title="guImmun: 2,159 rows, 1,595 mothers in 161 communities, three levels, logit",
        load=data.guimmun,
        formula=GUIMMUN_FORMULA,
        family="binomial",
        n_points=None,
        peers=(Peer("glmmTMB", 1, n_points=1), Peer("glmm", n_points=1)),
        factors=("comm", "mom", "ord", "ethn", "momEd", "husEd"),
        reference=-1323.952432,
    ),
    Case(
        key="owls",
        title="Owls: 599 rows, 27 nests, zero-inflated Poisson",
        load=data.owls,
        formula="SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)",
        family="zip",
        n_points=None,
        peers=(Peer("glmmTMB", 20, n_points=1),),
        factors=("Nest",),
        offset="logBroodSize",
        repeats=15,
    ),
    Case(
        key="zip20k",
        title="simulated: 20,000 rows, 1,000 clusters, zero-inflated Poisson",
        load=lambda: data.zip_clusters(20_000, 1_000, seed=11),
        formula=SIMULATED,
        family="zip",
        n_points=None,
        peers=(Peer("glmmTMB", 20, n_points=1),),
        factors=("g",),
    ),
    Case(
        key="nb10k",
        title="simulated: 10,000 rows, 500 clusters, negative binomial (NB2)",
        load=lambda: data.nb2_clusters(10_000, 500, seed=12),
        formula=SIMULATED,
        family="nb2",
        n_points=None,
        peers=(Peer("glmmTMB", 20, n_points=1),),
        factors=("g",),
    ),
    Case(
        key="gamma10k",
        title="simulated: 10,000 rows, 500 clusters, gamma with log link",
        load=lambda: data.gamma_clusters(10_000, 500, seed=13),
        formula=SIMULATED,
        family="gamma",
        n_points=None,
        peers=(Peer("glmmTMB", 20, n_points=1),),
        factors=("g",),
    ),
    Case(
        key="beta10k",
        title="simulated: 10,000 rows, 500 clusters, beta with logit link",
        load=lambda: data.beta_clusters(10_000, 500, seed=14),
        formula=SIMULATED,
        family="beta",
        n_points=None,
        peers=(Peer("glmmTMB", 20, n_points=1),),
        factors=("g",),
    ),
    Case(
        key="wine",
        title="wine: 72 rows, 9 judges, 5 ordered categories, logit, 10 points",
        load=data.wine,
        formula="rating ~ temp + contact + (1 | judge)",
        family="ordinal_logit",
        n_points=10,
        peers=(Peer("clmm"), Peer("clmm2")),
        factors=("rating", "judge"),
        repeats=15,
    ),
    Case(
        key="soup",
        title="soup: 1,847 rows, 185 respondents, 6 ordered categories, probit, 10 points",
        load=data.soup,
        formula="SURENESS ~ PROD + DAY + SOUPTYPE + SOUPFREQ + (1 | RESP)",
        family="ordinal_probit",
        n_points=10,
        peers=(Peer("clmm", 20, repeats=1), Peer("clmm2", 20, repeats=1)),
        factors=("SURENESS", "RESP"),
        repeats=15,
    ),
    Case(
        key="ordinal20k",
        title="simulated: 20,000 rows, 1,000 clusters, 5 ordered categories, logit, 7 points",
        load=lambda: data.ordinal_clusters(20_000, 1_000, seed=15),
        formula=SIMULATED,
        family="ordinal_logit",
        n_points=7,
        peers=(Peer("clmm", 20, repeats=1), Peer("clmm2", 20, repeats=1)),
        factors=("y", "g"),
    ),
    Case(
        key="exponential20k",
        title="simulated: 20,000 durations, 1,000 clusters, censored exponential, 7 points",
        load=lambda: data.exponential_clusters(20_000, 1_000, seed=16),
        formula="time + event ~ x1 + x2 + x3 + x4 + (1 | g)",
        family="exponential",
        n_points=7,
        peers=(
            Peer("lme4", 20, repeats=1, **AS_POISSON),
            Peer("glmmTMB", 20, n_points=1, **AS_POISSON),
        ),
        factors=("g",),
    ),
    Case(
        key="pisa_gllamm",
        title="PISA as in the first case, said as a GLLAMM with a latent variable of schools",
        load=data.pisa,
        formula=PISA_FORMULA,
        family="binomial",
        n_points=7,
        peers=(Peer("lme4"), Peer("glmmTMB", n_points=1)),
        repeats=15,
        latent=(Latent("u", "id_school"),),
    ),
    Case(
        key="growth",
        title="simulated: 20,000 rows, 2,000 persons, growth curves, log link, Poisson, said as a GLLAMM",
        load=lambda: data.growth(20_000, 2_000, seed=21),
        formula="y ~ x1 + time + (1 + time | g)",
        family="poisson",
        n_points=None,
        peers=(Peer("glmmTMB", n_points=1),),
        factors=("g",),
        latent=(Latent("level", "g"), Latent("slope", "g", "0 + time")),
    ),
)
