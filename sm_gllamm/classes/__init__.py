"""Latent classes as tables of numbers: classification, fit of response patterns, probabilities."""
