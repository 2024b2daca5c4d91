"""How work runs: compiled programs, threads and devices, hosts, progress and files."""
