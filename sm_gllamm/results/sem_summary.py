"""`summary()` of structural equation models: sections by kind of parameter, as lavaan prints them."""

from __future__ import annotations

import time
from math import isnan

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.tableformatting import fmt_2cols, fmt_params

from sm_gllamm.results.summary import WIDTH, _wrapped, cell
from sm_gllamm.results.tables import PlainTable

__all__ = ["laid_out", "laid_out2", "sem_summary", "sem_summary2"]

#: Titles of the sections, by operator; variances stand apart from covariances.
SECTIONS = (
    ("Latent variables", lambda r: r["op"] == "=~"),
    ("Regressions", lambda r: r["op"] == "~"),
    ("Covariances", lambda r: (r["op"] == "~~") & (r["lhs"] != r["rhs"])),
    ("Intercepts", lambda r: r["op"] == "~1"),
    ("Thresholds", lambda r: r["op"] == "|"),
    ("Variances", lambda r: (r["op"] == "~~") & (r["lhs"] == r["rhs"])),
)
#: Sections of what is of no group or level.
LAST = (
    ("Dispersions", lambda r: r["op"] == "family"),
    ("Defined parameters", lambda r: r["op"] == ":="),
)
NOTE = "std.all: all variables with a variance of one; rows without standard error are fixed."


def _halves(results) -> tuple[list, list]:
    """Left and right half of the header, (label, value) pairs."""
    model = results.model
    method = "Pseudo-ML, exact" if results.sampling_weights else "ML, exact"
    if model.inputs.missing_values:
        method = method.replace("ML, exact", "ML of incomplete data")
    left = [
        ("Model:", "SEM"),
        ("Method:", method),
        ("Covariance Type:", results.cov_type),
        ("Information:", results.information_kind),
        ("Converged:", "yes" if results.converged else "NO"),
        ("No. Observations:", f"{results.nobs:g}"),
    ]
    if len(model.table.groups) > 1:
        sizes = zip(model.table.groups, model.inputs.group_sizes, strict=True)
        left += [(f"  Group {label}:", f"{size:g}") for label, size in sizes]
    left += [(f"No. {name}:", str(count)) for name, count in results.n_clusters.items()]
    left += [("No. Parameters:", str(results.df_modelwc))]
    right = [
        ("Log-Likelihood:", f"{results.llf:.5f}"),
        ("AIC:", f"{results.aic:.3f}"),
        ("BIC:", f"{results.bic:.3f}"),
    ]
    fit = results.fit_or_nothing()
    if fit is not None:
        kind = "_scaled" if "chisq_scaled" in fit else ""
        test = f"chi2({fit['df']:g}){', scaled' if kind else ''}:"
        right += [(test, f"{fit['chisq' + kind]:.3f}")]
        if fit["df"] > 0:
            robust = "_robust" if "cfi_robust" in fit else ""
            right += [("P(> chi2):", f"{fit['pvalue' + kind]:.4f}")]
            if "cfi" in fit:
                right += [
                    ("CFI:" if not robust else "Robust CFI:", f"{fit['cfi' + robust]:.4f}"),
                    ("TLI:" if not robust else "Robust TLI:", f"{fit['tli' + robust]:.4f}"),
                    (
                        "RMSEA:" if not robust else "Robust RMSEA:",
                        f"{fit['rmsea' + robust]:.4f} [{fit['rmsea_ci_lower' + robust]:.3f}, "
                        f"{fit['rmsea_ci_upper' + robust]:.3f}]",
                    ),
                ]
        if "srmr" in fit:
            right += [("SRMR:", f"{fit['srmr']:.4f}")]
        if "srmr_within" in fit:
            right[-1:] = [
                ("SRMR within:", f"{fit['srmr_within']:.4f}"),
                ("SRMR between:", f"{fit['srmr_between']:.4f}"),
            ]
    return left, right


