"""A Django project in one file that runs what its visitors send, and streams the output to their browsers.

    CELLBLOCK_BROKER_URL=redis://localhost:6379/0 python examples/django/app.py runserver

It has the same paths as the service in `examples/fastapi`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from cellblock import BrokerUnreachable, Cellblock, CellblockError, InvalidJob, QueueFull

cells = Cellblock(tenant="visitors")

#: How a request is answered that fails with one of these errors.
STATUSES = {InvalidJob: 400, QueueFull: 429, BrokerUnreachable: 503, TimeoutError: 504}


def submit(request: HttpRequest) -> HttpResponse:
    """Send a job."""
    program = json.loads(request.body)
    job = cells.submit(program["cmd"], program.get("runtime", "bash"), timeout=10, live=True)
    return JsonResponse({"id": job.id}, status=202)


def job(request: HttpRequest, job_id: str) -> HttpResponse:
    """The result of a job, if it is over within `wait` seconds. DELETE ends the job."""
    if request.method == "DELETE":
        cells.cancel(job_id)
        return HttpResponse(status=204)
    return JsonResponse(dict(cells.job(job_id).get(timeout=float(request.GET.get("wait", 30)))))


def events(request: HttpRequest, job_id: str) -> StreamingHttpResponse:
    """The output of a job while it runs, as server-sent events."""
    after = request.headers.get("Last-Event-ID", "0")
    return StreamingHttpResponse(_events(job_id, after), content_type="text/event-stream")


def _events(job_id: str, after: str) -> Iterator[str]:
    for entry in cells.follow(job_id, after=after):
        data = json.dumps(entry.data.decode(errors="replace"))
        yield f"id: {entry.id}\nevent: {entry.kind}\ndata: {data}\n\n"


class ExplainErrors:
    """Middleware that answers by the name of the error."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Leave a request as it is."""
        return self.get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a request that failed with an error of cellblock."""
        if not isinstance(error, CellblockError | TimeoutError):
            return None
        status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 500)
        headers = {"Retry-After": f"{error.retry_after:.0f}"} if isinstance(error, QueueFull) else {}
        body = {"error": type(error).__name__, "message": str(error)}
        return JsonResponse(body, status=status, headers=headers)


urlpatterns = [
    path("jobs", submit),
    path("jobs/<str:job_id>", job),
    path("jobs/<str:job_id>/events", events),
]

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    MIDDLEWARE=[f"{__name__}.ExplainErrors"],
    ROOT_URLCONF=__name__,
)

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
