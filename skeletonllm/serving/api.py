"""The HTTP API: questions as OpenAI's clients put them, pictures of recordings, dances to songs."""

import time
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from skeletonllm.serving.chat import Completion, attached, question_of
from skeletonllm.serving.dancing import Choreography
from skeletonllm.serving.engine import Engine
from skeletonllm.serving.errors import RequestError, error_response
from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.metrics import CONTENT_TYPE, Metrics
from skeletonllm.serving.reading import Recording, save_files
from skeletonllm.serving.requests import Attachment, ChatRequest, DanceRequest, Files, RenderRequest, parse
from skeletonllm.serving.visits import HEADERS, Visit, visited

ROUTES = ("/health", "/metrics", "/v1/models", "/v1/chat/completions", "/v1/render", "/v1/dance")


def build_api(engine: Engine, visitors: Visitors, metrics: Metrics) -> FastAPI:
    """The API of an engine. Engine and visitors are closed by who made them.

    Args:
        engine: who answers.
        visitors: where files of a request are for as long as it lasts.
        metrics: what ``/metrics`` tells.
    """
    # No pages about the API: FastAPI's load their parts from elsewhere.
    api = FastAPI(title="skeletonllm", docs_url=None, redoc_url=None, openapi_url=None)
    limits, started = engine.limits, int(time.time())

    async def refused(request: Request, error: HTTPException) -> Response:
        return error_response(error.status_code, str(error.detail), headers=error.headers)

    async def read(files: Files, visit: Visit, which: str | None) -> Recording:
        if not files:
            raise RequestError(400, "attach a recording, as a file of a form or as file_data in base64", "file")
        return await visit.unless_left(engine.readers.read(save_files(visit.files, files, limits), which))

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def numbers(request: Request) -> Response:
        return Response(metrics.text(), headers={**HEADERS, "Content-Type": CONTENT_TYPE})

    def facts() -> dict:
        about = {"description": engine.description, "labels": engine.trained.labels}
        about["dances"] = engine.generator is not None
        return {"id": engine.name, "object": "model", "created": started, "owned_by": "skeletonllm", **about}

    def unknown(model: str) -> RequestError:
        return RequestError(404, f"no model {model!r}, but {engine.name!r}", "model", "model_not_found")

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [facts()]})

    async def model(request: Request, visit: Visit) -> Response:
        if request.path_params["name"] != engine.name:
            raise unknown(request.path_params["name"])
        return JSONResponse(facts())

    async def chat(request: Request, visit: Visit) -> Response:
        asked, files = await parse(request, ChatRequest, limits)
        if asked.model not in (None, engine.name):
            raise unknown(asked.model)
        recording = await read(attached(asked, files), visit, asked.recording)
        ticket = visit.take(engine.ask(question_of(asked, recording, limits)))
        completion = Completion(engine.name, recording)
        if not asked.stream:
            return JSONResponse(completion.whole(await visit.outcome(ticket)), headers=HEADERS)
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        # A proxy that gathers pieces would make a whole of the stream.
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(completion.stream(ticket, usage), headers=headers, media_type="text/event-stream")

    async def render(request: Request, visit: Visit) -> Response:
        asked, files = await parse(request, RenderRequest, limits)
        recording = await read(given(asked.file, files), visit, asked.recording)
        single = asked.format == "frames"
        target = visit.folder / ("frames" if single else f"recording.{asked.format}")
        drawing = engine.render(recording.sequence, target, frames=asked.frames, size=asked.size, name=recording.name)
        await visit.outcome(visit.take(drawing))
        return await visit.send(sorted(target.iterdir()) if single else [target], "frames", packed=single)

    async def dance(request: Request, visit: Visit) -> Response:
        asked, files = await parse(request, DanceRequest, limits)
        songs = given(asked.file, files)
        if len(songs) + (asked.song is not None) != 1:
            raise RequestError(400, "expected one song, either its file or one such as embedded:0", "song")
        embedded = asked.song and int(asked.song.partition(":")[2])
        song: Path | int = save_files(visit.files, songs, limits)[0] if songs else embedded
        targets = tuple(visit.folder / f"dance.{kind}" for kind in dict.fromkeys(asked.format.split(",")))
        wanted = Choreography(
            song, targets, asked.seconds, asked.seed, asked.steps, asked.guidance, asked.post_process, asked.size
        )
        danced = await visit.outcome(visit.take(engine.dance(wanted)))
        return await visit.send(list(danced.files), "dance", packed=len(targets) > 1)

    api.add_exception_handler(HTTPException, refused)
    api.add_route("/health", health, methods=["GET"])
    api.add_route("/metrics", numbers, methods=["GET"])
    api.add_route("/v1/models", models, methods=["GET"])
    api.add_route("/v1/models/{name:path}", visited(visitors, model), methods=["GET"])
    for path, work in (("/v1/chat/completions", chat), ("/v1/render", render), ("/v1/dance", dance)):
        api.add_route(path, visited(visitors, work), methods=["POST"])
    return api


def given(inside: Attachment | None, beside: Files) -> Files:
    """The files of a request, in a form or in JSON."""
    return beside or ([] if inside is None else [(inside.filename, inside.content())])
