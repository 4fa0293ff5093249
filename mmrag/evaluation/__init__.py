"""Measures what the engine finds, on collections of questions whose answers are known.

metrics.py    hit, recall, reciprocal rank, nDCG of one ranking: formulas, nothing else
beir.py       corpus, queries and judgements in BEIR's files, each fault with its file and line
retrieval.py  a corpus into a store of its own, every query through the engine's own search
"""
