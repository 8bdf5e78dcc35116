"""`summary()` and `summary2()`: header, coefficients, random part, and everything there is to warn of."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from itertools import zip_longest
from math import isnan

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.tableformatting import fmt_2cols, fmt_params

from sm_gllamm.results.tables import PlainTable

__all__ = ["family_name", "link_name", "summary_tables", "summary_text", "wide_summary"]


def cell(value: float, precision: int = 3) -> str:
    """A number as statsmodels prints it (``statsmodels.iolib.summary.forg``); nothing for NaN."""
    if isnan(value):
        return ""
    kind = "f" if 1e-4 <= abs(value) < 1e4 else "g"
    return f"{value:{precision + 6}.{precision}{kind}}"


def node_counts(quadrature) -> list[str]:
    """Nodes a dimension of each level, lowest level first, as a range over clusters: ``"8-16"``."""
    out = []
    for level in range(len(quadrature.rules[0])):
        points = sorted({rules[level].points for rules in quadrature.rules})
        kinds = sorted({rules[level].kind for rules in quadrature.rules} - {"hermite"})
        text = str(points[0]) if len(points) == 1 else f"{points[0]}-{points[-1]}"
        out.append(" ".join([text, *kinds]))
    return out


def method_name(results) -> str:
    """How the parameters were estimated."""
    exact = results.verdict.quadrature_error == 0.0 and results.quadrature_exact
    if results.settings.reml:
        return "REML"
    if results.penalized:
        return "Posterior mode"
    if results.quasi:
        return "Quasi-likelihood"
    name = "Pseudo-ML" if results.sampling_weights else "ML"
    if exact:
        return f"{name}, exact"
    if results.quadrature.laplace:
        return f"{name}, Laplace"
    return f"{name} by adaptive quadrature"


#: Characters that the families of mixed responses may take in the header.
LONGEST = 60


def response_name(model) -> str:
    """Name of the response, of all its columns where there are several."""
    names = model.endog_names
    if isinstance(names, str):
        return names
    text = ", ".join(map(str, names))
    return text if len(text) <= LONGEST else f"{names[0]}, ..., {names[-1]} ({len(names)})"


def _by_label(names: dict) -> str:
    """What the families of mixed responses are called, or how many of each there are where they are many."""
    text = ", ".join(f"{label}: {name}" for label, name in names.items())
    if len(text) <= LONGEST:
        return text
    return ", ".join(f"{count} x {name}" for name, count in Counter(names.values()).items())


def family_name(family) -> str:
    """Name of a family; of mixed responses those of all, of count models the distribution, too."""
    members = getattr(family, "members", None)
    if members is not None:
        return _by_label({label: family_name(member) for label, member in members.items()})
    name = type(family).__name__
    inner = getattr(family, "name", "").removeprefix("ZeroTruncated").removeprefix("ZeroInflated")
    return f"{name}({inner})" if name in ("ZeroInflated", "ZeroTruncated", "Hurdle") else name


def link_name(family) -> str:
    """Name of a family's link; of mixed responses those of all."""
    members = getattr(family, "members", None)
    if members is not None:
        return _by_label({label: link_name(member) for label, member in members.items()})
    return type(family.link).__name__


def header(results) -> tuple[list, list]:
    """Left and right half of the header, (label, value) pairs."""
    model = results.model
    left = [
        ("Dep. Variable:", response_name(model)),
        ("Model:", type(model).__name__),
        *results.described,
        ("Method:", method_name(results)),
        ("Covariance Type:", results.cov_type),
        ("Converged:", "yes" if results.converged else "NO"),
    ]
    value = "Log-Likelihood:" if not results.settings.reml else "REML Log-Lik.:"
    right = [("No. Observations:", f"{results.nobs:g}")]
    right += [(f"No. {name}:", str(count)) for name, count in results.n_clusters.items()]
    right += [
        ("Df Residuals:", f"{results.df_resid:g}"),
    ]
    if results.quasi:
        right += [("Dispersion (X2/df):", f"{results.scale:.5g}")]
    else:
        right += [
            (value, f"{results.llf:.5f}"),
            ("AIC:", f"{results.aic:.3f}"),
            (f"BIC (n={results.nobs:g}):", f"{results.bic:.3f}"),
        ]
    if not results.quadrature_exact:
        counts = dict(zip(model.level_names, node_counts(results.quadrature), strict=True))
        # clusters in classes are summed over
        right += [
            (f"Nodes, {name}:", counts[name]) for name in results.n_clusters if name in counts
        ]
        error = results.verdict.quadrature_error
        right += [("Quadrature Error:", "not known" if isnan(error) else f"{error:.1e}")]
    return left, right


