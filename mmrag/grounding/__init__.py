"""Keeping of a draft only what the evidence supports, and citing it. It knows no generator and no index."""

from mmrag.grounding.grounder import EvidenceGrounder

__all__ = ["EvidenceGrounder"]
