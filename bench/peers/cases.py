"""What is measured: a model of simbac with the shapes of its inputs, and what the peers do in its place."""

import pathlib
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

PRODUCT = """
model product(rows = 1, terms = 1, columns = 1) {
  input x: f32[B, T = rows, K = terms]
  param w: [K, N = columns] = uniform(-1, 1)
  output y: [B, T, N] = dot(x, w, over = K)
}
"""

SPECTRUM = """
model spectrum(tokens = 1, channels = 1) {
  input x: f32[B, T = tokens, C = channels]
  output y = rfft(x, over = T)
}
"""

SCAN = """
model scan(tokens = 1, channels = 1, states = 1) {
  input delta: f32[B, T = tokens, E = channels]
  input u: f32[B, T, E]
  input z: f32[B, T, E]
  input b: f32[B, T, N = states]
  input c: f32[B, T, N]
  param A_log: [E, N] = log(1 + index(N))
  param D: [E] = 1
  let dt = softplus(delta)
  let h = scan(decay = exp(-dt * exp(A_log)), input = dt * b * u, over = T)
  output y: [B, T, E] = (dot(h, c, over = N) + D * u) * silu(z)
}
"""

FORECASTER = """
import "%(root)s/examples/forecaster.simba"

model step(channels = 7, d_model = 128) {
  input x: f32[B, T = 96, V = channels]
  target target: f32[B, H = 96, V]
  output y: [B, H, V] = forecast(x, horizon = H, d_model = d_model, depth = 2, d_state = 16, d_conv = 4, expand = 2,
                                 blocks = 4, embed = time, mixer = einfft, patch_len = 16, stride = 8, dropout = 0.0,
                                 revin = true, affine = false)
  loss mse = mean((y - target) ^ 2)
}
"""

VISION = """
model classifier(size = 224, classes = 1000) {
  input x: f32[B, C = 3, H = size, W = size]
  target labels: f32[B, K = classes]
  dim P = ceil(size / 32) * ceil(size / 32)
  let (whole, parts, own) = simba_vision(x, classes, hidden = 32, width1 = 64, width2 = 128, width3 = 320, width4 = 448,
                                         depth1 = 3, depth2 = 4, depth3 = 6, depth4 = 3)
  let logits = reshape(whole + 0.5 * max(parts, over = P), classes = K)
  output y: [B, K] = logits
  loss entropy = cross_entropy(logits, labels)
}
"""

MAMBA = """
model block(tokens = 1, d_model = 1, d_state = 1) {
  input x: f32[B, T = tokens, M = d_model]
  output y: [B, T, M] = mamba(x, d_state = d_state)
}
"""

EINFFT = """
model mixer(tokens = 1, channels = 1) {
  input x: f32[B, T = tokens, C = channels]
  output y: [B, T, C] = einfft(x)
}
"""

BLOCKS, THRESHOLD = 4, 0.01  # of EinFFT, simbac's defaults

# Whole models without the associative forms, which the scan by itself shows to be slow on few processors.
PEERS = {
    "contract": {"library": ["contract"], "torch": ["eager"], "jax": ["jitted"]},
    "fft": {"library": ["fft"], "torch": ["eager"], "jax": ["jitted"]},
    "scan": {"torch": ["sequential", "associative", "compiled steps"], "jax": ["scan", "associative"]},
    "mamba": {"torch": ["sequential", "compiled steps", "compiled"], "jax": ["scan"]},
    "einfft": {"library": ["einfft"], "torch": ["eager", "compiled"], "jax": ["jitted"]},
    "forecaster": {"torch": ["sequential", "compiled steps", "compiled"], "jax": ["scan"]},
    "vision": {"torch": ["sequential", "compiled steps"]},
    "vision-step": {"torch": ["sequential"]},
}

MOST_IMAGES = 1  # in a training step of PyTorch, which keeps every state: 4 GB an image


@dataclass
class Case:
    group: str
    title: str
    kind: str  # what the peers do
    entry: str  # infer, gradients, train
    model: str
    inputs: dict  # name: (shape, mean, deviation)
    cotangent: tuple = None  # shape of y, for gradients
    settings: dict = field(default_factory=dict)
    flops: float = 0  # additions and multiplications
    elements: float = 0  # of the recurrence
    too_large: bool = False  # for the peers

    @property
    def passes_off(self):
        """simbac is measured without these passes too: what is left of EinFFT is its transforms, products and maps."""
        known = (ROOT / "passes" / "passes.def").read_text()
        names = ["spectral-symmetry", "complex-product", "batch-fusion"] if self.kind == "einfft" else []
        return [name for name in names if f'"{name}"' in known]

    @property
    def library_kernels(self):
        """Whether simbac is measured with products and transforms by OpenBLAS and FFTW too."""
        return self.kind in ("contract", "einfft")

    @property
    def peers(self):
        """Only infer has EinFFT by FFTW and OpenBLAS."""
        return {
            engine: methods
            for engine, methods in PEERS[self.kind].items()
            if (engine != "library" or self.entry == "infer") and not self.too_large
        }


