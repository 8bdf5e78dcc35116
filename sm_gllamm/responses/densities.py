"""The registry of densities: what the kernel can evaluate, by name.

A density is one inline function in ``responses/<file>.pxd``. The build reads the table below (it must
stay a literal) and writes the kernel's dispatch from it, so a new density is its function and a line
here. A density's place in the table is the code that the kernel knows it by.
"""

from __future__ import annotations

__all__ = ["CODES", "DENSITIES", "SETS", "SLOTS"]

#: (name, file, number of slots)
DENSITIES = (
    ("binomial_logit", "binomial", 0),
    ("binomial_probit", "binomial", 0),
    ("binomial_cloglog", "binomial", 0),
    ("binomial_loglog", "binomial", 0),
    ("binomial_cauchit", "binomial", 0),
    ("poisson_log", "poisson", 0),
    ("poisson_identity", "poisson", 0),
    ("poisson_sqrt", "poisson", 0),
    ("gaussian_identity", "gaussian", 1),
    ("gaussian_log", "gaussian", 1),
    ("gaussian_inverse", "gaussian", 1),
    ("gamma_log", "gamma", 1),
    ("gamma_inverse", "gamma", 1),
    ("gamma_identity", "gamma", 1),
    ("inverse_gaussian_log", "inverse_gaussian", 1),
    ("inverse_gaussian_inverse_squared", "inverse_gaussian", 1),
    ("inverse_gaussian_inverse", "inverse_gaussian", 1),
    ("inverse_gaussian_identity", "inverse_gaussian", 1),
    ("nb2_log", "negative_binomial", 1),
    ("nb1_log", "negative_binomial", 1),
    ("beta_logit", "beta", 1),
    ("beta_probit", "beta", 1),
    ("beta_cloglog", "beta", 1),
    ("zip_log", "zero_inflated", 1),
    ("zinb2_log", "zero_inflated", 2),
    ("zinb1_log", "zero_inflated", 2),
    ("truncated_poisson_log", "truncated", 0),
    ("truncated_nb2_log", "truncated", 1),
    ("truncated_nb1_log", "truncated", 1),
    ("cumulative_logit", "cumulative", 3),
    ("cumulative_probit", "cumulative", 3),
    ("cumulative_cloglog", "cumulative", 3),
    ("cumulative_loglog", "cumulative", 3),
    ("cumulative_cauchit", "cumulative", 3),
    ("censored_gaussian", "duration", 1),
    ("lognormal", "duration", 1),
    ("loglogistic", "duration", 1),
    ("weibull_aft", "duration", 1),
    ("weibull_ph", "duration", 1),
    ("exponential_aft", "duration", 0),
    ("exponential_ph", "duration", 0),
    ("gamma_duration", "duration", 1),
    ("binomial_logit_asymptotes", "asymptotes", 2),
)

#: Responses that own several rows, by name: their codes are negative.
SETS = {
    "choice": -1,
    "composite_binomial": -2,
    "composite_poisson": -3,
    "composite_gaussian": -4,
}

#: Name of a density or set response to the kernel's code.
CODES = {name: code for code, (name, _, _) in enumerate(DENSITIES)} | SETS

#: Name to number of slots.
SLOTS = {name: slots for name, _, slots in DENSITIES} | {
    name: int(name == "composite_gaussian") for name in SETS
}
