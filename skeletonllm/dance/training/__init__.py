"""Training the generator of dances, on the loop and the engines of ``skeletonllm.training``."""
