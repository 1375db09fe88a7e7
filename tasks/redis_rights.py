"""Checks whether Redis would execute the commands that cellblock needs, without executing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["refusals", "require_rights"]

# One command for each kind of key, channel and command. docs/how-to/choose-a-broker.md has the rule that
# allows them all.
_NEEDED = (
    ("LPUSH", "{queue}", "x"),
    ("LMOVE", "{queue}", "cellblock.probe", "RIGHT", "LEFT"),
    ("BLMOVE", "{queue}", "cellblock.probe", "RIGHT", "LEFT", "1"),
    ("HSET", "unacked", "x", "x"),
    ("ZADD", "unacked_index", "1", "x"),
    ("SADD", "_kombu.binding.probe", "x"),
    ("LPUSH", "probe.reply.celery.pidbox", "x"),
    ("SETEX", "celery-task-meta-probe", "1", "x"),
    ("MGET", "celery-task-meta-probe"),
    ("XADD", "cellblock.probe", "*", "x", "x"),
    ("XREAD", "STREAMS", "cellblock.probe", "0"),
    ("EXPIRE", "cellblock.probe", "1"),
    ("EVALSHA", "0" * 40, "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("PUBLISH", "/0.celeryev/probe", "x"),
    ("PSUBSCRIBE", "/0.celeryev/probe.*"),
    ("SUBSCRIBE", "celery-task-meta-probe"),
    ("TIME",),
)


def refusals(client: Redis, queue: str = "cellblock") -> list[tuple[str, ResponseError]]:
    """The commands that Redis would refuse now, each with its error.

    They are queued in a transaction, which is then discarded. Redis checks each command when it is queued:
    first the rights of its user, then whether there is memory for a write and whether it is the primary.

    Raises:
        redis.exceptions.RedisError: Redis does not answer, or refuses transactions.
    """
    commands = [tuple(word.format(queue=queue) for word in command) for command in _NEEDED]
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        answers = _discarded(connection, commands)
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    pairs = zip(commands, answers, strict=True)
    return [(" ".join(command[:2]), error) for command, error in pairs if error is not None]


def require_rights(client: Redis, queue: str = "cellblock") -> None:
    """Raise the error of the first command that Redis would refuse now, if there is one."""
    for _, error in refusals(client, queue):
        raise error


def _discarded(connection: Any, commands: Sequence[tuple[str, ...]]) -> list[ResponseError | None]:  # noqa: ANN401
    # Sent alone: if Redis refuses it, the commands after it would be executed.
    connection.send_command("MULTI")
    if (refused := _answer(connection)) is not None:
        raise refused
    connection.send_packed_command(connection.pack_commands([*commands, ("DISCARD",)]))
    *answers, _ = [_answer(connection) for _ in range(len(commands) + 1)]
    return answers


def _answer(connection: Any) -> ResponseError | None:  # noqa: ANN401
    try:
        connection.read_response()
    except ResponseError as error:
        return error
    return None
