//! Every array of a store: what is listed of it, then its chunks; and the store as a whole.

use serde_json::Value;
use zarray::{Array, ChunkReader, Grid, Number};
use zcli::Bar;
use zstore::StoreError;
use zwire::{CheckRecord, Failure, Severity, human_bytes};

use crate::checks::across::Digest;
use crate::checks::chunks::{self, ChunksResult};
use crate::checks::completeness::{ArrayCheck, Counts};
use crate::checks::drawn::Drawn;
use crate::checks::fill::Fill;
use crate::checks::listing::Listing;
use crate::checks::nan::About;
use crate::checks::object::Job;
use crate::checks::presence::Presence;
use crate::checks::values::Values;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::labels::Labels;
use crate::level::Level;
use crate::open::Context;
use crate::sink::Sink;

/// Lists the store and checks each of its arrays.
///
/// # Errors
/// The store cannot be listed, or the output cannot be written.
pub fn check(
    context: &Context,
    labels: &Labels,
    bar: &Bar,
    digest: &mut Digest,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let mut listing = Listing::take(context)?;
    if listing.is_none() && context.level == Level::List {
        let error = StoreError::NotListable { place: context.store.place("") };
        let hint = "use --level header, which asks for each chunk, or the s3:, gs: or az: URL of the store";
        return Err(Failure::from(error).hint(hint));
    }
    let is_first = context.division.has_rest();
    if is_first {
        unfinished(context, sink)?;
    }
    if let Some(listing) = &mut listing {
        listing.failures(context, sink)?;
        sink.is_muted = !is_first;
        listing.strays(sink)?;
        sink.is_muted = false;
    }
    if sink.maps.has_pictures() {
        sink.maps.begin(context.own_arrays().count());
    }
    let described = context.nodes.dataset.described_by();
    let (mut bytes, mut decoded) = (0u64, 0u64);
    for array in context.own_arrays() {
        if sink.session.stop.requested().is_some() {
            return Ok(());
        }
        let is_coordinate = described.contains_key(array.path.as_str());
        let check = OneArray { context, labels, listing: listing.as_ref(), array, is_coordinate };
        let record = check.run(bar, digest, sink)?;
        bytes += record.stored_bytes.unwrap_or(0);
        decoded = decoded.saturating_add(decoded_bytes(array));
        sink.checked(record)?;
    }
    *sink.summary.stored_bytes.get_or_insert_default() += bytes;
    let total = sink.checks();
    total.uncompressed_bytes = total.uncompressed_bytes.saturating_add(decoded);
    if is_first {
        whole(context, listing.as_ref(), (bytes, decoded), digest, sink)?;
    }
    Ok(())
}

/// A run that writes this store, or wrote it once, and has not been finished: its plan lies beside it.
fn unfinished(context: &Context, sink: &mut Sink) -> Result<(), Failure> {
    let Some(path) = context.store.location().local().filter(|_| context.store.is_directory()) else { return Ok(()) };
    let Some(name) = path.canonicalize().ok().and_then(|path| path.into_os_string().into_string().ok()) else {
        return Ok(());
    };
    let plan = format!("{name}.plan");
    if !std::path::Path::new(&plan).is_dir() {
        return Ok(());
    }
    sink.emit(Finding::new(Kind::UnfinishedOutput, format!("{plan} is there")))
}

/// Bytes of an array, decoded; of one of which only some chunks were fetched, of these.
fn decoded_bytes(array: &Array) -> u64 {
    match (&array.fetched, array.numbered()) {
        (Some(fetched), Some(grid)) => {
            let object = grid.chunk_elements().saturating_mul(array.itemsize.unwrap_or(0));
            object.saturating_mul(fetched.len()).min(array.uncompressed_bytes().unwrap_or(0))
        }
        _ => array.uncompressed_bytes().unwrap_or(0),
    }
}

/// The store as a whole. A part knows the sizes of the arrays of other parts only where the store is listed.
fn whole(
    context: &Context,
    listing: Option<&Listing>,
    (bytes, decoded): (u64, u64),
    digest: &mut Digest,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let (bytes, decoded) = match listing {
        _ if context.division.is_whole() => (bytes, decoded),
        Some(listing) => context.arrays().fold((0, 0u64), |(bytes, decoded), array| {
            let stored = listing.arrays.get(&array.path).map_or(0, |presence| presence.bytes);
            (bytes + stored, decoded.saturating_add(decoded_bytes(array)))
        }),
        None => {
            sink.session.status.warn("the size of a store that cannot be listed is not known to a part: not checked");
            return Ok(());
        }
    };
    digest.bytes = Some(bytes);
    store_size(context, bytes, decoded, sink)
}

