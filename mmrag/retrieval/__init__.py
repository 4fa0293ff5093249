"""Finds the chunks that answer a question. It knows the store only as a feed of changes.

embedder.py  text -> unit vectors          hybrid.py    the Retriever: coarse, then fine
lexical.py   BM25 by Tantivy               index.py     one collection's index, kept up to date
dense.py     neighbours by FAISS           snapshot.py  its disk form: checksummed, disposable
fusion.py    reciprocal rank fusion        passages.py  ranks what came with the question
query.py     a follow-up made whole        pictures.py  what attached pictures add to the query
rerank.py    a cross-encoder's second look diversity.py no repetitions, no crowd
loading.py   models, without noise
"""
