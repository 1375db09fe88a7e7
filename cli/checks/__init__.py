"""What `doctor` looks at, and what must be there before a worker starts: one module for each thing."""
