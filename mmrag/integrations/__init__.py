"""mmrag inside other people's frameworks: one module each, imported by whoever uses that framework."""
