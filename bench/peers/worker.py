"""The commands of worker.h for a peer in Python: runs workloads by turns, as it is told on standard input."""

import ctypes
import gc
import json
import os
import resource
import struct
import sys
import time

import numpy


def read_tensors(path):
    """A safetensors file of float32 as a dictionary of arrays."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def write_tensors(path, tensors):
    header, blocks, at = {}, [], 0
    for name, values in tensors.items():
        block = numpy.ascontiguousarray(values, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(numpy.shape(values)), "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def memory(key):
    """VmRSS or VmHWM of this process in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def run_bytes(run):
    """What one more run adds to what the process holds without it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = memory("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    run()
    return memory("VmHWM") - before


def samples(run, seconds):
    result = []
    begin = time.perf_counter()
    while not result or time.perf_counter() - begin < seconds:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        start = time.perf_counter()
        run()
        taken = time.perf_counter() - start
        result.append([taken, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before])
    return result


def main(open_workload, versions):
    """open_workload(inputs, arguments) -> (run, results): a function that does the work once, and one that gives its
    results as a dictionary of arrays, to be called before any run."""
    # Libraries print what they like to standard output, so the answers get one of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    workloads = {}
    for line in sys.stdin:
        command, identity, *arguments = line.split()
        try:
            if command == "open":
                run, results = open_workload(read_tensors(arguments[0]), arguments[2:])
                write_tensors(arguments[1], results())
                workloads[identity] = run
                answer = {"opened": True, "run_bytes": run_bytes(run), **versions}
            elif command == "run":
                answer = {"samples": samples(workloads[identity], float(arguments[0]))}
            else:
                workloads.pop(identity, None)
                gc.collect()
                answer = {"closed": True}
        except Exception as problem:  # whatever a peer cannot do is an answer, not the end of the comparison
            answer = {"error": f"{type(problem).__name__}: {problem}"[:2000]}
        print(json.dumps(answer), file=answers, flush=True)
