//! What is reported without a store: states, statistics, measures, checks and pictures.

use serde_json::json;
use zarray::{Pool, ZarrFormat, available_cores};
use zcli::{Ending, Session, Unit};
use zstore::Location;
use zwire::{EnsembleSummary, Exit, Failure, GeneratedSummary, MethodRecord, Record, StateRecord, number};

use super::store::{report, totals};
use crate::advance::advance;
use crate::cli::MethodFlags;
use crate::compare::{Work, check, compare, scaling};
use crate::divergence::{Divergence, has_diverged};
use crate::ensemble::{Ensemble, Method};
use crate::kernel::Lanes;
use crate::lyapunov::exponent;
use crate::options::{EnsembleOptions, Options};
use crate::place::Place;
use crate::plot::{self, Figure};
use crate::rows::{self, Rows};
use crate::sink::Sink;
use crate::statistics;
use crate::statistics_store;
use crate::trajectories::time_of;

/// Times at which statistics are reported by default.
const TIMES: u64 = 100;

/// A run that writes no store.
pub struct Report<'a> {
    pub options: &'a Options,
    pub flags: &'a MethodFlags,
    /// Whether files that exist are replaced.
    pub overwrite: bool,
}

impl Report<'_> {
    /// Whether methods are measured or checked.
    pub fn measures(&self) -> bool {
        self.flags.check || self.flags.compare || self.flags.scaling.is_some()
    }

    /// The initial conditions: half of the memory is for the states that follow from them.
    fn initial(&self) -> Result<Ensemble, Failure> {
        self.options.ensemble.initial.ensemble(self.options.write.memory_bytes / 2)
    }

    fn pool(&self) -> Pool {
        Pool::new(if self.options.method() == Method::Parallel { self.options.write.jobs } else { 1 })
    }

    /// `--check`, `--compare` and `--scaling`.
    ///
    /// # Errors
    /// A signal; an output that cannot be written.
    pub fn measure(&self, session: &mut Session) -> Result<Ending, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let (initial, jobs) = (self.initial()?, self.options.write.jobs);
        let work = Work { system, initial: &initial, steps: *steps };
        let (identical, measured) = match &self.flags.scaling {
            _ if self.flags.check => (check(&work, jobs, session)?, Vec::new()),
            Some(jobs) => scaling(&work, &numbers_of_threads(jobs), session)?,
            None => compare(&work, jobs, session)?,
        };
        self.plot(session, measured)?;
        let summary = EnsembleSummary { identical: Some(identical), ..totals(self.options, &Divergence::default()) };
        Ok(Ending::new(if identical { Exit::Done } else { Exit::No }, &summary))
    }

    /// States, or statistics of them: the last ones, or those on the way.
    ///
    /// # Errors
    /// A signal; an output that cannot be written; with `--on-divergence stop`, members that diverge.
    pub fn states(&self, place: &Place, session: &mut Session) -> Result<Ending, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let initial = self.initial()?;
        if self.options.stops {
            let diverged = self.integrate(&initial, session)?.1;
            if let Some(failure) = diverged.failure() {
                report(&diverged, self.options, session)?;
                return Err(failure);
            }
        }
        self.plot(session, Vec::new())?;
        let mut summary = EnsembleSummary::default();
        let last = match (place, self.flags.every) {
            _ if self.flags.stats => self.statistics(&initial, place, &mut summary, session)?,
            (Place::Records, None) => self.last(&initial, session)?,
            (_, every) => self.rows(&initial, every.unwrap_or(1), place, &mut summary, session)?,
        };
        let diverged = Divergence::find(system, &initial, &last);
        report(&diverged, self.options, session)?;
        let lanes = if self.options.method() == Method::Serial { Lanes::Scalar } else { Lanes::best() };
        let all = totals(self.options, &diverged);
        let (members, member_steps) = (all.members, all.member_steps);
        let instructions = Some(lanes.name().into());
        let summary = EnsembleSummary {
            members,
            steps: *steps,
            member_steps,
            diverged: diverged.members,
            instructions,
            ..summary
        };
        Ok(Ending::new(if diverged.members > 0 { Exit::No } else { Exit::Done }, &summary))
    }

    fn integrate(&self, initial: &Ensemble, session: &Session) -> Result<(Ensemble, Divergence), Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let mut last = initial.clone();
        let goes_on = |now: &Ensemble| !(self.options.stops && has_diverged(now));
        advance(&mut last, system, *steps, self.options.method(), &self.pool(), session, goes_on)?;
        let diverged = Divergence::find(system, initial, &last);
        Ok((last, diverged))
    }

    /// Emits the final states.
    fn last(&self, initial: &Ensemble, session: &mut Session) -> Result<Ensemble, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let last = self.integrate(initial, session)?.0;
        for member in 0..last.len() {
            let [x, y, z] = last.state(member).map(number);
            let (member, step, time) = (member as u64, *steps, time_of(*steps, system.dt));
            session.out.emit(&Record::State(StateRecord { member, step, time, x, y, z, ..StateRecord::default() }))?;
        }
        Ok(last)
    }

    /// Writes the states of every `every`-th step.
    fn rows(
        &self,
        initial: &Ensemble,
        every: u64,
        place: &Place,
        summary: &mut EnsembleSummary,
        session: &mut Session,
    ) -> Result<Ensemble, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let mut sink = Sink::open(place, rows::COLUMNS, self.overwrite, session)?;
        let pool = Pool::new(self.options.write.jobs);
        let mut states = initial.clone();
        let all = Rows { system, steps: *steps, every, method: self.options.method(), pool: &pool };
        all.write(&mut states, &mut sink, session)?;
        self.finish(sink, place, summary)?;
        Ok(states)
    }

    fn finish(&self, sink: Sink, place: &Place, summary: &mut EnsembleSummary) -> Result<(), Failure> {
        summary.rows = Some(sink.rows());
        if let Place::File(path, _) = place {
            summary.file = Some(path.display().to_string());
        }
        sink.finish()
    }

    /// Writes statistics of the states of every `every`-th step, without keeping them.
    fn statistics(
        &self,
        initial: &Ensemble,
        place: &Place,
        summary: &mut EnsembleSummary,
        session: &mut Session,
    ) -> Result<Ensemble, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let every = self.flags.every.unwrap_or(steps.div_ceil(TIMES).max(1));
        let store = if let Place::Store(target) = place { Some(Location::output(target)?) } else { None };
        let mut sink = Sink::open(place, statistics::COLUMNS, self.overwrite, session)?;
        let mut kept = Vec::new();
        let (pool, method) = (Pool::new(self.options.write.jobs), self.options.method());
        let mut states = initial.clone();
        let bar = session.status.bar(steps / every + 1, Unit::Items("times"));
        for time in 0..=steps / every {
            if let Some(exit) = session.stop.requested() {
                return Err(Failure::stopped(exit));
            }
            if time > 0 {
                states.advance(system, every, method, &pool);
            }
            for record in statistics::at(time * every, system.dt, &states, &pool) {
                match sink.is_csv() {
                    _ if store.is_some() => kept.push(record),
                    true => sink.write(statistics::csv(&record).as_bytes(), 1, session)?,
                    false if sink.takes_records() => sink.record(&Record::Statistics(Box::new(record)), session)?,
                    false => {
                        let line = serde_json::to_string(&Record::Statistics(Box::new(record))).unwrap_or_default();
                        sink.write(format!("{line}\n").as_bytes(), 1, session)?;
                    }
                }
            }
            bar.advance(1);
        }
        drop(bar);
        if let Some(found) = exponent(system, initial, *steps, method, &pool) {
            summary.lyapunov = Some(found.mean);
            summary.lyapunov_error = found.error;
            summary.lyapunov_members = Some(found.members);
        }
        match &store {
            Some(output) => {
                let format = if self.options.zarr_format == 2 { ZarrFormat::V2 } else { ZarrFormat::V3 };
                let options = &self.options.write.store;
                let attributes = json!({"Conventions": "CF-1.11", "title": "Statistics of an ensemble of the Lorenz-63 system",
                    "members": initial.len(), "lyapunov": summary.lyapunov, "lyapunov_error": summary.lyapunov_error});
                let arrays = statistics_store::write(&kept, attributes, output, format, self.overwrite, options)?;
                summary.written =
                    Some(GeneratedSummary { stores: 1, arrays, objects: arrays, ..GeneratedSummary::default() });
            }
            None => self.finish(sink, place, summary)?,
        }
        Ok(states)
    }

    /// Draws the picture, if one is asked for.
    ///
    /// # Errors
    /// A file that exists, or cannot be written.
    pub fn plot(&self, session: &Session, methods: Vec<MethodRecord>) -> Result<(), Failure> {
        let Some(path) = &self.flags.plot else { return Ok(()) };
        if let Some(exit) = session.stop.requested() {
            return Err(Failure::stopped(exit));
        }
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let figure = Figure::of(system, &self.initial()?, *steps, &Pool::new(1));
        plot::write(&Figure { methods, ..figure }, path, self.overwrite)
    }
}

/// The numbers that are asked for, or 1, 2, 4 and so on up to the cores.
fn numbers_of_threads(wanted: &[u16]) -> Vec<usize> {
    let wanted: Vec<usize> = wanted.iter().map(|jobs| usize::from(*jobs)).filter(|jobs| *jobs > 0).collect();
    if !wanted.is_empty() {
        return wanted;
    }
    let cores = available_cores();
    let mut numbers: Vec<usize> = (0..).map(|power| 1 << power).take_while(|jobs| *jobs < cores).collect();
    numbers.push(cores);
    numbers
}
