"""Conversations as OpenAI's clients hold them: what is asked in them, and the answer as they read it."""

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from skeletonllm.serving.errors import RequestError, error_body, told
from skeletonllm.serving.limits import Limits
from skeletonllm.serving.plans import Answer, Question
from skeletonllm.serving.queue import Ticket
from skeletonllm.serving.reading import Recording
from skeletonllm.serving.requests import ChatRequest, Files

# Seconds between signs of life, for clients and proxies that give up on silence.
_SIGN_SECONDS = 5.0
_DEFAULT_TOKENS = 192


def attached(chat: ChatRequest, beside: Files) -> Files:
    """The recording that a conversation is about: what was sent beside it, or the newest files inside.

    Raises:
        RequestError: there is none, or it is no base64.
    """
    if beside:
        return beside
    for message in reversed(chat.messages):
        if message.attachments:
            return [(each.filename, each.content()) for each in message.attachments]
    message = 'attach a recording: {"type": "file", "file": {"filename": ..., "file_data": base64}} beside the text'
    raise RequestError(400, message, "messages", "no_recording")


def question_of(chat: ChatRequest, recording: Recording, limits: Limits) -> Question:
    """What is asked: the words of the newest message. Earlier ones are not heard, as the models answer one question.

    Raises:
        RequestError: the newest message is none of the user's.
    """
    newest = chat.messages[-1]
    if newest.role != "user":
        raise RequestError(400, f"the newest message is of {newest.role}, expected one of the user", "messages")
    most = min(chat.max_completion_tokens or chat.max_tokens or _DEFAULT_TOKENS, limits.answer_tokens)
    text = newest.text.strip() or None
    return Question(recording.sequence, text, tuple(chat.candidates), chat.window, most)


@dataclass(frozen=True)
class Completion:
    """The frame of an answer.

    Args:
        model: that answers.
        recording: what is asked about.
        id, created: of the answer.
    """

    model: str
    recording: Recording
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer) -> dict:
        """A ``chat.completion``; ``skeletonllm`` in it holds what others' models do not have."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answer.text, "refusal": None},
            "logprobs": None,
            "finish_reason": _reason(answer),
        }
        frame = self._frame("chat.completion")
        return {**frame, "choices": [choice], "usage": _usage(answer), "skeletonllm": self._seen(answer)}

    async def stream(self, ticket: Ticket[Answer], include_usage: bool) -> AsyncIterator[str]:
        """The same as server-sent events; the ticket is given back whenever the stream ends."""
        with ticket:
            yield self._piece({"role": "assistant", "content": "", "refusal": None})
            try:
                async for update in ticket.watch(every=_SIGN_SECONDS):
                    if update.text:
                        yield self._piece({"content": update.text})
                    elif update.place is not None:
                        yield f": {update.place} before this one\n\n"
                    else:
                        yield f": {update.doing or 'answering'}\n\n"
                answer = await ticket.wait()
            except Exception as error:
                refusal = told(error)
                if refusal is None:
                    yield _event(error_body(500, "the server failed at this"))
                    raise
                yield _event(error_body(refusal.status, refusal.message, refusal.param, refusal.code))
                return
            yield self._piece({}, _reason(answer), skeletonllm=self._seen(answer))
            if include_usage:
                yield _event({**self._frame("chat.completion.chunk"), "choices": [], "usage": _usage(answer)})
            yield "data: [DONE]\n\n"

    def _piece(self, delta: dict, reason: str | None = None, **more) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event({**self._frame("chat.completion.chunk"), "choices": [choice], **more})

    def _frame(self, kind: str) -> dict:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _seen(self, answer: Answer) -> dict:
        found = answer.segments
        return {
            "recording": self.recording.facts,
            "candidates": [{"text": text, "probability": share} for text, share in answer.shares.items()],
            "segments": [
                {"label": one.segment.label, "start": one.segment.start, "stop": one.segment.stop, "score": one.score}
                for one in found
            ],
        }


def _reason(answer: Answer) -> str:
    return "stop" if answer.whole else "length"


def _usage(answer: Answer) -> dict:
    total = answer.prompt_tokens + answer.tokens
    return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.tokens, "total_tokens": total}


def _event(content: dict) -> str:
    return f"data: {json.dumps(content)}\n\n"
