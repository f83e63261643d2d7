"""lorenz-ens: the trajectories of the lecture's own script, bit for bit by every method; what is written opens in xarray and is plotted."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess

import numpy as np
import pytest
import xarray as xr

from ztools import binary, run

STEPS = 5000


# --- The lecture's script: tendency, members and the first two approaches, as printed there.
def lorenz_tendency(state, sigma=10, rho=28, beta=8/3):
    x, y, z = state
    return np.array([sigma*(y - x), rho*x - y - x*z, x*y - beta*z])


def run_member(ic, dt=0.01, n_steps=5000):
    """Integrate one ensemble member."""
    traj = np.empty((n_steps + 1, 3))
    traj[0] = ic
    for t in range(n_steps):
        traj[t+1] = traj[t] + lorenz_tendency(traj[t]) * dt
    return traj


def vectorized(ics):
    states = ics.copy()
    traj_vec = np.empty((5001, 30, 3))
    traj_vec[0] = states
    for t in range(5000):
        dx = np.column_stack([
            10 * (states[:, 1] - states[:, 0]),
            28 * states[:, 0] - states[:, 1] - states[:, 0] * states[:, 2],
            states[:, 0] * states[:, 1] - (8/3) * states[:, 2],
        ])
        states = states + dx * 0.01
        traj_vec[t+1] = states
    return traj_vec
# ---


@pytest.fixture(scope="module")
def lecture():
    """Trajectories of the lecture, (member, time, variable): both of its approaches agree with each other."""
    np.random.seed(42)
    ics = np.array([-10, -10, 25]) + np.random.randn(30, 3) * 0.5
    serial = np.stack([run_member(ic) for ic in ics])
    assert (serial.transpose(1, 0, 2) == vectorized(ics)).all()
    return serial


def opened(path, zarr_format):
    return xr.open_zarr(path, zarr_format=zarr_format, consolidated=True)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("chunks", [(), ("--chunks", "7,640")])
def test_the_store_holds_the_trajectories_of_the_lecture(tmp_path, lecture, zarr_format, chunks):
    store = tmp_path / "ens.zarr"
    run("lorenz-ens", "--members", "30", "--zarr-format", str(zarr_format), *chunks, "-o", store).assert_done()
    dataset = opened(store, zarr_format)
    assert dataset.x.dims == ("member", "time") and dict(dataset.sizes) == {"member": 30, "time": STEPS + 1}
    for number, name in enumerate("xyz"):
        assert (dataset[name].values == lecture[:, :, number]).all(), name
        assert dataset[name].attrs["units"] == "1"
    assert (dataset.time.values == np.arange(STEPS + 1) * 0.01).all()
    assert (dataset.member.values == np.arange(30)).all()


@pytest.mark.parametrize("method", ["serial", "vector", "parallel", "auto"])
@pytest.mark.parametrize("jobs", ["1", "2", "5"])
def test_every_method_ends_where_the_lecture_does(lecture, method, jobs):
    done = run("lorenz-ens", "--members", "30", "--method", method, "-j", jobs)
    done.assert_done()
    states = [[state[name] for name in "xyz"] for state in done.of_type("state")]
    assert (np.array(states) == lecture[:, -1]).all()


def test_rows_hold_the_same_numbers(tmp_path, lecture):
    run("lorenz-ens", "--members", "30", "--every", "50", "-o", tmp_path / "a.csv").assert_done()
    run("lorenz-ens", "--members", "30", "--every", "50", "-o", tmp_path / "a.jsonl").assert_done()
    with open(tmp_path / "a.csv") as file:
        rows = [[float(row[name]) for name in "xyz"] for row in csv.DictReader(file)]
    with open(tmp_path / "a.jsonl") as file:
        records = [[json.loads(line)[name] for name in "xyz"] for line in file]
    expected = lecture[:, ::50].transpose(1, 0, 2).reshape(-1, 3)
    assert (np.array(rows) == expected).all() and (np.array(records) == expected).all()


def test_json_lines_are_lines_on_a_terminal_too():
    master, slave = pty.openpty()
    command = [binary("lorenz-ens"), "--members", "2", "--steps", "4", "--every", "2", "-f", "jsonl", "--progress", "never"]
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL) as process:
        os.close(slave)
        text = b""
        try:
            while piece := os.read(master, 1 << 16):
                text += piece
        except OSError:
            pass  # The other end is closed.
    os.close(master)
    assert process.returncode == 0
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["step"], row["member"]) for row in rows] == [(step, member) for step in (0, 2, 4) for member in (0, 1)]


def test_parameters_seeds_and_runge_kutta(tmp_path):
    rng = np.random.RandomState(7)
    ics = np.array([1.0, 2.0, 3.0]) + rng.randn(5, 3) * 0.25
    sigma, rho, beta, dt = 9.5, 26.0, 2.5, 0.02

    def tendency(s):
        x, y, z = s.T
        return np.column_stack([sigma*(y - x), rho*x - y - x*z, x*y - beta*z])

    s = ics
    for _ in range(700):
        k1 = tendency(s)
        k2 = tendency(s + (0.5*dt) * k1)
        k3 = tendency(s + (0.5*dt) * k2)
        k4 = tendency(s + dt * k3)
        s = s + (dt/6) * (k1 + 2*k2 + 2*k3 + k4)
    np.savetxt(tmp_path / "ics.csv", ics, delimiter=",", header="x,y,z", comments="", fmt="%.17g")
    options = ["--sigma", "9.5", "--rho", "26", "--beta", "2.5", "--dt", "0.02", "--steps", "700", "--integrator", "rk4"]
    drawn = run("lorenz-ens", "--members", "5", "--seed", "7", "--center", "1,2,3", "--spread", "0.25", *options)
    given = run("lorenz-ens", "--ics", tmp_path / "ics.csv", *options)
    for done in (drawn, given):
        done.assert_done()
        assert (np.array([[state[name] for name in "xyz"] for state in done.of_type("state")]) == s).all()


@pytest.mark.parametrize("seed", [0, 1, 42, 12345, 2**32 - 1])
def test_initial_conditions_are_those_of_random_state(seed):
    done = run("lorenz-ens", "--members", "5000", "--steps", "0", "--seed", str(seed))
    states = np.array([[state[name] for name in "xyz"] for state in done.of_type("state")])
    expected = np.array([-10, -10, 25]) + np.random.RandomState(seed).randn(5000, 3) * 0.5
    assert (states == expected).all()


QUANTILES = ("q05", "q25", "q50", "q75", "q95")


def test_quantiles_of_many_members_are_those_of_numpy(tmp_path):
    """Also with a member that is about to diverge, far from all others."""
    rng = np.random.RandomState(3)
    ics = rng.randn(150_000, 3)
    ics[77] = [1e200, -1e250, 1e300]
    np.savetxt(tmp_path / "ics.csv", ics, delimiter=",", fmt="%.17g")
    done = run("lorenz-ens", "--ics", tmp_path / "ics.csv", "--steps", "0", "--stats")
    done.assert_done()
    for record, values in zip(done.of_type("statistics"), ics.T, strict=True):
        assert [record[name] for name in QUANTILES] == list(np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]))
        assert (record["min"], record["max"], record["members"]) == (values.min(), values.max(), 150_000)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_attributes_tell_of_which_ensemble_a_store_is(tmp_path, zarr_format):
    options = ["--seed", "7", "--rho", "27.5", "--center=-1,2,3.5", "--steps", "20", "--every", "5", "--zarr-format", str(zarr_format)]
    run("lorenz-ens", "--members", "6", *options, "-o", tmp_path / "ens.zarr").assert_done()
    attrs = opened(tmp_path / "ens.zarr", zarr_format).attrs
    expected = {"members": 6, "rng": "numpy", "seed": 7, "center": [-1.0, 2.0, 3.5], "spread": 0.5, "sigma": 10.0, "rho": 27.5,
                "beta": 8 / 3, "dt": 0.01, "integrator": "euler", "steps": 20, "every": 5, "Conventions": "CF-1.11"}
    assert {name: attrs[name] for name in expected} == expected
    grid = ["--grid", "60:-60:5,0:350:6", "--batches", "2", "--file-ids", "0:3,2:5", "--times", "3", "--variables", "4"]
    run("lorenz-ens", *grid, "--zarr-format", str(zarr_format), "-o", tmp_path / "a").assert_done()
    attrs = opened(tmp_path / "a" / "batch_01.zarr", zarr_format).attrs
    expected = {"batches": 2, "batch": 1, "grid": "60:-60:5,0:350:6", "file_ids": [2, 5], "times": 3, "variables": 4, "seed": 42,
                "every": 2, "dt": 0.02, "faults": 0}
    assert {name: attrs[name] for name in expected} == expected
    run("lorenz-ens", "--members", "6", *options, "--stats", "-o", tmp_path / "stats.zarr").assert_done()
    assert opened(tmp_path / "stats.zarr", zarr_format).attrs["seed"] == 7


def test_a_store_that_xarray_rewrote_is_still_known(tmp_path):
    """xarray prints numbers and attributes in its own way."""
    run("lorenz-ens", "--members", "6", "--steps", "9", "--codec", "none", "-o", tmp_path / "ens.zarr").assert_done()
    import zarr

    zarr.open_group(tmp_path / "ens.zarr").attrs["history"] = "looked at"
    for seed, code in [("42", 0), ("7", 7)]:
        done = run("lorenz-ens", "--members", "6", "--steps", "9", "--codec", "none", "--seed", seed, "--resume", "-o", tmp_path / "ens.zarr")
        assert done.code == code, done.stderr


@pytest.mark.parametrize("method", ["serial", "vector", "parallel"])
def test_stores_are_the_same_by_every_method(tmp_path, lecture, method):
    run("lorenz-ens", "--members", "30", "--method", method, "-j", "2", "-o", tmp_path / "ens.zarr").assert_done()
    dataset = opened(tmp_path / "ens.zarr", 3)
    for number, name in enumerate("xyz"):
        assert (dataset[name].values == lecture[:, :, number]).all(), name


def test_statistics_are_those_of_numpy(lecture):
    done = run("lorenz-ens", "--members", "30", "--stats", "--every", "500")
    done.assert_done()
    for record in done.of_type("statistics"):
        values = lecture[:, record["step"], "xyz".index(record["variable"])]
        quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        assert [record[name] for name in QUANTILES] == list(quantiles)
        np.testing.assert_allclose([record["mean"], record["spread"]], [values.mean(), values.std()], rtol=1e-12, atol=1e-12)
        assert (record["min"], record["max"]) == (values.min(), values.max())


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_statistics_are_written_as_a_store(tmp_path, lecture, zarr_format):
    store = tmp_path / "stats.zarr"
    run("lorenz-ens", "--members", "30", "--stats", "--every", "500", "--zarr-format", str(zarr_format), "-o", store).assert_done()
    dataset = opened(store, zarr_format)
    np.testing.assert_allclose(dataset.y_mean.values, lecture[:, ::500, 1].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(dataset.z_q50.values, np.median(lecture[:, ::500, 2], axis=0), rtol=1e-12)
    assert (dataset.time.values == np.arange(0, STEPS + 1, 500) * 0.01).all()


def test_xarray_opens_and_plots_an_ensemble(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    run("lorenz-ens", "--members", "30", "--every", "10", "-o", tmp_path / "ens.zarr").assert_done()
    dataset = opened(tmp_path / "ens.zarr", 3)
    figure, axes = pyplot.subplots()
    lines = dataset.x.isel(member=slice(5)).plot.line(x="time", ax=axes)
    assert len(lines) == 5 and "model time" in axes.get_xlabel()
    assert "convection" in axes.get_ylabel()
    figure.savefig(tmp_path / "x.png")
    pyplot.close(figure)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_batches_of_a_grid_open_in_xarray(tmp_path, zarr_format):
    grid = ["--grid", "60:-60:25,0:350:36", "--batches", "2", "--file-ids", "0:3,2:5", "--times", "5", "--variables", "6"]
    run("lorenz-ens", *grid, "--zarr-format", str(zarr_format), "-o", tmp_path).assert_done()
    first, second = (opened(tmp_path / f"batch_0{number}.zarr", zarr_format) for number in (0, 1))
    assert first.t2m.dims == ("file_id", "time", "latitude", "longitude")
    assert list(first.file_id.values) == [0, 1, 2] and list(second.file_id.values) == [2, 3, 4]
    assert (first.latitude.values == np.linspace(60, -60, 25)).all()
    temperature = first.t2m.values
    assert np.isfinite(temperature).all() and 220 < temperature.min() < temperature.max() < 330
    # Smooth in space and time, as weather is.
    assert np.abs(np.diff(temperature, axis=3)).mean() < temperature.std() / 5
    for name in first.data_vars:
        shared = first[name].sel(file_id=2).values, second[name].sel(file_id=2).values
        np.testing.assert_array_equal(*shared)
