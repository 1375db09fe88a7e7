"""Takes messages from Redis so that no message is lost when the worker that took it dies.

The stock transport pops a message first and records afterwards that a consumer has it. If the worker is
killed in between, the message is lost. Here one Redis command moves a message from the queue to a list of the
consumer. A second atomic step removes it from that list and records it as unacknowledged. If a consumer falls
silent, other consumers put its messages back. Queues and messages are those of the stock transport.
"""

from tasks.delivery.transport import install

__all__ = ["install"]
