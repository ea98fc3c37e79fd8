"""``skeletonllm train`` for launchers that want a file: ``deepspeed train.py ...``, ``torchrun ... train.py ...``."""

import sys

from skeletonllm.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
