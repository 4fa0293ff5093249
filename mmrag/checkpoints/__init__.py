"""Checkpoints: models that people name in the settings, found on disk or downloaded once, and loaded safely.

What reads charts and what phrases answers both stand on it. It knows neither.
"""
