"""What operators see of a worker: metrics, logs, traces, health, the queue's depth and the list of jobs."""
