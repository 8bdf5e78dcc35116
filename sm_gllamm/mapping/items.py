"""Item response models laid out on the engine: codes of rows, columns by code, and the parameters.

A row of the likelihood belongs to an item (of divide-by-total items to one of its categories) and to a
group of persons; its *code* says which. Every column of the design is a value by code, possibly times a
covariate of the person, so that nothing of the size rows times columns exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.mapping.covariances import CorrelationMatrix, TermCovariance
from sm_gllamm.mapping.item_design import ItemDesign, dif_name, specific_name
from sm_gllamm.mapping.random_items import (
    above,
    cluster_covariance,
    of_persons,
    random_item_equations,
)
from sm_gllamm.mapping.slots import SlotBlock, SlotEntry
from sm_gllamm.mapping.standardised import Standard, StandardisedMapping, shifts_of_intercepts
from sm_gllamm.mapping.structural import Coefficient, LatentEquation, Path, StructuralMapping

__all__ = ["ItemLayout", "lay_out_items"]

#: Logits that stand for probabilities of exactly zero and one.
NEVER, ALWAYS = -1000.0, 1000.0
#: Name of the latent variables of testlets.
SPECIFIC = "specific"


#: A coefficient times a parameter (by name), or a constant where the name is None.
Term = tuple[float, str | None]


@dataclass(slots=True)
class ItemLayout:
    """Where everything stands.

    Attributes
    ----------
    design : ItemDesign
    mapping : StructuralMapping
    table : ndarray, shape (n_codes, d)
        Value of each column by code.
    source : ndarray of intp, shape (d,)
        Product of covariates that multiplies it, -1 for none.
    products : list of tuple of int
        Covariates of each product.
    first_code : ndarray of intp, shape (n_groups, n_items)
    offset : ndarray, shape (n_codes,)
    threshold_channel : ndarray of int, shape (n_codes, most thresholds)
        Number of the predictor of each threshold of graded items, -1 where it is known.
    threshold_base : ndarray, same shape
        Known thresholds.
    asymptote_channel : ndarray of int, shape (n_codes, 2)
    asymptote_base : ndarray, shape (n_codes, 2)
    n_constants : int
    intercepts, slopes : dict of (group, item) to list
        Terms of each intercept; for slopes a list by category (of "divide") of a dict by dimension.
    standard : Standard or None
        Units of the covariates of persons that the engine is given.
    """

    design: ItemDesign
    mapping: StructuralMapping
    table: np.ndarray
    source: np.ndarray
    products: list[tuple[int, ...]]
    first_code: np.ndarray
    offset: np.ndarray
    threshold_channel: np.ndarray
    threshold_base: np.ndarray
    asymptote_channel: np.ndarray
    asymptote_base: np.ndarray
    n_constants: int
    intercepts: dict
    slopes: dict
    standard: Standard | None = None

    @property
    def levels(self) -> list[str]:
        """Names of levels, the lowest first."""
        out = [SPECIFIC] if self.design.specific_names else []
        return [*out, "person"] + ([self.design.cluster] if self.design.cluster else [])


class _Columns:
    """Columns of the design as values by code, each once."""

    def __init__(self, n_codes: int):
        self.n_codes = n_codes
        self.columns: list[tuple[int, tuple[tuple[int, float], ...]]] = []
        self.products: list[tuple[int, ...]] = []

    def place(self, values: Mapping[int, float], covariates: tuple[int, ...] = ()) -> int:
        """Number of the column with these values by code, times covariates."""
        source = -1
        if covariates:
            if covariates not in self.products:
                self.products.append(covariates)
            source = self.products.index(covariates)
        column = (source, tuple(sorted(values.items())))
        if column not in self.columns:
            self.columns.append(column)
        return self.columns.index(column)

    def values(self, column: int) -> tuple[int, dict[int, float]]:
        source, values = self.columns[column]
        return source, dict(values)

    @property
    def table(self) -> np.ndarray:
        out = np.zeros((self.n_codes, len(self.columns)))
        for c, (_, values) in enumerate(self.columns):
            for code, value in values:
                out[code, c] = value
        return out


class _Builder:
    """Goes through items and groups once and collects columns, slots and loadings."""

    def __init__(self, design: ItemDesign, standard: Standard | None = None):
        self.design, self.standard = design, standard
        rows = [
            k if model.form == "divide" else 1
            for model, k in zip(design.models, design.n_categories, strict=True)
        ]
        g = len(design.groups)
        starts = np.concatenate([[0], np.cumsum(rows)]).astype(np.intp)
        self.first_code = starts[:-1][None, :] + starts[-1] * np.arange(g)[:, None]
        self.n_codes = int(starts[-1]) * g
        self.columns = _Columns(self.n_codes)
        self.exog: dict[str, int] = {}
        self.offset = np.zeros(self.n_codes)
        most = max(max(design.n_categories) - 1, 1)
        self.threshold_channel = np.full((self.n_codes, most), -1)
        self.threshold_base = np.zeros((self.n_codes, most))
        self.asymptote_channel = np.full((self.n_codes, 2), -1)
        self.asymptote_base = np.tile([NEVER, ALWAYS], (self.n_codes, 1))
        self.thresholds: list[tuple[str, float]] = []
        self.asymptotes: list[str] = []
        self.n_constants = 0
        self.intercepts: dict = {}
        self.slopes: dict = {}
        #: by dimension: column and coefficient, each pair once
        self.loadings: list[dict[tuple[int, Coefficient], None]] = [{} for _ in design.dimensions]
        self.specific_loadings: list[dict] = [{} for _ in design.specific_names]
        self.slot_channels: dict[str, int] = {}

    def name(self, what: str, j: int, category: int | None = None, group: int | None = None) -> str:
        """Name of a parameter, such as ``intercept[item:2|group]``."""
        text = self.design.items[j]
        if category is not None:
            text += f":{category}"
        if group is not None:
            text += f"|{self.design.groups[group]}"
        return f"{what}[{text}]"

    def codes(self, j: int, groups: Sequence[int], category: int = 0) -> list[int]:
        return [int(self.first_code[g, j]) + category for g in groups]

    def shares(self, what: str, j: int) -> list[tuple[list[int], int | None]]:
        """Groups that have their parameters together, and the group that names these."""
        everyone = list(range(len(self.design.groups)))
        if self.design.own(what, j):
            return [([g], g) for g in everyone]
        return [(everyone, None)]

    def coefficient(self, name: str, values: Mapping[int, float]) -> None:
        """A coefficient of the fixed part with values by code; several calls make one column."""
        known = self.pending.setdefault(name, {})
        known.update(values)

    def build(self) -> ItemLayout:
        design = self.design
        self.pending: dict[str, dict[int, float]] = {}
        self.direct: dict[str, int] = {}
        for j in range(len(design.items)):
            for groups, named in self.shares("intercepts", j):
                self.add_intercepts(j, groups, named)
            for groups, named in self.shares("asymptotes", j):
                self.add_asymptotes(j, groups, named)
            for groups, named in self.shares("slopes", j):
                self.add_slopes(j, groups, named)
            self.add_dif(j)
        self.exog = {name: self.columns.place(values) for name, values in self.pending.items()}
        self.exog |= self.direct
        mapping = self.mapping()
        return ItemLayout(
            design, mapping, self.columns.table,
            np.array([source for source, _ in self.columns.columns], dtype=np.intp),
            self.columns.products, self.first_code, self.offset, self.threshold_channel,
            self.threshold_base, self.asymptote_channel, self.asymptote_base, self.n_constants,
            self.intercepts, self.slopes, self.standard,
        )  # fmt: skip

    def mapping(self) -> StructuralMapping:
        """The parameters, published for covariates as they are whatever the engine is given."""
        parts = (
            list(self.exog), list(self.exog.values()), self.latents(), self.covariances(),
            self.slot_blocks(), self.multiplied,
        )  # fmt: skip
        if self.standard is None:
            return StructuralMapping(*parts)
        mapping = StandardisedMapping(*parts)
        design = self.design
        place = {name: k for k, name in enumerate(mapping.param_names)}
        shifts = shifts_of_intercepts(design, self.intercepts, self.slopes, place, self.standard)
        if shifts is None:
            shifts, self.standard = {}, self.standard.without_centre()
        divisor = np.ones(mapping.k_params)
        for k, covariate in enumerate(design.covariates):
            for name in design.dimensions if k in design.regression else ():
                divisor[place[f"{name} ~ {covariate}"]] = self.standard.scale[k]
            for j, item in enumerate(design.items):
                on_intercept, on_slope = design.dif.get(item, ((), ()))
                if k in on_intercept:
                    divisor[place[dif_name(design, j, k)]] = self.standard.scale[k]
                if k in on_slope:
                    for d in np.flatnonzero(design.pattern[j]).tolist():
                        divisor[place[dif_name(design, j, k, d)]] = self.standard.scale[k]
        mapping.publish(shifts, divisor)
        return mapping

    # ------------------------------------------------------------ items
    def add_intercepts(self, j: int, groups: list[int], named: int | None) -> None:
        design = self.design
        model, k = design.models[j], design.n_categories[j]
        known = design.fixed.get(design.items[j], {}).get("intercept")
        if known is not None:
            values = np.atleast_1d(np.asarray(known, dtype=float))
            if values.shape != (k - 1,):
                raise SpecificationError(
                    f"fixed intercepts of item {design.items[j]!r} must be {k - 1} numbers, not {known!r}"
                )
            terms: list[list[Term]] = [[(float(v), None)] for v in values]
        elif model.shared_steps:
            terms = self.rating_terms(j, groups, named)
        elif design.item_covariates is not None:
            terms = [self.explained(j, groups, 1.0, 0)]
        elif model.form == "binary":
            terms = [[(1.0, self.name("intercept", j, None, named))]]
        else:
            terms = [[(1.0, self.name("intercept", j, c, named))] for c in range(1, k)]
        for g in groups:
            self.intercepts[g, j] = terms
        for c, term in enumerate(terms):
            for value, name in term:
                self.place_intercept(j, groups, c, value, name)

    def place_intercept(self, j, groups, c: int, value: float, name: str | None) -> None:
        """One term of the c-th intercept: in the fixed part, an offset or a threshold."""
        form = self.design.models[j].form
        if form == "graded":
            # P(y > c) = F(nu - threshold): an intercept is minus a threshold
            codes = self.codes(j, groups)
            if name is None:
                self.threshold_base[codes, c] = -value
            else:
                channel = self.slot_channel(name)
                self.threshold_channel[codes, c] = channel
                self.thresholds.append((name, channel))
            return
        codes = self.codes(j, groups, c + 1 if form == "divide" else 0)
        if name is None:
            self.offset[codes] += value
        else:
            self.coefficient(name, {code: value for code in codes})

    def slot_channel(self, name: str) -> int:
        if name not in self.slot_channels:
            self.slot_channels[name] = self.n_constants
            self.n_constants += 1
        return self.slot_channels[name]

    def rating_terms(self, j: int, groups, named) -> list[list[Term]]:
        """Andrich's model: k times a location, plus steps that sum to zero over all."""
        design, k = self.design, self.design.n_categories[j]
        # steps are those of all items: a group has its own only where all items have theirs
        scales = [i for i, model in enumerate(design.models) if model.shared_steps]
        several = named is not None and all(design.own("intercepts", i) for i in scales)
        group = f"|{design.groups[named]}" if several else ""
        terms = []
        for c in range(1, k):
            if design.item_covariates is None:
                own: list[Term] = [(float(c), self.name("intercept", j, None, named))]
            else:
                own = self.explained(j, groups, float(c), c)
            terms.append(own + ([(1.0, f"step[{c}{group}]")] if c < k - 1 else []))
        return terms

    def explained(self, j: int, groups, factor: float, category: int) -> list[Term]:
        """An intercept that is linear in covariates of the item."""
        row = self.design.item_covariates[j]
        return [
            (factor * float(value), name)
            for value, name in zip(row, self.design.item_covariate_names, strict=True)
            if value != 0.0
        ]

    def add_asymptotes(self, j: int, groups: list[int], named: int | None) -> None:
        design = self.design
        codes = self.codes(j, groups)
        for side, what, free in (
            (0, "lower", design.models[j].lower),
            (1, "upper", design.models[j].upper),
        ):
            known = design.fixed.get(design.items[j], {}).get(what)
            if known is not None:
                if not 0.0 <= known <= 1.0 or design.models[j].form != "binary":
                    raise SpecificationError(
                        f"the fixed {what} asymptote of item {design.items[j]!r} is {known!r}; it must be a "
                        "probability, of an item with two categories"
                    )
                with np.errstate(divide="ignore"):
                    logit = np.log(known) - np.log1p(-known) if known < 1.0 else np.inf
                self.asymptote_base[codes, side] = np.clip(logit, NEVER, ALWAYS)
            elif free:
                name = self.name(f"logit_{what}", j, None, named)
                channel = self.slot_channel(name)
                self.asymptote_base[codes, side] = 0.0
                self.asymptote_channel[codes, side] = channel
                self.asymptotes.append(name)

    def add_slopes(self, j: int, groups: list[int], named: int | None) -> None:
        design = self.design
        model, k = design.models[j], design.n_categories[j]
        categories = range(1, k) if model.form == "divide" else [0]
        nominal = model.slope == "categories"
        measured = np.flatnonzero(design.pattern[j]).tolist()
        every = {code: float(max(c, 1)) for c in categories for code in self.codes(j, groups, c)}
        parts: list[tuple[int | None, dict[int, float]]] = [(None, every)]
        if nominal:
            parts = [(c, dict.fromkeys(self.codes(j, groups, c), 1.0)) for c in categories]
        for category, values in parts:
            column = self.columns.place(values)
            for d in measured:
                self.loadings[d][column, self.slope_of(j, d, named, category)] = None
            if design.specific_names and (s := design.specific[j]) >= 0:
                own = Coefficient(specific_name(design, j, category, named))
                if design.testlets:
                    own = self.slope_of(j, design.first_dimension(j), named, category)
                self.specific_loadings[s][column, own] = None
        by_category: list[dict[int, Term]] = []
        for c in categories:
            terms = {}
            for d in measured:
                own = self.slope_of(j, d, named, c if nominal else None)
                factor = 1.0 if nominal else float(max(c, 1))
                terms[d] = (factor * (own.value if own.name is None else 1.0), own.name)
            by_category.append(terms)
        for g in groups:
            self.slopes[g, j] = by_category

    def shift_of(self, j: int) -> dict[int, float]:
        """What shifts the predictors of an item in all groups, of divide-by-total items once a step."""
        everyone = range(len(self.design.groups))
        divide = self.design.models[j].form == "divide"
        categories = range(1, self.design.n_categories[j]) if divide else [0]
        return {code: float(max(c, 1)) for c in categories for code in self.codes(j, everyone, c)}

    def add_dif(self, j: int) -> None:
        """Direct effects of covariates of persons on an item."""
        design = self.design
        intercept, slope = design.dif.get(design.items[j], ((), ()))
        values = self.shift_of(j)
        for k in intercept:
            self.direct[dif_name(design, j, k)] = self.columns.place(values, (k,))
        for k in slope:
            for d in np.flatnonzero(design.pattern[j]).tolist():
                column = self.columns.place(values, (k,))
                self.loadings[d][column, Coefficient(dif_name(design, j, k, d))] = None

    def slope_of(self, j: int, d: int, named, category: int | None = None) -> Coefficient:
        """The slope of an item on a dimension."""
        design = self.design
        model = design.models[j]
        several = len(design.dimensions) > 1 or bool(design.specific_names and not design.testlets)
        where = f", {design.dimensions[d]}" if several else ""
        value = design.known("slope", j, d)
        if value is not None:
            values = np.atleast_1d(np.asarray(value, dtype=float))
            return Coefficient(None, float(values[0 if category is None else category - 1]))
        if model.slope == "one":
            return Coefficient(None, 1.0)
        if model.slope == "common":
            return Coefficient(f"slope[{design.dimensions[d]}]" if several else "slope")
        return Coefficient(self.name("slope", j, category, named)[:-1] + where + "]")

    # ------------------------------------------------------------ latent variables
    def slot_blocks(self) -> list[tuple[SlotBlock, list[int]]]:
        blocks = []
        for slot, names, factor in (
            ("threshold", list(dict.fromkeys(name for name, _ in self.thresholds)), -1.0),
            ("asymptote", list(dict.fromkeys(self.asymptotes)), 1.0),
        ):
            if names:
                entries = tuple(
                    SlotEntry(None, -1, self.slot_channels[name], k, factor)
                    for k, name in enumerate(names)
                )
                blocks.append(
                    (SlotBlock(slot, tuple(names), "identity", entries), [-1] * len(names))
                )
        return blocks

    @property
    def person_level(self) -> int:
        return int(bool(self.design.specific_names))

    def free_variance(self, d: int) -> bool:
        """Whether some slope of a dimension is known, so that the data know its variance."""
        return any(c.name is None and c.value != 0.0 for _, c in self.loadings[d])

    def free_mean(self, d: int) -> bool:
        """Whether some intercept of a dimension is known, so that the data know its mean."""
        design = self.design
        return any(
            design.pattern[j, d] and "intercept" in design.fixed.get(item, {})
            for j, item in enumerate(design.items)
        )

    def latents(self) -> list[LatentEquation]:
        design, level = self.design, self.person_level
        several = len(design.groups) > 1
        out, composed = [], []
        for d, name in enumerate(design.dimensions):
            loadings = tuple(self.loadings[d])
            paths = [
                Path(label, (), k, Coefficient(f"{name} ~ {label}"))
                for k, label in ((k, design.covariates[k]) for k in design.regression)
            ]
            if self.free_mean(d):
                paths.append(Path("1", (), None, Coefficient(f"mean({name})")))
            first = len(design.covariates)
            if several:
                for g, label in enumerate(design.groups):
                    if g and design.anchored("intercepts", d):
                        mean = Coefficient(f"mean({name}|{label})")
                        paths.append(Path(f"group[{label}]", (), first + g, mean))
                    for e in range(d + 1):
                        scale = self.group_scale(d, e, g)
                        if scale is not None:
                            other = design.dimensions[e]
                            paths.append(
                                Path(f"{other}:group[{label}]", (other,), first + g, scale)
                            )
            if design.cluster:
                paths.append(
                    Path(design.cluster, (above(design, name),), None, Coefficient(None, 1.0))
                )
            if not several and not design.cluster:
                out.append(LatentEquation(name, level, loadings, tuple(paths)))
                continue
            out.append(LatentEquation(name, level, ()))
            if not several:
                paths.append(Path(name, (name,), None, Coefficient(None, 1.0)))
            composed.append(LatentEquation(of_persons(name), level, loadings, tuple(paths), False))
        if design.cluster:
            out += [
                LatentEquation(above(design, name), level + 1, ()) for name in design.dimensions
            ]
            varying, products = random_item_equations(
                design, level, lambda j: self.columns.place(self.shift_of(j))
            )
            out += varying
            composed += products
        specific = []
        if design.specific_names:
            if design.testlets:
                specific.append(LatentEquation(SPECIFIC, 0, ()))
                for s, label in enumerate(design.specific_names):
                    path = Path(SPECIFIC, (SPECIFIC,), None, Coefficient(f"sd({label})"))
                    own = tuple(self.specific_loadings[s])
                    specific.append(LatentEquation(label, 0, own, (path,), False))
            else:
                own = tuple(pair for found in self.specific_loadings for pair in found)
                specific.append(LatentEquation(SPECIFIC, 0, own))
        return specific + out + composed

    def group_scale(self, d: int, e: int, g: int) -> Coefficient | None:
        """What a group multiplies a standardised dimension with: its standard deviation is a ratio."""
        design = self.design
        if g == 0 or not design.anchored("slopes", d):
            return Coefficient(None, 1.0) if d == e else None
        label, name = design.groups[g], design.dimensions[d]
        if d == e:
            return Coefficient(f"scale({name}|{label})")
        if not design.correlated:
            return None
        return Coefficient(f"scale({name},{design.dimensions[e]}|{label})")

    def covariances(self) -> list[TermCovariance]:
        design = self.design
        out: list[TermCovariance] = []
        if design.specific_names:
            out.append(CorrelationMatrix("diagonal", (SPECIFIC,), SPECIFIC, SPECIFIC))
        names = design.dimensions
        free = [self.free_variance(d) for d in range(len(names))]
        structure = "unstructured" if design.correlated else "diagonal"
        if not any(free):
            out.append(CorrelationMatrix(structure, names, "person", "person"))
        elif all(free):
            out.append(TermCovariance(structure, names, "person", "person"))
        elif design.correlated:
            raise SpecificationError(
                "slopes are known in some dimensions and free in others, whose latent variables then have a "
                "variance of one; such dimensions cannot covary here: use correlated=False"
            )
        else:
            known = tuple((d, 1.0) for d, one in enumerate(free) if not one)
            out.append(TermCovariance("pattern", names, "person", "person", (), known))
        if design.cluster:
            out.append(cluster_covariance(design))
        return out

    def multiplied(self, column: int, covariates) -> int:
        """Column of the product of a column with covariates of persons and indicators of groups."""
        design = self.design
        source, values = self.columns.values(column)
        product = list(self.columns.products[source]) if source >= 0 else []
        for _, k in covariates:
            if k < len(design.covariates):
                product.append(k)
                continue
            g = k - len(design.covariates)
            low = int(self.first_code[g, 0])
            high = low + self.n_codes // len(design.groups)
            values = {code: value for code, value in values.items() if low <= code < high}
        return self.columns.place(values, tuple(sorted(product)))


def lay_out_items(design: ItemDesign, standard: Standard | None = None) -> ItemLayout:
    """Columns, slots and parameters of an item response model.

    Parameters
    ----------
    design : ItemDesign
    standard : Standard, optional
        Units in which the engine is to be given covariates of persons; default as they are.

    Returns
    -------
    ItemLayout

    Raises
    ------
    SpecificationError
        Fixed values that do not fit, or dimensions some of which have known slopes.
    """
    return _Builder(design, standard).build()
