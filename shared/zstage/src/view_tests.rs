//! Crops and joins, from a small store to an output that is read back: values, and which objects were copied as they were.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zarray::{Array, ArrayValues, Hierarchy, Node, Pool, Subset, read_whole};
use zcodec::{Blosc, Cname, Compressor, Shuffle, Workspace};
use zstore::{Location, Store, StoreOptions};
use zwire::{Exit, Failure, Record};

use super::*;
use crate::output_plan::PartRun;
use crate::prepare::Format;
use crate::publish::publish;
use crate::read_documents::check_documents;
use crate::{
    Action, ArrayPlan, ArrayStats, ArrivalCheck, Attributes, Begin, Command, Encoding, NoProgress, OnBadChunk,
    OnChange, OutputPlan, Planned, Progress, Sources, StagedStore, Summary, Totals, Verify, WriteOptions, Writer, run,
};

/// A tool whose only plan is a view.
struct ViewTool<'a> {
    view: &'a (dyn Fn(&Arc<Array>) -> Result<View, ViewError> + Sync),
    compressor: Option<Compressor>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Body {}

impl Writer for ViewTool<'_> {
    type Body = Body;

    const TOOL: &'static str = "view_tool";

    fn body(&self, _: Option<&Body>, _: &Sources) -> Result<Body, Failure> {
        Ok(Body {})
    }

    fn plan(&self, _: &Body, _: Begin, _: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        let array = Arc::new(array);
        let view = (self.view)(&array).map_err(|error| Failure::usage(error.to_string()))?;
        let encoding = |compressor: &Compressor| {
            let chain = array.chain.innermost();
            Action::Recompress(Encoding::new(*compressor, chain, array.format))
        };
        let action = self.compressor.as_ref().map_or(Action::Copy("as it is"), encoding);
        Ok(Some(ArrayPlan::of_view(&array, view, action)))
    }

    fn record(&self, _: &str, _: &ArrayPlan, _: &ArrayStats) -> Option<Record> {
        None
    }
}

fn options(resume: bool) -> WriteOptions {
    WriteOptions {
        begin: Begin::New,
        resume,
        dry_run: false,
        prepare: None,
        verify: Verify::Full,
        arrival: ArrivalCheck::None,
        on_bad_chunk: OnBadChunk::Error,
        on_change: OnChange::Refetch,
        checkpoint: std::time::Duration::from_secs(1),
        backup: None,
        keep_journal: None,
        jobs: 2,
        nthreads: None,
        memory_bytes: 64 << 20,
        scratch: crate::ScratchPlace::BesideOutput,
        requests: None,
        store: StoreOptions::default(),
    }
}

/// Elements of the array that the tests start from: all different.
fn element(index: &[u64]) -> u16 {
    (100 * index[0] + index[1] + 1) as u16
}

