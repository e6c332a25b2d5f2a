"""A child process that reads files for a watch, and misbehaves as their names say."""

MISBEHAVING = """
import os, sys, time
from xrdae.live import isolated_reading as apart

read = apart.read_scans

def misbehave(path, options):
    if "slow" in path.name:
        time.sleep(3600)
    if "crash" in path.name:
        os._exit(3)
    if "fault" in path.name:
        raise ZeroDivisionError("a fault of a reader")
    if "noise" in path.name:
        print("a library prints this", flush=True)
        os.write(1, b"and this")
    return read(path, options)

apart.read_scans = misbehave
apart.serve()
"""
