"""Compiled programs, threads and devices, hosts, progress and files."""