/// Makes the array `/x` of `shape` in chunks (in v3: shards of two by two inner chunks) of `chunks`; the chunk at the end of
/// the first dimension is absent where `holes`.
fn make(directory: &Path, shape: [u64; 2], chunks: [u64; 2], sharded: bool, holes: bool) {
    let blosc = Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle);
    let file = |key: &str, bytes: &[u8]| {
        let path = directory.join(key);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("makes");
        std::fs::write(path, bytes).expect("writes");
    };
    let encode = |chunk: &Subset| {
        let value = |number| {
            let index = chunk.member(number);
            let inside = index[0] < shape[0] && index[1] < shape[1];
            if inside { element(&index) } else { 0 }
        };
        let raw: Vec<u8> = (0..chunk.elements()).flat_map(|number| value(number).to_le_bytes()).collect();
        let mut encoded = Vec::new();
        blosc.compress(2, &raw, &mut encoded, 1, &mut Workspace::default()).expect("compresses");
        encoded
    };
    let grid = zarray::Grid::new(shape.to_vec(), chunks.to_vec()).expect("a grid");
    let (group, document) = match sharded {
        false => (
            json!({"zarr_format": 2}),
            json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<u2", "fill_value": 9, "order": "C",
                "filters": null, "compressor": blosc.to_v2()}),
        ),
        true => (
            json!({"zarr_format": 3, "node_type": "group"}),
            json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint16", "fill_value": 9,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "attributes": {},
                "codecs": [{"name": "sharding_indexed", "configuration": {
                    "chunk_shape": [chunks[0] / 2, chunks[1] / 2], "index_location": "end",
                    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
                        Compressor::Blosc(blosc).to_v3(2)],
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]}),
        ),
    };
    file(if sharded { "zarr.json" } else { ".zgroup" }, group.to_string().as_bytes());
    file(if sharded { "x/zarr.json" } else { "x/.zarray" }, document.to_string().as_bytes());
    let last = grid.counts()[0] - 1;
    for index in (0..grid.len()).map(|number| grid.index(number)).filter(|index| !holes || index[0] < last) {
        let object = Subset::chunk(&index, &chunks);
        let (key, bytes) = match sharded {
            false => (format!("x/{}.{}", index[0], index[1]), encode(&object)),
            true => {
                let inner = object.chunks(&[chunks[0] / 2, chunks[1] / 2]);
                let layout =
                    zarray::IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: inner.elements() };
                let (mut shard, mut bytes) = (zarray::ShardBuilder::new(layout), Vec::new());
                for number in 0..inner.elements() {
                    let chunk = encode(&Subset::chunk(&inner.member(number), &[chunks[0] / 2, chunks[1] / 2]));
                    shard.append(number as usize, chunk.len());
                    bytes.extend(chunk);
                }
                bytes.extend(shard.finish().append);
                (format!("x/c/{}/{}", index[0], index[1]), bytes)
            }
        };
        file(&key, &bytes);
    }
}

/// Runs the tool on `in.zarr`, and returns its totals.
fn write(directory: &Path, tool: &ViewTool, resume: bool) -> Result<Totals, Failure> {
    write_watched(directory, tool, resume, &NoProgress)
}

fn write_watched(directory: &Path, tool: &ViewTool, resume: bool, progress: &dyn Progress) -> Result<Totals, Failure> {
    let source = directory.join("in.zarr").into_os_string();
    let command = Command::Run { sources: vec![source.into()], output: Location::Local(directory.join("out.zarr")) };
    match run(tool, &command, &options(resume), progress)?.summary {
        Summary::Totals(totals) => Ok(totals),
        other => panic!("no totals: {other:?}"),
    }
}

/// Shape and elements of `/x` in a store.
fn read(store: &Path) -> (Vec<u64>, Vec<u16>) {
    let (store, pool) = (Store::open(store.as_os_str(), &StoreOptions::default()).expect("opens"), Pool::new(1));
    let hierarchy = Hierarchy::open(&store, &pool, false).expect("opens");
    let mut array = None;
    hierarchy.walk(
        &pool,
        |visit| visit.expect("a node"),
        |node| {
            if let Node::Array(found) = node {
                array = Some(*found);
            }
            true
        },
    );
    let array = array.expect("an array");
    match read_whole(&store, &array, &pool, 1 << 30).expect("reads") {
        ArrayValues::Fixed { bytes, .. } => {
            let elements = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            (array.shape, elements.collect())
        }
        ArrayValues::Variable(_) => panic!("numbers"),
    }
}

fn expected(indices: impl Iterator<Item = [u64; 2]>) -> Vec<u16> {
    indices.map(|index| element(&index)).collect()
}

fn cropped(array: &Arc<Array>, rows: Range<u64>, columns: Range<u64>) -> Result<View, ViewError> {
    View::crop(0, array, &[vec![rows], vec![columns]])
}

#[test]
fn a_crop_copies_the_stored_bytes_under_new_keys() {
    let directory = tempfile::tempdir().expect("directory");
    make(&directory.path().join("in.zarr"), [10, 7], [4, 3], false, false);
    let tool = ViewTool { view: &|array| cropped(array, 4..9, 3..7), compressor: None };
    let totals = write(directory.path(), &tool, false).expect("writes");
    assert_eq!((totals.objects, totals.recompressed, totals.verified), (4, 0, 4));
    let values = expected((4..9).flat_map(|row| (3..7).map(move |column| [row, column])));
    assert_eq!(read(&directory.path().join("out.zarr")), (vec![5, 4], values));
    for (from, to) in [("1.1", "0.0"), ("1.2", "0.1"), ("2.1", "1.0"), ("2.2", "1.1")] {
        let bytes =
            |store: &str, key: &str| std::fs::read(directory.path().join(store).join("x").join(key)).expect("is there");
        assert_eq!(bytes("in.zarr", from), bytes("out.zarr", to));
    }
}

