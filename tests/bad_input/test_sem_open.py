"""What thresholds and random coefficients need of the data is said by name."""

import numpy as np
import pandas as pd
import pytest

import sm_gllamm.api as smg


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 4)), columns=["y", "x1", "x2", "x3"])
    return frame.assign(g=np.repeat(np.arange(20), 10))


def test_thresholds_of_measurements(data):
    with pytest.raises(smg.SpecificationError, match="'x1' is .* a category is a whole number"):
        smg.SEM("f =~ x1 + x2 + x3 \n x1 | t1", data)


def test_random_coefficients_without_clusters(data):
    text = 'level: 1\n y ~ rv("s")*x1\nlevel: 2\n y ~~ y'
    with pytest.raises(smg.SpecificationError, match="which rows belong together by cluster="):
        smg.SEM(text, data)
