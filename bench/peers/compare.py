"""Measures simbac beside its peers, by turns, in processes that stay alive: see bench/README.md, and --help."""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy

import cases
import report
import worker

HERE = pathlib.Path(__file__).resolve().parent
# Largest difference from simbac's results, relative to the largest value of a tensor. Gradients of EinFFT may differ by
# more in any correct float32 program, where a value sits on the kink of its ReLU or softshrink.
TOLERANCE, KINK_TOLERANCE = 1e-4, 2e-2
PAUSE = 0.02  # seconds for a peer's threads to fall asleep before the next one's turn


class Engine:
    """A worker process with a number of threads."""

    def __init__(self, command, threads, environment):
        processors = sorted(os.sched_getaffinity(0))[:threads]
        environment = {**environment, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        self.threads = threads
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, processors),
        )

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the process ended"}

    @contextlib.contextmanager
    def real_time(self, wanted):
        """Before everything else that runs on the machine, for a turn: all threads that the process has by now."""
        threads = [int(name) for name in os.listdir(f"/proc/{self.process.pid}/task")] if wanted else []
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1))
        yield
        for thread in os.listdir(f"/proc/{self.process.pid}/task") if wanted else []:
            os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Contestant:
    """One way to do a case: an engine, what it is told, and the samples that it gave."""

    def __init__(self, name, engine, identity, arguments):
        self.name, self.engine, self.identity, self.arguments = name, engine, identity, arguments
        self.samples, self.difference, self.answer = [], 0.0, {}

    def open(self, inputs, outputs):
        self.answer = self.engine.ask("open", self.identity, inputs, outputs, *self.arguments)
        return self.answer.get("error")

    def run(self, seconds, real_time):
        with self.engine.real_time(real_time):
            answer = self.engine.ask("run", self.identity, seconds)
        self.samples += answer.get("samples", [])
        return answer.get("error")

    def spent(self):
        return sum(seconds for seconds, _ in self.samples)

    def result(self):
        clean = sorted(seconds for seconds, preemptions in self.samples if not preemptions)
        times = clean or sorted(seconds for seconds, _ in self.samples)
        return {
            "least": times[0],
            "median": times[len(times) // 2],
            "samples": len(clean),
            "disturbed": len(self.samples) - len(clean),
            "difference": self.difference,
            **self.answer,
        }


def commands(options):
    """Command and environment of each engine that is there."""
    plain = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    build = pathlib.Path(options.build) / "bin"
    found = {"simbac": ([build / "simbac_worker"], plain)}
    if (build / "library_worker").exists():
        found["OpenBLAS as Haswell"] = ([build / "library_worker"], {**plain, "OPENBLAS_CORETYPE": "Haswell"})
        found["OpenBLAS"] = ([build / "library_worker"], plain)
    pythons = [sys.executable] + (["/usr/bin/python3"] if sys.executable != "/usr/bin/python3" else [])
    for python in pythons:
        for module, title in (("torch", "PyTorch"), ("jax", "JAX")):
            script = f"import importlib.metadata; print(importlib.metadata.version('{module}'))"
            version = subprocess.run([python, "-c", script], capture_output=True, text=True)
            if version.returncode == 0:
                name = f"{title} {version.stdout.strip().split('+')[0]}"
                found[name] = ([python, HERE / f"{module}_worker.py"], plain)
    return {name: entry for name, entry in found.items() if not any(word in name for word in options.without)}


def ways_of_simbac(case, threads, model):
    settings = [f"{name}={value}" for name, value in case.settings.items()]
    plain = [case.entry, threads, model, *settings]
    ways = [("simbac", plain)]
    if case.passes_off:
        ways.append((f"simbac, no {', '.join(case.passes_off)}", [*plain, *(f"-{name}" for name in case.passes_off)]))
    if case.library_kernels:
        ways.append(("simbac, --kernels=library", [*plain, "kernels=library"]))
    return ways


def ways_of_libraries(case, threads, name):
    """FFTW alone does not depend on OpenBLAS's settings: once is enough."""
    if case.kind == "fft" and name != "OpenBLAS":
        return []
    title = {"contract": name, "fft": "FFTW", "einfft": f"FFTW and {name}"}.get(case.kind)
    tail = [cases.BLOCKS, cases.THRESHOLD] if case.kind == "einfft" else []
    return [(title, [method, threads, *tail]) for method in case.peers.get("library", [])]


def ways_of_python(case, name):
    """PyTorch 1 does not compile; its best form is enough."""
    methods = case.peers.get("torch" if name.startswith("PyTorch") else "jax", [])
    if name.startswith("PyTorch 1."):
        methods = methods[:1]
    return [(f"{name}, {method}", [case.kind, case.entry, method]) for method in methods]


def contestants_of(case, engines, model):
    """simbac first: its results are what the others are compared with."""
    found = []
    for name, engine in engines.items():
        if name == "simbac":
            ways = ways_of_simbac(case, engine.threads, model)
        elif name.startswith("OpenBLAS"):
            ways = ways_of_libraries(case, engine.threads, name)
        else:
            ways = ways_of_python(case, name)
        found += [Contestant(title, engine, k, arguments) for k, (title, arguments) in enumerate(ways)]
    return found


def largest_difference(case, ours, theirs):
    """Relative to the largest value of each tensor. Infinite where a tensor is missing."""
    worst = 0.0
    for name, mine in ours.items():
        if name.startswith("param."):
            continue
        if name not in theirs:
            return float("inf")
        other = theirs[name].astype("f8")
        worst = max(worst, float(numpy.abs(mine - other).max() / numpy.abs(mine).max()))
    return worst


def write_inputs(case, path):
    random = numpy.random.default_rng(1)
    tensors = {f"in.{name}": random.normal(mean, dev, shape) for name, (shape, mean, dev) in case.inputs.items()}
    if case.entry == "gradients":
        tensors["lw.y"] = random.normal(0, 1, case.cotangent)
    worker.write_tensors(path, tensors)


def open_contestants(case, contestants, folder):
    """Those that do the same work, as their results show."""
    inputs, common = folder / "inputs", folder / "common"
    write_inputs(case, inputs)
    opened, reference = [], None
    for k, contestant in enumerate(contestants):
        outputs = folder / f"outputs{k}"
        begin = time.time()
        problem = contestant.open(common if reference else inputs, outputs)
        if problem:
            print(f"  {contestant.name}: {problem[:500]}", file=sys.stderr)
            if not reference:
                break
            continue
        results = worker.read_tensors(outputs)
        outputs.unlink()
        if not reference:
            reference = results
            parameters = {name: values for name, values in results.items() if name.startswith("param.")}
            worker.write_tensors(common, {**worker.read_tensors(inputs), **parameters})
        contestant.difference = largest_difference(case, reference, results)
        limit = KINK_TOLERANCE if case.kind == "einfft" and case.entry == "gradients" else TOLERANCE
        agrees = contestant.difference <= limit
        print(
            f"  {contestant.name}: differs by {contestant.difference:.1e}, ready in {time.time() - begin:.1f} s"
            + ("" if agrees else ": NOT THE SAME WORK, left out"),
            file=sys.stderr,
        )
        if agrees:
            opened.append(contestant)
        else:
            contestant.engine.ask("close", contestant.identity)
    return opened


def measure_by_turns(contestants, options):
    """Every contestant has a turn in each round. One whose runs are long sits out rounds, after its second sample."""
    slot = options.seconds / options.rounds
    for round_number in range(options.rounds):
        for contestant in contestants:
            if len(contestant.samples) >= 2 and contestant.spent() > slot * (round_number + 1):
                continue
            problem = contestant.run(slot, options.real_time)
            if problem:
                raise RuntimeError(f"{contestant.name}: {problem}")
            time.sleep(PAUSE)


def measure_case(case, engines, options):
    with tempfile.TemporaryDirectory(prefix="simbac-peers-") as name:
        folder = pathlib.Path(name)
        model = folder / "model.simba"
        model.write_text(case.model.replace("%(root)s", str(cases.ROOT)))
        contestants = open_contestants(case, contestants_of(case, engines, model), folder)
        measure_by_turns(contestants, options)
        results = {contestant.name: contestant.result() for contestant in contestants}
        for contestant in contestants:
            contestant.engine.ask("close", contestant.identity)
    for name, result in results.items():
        print(f"  {name:42} {1e3 * result['least']:10.3f} {1e3 * result['median']:10.3f} ms", file=sys.stderr)
    return results


def machine_of(options, threads):
    """What simbac measures of the machine."""
    simbac = pathlib.Path(options.build) / "bin" / "simbac"
    model = cases.ROOT / "examples" / "parity" / "mlp.simba"
    command = [simbac, "bench", model, "--json", f"--threads={threads}", "--batch=1", "--seconds=0"]
    processors = sorted(os.sched_getaffinity(0))[:threads]

    def prepare():
        os.sched_setaffinity(0, processors)
        if options.real_time:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=prepare)
    return json.loads(done.stdout)["machine"]


