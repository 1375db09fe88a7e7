"""Takes messages from Redis so that none is lost with the worker that takes it.

The stock transport pops a message and writes down afterwards that somebody has it: a worker that is killed
in between takes the message along. Here a message moves, within one command of Redis, to a list of its
consumer's, and leaves that list in the step that records it as unacknowledged. What a consumer had
that has fallen silent, the others give back. Queues and messages are those of the stock transport.
"""

from tasks.delivery.transport import install

__all__ = ["install"]
