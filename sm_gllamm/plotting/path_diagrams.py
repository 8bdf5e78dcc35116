"""Path diagrams: ellipses for latent variables, boxes for what is observed, a frame for each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sm_gllamm.plotting.axes import new_axes

__all__ = ["plot_path_diagram"]

# all lengths are in inches
#: Width of a character of a node's label.
CHARACTER = 0.085
BOX_HEIGHT, ELLIPSE_HEIGHT = 0.3, 0.58
#: Between the centres of boxes of a column, and the centres of ellipses.
BOX_STEP, ELLIPSE_STEP = 0.44, 0.95
#: Between the edges of items and the first latent variables, and of further columns.
LOADING_GAP, GAP = 1.3, 0.95
#: More between columns with a product between them.
PRODUCT_GAP = 0.6
#: Distance of a loading's number from its item.
NUMBER = 0.42
FRAME_PAD, FRAME_LABEL = 0.2, 0.26
FONT = 9.0
#: Bends of arrows and arcs that are tried, as shares of their chords.
BENDS = (0.0, 0.15, -0.15, 0.3, -0.3, 0.45, -0.45)
ARCS = (0.5, 0.7, 0.9, 1.2, 1.6)


@dataclass
class _Layout:
    """Centres and sizes of nodes; x runs from left to right, y upwards."""

    x: dict[str, float] = field(default_factory=dict)
    y: dict[str, float] = field(default_factory=dict)
    width: dict[str, float] = field(default_factory=dict)
    height: dict[str, float] = field(default_factory=dict)
    #: whether columns follow the paths, instead of items in the middle
    layered: bool = False
    #: how many arrows have been drawn between two nodes
    drawn: dict[frozenset, int] = field(default_factory=dict)

    def centre(self, node: str) -> np.ndarray:
        return np.array([self.x[node], self.y[node]])


def _sizes(nodes: pd.DataFrame, layout: _Layout) -> None:
    """Widths and heights; boxes of a kind are equally wide."""
    longest = {node: max(map(len, label.split("\n"))) for node, label in nodes["label"].items()}
    for kind, of_kind in nodes.groupby("kind"):
        for node in of_kind.index:
            if kind == "latent":
                layout.width[node] = max(1.0, CHARACTER * longest[node] + 0.4)
                layout.height[node] = ELLIPSE_HEIGHT
            elif kind == "product":
                layout.width[node] = layout.height[node] = BOX_HEIGHT
            else:
                most = max(longest[other] for other in of_kind.index)
                layout.width[node] = max(0.5, CHARACTER * most + 0.2)
                layout.height[node] = BOX_HEIGHT


def _sides(latents: Sequence[str], items: dict, children: dict) -> dict[str, int]:
    """-1 for latent variables left of the items, 1 for those right of them.

    What shares most of its items with another one goes to its other side; what has no items stands by
    the latent variables that depend on it.
    """
    side: dict[str, int] = {}
    for name in sorted((n for n in latents if items[n]), key=lambda n: len(items[n])):
        crowd = {-1: 0.0, 1: 0.0}
        for other, where in side.items():
            share = len(items[name] & items[other]) / min(len(items[name]), len(items[other]))
            crowd[where] += share > 0.5
        side[name] = 1 if crowd[1] < crowd[-1] else -1
    while left := [name for name in latents if name not in side]:
        known = [n for n in left if any(child in side for child in children[n])] or left
        for name in known:
            total = sum(side.get(child, 0) for child in children[name])
            side[name] = 1 if total > 0 else -1
    return side


def _depths(names: Sequence[str], children: dict) -> dict[str, int]:
    """Longest way from each of some latent variables to one of them that nothing depends on."""
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = max((1 + of(c) for c in children[name] if c in names), default=0)
        return depth[name]

    return {name: of(name) for name in names}


def _spread(wanted: np.ndarray, step: float) -> np.ndarray:
    """Places at least `step` apart, in the order of the wanted ones and centred like them."""
    order = np.argsort(wanted, kind="stable")
    places = np.empty(len(wanted))
    blocks: list[list] = []
    for position in order:
        blocks.append([[position], wanted[position]])
        # blocks that overlap merge around their mean
        while len(blocks) > 1:
            (low, at), (high, above) = blocks[-2:]
            if above - at >= step * (len(low) + len(high)) / 2 - 1e-9:
                break
            both = low + high
            blocks[-2:] = [[both, (at * len(low) + above * len(high)) / len(both)]]
    for members, centre in blocks:
        for k, position in enumerate(members):
            places[position] = centre + step * (k - (len(members) - 1) / 2)
    return places


def _place(levels: Sequence[str], nodes: pd.DataFrame, edges: pd.DataFrame) -> _Layout:
    """Items in a column in the middle, latent variables and covariates by level outwards."""
    layout = _Layout()
    _sizes(nodes, layout)
    latents = list(nodes.index[nodes["kind"] == "latent"])
    boxes = list(nodes.index[nodes["kind"] == "item"])
    loading = edges[edges["kind"] == "loading"]
    path = edges[edges["kind"].isin(("regression", "factor"))]
    items = {name: set(loading["target"][loading["source"] == name]) for name in latents}
    children = {node: list(path["target"][path["source"] == node]) for node in nodes.index}
    products = list(nodes.index[nodes["kind"] == "product"])
    covariance = edges[edges["kind"] == "covariance"]
    arcs = list(zip(covariance["source"], covariance["target"], strict=True))
    # latent variables that depend on a node, directly or by way of a product
    heirs = {
        node: [n for c in targets for n in (children[c] if c in products else [c])]
        for node, targets in children.items()
    }
    side = _sides(sorted(latents, key=lambda n: -levels.index(nodes["level"][n])), items, heirs)
    for k, box in enumerate(boxes):
        layout.x[box], layout.y[box] = 0.0, -BOX_STEP * k
    edge = {s: max((layout.width[box] for box in boxes), default=0.0) / 2 for s in (-1, 1)}
    # more room where arrows are steeper
    most = max(len(of_latent) for of_latent in items.values())
    gap = {-1: LOADING_GAP + 0.05 * most, 1: LOADING_GAP + 0.05 * most}

    def column(where: int, members: Sequence[str], targets, step: float) -> None:
        if not members:
            return
        wide = max(layout.width[name] for name in members)
        centre = edge[where] + gap[where] + wide / 2
        edge[where], gap[where] = centre + wide / 2, GAP
        wanted = [np.mean([layout.y[t] for t in targets(name)] or [0.0]) for name in members]
        for name, y in zip(members, _spread(np.array(wanted), step), strict=True):
            layout.x[name], layout.y[name] = where * centre, float(y)

    for level in reversed(levels):
        here = [name for name in latents if nodes["level"][name] == level]
        covariates = nodes.index[(nodes["kind"] == "covariate") & (nodes["level"] == level)]
        for where in (-1, 1):
            inside = [name for name in here if side[name] == where]
            depth = _depths(inside, heirs)
            for d in range(max(depth.values(), default=-1) + 1):
                members = [name for name in inside if depth[name] == d]
                column(
                    where, members,
                    lambda name: items[name] or [c for c in heirs[name] if c in layout.y],
                    ELLIPSE_STEP,
                )  # fmt: skip
                if any(children[product][0] in members for product in products):
                    gap[where] += PRODUCT_GAP
                # arcs bulge outwards
                chords = [abs(layout.y[a] - layout.y[b]) for a, b in arcs if {a, b} <= {*members}]
                gap[where] = max(gap[where], ARCS[0] / 2 * max(chords, default=0.0) + 2 * FRAME_PAD)
            own = [name for name in covariates if side[heirs[name][0]] == where]
            column(where, own, lambda name: [c for c in heirs[name] if c in layout.y], BOX_STEP)
            # the frame of the level
            gap[where] += FRAME_PAD
    for target in latents:
        own = [product for product in products if children[product][0] == target]
        wanted = []
        for product in own:
            factors = [layout.y[name] for name in nodes.index if product in children[name]]
            # the square of a latent variable stands beside the arrow of the latent variable itself
            wanted.append(np.mean(factors) - (len(factors) == 1) * ELLIPSE_STEP / 2)
        away = layout.width[target] / 2 + (GAP + PRODUCT_GAP) / 2
        for product, y in zip(own, _spread(np.array(wanted), BOX_STEP), strict=True):
            layout.x[product] = layout.x[target] + side[target] * away
            layout.y[product] = float(y)
    return layout


def _follows_paths(nodes: pd.DataFrame, edges: pd.DataFrame) -> bool:
    """Whether there are paths other than those from latent variables to items, and to latent variables."""
    latent = set(nodes.index[nodes["kind"] == "latent"])
    if not latent:
        return True
    if "product" in set(nodes["kind"]):
        return False
    regression = edges[edges["kind"] == "regression"]
    source, target = set(regression["source"]), regression["target"]
    covariates = set(nodes.index[nodes["kind"] == "covariate"])
    placed = set(regression["source"][target.isin(latent)])
    return bool(covariates - placed or source - covariates - latent)


def _place_in_layers(levels: Sequence[str], nodes: pd.DataFrame, edges: pd.DataFrame) -> _Layout:
    """Columns from left to right along the paths, one level below the other."""
    layout = _Layout(layered=True)
    _sizes(nodes, layout)
    paths = edges[edges["kind"] != "covariance"]
    parents: dict[str, list[str]] = {node: [] for node in nodes.index}
    for source, target in zip(paths["source"], paths["target"], strict=True):
        parents[target].append(source)
    column: dict[str, int] = {}

    def of(node: str, way: tuple[str, ...]) -> int:
        if node not in column:
            # what closes a circle counts for nothing
            above = [of(p, (*way, node)) for p in parents[node] if p not in (*way, node)]
            depth = 1 + max(above, default=-1)
            if way:
                return depth
            column[node] = depth
        return column[node]

    for node in nodes.index:
        of(node, ())
    wide = [0.0] * (max(column.values()) + 1)
    for node, c in column.items():
        wide[c] = max(wide[c], layout.width[node])
    left = 0.0
    for c, width in enumerate(wide):
        for node in (n for n in nodes.index if column[n] == c):
            layout.x[node] = left + width / 2
        left += width + LOADING_GAP
    top = 0.0
    for level in reversed(levels):
        lowest = top
        for c in range(len(wide)):
            members = [n for n in nodes.index if column[n] == c and nodes["level"][n] == level]
            if not members:
                continue
            latent = any(nodes["kind"][n] == "latent" for n in members)
            step = ELLIPSE_STEP if latent else 2.0 * BOX_STEP
            wanted = [
                np.mean([layout.y[p] for p in parents[n] if p in layout.y] or [top - step * k])
                for k, n in enumerate(members)
            ]
            places = _spread(np.array(wanted), step)
            # columns with one node only are not to stand in the ways past them
            places += min(0.0, top - float(places.max())) - (c % 2) * 0.3 * step
            for node, y in zip(members, places, strict=True):
                layout.y[node] = float(y)
            lowest = min(lowest, float(places.min()))
        top = lowest - ELLIPSE_STEP - FRAME_LABEL - 2 * FRAME_PAD
    return layout


def _layered_course(source: str, target: str, kind: str, layout: _Layout, before: int):
    """Ends and bend of an arrow between columns; arcs within a column bulge to the left."""
    start, end = layout.centre(source), layout.centre(target)
    same = abs(start[0] - end[0]) < 1e-9
    if kind == "covariance" and same:
        start[0] -= layout.width[source] / 2
        end[0] -= layout.width[target] / 2
        sign = 1.0 if (_control(start, end, 1.0) - (start + end) / 2)[0] < 0 else -1.0
        bends: Sequence[float] = [sign * bend for bend in ARCS]
    else:
        bends = BENDS[3:] if kind == "covariance" else BENDS
    hits = [_hits(start, end, bend, layout, (source, target)) for bend in bends]
    order = np.argsort(hits, kind="stable")
    return start, end, bends[int(order[min(before, len(order) - 1)])]


def _control(start: np.ndarray, end: np.ndarray, bend: float) -> np.ndarray:
    """Control point of matplotlib's ``arc3`` curve."""
    middle, (dx, dy) = (start + end) / 2, end - start
    return middle + bend * np.array([dy, -dx])


