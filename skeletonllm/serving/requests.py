"""What a request says: fields of JSON or of a form, and files beside them."""

import base64
import binascii
import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from skeletonllm.serving.errors import RequestError
from skeletonllm.serving.limits import Limits

# Fields of forms hold no files; a conversation is short.
_FIELD_BYTES, _FIELDS = 2**20, 32
_DATA_ADDRESS = re.compile(r"data:[\w.+/-]*(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII)

Files = list[tuple[str, bytes]]
"""Names as the client gives them, and contents."""


class Attachment(BaseModel):
    """A file inside JSON: ``file_data`` is base64, behind ``data:...;base64,`` or bare."""

    filename: str = "recording"
    file_data: str | None = None
    file_id: str | None = None

    def content(self) -> bytes:
        """The file. Raises RequestError where it is not there, or no base64."""
        if self.file_data is None:
            raise RequestError(400, "files are attached, not kept: send file_data in base64", "file_data")
        start = _DATA_ADDRESS.match(self.file_data)
        try:
            return base64.b64decode(self.file_data[start.end() if start else 0 :], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(400, f"file_data is no base64: {error}", "file_data") from None


class TextPart(BaseModel):
    """Words of a message."""

    type: Literal["text"]
    text: str


class FilePart(BaseModel):
    """A recording attached to a message."""

    type: Literal["file"]
    file: Attachment


class Message(BaseModel):
    """One of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Annotated[TextPart | FilePart, Field(discriminator="type")]] | None = None

    @property
    def text(self) -> str:
        """All words of it."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if isinstance(part, TextPart))

    @property
    def attachments(self) -> list[Attachment]:
        """All files of it."""
        parts = () if isinstance(self.content, str) else self.content or ()
        return [part.file for part in parts if isinstance(part, FilePart)]


class StreamOptions(BaseModel):
    """Of a stream: whether a last piece counts the tokens."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """``/v1/chat/completions``: OpenAI's fields, and ours: ``candidates``, ``window`` and ``recording``.

    Answers are greedy: ``temperature``, ``top_p``, ``seed`` and the like are taken and change nothing. What would
    change the form of the answer, and cannot be had, is refused.
    """

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: Literal[1] | None = None
    tools: Literal[None] | Annotated[list, Field(max_length=0)] = None
    functions: Literal[None] | Annotated[list, Field(max_length=0)] = None
    logprobs: Literal[False] | None = None
    candidates: list[Annotated[str, Field(min_length=1)]] = []
    window: float | None = Field(None, ge=0.1, le=3600, allow_inf_nan=False)
    recording: str | None = None


class RenderRequest(BaseModel):
    """``/v1/render``: how a recording is drawn."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    format: Literal["png", "gif", "mp4", "frames"] = "png"
    frames: int | None = Field(None, ge=1)
    size: int = 448
    recording: str | None = None
    file: Attachment | None = None


class DanceRequest(BaseModel):
    """``/v1/dance``: which song, and what is wanted of the dance; several formats come as a zip archive."""

    model_config = ConfigDict(extra="forbid")

    song: str | None = Field(None, pattern=r"^embedded:\d{1,6}$")
    format: str = Field("bvh", pattern=r"^(bvh|glb|npz|mp4|gif|png)(,(bvh|glb|npz|mp4|gif|png))*$")
    seconds: float | None = Field(None, allow_inf_nan=False)
    seed: int = Field(0, ge=0, lt=2**63)
    steps: int = 50
    guidance: float = Field(2.0, allow_inf_nan=False)
    post_process: bool = True
    size: int = 360
    file: Attachment | None = None


Fields = TypeVar("Fields", bound=BaseModel)


async def parse(request: Request, kind: type[Fields], limits: Limits) -> tuple[Fields, Files]:
    """The fields of a request, and the files that were sent beside them in a form.

    In a form each field is the text of a JSON value, or a text as it is; files may have any field's name.

    Raises:
        RequestError: another kind of body, one that is damaged, or fields that are wrong.
        ClientDisconnect: the client left.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        fields, files = await _form(request, limits)
    elif content_type == "application/json":
        fields, files = _json(await request.body()), []
    else:
        raise RequestError(415, f"a body of type {content_type or 'none'}, expected application/json or a form")
    if not isinstance(fields, dict):
        raise RequestError(400, f"the body is a JSON {type(fields).__name__}, expected an object")
    try:
        return kind.model_validate(fields), files
    except ValidationError as error:
        raise _wrong(error) from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is no JSON: {str(error) or 'nested too deeply'}") from None


async def _form(request: Request, limits: Limits) -> tuple[dict[str, Any], Files]:
    """Files and fields of a form; files above a megabyte go through the disk."""
    fields: dict[str, Any] = {}
    files: Files = []
    try:
        async with request.form(max_files=limits.files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    files.append((value.filename or "recording", await value.read()))
                else:
                    fields[name] = _value(value)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise RequestError(400, f"the form is damaged, or has too many parts: {error.detail}") from None
    return fields, files


def _value(text: str) -> Any:
    """A field of a form: JSON where it is an object, a list, a number or a word of JSON, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _wrong(error: ValidationError) -> RequestError:
    """The first thing that is wrong, in a line."""
    # Of what may be one thing or another, the error that lies deepest is about the one that was meant.
    first = max(error.errors(include_url=False, include_context=False), key=lambda one: len(one["loc"]))
    place = ".".join(str(part) for part in first["loc"] if "[" not in str(part)) or "body"
    found = repr(first.get("input"))
    found = found if len(found) <= 80 else found[:80] + "..."
    message = f"{place}: found {found}; {first['msg'][:1].lower() + first['msg'][1:]}"
    if first["type"] == "union_tag_invalid" and "image" in found:
        message = f"{place}: pictures are not taken: attach the recording itself, and it is drawn here"
    return RequestError(400, message, place)
