"""Models that lavaan was asked about: their data, their fits, and how lavaan's options are said here."""

from functools import cache

import numpy as np

from sm_gllamm.models.sem import SEM
from tests.reference import load_cases, load_data

EVERY = load_cases("sem")
#: Of these lavaan's algorithm for the saturated model stops short of the maximum, or the log-likelihood given
#: covariates is another one; `test_sem_levels` has them.
APART = ("twolevel_fiml", "twolevel_both")
CASES = {name: case for name, case in EVERY.items() if name not in APART}
SWITCHES = {
    "std.lv": "std_lv", "fixed.x": "fixed_x", "meanstructure": "meanstructure",
    "orthogonal": "orthogonal", "group.equal": "group_equal", "group": "groups",
    "cluster": "cluster",
}  # fmt: skip


@cache
def data(name):
    frame = load_data(name.removesuffix("_holes"))
    if name == "twolevel_holes":
        row = np.arange(len(frame))
        for variable, lost in (
            ("y1", row % 7 == 0), ("y2", row % 5 == 1), ("y3", row % 11 == 2),
            ("w2", frame["cluster"] % 9 == 4),
        ):  # fmt: skip
            frame[variable] = frame[variable].mask(lost)
    if name == "holzinger":
        school = np.repeat(["Pasteur", "Grant-White"], [156, 145])
        frame = frame.assign(
            female=frame["sex"] - 1.0, age=frame["ageyr"] + frame["agemo"] / 12, school=school
        )
    return frame


@cache
def model(case_id):
    case = EVERY[case_id]
    options = {SWITCHES[k]: v for k, v in dict(case["options"]).items() if k in SWITCHES}
    if case_id == "cluster_robust":
        options["meanstructure"] = True
    return SEM(case["model"], data(case["data"]), style=case["fun"], **options)


@cache
def fit(case_id):
    """Fit as lavaan does by default: information and covariance matrix by estimator."""
    options = dict(EVERY[case_id]["options"])
    if case_id == "cluster_robust":
        return model(case_id).fit()
    if options.get("estimator") == "MLR":
        return model(case_id).fit(cov_type="robust")
    observed = options.get("missing") == "ml" or EVERY[case_id]["data"].startswith("twolevel")
    return model(case_id).fit(information="observed" if observed else "expected")
