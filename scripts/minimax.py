#!/usr/bin/env python3
"""Coefficients of codegen/vector_math.c: minimax fits by Remez's exchange, in 40 digits (needs python3-mpmath).

Each fit minimises the largest relative error of the function over the interval, for a polynomial with fixed leading
terms; printed are the error and the free coefficients, lowest power first. The weight turns the error of the fitted
part into that of the function; it may vanish at 0, where the fixed terms are exact.
"""
import struct

import mpmath as mp

mp.mp.dps = 40
GRID = 4000


def remez(function, weight, powers, low, high):
    """Coefficients of `powers` that minimise max |weight * (polynomial - function)|, and that maximum."""
    middle, half, count = (low + high) / 2, (high - low) / 2, len(powers)
    grid = [middle - half * mp.cos(mp.pi * k / GRID) for k in range(GRID + 1)]
    grid = [x for x in grid if abs(x) > mp.mpf('1e-9')]
    values = [function(x) for x in grid]
    weights = [weight(x) for x in grid]
    basis = [[x**p for p in powers] for x in grid]
    start = [middle - half * mp.cos(mp.pi * (2 * k + 1) / (2 * (count + 1))) for k in range(count + 1)]
    chosen = [min(range(len(grid)), key=lambda j: abs(grid[j] - x)) for x in start]
    for _ in range(40):
        matrix, right = mp.matrix(count + 1, count + 1), mp.matrix(count + 1, 1)
        for row, j in enumerate(chosen):
            for i in range(count):
                matrix[row, i] = basis[j][i]
            matrix[row, count] = (-1)**row / weights[j]
            right[row] = values[j]
        solution = mp.lu_solve(matrix, right)
        coefficients, level = list(solution)[:count], abs(solution[count])
        error = [w * (mp.fdot(coefficients, b) - v) for w, b, v in zip(weights, basis, values)]
        extrema, j = [], 0
        while j < len(error):
            positive, best = error[j] >= 0, j
            while j < len(error) and (error[j] >= 0) == positive:
                if abs(error[j]) > abs(error[best]):
                    best = j
                j += 1
            extrema.append(best)
        while len(extrema) > count + 1:
            extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
        worst = max(abs(e) for e in error)
        if len(extrema) < count + 1 or worst < level * mp.mpf('1.0005'):
            break
        chosen = extrema
    return coefficients, worst


def show(name, function, weight, powers, low, high):
    coefficients, error = remez(function, weight, powers, mp.mpf(low), mp.mpf(high))
    print(f'{name}: 2^{float(mp.log(error, 2)):.2f}')
    print('  ' + ', '.join(f'{float(c):.9e}' for c in coefficients))


def show_rounded(name, function, weight, powers, low, high):
    """The same where rounding to f32 costs more than the fit: each coefficient is rounded before the next is fitted."""
    done, powers = [], list(powers)
    for k in range(len(powers)):
        def rest(x):
            return function(x) - mp.fsum(c * x**p for c, p in zip(done, powers))
        coefficients, error = remez(rest, weight, powers[k:], mp.mpf(low), mp.mpf(high))
        done.append(mp.mpf(struct.unpack('f', struct.pack('f', float(coefficients[0])))[0]))
    print(f'{name}: 2^{float(mp.log(error, 2)):.2f}')
    print('  ' + ', '.join(f'{float(c):.9e}' for c in done))


half_log_two = mp.log(2) / 2 * mp.mpf('1.0005')
for degree, name in ((6, 'EXP'), (5, 'EXP_SCAN')):
    show(name, lambda x: (mp.exp(x) - 1 - x) / x**2, lambda x: x**2 * mp.exp(-x), range(degree - 1), -half_log_two,
         half_log_two)
for degree, name in ((6, 'EXP2'), (5, 'EXP2_SCAN')):
    show(name, lambda x: (mp.mpf(2)**x - 1) / x, lambda x: abs(x) * mp.mpf(2)**-x, range(degree), '-0.50001', '0.50001')
show('LOG', lambda x: (mp.log1p(x) - x + x * x / 2) / x**3, lambda x: abs(x**3 / mp.log1p(x)), range(8),
     mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(mp.mpf(2)) - 1)
show_rounded('LOG1P', lambda x: (mp.log1p(x) - x) / x**2, lambda x: x**2 / mp.log1p(x), range(9), 0, 1)
show('TANH', lambda x: (mp.tanh(x) - x) / x**3, lambda x: x**3 / mp.tanh(x), range(0, 10, 2), 0, '0.625')
show('ERF', lambda x: mp.erf(x) / x - 1, lambda x: x / mp.erf(x), range(0, 14, 2), 0, '0.9')
show('ERF_TAIL', lambda x: -mp.log(mp.erfc(x)), lambda x: mp.erfc(x) / mp.erf(x), range(8), '0.9', '3.95')
