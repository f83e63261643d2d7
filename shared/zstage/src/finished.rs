//! Whether an output that is there already has what a command would write: the documents and the stored objects of every
//! array. Values are not compared, but for small copied coordinates: batches of one archive differ in little else.

use parking_lot::Mutex;
use zarray::{Array, Key, Subset, fill_element, json};
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::array_plan::{ArrayPlan, Rechunk};
use crate::objects::{ItemSource, each_unit, source_of};
use crate::options::{OnBadChunk, WriteOptions};
use crate::output_plan::OutputPlan;
use crate::prepare::Format;
use crate::rechunk::source_hash;
use crate::source_objects::{other_fill, sources_of};
use crate::view::ObjectSource;

/// Of an array with more objects, which of them a rechunked source makes is not worked out.
const MOST_FLAGS: u64 = 1 << 30;

/// Copied arrays of one dimension with no more decoded bytes are compared.
const MOST_COMPARED: u64 = 1 << 20;

/// Stored objects: their number, and the sum of the hashes of their keys in the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stored {
    objects: u64,
    keys: u64,
}

impl Stored {
    fn add(&mut self, key: &str) {
        self.objects += 1;
        self.keys = self.keys.wrapping_add(source_hash(key, None));
    }
}

/// Whether a document that is there (the second text) is as good as the one of the plan, by its key.
type IsSame = dyn Fn(&str, &[u8], &[u8]) -> bool + Sync;

impl OutputPlan<'_> {
    /// Checks that `written` is what this plan writes, whatever attributes it was given since, and counts its objects.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first document that is missing or differs, or the first array that lacks objects; as
    /// [`OutputPlan::prepare`].
    pub fn check_finished(&self, format: Format, written: &Store, options: &WriteOptions) -> Result<u64, Failure> {
        self.check_described(format, written)?;
        let finished = Finished { plan: self, written, may_lack: options.on_bad_chunk == OnBadChunk::Skip };
        // Where each object is asked for, the threads of the pool do that.
        let (listed, others): (Vec<_>, Vec<_>) = self.plans.iter().partition(|plan| finished.is_listed(plan));
        let mut counts = self.pool.map(listed, |plan| finished.check(plan));
        counts.extend(others.into_iter().map(|plan| finished.check(plan)));
        counts.into_iter().sum()
    }

    /// Checks that `written` has the documents of this plan, whatever attributes they were given since.
    ///
    /// # Errors
    /// As [`OutputPlan::check_finished`].
    pub fn check_described(&self, format: Format, written: &Store) -> Result<(), Failure> {
        let is_same = |key: &str, found: &[u8], text: &[u8]| is_only_attributes(key) || describe_alike(found, text);
        self.compare_documents(format, written, &is_same)
    }

    /// Checks that `written` has exactly the documents of this plan, attributes as well: they say what the values mean.
    ///
    /// # Errors
    /// As [`OutputPlan::check_finished`].
    pub fn check_written(&self, format: Format, written: &Store) -> Result<(), Failure> {
        let is_same = |_: &str, found: &[u8], text: &[u8]| {
            found == text || json::parse(found).is_ok_and(|found| json::parse(text).is_ok_and(|text| found == text))
        };
        self.compare_documents(format, written, &is_same)
    }

    fn compare_documents(&self, format: Format, written: &Store, is_same: &IsSame) -> Result<(), Failure> {
        let is_same = |key: &str, text: &[u8]| -> Result<bool, StoreError> {
            let mut found = Vec::new();
            let is_there = written.get(key, &mut found)?.is_some();
            Ok((is_there || is_only_attributes(key)) && is_same(key, &found, text))
        };
        let compared = self.documents(format).write(&self.pool, &|key, text| match is_same(key, text)? {
            true => Ok(()),
            false => Err(Failure::new(
                Exit::Output,
                "the output exists, and was not written by this command from this source",
            )
            .at(written.place(key))
            .hint("use another output, or --overwrite to replace it")),
        });
        compared.map(drop)
    }
}

/// Whether a document holds attributes, or copies of other documents with their attributes.
fn is_only_attributes(key: &str) -> bool {
    matches!(key.rsplit('/').next(), Some(".zattrs" | ".zmetadata"))
}

