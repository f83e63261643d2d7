//! Batches for tests, and what they become.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool};
use serde_json::{Value, json};
use tempfile::TempDir;

const ROWS: usize = 2;
const COLUMNS: usize = 3;

/// A batch in Zarr v2, without compression: chunks hold one file_id each.
pub struct Batch {
    pub ids: Vec<i64>,
    /// Added to all values of the variable.
    pub offset: f32,
    pub latitudes: Vec<f64>,
    pub units: &'static str,
    pub dtype: &'static str,
    /// File_ids in a chunk of the variable.
    pub chunk: usize,
}

impl Batch {
    pub fn of(ids: impl IntoIterator<Item = i64>) -> Batch {
        Batch {
            ids: ids.into_iter().collect(),
            offset: 0.0,
            latitudes: vec![51.5, 51.25],
            units: "K",
            dtype: "<f4",
            chunk: 1,
        }
    }

    fn value(&self, id: i64, cell: usize) -> f32 {
        self.offset + 100.0 * id as f32 + cell as f32
    }

    pub fn write(&self, path: &Path) {
        let length = self.ids.len();
        document(path, ".zgroup", &json!({"zarr_format": 2}));
        let bytes = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        array(path, "file_id", &[length], &[length.max(1)], "<i8", json!({"_ARRAY_DIMENSIONS": ["file_id"]}));
        if length > 0 {
            fs::write(path.join("file_id/0"), ids).unwrap();
        }
        array(path, "lat", &[ROWS], &[ROWS], "<f8", json!({"_ARRAY_DIMENSIONS": ["lat"], "units": "degrees_north"}));
        fs::write(path.join("lat/0"), bytes(&self.latitudes)).unwrap();
        let attributes = json!({"_ARRAY_DIMENSIONS": ["file_id", "lat", "lon"], "units": self.units});
        array(path, "t2m", &[length, ROWS, COLUMNS], &[self.chunk, ROWS, COLUMNS], self.dtype, attributes);
        for (number, ids) in self.ids.chunks(self.chunk).enumerate() {
            let padded = ids.iter().map(Some).chain(std::iter::repeat(None)).take(self.chunk);
            let values =
                padded.flat_map(|id| (0..ROWS * COLUMNS).map(move |cell| id.map_or(0.0, |id| self.value(*id, cell))));
            let bytes: Vec<u8> = match self.dtype {
                "<f4" => values.flat_map(f32::to_le_bytes).collect(),
                _ => values.flat_map(|value| f64::from(value).to_le_bytes()).collect(),
            };
            fs::write(path.join(format!("t2m/{number}.0.0")), bytes).unwrap();
        }
    }
}

fn document(path: &Path, key: &str, value: &Value) {
    fs::create_dir_all(path.join(key).parent().unwrap()).unwrap();
    fs::write(path.join(key), serde_json::to_vec(value).unwrap()).unwrap();
}

fn array(path: &Path, name: &str, shape: &[usize], chunks: &[usize], dtype: &str, attributes: Value) {
    let metadata = json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": 0,
        "order": "C", "filters": null, "compressor": null});
    document(path, &format!("{name}/.zarray"), &metadata);
    document(path, &format!("{name}/.zattrs"), &attributes);
}

/// Batches in a directory, named `batch_00.zarr` and so on.
pub fn batches(all: &[Batch]) -> (TempDir, Vec<PathBuf>) {
    let directory = harness::directory();
    let paths = all.iter().enumerate().map(|(number, batch)| {
        let path = directory.path().join(format!("batch_{number:02}.zarr"));
        batch.write(&path);
        path
    });
    let paths = paths.collect();
    (directory, paths)
}

pub fn zdedup(paths: &[PathBuf], more: &[&str]) -> Outcome {
    Tool::new("zdedup").args(["--json", "--dim", "file_id"]).args(more).args(paths).run()
}

/// The rows of the output: file_id, and the first value of the variable.
pub fn rows(store: &Path) -> Vec<(i64, f32)> {
    let metadata: Value = serde_json::from_slice(&fs::read(store.join("t2m/.zarray")).unwrap()).unwrap();
    let (length, chunk) = (metadata["shape"][0].as_u64().unwrap(), metadata["chunks"][0].as_u64().unwrap());
    let ids = fs::read(store.join("file_id/0")).unwrap();
    let row = |row: u64| {
        let id = i64::from_le_bytes(ids[8 * row as usize..][..8].try_into().unwrap());
        let bytes = fs::read(store.join(format!("t2m/{}.0.0", row / chunk))).unwrap();
        let at = (row % chunk) as usize * ROWS * COLUMNS * 4;
        (id, f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()))
    };
    (0..length).map(row).collect()
}
