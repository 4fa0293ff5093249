"""A look inside for the owners of collections: what is asked, what is missing, what waits for them.

door.py         who may enter, and which collections they see
grouping.py     questions that ask for the same
figures.py      rows of the store as figures
plots.py        figures as SVG
routes.py       the pages, and the decisions on corrections
"""