def _on_curve(start, end, bend: float, share: float) -> np.ndarray:
    control = _control(start, end, bend)
    return (1 - share) ** 2 * start + 2 * share * (1 - share) * control + share**2 * end


def _hits(start, end, bend: float, layout: _Layout, own: tuple[str, str]) -> int:
    """Number of other nodes that a curve runs through."""
    points = np.array([_on_curve(start, end, bend, share) for share in np.linspace(0, 1, 61)])
    return sum(
        bool(
            (
                (np.abs(points[:, 0] - layout.x[node]) < layout.width[node] / 2)
                & (np.abs(points[:, 1] - layout.y[node]) < layout.height[node] / 2)
            ).any()
        )
        for node in layout.x
        if node not in own
    )


def _course(source: str, target: str, kind: str, layout: _Layout, before: int = 0):
    """Ends and bend of an arrow; `before` says how many there are between these nodes.

    Loadings end at the side of their items, arcs of covariances begin and end at the sides of latent
    variables that look away from the items, or above those on both sides of them.
    """
    if layout.layered:
        return _layered_course(source, target, kind, layout, before)
    start, end = layout.centre(source), layout.centre(target)
    if kind != "covariance":
        if kind == "loading":
            end[0] += np.sign(start[0]) * layout.width[target] / 2
        hits = [_hits(start, end, bend, layout, (source, target)) for bend in BENDS]
        return start, end, BENDS[int(np.argmin(hits))]
    if start[0] * end[0] < 0:
        start[1] += layout.height[source] / 2
        end[1] += layout.height[target] / 2
        sign = 1.0 if _control(start, end, 1.0)[1] > (start + end)[1] / 2 else -1.0
    else:
        away = -1.0 if start[0] < 0 else 1.0
        start[0] += away * layout.width[source] / 2
        end[0] += away * layout.width[target] / 2
        sign = 1.0 if (_control(start, end, 1.0) - (start + end) / 2)[0] * away >= 0 else -1.0
    hits = [_hits(start, end, sign * bend, layout, (source, target)) for bend in ARCS]
    return start, end, sign * ARCS[int(np.argmin(hits))]


