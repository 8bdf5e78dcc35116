import numpy as np
import pytest
from numpy.testing import assert_allclose

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.survey.scaling import scale_level_weights, scale_weights

# School 99105 of the US sample of PISA 2000: weights as published with it, and scaled both ways.
WEIGHTS = np.array([3.257149] * 7 + [3.691096, 3.257149, 3.691096, 3.257149, 3.691096])
SIZE = np.where(WEIGHTS > 3.5, 1.096701, 0.967766)
EFFECTIVE = np.where(WEIGHTS > 3.5, 1.093293, 0.964759)
ONE_SCHOOL = np.zeros(12, dtype=int)


@pytest.mark.parametrize(("method", "expected"), [("size", SIZE), ("effective", EFFECTIVE)])
def test_published_weights(method, expected):
    assert_allclose(scale_weights(WEIGHTS, ONE_SCHOOL, method), expected, atol=1e-6)


def test_sums():
    rng = np.random.default_rng(4)
    clusters = rng.integers(0, 5, size=100)
    weights = rng.uniform(1, 9, size=100)
    size = scale_weights(weights, clusters, "size")
    effective = scale_weights(weights, clusters, "effective")
    total = np.bincount(clusters, weights)
    assert_allclose(np.bincount(clusters, size), np.bincount(clusters))
    effective_size = total**2 / np.bincount(clusters, weights**2)
    assert_allclose(np.bincount(clusters, effective), effective_size)
    for method, scaled in (("size", size), ("effective", effective)):
        factor = rng.uniform(1, 9, size=5)[clusters]
        assert_allclose(scale_weights(weights * factor, clusters, method), scaled)
        assert_allclose(scale_weights(np.full(100, 7.0), clusters, method), 1.0)


def test_units_of_several_rows_count_once():
    units = np.array([0, 0, 0, 1, 2, 2])
    clusters = np.array([0, 0, 0, 0, 1, 1])
    weights = np.array([1.0, 1, 1, 3, 5, 5])
    assert_allclose(scale_weights(weights, clusters, "size", units), [0.5, 0.5, 0.5, 1.5, 1.0, 1.0])
    assert_allclose(
        scale_weights(weights, clusters, "effective", units), [0.4, 0.4, 0.4, 1.2, 1.0, 1.0]
    )


def test_levels():
    klass = np.array([0, 0, 1, 1, 2, 2])
    school = np.array([0, 0, 0, 0, 1, 1])
    weights = {
        "row": np.array([1.0, 3, 2, 2, 1, 1]),
        "school:klass": np.array([1.0, 1, 3, 3, 5, 5]),
        "school": np.array([2.0, 2, 2, 2, 4, 4]),
    }
    levels = {"school:klass": klass, "school": school}
    scaled = scale_level_weights(weights, levels, "size")
    assert_allclose(scaled["row"], [0.5, 1.5, 1, 1, 1, 1])
    assert_allclose(scaled["school:klass"], [0.5, 0.5, 1.5, 1.5, 1, 1])
    assert scaled["school"] is weights["school"]
    assert scale_level_weights(weights, levels, None) == weights
    only = scale_level_weights(weights, levels, {"row": "effective"})
    assert_allclose(only["row"], [0.4, 1.2, 1, 1, 1, 1])
    assert only["school:klass"] is weights["school:klass"]
    assert scale_level_weights({}, levels, "size") == {}


def test_errors():
    with pytest.raises(SpecificationError, match="'sise' is not known"):
        scale_weights(WEIGHTS, ONE_SCHOOL, "sise")
    with pytest.raises(SpecificationError, match="cluster number 1 .* all zero"):
        scale_weights(np.array([1.0, 0.0]), np.array([0, 1]), "size")
    with pytest.raises(SpecificationError, match="weight_scaling names level 'school'; .* at row"):
        scale_level_weights({}, {"school": ONE_SCHOOL}, {"school": "size"})
