"""Calibrated items: probabilities, information, scores and fit at given parameters."""