def header_table(results, title: str, yname: str | None) -> PlainTable:
    """Table of the header, in statsmodels' two halves, with the time of day."""
    left, right = header(results)
    if yname is not None:
        left[0] = (left[0][0], yname)
    now = time.localtime()
    left += [
        ("Date:", time.strftime("%a, %d %b %Y", now)),
        ("Time:", time.strftime("%H:%M:%S", now)),
    ]
    left, right = zip(*zip_longest(left, right, fillvalue=(" ", " ")), strict=True)
    table = _labelled(left, title)
    table.extend_right(
        _labelled([(f"  {label}".ljust(21), value) for label, value in right], title)
    )
    return table


def _labelled(items, title: str) -> PlainTable:
    """A table of one column from (label, value) pairs."""
    labels, values = zip(*items, strict=True)
    return PlainTable([[value] for value in values], None, labels, title, txt_fmt=fmt_2cols)


#: Titles of the tables of predictors without random effects.
SLOT_TITLES = {
    "threshold": "Thresholds",
    "zero": "Zero inflation (logit)",
    "lower": "Lower asymptote (logit)",
    "upper": "Upper asymptote (logit)",
    "scale": "Log scale",
    "dispersion": "Log dispersion",
    "asymptote": "Asymptotes (logit)",
    "loading": "Loadings",
    "regression": "Regressions of latent variables",
}


def slot_blocks(results) -> list[tuple[str, slice]]:
    """Title and position of the parameters that are shown like coefficients, beside those of exog."""
    return [
        (results.slot_titles.get(slot.slot, SLOT_TITLES[slot.slot]), block)
        for block, slot in results.model.mapping.slots
        if slot.published == "identity"
    ]


def coefficients(results, alpha: float) -> np.ndarray:
    """Estimates, standard errors, test statistics, p-values and limits of all parameters."""
    columns = (results.params, results.bse, results.tvalues, results.pvalues)
    return np.column_stack([*columns, np.asarray(results.conf_int(alpha))])


def coefficient_titles(results, alpha: float) -> list[str]:
    """Titles of the columns of `coefficients` but for the first two."""
    letter = "t" if results.use_t else "z"
    return [letter, f"P>|{letter}|", f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]"]


def coefficient_tables(results, alpha: float, xname=None) -> list[PlainTable]:
    """Table of the coefficients of exog, then one for each predictor without random effects."""
    k = results.model.k_exog
    names = list(results.model.mapping.param_names)
    names[:k] = names[:k] if xname is None else list(xname)[:k]
    values = coefficients(results, alpha)
    tables = [_coefficient_table(results, values[:k], names[:k], alpha, None)] if k else []
    for title, block in slot_blocks(results):
        tables.append(_coefficient_table(results, values[block], names[block], alpha, title))
    return tables


def _coefficient_table(results, values, names, alpha: float, title) -> PlainTable:
    """Some parameters with tests and limits."""
    rows = []
    for estimate, se, t, p, lower, upper in values.tolist():
        shown = [cell(se), cell(t), "" if isnan(p) else f"{p:#6.3f}", cell(lower), cell(upper)]
        rows.append([cell(estimate, 4), *([""] * 5 if se == 0.0 else shown)])
    titles = ["coef", "std err", *coefficient_titles(results, alpha)]
    return PlainTable(rows, titles, names, txt_fmt=fmt_params, title=title)