def contract(batch, tokens, columns, terms):
    rows = batch * tokens
    return Case(
        "contract",
        f"{rows} x {columns} x {terms}",
        "contract",
        "infer",
        PRODUCT,
        {"x": ((batch, tokens, terms), 0, 1)},
        settings={"rows": tokens, "terms": terms, "columns": columns},
        flops=2.0 * rows * columns * terms,
    )


def fft(batch, tokens, channels):
    return Case(
        "fft",
        f"B={batch} N={tokens} C={channels}",
        "fft",
        "infer",
        SPECTRUM,
        {"x": ((batch, tokens, channels), 0, 1)},
        settings={"tokens": tokens, "channels": channels},
    )


def scan(entry, batch, tokens, channels, states):
    wide, narrow = (batch, tokens, channels), (batch, tokens, states)
    inputs = {"delta": (wide, -3, 1), "u": (wide, 0, 1), "z": (wide, 0, 1), "b": (narrow, 0, 1), "c": (narrow, 0, 1)}
    return Case(
        "scan",
        f"{PHASES[entry]}, B={batch} L={tokens} D={channels} N={states}",
        "scan",
        entry,
        SCAN,
        inputs,
        cotangent=wide,
        settings={"tokens": tokens, "channels": channels, "states": states},
        elements=float(batch * tokens * channels * states),
    )


def einfft(entry, batch, tokens, channels):
    shape = (batch, tokens, channels)
    return Case(
        "einfft",
        f"{PHASES[entry]}, B={batch} N={tokens} C={channels}",
        "einfft",
        entry,
        EINFFT,
        {"x": (shape, 0, 1)},
        cotangent=shape,
        settings={"tokens": tokens, "channels": channels},
        flops=2.0 * 2 * 4 * batch * tokens * channels * (channels / BLOCKS),
    )


def mamba(batch, tokens, width, states):
    shape = (batch, tokens, width)
    return Case(
        "mamba",
        f"forward and backward, B={batch} L={tokens} d_model={width} N={states}",
        "mamba",
        "gradients",
        MAMBA,
        {"x": (shape, 0, 1)},
        cotangent=shape,
        settings={"tokens": tokens, "d_model": width, "d_state": states},
    )


def forecaster(batch, tokens, channels, width):
    return Case(
        "forecaster",
        f"training step, B={batch} L={tokens} C={channels} d_model={width}",
        "forecaster",
        "train",
        FORECASTER,
        {"x": ((batch, tokens, channels), 0, 1), "target": ((batch, tokens, channels), 0, 1)},
        settings={"channels": channels, "d_model": width},
    )


def vision(entry, batch, size=224):
    inputs = {"x": ((batch, 3, size, size), 0, 1)}
    if entry == "train":
        inputs["labels"] = ((batch, 1000), 0.001, 0.0001)
    return Case(
        "vision",
        f"{'training step' if entry == 'train' else 'forward'}, B={batch}, {size} x {size}",
        "vision-step" if entry == "train" else "vision",
        entry,
        VISION,
        inputs,
        settings={"size": size},
        too_large=entry == "train" and batch > MOST_IMAGES,
    )


PHASES = {"infer": "forward", "gradients": "forward and backward"}

CASES = [
    contract(1, 512, 512, 512),
    contract(1, 2048, 2048, 2048),
    contract(8, 196, 1280, 320),
    contract(1, 196, 1280, 320),
    contract(8, 196, 148, 640),
    contract(1, 196, 148, 640),
    contract(8, 196, 640, 20),
    contract(1, 196, 640, 20),
    contract(8, 196, 320, 640),
    contract(1, 196, 320, 640),
    contract(32, 96, 512, 128),
    contract(32, 96, 256, 64),
    contract(1, 3136, 64, 128),
    contract(8, 196, 160, 160),
    scan("infer", 8, 196, 640, 64),
    scan("infer", 32, 96, 256, 16),
    scan("gradients", 8, 196, 640, 64),
    scan("gradients", 32, 96, 256, 16),
    mamba(8, 196, 320, 64),
    fft(8, 49, 448),
    fft(32, 96, 128),
    fft(8, 196, 320),
    fft(1, 784, 128),
    fft(1, 3136, 64),
    einfft("infer", 8, 196, 320),
    einfft("infer", 32, 96, 128),
    einfft("gradients", 8, 196, 320),
    einfft("gradients", 32, 96, 128),
    forecaster(32, 96, 7, 128),
    vision("infer", 1),
    vision("infer", 8),
    vision("train", 1),
    vision("train", 8),
]

# The same in small, to try out the machinery.
SMALL = [
    contract(2, 33, 48, 20),
    scan("infer", 2, 13, 24, 8),
    scan("gradients", 2, 13, 24, 8),
    mamba(2, 13, 32, 8),
    fft(2, 12, 32),
    einfft("infer", 2, 12, 32),
    einfft("gradients", 2, 12, 32),
    forecaster(2, 96, 7, 32),
    vision("infer", 1, 32),
    vision("train", 1, 32),
]
