"""Rotation of loadings and its derivatives."""

import numpy as np
import pytest
from statsmodels.multivariate.factor_rotation import rotate_factors

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.items.rotation import METHODS, rotate, rotation_gradient

PATTERN = np.arange(12)[:, None] // 4 == np.arange(3)
OPTIONS = {
    "target": {"target": np.where(PATTERN, np.nan, 0.0)},
    "oblimin": {"gamma": -0.5},
    "crawford-ferguson": {"kappa": 0.1},
}


@pytest.fixture(scope="module")
def loadings():
    rng = np.random.default_rng(2)
    simple = np.where(PATTERN, rng.uniform(0.4, 0.9, (12, 1)), 0.0) + 0.1 * rng.normal(size=(12, 3))
    return simple @ np.linalg.qr(rng.normal(size=(3, 3)))[0]


@pytest.mark.parametrize("method", METHODS)
def test_criterion_has_the_gradient_it_says(loadings, method):
    criterion = rotate(loadings, method, **OPTIONS.get(method, {})).criterion
    _, gradient = criterion(loadings)
    for i, d in ((0, 0), (5, 1), (11, 2)):
        step = np.zeros_like(loadings)
        step[i, d] = 1e-6
        change = (criterion(loadings + step)[0] - criterion(loadings - step)[0]) / 2e-6
        assert gradient[i, d] == pytest.approx(change, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalize", [False, True])
def test_derivatives_are_those_of_rotating_again(loadings, method, normalize):
    options = OPTIONS.get(method, {})
    rotation = rotate(loadings, method, normalize, **options)
    direction = np.random.default_rng(3).normal(size=loadings.shape)
    up, down = (
        rotate(loadings + step * direction, method, normalize, **options).matrix
        for step in (1e-4, -1e-4)
    )
    found = np.einsum("rsid,id->rs", rotation_gradient(rotation, loadings), direction)
    assert np.allclose(found, (up - down) / 2e-4, atol=2e-5)


@pytest.mark.parametrize("method", ["varimax", "quartimax", "parsimax", "quartimin"])
def test_rotations_are_those_of_statsmodels(loadings, method):
    known = rotate_factors(loadings, method, tol=1e-6, max_tries=500)[0]
    found = loadings @ np.linalg.inv(rotate(loadings, method).matrix.T)
    order = np.argsort(-(known**2).sum(axis=0))
    known = known[:, order] * np.sign(known[:, order].sum(axis=0))
    assert np.allclose(found, known, atol=1e-5)


def test_rotation_does_not_depend_on_where_it_begins(loadings):
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))[0]
    for method in ("oblimin", "geomin", "equamax"):
        first, second = (
            values @ np.linalg.inv(rotate(values, method).matrix.T)
            for values in (loadings, loadings @ turn)
        )
        assert np.allclose(first, second, atol=1e-6)


def test_simple_structure_is_found(loadings):
    for method in ("quartimin", "geomin", "varimax"):
        rotation = rotate(loadings, method)
        rotated = loadings @ np.linalg.inv(rotation.matrix.T)
        assert np.allclose((rotation.matrix**2).sum(axis=0), 1.0)
        assert ((np.abs(rotated) > 0.35).sum(axis=1) == 1).all()


def test_what_has_no_rotation(loadings):
    with pytest.raises(SpecificationError, match="rank"):
        rotate(loadings[:, [0, 0]])
    with pytest.raises(SpecificationError, match="target"):
        rotate(loadings, "target")
    with pytest.raises(SpecificationError, match="no option"):
        rotate(loadings, "geomin", gamma=1)
    # all rows have the same length, and directions are spread evenly: every rotation is as good
    circle = np.array([[np.cos(x), np.sin(x)] for x in np.arange(6) * np.pi / 3])
    with pytest.raises(SpecificationError, match="no definite minimum"):
        rotation_gradient(rotate(circle, "varimax"), circle)


def test_promax_is_that_of_r():
    # varimax(A, normalize = TRUE, eps = 1e-12), promax(m = 4); stats of R 4
    loadings = np.array([[0.8, 0.7, 0.3, 0.1, 0.2, 0.6], [0.1, 0.2, 0.6, 0.7, 0.5, 0.4]]).T
    found = rotate(loadings, "promax", normalize=True)
    expected = [
        [0.88180474003, -0.14496586078], [0.72430169680, 0.00635042973],
        [0.09428952389, 0.61161559175], [-0.17869216193, 0.79585212129],
        [0.02083528195, 0.52613977931], [0.52477425293, 0.27606277171],
    ]  # fmt: skip
    np.testing.assert_allclose(loadings @ np.linalg.inv(found.matrix.T), expected, atol=1e-6)
    correlation = found.matrix.T @ found.matrix
    np.testing.assert_allclose(correlation, [[1.0, 0.5812127826], [0.5812127826, 1.0]], atol=1e-6)
    with pytest.raises(SpecificationError, match="raised to more than 1"):
        rotate(loadings, "promax", power=1.0)
