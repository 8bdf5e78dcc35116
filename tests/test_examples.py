"""The examples run, and the main one reproduces the published numbers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from sm_gllamm.exceptions import QuadratureWarning

EXAMPLES = Path(__file__).parent.parent / "examples"

# Log-likelihood of the model of Table 1 at its maximum, with converged quadrature.
PISA_LLF = -1225.56796059
# The default quadrature promises an error of this size; see guide/integration.
QUADRATURE_TOLERANCE = 1e-4


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pisa():
    return load_example("pisa")


def test_pisa_reproduces_the_published_table(pisa):
    result = pisa.fit_random_intercept(pisa.load())
    # Two digits are printed; the paper's own rounding may differ in the last one.
    np.testing.assert_allclose(result.params[pisa.PUBLISHED.index], pisa.PUBLISHED, atol=0.0101)
    assert result.llf == pytest.approx(PISA_LLF, abs=QUADRATURE_TOLERANCE)
    twenty = pisa.fit_random_intercept(pisa.load(), n_points=20)
    assert round(twenty.llf, 8) == PISA_LLF


def test_ordinal_reproduces_the_published_laplace_fit():
    ordinal = load_example("ordinal")
    with pytest.warns(QuadratureWarning):
        result = ordinal.fit_proportional_odds(ordinal.load(), integration="laplace")
    # the variance is printed with one digit less
    np.testing.assert_allclose(
        result.params[ordinal.PUBLISHED.index], ordinal.PUBLISHED, atol=0.00051
    )


def test_pisa_runs_and_draws(pisa, tmp_path, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pisa.main(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert "Survey weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "cace", "choice", "counts", "durations", "growth_mixture", "irt_lsat", "irt_science",
        "irt_verbal_aggression",
        "latent_variables", "mixed_responses", "mixture_regression", "ordinal", "sem_categorical",
    ],
)  # fmt: skip
def test_example_runs(name, capsys):
    example = load_example(name)
    example.main()
    printed = capsys.readouterr().out
    assert all(title in printed for title in example.SECTIONS)