class _Pen:
    """Draws nodes and arrows in axes."""

    def __init__(self, axes, layout: _Layout, scale: float):
        self.axes, self.layout, self.scale = axes, layout, scale
        self.patches: dict[str, object] = {}
        #: how many loadings of an item have been drawn on each side of it
        self.numbers: dict[tuple, int] = {}

    def text(self, x: float, y: float, label: str, size: float, **options) -> None:
        self.axes.text(x, y, label, ha="center", va="center", fontsize=size * self.scale, **options)

    def node(self, node: str, label: str, kind: str) -> None:
        from matplotlib.patches import Ellipse, Rectangle

        (x, y), layout = self.layout.centre(node), self.layout
        wide, high = layout.width[node], layout.height[node]
        if kind in ("latent", "product"):
            patch = Ellipse((x, y), wide, high)
        else:
            patch = Rectangle((x - wide / 2, y - high / 2), wide, high)
        patch.set(facecolor="white", edgecolor="black", linewidth=0.9 * self.scale, zorder=3)
        self.patches[node] = self.axes.add_patch(patch)
        self.text(x, y, label, FONT, zorder=4)

    def middle(self, source: str, target: str, start, end, bend: float) -> float:
        """Middle of what is seen of a curve between two nodes, as a share of its course."""
        shares = np.linspace(0.0, 1.0, 201)
        points = np.array([_on_curve(start, end, bend, share) for share in shares])
        seen = np.ones(len(shares), dtype=bool)
        for node in (source, target):
            half = np.array([self.layout.width[node], self.layout.height[node]]) / 2
            seen &= (np.abs(points - self.layout.centre(node)) > half).any(axis=1)
        return float(shares[seen].mean()) if seen.any() else 0.5

    def arrow(self, source: str, target: str, label: str, kind: str) -> None:
        """An arrow with its number."""
        from matplotlib.patches import FancyArrowPatch

        both, layered = kind == "covariance", self.layout.layered
        pair = frozenset((source, target))
        before = self.layout.drawn.get(pair, 0)
        self.layout.drawn[pair] = before + 1
        start, end, bend = _course(source, target, kind, self.layout, before)
        beside = both and not (layered and start[0] != end[0])
        self.axes.add_patch(
            FancyArrowPatch(
                start, end, connectionstyle=f"arc3,rad={bend}",
                patchA=None if beside else self.patches[source],
                patchB=(
                    self.patches[target]
                    if kind in ("regression", "factor") or (layered and not beside)
                    else None
                ),
                shrinkA=0, shrinkB=0, arrowstyle="<|-|>" if both else "-|>",
                mutation_scale=8 * self.scale, linewidth=0.8 * self.scale,
                linestyle=(0, (4, 2)) if both else "-", color="0.25", zorder=2,
            )
        )  # fmt: skip
        share = 0.5 if both else self.middle(source, target, start, end, bend)
        if kind == "loading" and not layered:
            # near the item, where arrows are apart; behind numbers that are there already
            key = target, np.sign(start[0])
            self.numbers[key] = before = self.numbers.get(key, 0) + 1
            share = 1.0 - NUMBER * before / abs(start[0] - end[0])
        place = _on_curve(start, end, bend, share)
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.6 * self.scale}
        self.text(*place, label, FONT - 1.5, bbox=behind, zorder=2.5)

    def frame(self, box: np.ndarray, label: str) -> None:
        from matplotlib.patches import FancyBboxPatch

        (left, bottom), (right, top) = box
        self.axes.add_patch(
            FancyBboxPatch(
                (left, bottom), right - left, top - bottom,
                boxstyle="round,pad=0,rounding_size=0.12", facecolor="none", edgecolor="0.45",
                linewidth=0.8 * self.scale, zorder=1,
            )
        )  # fmt: skip
        self.axes.text(
            left + 0.12, bottom + FRAME_LABEL / 2 + 0.02, label, ha="left", va="center",
            fontsize=(FONT - 0.5) * self.scale, style="italic", color="0.3",
        )  # fmt: skip


