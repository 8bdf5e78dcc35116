"""Data sets that the documentation, the examples and the tests use.

Each is a module with `load_pandas` and the texts `TITLE`, `SOURCE`, `COPYRIGHT`, `DESCRSHORT`,
`DESCRLONG` and `NOTE` (the codebook), as in `statsmodels.datasets`. The data sets are not covered
by the package's licence: see each `COPYRIGHT`.

Examples
--------
>>> from sm_gllamm import datasets
>>> data = datasets.pisa.load_pandas().data
>>> data.shape
(2069, 19)
"""

from sm_gllamm.datasets import (
    asvab,
    bacteria,
    cbpp,
    contraception,
    crackers,
    diet,
    epil,
    grouseticks,
    gu_immun,
    holzinger,
    kidney,
    lsat,
    mroz,
    orthodont,
    owls,
    oxide,
    pisa,
    political_goals,
    retinopathy,
    science,
    sleepstudy,
    stepped_wedge,
    toenail,
    verbagg,
    wine,
)

__all__ = [
    "asvab",
    "bacteria",
    "cbpp",
    "contraception",
    "crackers",
    "diet",
    "epil",
    "grouseticks",
    "gu_immun",
    "holzinger",
    "kidney",
    "lsat",
    "mroz",
    "orthodont",
    "owls",
    "oxide",
    "pisa",
    "political_goals",
    "retinopathy",
    "science",
    "sleepstudy",
    "stepped_wedge",
    "toenail",
    "verbagg",
    "wine",
]
