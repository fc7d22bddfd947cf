"""What is compared, written once for PyTorch and JAX: `ops` is the module of functions in which they differ, `scan` the
way in which the recurrence is done. Layouts and names are those of simbac's models: tokens before channels, weights
[out, in]. B batch, T tokens, M model width, E inner channels, N states, K blocks of S channels."""


def linear(x, p, name, bias=True):
    y = x @ p[name + ".weight"].T
    return y + p[name + ".bias"] if bias else y


def layer_norm(ops, x, p, name, epsilon=1e-5):
    return ops.layer_norm(x, p[name + ".weight"], p[name + ".bias"], epsilon)


def contract(ops, p, x):
    return x @ p["w"]


def fft(ops, p, x):
    """Half the spectrum of x [B, T, C] along T: [2, B, T/2 + 1, C]."""
    return ops.parts(ops.rfft(x, 1))


def selective_scan(ops, scan, p, delta, u, z, b, c):
    """delta, u, z [B, T, E], b, c [B, T, N]; A_log [E, N], D [E] -> [B, T, E]."""
    y = scan(ops.softplus(delta), u, -ops.exp(p["A_log"]), b, c) + p["D"] * u
    return y * ops.silu(z)


def mamba(ops, scan, p, x, prefix=""):
    weights = {name[len(prefix) :]: value for name, value in p.items() if name.startswith(prefix)}
    inner, states = weights["A_log"].shape
    rank = weights["dt_proj.weight"].shape[1]
    uz = linear(x, weights, "in_proj", bias=False)
    u, z = uz[..., :inner], uz[..., inner:]
    u = ops.silu(ops.causal_depthwise(u, weights["conv1d.weight"], weights["conv1d.bias"]))
    rbc = linear(u, weights, "x_proj", bias=False)
    r, b, c = rbc[..., :rank], rbc[..., rank : rank + states], rbc[..., rank + states :]
    y = selective_scan(ops, scan, weights, linear(r, weights, "dt_proj"), u, z, b, c)
    return linear(y, weights, "out_proj", bias=False)


def einfft(ops, p, x, blocks=4, threshold=0.01, prefix=""):
    """Each complex layer is one real product a block, [Xr Xi] [[Wr Wi], [-Wi Wr]], of all its rows at once."""
    batch, tokens, channels = x.shape
    size = channels // blocks

    def layer(values, weight, bias):
        real, imaginary = weight[0], weight[1]  # [K, S, S]
        both = ops.concat([ops.concat([real, imaginary], -1), ops.concat([-imaginary, real], -1)], -2)
        return values @ both + ops.concat([bias[0], bias[1]], -1)[:, None, :]

    spectrum = ops.fft2(x.reshape(batch, tokens, blocks, size))
    values = ops.concat([spectrum.real, spectrum.imag], -1)  # [B, T, K, 2S]
    values = ops.move(values, 2, 0).reshape(blocks, batch * tokens, 2 * size)
    values = ops.relu(layer(values, p[prefix + "complex_weight_1"], p[prefix + "complex_bias_1"]))
    values = ops.softshrink(layer(values, p[prefix + "complex_weight_2"], p[prefix + "complex_bias_2"]), threshold)
    values = ops.move(values.reshape(blocks, batch, tokens, 2 * size), 0, 2)
    return ops.ifft2(ops.complex(values[..., :size], values[..., size:])).real.reshape(batch, tokens, channels)


def forecast(ops, scan, p, x, depth=2):
    """A time step is a token: x [B, T, V] -> [B, H, V]."""
    centre = x.mean(1)[:, None]
    centred = x - centre
    deviation = ((centred**2).mean(1)[:, None] + 1e-5) ** 0.5
    t = linear(centred / deviation, p, "embed")
    for i in range(depth):
        block = f"blocks.{i}."
        t = t + mamba(ops, scan, p, layer_norm(ops, t, p, block + "attn.norm"), block + "attn.mamba.")
        t = t + einfft(ops, p, layer_norm(ops, t, p, block + "norm2"), prefix=block + "mlp.")
    t = ops.move(layer_norm(ops, t, p, "norm"), 1, 2)  # [B, M, T]
    y = linear(ops.move(linear(t, p, "head_time"), 1, 2), p, "head")
    return y * deviation + centre


def forecast_loss(ops, scan, p, x, target):
    return ((forecast(ops, scan, p, x) - target) ** 2).mean()


def simba_block(ops, scan, p, t, block):
    t = t + mamba(ops, scan, p, layer_norm(ops, t, p, block + "attn.norm"), block + "attn.mamba.")
    return t + einfft(ops, p, layer_norm(ops, t, p, block + "norm2", 1e-6), prefix=block + "mlp.")


def vision(ops, scan, p, x, training=False, depths=(3, 4, 6, 3)):
    """SiMBA-S: x [B, 3, H, W] -> logits [B, classes], the largest of the tokens' added by half."""

    def convolution(x, name, stride):
        return ops.convolution(x, p[name + ".weight"], p.get(name + ".bias"), stride)

    for i, stride in ((0, 2), (3, 1), (6, 1)):
        x = convolution(x, f"patch_embed1.conv.{i}", stride)
        scale, shift = (p[f"patch_embed1.conv.{i + 1}.{name}"] for name in ("weight", "bias"))
        x = ops.relu(ops.batch_norm(x, scale, shift, training))
    for stage, depth in enumerate(depths, 1):
        x = convolution(x, f"patch_embed{stage}.proj", 2)
        batch, width, rows, columns = x.shape
        t = ops.move(x.reshape(batch, width, rows * columns), 1, 2)
        t = layer_norm(ops, t, p, f"patch_embed{stage}.norm")
        for i in range(depth):
            t = simba_block(ops, scan, p, t, f"block{stage}.{i}.")
        if stage < len(depths):
            t = layer_norm(ops, t, p, f"norm{stage}", 1e-6)
            x = ops.move(t, 1, 2).reshape(batch, width, rows, columns)
    c = simba_block(ops, scan, p, t.mean(1)[:, None], "post_network.0.")
    t = layer_norm(ops, ops.concat([c, t], 1), p, f"norm{len(depths)}", 1e-6)
    return linear(t[:, 0], p, "head") + 0.5 * ops.largest(linear(t[:, 1:], p, "aux_head"), 1)


def vision_loss(ops, scan, p, x, labels):
    return -(labels * ops.log_softmax(vision(ops, scan, p, x, training=True))).sum(-1).mean()


def function_of(kind, ops, scan):
    """The workload as a function of parameters and inputs, and the names of the inputs."""
    return {
        "contract": (lambda p, x: contract(ops, p, x), ["x"]),
        "fft": (lambda p, x: fft(ops, p, x), ["x"]),
        "einfft": (lambda p, x: einfft(ops, p, x), ["x"]),
        "scan": (lambda p, *inputs: selective_scan(ops, scan, p, *inputs), ["delta", "u", "z", "b", "c"]),
        "mamba": (lambda p, x: mamba(ops, scan, p, x), ["x"]),
        "vision": (lambda p, x: vision(ops, scan, p, x), ["x"]),
        "vision step": (lambda p, x, labels: vision_loss(ops, scan, p, x, labels), ["x", "labels"]),
        "forecaster": (lambda p, x, target: forecast_loss(ops, scan, p, x, target), ["x", "target"]),
    }[kind]


LOSSES = 5
RATE, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 1e-3, 0.9, 0.999, 1e-8, 0.01
