"""Runs in threads: the same outcomes in the same order, and an interrupt that ends them."""

from threading import Event

import numpy as np
import pytest

import sm_gllamm.models.discrete as discrete
from sm_gllamm.datasets import epil
from sm_gllamm.estimation.runs import runs_in_threads
from sm_gllamm.models.mixture import Mixture


def test_order_is_that_of_the_starts():
    made = []

    def make():
        made.append(object())
        return made[-1]

    starts = [np.array([float(k)]) for k in range(7)]
    ends = list(runs_in_threads(lambda theta, _: theta[0] ** 2, starts, make, 2, Event()))
    assert ends == [k**2 for k in range(7)]
    assert 1 <= len(made) <= 2


def test_an_interrupt_stops_the_other_runs():
    stop = Event()

    def run(theta, _):
        if theta[0] == 1.0:
            raise KeyboardInterrupt
        return theta

    with pytest.raises(KeyboardInterrupt):
        list(runs_in_threads(run, [np.array([float(k)]) for k in range(4)], object, 2, stop))
    assert stop.is_set()


def test_fits_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(discrete, "THREADED", 0)
    data = epil.load_pandas().data
    one, two = (
        Mixture.from_formula(
            "y ~ trt", data, 2, groups="subject", family="poisson", n_threads=threads
        ).fit(n_starts=4)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.params, two.params)
    assert one.verdict.starts == two.verdict.starts
