"""train.py with a fault in one rank, for launchers: ``FAULT="kill forward 5" FAULTY_RANK=1``; see injection.py."""

import os
import sys

from injection import inject

from skeletonllm.cli import main

if __name__ == "__main__":
    if os.environ["RANK"] == os.environ["FAULTY_RANK"]:
        inject(os.environ["FAULT"])
    main(["train", *sys.argv[1:]])