#[test]
fn a_crop_is_transcoded_object_by_object() {
    for sharded in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        make(&directory.path().join("in.zarr"), [12, 8], [4, 4], sharded, false);
        let zstd = Compressor::Blosc(Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle));
        let tool = ViewTool { view: &|array| cropped(array, 4..11, 0..6), compressor: Some(zstd) };
        let totals = write(directory.path(), &tool, false).expect("writes");
        assert_eq!((totals.objects, totals.recompressed), (4, 4));
        let values = expected((4..11).flat_map(|row| (0..6).map(move |column| [row, column])));
        assert_eq!(read(&directory.path().join("out.zarr")), (vec![7, 6], values));
    }
}

/// Between chunk boundaries, and of two ranges of a dimension in another order than stored.
#[test]
fn a_crop_between_chunk_boundaries_assembles() {
    for sharded in [false, true] {
        for (rows, columns) in
            [(vec![1..3], vec![5..7]), (vec![8..10, 0..3], vec![0..4]), (vec![4..9], vec![6..8, 0..2])]
        {
            let directory = tempfile::tempdir().expect("directory");
            make(&directory.path().join("in.zarr"), [10, 8], [4, 4], sharded, false);
            let ranges = [rows.clone(), columns.clone()];
            let tool = ViewTool { view: &|array| View::crop(0, array, &ranges), compressor: None };
            write(directory.path(), &tool, false).expect("writes");
            let (rows, columns): (Vec<u64>, Vec<u64>) =
                (rows.into_iter().flatten().collect(), columns.into_iter().flatten().collect());
            let values = expected(rows.iter().flat_map(|row| columns.iter().map(|column| [*row, *column])));
            let shape = vec![rows.len() as u64, columns.len() as u64];
            assert_eq!(read(&directory.path().join("out.zarr")), (shape, values), "{ranges:?}");
        }
    }
}

fn twice(array: &Arc<Array>) -> Result<View, ViewError> {
    View::join(vec![(0, Arc::clone(array)), (0, Arc::clone(array))], 0)
}

fn both(rows: u64, columns: u64) -> Vec<u16> {
    let once = move || (0..rows).flat_map(move |row| (0..columns).map(move |column| [row, column]));
    expected(once().chain(once()))
}

#[test]
fn a_join_on_chunk_boundaries_copies() {
    for sharded in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        make(&directory.path().join("in.zarr"), [8, 6], [4, 4], sharded, false);
        let totals = write(directory.path(), &ViewTool { view: &twice, compressor: None }, false).expect("writes");
        assert_eq!((totals.objects, totals.recompressed), (8, 0));
        assert_eq!(read(&directory.path().join("out.zarr")), (vec![16, 6], both(8, 6)));
    }
}

#[test]
fn a_join_between_chunk_boundaries_assembles() {
    for sharded in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        make(&directory.path().join("in.zarr"), [10, 6], [4, 4], sharded, false);
        let totals = write(directory.path(), &ViewTool { view: &twice, compressor: None }, false).expect("writes");
        // Of five rows of objects, the first two have one source object each, under the others lie two. Shards are made of the
        // stored inner chunks of both.
        assert_eq!((totals.objects, totals.recompressed), (10, if sharded { 0 } else { 6 }));
        assert_eq!(read(&directory.path().join("out.zarr")), (vec![20, 6], both(10, 6)));
    }
}

/// Does something once all the work is done, before the output is published.
struct AtTheEnd<'a>(&'a (dyn Fn() + Sync));

