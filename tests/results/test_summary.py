"""What summaries print."""

import warnings

import pytest
from statsmodels.iolib.summary2 import summary_col
from statsmodels.iolib.table import SimpleTable

import sm_gllamm.formula.api as smgf
from sm_gllamm.exceptions import BoundaryWarning


def test_header_says_how_the_model_was_fitted(binary):
    text = str(binary.summary())
    for part in (
        "Binomial", "Logit", "ML by adaptive quadrature", "Quadrature Error", "Nodes, g",
        "No. g:", "240", "nonrobust", "Converged:", f"{binary.llf:.5f}", "P>|z|",
    ):  # fmt: skip
        assert part in text, part


def test_random_part_is_apart(slope):
    text = str(slope.summary())
    head, tail = text.split("Random effects")
    assert "var(Days|Subject)" not in head
    assert "565.5154" in tail and "265.266" in tail and "23.7806" in tail
    assert "log scale" in tail
    assert "ML, exact" in head


def test_reml_and_robust_are_named(sleep):
    model = smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep)
    assert "REML" in str(model.fit(reml=True).summary())
    assert "robust" in str(model.fit(cov_type="robust").summary())


def test_nothing_is_printed_where_there_is_no_standard_error(no_effects):
    model = smgf.glmm("y ~ x + (1 | g)", no_effects, family="binomial")
    with pytest.warns(BoundaryWarning):
        result = model.fit()
    for text in (str(result.summary()), str(result.summary2())):
        assert "nan" not in text
        assert "On the boundary: var(Intercept|g)" in text.replace("\n", " ")


def test_unfinished_fits_say_so(counts):
    model = smgf.glmm("y ~ x + (1 | g)", counts, family="binomial")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = str(model.fit(maxiter=1).summary())
    assert "NO" in text and "Not converged" in text


def test_titles_and_names(binary):
    text = str(binary.summary(title="A title", yname="outcome", xname=list("abcd"), alpha=0.1))
    assert "A title" in text and "outcome" in text and "[0.05" in text and "\nd " in text


def test_other_layouts(binary, slope):
    assert "var(Intercept|g)" in str(binary.summary2())
    assert "var(Residual)" in str(summary_col([binary, slope]))
    assert "\\begin" in binary.summary().as_latex()
    assert "<table" in binary.summary().as_html()
    assert "var(Intercept|g)" in binary.summary().as_csv()


def test_tables_are_drawn_as_statsmodels_draws_them(binary, slope):
    for result in (binary, slope):
        for table in result.summary().tables:
            assert str(table) == SimpleTable.as_text(table)
    table.insert_header_row(0, ["two\nlines", *"abcdef"[: len(table[0]) - 1]])
    table.title = "A title"
    assert str(table) == SimpleTable.as_text(table)
    table[2].add_format("txt", colsep="|")
    assert "|" in str(table)


def test_summary_after_remove_data(sleep, tmp_path):
    result = smgf.glmm("Reaction ~ Days + (1 | Subject)", sleep).fit(
        cov_type="cluster", cov_kwds={"groups": sleep["Subject"]}
    )
    before = str(result.summary())
    limits = result.conf_int(method="transformed")
    result.save(tmp_path / "result.pkl", remove_data=True)
    again = type(result).load(tmp_path / "result.pkl")

    def without_clock(text):
        return [line for line in text.splitlines() if "Time:" not in line and "Date:" not in line]

    assert without_clock(str(again.summary())) == without_clock(before)
    assert str(again.summary2())
    assert limits.equals(again.conf_int(method="transformed"))
    assert again.cov_kwds == {} and again.cov_re.equals(result.cov_re)
