"""PyTorch as a peer. Arguments of `open`: KIND ENTRY METHOD; METHOD is one of

eager               no recurrence in it
sequential          eager, one step of the recurrence after the other
associative         eager, the recurrence by prefix products in log T levels, over chunks of the sequence, with the
                    adjoint recurrence as its backward
compiled steps      sequential, the steps by torch.compile, some at a time: all of them in one take too long to compile
compiled            torch.compile of everything, the recurrence in the associative form
"""

import functools
import os
import types

import torch

import models
import worker

CHUNK, STEPS = 64, 4

ops = types.SimpleNamespace(
    exp=torch.exp,
    softplus=torch.nn.functional.softplus,
    silu=torch.nn.functional.silu,
    relu=torch.relu,
    softshrink=torch.nn.functional.softshrink,
    concat=torch.cat,
    complex=torch.complex,
    move=torch.movedim,
    rfft=lambda x, axis: torch.fft.rfft(x, dim=axis),
    fft2=lambda x: torch.fft.fft2(x, dim=(1, 2), norm="ortho"),
    ifft2=lambda x: torch.fft.ifft2(x, dim=(1, 2), norm="ortho"),
    parts=lambda x: torch.stack([x.real, x.imag]),
    convolution=lambda x, weight, bias, stride: torch.nn.functional.conv2d(
        x, weight, bias, stride, weight.shape[-1] // 2
    ),
    batch_norm=lambda x, weight, bias, training: torch.nn.functional.batch_norm(
        x, torch.zeros_like(weight), torch.ones_like(weight), weight, bias, training
    ),
    largest=lambda x, axis: x.amax(axis),
    log_softmax=lambda x: torch.log_softmax(x, -1),
    layer_norm=lambda x, weight, bias, epsilon: torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, epsilon),
)


def causal_depthwise(x, weight, bias):
    width = weight.shape[-1]
    padded = torch.nn.functional.pad(x, (0, 0, width - 1, 0))
    return bias + sum(padded[:, j : j + x.shape[1]] * weight[:, 0, j] for j in range(width))


ops.causal_depthwise = causal_depthwise


def read_by_product(h, c):
    """Faster in eager mode, where it makes no tensor of h's size."""
    return (h @ c[..., None])[..., 0]


def read_by_sum(h, c):
    """Faster compiled, where it joins the loop that makes h."""
    return (h * c[:, None]).sum(-1)


def advance(h, a, dts, drives, bs, cs, read=read_by_product):
    """Steps of the recurrence from the state h [B, E, N]: the state after them, and each one's y [B, E]."""
    ys = []
    for dt, drive, b, c in zip(dts, drives, bs, cs):
        h = torch.exp(dt[..., None] * a) * h + drive[..., None] * b[:, None]
        ys.append(read(h, c))
    return h, ys


def sequential_scan(dt, u, a, b, c, advance=advance, steps=1):
    h, ys = torch.zeros(dt.shape[0], *a.shape), []
    # unbind's backward is one stack; indexing's would be a tensor of zeros for each step.
    rows = [x.unbind(1) for x in (dt, dt * u, b, c)]
    for t in range(0, dt.shape[1], steps):
        h, some = advance(h, a, *(row[t : t + steps] for row in rows))
        ys += some
    return torch.stack(ys, 1)


