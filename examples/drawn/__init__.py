"""What the examples show in pictures and PDFs: one module a kind of picture. It knows no mmrag."""