impl Progress for AtTheEnd<'_> {
    fn start(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn skip(&self, _: u64) {}
    fn finish(&self) {
        (self.0)();
    }
    fn phase(&self, _: &'static str, _: f64) {}
    fn warn(&self, _: &str) {}
    fn item_failed(&self, _: &Failure) -> Result<(), Failure> {
        Ok(())
    }
    fn emit(&self, _: &Record) -> Result<(), Failure> {
        Ok(())
    }
    fn stopped(&self) -> Option<Exit> {
        None
    }
    fn too_late(&self) {}
}

/// Every source object of an object that has several: changed, removed, added.
#[test]
fn a_source_of_several_that_changes_before_the_end_is_not_published() {
    for sharded in [false, true] {
        for (key, content) in [("1", Some(b"changed")), ("0", None), ("2", Some(b"came in"))] {
            let directory = tempfile::tempdir().expect("directory");
            make(&directory.path().join("in.zarr"), [10, 6], [4, 4], sharded, true);
            let name = if sharded { format!("x/c/{key}/1") } else { format!("x/{key}.1") };
            let path = directory.path().join("in.zarr").join(name);
            let old = std::fs::read(&path).ok();
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("makes");
            let change = || match content {
                Some(content) => std::fs::write(&path, content).expect("writes"),
                None => std::fs::remove_file(&path).expect("removes"),
            };
            let tool = ViewTool { view: &twice, compressor: None };
            let refused = write_watched(directory.path(), &tool, false, &AtTheEnd(&change)).expect_err("it changed");
            assert_eq!(refused.exit, Exit::Output, "{refused}");
            assert!(refused.to_string().contains("another program") && !directory.path().join("out.zarr").exists());
            match old {
                Some(old) => std::fs::write(&path, old).expect("writes"),
                None => std::fs::remove_file(&path).expect("removes"),
            }
            write(directory.path(), &tool, true).expect("goes on");
            assert_eq!(read(&directory.path().join("out.zarr")).0, [20, 6]);
        }
    }
}

#[test]
fn absent_objects_stay_absent_or_are_filled() {
    let directory = tempfile::tempdir().expect("directory");
    make(&directory.path().join("in.zarr"), [10, 6], [4, 4], false, true);
    write(directory.path(), &ViewTool { view: &twice, compressor: None }, false).expect("writes");
    let (shape, values) = read(&directory.path().join("out.zarr"));
    let row = |row: u64| -> Vec<u16> {
        (0..6).map(|column| if row % 10 < 8 { element(&[row % 10, column]) } else { 9 }).collect()
    };
    assert_eq!((shape, values), (vec![20, 6], (0..20).flat_map(row).collect()));
    assert!(!directory.path().join("out.zarr/x/4.0").exists() || row(16)[0] != 9);
}

#[test]
fn what_lies_under_an_object_follows_from_its_index() {
    let directory = tempfile::tempdir().expect("directory");
    make(&directory.path().join("in.zarr"), [10, 6], [4, 4], false, false);
    let array = Arc::new(crate::rechunk::testing::open_array(&directory.path().join("in.zarr"), "/x"));
    let view = twice(&array).expect("joins");
    let grid = zarray::Grid::new(vec![20, 6], vec![4, 4]).expect("a grid");
    let under = |row, column| view.under(&grid, &[row, column]);
    assert_eq!(under(1, 1), ObjectSource::Object { piece: 0, index: vec![1, 1] });
    let box_of = |start: [u64; 2], shape: [u64; 2]| Subset::new(start.to_vec(), shape.to_vec());
    assert_eq!(under(2, 0), ObjectSource::Regions(vec![(0, box_of([8, 0], [2, 4])), (1, box_of([10, 0], [2, 4]))]));
    assert_eq!(under(3, 1), ObjectSource::Regions(vec![(1, box_of([12, 4], [4, 2]))]));
    for rows in [8..12, 3..3] {
        assert_eq!(cropped(&array, rows, 0..4).map(drop), Err(ViewError::Outside("/x".into())));
    }
    assert_eq!(View::crop(0, &array, &[vec![0..4]]).map(drop), Err(ViewError::Outside("/x".into())));
    assert_eq!(View::join(Vec::new(), 0).map(drop), Err(ViewError::Empty));
    let mut other = (*array).clone();
    other.dtype = Value::from("<f4");
    let different = View::join(vec![(0, Arc::clone(&array)), (0, Arc::new(other))], 0).map(drop);
    assert_eq!(different, Err(ViewError::Different { path: "/x".into(), other: "/x".into() }));
}

#[test]
fn a_refused_view_leaves_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    make(&directory.path().join("in.zarr"), [10, 6], [4, 4], false, false);
    let tool = ViewTool { view: &|array| cropped(array, 8..12, 0..2), compressor: None };
    let source = directory.path().join("in.zarr").into_os_string();
    let command =
        Command::Run { sources: vec![source.into()], output: Location::Local(directory.path().join("out.zarr")) };
    let outcome = run(&tool, &command, &options(false), &NoProgress).expect("ends");
    assert_eq!(outcome.exit, Exit::Usage);
    assert_eq!(std::fs::read_dir(directory.path()).expect("lists").count(), 1);
}