def _frames(levels, nodes: pd.DataFrame, layout: _Layout, arcs: dict) -> dict[str, np.ndarray]:
    """Corners of the frame of each level, those of lower levels inside."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    out = {}
    for level in reversed(levels):
        for node in nodes.index[nodes["level"] == level]:
            half = np.array([layout.width[node], layout.height[node]]) / 2
            low = np.minimum(low, layout.centre(node) - half)
            high = np.maximum(high, layout.centre(node) + half)
        for point in arcs.get(level, []):
            low, high = np.minimum(low, point - [0.2, 0.1]), np.maximum(high, point + [0.2, 0.1])
        low, high = low - FRAME_PAD - [0.0, FRAME_LABEL], high + FRAME_PAD
        out[level] = np.array([low, high])
    return out


def plot_path_diagram(levels: Sequence[str], nodes: pd.DataFrame, edges: pd.DataFrame, ax=None):
    """Draw a path diagram.

    Parameters
    ----------
    levels : sequence of str
        From the top level down.
    nodes : DataFrame
        Indexed by identifiers: columns ``label``, ``kind`` ("latent", "item", "covariate" or "product") and
        ``level``.
    edges : DataFrame
        Columns ``source``, ``target``, ``label`` and ``kind`` ("loading", "regression" or
        "covariance").
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure
        As large as the diagram needs, unless `ax` is given.

    Notes
    -----
    Frames are those of Rabe-Hesketh, Skrondal & Pickles (2004, fig. 1-4): what stands in the frame of
    a level varies between its clusters; frames of lower levels are inside. Items stand in the middle and
    latent variables beside them; where paths start from observed variables that are no covariates of latent
    ones, columns follow the paths from left to right.

    Examples
    --------
    >>> import pandas as pd
    >>> from sm_gllamm.plotting.path_diagrams import plot_path_diagram
    >>> nodes = pd.DataFrame({"label": ["f", "y1"], "kind": ["latent", "item"], "level": "person"},
    ...                      index=["f", "item y1"])
    >>> edges = pd.DataFrame({"source": ["f"], "target": ["item y1"], "label": ["1"],
    ...                       "kind": ["loading"]})
    >>> figure = plot_path_diagram(["person"], nodes, edges)
    """
    levels = list(levels)
    place = _place_in_layers if _follows_paths(nodes, edges) else _place
    layout = place(levels, nodes, edges)
    arcs: dict[str, list[np.ndarray]] = {}
    for source, target, _, kind in edges.itertuples(index=False):
        if kind == "covariance":
            middle = _on_curve(*_course(source, target, kind, layout), 0.5)
            arcs.setdefault(nodes["level"][source], []).append(middle)
    frames = _frames(levels, nodes, layout, arcs)
    (left, bottom), (right, top) = frames[levels[0]] + np.array([[-0.1, -0.1], [0.1, 0.1]])
    figure, (axes,) = new_axes(ax)
    if ax is None:
        figure.set_layout_engine("none")
        figure.set_size_inches(right - left, top - bottom)
        axes.set_position((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    size = axes.get_window_extent().size / figure.dpi
    pen = _Pen(axes, layout, float(min(1.0, *(size / [right - left, top - bottom]))))
    for level, box in frames.items():
        pen.frame(box, level)
    for node, (label, kind, _) in nodes.iterrows():
        pen.node(str(node), label, kind)
    for edge in edges.itertuples(index=False):
        pen.arrow(*edge)
    return figure
