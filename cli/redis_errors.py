"""What Redis and kombu raise, in one sentence with what to try."""

from __future__ import annotations

from kombu.utils.url import maybe_sanitize_url

from config import load_settings

__all__ = ["explain_redis"]


def explain_redis(error: Exception) -> str:
    """The sentence for an error of the broker or the result backend; passwords in its address are hidden."""
    address = maybe_sanitize_url(load_settings().broker_url.get_secret_value())
    text = str(error)
    if any(word in text for word in ("NOAUTH", "WRONGPASS", "invalid username-password", "Authentication")):
        return f"Redis at {address} refuses the password. Try: check CELLBLOCK_BROKER_URL."
    if "NOPERM" in text:
        return f"Redis at {address} does not permit this user the commands that Celery needs: {text}."
    return (
        f"Redis at {address} cannot be reached ({text.rstrip('.')})."
        " Try: start it with redis-server, or set CELLBLOCK_BROKER_URL."
    )
