"""Speed beside the usual alternatives, and growth to a million chunks. See README.md here."""
