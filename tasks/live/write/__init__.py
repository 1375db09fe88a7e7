"""The worker's side of live output: sends what a job writes to Redis."""
