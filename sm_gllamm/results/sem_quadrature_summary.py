"""`summary()` of structural equation models by quadrature."""

from __future__ import annotations

import time
from collections import Counter
from math import isnan

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.tableformatting import fmt_2cols, fmt_params

from sm_gllamm.results.sem_summary import SECTIONS
from sm_gllamm.results.summary import WIDTH, _wrapped, cell, method_name, node_counts
from sm_gllamm.results.tables import PlainTable

__all__ = ["quadrature_summary", "quadrature_summary2"]

THRESHOLDS = ("Thresholds", lambda r: r["op"] == "|")
DISPERSIONS = ("Dispersions", lambda r: r["op"] == "family")


def _halves(results) -> tuple[list, list]:
    """Left and right half of the header, (label, value) pairs."""
    model = results.model
    responses = model.inputs.persons.responses.values()
    families = Counter(r.title for r in responses)
    left = [
        ("Model:", "SEM"),
        ("Method:", method_name(results)),
        ("Covariance Type:", results.cov_type),
        ("Converged:", "yes" if results.converged else "NO"),
    ]
    left += [("Responses:", str(sum(families.values())))]
    left += [(f"  {title}:", str(n)) for title, n in families.items()]
    left += [("No. Observations:", f"{results.nobs:g}")]
    if len(model.table.groups) > 1 and model.inputs.has_rows:
        sizes = zip(model.table.groups, model.inputs.group_sizes, strict=True)
        left += [(f"  Group {label}:", f"{size:g}") for label, size in sizes]
    left += [(f"No. {name}:", str(count)) for name, count in results.n_clusters.items()]
    right = [
        ("Log-Likelihood:", f"{results.llf:.5f}"),
        ("AIC:", f"{results.aic:.3f}"),
        ("BIC:", f"{results.bic:.3f}"),
        ("No. Parameters:", str(results.df_modelwc)),
        ("Dimensions:", " + ".join(map(str, model.mapping.dimensions))),
    ]
    if not results.quadrature_exact:
        counts = zip(model.level_names, node_counts(results.quadrature), strict=True)
        right += [(f"Nodes, {name}:", text) for name, text in counts]
        error = results.verdict.quadrature_error
        right += [("Quadrature Error:", "not known" if isnan(error) else f"{error:.1e}")]
    return left, right


def _header(results, title: str | None) -> PlainTable:
    left, right = _halves(results)
    left += [("Date:", time.strftime("%a, %d %b %Y %H:%M:%S", time.localtime()))]
    size = max(len(left), len(right))
    left += [(" ", " ")] * (size - len(left))
    right += [(" ", " ")] * (size - len(right))
    title = title or results.title

    def half(items):
        labels, values = zip(*items, strict=True)
        return PlainTable([[v] for v in values], None, labels, title, txt_fmt=fmt_2cols)

    table = half(left)
    table.extend_right(half([(f"  {label}".ljust(21), value) for label, value in right]))
    return table


def _shown(results, alpha: float) -> pd.DataFrame:
    """Table of the parameters without the moments of given covariates."""
    frame = results.parameter_table(standardized=True, alpha=alpha)
    rows = [results.model.table.rows[k] for k in results._rows()]
    given = np.zeros(len(frame), dtype=bool)
    given[: len(rows)] = [bool(row.exo) for row in rows]
    return frame[~given]


def _name(row) -> str:
    label = f" ({row['label']})" if row.get("label") else ""
    if row["op"] == "~1":
        return f"{row['lhs']} ~ 1{label}"
    if row["op"] == ":=":
        return str(row["lhs"])
    if row["op"] == "family":
        return f"{row['rhs']} of {row['lhs']}"
    return f"{row['lhs']} {row['op']} {row['rhs']}{label}"


def _sections(frame: pd.DataFrame):
    """Title and rows of each section, by group and level."""
    by = [name for name in ("group", "level") if name in frame]
    own = frame[~frame["op"].isin([":=", "family"])]
    parts = own.groupby(by, sort=False) if by else [((), own)]
    for key, part in parts:
        key = key if isinstance(key, tuple) else (key,)
        where = "".join(f", {name} {value}" for name, value in zip(by, key, strict=True))
        for title, chosen in (*SECTIONS[:-1], THRESHOLDS, SECTIONS[-1]):
            rows = part[chosen(part)]
            if title == "Intercepts":
                # those that are zero by convention
                rows = rows[rows[["est", "se"]].to_numpy().any(axis=1)]
            if len(rows):
                yield title + where, rows
    for title, chosen in (DISPERSIONS, ("Defined parameters", lambda r: r["op"] == ":=")):
        rows = frame[chosen(frame)]
        if len(rows):
            yield title, rows


def _section(title: str, rows: pd.DataFrame, titles: list[str]) -> PlainTable:
    cells, names = [], []
    for row in rows.to_dict("records"):
        pvalue = row["pvalue"]
        tested = [
            cell(row["se"]), cell(row["z"]), "" if isnan(pvalue) else f"{pvalue:#6.3f}",
            cell(row["lower"]), cell(row["upper"]),
        ]  # fmt: skip
        free = tested if row["se"] > 0.0 else [""] * 5
        cells.append([cell(row["est"], 4), *free, cell(row["std_all"], 3)])
        names.append(_name(row))
    return PlainTable(cells, titles, names, txt_fmt=fmt_params, title=title)


def _notes(results) -> list[str]:
    frame_note = (
        "std.all: all variables with a variance of one, of categorical ones what lies behind them; rows "
        "without standard error are fixed."
    )
    lines = [frame_note]
    relations = [r for r in results.model.table.syntax.relations if r.op == "=="]
    held = [str(r) for r in relations]
    if results.constraints is not None:
        held += results.constraints.describe()
    if held:
        lines.append("Subject to: " + "; ".join(held) + ".")
    lines += results.verdict.messages()
    lines += [f"Try {text}." for text in results.verdict.advice]
    return lines


def quadrature_summary(results, title: str | None = None, alpha: float = 0.05) -> Summary:
    """statsmodels' `Summary`: header with the quadrature, sections of parameters, notes."""
    frame = _shown(results, alpha)
    letter = "t" if results.use_t else "z"
    titles = [
        "coef", "std err", letter, f"P>|{letter}|", f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]",
        "std.all",
    ]  # fmt: skip
    out = Summary()
    out.tables = [_header(results, title)]
    out.tables += [_section(name, rows, titles) for name, rows in _sections(frame)]
    lines = [_wrapped(f"[{i}] {text}", WIDTH) for i, text in enumerate(_notes(results), 1)]
    out.add_extra_txt(["Notes:", *lines])
    return out


def quadrature_summary2(
    results, title: str | None = None, alpha: float = 0.05, float_format: str = "%.4f"
) -> Summary2:
    """The same content in statsmodels' other layout."""
    left, right = _halves(results)
    out = Summary2()
    out.add_title(title or results.title)
    out.add_dict(dict(left + right), ncols=2)
    frame = _shown(results, alpha)
    for name, rows in _sections(frame):
        shown = rows[["est", "se", "z", "pvalue", "lower", "upper", "std_all"]].set_axis(
            [_name(row) for row in rows.to_dict("records")]
        )
        text = shown.map(lambda x: "" if np.isnan(x) else float_format % x).rename_axis(name)
        out.add_df(text.rename(columns={"est": name}), align="r")
    for line in _notes(results):
        out.add_text(line)
    return out
