"""The checks of `doctor`, and what must be there before a worker starts: one module for each subject."""
