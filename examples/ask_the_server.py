"""Ask a server that runs, on this machine or another, as any client of OpenAI's would.

    skeletonllm serve                                             # in another terminal; it says its address
    python examples/ask_the_server.py walk.bvh "what is this person doing?" --candidate walk --candidate jump

The answer is printed as its words come. Without a file somebody made up waves. Needs `pip install openai`.
"""

import argparse
import base64
import os
import tempfile
from pathlib import Path

from openai import OpenAI

from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", nargs="?", type=Path)
parser.add_argument("question", nargs="?", default="Describe the motion.")
parser.add_argument("--candidate", action="append", help="an answer to compare with others; may be repeated")
parser.add_argument("--server", default="http://127.0.0.1:7860", help="what `skeletonllm serve` said")
arguments = parser.parse_args()

if arguments.file:
    name, data = arguments.file.name, arguments.file.read_bytes()
else:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "wave.npz"
        write_npz(synthesize("wave left hand", performer=1), made)
        name, data = made.name, made.read_bytes()

# Where the server lets others in, it needs to know who asks.
client = OpenAI(base_url=f"{arguments.server}/v1", api_key=os.environ.get("SKELETONLLM_TOKEN", "none"))
model = client.models.list().data[0].id
attached = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
message = {
    "role": "user",
    "content": [
        {"type": "text", "text": arguments.question},
        {"type": "file", "file": {"filename": name, "file_data": attached}},
    ],
}
ours = {"candidates": arguments.candidate or []}
print(f"{model}, about {name}: {arguments.question}")
for piece in client.chat.completions.create(model=model, messages=[message], stream=True, extra_body=ours):
    print(piece.choices[0].delta.content or "", end="", flush=True)
print()