def random_table(results, alpha: float) -> PlainTable:
    """Table of the random part: variances and covariances with intervals, SDs and correlations."""
    names, values = results._random_part(alpha)
    rows = []
    for estimate, se, lower, upper, sd_corr in values[:, :5].tolist():
        limits = ["", "", ""] if se == 0.0 else [cell(se), cell(lower), cell(upper)]
        rows.append([cell(estimate, 4), *limits, cell(sd_corr, 4)])
    titles = ["estimate", "std err", *coefficient_titles(results, alpha)[2:], "SD/corr"]
    return PlainTable(rows, titles, names, txt_fmt=fmt_params, title="Random effects")


def notes(results) -> list[str]:
    """Sentences below the tables, one a line."""
    lines = []
    if results.random_rows:
        lines.append(
            "Intervals of the random part are symmetric on the log scale for variances and on the arsinh "
            "scale for covariances; conf_int() is symmetric throughout."
        )
    lines += results.remarks
    if results.quasi:
        lines.append(
            "Standard errors are multiplied by the square root of the dispersion; a quasi-likelihood "
            "has no log-likelihood, AIC or BIC."
        )
    if results.settings.reml:
        lines.append(
            "AIC and BIC are of the restricted likelihood: compare models with the same exog."
        )
    if results.constraints is not None:
        lines.append("Subject to: " + "; ".join(results.constraints.describe()) + ".")
    lines += results.verdict.messages()
    lines += [f"Try {text}." for text in results.verdict.advice]
    return lines


#: Characters in a line of the notes; to measure the tables would be to draw them twice.
WIDTH = 88


def _wrapped(line: str, width: int) -> str:
    return textwrap.fill(line, width, subsequent_indent="    ")


def summary_text(results, yname=None, xname=None, title=None, alpha: float = 0.05) -> Summary:
    """statsmodels' `Summary` with header, coefficients, random part and notes.

    Parameters
    ----------
    results : LatentVariableResults
    yname, title : str, optional
    xname : list of str, optional
        Names of the coefficients.
    alpha : float

    Returns
    -------
    statsmodels.iolib.summary.Summary
    """
    out = Summary()
    out.tables = [
        header_table(results, title or results.title, yname),
        *coefficient_tables(results, alpha, xname),
    ]
    if results.random_rows:
        out.tables.append(random_table(results, alpha))
    if lines := notes(results):
        numbered = (_wrapped(f"[{i}] {t}", WIDTH) for i, t in enumerate(lines, 1))
        out.add_extra_txt(["Notes:", *numbered])
    return out


def summary_tables(results, alpha: float = 0.05) -> tuple[pd.DataFrame, ...]:
    """Coefficients, predictors without random effects, and random part as data frames.

    Parameters
    ----------
    results : LatentVariableResults
    alpha : float

    Returns
    -------
    tuple of DataFrame
        Coefficients first, random part last.
    """
    titles = coefficient_titles(results, alpha)
    everything = pd.DataFrame(
        coefficients(results, alpha),
        index=results.model.mapping.param_names,
        columns=["Coef.", "Std.Err.", *titles],
    )
    fixed = [everything.iloc[: results.model.k_exog]]
    fixed += [everything.iloc[block] for _, block in slot_blocks(results)]
    frame = results.random_effects_table(alpha)
    random = frame[["estimate", "std_err", "lower", "upper", "sd_corr"]].copy()
    random.columns = ["Estimate", "Std.Err.", titles[-2], titles[-1], "SD/Corr."]
    return (*fixed, random) if len(random) else tuple(fixed)


def wide_summary(results, title=None, alpha: float = 0.05, float_format: str = "%.4f") -> Summary2:
    """statsmodels' other kind of summary, with the same content.

    Parameters
    ----------
    results : LatentVariableResults
    title : str, optional
    alpha : float
    float_format : str

    Returns
    -------
    statsmodels.iolib.summary2.Summary
    """
    left, right = header(results)
    out = Summary2()
    out.add_title(title or results.title)
    out.add_dict(dict(left + right), ncols=2)
    for frame in summary_tables(results, alpha):
        text = frame.map(lambda x: "" if np.isnan(x) else float_format % x)
        out.add_df(text, align="r")
    for line in notes(results):
        out.add_text(line)
    return out