/// The size of the store against what is expected of it.
fn store_size(context: &Context, bytes: u64, decoded: u64, sink: &mut Sink) -> Result<(), Failure> {
    let expect = &context.options.expect;
    if let Some(least) = expect.min_size.filter(|least| bytes < *least) {
        let finding = Finding::new(Kind::StoreTooSmall, human_bytes(bytes));
        sink.emit(finding.expected(format!("at least {} (--min-size)", human_bytes(least))))?;
    }
    let ratio = bytes as f64 / decoded.max(1) as f64;
    if let Some(least) = expect.min_ratio.filter(|least| decoded > 0 && ratio < *least) {
        let found = format!("{} stored of {} decoded: {:.3}%", human_bytes(bytes), human_bytes(decoded), ratio * 100.0);
        let finding = Finding::new(Kind::LowRatio, found);
        sink.emit(finding.expected(format!("at least {:.3}% (--min-ratio)", least * 100.0)))?;
    }
    Ok(())
}

/// One array.
struct OneArray<'a> {
    context: &'a Context<'a>,
    labels: &'a Labels<'a>,
    listing: Option<&'a Listing>,
    array: &'a Array,
    is_coordinate: bool,
}

impl OneArray<'_> {
    fn run(&self, bar: &Bar, digest: &mut Digest, sink: &mut Sink) -> Result<CheckRecord, Failure> {
        let nothing = Presence::default();
        let listed = self.listing.map(|listing| listing.arrays.get(&self.array.path).unwrap_or(&nothing));
        let mut counts = Counts::default();
        if let Some(presence) = listed {
            counts = self.presence(presence, sink)?;
        }
        let mut record = CheckRecord {
            path: self.array.path.clone(),
            level: self.context.level.name().to_owned(),
            stored_bytes: listed.map(|presence| presence.bytes),
            ..CheckRecord::default()
        };
        if self.context.level > Level::List {
            let found = self.chunks(listed, &mut counts, bar, digest, &mut record, sink)?;
            if let Some(found) = found.filter(|_| self.listing.is_none()) {
                record.stored_bytes = Some(found.bytes);
                counts = self.presence(&found, sink)?;
                sink.list_array(self.array, &found.present)?;
            }
        }
        if let Some(presence) = listed {
            sink.list_array(self.array, &presence.present)?;
        }
        if self.context.level == Level::List {
            record.map = self.drawn().add(listed.unwrap_or(&nothing), None, &mut sink.maps);
        }
        (record.expected, record.present, record.missing) = (counts.expected, Some(counts.present), counts.missing);
        let summary = sink.checks();
        summary.objects_present += counts.present;
        summary.objects_expected = summary.objects_expected.saturating_add(counts.expected.unwrap_or(counts.present));
        summary.objects_missing = summary.objects_missing.saturating_add(counts.missing.unwrap_or(0));
        Ok(record)
    }

    /// What is missing.
    fn presence(&self, presence: &Presence, sink: &mut Sink) -> Result<Counts, Failure> {
        let empty = Listing::default();
        let listing = self.listing.unwrap_or(&empty);
        ArrayCheck::new(self.context, self.labels, listing, self.array, presence).report(sink)
    }

    fn drawn(&self) -> Drawn<'_> {
        let OneArray { context, labels, array, is_coordinate, .. } = *self;
        Drawn { context, labels, array, is_coordinate }
    }

    fn chunks(
        &self,
        listed: Option<&Presence>,
        counts: &mut Counts,
        bar: &Bar,
        digest: &mut Digest,
        record: &mut CheckRecord,
        sink: &mut Sink,
    ) -> Result<Option<Presence>, Failure> {
        let reader = ChunkReader::new(self.context.store, self.array).ok();
        let reader = reader.map(|reader| reader.with_limit(self.context.options.memory));
        let full = self.context.level == Level::Full;
        if reader.is_none() && full {
            sink.summary.arrays_unchecked += 1;
        }
        let values = match reader.as_ref().filter(|_| full).map(|reader| Values::new(self.array, reader)) {
            Some(Ok(values)) => values,
            Some(Err(reason)) => {
                sink.emit(Finding::of(Kind::ValuesNotChecked, self.array, reason))?;
                None
            }
            None => None,
        };
        let job = Job {
            context: self.context,
            array: self.array,
            reader: reader.as_ref(),
            values: values.as_ref(),
            presence: listed,
        };
        let mut result = chunks::check(&job, bar, sink)?;
        let total = sink.checks();
        (total.chunks_checked, total.chunks_damaged) =
            (total.chunks_checked + result.chunks, total.chunks_damaged + result.damaged);
        (record.chunks_checked, record.chunks_damaged) = (Some(result.chunks), Some(result.damaged));
        if result.inner_missing > 0 {
            self.inner(&result, listed.unwrap_or(&Presence::default()), sink)?;
        }
        if let (Some(reader), Some(values)) = (&reader, &values) {
            let present = result.found.as_ref().map_or(counts.present, |found| found.present.len());
            self.values((reader.grid(), values), present, &result, record, digest, sink)?;
        }
        let presence = result.found.as_ref().or(listed);
        record.map = self.drawn().add(presence.unwrap_or(&Presence::default()), Some(&result), &mut sink.maps);
        Ok(result.found.take())
    }

    /// Inner chunks that are missing: one by one where every shard could be looked into, else together.
    fn inner(&self, result: &ChunksResult, presence: &Presence, sink: &mut Sink) -> Result<(), Failure> {
        let is_all = self.context.sample_is_all() && result.lost_shards == 0 && self.array.fetched.is_none();
        let shards = self.array.numbered().map(Grid::len);
        let found = result.found.as_ref().map_or(presence.present.len(), |found| found.present.len());
        if let Some(grid) = self.array.chunk_grid().filter(|_| is_all && shards == Some(found)) {
            let empty = Listing::default();
            let check = ArrayCheck::new(self.context, self.labels, &empty, self.array, presence);
            return check.inner(&grid, &result.inner_present, sink);
        }
        let found = format!("{} of the inner chunks of stored shards", result.inner_missing);
        let finding = Finding::of(Kind::MissingInnerChunks, self.array, found).count(result.inner_missing);
        let is_serious = self.context.options.expect.chunks.is_some() || Fill::of(self.array) != Fill::Ordinary;
        sink.emit(if is_serious { finding.severity(Severity::Warning) } else { finding })
    }

    /// The values, as a whole.
    fn values(
        &self,
        (grid, values): (&Grid, &Values),
        present: u64,
        result: &ChunksResult,
        record: &mut CheckRecord,
        digest: &mut Digest,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let Some(found) = &result.values else { return Ok(()) };
        let stats = &found.stats;
        let all = self.array.shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let is_all = result.is_complete;
        let missing = if is_all && self.array.fetched.is_none() { all.saturating_sub(stats.values) } else { 0 };
        // Where the fill value is an ordinary value, readers get no NaN for a missing chunk.
        let unknown = if Fill::of(self.array) == Fill::Ordinary { 0 } else { missing };
        (record.values, record.nan_share) = (Some(stats.values), found.share(stats.nan));
        record.fill_share = found.share(stats.fill).filter(|_| stats.fill > 0);
        record.missing_share = (missing > 0).then(|| missing as f64 / all as f64);
        if let Some([min, max]) = values.extremes(stats) {
            (record.min, record.max) = (Some(number(min)), Some(number(max)));
            digest.range(&self.array.path, stats.min, stats.max);
        }
        let about = About {
            context: self.context,
            labels: self.labels,
            array: self.array,
            grid,
            values,
            missing: unknown,
            is_complete: is_all && present > 0,
            is_coordinate: self.is_coordinate,
        };
        found.report(&about, sink)
    }
}

/// A number as records have it: infinities as strings, integers with all of their digits.
fn number(value: Number) -> Value {
    match value {
        Number::Float(f64::INFINITY) => "Infinity".into(),
        Number::Float(f64::NEG_INFINITY) => "-Infinity".into(),
        Number::Float(value) => value.into(),
        Number::Int(value) => {
            let unsigned = || u64::try_from(value).ok().map(Value::from);
            i64::try_from(value).ok().map(Value::from).or_else(unsigned).unwrap_or(Value::Null)
        }
    }
}
