"""Reading: bytes become pages of text with headings, tables and figures, and pages become chunks.

One module a format (docx, pptx, xlsx, delimited, html, markdown, plaintext, mail, containers, pdf,
picture), one shape out. `reader` decides by
content which of them reads a file. It knows no index, no generator and no store.
"""

READING_VERSION = "4"  # grows when the same bytes would be read or chunked differently