#[test]
fn a_finished_view_that_lacks_an_object_is_not_complete() {
    for holes in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        make(&directory.path().join("in.zarr"), [10, 6], [4, 4], false, holes);
        let tool = ViewTool { view: &twice, compressor: None };
        write(directory.path(), &tool, false).expect("writes");
        let again = || {
            let source = directory.path().join("in.zarr").into_os_string();
            let output = Location::Local(directory.path().join("out.zarr"));
            let command = Command::Run { sources: vec![source.into()], output };
            run(&tool, &command, &options(true), &NoProgress)
        };
        assert!(matches!(again().expect("ends").summary, Summary::Complete { .. }), "{holes}");
        std::fs::remove_file(directory.path().join("out.zarr/x/3.1")).expect("removes");
        let refused = again().expect_err("one is missing");
        assert!(refused.exit == Exit::Output && refused.to_string().contains("1 of its"), "{refused}");
    }
}

/// A view of two stores: the documents of both are compared before it is published.
#[test]
fn documents_of_the_second_source_that_change_before_the_end_are_noticed() {
    for sharded in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        let stores = ["one.zarr", "two.zarr"].map(|name| {
            make(&directory.path().join(name), [8, 6], [4, 4], sharded, false);
            Store::open(directory.path().join(name).as_os_str(), &StoreOptions::default()).expect("opens")
        });
        let second = Arc::new(crate::rechunk::testing::open_array(&directory.path().join("two.zarr"), "/x"));
        let plan_array = |_: &Store, array: Array| {
            let array = Arc::new(array);
            let view = View::join(vec![(0, Arc::clone(&array)), (1, Arc::clone(&second))], 0);
            Ok(Some(ArrayPlan::of_view(&array, view.expect("joins"), Action::Copy("as it is"))))
        };
        let (output, options) = (Location::Local(directory.path().join("out.zarr")), options(false));
        let sources = Sources::open(&stores, &output, &options, false).expect("opens");
        let planned = OutputPlan::read(&sources, &output, &options, &plan_array, &NoProgress).expect("reads");
        let Planned::Possible(mut plan) = planned else { panic!("it is possible") };
        plan.divide(&output, &options, None).expect("fits");
        let staged = StagedStore::begin(&output, Begin::New, &options.store).expect("begins");
        let format = Format { wanted: None, convert: None, attributes: &Attributes::new() };
        let file = plan.prepare("view_tool", Body {}, format, &staged, &options, &NoProgress).expect("prepares");
        let record = |_: &ArrayPlan, _: &ArrayStats| None;
        let run = PartRun {
            options: &options,
            staged: &staged,
            header: &file.header,
            part: zarray::Part::WHOLE,
            whole: true,
            record: &record,
            progress: &NoProgress,
        };
        plan.work(&run).expect("works");
        let check = || check_documents(&staged, &stores, &file.header, &plan.pool);
        check().expect("nothing has changed");
        let name = if sharded { "two.zarr/x/zarr.json" } else { "two.zarr/x/.zarray" };
        let text = std::fs::read_to_string(directory.path().join(name)).expect("reads");
        std::fs::write(directory.path().join(name), text.replace(":9", ":8")).expect("writes");
        let refused = check().expect_err("its fill value has changed");
        assert!(refused.to_string().contains("two.zarr") && refused.exit == Exit::Output, "{refused}");
        publish(staged, &file.header, &stores, &plan.pool, None).expect_err("is not published");
        assert!(!directory.path().join("out.zarr").exists());
    }
}
