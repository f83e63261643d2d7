//! Where findings go: they are filtered, counted, limited and printed here, in the order in which they come.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;
use zarray::Array;
use zcli::Session;
use zwire::{CheckRecord, CheckSummary, Failure, Record, Severity, ValidateSummary};

use crate::commands::command;
use crate::finding::Finding;
use crate::kinds::{KINDS, Kind};
use crate::lists::{Lists, Sign};
use crate::map::Maps;
use crate::policy::Policy;

/// Takes the findings of a run.
pub struct Sink<'s> {
    /// Output, messages, signals.
    pub session: &'s mut Session,
    /// The totals.
    pub summary: ValidateSummary,
    /// Lists of keys that are written besides.
    pub lists: Option<Lists>,
    /// The maps that are drawn.
    pub maps: Maps,
    /// Whether findings are only counted, and errors dropped, because another part reports them.
    pub is_muted: bool,
    policy: &'s Policy,
    /// Findings of a kind about one array that are printed; the others are counted.
    limit: u64,
    /// GitHub workflow commands are printed besides.
    annotations: bool,
    store: String,
    /// Printed and hidden findings of the store by array and kind.
    counts: BTreeMap<(String, Kind), Counts>,
    /// Errors and warnings.
    pub serious: u64,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    shown: u64,
    hidden: u64,
    /// Errors and warnings among them.
    serious: u64,
    severity: Severity,
}

impl<'s> Sink<'s> {
    /// A sink that prints at most `limit` findings of a kind about one array.
    pub fn new(session: &'s mut Session, policy: &'s Policy, limit: u64, annotations: bool) -> Sink<'s> {
        Sink {
            session,
            summary: ValidateSummary::default(),
            lists: None,
            maps: Maps::default(),
            is_muted: false,
            policy,
            limit,
            annotations,
            store: String::new(),
            counts: BTreeMap::new(),
            serious: 0,
        }
    }

    /// The findings that follow are about this store.
    pub fn begin(&mut self, store: &str) {
        self.store = store.to_owned();
    }

    /// Whether findings of this kind are wanted, so that a check for them is worth its time.
    pub fn wants(&self, kind: Kind) -> bool {
        self.policy.wants(kind)
    }

    /// The totals of the checks of chunks.
    pub fn checks(&mut self) -> &mut CheckSummary {
        self.summary.checks.get_or_insert_default()
    }

    /// What is allowed.
    pub fn policy(&self) -> &'s Policy {
        self.policy
    }

    /// Reports a finding.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn emit(&mut self, finding: Finding) -> Result<(), Failure> {
        if !self.policy.reports(&finding) {
            return Ok(());
        }
        let severity = self.policy.severity(&finding);
        if self.is_muted {
            let path = finding.record.path.unwrap_or_default();
            self.counts.entry((path, finding.kind)).or_default().serious += u64::from(severity > Severity::Info);
            return Ok(());
        }
        if let Some(lists) = &mut self.lists {
            lists.finding(&finding, &self.store)?;
        }
        self.summary.findings += 1;
        *self.summary.severities.entry(severity.name().to_owned()).or_default() += 1;
        *self.summary.kinds.entry(finding.kind.about().name.to_owned()).or_default() += 1;
        let serious = u64::from(severity > Severity::Info);
        self.serious += serious;
        let path = finding.record.path.clone().unwrap_or_default();
        let counts = self.counts.entry((path, finding.kind)).or_default();
        counts.severity = counts.severity.max(severity);
        counts.serious += serious;
        if self.limit > 0 && counts.shown >= self.limit {
            counts.hidden += 1;
            return Ok(());
        }
        counts.shown += 1;
        self.print(finding, severity)
    }

    fn print(&mut self, finding: Finding, severity: Severity) -> Result<(), Failure> {
        let about = finding.kind.about();
        let mut record = finding.record;
        (record.kind, record.severity) = (about.name.to_owned(), severity);
        if record.store.is_empty() {
            record.store.clone_from(&self.store);
        }
        if record.hint.is_empty() {
            about.hint.clone_into(&mut record.hint);
        }
        record.command = command(finding.kind, &record);
        if self.annotations {
            self.annotate(&record);
        }
        self.session.out.emit(&Record::Finding(Box::new(record)))
    }

    /// A GitHub workflow command, on stderr, where it is recognised, too.
    fn annotate(&self, record: &zwire::FindingRecord) {
        let command = match record.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let place = [Some(record.store.as_str()), record.path.as_deref(), record.key.as_deref()];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let title = escaped(&record.kind).replace(':', "%3A").replace(',', "%2C");
        self.session
            .status
            .plain(&format!("::{command} title={title}::{}", escaped(&format!("{place}: {}", record.found))));
    }

    /// Reports what was checked of an array, after the findings about it.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn checked(&mut self, mut record: CheckRecord) -> Result<(), Failure> {
        let about = self.counts.range((record.path.clone(), KINDS[0].kind)..);
        let about = about.take_while(|((path, _), _)| *path == record.path);
        record.findings = about.map(|(_, counts)| counts.serious).sum();
        record.store.clone_from(&self.store);
        self.summary.arrays += 1;
        self.session.out.emit(&Record::Check(Box::new(record)))
    }

    /// Something could not be checked.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        if self.is_muted {
            return Ok(());
        }
        if let Some(lists) = &mut self.lists {
            lists.failed(&failure.record().path, &self.store);
        }
        self.session.item_failed(failure)
    }

    /// Lists an object, where lists are written.
    ///
    /// # Errors
    /// A list cannot be written.
    pub fn list(&mut self, sign: Sign, key: &str) -> Result<(), Failure> {
        self.lists.as_mut().map_or(Ok(()), |lists| lists.put(sign, &self.store, key))
    }

    /// Takes note, for the lists, of an object that could not be read or compared.
    pub fn list_failed(&mut self, key: &str) {
        if let Some(lists) = &mut self.lists {
            lists.failed(&format!("{}/{key}", self.store.trim_end_matches('/')), &self.store);
        }
    }

    /// Lists the objects of an array, after the findings about it, where lists are written.
    ///
    /// # Errors
    /// A list cannot be written.
    pub fn list_array(&mut self, array: &Array, present: &RoaringTreemap) -> Result<(), Failure> {
        self.lists.as_mut().map_or(Ok(()), |lists| lists.array(array, present, &self.store))
    }

    /// Takes note of a finding that is not reported, for the lists.
    ///
    /// # Errors
    /// A list cannot be written.
    pub fn note(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.lists.as_mut().map_or(Ok(()), |lists| lists.finding(finding, &self.store))
    }

    /// Completes the lists.
    ///
    /// # Errors
    /// A list cannot be written.
    pub fn finish_lists(&mut self) -> Result<(), Failure> {
        self.lists.take().map_or(Ok(()), Lists::finish)
    }

    /// The findings about the store are complete: those that were not printed are counted in one for each kind and array.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn end(&mut self) -> Result<(), Failure> {
        for ((path, kind), counts) in std::mem::take(&mut self.counts) {
            if counts.hidden == 0 {
                continue;
            }
            let found = format!("{} more of this kind; --limit 0 prints all", counts.hidden);
            let finding = Finding::new(kind, found).count(counts.hidden);
            let finding = if path.is_empty() { finding } else { finding.path(&path) };
            self.print(finding, counts.severity)?;
        }
        Ok(())
    }
}
