//! Sections of the manual page.

/// Further sections of the man page. `tests/by_tool/lorenz_ens` compares what is printed.
pub const SECTIONS: &[(&str, &str)] =
    &[("THE LECTURE'S ENSEMBLE", LECTURE), ("WHAT IS COMPUTED", COMPUTED), ("A GRID OF MEMBERS", CELLS)];

const LECTURE: &str = "\
A lecture on parallel computing integrates 30 members by 5,000 steps in three
ways: a loop over members and steps, NumPy vectorised over the members, and a
pool of processes. These are its numbers, to the last bit:

  $ lorenz-ens --members 30 | head -n 1 | jq -c '[.x, .y, .z]'
  [-6.3391996690186945,-1.62455294340588,30.21383997356271]
  $ lorenz-ens --members 30 --check | tail -n 1 | jq .identical
  true

Vectorising comes first, because it costs nothing: the lanes of a register
work on different members, and several registers at once hide the time that
each operation waits for the one before it. Threads come second: starting them
takes about 0.1 ms, which is more than the lecture's whole ensemble takes in
one. --compare measures this on your machine, and says what Amdahl's law
predicts from the cost of starting.

Processes, the lecture's third way, are parts of one output. Each integrates
and writes its own members:

  $ lorenz-ens --prepare --parts 4 --members 4096 --steps 500 \\
      --chunks 512,501 -o ens.zarr | tail -n 1 | jq .parts
  4
  $ seq 4 | xargs -P4 -I{} lorenz-ens -q --part {}/4 -o ens.zarr > parts.log
  $ lorenz-ens --finish -o ens.zarr | tail -n 1 | jq .objects
  26

On one machine that is slower than threads: each process starts, reads the
plan, and draws the initial conditions again. 0.5 GB of trajectories on two
cores took 0.42 s in two processes, 0.04 s of it for the plan and for
finishing, and 0.33 s in one process with two threads. On many machines it is the way
that needs nothing but a shared file system or a bucket.";

const COMPUTED: &str = "\
Euler: x' = x + sigma*(y - x)*dt, y' = y + (rho*x - y - x*z)*dt,
z' = z + (x*y - beta*z)*dt, in 64-bit floating point, from left to right as
NumPy evaluates it, and without fused multiply-add. rk4: the half steps are
s + (0.5*dt)*k, and the step s + (dt/6)*(k1 + 2*k2 + 2*k3 + k4).

Initial conditions: center + spread*randn(members, 3). --rng numpy draws as
numpy.random.RandomState(seed) does.

--stats: the mean, the standard deviation of all members, minimum and maximum,
and NumPy's quantiles. Minimum, maximum and quantiles are exact for any number
of members: the values around a quantile are selected, not estimated. Mean and
standard deviation are sums in an order that does not depend on -j. Members
that are not finite are left out and counted. error is the root mean square
distance from member 0. The Lyapunov exponent is the mean over up to 256
members, each with a twin that starts 1e-8 away and is moved back every 0.5
units of time, after a quarter of the steps, when members have become
independent; its error is the standard error of that mean.

Memory: --stats holds the initial and the current states and one variable, 56
bytes for each member; -o a Zarr store 24 bytes, and 48 while it looks which
members diverge; --ics adds 24 bytes, and with -o 192 for the plan, which keeps
the members. What does not fit into --max-memory is refused.

The attributes of a store are the options that decide its values, by name:
members, seed, rng, center, spread (or ics, a checksum), sigma, rho, beta, dt,
integrator, steps and every. --resume of a finished store compares them. If
members diverge, diverged is their number.

A member whose state is not finite stays so. With -o, all members are therefore
integrated once to the end before anything is written, which takes a fraction
of the time of writing: --on-divergence stop then writes nothing.";

const CELLS: &str = "\
--grid puts a member in each cell. At the start of each file_id, the initial
conditions are smooth random waves around --center, drawn from --seed and the
file_id; then every cell is integrated on its own, in single precision,
--every steps from one time to the next. A variable is its climate at the
latitude plus a weighted sum of x, y and z, plus noise of a few units of its
resolution, rounded to that. Half of the variables are packed as 16-bit
integers. A day is short enough for neighbours to stay close, so that fields
are smooth, and compress as weather does.

--faults, all in the last batch that has file_ids which no other batch has, and
in those: u10 of the last but one is NaN at all times; of v10 the last one is
missing; the first chunk of t2m of the last one is damaged, before the store
gets its name (if it is a Blosc frame). Two batches or more have 26 file_ids
twice, 22 batches those of the archive in which they were found; with
--file-ids, those occur twice that are given twice.

Before anything is written, members of a sample of the cells are integrated, and
a time step with which they diverge is refused.

--prepare, --part, --status and --finish work on all batches: the plan knows how
many there are. The attributes of each batch are the options that decide its
values, and --resume refuses an archive that was written with others.";
