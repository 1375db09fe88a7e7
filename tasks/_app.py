"""The Celery application."""

from __future__ import annotations

from typing import Any

from celery import Celery

__all__ = ["app"]


class _App(Celery):
    """Takes its addresses from its configuration alone.

    Celery first looks at CELERY_BROKER_URL and CELERY_RESULT_BACKEND, which may be those of another app.
    """

    @property
    def backend_cls(self) -> str:  # type: ignore[override]  # a plain attribute there, which only this reads
        """The address for results."""
        return str(self.conf["result_backend"])

    def connection(self, hostname: str | None = None, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """A connection to the broker, to show where that is."""
        return super().connection(hostname or self.conf["broker_url"], *args, **options)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:  # noqa: ANN401
        """A connection to the broker, to take jobs."""
        return super().connection_for_read(url or self.conf["broker_url"], **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:  # noqa: ANN401
        """A connection to the broker, to send jobs."""
        return super().connection_for_write(url or self.conf["broker_url"], **options)


app = _App(
    "cellblock",
    # An app that imports this may have its own Celery app and use Django. This one leaves both alone.
    set_as_current=False,
    fixups=[],
    control="tasks.app_control:Control",
    # Imported by a worker alone.
    include=["tasks.lifecycle"],
)

# Celery's class names of the result backends, by the scheme of the address.
_BACKENDS = {"redis": "RedisBackend", "rediss": "RedisBackend", "sentinel": "SentinelBackend"}
app.loader.override_backends = {
    scheme: f"tasks.results.app_backend:{name}" for scheme, name in _BACKENDS.items()
}


def _configuration() -> dict[str, Any]:
    """Read the settings when Celery first needs them. So an import reads no environment and can't fail."""
    from config import load_settings
    from config.celery_conf import celery_config

    return celery_config(load_settings())


app.add_defaults(_configuration)
