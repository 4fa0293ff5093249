"""Drafting answers from evidence. It knows no index, no platform, and does not check itself: grounding does.

Nothing is imported here, so that the decode loop can be used without the rest.
"""
