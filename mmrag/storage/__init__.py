"""What stays on disk: the catalogue, which is the truth, and the answer cache, which is disposable."""
