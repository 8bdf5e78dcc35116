"""Reference results of other software and the data that they belong to.

Each JSON file holds the cases of one source; README.md says where numbers and data come from.
"""

import json
from functools import cache
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent


@cache
def load_cases(source):
    """Return the cases of a source as a dict from id to case.

    Parameters
    ----------
    source : {"quadrature", "lme4", "laplace", "published", "responses", "survreg",
        "published_responses", "latent", "field", "irt"}
    """
    content = json.loads((HERE / f"{source}.json").read_text())
    return {case["id"]: case for case in content["cases"]}


@cache
def _read(name):
    return pd.read_csv(HERE / "data" / f"{name}.csv")


def load_data(name):
    """Return a data set as a new DataFrame that the caller may change."""
    return _read(name).copy()
