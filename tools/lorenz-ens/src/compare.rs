//! Measures: all methods on the same work, or one method with more and more threads; and checks that all agree.

use std::time::Instant;

use zarray::{Pool, available_cores};
use zcli::{Session, Stop};
use zwire::{Failure, MethodRecord, Record, three_digits};

use crate::advance::{Integration, check_stop, in_pieces};
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

/// Copies of all states that are held at once: the initial and final ones of the serial method, and those of another.
pub const COPIES: u64 = 3;

/// A result.
struct Measured {
    seconds: f64,
    /// Whether the final states are those of the serial method.
    identical: bool,
}

impl Work<'_> {
    fn once(&self, method: Method, pool: &Pool, stop: &Stop) -> Result<(f64, Ensemble), Failure> {
        let mut last = self.initial.clone();
        let started = Instant::now();
        Integration { system: self.system, method, pool, stop }.advance(&mut last, self.steps)?;
        Ok((started.elapsed().as_secs_f64(), last))
    }

    /// The fastest of several runs, each starts its own threads, as a program has to. `serial` are the final states of the serial
    /// method, which it fills itself.
    fn fastest(
        &self,
        method: Method,
        jobs: usize,
        serial: &mut Option<Ensemble>,
        session: &Session,
    ) -> Result<Measured, Failure> {
        let (started, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
        let mut identical = true;
        while runs < FEWEST_RUNS || started.elapsed().as_secs_f64() < SECONDS {
            check_stop(&session.stop)?;
            let begun = Instant::now();
            let pool = Pool::new(if method == Method::Parallel { jobs } else { 1 });
            let starting = begun.elapsed().as_secs_f64();
            let (seconds, last) = self.once(method, &pool, &session.stop)?;
            best = best.min(seconds + starting);
            match serial {
                Some(serial) => identical &= is_same(&last, serial),
                None => *serial = Some(last),
            }
            runs += 1;
            if best > 10.0 * SECONDS {
                break;
            }
        }
        Ok(Measured { seconds: best, identical })
    }

    fn member_steps(&self) -> f64 {
        self.initial.len() as f64 * self.steps as f64
    }

    /// Threads that have work, and a core: the members are divided into whole groups of lanes.
    fn busy(&self, jobs: usize) -> f64 {
        let block = block(self.initial.len(), Lanes::best().width(), jobs);
        self.initial.len().div_ceil(block).min(jobs).min(available_cores()).max(1) as f64
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

/// What was measured or checked.
pub struct Results {
    /// Whether all methods agree.
    pub identical: bool,
    /// A record of each method that was measured.
    pub records: Vec<MethodRecord>,
    /// The final states.
    pub last: Ensemble,
}

/// Measures all methods, and emits a record of each.
///
/// # Errors
/// A signal; an output that cannot be written.
pub fn compare(work: &Work, jobs: usize, session: &mut Session) -> Result<Results, Failure> {
    let mut last = None;
    let serial = work.fastest(Method::Serial, 1, &mut last, session)?;
    let vector = work.fastest(Method::Vector, 1, &mut last, session)?;
    let parallel = work.fastest(Method::Parallel, jobs, &mut last, session)?;
    let records = [
        record(work, Method::Serial, 1, &serial, &serial, &serial),
        record(work, Method::Vector, 1, &vector, &serial, &vector),
        record(work, Method::Parallel, jobs, &parallel, &serial, &vector),
    ];
    emit(records.into(), last, session)
}

/// Measures the parallel method with each number of threads.
///
/// # Errors
/// As [`compare`].
pub fn scaling(work: &Work, jobs: &[usize], session: &mut Session) -> Result<Results, Failure> {
    let mut last = None;
    let serial = work.fastest(Method::Serial, 1, &mut last, session)?;
    let vector = work.fastest(Method::Vector, 1, &mut last, session)?;
    let mut records = vec![record(work, Method::Serial, 1, &serial, &serial, &serial)];
    for jobs in jobs {
        let parallel = work.fastest(Method::Parallel, *jobs, &mut last, session)?;
        records.push(record(work, Method::Parallel, *jobs, &parallel, &serial, &vector));
    }
    emit(records, last, session)
}

fn emit(records: Vec<MethodRecord>, last: Option<Ensemble>, session: &mut Session) -> Result<Results, Failure> {
    for record in &records {
        session.out.emit(&Record::Method(Box::new(record.clone())))?;
    }
    Ok(Results { identical: records.iter().all(|record| record.identical), records, last: last.unwrap_or_default() })
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
        identical: measured.identical,
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
pub fn check(work: &Work, jobs: usize, session: &mut Session) -> Result<Results, Failure> {
    let stop = session.stop.clone();
    let serial = work.once(Method::Serial, &Pool::new(1), &stop)?.1;
    let mut all = true;
    let mut emit = |method: Method, lanes: Lanes, jobs: usize, last: &Ensemble| {
        let identical = is_same(last, &serial);
        all &= identical;
        session.out.emit(&Record::Method(Box::new(MethodRecord {
            method: method.name().into(),
            instructions: lanes.name().into(),
            jobs: jobs as u64,
            identical,
            ..MethodRecord::default()
        })))
    };
    emit(Method::Serial, Lanes::Scalar, 1, &serial)?;
    for lanes in Lanes::available().into_iter().skip(1) {
        let mut last = work.initial.clone();
        in_pieces(last.len(), work.steps, &stop, |steps| lanes.advance(work.system, &mut last.members(), steps))?;
        emit(Method::Vector, lanes, 1, &last)?;
    }
    for jobs in [1, 2, jobs.max(3)] {
        let last = work.once(Method::Parallel, &Pool::new(jobs), &stop)?.1;
        emit(Method::Parallel, Lanes::best(), jobs, &last)?;
    }
    Ok(Results { identical: all, records: Vec::new(), last: serial })
}

/// Whether two ensembles have the same bits; all NaNs count as one.
fn is_same(a: &Ensemble, b: &Ensemble) -> bool {
    let same =
        |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
    same(&a.x, &b.x) && same(&a.y, &b.y) && same(&a.z, &b.z)
}
