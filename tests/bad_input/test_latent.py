"""Bad input to models with latent variables: an error or a warning that names the thing."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import sm_gllamm.api as smg
from sm_gllamm.exceptions import ConvergenceWarning, IdentificationWarning, SpecificationError
from sm_gllamm.specification.latent import Latent
from tests.mapping.test_structural import LEVELS, PAIR, items

ITEMS = "0 + C(item)"
FACTOR = Latent("f", "person", ITEMS)


@pytest.fixture(scope="module")
def data():
    return items(40, 4)


def build(data, latent, y="binary", formula=None, **options):
    if y == "gaussian":
        options = {"dispersion": "~ 0 + C(item)", **options}
    else:
        options = {"family": "binomial", **options}
    return smg.GLLAMM.from_formula(formula or f"{y} ~ 0 + C(item)", data, latent, **options)


def refused(match):
    return pytest.raises(SpecificationError, match=match)


class TestLatent:
    @pytest.mark.parametrize("latent", ["f", {"f": FACTOR}, None, [], [FACTOR, "g"]])
    def test_no_list_of_latent_variables(self, data, latent):
        with refused(r"latent must be a list of Latent\(name, level, loadings\)"):
            build(data, latent)

    def test_names(self, data):
        with refused("named 'f f'; use a name without spaces"):
            Latent("f f", "person")
        with refused(r"named twice: \['f'\]"):
            build(data, [FACTOR, Latent("f", "cluster")])

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"level": None}, "'f': level=None must be a string"),
            ({"loadings": ["d1", "d2"]}, r"'f': loadings=\['d1', 'd2'\] must be a string"),
            ({"fixed": ["1"]}, "fixed must be a dict of loading to its value"),
            ({"equal": ["1", "2"]}, "equal must be a dict of loading to a label"),
            ({"fixed": {"1": "a"}}, "loading '1' is fixed at 'a', which is no number"),
            ({"fixed": {"1": np.nan}}, "loading '1' is fixed at nan"),
        ],
    )
    def test_types(self, options, match):
        with refused(match):
            Latent(**{"name": "f", "level": "person", "loadings": ITEMS, **options})

    def test_nested_level(self, data):
        data = data.assign(number=data["person"] % 4)
        pair = [Latent("f", "cluster : number", ITEMS), Latent("h", "cluster")]
        assert "var(f|cluster:number)" in build(data, pair).param_names
        with refused("varies at one level: write level='cluster:number'"):
            Latent("f", "cluster/number")

    def test_level_that_is_no_column(self, data):
        with refused("no column 'persn'; did you mean 'person'"):
            build(data, [Latent("f", "persn", ITEMS)])


class TestLoadings:
    @pytest.mark.parametrize(
        ("loadings", "match"),
        [
            ("0 + C(itm)", "loadings of f.*no column 'itm'"),
            ("0 + C(item", "loadings of f.*unclosed bracket"),
            ("y ~ 0 + d1", "loadings of f"),
            (
                "0",
                r"'f' has no loadings \(loadings='0'\) and no other latent variable is regressed",
            ),
            ("", "loadings of f"),
            (
                "0 + d1 + I(d2 * 0) + d3",
                r"column 'I\(d2 \* 0\)' of its loadings is zero in all rows",
            ),
        ],
    )
    def test_formula(self, data, loadings, match):
        with refused(match):
            build(data, [Latent("f", "person", loadings)])

    def test_a_tilde_does_no_harm(self, data):
        with_tilde, without = (
            build(data, [Latent("f", "person", tilde + ITEMS)]) for tilde in ("~ ", "")
        )
        assert with_tilde.param_names == without.param_names

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"fixed": {"9": 1}}, "'f' has no loading '9'; there are"),
            ({"equal": {"9": "a"}}, "'f' has no loading '9'; there are"),
            ({"fixed": {"1": 1}, "equal": {"1": "a"}}, "both fixed and equal to others"),
            ({"equal": {"1": "a", "2": "a"}}, "is one for identification and cannot be equal"),
            ({"fixed": dict.fromkeys("1234", 0)}, "all loadings are fixed at zero"),
        ],
    )
    def test_fixed_and_equal(self, data, options, match):
        with refused(match):
            build(data, [Latent("f", "person", ITEMS, **options)])

    def test_a_loading_fixed_at_zero_does_not_identify(self, data):
        model = build(data, [Latent("f", "person", ITEMS, fixed={"1": 0})])
        assert "loading(f: C(item)[2])" not in model.param_names

    def test_missing_values(self, data):
        data = data.assign(q=data["d3"].where(data.index != 3))
        with refused("'f': 'q' is missing in row 3"):
            build(data, [Latent("f", "person", "0 + d1 + d2 + q")])


class TestRegressions:
    @pytest.mark.parametrize(
        ("regressions", "match"),
        [
            (["f ~ g", "g ~ f"], "cycle: f <- g <- f"),
            (["f ~ f"], "cycle: f <- f"),
            (["ff ~ x"], "no latent variable 'ff'; did you mean 'f'"),
            (["f ~ xx"], "regression of f.*no column 'xx'"),
            (["f ~ x", "f ~ w"], "'f' has two equations"),
            (["f x"], "'f x' is no equation"),
            ([("f", "x")], "is no equation"),
            (
                ["f ~ z"],
                "'f' is regressed on 'z', which varies within cluster 0 of its level 'person'",
            ),
            (["g ~ f * x"], r"write 'x \+ f \+ f:x' for 'f \* x'"),
            (["g ~ np.exp(f)"], r"'np.exp\(f\)' is no product; latent variables go into products"),
            (["g ~ f:f:f"], "'f:f:f' has too many factors"),
            (["g ~ f + f:z"], "'g' is regressed on 'z', which varies within cluster 0"),
            ([smg.Regression("g", "f", fixed={"x": 1.0})], "there is no term 'x'"),
            ([smg.Regression("g", "f + x", equal={"xx": "b"})], "no term 'xx'; did you mean 'x'"),
            (["g ~ f + f"], "has 'f' twice"),
            (["g ~ f**2"], r"'f\*\*2' is no product; write a square as 'f:f'"),
        ],
    )
    def test_equation(self, data, regressions, match):
        with refused(match):
            build(data, PAIR, regressions=regressions)

    def test_labels_of_equal_loadings(self):
        # it would be the name of another loading
        with refused("the label 'f: x2' of loading 'x3' must be a name without spaces"):
            Latent("f", "person", ITEMS, equal={"x3": "f: x2"})

    def test_fixed_and_equal_at_once(self):
        with refused("'f' is both fixed and equal"):
            smg.Regression("g", "f", fixed={"f": 1.0}, equal={"f": "b"})
        with refused("'f' is fixed at 'one', which is no number"):
            smg.Regression("g", "f", fixed={"f": "one"})
        with refused("equal must be a dict of term to a label"):
            smg.Regression("g", "f", equal="f")
        with refused("response must be a string"):
            smg.Regression(3, "f")
        with refused("terms must be a string"):
            smg.Regression("g", None)

    def test_variances_that_are_known(self, data):
        for variance in (-1.0, True, "1"):
            with refused(f"variance={variance!r} must be a number, zero or positive"):
                Latent("h", "cluster", variance=variance)
        with refused("has neither a disturbance .* nor a regression"):
            build(data, [FACTOR, Latent("h", "cluster", variance=0)])
        with refused("no latent variable with a disturbance varies at level 'cluster'"):
            latent = [FACTOR, Latent("h", "cluster", variance=0)]
            build(data, latent, regressions=["h ~ w"])
        known = [PAIR[0], replace(PAIR[1], variance=1.0)]
        with refused("variance of the disturbance of 'g' is fixed, so it cannot covary"):
            build(data, known, covariance=[("f", "g")])
        with refused(
            "covariance='unstructured' of level 'person' does not go with known variances"
        ):
            build(data, known, covariance="unstructured")
        with refused("variance=2 does not go with identification='variance'"):
            build(data, [replace(FACTOR, variance=2.0)], identification="variance")

    def test_scale_without_a_disturbance(self, data):
        latent = [FACTOR, Latent("slope", "person", "0 + z", variance=0.0)]
        model = build(data, latent, regressions=["slope ~ w"], identification="variance")
        assert "slope ~ w" in model.param_names
        assert "loading(slope: z)" not in model.param_names
        assert "loading(f: C(item)[1])" in model.param_names

    def test_covariances(self, data):
        with refused("'within' varies at level 'person' and 'between' at level 'cluster'"):
            build(data, LEVELS, covariance=[("within", "between")])
        with refused("names 'within' and .* which vary at level 'person'"):
            latent = [*LEVELS, Latent("h", "person")]
            build(data, latent, covariance={"cluster": [("within", "h")]})
        ring = [Latent(name, "person", f"0 + d{k}") for k, name in enumerate("abcd", 1)]
        with refused("a ring of four or more"):
            build(data, ring, covariance=[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])

    def test_levels(self, data):
        with refused("'between' varies at level 'cluster' and cannot be regressed on 'within'"):
            build(data, LEVELS, regressions=["between ~ within"])
        with refused("'between' is regressed on 'x', which varies within cluster 0"):
            build(data, LEVELS, regressions=["between ~ x"])

    def test_latent_variable_or_column(self, data):
        with refused("'x', which is a latent variable and a column"):
            build(data, [FACTOR, Latent("x", "cluster")], regressions=["f ~ x"])

    def test_missing_values(self, data):
        data = data.assign(q=data["x"].where(data["person"] != 3))
        with refused("'f': 'q' is missing in row 12"):
            build(data, [FACTOR], regressions=["f ~ q"])


class TestModel:
    def test_bars(self, data):
        with refused("has no bars; a random intercept is Latent"):
            build(data, [FACTOR], formula="binary ~ 0 + C(item) + (1 | cluster)")

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"identification": "var"}, "identification='var' is not known"),
            ({"covariance": "unstruct"}, "covariance='unstruct' is not known"),
            ({"covariance": 3}, "covariance=3 is not known"),
            ({"covariance": [("f", "gg")]}, "covariance names 'gg'"),
            ({"covariance": [("f", "f")]}, r"the pair \('f', 'f'\)"),
            ({"covariance": {"persn": "diagonal"}}, "level 'persn'; did you mean 'person'"),
            ({"variance_by": {"person": "x"}}, "variance_by is not available in a GLLAMM"),
            ({"groups": "person"}, "leave out groups"),
        ],
    )
    def test_options(self, data, options, match):
        with refused(match):
            build(data, [FACTOR], **options)

    def test_arrays(self, data):
        with refused("specified by GLLAMM.from_formula"):
            smg.GLLAMM(data["binary"], data[["d1", "d2"]], groups=data["person"])

    def test_unordered_categories(self, data):
        with refused("unordered response are not available.*Choice"):
            build(data, [FACTOR], "ordinal", family=smg.families.Multinomial())

    def test_reml(self, data):
        with refused("without free loadings and regressions"):
            build(data, [FACTOR], "gaussian").fit(reml=True)

    def test_numbers_that_are_no_parameters(self, data):
        model = build(data, [FACTOR])
        with refused("not positive semidefinite .at f.: ..-1"):
            model.loglike(np.where(np.array(model.param_names) == "var(f|person)", -1.0, 0.5))


NOT_IDENTIFIED = {
    "two indicators": (
        {"latent": [Latent("f", "person", "0 + d1 + d2")]},
        {"var(f|person)", "loading(f: d2)"},
    ),
    "two indicators twice": (
        {"latent": PAIR, "y": "gaussian", "covariance": "diagonal"},
        {"var(f|person)", "loading(f: d2)", "var(g|person)", "loading(g: d4)"},
    ),
    "one gaussian indicator": (
        {"latent": [Latent("f", "person", "0 + d1")], "y": "gaussian"},
        {"var(f|person)", "log_sd:C(item)[1]"},
    ),
    "one binary indicator": ({"latent": [Latent("f", "person", "0 + d1")]}, {"var(f|person)"}),
    "one indicator beside a factor": (
        {
            "latent": [Latent("f", "person", "0 + d1 + d2 + d3"), Latent("g", "person", "0 + d4")],
            "y": "gaussian",
        },
        {"var(g|person)", "log_sd:C(item)[4]"},
    ),
    "constant covariate": (
        {"latent": [FACTOR], "regressions": ["f ~ 1 + x"]},
        {"f ~ Intercept", "C(item)[1]"},
    ),
    "all direct effects": (
        {
            "latent": [FACTOR],
            "regressions": ["f ~ x"],
            "formula": "binary ~ 0 + C(item) + C(item):x",
        },
        {"f ~ x", "C(item)[1]:x"},
    ),
    "collinear covariates": (
        {"latent": [FACTOR], "regressions": ["f ~ x + I(2 * x)"]},
        {"f ~ x", "f ~ I(2 * x)"},
    ),
    "scale of a factor of second order": (
        {
            "latent": [*PAIR, Latent("h", "person", "0")],
            "regressions": ["f ~ h", "g ~ h"],
            "covariance": "diagonal",
            "y": "gaussian",
        },
        {"var(h|person)", "f ~ h", "g ~ h"},
    ),
    "collinear loadings": (
        {"latent": [Latent("f", "person", "d1 + d2 + d3 + d4")]},
        {"loading(f: d1)", "loading(f: d4)"},
    ),
}


@pytest.mark.parametrize("case", NOT_IDENTIFIED)
def test_not_identified(data, case):
    options, named = NOT_IDENTIFIED[case]
    model = build(data, **options)
    with pytest.warns(IdentificationWarning), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = model.fit(maxiter=30)
    assert named <= set(result.verdict.unidentified)


def test_loadings_that_run_away(data):
    # two items that always agree
    agreeing = data.assign(binary=data["binary"].where(data["item"] != 3, data["binary"].shift()))
    model = build(agreeing, [FACTOR], identification="variance")
    with pytest.warns(IdentificationWarning), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = model.fit()
    named = {"loading(f: C(item)[2])", "loading(f: C(item)[3])"}
    assert named & set(result.verdict.unidentified)


def test_disturbance_without_variance(data):
    rng = np.random.default_rng(3)
    noise = data.assign(gaussian=rng.normal(size=len(data)) + 0.8 * data["x"])
    with pytest.warns(smg.BoundaryWarning):
        result = build(
            noise, [Latent("f", "person")], "gaussian", regressions=["f ~ x"], dispersion=None
        ).fit()
    assert result.verdict.boundary == ("var(f|person)",)
    assert np.isnan(result.bse["var(f|person)"])
    assert result.params["f ~ x"] == pytest.approx(0.8, abs=0.1)
