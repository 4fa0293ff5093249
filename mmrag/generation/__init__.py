"""Drafting answers from evidence. It knows no index, no platform, and does not check itself: grounding does."""

from mmrag.generation.extractive import ExtractiveGenerator

__all__ = ["ExtractiveGenerator"]