def prefix(a, b):
    """h[t] = a[t] h[t - 1] + b[t] along the first axis from h = 0: neighbours composed, half the length, and back."""
    length = a.shape[0]
    if length == 1:
        return b
    half = length // 2
    a_even, a_odd, b_even, b_odd = a[: 2 * half : 2], a[1 : 2 * half : 2], b[: 2 * half : 2], b[1 : 2 * half : 2]
    odd = prefix(a_odd * a_even, torch.addcmul(b_odd, a_odd, b_even))
    later = torch.addcmul(b[2::2], a[2::2], odd[: (length + 1) // 2 - 1])
    even = torch.cat([b[:1], later])
    pairs = torch.stack([even[:half], odd], 1).reshape(2 * half, *b.shape[1:])
    return torch.cat([pairs, even[half:]]) if length % 2 else pairs


class Prefix(torch.autograd.Function):
    """The gradient with respect to b is the same recurrence backwards, and that to a is its product with h[t - 1]."""

    @staticmethod
    def forward(context, a, b):
        h = prefix(a, b)
        context.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(context, gradient):
        a, h = context.saved_tensors
        carry = torch.cat([a[1:], torch.zeros_like(a[:1])]).flip(0)
        adjoint = prefix(carry, gradient.flip(0)).flip(0)
        return torch.cat([torch.zeros_like(h[:1]), h[:-1]]) * adjoint, adjoint


def associative_scan(dt, u, a, b, c):
    dt, drive, b, c = (x.transpose(0, 1) for x in (dt, dt * u, b, c))
    last, ys = None, []
    for t in range(0, dt.shape[0], CHUNK):
        chunk = slice(t, t + CHUNK)
        decay = torch.exp(dt[chunk, ..., None] * a)  # [chunk, B, E, N]
        entry = drive[chunk, ..., None] * b[chunk, :, None]
        if last is not None:
            entry = torch.cat([torch.addcmul(entry[:1], decay[:1], last[None]), entry[1:]])
        h = Prefix.apply(decay, entry)
        last = h[-1]
        ys.append((h @ c[chunk, ..., None])[..., 0])
    return torch.cat(ys).transpose(0, 1)


def forward_workload(function, p, inputs):
    def run():
        with torch.no_grad():
            return function(p, *inputs)

    return run, lambda: {"out.y": run().numpy()}


def gradient_workload(function, p, inputs, names, cotangent):
    leaves = {f"gparam.{name}": value for name, value in p.items()}
    leaves.update({f"gin.{name}": value for name, value in zip(names, inputs)})
    for value in leaves.values():
        value.requires_grad_()

    def run():
        y = function(p, *inputs)
        return y, torch.autograd.grad(y, leaves.values(), cotangent)

    def results():
        y, gradients = run()
        return {"out.y": y.detach().numpy(), **{name: g.numpy() for name, g in zip(leaves, gradients)}}

    return run, results


def training_workload(function, p, inputs):
    for value in p.values():
        value.requires_grad_()
    settings = dict(lr=models.RATE, betas=(models.BETA1, models.BETA2), eps=models.EPSILON)
    if torch.__version__ >= "2.4":
        settings["fused"] = True
    optimizer = torch.optim.AdamW(p.values(), weight_decay=models.WEIGHT_DECAY, **settings)

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = function(p, *inputs)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run, lambda: {"losses": torch.stack([run() for _ in range(models.LOSSES)]).numpy()}


def open_workload(tensors, arguments):
    kind, entry, *words = arguments
    kind = kind.replace("-", " ")
    method = " ".join(words)
    scan = associative_scan
    if method == "sequential":
        scan = sequential_scan
    elif method == "compiled steps":
        compiled = torch.compile(functools.partial(advance, read=read_by_sum), dynamic=False)
        scan = functools.partial(sequential_scan, advance=compiled, steps=STEPS)
    function, names = models.function_of(kind, ops, scan)
    if method == "compiled":
        function = torch.compile(function, dynamic=False)
    tensors = {name: torch.from_numpy(values.copy()) for name, values in tensors.items()}
    p = {name[6:]: values for name, values in tensors.items() if name.startswith("param.")}
    inputs = [tensors["in." + name] for name in names]
    if entry == "infer":
        return forward_workload(function, p, inputs)
    if entry == "gradients":
        return gradient_workload(function, p, inputs, names, tensors["lw.y"])
    return training_workload(function, p, inputs)


if hasattr(torch, "compile"):
    torch._dynamo.config.recompile_limit = 256  # one process has many workloads
torch.set_num_threads(len(os.sched_getaffinity(0)))
worker.main(open_workload, {"version": f"PyTorch {torch.__version__}"})
