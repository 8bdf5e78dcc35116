import numpy as np
import pandas as pd
import pytest
import statsmodels.formula


@pytest.fixture(params=["patsy", "formulaic"])
def engine(request, monkeypatch):
    """Both formula libraries, one after the other."""
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", request.param)
    return request.param


@pytest.fixture
def schools():
    """24 pupils in 6 classes of 3 schools; rows unsorted, labels of classes used again."""
    rng = np.random.default_rng(20)
    data = pd.DataFrame(
        {
            "school": np.repeat(["north", "east", "south"], 8),
            "klass": np.tile(np.repeat([1, 2], 4), 3),
            "x": rng.normal(size=24),
            "track": np.tile(["a", "b", "c", "a"], 6),
            "hours": rng.integers(1, 5, size=24).astype(float),
        },
        index=[f"pupil{i}" for i in range(24)],
    )
    data["y"] = data.x + rng.normal(size=24)
    data["w_school"] = data.school.map({"north": 1.0, "east": 2.0, "south": 3.0})
    return data.iloc[rng.permutation(24)]
