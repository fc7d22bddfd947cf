"""JAX (XLA) as a peer, everything jitted. Arguments of `open`: KIND ENTRY METHOD; METHOD is jitted, or for a recurrence
scan (lax.scan) or associative (lax.associative_scan)."""

import types

import jax
import jax.numpy as jnp
from jax import lax

import models
import worker


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias


def causal_depthwise(x, weight, bias):
    width = weight.shape[-1]
    padded = jnp.pad(x, ((0, 0), (width - 1, 0), (0, 0)))
    return bias + sum(padded[:, j : j + x.shape[1]] * weight[:, 0, j] for j in range(width))


ops = types.SimpleNamespace(
    exp=jnp.exp,
    softplus=jax.nn.softplus,
    silu=jax.nn.silu,
    relu=jax.nn.relu,
    softshrink=lambda x, threshold: x - jnp.clip(x, -threshold, threshold),
    concat=jnp.concatenate,
    complex=lax.complex,
    move=jnp.moveaxis,
    rfft=lambda x, axis: jnp.fft.rfft(x, axis=axis),
    fft2=lambda x: jnp.fft.fft2(x, axes=(1, 2), norm="ortho"),
    ifft2=lambda x: jnp.fft.ifft2(x, axes=(1, 2), norm="ortho"),
    parts=lambda x: jnp.stack([x.real, x.imag]),
    layer_norm=layer_norm,
    causal_depthwise=causal_depthwise,
)


def sequential_scan(dt, u, a, b, c):
    # Neither `unroll` nor jax.checkpoint made it faster.
    def step(h, now):
        dt_t, drive_t, b_t, c_t = now
        h = jnp.exp(dt_t[..., None] * a) * h + drive_t[..., None] * b_t[:, None]
        return h, (h * c_t[:, None]).sum(-1)

    moved = [x.swapaxes(0, 1) for x in (dt, dt * u, b, c)]
    return lax.scan(step, jnp.zeros((dt.shape[0], *a.shape)), moved)[1].swapaxes(0, 1)


def associative_scan(dt, u, a, b, c):
    def compose(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    decay = jnp.exp(dt[..., None] * a)
    h = lax.associative_scan(compose, (decay, (dt * u)[..., None] * b[:, :, None]), axis=1)[1]
    return (h * c[:, :, None]).sum(-1)


def gradients_of(function, names):
    def both(p, inputs, cotangent):
        y, pull = jax.vjp(lambda p, inputs: function(p, *inputs), p, inputs)
        of_parameters, of_inputs = pull(cotangent)
        result = {f"gparam.{name}": value for name, value in of_parameters.items()}
        result.update({f"gin.{name}": value for name, value in zip(names, of_inputs)})
        return {"out.y": y, **result}

    return both


def adamw(function):
    """A step of AdamW (arXiv 1711.05101, algorithm 2) on parameters p with moments m and v."""

    def step(p, m, v, t, inputs):
        loss, gradient = jax.value_and_grad(lambda p: function(p, *inputs))(p)
        m = {k: models.BETA1 * m[k] + (1 - models.BETA1) * gradient[k] for k in p}
        v = {k: models.BETA2 * v[k] + (1 - models.BETA2) * gradient[k] ** 2 for k in p}
        scale1, scale2 = 1 - models.BETA1**t, 1 - models.BETA2**t

        def update(k):
            rate = m[k] / scale1 / (jnp.sqrt(v[k] / scale2) + models.EPSILON)
            return p[k] * (1 - models.RATE * models.WEIGHT_DECAY) - models.RATE * rate

        return loss, {k: update(k) for k in p}, m, v, t + 1

    return step


def training_workload(function, p, inputs):
    step = jax.jit(adamw(function), donate_argnums=(0, 1, 2))
    zeros = {k: jnp.zeros_like(value) for k, value in p.items()}
    state = [p, zeros, {k: value.copy() for k, value in zeros.items()}, jnp.float32(1)]

    def run():
        loss, *state[:] = step(*state, inputs)
        return jax.block_until_ready(loss)

    return run, lambda: {"losses": [run() for _ in range(models.LOSSES)]}


def open_workload(tensors, arguments):
    kind, entry, method = arguments
    function, names = models.function_of(kind, ops, associative_scan if method == "associative" else sequential_scan)
    tensors = {name: jnp.array(values) for name, values in tensors.items()}
    p = {name[6:]: values for name, values in tensors.items() if name.startswith("param.")}
    inputs = [tensors["in." + name] for name in names]
    if entry == "train":
        return training_workload(function, p, inputs)
    if entry == "gradients":
        compiled = jax.jit(gradients_of(function, names))
        return lambda: jax.block_until_ready(compiled(p, inputs, tensors["lw.y"])), lambda: compiled(
            p, inputs, tensors["lw.y"]
        )
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(p, *inputs)), lambda: {"out.y": compiled(p, *inputs)}


worker.main(open_workload, {"version": f"JAX {jax.__version__}"})
