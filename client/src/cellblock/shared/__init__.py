"""What the client shares with the workers. Made from the workers' source by `python docs/generate.py`."""
