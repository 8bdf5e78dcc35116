"""Estimates, standard errors and standardised solutions agree with lavaan's."""

import pytest

from tests.models.sem_cases import CASES, fit

IDS = list(CASES)
#: Digits that lavaan's optimiser leaves open, in standard errors; more of them with two levels.
OPEN, OPEN_TWO_LEVELS = 2e-4, 1.6e-3


def reference(case):
    rows = CASES[case]["params"]
    return {
        tuple([*row[:3], max(int(row[3] or 0), 1), max(int(row[4] or 0), 1)]): row[5:]
        for row in rows
    }


def ours(result, frame):
    table = result.model.table
    groups = {label: g for g, label in enumerate(table.groups, 1)}
    levels = {label: g for g, label in enumerate(table.levels, 1)}
    out = {}
    for _, row in frame.iterrows():
        group = groups.get(row.get("group", table.groups[0]), 1)
        level = levels.get(row.get("level", table.levels[0]), 1)
        out[row["lhs"], row["op"], row["rhs"] or "", group, level] = row
    return out


def compare(case, frame, est, se):
    known = reference(case)
    found = ours(fit(case), frame)
    tolerance = OPEN_TWO_LEVELS if case.startswith("twolevel") else OPEN
    defined = {k[0]: row for k, row in found.items() if k[1] == ":="}
    # tables that lavaan makes have rows of zeros for intercepts, too
    for k, match in known.items():
        row = defined.get(k[0]) if k[1] == ":=" else found.get(k)
        if row is None:
            assert k[1] == "~1", k
            continue
        if match[est] is None:
            continue
        scale = max(match[se] or 0.0, 1e-2)
        assert abs(row["est"] - match[est]) < tolerance * scale, (k, row["est"], match[est])
        if match[se] is not None:
            assert abs(row["se"] - match[se]) < tolerance * scale, (k, row["se"], match[se])
    assert {k for k in found if k[1] not in ("~1", ":=")} <= set(known)


@pytest.mark.parametrize("case", IDS)
def test_log_likelihood(case):
    known = CASES[case]["fit"]
    assert fit(case).llf == pytest.approx(known["logl"], rel=1e-8)
    assert fit(case).df_modelwc == known["npar"]


@pytest.mark.parametrize("case", IDS)
def test_estimates_and_standard_errors(case):
    compare(case, fit(case).parameter_table(), 0, 1)


@pytest.mark.parametrize("case", IDS)
def test_all_standardised(case):
    compare(case, fit(case).standardized("all"), 2, 3)


@pytest.mark.parametrize("case", IDS)
def test_latent_variables_standardised(case):
    compare(case, fit(case).standardized("lv"), 4, 5)
