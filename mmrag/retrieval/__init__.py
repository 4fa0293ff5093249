"""Finds the chunks that answer a question. It knows the store only as a feed of changes.

hybrid.py    the Retriever: coarse, then fine      pool.py      the indexes of all collections
query.py     a follow-up made self-contained       index.py     one collection's, followed and built
pictures.py  attached pictures as query words      layout.py    which segments it should consist of
lexical.py   BM25 by Tantivy                       segment.py   a part of it on disk, unchanging
dense.py     neighbours by FAISS                   manifest.py  which segments there are
fusion.py    several rankings into one             disk.py      checksummed, published by one rename
rerank.py    a cross-encoder orders the best       embedding/   text -> unit vectors
diversity.py not the same thing twice              loading.py   models without noise
passages.py  ranks what came with the question
"""
