"""The kernel's entry points under fire: wrong arrays are refused or harmless, never a crash."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sm_gllamm.engine.dispatch import Kernel, Rule
from sm_gllamm.engine.integrator import Integrator
from sm_gllamm.engine.rules import LevelRule, nodes_of
from tests.engine.problems import FAMILIES, make

#: What a caller in Python gets for arguments that are no good.
REFUSED = (ValueError, TypeError, AttributeError)
#: Values that are not numbers come out as they went in: these are added or multiplied.
TRANSPARENT = ("constant", "row_weight")


class Setup:
    """Arguments of a kernel by name, and everything needed to call its methods."""

    def __init__(self, family="logit", dimensions=(1,), seed=0, weighted=False):
        problem, self.phi = make(np.random.default_rng(seed), family, dimensions, weighted)
        self.n, self.n_top, self.dimensions = len(problem.y), problem.n_top, dimensions
        self.n_clusters = [len(offsets) - 1 for offsets in problem.cluster_offsets]
        self.problem = problem
        self.arguments = {
            "family": problem.family, "y": problem.y, "trials": problem.trials,
            "constant": problem.constant, "row_weight": problem.row_weight,
            "design": problem.design, "base": problem.offset,
            "active_column": problem.active_column, "active_channel": problem.active_channel,
            "offsets": problem.cluster_offsets, "weights": problem.cluster_weights,
            "dimensions": problem.dimensions, "n_slots": problem.n_slots,
            "n_constants": problem.n_constants,
        }  # fmt: skip

    def kernel(self, **changed):
        return Kernel(**{**self.arguments, **changed})

    def shapes(self):
        """(J, q), (J, q, q) and (J, q, variables above) of each level."""
        above = sum(self.dimensions)
        for j, q in zip(self.n_clusters, self.dimensions, strict=True):
            above -= q
            yield (j, q), (j, q, q), (j, q, above)

    def placement(self):
        return [
            (np.zeros(c), np.tile(np.eye(c[1]), (c[0], 1, 1)), np.zeros(c[0]), np.zeros(shift))
            for c, _, shift in self.shapes()
        ]

    def modes(self):
        return [tuple(map(np.zeros, (c, f, shift, c, c))) for c, f, shift in self.shapes()]

    def moments(self):
        return [tuple(map(np.zeros, (c, f, c, f))) for c, f, _ in self.shapes()]

    def rule(self, points=7):
        return Rule([nodes_of(LevelRule("hermite", points), q) for q in self.dimensions])

    def evaluate(self, kernel, want=2, clusters=None, rule=None, placement=None, **out):
        clusters = np.arange(self.n_top) if clusters is None else clusters
        na = len(self.phi)
        value = out.get("value", np.empty(len(clusters)))
        score = out.get("score", np.empty((len(clusters), na)))
        hessian = out.get("hessian", np.zeros((na, na)))
        rule, placement = rule or self.rule(), placement or self.placement()
        kernel.evaluate(clusters, rule, placement, want, value, score, hessian)
        return value, score, hessian

    def result(self, phi=None, **changed):
        """Everything a kernel computes, from modes to posterior moments."""
        kernel = self.kernel(**changed)
        kernel.set_predictors(self.phi if phi is None else phi, 0, self.n)
        clusters, placement, moments = np.arange(self.n_top), self.placement(), self.moments()
        kernel.find_modes(clusters, self.modes(), placement, 50, 1e-12)
        if self.dimensions[0] == 1:
            kernel.bracket(clusters, self.placement(), 32.0)
        rows = tuple(np.zeros(self.n) for _ in range(3))
        link = np.zeros(self.n, dtype=np.intc)
        kernel.posterior(clusters, self.rule(), placement, moments, rows, link)
        return self.evaluate(kernel, placement=placement)


def never_nan(value):
    """Finite, or minus infinity where there is no likelihood."""
    assert np.all(np.isfinite(value) | np.isneginf(value))


def unaligned(values):
    """The same values at an address that is no multiple of 8."""
    raw = np.zeros(values.nbytes + 3, dtype=np.uint8)
    moved = np.ndarray(values.shape, values.dtype, raw, offset=3)
    moved[...] = values
    return moved


MUTATIONS = {
    "none": lambda x, rng: None,
    "empty": lambda x, rng: x[:0],
    "short": lambda x, rng: x[:-1],
    "long": lambda x, rng: np.concatenate([x, x]),
    "strided": lambda x, rng: np.repeat(x, 2, axis=0)[::2],
    "reversed": lambda x, rng: x[::-1],
    "transposed": lambda x, rng: x.T.copy(),
    "fortran": lambda x, rng: np.asfortranarray(np.column_stack([x, x])),
    "scalar": lambda x, rng: np.float64(1.0),
    "one more dimension": lambda x, rng: x[None],
    "float32": lambda x, rng: x.astype(np.float32),
    "int32": lambda x, rng: x.astype(np.int32),
    "integers": lambda x, rng: x.astype(np.int64),
    "objects": lambda x, rng: x.astype(object),
    "complex": lambda x, rng: x.astype(complex),
    "swapped bytes": lambda x, rng: x.astype(x.dtype.newbyteorder(">")),
    "list": lambda x, rng: x.tolist(),
    "string": lambda x, rng: "abc",
    "unaligned": lambda x, rng: unaligned(x),
    "broadcast": lambda x, rng: np.broadcast_to(x[:1], x.shape),
    "nan": lambda x, rng: np.where(rng.random(x.shape) < 0.3, np.nan, x),
    "inf": lambda x, rng: np.where(rng.random(x.shape) < 0.3, np.inf, x),
    "minus inf": lambda x, rng: np.where(rng.random(x.shape) < 0.3, -np.inf, x),
    "huge": lambda x, rng: x + 1e308 * rng.choice([-1, 1], x.shape),
    "huge integers": lambda x, rng: np.full(x.shape, 2**62, dtype=np.intp),
    "negative": lambda x, rng: np.full(x.shape, -3, dtype=x.dtype),
    "random integers": lambda x, rng: rng.integers(-(2**62), 2**62, x.shape).astype(np.intp),
    "random floats": lambda x, rng: rng.normal(size=x.shape) * 10.0 ** rng.integers(-300, 300, x.shape),
}  # fmt: skip
#: These segfault in a kernel that does not check them, so they are tried in a process of their own.
DEADLY = {("trials", "none"), ("constant", "none"), ("y", "scalar"), ("active_column", "scalar")}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("family,dimensions", [("logit", (1,)), (["poisson", "gaussian"], (2, 1))])
def test_arrays_of_the_kernel(mutation, family, dimensions):
    rng = np.random.default_rng(5)
    setup = Setup(family, dimensions, weighted=True)
    for name, given in setup.arguments.items():
        if (name, mutation) in DEADLY or not isinstance(given, np.ndarray):
            continue
        try:
            with np.errstate(all="ignore"):
                value, *_ = setup.result(**{name: MUTATIONS[mutation](given, rng)})
        except REFUSED:
            continue
        if name not in TRANSPARENT:
            never_nan(value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_trees(mutation):
    rng = np.random.default_rng(6)
    setup = Setup("probit", (1, 1), weighted=True)
    for name in ("offsets", "weights"):
        for level in range(2):
            changed = list(setup.arguments[name])
            try:
                with np.errstate(all="ignore"):
                    changed[level] = MUTATIONS[mutation](changed[level], rng)
                    value, *_ = setup.result(**{name: tuple(changed)})
            except REFUSED:
                continue
            never_nan(value)


@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": ()},
        {"offsets": (np.array([0, 2**63 - 1, -(2**63), 7], dtype=np.intp),)},
        {"offsets": (np.array([1, 7], dtype=np.intp),)},
        {"offsets": (np.array([0], dtype=np.intp),)},
        {"weights": ()},
        {"dimensions": (0,)},
        {"dimensions": (-1,)},
        {"dimensions": (1.5,)},
        {"dimensions": (1, 1)},
        {"design": np.ones((3, 2))},
        {"design": np.ones(7)},
        {"active_column": np.array([0, 1, 2, 99], dtype=np.intp)},
        {"active_channel": np.array([0, 0, 0, -1], dtype=np.intp)},
    ],
)
def test_refused(changed):
    with pytest.raises((ValueError, TypeError)):
        Setup().kernel(**changed)


def test_no_rows():
    empty = {name: np.zeros(0) for name in ("y", "trials", "constant", "base")}
    empty |= {"family": np.zeros(0, np.intc), "design": np.zeros((0, 3))}
    with pytest.raises(ValueError):
        Setup().kernel(**empty, offsets=(np.array([0, 0], dtype=np.intp),))


def test_nothing_active():
    setup = Setup()
    setup.phi = np.zeros(0)
    nothing = np.zeros(0, np.intp)
    changed = {
        "active_column": nothing,
        "active_channel": nothing,
        "design": np.zeros((setup.n, 0)),
    }
    value, score, hessian = setup.result(**changed)
    assert np.isfinite(value).all() and score.size == 0 and hessian.size == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_read_only_arrays_work(family):
    setup = Setup(family, (1, 1), weighted=True)
    expected = setup.result()
    for given in (
        *setup.arguments.values(),
        *setup.arguments["offsets"],
        *setup.arguments["weights"],
    ):
        if isinstance(given, np.ndarray):
            given.flags.writeable = False
    setup.phi.flags.writeable = False
    for got, want in zip(setup.result(), expected, strict=True):
        assert_array_equal(got, want)


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        unaligned,
        lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
        lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    ],
)
def test_layouts_of_the_design(layout):
    setup = Setup(["logit", "poisson"], (2, 1))
    expected = setup.result()
    for got, want in zip(setup.result(design=layout(setup.problem.design)), expected, strict=True):
        assert_allclose(got, want, rtol=1e-14)


def test_packed_records_are_refused_or_right():
    setup = Setup()
    design = setup.problem.design
    raw = np.zeros(design.shape[0] * 28, dtype=np.uint8)
    packed = np.ndarray(design.shape, float, raw, strides=(28, 8))
    packed[...] = design
    expected = setup.result()
    try:
        value, *_ = setup.result(design=packed)
    except ValueError:
        return
    assert_allclose(value, expected[0], rtol=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, 5e-324])
def test_parameters_without_bounds(family, bad):
    setup = Setup(family, (2, 1))
    for position in range(len(setup.phi)):
        phi = setup.phi.copy()
        phi[position] = bad
        never_nan(setup.result(phi)[0])
        integrator = Integrator(setup.problem, n_threads=2)
        integrator.set_rules([tuple(LevelRule("hermite", 7) for _ in setup.problem.dimensions)])
        integrator.set_phi(phi)
        assert integrator.adapt() >= 0
        never_nan(integrator.evaluate(2).loglike)


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, 0.0])
def test_placements_without_bounds(where, bad):
    setup = Setup("logit", (2, 1))
    kernel = setup.kernel()
    kernel.set_predictors(setup.phi, 0, setup.n)
    for level in range(2):
        placement = setup.placement()
        placement[level][where][...] = bad
        with np.errstate(all="ignore"):
            value, *_ = setup.evaluate(kernel, placement=placement)
        assert not np.isnan(value).any()


@pytest.mark.parametrize(
    "clusters",
    [
        np.array([99]),
        np.array([-1]),
        np.array([2**62]),
        np.array([0.5]),
        np.array([0], dtype=np.int32),
        np.array([[0]]),
        np.zeros(6, dtype=np.intp)[::2],
        np.array([True]),
        [0],
        None,
    ],
)
def test_clusters(clusters):
    setup = Setup()
    kernel, n = setup.kernel(), np.size(clusters)
    with pytest.raises(REFUSED):
        setup.evaluate(kernel, clusters=clusters, value=np.empty(n), score=np.empty((n, 4)))
    with pytest.raises(REFUSED):
        kernel.find_modes(clusters, setup.modes(), setup.placement(), 5, 1e-9)
    with pytest.raises(REFUSED):
        kernel.bracket(clusters, setup.placement(), 32.0)
    with pytest.raises(REFUSED):
        rows = tuple(np.zeros(setup.n) for _ in range(3))
        kernel.posterior(
            clusters,
            setup.rule(),
            setup.placement(),
            setup.moments(),
            rows,
            np.zeros(setup.n, np.intc),
        )


def test_no_clusters_and_repeated_clusters():
    setup = Setup()
    kernel = setup.kernel()
    assert setup.evaluate(kernel, clusters=np.zeros(0, dtype=np.intp))[0].size == 0
    value, *_ = setup.evaluate(kernel, clusters=np.zeros(500, dtype=np.intp))
    assert (value == value[0]).all()


@pytest.mark.parametrize(
    "output",
    [
        {"value": np.empty(2)},
        {"value": np.empty(6)[::2]},
        {"value": np.empty(3, dtype=np.float32)},
        {"score": np.empty((3, 2))},
        {"score": np.asfortranarray(np.empty((3, 4)))},
        {"hessian": np.zeros((4, 3))},
        {"hessian": None},
        {"value": np.broadcast_to(0.0, 3)},
    ],
)
def test_outputs(output):
    setup = Setup()
    assert setup.n_top == 3 and len(setup.phi) == 4
    with pytest.raises(REFUSED):
        setup.evaluate(setup.kernel(), **output)


@pytest.mark.parametrize("arguments", [(0, 10**9), (-1, 2), (3, 2), (0, 2**62)])
def test_rows_of_predictors(arguments):
    setup = Setup()
    with pytest.raises(ValueError):
        setup.kernel().set_predictors(setup.phi, *arguments)


def test_values_of_predictors():
    setup = Setup()
    kernel = setup.kernel()
    for phi in (
        setup.phi[:-1],
        setup.phi.astype(int),
        np.repeat(setup.phi, 2)[::2],
        setup.phi[:, None],
    ):
        with pytest.raises((ValueError, TypeError)):
            kernel.set_predictors(phi, 0, setup.n)


NODES = np.linspace(-2, 2, 3)[None]


@pytest.mark.parametrize(
    "levels",
    [
        [],
        [(NODES, np.zeros(3), None)] * 9,
        [(np.zeros((1, 0)), np.zeros(0), None)],
        [(NODES, np.zeros(2), None)],
        [(NODES, np.zeros(3), np.ones(2))],
        [(np.zeros((1, 3, 2)), np.zeros(3), None)],
        [(NODES, [0.0, 0.0, 0.0], None)],
        ["abc"],
        [None],
        None,
    ],
)
def test_rules(levels):
    with pytest.raises(REFUSED):
        Rule(levels)


@pytest.mark.parametrize(
    "nodes",
    [
        (NODES * np.nan, np.zeros(3), None),
        (np.full((1, 3), np.inf), np.zeros(3), None),
        (NODES, np.full(3, -np.inf), None),
        (NODES, np.full(3, np.nan), None),
        (NODES, np.zeros(3), np.zeros(3)),
        (NODES, np.zeros(3), -np.ones(3)),
        (NODES, np.zeros(6)[::2], np.ones(6)[::2]),
        (np.linspace(-9, 9, 200_000)[None], np.zeros(200_000), None),
    ],
)
def test_strange_nodes(nodes):
    setup = Setup()
    value, *_ = setup.evaluate(setup.kernel(), rule=Rule([nodes]))
    never_nan(value)


def test_rule_of_another_model():
    setup = Setup("logit", (2,))
    one = Rule([nodes_of(LevelRule("hermite", 3), 1)])
    with pytest.raises(ValueError):
        setup.evaluate(setup.kernel(), rule=one)
    for rule in (None, Rule.__new__(Rule)):
        with pytest.raises(REFUSED):
            setup.kernel().evaluate(
                np.arange(3), rule, setup.placement(), 0, np.empty(3), None, None
            )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308])
def test_starts_of_the_search_for_modes(bad):
    setup = Setup("poisson", (2, 1))
    kernel = setup.kernel()
    kernel.set_predictors(setup.phi, 0, setup.n)
    modes, placement = setup.modes(), setup.placement()
    for level in modes:
        level[0][...] = bad
    kernel.find_modes(np.arange(setup.n_top), modes, placement, 20, 1e-10)
    assert not np.isnan(setup.evaluate(kernel, placement=placement)[0]).any()
    kernel.find_modes(np.arange(setup.n_top), setup.modes(), placement, -5, np.nan)


def test_unfinished_objects():
    setup, kernel = Setup(), Kernel.__new__(Kernel)
    with pytest.raises(REFUSED):
        setup.evaluate(kernel)
    with pytest.raises(REFUSED):
        kernel.set_predictors(np.zeros(0), 0, 1)
    with pytest.raises(REFUSED):
        kernel.find_modes(np.zeros(0, np.intp), [], [], 1, 1.0)


def test_arrays_outlive_their_names():
    setup = Setup(weighted=True)
    expected = setup.result()[0]
    copies = {
        name: given.copy() if isinstance(given, np.ndarray) else given
        for name, given in setup.arguments.items()
    }
    kernel = setup.kernel(**copies)
    copies.clear()
    junk = [np.full(setup.n, 7.0) for _ in range(1000)]
    kernel.set_predictors(setup.phi, 0, setup.n)
    placement = setup.placement()
    kernel.find_modes(np.arange(setup.n_top), setup.modes(), placement, 50, 1e-12)
    assert_array_equal(setup.evaluate(kernel, placement=placement)[0], expected)
    assert len(junk) == 1000


@pytest.mark.parametrize(
    "assignment", [np.array([0, 5, 0]), np.array([0, -1, 0]), np.zeros(2, dtype=np.intp)]
)
def test_assignment_of_rules(assignment):
    setup = Setup()
    integrator = Integrator(setup.problem)
    with pytest.raises((ValueError, IndexError)):
        integrator.set_rules([(LevelRule("hermite", 3),)], assignment)


DEADLY_CODE = {
    "trials missing": "Setup().kernel(trials=None)",
    "constant missing": "Setup().kernel(constant=None)",
    "y of no dimension": "Setup().kernel(y=np.float64(1.0))",
    "columns of no dimension": "Setup().kernel(active_column=np.intp(0))",
    "no dispersion": """
        setup = Setup("gaussian")
        channel = np.minimum(setup.arguments["active_channel"], 1)
        setup.result(dispersion=False, active_channel=channel)""",
    "negative want": "setup = Setup(); setup.evaluate(setup.kernel(), want=-1)",
    "too large want": "setup = Setup(); setup.evaluate(setup.kernel(), want=3)",
    "placement of one level": """
        setup = Setup("logit", (1, 1))
        setup.evaluate(setup.kernel(), placement=setup.placement()[:1])""",
    "no modes": """
        setup = Setup()
        setup.kernel().find_modes(np.arange(3), [], setup.placement(), 10, 1e-9)""",
    "no moments": """
        setup = Setup()
        rows = tuple(np.zeros(setup.n) for _ in range(3))
        setup.kernel().posterior(np.arange(3), setup.rule(), setup.placement(), [], rows)""",
    "two row outputs": """
        setup = Setup()
        rows = tuple(np.zeros(setup.n) for _ in range(2))
        setup.kernel().posterior(
            np.arange(3), setup.rule(), setup.placement(), setup.moments(), rows,
            np.zeros(setup.n, np.intc))""",
}


@pytest.fixture(scope="module")
def deadly():
    """What became of the deadly cases, run one after the other in a process of their own."""
    script = ["import numpy as np", "from tests.engine.test_fuzz import Setup"]
    for case, code in DEADLY_CODE.items():
        script += [
            "try:",
            textwrap.indent(textwrap.dedent(code).strip(), "    "),
            f"    print({case + ': accepted'!r}, flush=True)",
            "except (ValueError, TypeError):",
            f"    print({case + ': refused'!r}, flush=True)",
        ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(script)], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("case", DEADLY_CODE)
def test_deadly_arguments_are_refused(deadly, case):
    outcome = f"exit code {deadly.returncode} after {deadly.stdout}{deadly.stderr}"
    assert f"{case}: refused" in deadly.stdout.splitlines(), outcome