def measure(options):
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    results.setdefault("cases", {})
    chosen = [case for case in (cases.SMALL if options.small else cases.CASES) if options.only in (None, case.group)]
    found = commands(options)
    results["about"] = report.about_machine(found, options)
    for threads in options.threads:
        results.setdefault("machine", {})[str(threads)] = machine_of(options, threads)
        engines = {name: Engine(command, threads, plain) for name, (command, plain) in found.items()}
        for case in chosen:
            print(f"{case.group}: {case.title}, {threads} thread{'s' if threads > 1 else ''}", file=sys.stderr)
            entry = results["cases"].setdefault(f"{case.group}: {case.title}", {"threads": {}})
            entry.update(group=case.group, title=case.title, flops=case.flops, elements=case.elements)
            entry["threads"][str(threads)] = measure_case(case, engines, options)
            options.results.parent.mkdir(parents=True, exist_ok=True)
            options.results.write_text(json.dumps(results, indent=1))
        for engine in engines.values():
            engine.end()
    return results


def main():
    parser = argparse.ArgumentParser(description="simbac beside its peers, by turns in one run; prints Markdown.")
    parser.add_argument("--build", default=cases.ROOT / "build" / "release", help="release build, target benchmarks")
    parser.add_argument("--results", type=pathlib.Path, default=cases.ROOT / "build" / "peers.json", help="updated")
    parser.add_argument("--only", choices=sorted({case.group for case in cases.CASES}), help="one group of cases")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=3, help="for each contestant in each case")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--without", nargs="+", default=[], help="words of peers to leave out, such as JAX")
    parser.add_argument("--real-time", action="store_true", help="turns before all else on the machine (as root)")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try it out")
    parser.add_argument("--report", action="store_true", help="print the tables of results that are there")
    options = parser.parse_args()
    results = json.loads(options.results.read_text()) if options.report else measure(options)
    print(report.markdown(results))


if __name__ == "__main__":
    main()
