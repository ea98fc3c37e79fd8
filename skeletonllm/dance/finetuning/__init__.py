"""Reinforcement learning of the generator on what is wished of dances (Skeleton2Stage, arXiv 2602.13778)."""