/// Whether two documents describe the same node but for its attributes. A program that changes these reprints the document.
fn describe_alike(one: &[u8], other: &[u8]) -> bool {
    let node = |text: &[u8]| {
        let mut document = json::parse(text).ok()?;
        let members = document.as_object_mut()?;
        for name in ["attributes", "consolidated_metadata"] {
            members.remove(name);
        }
        Some(document)
    };
    one == other || node(one).is_some_and(|one| node(other) == Some(one))
}

struct Finished<'a> {
    plan: &'a OutputPlan<'a>,
    written: &'a Store,
    /// Whether objects may have been left out on request.
    may_lack: bool,
}

impl Finished<'_> {
    /// Compares the objects of an array with those that its source makes, and counts them.
    fn check(&self, plan: &ArrayPlan) -> Result<u64, Failure> {
        let found = self.found(plan)?;
        let lacks = match self.expected(plan)? {
            None if found.objects == 0 && self.has_source(plan)? => "all its objects are missing".to_owned(),
            None => return Ok(found.objects),
            Some(expected) if found == expected && self.is_same(plan)? => return Ok(found.objects),
            Some(expected) if found.objects < expected.objects => match self.may_lack {
                true => return Ok(found.objects),
                false => {
                    format!("{} of its {} objects are missing", expected.objects - found.objects, expected.objects)
                }
            },
            Some(_) => "its objects are not those of the source".to_owned(),
        };
        Err(Failure::new(Exit::Output, format!("the output exists, but {lacks}"))
            .at(self.written.place(plan.array.key_prefix()))
            .hint("use --overwrite to write it again"))
    }

    /// Whether a small copied coordinate has the bytes of the source; others are not compared.
    fn is_same(&self, plan: &ArrayPlan) -> Result<bool, StoreError> {
        let is_copied = plan.encoding().is_none() && plan.view.is_whole() && plan.array.shape.len() == 1;
        let is_small = plan.array.uncompressed_bytes().is_some_and(|bytes| bytes <= MOST_COMPARED);
        let Some(grid) = plan.array.numbered().filter(|_| is_copied && is_small) else { return Ok(true) };
        for unit in 0..grid.len() {
            let key = plan.array.key(&plan.array.keys.encode(&grid.index(unit)));
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let there = self.plan.store().get(&key, &mut theirs)?.is_some();
            let here = self.written.get(&plan.new_key(&key, Some(unit)), &mut ours)?.is_some();
            if there && here && ours != theirs {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the source is listed, and not asked for each object.
    fn is_listed(&self, plan: &ArrayPlan) -> bool {
        self.plan.listed && plan.view.is_whole()
    }

    /// The objects of an array in the output.
    fn found(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let grid = match plan.rechunk() {
            Some(rechunk) => rechunk.layout.objects(&plan.array.shape),
            None => plan.array.grid.clone(),
        };
        let keys = plan.new_keys.clone().unwrap_or_else(|| plan.array.keys.clone());
        let output = Array { grid, keys, ..plan.array.clone() };
        let mut found = Stored::default();
        for object in self.written.list(output.key_prefix())? {
            let key = object?.key;
            if matches!(output.key_kind(&key), Key::Chunk(_)) {
                found.add(&key);
            }
        }
        Ok(found)
    }

    /// The objects that the source makes; `None` if that cannot be told from which objects it has.
    fn expected(&self, plan: &ArrayPlan) -> Result<Option<Stored>, Failure> {
        match plan.rechunk() {
            None if self.is_listed(plan) => self.listed(plan).map(Some),
            None if plan.view.is_whole() => self.asked(plan).map(Some),
            // Which chunks a shard has, only the shard tells.
            _ if has_shards(plan) => Ok(None),
            None => self.asked(plan).map(Some),
            Some(rechunk) if self.is_listed(plan) => self.rechunked(plan, rechunk),
            Some(_) => Ok(None),
        }
    }

    /// Each source object makes one.
    fn listed(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let mut expected = Stored::default();
        self.each_source(plan, |key, unit| expected.add(&plan.new_key(key, unit)))?;
        Ok(expected)
    }

    /// Each source chunk makes those that overlap it.
    fn rechunked(&self, plan: &ArrayPlan, rechunk: &Rechunk) -> Result<Option<Stored>, Failure> {
        let objects = rechunk.layout.objects(&plan.array.shape).filter(|objects| objects.len() <= MOST_FLAGS);
        let (Some(source), Some(objects)) = (plan.array.numbered(), objects) else { return Ok(None) };
        let whole = Subset::whole(&plan.array.shape);
        let mut are_made = vec![false; objects.len() as usize];
        self.each_source(plan, |_, unit| {
            let chunk = unit.and_then(|unit| source.chunk(&source.index(unit)).intersection(&whole));
            let Some(touched) = chunk.map(|chunk| objects.touched(&chunk)) else { return };
            for member in 0..touched.elements() {
                are_made[objects.number(&touched.member(member)) as usize] = true;
            }
        })?;
        let mut expected = Stored::default();
        let made = are_made.iter().enumerate().filter(|(_, is_made)| **is_made);
        made.for_each(|(number, _)| expected.add(&plan.output_key(&objects.index(number as u64))));
        Ok(Some(expected))
    }

    /// Each object whose source objects are there, one of them at least.
    fn asked(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let expected = Mutex::new(Stored::default());
        let Some(grid) = plan.array.numbered() else { return Ok(Stored::default()) };
        each_unit(&self.plan.pool, plan.units(), |unit| {
            if self.is_made(plan, unit)? {
                expected.lock().add(&plan.output_key(&plan.index(grid, unit)));
            }
            Ok(())
        })?;
        Ok(expected.into_inner())
    }

    fn is_made(&self, plan: &ArrayPlan, unit: u64) -> Result<bool, StoreError> {
        let has = |store: usize, key: &str| Ok(self.plan.stores[store].stat(key)?.is_some());
        match source_of(plan, unit) {
            None => Ok(false),
            Some((key, ItemSource::Own)) => has(0, &key),
            Some((key, ItemSource::View(ObjectSource::Object { piece, .. }))) => {
                has(plan.view.piece(piece).store, &key)
            }
            Some((_, ItemSource::View(ObjectSource::Regions(regions)))) if writes_fill(plan, &regions) => Ok(true),
            Some((_, ItemSource::View(ObjectSource::Regions(regions)))) => {
                let mut found = sources_of(plan, &regions).into_iter().map(|(store, key)| has(store, &key));
                found.find(|found| !matches!(found, Ok(false))).unwrap_or(Ok(false))
            }
        }
    }

    /// Whether the source has any object of an array.
    fn has_source(&self, plan: &ArrayPlan) -> Result<bool, Failure> {
        if self.is_listed(plan) {
            let mut has = false;
            self.each_source(plan, |_, _| has = true)?;
            return Ok(has);
        }
        let units = if plan.array.numbered().is_some() { plan.units() } else { 0 };
        let made = (0..units).map(|unit| self.is_made(plan, unit)).find(|made| !matches!(made, Ok(false)));
        Ok(made.unwrap_or(Ok(false))?)
    }

    fn each_source(&self, plan: &ArrayPlan, mut see: impl FnMut(&str, Option<u64>)) -> Result<(), Failure> {
        for object in self.plan.store().list(plan.array.key_prefix())? {
            let key = object?.key;
            if let Key::Chunk(unit) = plan.array.key_kind(&key) {
                see(&key, unit);
            }
        }
        Ok(())
    }
}

/// Whether missing chunks under `regions` are written, because they are read as another fill value than that of the output.
fn writes_fill(plan: &ArrayPlan, regions: &[(usize, Subset)]) -> bool {
    let Ok(fill) = fill_element(&plan.array) else { return false };
    regions.iter().any(|(number, _)| other_fill(&plan.view.piece(*number), &fill).is_ok_and(|fill| fill.is_some()))
}

/// Whether any source array of a plan has shards.
fn has_shards(plan: &ArrayPlan) -> bool {
    let is_sharded = |array: &Array| array.chain.sharding.is_some();
    is_sharded(&plan.array) || plan.view.pieces().any(|piece| is_sharded(&piece.array))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_not_compared_and_all_else_is() {
        let document = br#"{"shape":[1],"fill_value":NaN,"attributes":{"a":1}}"#;
        let printed = b"{\n  \"shape\": [1], \"fill_value\": NaN, \"attributes\": {}, \"consolidated_metadata\": null}";
        assert!(describe_alike(document, document) && describe_alike(document, printed));
        for other in [&br#"{"shape":[2],"fill_value":NaN}"#[..], br#"{"shape":[1],"fill_value":0}"#, b"[]", b"{"] {
            assert!(!describe_alike(document, other), "{}", String::from_utf8_lossy(other));
        }
        assert!(describe_alike(b"{", b"{"), "what is no JSON is compared as text");
    }
}
