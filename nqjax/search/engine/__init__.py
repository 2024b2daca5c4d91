"""The engine that trains populations: lanes, programs, tiles, scheduler, checkpoints, hosts and memory."""
