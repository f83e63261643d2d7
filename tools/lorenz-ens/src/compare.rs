//! Measures: all methods on the same work, or one method with more and more threads; and checks that all agree.

use std::time::Instant;

use zarray::Pool;
use zcli::Session;
use zwire::{Failure, MethodRecord, Record, three_digits};

use crate::ensemble::{Ensemble, Method, block};
use crate::kernel::Lanes;
use crate::system::System;

/// Seconds for which each method is repeated; the fastest run counts.
const SECONDS: f64 = 0.3;

const FEWEST_RUNS: usize = 3;

/// What is measured.
pub struct Work<'a> {
    pub system: &'a System,
    pub initial: &'a Ensemble,
    pub steps: u64,
}

/// A result.
struct Measured {
    seconds: f64,
    last: Ensemble,
}

impl Work<'_> {
    fn once(&self, method: Method, pool: &Pool) -> Measured {
        let mut last = self.initial.clone();
        let started = Instant::now();
        last.advance(self.system, self.steps, method, pool);
        Measured { seconds: started.elapsed().as_secs_f64(), last }
    }

    /// The fastest of several runs, each starts its own threads, as a program has to.
    fn fastest(&self, method: Method, jobs: usize, session: &Session) -> Result<Measured, Failure> {
        let (started, mut best, mut runs) = (Instant::now(), None::<Measured>, 0);
        while runs < FEWEST_RUNS || started.elapsed().as_secs_f64() < SECONDS {
            if let Some(exit) = session.stop.requested() {
                return Err(Failure::stopped(exit));
            }
            let begun = Instant::now();
            let pool = Pool::new(if method == Method::Parallel { jobs } else { 1 });
            let starting = begun.elapsed().as_secs_f64();
            let run = self.once(method, &pool);
            let run = Measured { seconds: run.seconds + starting, ..run };
            if best.as_ref().is_none_or(|best| run.seconds < best.seconds) {
                best = Some(run);
            }
            runs += 1;
            if best.as_ref().is_some_and(|best| best.seconds > 10.0 * SECONDS) {
                break;
            }
        }
        best.ok_or_else(|| Failure::usage("nothing was measured"))
    }

    fn member_steps(&self) -> f64 {
        self.initial.len() as f64 * self.steps as f64
    }

    /// Threads that have work: the members are divided into whole groups of lanes.
    fn busy(&self, jobs: usize) -> f64 {
        let block = block(self.initial.len(), Lanes::best().width(), jobs);
        self.initial.len().div_ceil(block).min(jobs).max(1) as f64
    }
}

/// Seconds to start `jobs` threads, give them nothing to do, and end them.
fn startup(jobs: usize) -> f64 {
    let once = || {
        let started = Instant::now();
        Pool::new(jobs).broadcast(|_| ());
        started.elapsed().as_secs_f64()
    };
    (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Measures all methods, and emits a record of each. Returns whether all agree, and the records.
///
/// # Errors
/// A signal; an output that cannot be written.
pub fn compare(work: &Work, jobs: usize, session: &mut Session) -> Result<(bool, Vec<MethodRecord>), Failure> {
    let serial = work.fastest(Method::Serial, 1, session)?;
    let vector = work.fastest(Method::Vector, 1, session)?;
    let parallel = work.fastest(Method::Parallel, jobs, session)?;
    let records = [
        record(work, Method::Serial, 1, &serial, &serial, &serial),
        record(work, Method::Vector, 1, &vector, &serial, &vector),
        record(work, Method::Parallel, jobs, &parallel, &serial, &vector),
    ];
    emit(records.into(), session)
}

/// Measures the parallel method with each number of threads.
///
/// # Errors
/// As [`compare`].
pub fn scaling(work: &Work, jobs: &[usize], session: &mut Session) -> Result<(bool, Vec<MethodRecord>), Failure> {
    let serial = work.fastest(Method::Serial, 1, session)?;
    let vector = work.fastest(Method::Vector, 1, session)?;
    let mut records = vec![record(work, Method::Serial, 1, &serial, &serial, &serial)];
    for jobs in jobs {
        let parallel = work.fastest(Method::Parallel, *jobs, session)?;
        records.push(record(work, Method::Parallel, *jobs, &parallel, &serial, &vector));
    }
    emit(records, session)
}

fn emit(records: Vec<MethodRecord>, session: &mut Session) -> Result<(bool, Vec<MethodRecord>), Failure> {
    for record in &records {
        session.out.emit(&Record::Method(Box::new(record.clone())))?;
    }
    Ok((records.iter().all(|record| record.identical), records))
}

fn record(
    work: &Work,
    method: Method,
    jobs: usize,
    measured: &Measured,
    serial: &Measured,
    one_thread: &Measured,
) -> MethodRecord {
    let start = if method == Method::Parallel { startup(jobs) } else { 0.0 };
    let is_parallel = method == Method::Parallel;
    let speedup = |seconds: f64| three_digits(serial.seconds / seconds);
    MethodRecord {
        method: method.name().into(),
        instructions: lanes(method).name().into(),
        jobs: jobs as u64,
        seconds: Some(measured.seconds),
        member_steps_per_second: Some(three_digits(work.member_steps() / measured.seconds)),
        speedup: Some(speedup(measured.seconds)),
        efficiency: Some(three_digits(one_thread.seconds / measured.seconds / jobs as f64)),
        startup_seconds: is_parallel.then_some(start),
        predicted_speedup: is_parallel.then(|| speedup(start + one_thread.seconds / work.busy(jobs))),
        identical: is_same(&measured.last, &serial.last),
        ..MethodRecord::default()
    }
}

fn lanes(method: Method) -> Lanes {
    if method == Method::Serial { Lanes::Scalar } else { Lanes::best() }
}

/// Integrates with every method and set of instructions, and emits whether each agrees with the serial one.
///
/// # Errors
/// As [`compare`].
pub fn check(work: &Work, jobs: usize, session: &mut Session) -> Result<bool, Failure> {
    let serial = work.once(Method::Serial, &Pool::new(1));
    let mut all = true;
    let mut emit = |method: Method, lanes: Lanes, jobs: usize, last: &Ensemble| {
        let identical = is_same(last, &serial.last);
        all &= identical;
        session.out.emit(&Record::Method(Box::new(MethodRecord {
            method: method.name().into(),
            instructions: lanes.name().into(),
            jobs: jobs as u64,
            identical,
            ..MethodRecord::default()
        })))
    };
    emit(Method::Serial, Lanes::Scalar, 1, &serial.last)?;
    for lanes in Lanes::available().into_iter().skip(1) {
        let mut last = work.initial.clone();
        lanes.advance(work.system, &mut last.members(), work.steps);
        emit(Method::Vector, lanes, 1, &last)?;
    }
    for jobs in [1, 2, jobs.max(3)] {
        let last = work.once(Method::Parallel, &Pool::new(jobs)).last;
        emit(Method::Parallel, Lanes::best(), jobs, &last)?;
    }
    Ok(all)
}

/// Whether two ensembles have the same bits; all NaNs count as one.
fn is_same(a: &Ensemble, b: &Ensemble) -> bool {
    let same =
        |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
    same(&a.x, &b.x) && same(&a.y, &b.y) && same(&a.z, &b.z)
}
