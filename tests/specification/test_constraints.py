import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.specification.constraints import constraint_arrays, contrast

NAMES = ["Intercept", "dose", "C(z)[T.b]", "dose:C(z)[T.b]", "var(Intercept|clinic)"]


@pytest.mark.parametrize(
    ("text", "unknown", "meant"),
    [
        ("doze = 0", "doze", "did you mean 'dose'"),
        ("dosed + dose = 1", "dosed", "did you mean 'dose'"),
        ("dose = 2, Intercep = 1e-3", "Intercep", "did you mean 'Intercept'"),
        ("2 * Dose - Intercept", "Dose", "did you mean 'dose'"),
        ("C(z)[T.b] = C(z)[T.c]", "C(z)[T.c]", r"did you mean 'C(z)[T.b]'"),
        ("dose:C(z)[T.b] = dos:C(z)[T.b]", "dos:C(z)[T.b]", "did you mean 'dose:C(z)[T.b]'"),
        ("var(Intercept|clinics) = 1", "var(Intercept|clinics)", "'var(Intercept|clinic)'"),
        ("log(dose) = 0", "log(dose)", "did you mean 'dose'"),
        (["dose = 0", "q = 1"], "q", "there are 'Intercept', 'dose'"),
    ],
)
def test_unknown_parameters_are_named(engine, text, unknown, meant):
    for read in (constraint_arrays, contrast):
        with pytest.raises(SpecificationError) as failure:
            read(text, NAMES)
        assert f"there is no parameter {unknown!r}; " in str(failure.value)
        assert meant in str(failure.value)


@pytest.mark.parametrize(
    "text", ["dose = = 1", "dose > 0", "dose * Intercept = 1", "(dose", "dose ="]
)
def test_other_mistakes(engine, text):
    with pytest.raises(SpecificationError, match=r"are not understood \(.*the parameters are"):
        constraint_arrays(text, NAMES)


def test_nothing(engine):
    with pytest.raises(SpecificationError, match="empty"):
        constraint_arrays(" ", NAMES)


def test_contrasts(engine):
    matrix, values = contrast(["dose = 2", "C(z)[T.b] - dose"], NAMES)
    assert_array_equal(matrix, [[0, 1, 0, 0, 0], [0, -1, 1, 0, 0]])
    assert_array_equal(values, [2, 0])
    for given in (np.eye(5), [0, 1, 0, 0, 0], (np.eye(5), np.ones(5))):
        assert contrast(given, NAMES) is given
