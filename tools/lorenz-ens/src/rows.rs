//! States on the way as rows, one for each time and member: times in order, and the members of a time in order.

use std::fmt::Write;

use zarray::{OrderedMap, Semaphore};
use zcli::{Session, Unit};
use zwire::{Failure, Record, StateRecord, number};

use crate::advance::{Integration, check_stop};
use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::sink::Sink;
use crate::trajectories::time_of;

/// Columns of a row.
pub const COLUMNS: &str = "step,time,member,x,y,z";

/// Rows that are formatted at once by a worker.
const BATCH: usize = 4096;

/// The largest row of text, in bytes.
const ROW_BYTES: u64 = 192;

/// The most bytes of states that wait to be formatted, and the share of the memory that they may take; formatted rows take as much.
const WAITING_BYTES: u64 = 16 << 20;

const WAITING_SHARE: u64 = 4;

/// What is written of an ensemble.
pub struct Rows<'a> {
    pub how: Integration<'a>,
    pub steps: u64,
    pub every: u64,
    /// Memory for rows.
    pub memory: u64,
}

impl Rows<'_> {
    /// Writes all rows; `ensemble` ends at the last time that is written.
    ///
    /// # Errors
    /// A signal; an output that cannot be written.
    pub fn write(&self, ensemble: &mut Ensemble, sink: &mut Sink, session: &mut Session) -> Result<(), Failure> {
        let times = self.steps / self.every + 1;
        let members = ensemble.len();
        let bar = session.status.bar(times.saturating_mul(members as u64), Unit::Rows);
        let waiting_bytes = (self.memory / WAITING_SHARE).min(WAITING_BYTES);
        let at_once = (waiting_bytes / (STATE_BYTES * members.max(1) as u64)).clamp(1, 1024);
        let mut waiting: Vec<(u64, Ensemble)> = Vec::new();
        for time in 0..times {
            check_stop(&session.stop)?;
            if time > 0 {
                self.how.advance(ensemble, self.every)?;
            }
            waiting.push((time * self.every, ensemble.clone()));
            if waiting.len() as u64 == at_once || time + 1 == times {
                self.flush(&waiting, sink, session)?;
                bar.advance(waiting.len() as u64 * members as u64);
                waiting.clear();
            }
        }
        Ok(())
    }

    fn flush(&self, waiting: &[(u64, Ensemble)], sink: &mut Sink, session: &mut Session) -> Result<(), Failure> {
        let dt = self.how.system.dt;
        if sink.takes_records() {
            for (step, ensemble) in waiting {
                for member in 0..ensemble.len() {
                    sink.record(&Record::State(record(*step, dt, member, ensemble)), session)?;
                }
            }
            return Ok(());
        }
        let is_csv = sink.is_csv();
        let pieces = waiting
            .iter()
            .flat_map(|(step, ensemble)| (0..ensemble.len()).step_by(BATCH).map(move |first| (*step, ensemble, first)));
        let format = |(step, ensemble, first): (u64, &Ensemble, usize)| {
            let members = first..ensemble.len().min(first + BATCH);
            let rows = members.len() as u64;
            let lines = if is_csv { csv(step, dt, members, ensemble) } else { json(step, dt, members, ensemble) };
            (lines, rows)
        };
        let memory = Semaphore::new((self.memory / WAITING_SHARE).max(BATCH as u64 * ROW_BYTES));
        let need = |_: &(u64, &Ensemble, usize)| BATCH as u64 * ROW_BYTES;
        let map = OrderedMap::new(self.how.pool, 64).memory(&memory, &need);
        map.run(pieces, format, |(lines, rows)| sink.write(&lines, rows, session))
    }
}

fn record(step: u64, dt: f64, member: usize, ensemble: &Ensemble) -> StateRecord {
    let [x, y, z] = ensemble.state(member).map(number);
    StateRecord { member: member as u64, step, time: time_of(step, dt), x, y, z, ..StateRecord::default() }
}

/// Lines with the shortest digits that read back as the same number.
fn csv(step: u64, dt: f64, members: std::ops::Range<usize>, ensemble: &Ensemble) -> Vec<u8> {
    let mut text = String::with_capacity(members.len() * 80);
    let time = time_of(step, dt);
    for member in members {
        let [x, y, z] = ensemble.state(member);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{step},{time:?},{member},{x:?},{y:?},{z:?}");
    }
    text.into_bytes()
}

fn json(step: u64, dt: f64, members: std::ops::Range<usize>, ensemble: &Ensemble) -> Vec<u8> {
    let mut lines = Vec::with_capacity(members.len() * 140);
    for member in members {
        // A state can always be written as JSON.
        let _ = serde_json::to_writer(&mut lines, &Record::State(record(step, dt, member, ensemble)));
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_they_were() {
        let values = [0.1 + 0.2, -1e-300, f64::NAN];
        let mut ensemble = Ensemble::default();
        ensemble.push(values);
        let text = String::from_utf8(csv(3, 0.1, 0..1, &ensemble)).expect("text");
        assert_eq!(text, "3,0.30000000000000004,0,0.30000000000000004,-1e-300,NaN\n");
        let text = String::from_utf8(json(3, 0.1, 0..1, &ensemble)).expect("text");
        assert!(text.ends_with("\"x\":0.30000000000000004,\"y\":-1e-300,\"z\":\"NaN\"}\n"), "{text}");
    }
}
