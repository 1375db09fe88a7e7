"""The HTTP API: jobs, their live output and their results for anything that speaks HTTP.

Needs the extra `api`. Only `cellblock api` imports it.
"""

__all__: list[str] = []
