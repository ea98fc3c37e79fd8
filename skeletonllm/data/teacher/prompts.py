"""What a teacher is asked, by version: a text never changes under its version's name."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """Args:
    system: who the teacher is.
    question: after the frames; ``{label}`` in it stands for the true action.
    """

    system: str
    question: str


PROMPTS = {
    "1": Prompt(
        system=(
            "You study how people move. You are shown frames of a recording, in order and evenly spaced in time: a "
            "moving skeleton drawn as a soft, coloured body on black. You report what can be seen, and nothing else."
        ),
        question=(
            "The recording is known to show the action: {label}\n"
            "Write down how somebody who does not know this could find it out from the frames.\n"
            "First tell in order, one short sentence for each, which parts of the body move, where they go, what that "
            "leads to, and which parts stay where they are. Call the parts by plain names: left hand, right foot, "
            "both arms, legs, head, upper body. Left and right are those of the person. Do not guess at objects or at "
            "movements that the frames do not show.\n"
            "Then tell in a sentence or two what in these movements sets the action apart from others like it.\n"
            "Do not use the name of the action, or a form of it, in any of these sentences. Use 40 to 150 words, no "
            "headings and no lists.\n"
            "End with one line that reads exactly:\n"
            "Label: {label}"
        ),
    ),
}
NEWEST = "1"


def build_messages(version: str, label: str, pictures: Sequence[bytes]) -> list[dict]:
    """The conversation of a chat completion: each frame after a line with its number, then the question.

    Args:
        version: a key of ``PROMPTS``.
        label: the true action.
        pictures: PNG files, in order.

    Raises:
        ValueError: an unknown version.
    """
    if version not in PROMPTS:
        raise ValueError(f"unknown version {version!r} of the prompt; known: {', '.join(PROMPTS)}")
    prompt = PROMPTS[version]
    return conversation(prompt.system, pictures, prompt.question.format(label=label))


def conversation(
    system: str, pictures: Sequence[bytes], question: str, times: Sequence[float] | None = None
) -> list[dict]:
    """A chat completion's messages: the system's, then the frames, PNG files, and a question about them.

    With ``times`` each frame is named together with its second.
    """
    content: list[dict] = []
    for number, picture in enumerate(pictures):
        second = "" if times is None else f" ({times[number]:.1f} s)"
        url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        content += [_text(f"Frame{number + 1}{second}:"), {"type": "image_url", "image_url": {"url": url}}]
    content.append(_text(question))
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def _text(text: str) -> dict:
    return {"type": "text", "text": text}
