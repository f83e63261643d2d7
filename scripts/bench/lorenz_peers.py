"""Ways to integrate the lecture's ensemble in Python, for lorenz_ens.py: prints the fastest time, and saves the final states.

    lorenz_peers.py vectorised|numba MEMBERS STEPS SECONDS OUT
    lorenz_peers.py lecture OUT        the lecture's fastest way as a program: vectorised, all trajectories saved by np.save
"""

import sys
import time

import numpy as np


def conditions(members):
    np.random.seed(42)
    return np.array([-10, -10, 25]) + np.random.randn(members, 3) * 0.5


def step(states):
    dx = np.column_stack([
        10 * (states[:, 1] - states[:, 0]),
        28 * states[:, 0] - states[:, 1] - states[:, 0] * states[:, 2],
        states[:, 0] * states[:, 1] - (8 / 3) * states[:, 2],
    ])
    return states + dx * 0.01


def vectorised(states, steps):
    for _ in range(steps):
        states = step(states)
    return states


def numba():
    from numba import njit, prange

    @njit(parallel=True, fastmath=False)
    def run(start, steps):
        states = start.copy()
        for member in prange(states.shape[0]):
            x, y, z = states[member, 0], states[member, 1], states[member, 2]
            for _ in range(steps):
                dx = 10.0 * (y - x)
                dy = 28.0 * x - y - x * z
                dz = x * y - (8 / 3) * z
                x += dx * 0.01
                y += dy * 0.01
                z += dz * 0.01
            states[member, 0], states[member, 1], states[member, 2] = x, y, z
        return states

    return run


def lecture(out):
    states = conditions(30)
    trajectories = np.empty((5001, 30, 3))
    trajectories[0] = states
    for number in range(5000):
        states = step(states)
        trajectories[number + 1] = states
    np.save(out, trajectories)


def main():
    if sys.argv[1] == "lecture":
        return lecture(sys.argv[2])
    kind, members, steps, seconds, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
    run = numba() if kind == "numba" else vectorised
    start = conditions(members)
    run(start, 1)
    best, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < seconds or best == float("inf"):
        started = time.perf_counter()
        states = run(start, steps)
        best = min(best, time.perf_counter() - started)
    np.save(out, states)
    print(best)


main()
