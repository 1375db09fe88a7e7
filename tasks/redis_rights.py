"""Whether Redis would carry out what cellblock needs of it, asked without doing any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

__all__ = ["refusals", "require_rights"]

# One for each kind of key and channel, and for each kind of command; docs/how-to/choose-a-broker.md has the
# rule that allows them all.
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
    """The commands that Redis would refuse by now, each with what it says.

    They are begun as a transaction and thrown away: Redis looks at each when it is queued, at its user's
    rights first, then whether there is room for a write and whether it is the primary.

    Raises:
        redis.exceptions.RedisError: it does not answer, or knows no transactions.
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
    """Raise what Redis says, if it would refuse any of them."""
    for _, error in refusals(client, queue):
        raise error


def _discarded(connection: Any, commands: Sequence[tuple[str, ...]]) -> list[ResponseError | None]:  # noqa: ANN401
    # Alone: what follows a transaction that is refused would be carried out.
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
