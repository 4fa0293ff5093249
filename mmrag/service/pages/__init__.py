"""The page that a citation's link opens: what was cited, as it was read, the quoted words marked.

layout.py    a page's text as headings, paragraphs, lists, tables and pictures
routes.py    who follows which link sees what
"""
