"""Score tests of constraints against lavaan and likelihood ratios."""

import numpy as np
import pytest

from sm_gllamm.exceptions import SpecificationError
from sm_gllamm.models.sem import SEM
from tests.models.sem_cases import CASES, data, fit

WITH_RELEASES = [case for case in CASES if "releases" in CASES[case]]


@pytest.mark.parametrize("case", WITH_RELEASES)
def test_as_lavaan(case):
    known = CASES[case]
    table = fit(case).constraint_tests()
    assert table["lhs"].iloc[-1] == "all"
    np.testing.assert_allclose(
        table["statistic"].iloc[:-1], np.atleast_1d(known["releases"]), atol=1e-4, rtol=1e-4
    )
    assert (table["df"].iloc[:-1] == 1).all()
    statistic, df = known["release_all"]
    assert table["statistic"].iloc[-1] == pytest.approx(statistic, rel=1e-4)
    # lavaan counts equations; without those of intercepts three means of latent variables have no origin
    assert table["df"].iloc[-1] == df - 3 * ("intercepts" in case)


@pytest.mark.parametrize("information", ["expected", "observed"])
def test_near_likelihood_ratios(information):
    """Statistics, and changes, of parameters that are nearly equal."""
    text = "visual =~ x1 + a*x2 + a*x3 + x9 \n textual =~ x4 + x5 + x6"
    equal = SEM(text, data("holzinger")).fit()
    free = SEM(text.replace("a*", ""), data("holzinger")).fit()
    row = equal.constraint_tests(information).iloc[0]
    assert (row["lhs"], row["rhs"]) == ("visual=~x2", "visual=~x3")
    assert row["statistic"] == pytest.approx(2 * (free.llf - equal.llf), rel=0.15)
    change = free.params["visual=~x2"] - free.params["visual=~x3"]
    assert row["change"] == pytest.approx(change, rel=0.2)


def test_constraints_of_a_fit_are_tested_as_well():
    model = SEM("visual =~ x1 + x2 + x3 + x9", data("holzinger"))
    added = model.fit_constrained("visual=~x2 = visual=~x3").constraint_tests()
    text = SEM("visual =~ x1 + a*x2 + a*x3 + x9", data("holzinger")).fit().constraint_tests()
    np.testing.assert_allclose(added["statistic"], text["statistic"], rtol=1e-6)


def test_constraints_that_identify_have_no_test():
    text = "f =~ NA*x1 + a*x1 + b*x2 + c*x3 + x9 \n a + b + c == 3"
    table = SEM(text, data("holzinger")).fit().constraint_tests()
    assert table["df"].tolist() == [0, 0] and table["statistic"].isna().all()


def test_nothing_to_test():
    with pytest.raises(SpecificationError, match="no equal labels or equations"):
        fit("cfa").constraint_tests()
    with pytest.raises(SpecificationError, match="'expected' or 'observed'"):
        fit("bound").constraint_tests("other")
