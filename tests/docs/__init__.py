"""The pages: that they build, and that everything they show is so."""
