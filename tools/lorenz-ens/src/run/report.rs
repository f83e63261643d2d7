//! What is reported without a store: states, statistics, measures, checks and pictures.

use serde_json::json;
use zarray::{Pool, ZarrFormat, available_cores};
use zcli::{Ending, Session, Unit};
use zstore::Location;
use zwire::{EnsembleSummary, Exit, Failure, MethodRecord, Record, StateRecord, number};

use super::outcome::{emit, totals};
use crate::advance::{Integration, advance, check_stop};
use crate::cli::MethodFlags;
use crate::compare::{COPIES, Results, Work, check, compare, scaling};
use crate::divergence::{Divergence, has_diverged};
use crate::ensemble::{Ensemble, Method};
use crate::kernel::Lanes;
use crate::lyapunov::exponent;
use crate::options::{EnsembleOptions, Options};
use crate::parameters::of_ensemble;
use crate::place::Place;
use crate::plot::{Figure, MEMBERS, Picture};
use crate::rows::{self, Rows};
use crate::sink::{Sink, check_free};
use crate::statistics;
use crate::statistics_store::StatisticsStore;
use crate::trajectories::time_of;

/// Times at which statistics are reported by default.
const TIMES: u64 = 100;

/// A run that writes no store.
pub struct Report<'a> {
    pub options: &'a Options,
    pub flags: &'a MethodFlags,
    pub picture: Option<Picture<'a>>,
    /// Whether files that exist are replaced.
    pub overwrite: bool,
}

