"""``python -m skeletonllm`` is ``skeletonllm``: what launchers of several processes start.

``deepspeed --module skeletonllm dance train ...``, ``torchrun -m skeletonllm dance train ...``.
"""

import sys

from skeletonllm.cli import main

if __name__ == "__main__":
    # DeepSpeed's launcher says in front of everything what LOCAL_RANK in the environment says as well.
    main([argument for argument in sys.argv[1:] if not argument.startswith("--local_rank=")])
