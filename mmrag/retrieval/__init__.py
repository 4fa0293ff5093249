"""Finds the chunks that answer a question. It knows the store only as a feed of changes.

embedder.py  text -> unit vectors          hybrid.py    the Retriever: both halves, fused
lexical.py   BM25 by Tantivy               index.py     one collection's index, kept up to date
dense.py     neighbours by FAISS           snapshot.py  its disk form: checksummed, disposable
fusion.py    convex combination            passages.py  ranks what came with the question
query.py     a follow-up made self-contained
"""