impl Report<'_> {
    /// Whether methods are measured or checked.
    pub fn measures(&self) -> bool {
        self.flags.check || self.flags.compare || self.flags.scaling.is_some()
    }

    /// The initial conditions, if so many copies of the states fit into memory, and `more` bytes for each member.
    fn initial(&self, copies: u64, more: u64) -> Result<Ensemble, Failure> {
        let initial = &self.options.ensemble.initial;
        let need = initial.bytes(copies).saturating_add(initial.members().saturating_mul(more));
        initial.ensemble(need, self.options.write.memory_bytes)
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
        let (initial, jobs) = (self.initial(COPIES, 0)?, self.options.write.jobs);
        let work = Work { system, initial: &initial, steps: *steps };
        let results = match &self.flags.scaling {
            _ if self.flags.check => check(&work, jobs, session)?,
            Some(jobs) => scaling(&work, &numbers_of_threads(jobs), session)?,
            None => compare(&work, jobs, session)?,
        };
        let Results { identical, records, last } = results;
        let diverged = Divergence::find(system, &initial, &last, &session.stop)?;
        emit(&diverged, self.options, session)?;
        self.plot(session, records)?;
        let summary = EnsembleSummary { identical: Some(identical), ..totals(self.options, &diverged) };
        Ok(Ending::new(if identical && diverged.members == 0 { Exit::Done } else { Exit::No }, &summary))
    }

    /// States, or statistics of them: the last ones, or those on the way.
    ///
    /// # Errors
    /// A signal; an output that cannot be written; with `--on-divergence stop`, members that diverge.
    pub fn states(&self, place: &Place, session: &mut Session) -> Result<Ending, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        if let Place::File(path, _) = place {
            check_free(path, self.overwrite)?;
        }
        let writes_rows = !self.flags.stats && (self.flags.every.is_some() || !matches!(place, Place::Records));
        let initial = match self.flags.stats {
            // A copy of a variable, of which quantiles are selected.
            true => self.initial(2, 8)?,
            // One that waits to be formatted.
            false => self.initial(if writes_rows { 3 } else { 2 }, 0)?,
        };
        // Begun before anything is computed: an output that exists is refused.
        let target = if self.flags.stats { Some(self.begin_statistics(place)?) } else { None };
        if self.options.stops {
            let diverged = self.integrate(&initial, session)?.1;
            if let Some(failure) = diverged.failure() {
                emit(&diverged, self.options, session)?;
                return Err(failure);
            }
        }
        let mut summary = EnsembleSummary::default();
        let last = match target {
            Some(target) => self.statistics(&initial, place, target, &mut summary, session)?,
            None if !writes_rows => self.last(&initial, session)?,
            None => self.rows(&initial, place, &mut summary, session)?,
        };
        let diverged = Divergence::find(system, &initial, &last, &session.stop)?;
        emit(&diverged, self.options, session)?;
        drop((initial, last));
        self.plot(session, Vec::new())?;
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
        let diverged = Divergence::find(system, initial, &last, &session.stop)?;
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
        place: &Place,
        summary: &mut EnsembleSummary,
        session: &mut Session,
    ) -> Result<Ensemble, Failure> {
        let EnsembleOptions { system, steps, initial: members } = &self.options.ensemble;
        let mut sink = Sink::open(place, rows::COLUMNS, self.overwrite)?;
        let (pool, stop) = (Pool::new(self.options.write.jobs), session.stop.clone());
        let mut states = initial.clone();
        let how = Integration { system, method: self.options.method(), pool: &pool, stop: &stop };
        let every = self.options.every.unwrap_or(1);
        let memory = self.options.write.memory_bytes.saturating_sub(members.bytes(2));
        Rows { how, steps: *steps, every, memory }.write(&mut states, &mut sink, session)?;
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

    /// Steps between statistics.
    fn statistics_every(&self) -> u64 {
        let steps = self.options.ensemble.steps;
        self.options.every.unwrap_or(steps.div_ceil(TIMES).max(1))
    }

    /// Begins the output of statistics.
    fn begin_statistics(&self, place: &Place) -> Result<Statistics, Failure> {
        let Place::Store(target) = place else {
            let sink = Sink::open(place, statistics::COLUMNS, self.overwrite)?;
            return Ok(Statistics::Rows(sink));
        };
        let times = self.options.ensemble.steps / self.statistics_every() + 1;
        let format = if self.options.zarr_format == 2 { ZarrFormat::V2 } else { ZarrFormat::V3 };
        let (output, options) = (Location::output(target)?, &self.options.write.store);
        let store = StatisticsStore::begin(&output, times, format, self.overwrite, options)?;
        Ok(Statistics::Store(Box::new(store)))
    }

    /// Writes statistics of the states of every `every`-th step, without keeping them.
    fn statistics(
        &self,
        initial: &Ensemble,
        place: &Place,
        mut target: Statistics,
        summary: &mut EnsembleSummary,
        session: &mut Session,
    ) -> Result<Ensemble, Failure> {
        let EnsembleOptions { system, steps, .. } = &self.options.ensemble;
        let every = self.statistics_every();
        let (pool, method) = (Pool::new(self.options.write.jobs), self.options.method());
        let stop = session.stop.clone();
        let how = Integration { system, method, pool: &pool, stop: &stop };
        let (mut states, mut scratch) = (initial.clone(), Vec::new());
        let bar = session.status.bar(steps / every + 1, Unit::Items("times"));
        for time in 0..=steps / every {
            check_stop(&stop)?;
            if time > 0 {
                how.advance(&mut states, every)?;
            }
            let records = statistics::at(time * every, system.dt, &states, &pool, &mut scratch);
            match &mut target {
                Statistics::Store(store) => store.add(&records)?,
                Statistics::Rows(sink) => {
                    for record in records {
                        write_row(sink, record, session)?;
                    }
                }
            }
            bar.advance(1);
        }
        drop((bar, scratch));
        if let Some(found) = exponent(&how, initial, *steps)? {
            summary.lyapunov = Some(found.mean);
            summary.lyapunov_error = found.error;
            summary.lyapunov_members = Some(found.members);
        }
        match target {
            Statistics::Rows(sink) => self.finish(sink, place, summary)?,
            Statistics::Store(store) => {
                let mut attributes = crate::documents::members(json!({
                    "Conventions": "CF-1.11",
                    "title": "Statistics of an ensemble of the Lorenz-63 system",
                    "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
                    "lyapunov": summary.lyapunov, "lyapunov_error": summary.lyapunov_error,
                }));
                let members = self.options.ensemble.initial.parameters();
                attributes.extend(of_ensemble(members, system, *steps, every));
                summary.written = Some(store.finish(attributes.into())?);
            }
        }
        Ok(states)
    }

    /// Draws the picture, if one is asked for.
    ///
    /// # Errors
    /// A signal; a file that exists, or cannot be written.
    pub fn plot(&self, session: &Session, methods: Vec<MethodRecord>) -> Result<(), Failure> {
        let Some(picture) = &self.picture else { return Ok(()) };
        let EnsembleOptions { system, steps, initial } = &self.options.ensemble;
        let (drawn, pool) = (initial.first(MEMBERS).ensemble(0, 0)?, Pool::new(1));
        let how = Integration { system, method: Method::Vector, pool: &pool, stop: &session.stop };
        let figure = Figure::of(&how, drawn, initial.members(), *steps)?;
        picture.write(&Figure { methods, ..figure })
    }
}

/// Where statistics go.
enum Statistics {
    Rows(Sink),
    Store(Box<StatisticsStore>),
}

/// Writes the statistics of a variable at one time.
fn write_row(sink: &mut Sink, record: zwire::StatisticsRecord, session: &mut Session) -> Result<(), Failure> {
    if sink.is_csv() {
        return sink.write(statistics::csv(&record).as_bytes(), 1, session);
    }
    let record = Record::Statistics(Box::new(record));
    if sink.takes_records() {
        return sink.record(&record, session);
    }
    let line = serde_json::to_string(&record).unwrap_or_default();
    sink.write(format!("{line}\n").as_bytes(), 1, session)
}

/// The numbers that are asked for, or 1, 2, 4 and so on up to the cores.
fn numbers_of_threads(wanted: &[u16]) -> Vec<usize> {
    if !wanted.is_empty() {
        return wanted.iter().map(|jobs| usize::from(*jobs)).collect();
    }
    let cores = available_cores();
    let mut numbers: Vec<usize> = (0..).map(|power| 1 << power).take_while(|jobs| *jobs < cores).collect();
    numbers.push(cores);
    numbers
}
