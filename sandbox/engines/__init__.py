"""What cells are made with: one package for each engine. Only the `sandbox` module beside it names them."""
