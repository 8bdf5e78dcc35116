"""`summary()` of structural equation models by quadrature: the header; all else is that of the others."""

from __future__ import annotations

from collections import Counter
from math import isnan

from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2

from sm_gllamm.results.sem_summary import laid_out, laid_out2
from sm_gllamm.results.summary import method_name, node_counts

__all__ = ["quadrature_summary", "quadrature_summary2"]

NOTE = (
    "std.all: all variables with a variance of one, of categorical ones what lies behind them; rows "
    "without standard error are fixed."
)


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


def quadrature_summary(results, title: str | None = None, alpha: float = 0.05) -> Summary:
    """statsmodels' `Summary`: header with the quadrature, sections of parameters, notes."""
    return laid_out(results, _halves(results), NOTE, title, alpha)


def quadrature_summary2(
    results, title: str | None = None, alpha: float = 0.05, float_format: str = "%.4f"
) -> Summary2:
    """The same content in statsmodels' other layout."""
    return laid_out2(results, _halves(results), NOTE, title, alpha, float_format)
