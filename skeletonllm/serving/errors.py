"""Refusals in the form that OpenAI's clients read, with a status that says whose fault it is."""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import JSONResponse

from skeletonllm.serving.dancing import NoGeneratorError
from skeletonllm.serving.limits import LimitError
from skeletonllm.serving.queue import CancelledWork, OutOfTime, QueueFullError

# OpenAI's clients ask again after a 5xx, unless this is said.
_FINAL = {"x-should-retry": "false"}


class RequestError(Exception):
    """A request that cannot be met.

    Args:
        status: of HTTP.
        message: what was found and what was expected.
        param: the field that is wrong.
        code: a word for programs.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, headers


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict:
    """What stands in a response, or in a stream that cannot go on."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal."""
    return JSONResponse(error_body(status, message, param, code), status, headers=dict(headers or {}))


def told(error: Exception, folder: Path | None = None) -> RequestError | None:
    """An error as whoever asked may know it; None for a defect of ours, of which they learn nothing.

    Args:
        error: what was raised.
        folder: where the visitor's files are, of whose place the message says nothing.
    """
    if isinstance(error, RequestError):
        return error
    message = " ".join(str(error).split())
    if folder is not None:
        message = message.replace(f"{folder}/", "").replace(str(folder), "")
    if isinstance(error, QueueFullError):
        return RequestError(503, message, code="overloaded", headers={"Retry-After": "2"})
    if isinstance(error, CancelledWork):
        return RequestError(503, "the server stops", code="stopping")
    if isinstance(error, OutOfTime):
        return RequestError(504, message, code="out_of_time", headers=_FINAL)
    if isinstance(error, NoGeneratorError):
        return RequestError(503, message, code="no_generator", headers=_FINAL)
    if isinstance(error, LimitError):
        return RequestError(413, message, code="too_large")
    if isinstance(error, ValueError):
        return RequestError(400, message)
    return None
