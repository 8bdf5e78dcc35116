"""Markers that statsmodels' own generic checks use."""


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: of statsmodels' checks; not used here")