def _header(halves: tuple[list, list], title: str) -> PlainTable:
    left, right = halves
    now = time.localtime()
    left += [("Date:", time.strftime("%a, %d %b %Y %H:%M:%S", now))]
    size = max(len(left), len(right))
    left += [(" ", " ")] * (size - len(left))
    right += [(" ", " ")] * (size - len(right))

    def half(items):
        labels, values = zip(*items, strict=True)
        return PlainTable([[v] for v in values], None, labels, title, txt_fmt=fmt_2cols)

    table = half(left)
    table.extend_right(half([(f"  {label}".ljust(21), value) for label, value in right]))
    return table


def _shown(results, alpha: float) -> pd.DataFrame:
    """Table of the parameters without the moments of given covariates."""
    frame = results.parameter_table(standardized=True, alpha=alpha)
    # what is behind the rows of the model's table belongs to none of them
    given = np.zeros(len(frame), dtype=bool)
    rows = [results.model.table.rows[k] for k in results._rows()]
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
        for title, chosen in SECTIONS:
            rows = part[chosen(part)]
            # intercepts that are zero by convention, of latent variables and of the lower level
            if title == "Intercepts" and not rows[["est", "se"]].to_numpy().any():
                continue
            if len(rows):
                yield title + where, rows
    for title, chosen in LAST:
        rows = frame[chosen(frame)]
        if len(rows):
            yield title, rows


def _section(title: str, rows: pd.DataFrame, titles: list[str]) -> PlainTable:
    cells, names = [], []
    for row in rows.to_dict("records"):
        free = row["se"] > 0.0
        pvalue = row["pvalue"]
        tested = [
            cell(row["se"]), cell(row["z"]), "" if isnan(pvalue) else f"{pvalue:#6.3f}",
            cell(row["lower"]), cell(row["upper"]),
        ]  # fmt: skip
        cells.append(
            [cell(row["est"], 4), *(tested if free else [""] * 5), cell(row["std_all"], 3)]
        )
        names.append(_name(row))
    return PlainTable(cells, titles, names, txt_fmt=fmt_params, title=title)


def _notes(results, note: str) -> list[str]:
    lines = [note]
    held = [str(r) for r in results.model.table.syntax.relations if r.op == "=="]
    if results.constraints is not None:
        held += results.constraints.describe()
    if held:
        lines.append("Subject to: " + "; ".join(held) + ".")
    lines += results.verdict.messages()
    lines += [f"Try {text}." for text in results.verdict.advice]
    return lines


def laid_out(
    results, halves: tuple[list, list], note: str, title: str | None, alpha: float
) -> Summary:
    """statsmodels' `Summary` with a given header, sections of parameters, and notes.

    Parameters
    ----------
    results : SEMResults or QuadratureSEMResults
    halves : tuple of list of (str, str)
        Labels and values of the left and right half of the header.
    note : str
        On the standardised solution.
    title : str, optional
    alpha : float
    """
    frame = _shown(results, alpha)
    letter = "t" if results.use_t else "z"
    titles = [
        "coef", "std err", letter, f"P>|{letter}|", f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]",
        "std.all",
    ]  # fmt: skip
    out = Summary()
    out.tables = [_header(halves, title or results.title)]
    out.tables += [_section(name, rows, titles) for name, rows in _sections(frame)]
    lines = [_wrapped(f"[{i}] {text}", WIDTH) for i, text in enumerate(_notes(results, note), 1)]
    out.add_extra_txt(["Notes:", *lines])
    return out


def laid_out2(
    results, halves: tuple[list, list], note: str, title: str | None, alpha: float,
    float_format: str,
) -> Summary2:  # fmt: skip
    """The same content in statsmodels' other layout."""
    left, right = halves
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
    for line in _notes(results, note):
        out.add_text(line)
    return out


def sem_summary(results, title: str | None = None, alpha: float = 0.05) -> Summary:
    """statsmodels' `Summary`: header with measures of fit, sections of parameters, notes."""
    return laid_out(results, _halves(results), NOTE, title, alpha)


def sem_summary2(
    results, title: str | None = None, alpha: float = 0.05, float_format: str = "%.4f"
) -> Summary2:
    """The same content in statsmodels' other layout."""
    return laid_out2(results, _halves(results), NOTE, title, alpha, float_format)
