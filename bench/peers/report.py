"""Results as Markdown."""

import datetime
import os
import platform
import shlex
import sys


def about_machine(engines, options):
    model = platform.processor()
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    flags = fields.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "SSE2")
    family = f"family {fields.get('cpu family')} model {fields.get('model')}"
    count = len(os.sched_getaffinity(0))
    return {
        "machine": f"{fields.get('model name', model)} ({family}, {vectors}), {count} processors",
        "date": datetime.date.today().isoformat(),
        "command": "bench/peers/run " + shlex.join(arguments_worth_saying(sys.argv[1:])),
        "engines": [name for name in engines],
    }


def arguments_worth_saying(arguments):
    """Not where this machine has its folders, nor which part was measured last."""
    unsaid = ("--build", "--results", "--only")
    said, skip = [], False
    for argument in arguments:
        if not skip and argument.split("=")[0] not in unsaid:
            said.append(argument)
        skip = not skip and argument in unsaid
    return said


def milliseconds(result, key="least"):
    mark = "" if result["samples"] else "~"
    value = 1e3 * result[key]
    return f"{mark}{value:.3g}" if value < 1000 else f"{mark}{value:.0f}"


def megabytes(count):
    return f"{count / 2**20:.0f}"


def names_of(entries):
    names = []
    for entry in entries:
        for results in entry["threads"].values():
            names += [name for name in results if name not in names]
    return names


def ratio(results, name):
    return "" if name == "simbac" else f"{results[name]['least'] / results['simbac']['least']:.2f}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def products(entries, results):
    """A row a shape: GFLOP/s of each contestant, ours as a share of the measured peak."""
    threads = sorted({t for entry in entries for t in entry["threads"]})
    names = names_of(entries)
    parts = []
    for t in threads:
        peak = results["machine"][t]["flops"]
        rows = []
        for entry in entries:
            found = entry["threads"].get(t, {})
            cells = [entry["title"]]
            for name in names:
                if name not in found:
                    cells.append("")
                    continue
                rate = entry["flops"] / found[name]["least"]
                share = f" ({100 * rate / peak:.0f} %)" if name == "simbac" else ""
                cells.append(f"{'' if found[name]['samples'] else '~'}{1e-9 * rate:.0f}{share}")
            rows.append(cells)
        title = f"GFLOP/s, {t} thread{'s' if t != '1' else ''}; in brackets the share of {1e-9 * peak:.0f}, the peak"
        parts.append(f"{title}:\n\n" + table(["rows x columns x terms", *names], rows))
    return "\n\n".join(parts)


def by_contestant(entry, results, memory):
    """A row a contestant: least and median, and times simbac's least."""
    threads = sorted(entry["threads"])
    header = [entry["title"]]
    for t in threads:
        header += [f"{t} thread{'s' if t != '1' else ''}: least", "median", "times ours"]
    header += ["differs by"] + (["memory of a run, MB"] if memory else [])
    rows = []
    for name in names_of([entry]):
        cells, last = [name], None
        for t in threads:
            found = entry["threads"][t]
            last = found.get(name, last)
            if name in found:
                cells += [milliseconds(found[name]), milliseconds(found[name], "median"), ratio(found, name)]
            else:
                cells += ["", "", ""]
        cells.append("" if name == "simbac" else f"{last['difference']:.0e}")
        if memory:
            arena = f" (arena {megabytes(last['arena_bytes'])})" if "arena_bytes" in last else ""
            cells.append(megabytes(last["run_bytes"]) + arena if "run_bytes" in last else "")
        rows.append(cells)
    text = table(header, rows)
    if entry["elements"]:
        ours = [f"{1e9 * entry['threads'][t]['simbac']['least'] / entry['elements']:.3f}" for t in threads]
        text += f"\n\nsimbac: {' / '.join(ours)} ns an element (batch x steps x channels x states)."
    return text


def best_peer(results):
    """Name and times ours of the fastest that is not simbac."""
    peers = [name for name in results if not name.startswith("simbac")]
    if not peers:
        return "", ""
    best = min(peers, key=lambda name: results[name]["least"])
    times = results[best]["least"] / results["simbac"]["least"]
    return best, f"{times:.2f}" if times >= 1 else f"**{times:.2f}, faster**"


def summary(cases):
    threads = sorted({t for entry in cases for t in entry["threads"]})
    header = ["least, ms"]
    for t in threads:
        header += [f"{t} thread{'s' if t != '1' else ''}: simbac", "best peer", "times ours"]
    rows = []
    for entry in cases:
        cells = [f"{NOUNS[entry['group']]}{entry['title']}"]
        for t in threads:
            found = entry["threads"].get(t)
            cells += [milliseconds(found["simbac"]), *best_peer(found)] if found else ["", "", ""]
        rows.append(cells)
    return table(header, rows)


NOUNS = {
    "contract": "",
    "scan": "scan ",
    "mamba": "Mamba block ",
    "fft": "real transforms ",
    "einfft": "EinFFT ",
    "forecaster": "forecaster ",
    "vision": "SiMBA-S ",
}

TITLES = {
    "contract": "Products",
    "scan": "Selective scan",
    "mamba": "Mamba block",
    "fft": "Real transforms along the tokens",
    "einfft": "EinFFT",
    "forecaster": "Forecaster",
    "vision": "SiMBA-S",
}


def engines(results):
    """Versions, and which kernels OpenBLAS took."""
    names = [name for name in results["about"]["engines"] if name.startswith(("PyTorch", "JAX"))]
    for entry in results["cases"].values():
        for found in entry["threads"].values():
            for name, result in found.items():
                if "blas" in result and "FFTW" not in name:
                    names.append(f"{name}: kernels for {result['blas']}")
                if "fftw" in result and "FFTW" in name:
                    names.append(result["fftw"])
    return ", ".join(dict.fromkeys(names))


def markdown(results):
    about, parts = results["about"], []
    speeds = ", ".join(f"{1e-9 * speed['flops']:.0f} GFLOP/s on {t}" for t, speed in results["machine"].items())
    where = f"{about['date']}, {about['machine']}, measured peak {speeds}"
    parts.append(f"{where}; {engines(results)}; `{about['command'].strip()}`.")
    cases = sorted(results["cases"].values(), key=lambda entry: list(TITLES).index(entry["group"]))
    parts += ["The fastest peer of each:", summary(cases)]
    for group, title in TITLES.items():
        entries = [entry for entry in results["cases"].values() if entry["group"] == group]
        if not entries:
            continue
        parts.append(f"### {title}")
        if group == "contract":
            parts.append(products(entries, results))
        else:
            parts += [by_contestant(entry, results, group in ("mamba", "forecaster", "scan", "vision")) for entry in entries]
    return "\n\n".join(parts)
