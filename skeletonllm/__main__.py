"""``python -m skeletonllm``: the command line for launchers, such as ``torchrun -m skeletonllm dance train``."""

from skeletonllm.cli import main

if __name__ == "__main__":
    main()
