"""The engine that trains populations of trials: programs, tiles, the scheduler, checkpoints, hosts and memory."""
