"""The keys in the run's Redis that never expire: what a test must not leave behind."""

from __future__ import annotations

import redis

__all__ = ["LastingKeys"]

_PER_SCAN = 1000


class LastingKeys:
    """Finds them in all databases, except kombu's bindings of queues.

    Every test asks, and after some thousand tests there are thousands of databases. The server's own counts
    show in one answer which have keys without expiry. Those whose only such keys are bindings are remembered.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._server = redis.Redis.from_url(url)
        # How many keys without expiry a database has, all of which are bindings.
        self._bindings: dict[int, int] = {}

    def found(self) -> list[str]:
        """All of them, each with the number of its database before it."""
        return [f"{number}:{key}" for number in self._suspects() for key in self._in(number)]

    def remove(self) -> None:
        """Remove them, so that the next test does not fail because of them."""
        for number, _, key in (one.partition(":") for one in self.found()):
            with self._database(number) as database:
                database.delete(key)

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def _suspects(self) -> list[int]:
        lasting = {
            int(name.removeprefix("db")): counts["keys"] - counts["expires"]
            for name, counts in self._server.info("keyspace").items()
        }
        return [number for number, count in lasting.items() if count > self._bindings.get(number, 0)]

    def _in(self, number: int) -> list[str]:
        with self._database(number) as database, database.pipeline(transaction=False) as pipeline:
            keys = list(database.scan_iter(count=_PER_SCAN))
            for key in keys:
                pipeline.ttl(key)
            lasting = [key for key, left_s in zip(keys, pipeline.execute(), strict=True) if left_s == -1]
        wanted = [key for key in lasting if "_kombu.binding" not in key]
        if not wanted:
            self._bindings[number] = len(lasting)
        return wanted

    def _database(self, number: object) -> redis.Redis:
        return redis.Redis.from_url(f"{self._url}/{number}", decode_responses=True)
