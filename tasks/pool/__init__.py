"""The worker's pool of processes: which pools are allowed, how one grows, and a job's time limits in it."""
