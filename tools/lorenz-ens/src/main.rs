//! `lorenz-ens`: integrates ensembles of the Lorenz-63 system, one member at a time, in vector lanes, on all threads, bit for bit alike.

mod advance;
mod cli;
mod compare;
mod divergence;
mod documents;
mod ensemble;
mod generated_arrays;
mod grid;
mod human;
mod ics;
mod initial;
mod kernel;
mod lyapunov;
mod options;
mod output;
mod parameters;
mod place;
mod plot;
mod prepared;
mod random;
mod rows;
mod run;
mod sections;
mod sink;
mod starts;
mod statistics;
mod statistics_store;
mod system;
mod trajectories;

fn main() -> std::process::ExitCode {
    zcli::main::<cli::Args>()
}
