//! One NumPy matrix of rows and features, with the keys of its rows in a CSV file next to it.
//!
//! Format version 1.0 (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>): magic, version,
//! header length as two bytes, the header as a Python literal padded to a multiple of 64 bytes, then the elements.

use std::fs::File;
use std::io::{self, Seek, Write};

use zarray::Pool;
use zwire::Failure;

use super::element::Element;
use super::failure::{unsupported_missing, write_failed, wrong_count};
use super::staging::Staged;
use super::text::{Outlet, Text, in_order};
use super::{Options, Shape, Sink, Written, columns, csv};
use crate::batch::{Batch, Schema};

/// Header space for the number of rows, in digits.
const ROW_DIGITS: usize = 20;

/// Writer of a matrix.
pub struct Npy {
    matrix: Matrix,
    out: Outlet,
    file: File,
    rows: u64,
    planned: u64,
    keys: Box<Text>,
}

/// Element type and column names.
struct Matrix {
    element: Element,
    features: Vec<String>,
}

impl Npy {
    /// Starts the matrix and the CSV table of its rows.
    ///
    /// # Errors
    /// Features have different types or are not numbers, or a write fails.
    pub fn begin(
        file: File,
        place: String,
        rows: Option<&Staged>,
        schema: &Schema,
        options: &Options,
        shape: Shape,
    ) -> Result<Npy, Failure> {
        let element = common_element(schema)?;
        let features: Vec<String> = columns::features(schema).map(String::from).collect();
        let writer = file.try_clone().map_err(|error| write_failed(&place, &error))?;
        let mut out = Outlet { writer: Box::new(writer), target: place, bytes: 0 };
        out.write(&header(element, shape.rows(), features.len()))?;
        let keys = Schema { keys: schema.keys.clone(), variables: Vec::new() };
        let options = Options { header: true, ..options.clone() };
        let (keys_writer, keys_place): (Box<dyn Write + Send>, String) = match rows {
            Some(rows) => (Box::new(rows.file()?), rows.place()),
            None => (Box::new(io::sink()), String::new()),
        };
        let keys = Text::begin(csv::lines(&keys, &options), keys_writer, keys_place)?;
        Ok(Npy {
            matrix: Matrix { element, features },
            out,
            file,
            rows: 0,
            planned: shape.rows(),
            keys: Box::new(keys),
        })
    }
}

impl Matrix {
    /// Appends the elements of some rows.
    fn append(&self, batch: &Batch, rows: std::ops::Range<usize>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let size = self.element.size();
        bytes.resize(rows.len() * self.features.len() * size, 0);
        let cells = rows.flat_map(|row| batch.features.iter().enumerate().map(move |(at, column)| (row, at, column)));
        for ((row, at, column), out) in cells.zip(bytes.chunks_exact_mut(size)) {
            if column.is_missing(row) {
                if !matches!(self.element, Element::Float(_)) {
                    return Err(unsupported_missing(&self.features[at], &self.element.zarr()));
                }
                self.element.put(self.element.missing_bits(), out);
            } else {
                self.element.put(self.element.bits(column, row), out);
            }
        }
        Ok(())
    }
}

impl Sink for Npy {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        let (matrix, out) = (&self.matrix, &mut self.out);
        let append = |rows, bytes: &mut Vec<u8>| matrix.append(batch, rows, bytes);
        in_order(pool, batch.rows, matrix.features.len(), append, |bytes| out.write(bytes))?;
        self.rows += batch.rows as u64;
        self.keys.write(batch, pool)?;
        Ok(self.out.bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Failure> {
        if self.rows > self.planned {
            return Err(wrong_count(&self.out.target, self.planned, self.rows));
        }
        if self.rows < self.planned {
            // Samples that could not be read are missing; the header has space for any number of rows.
            let header = header(self.matrix.element, self.rows, self.matrix.features.len());
            let written = self.file.rewind().and_then(|()| self.file.write_all(&header));
            written.map_err(|error| write_failed(&self.out.target, &error))?;
        }
        self.keys.finish()?;
        Ok(Written { rows: self.rows, bytes: self.out.bytes, paths: Vec::new() })
    }
}

/// The common type of all features.
fn common_element(schema: &Schema) -> Result<Element, Failure> {
    let mut first: Option<(&str, Element)> = None;
    for variable in &schema.variables {
        let name = variable.features.first().map_or(variable.name.as_str(), String::as_str);
        let element = match variable.kind {
            zcoord::Kind::Time(_) | zcoord::Kind::Text => None,
            kind => Element::of(kind),
        };
        let Some(element) = element else {
            let what = format!("column {name:?} is {}, which an npy matrix cannot hold", variable.kind.name());
            return Err(Failure::usage(what).hint("leave it out with --var, or use another format"));
        };
        match first {
            Some((other, known)) if known != element => {
                let (known, element) = (known.zarr(), element.zarr());
                let what = format!("an npy matrix has one type, but {other:?} is {known} and {name:?} is {element}");
                return Err(Failure::usage(what).hint("use --cast f32 or another format"));
            }
            _ => first = first.or(Some((name, element))),
        }
    }
    Ok(first.map_or(Element::Float(4), |(_, element)| element))
}

/// The header, with the same length for any number of rows.
fn header(element: Element, rows: u64, features: usize) -> Vec<u8> {
    let (descr, rows) = (element.descr(), rows.to_string());
    let room = " ".repeat(ROW_DIGITS.saturating_sub(rows.len()));
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {features}), }}{room}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.push_str(&" ".repeat(length - 1 - text.len()));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use zcoord::{Column, Kind, Values};

    use super::*;
    use crate::sink::{Format, fixture, open};

    #[test]
    fn header_and_elements() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("x.npy");
        let table = fixture::floats();
        let written = fixture::saved(Format::Npy, &path, &table, &Options::default(), 1).expect("writes");
        let bytes = std::fs::read(&path).expect("reads");
        assert_eq!(written.bytes, bytes.len() as u64);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }";
        assert_eq!(&bytes[10..10 + text.len()], text.as_bytes());
        assert_eq!((bytes[127], bytes.len()), (b'\n', 128 + 4 * 8));
        let floats: Vec<f32> =
            bytes[128..].chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect();
        assert_eq!(floats[..2], [281.6084, 250.0]);
        assert!(floats[2].is_nan());
        assert_eq!(floats[3..], [f32::INFINITY, 282.5, 251.0, 300.0, f32::NEG_INFINITY]);
        let rows = std::fs::read_to_string(directory.path().join("x.npy.rows.csv")).expect("reads");
        assert!(rows.starts_with("point_id,lat,lon,time\n0,51.5,-0.125,2019-03-01T00:00:00Z\n"));
    }

    #[test]
    fn the_header_has_room_for_any_number_of_rows() {
        let long = header(Element::Float(4), u64::MAX, 3930);
        assert_eq!((header(Element::Float(4), 0, 3930).len(), long.len() % 64), (long.len(), 0));
    }

    #[test]
    fn rows_that_did_not_come_are_not_in_the_header() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("x.npy");
        let (schema, mut batches) = fixture::floats();
        batches.truncate(1);
        fixture::saved(Format::Npy, &path, &(schema, batches), &Options::default(), 1).expect("writes");
        let bytes = std::fs::read(&path).expect("reads");
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': (2, 2)"));
        assert_eq!(bytes.len(), 128 + 2 * 8);
    }

    #[test]
    fn different_types_are_refused_unless_cast() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("x.npy");
        let table = (fixture::schema(), fixture::batches());
        let refused = fixture::saved(Format::Npy, &path, &table, &Options::default(), 1).expect_err("two types");
        assert_eq!(refused.to_string(), "an npy matrix has one type, but \"t_850\" is float32 and \"n\" is int16");
        let cast = Options { cast_f32: true, ..Options::default() };
        fixture::saved(Format::Npy, &path, &table, &cast, 2).expect("one type");
        let bytes = std::fs::read(&path).expect("reads");
        assert_eq!(bytes[128 + 8..128 + 16], [(-3f32).to_le_bytes(), 1f32.to_le_bytes()].concat());
    }

    #[test]
    fn whole_numbers_are_exact_and_missing_ones_told() {
        let directory = tempfile::tempdir().expect("directory");
        let (mut schema, mut batches) = (fixture::schema(), fixture::batches());
        schema.variables = vec![schema.variables.remove(1)];
        batches.iter_mut().for_each(|batch| batch.features = vec![batch.features.remove(2)]);
        let mut sink = open(Format::Npy, &directory.path().join("x.npy"), &schema, &Options::default(), fixture::SHAPE)
            .expect("begins");
        let failure = sink.write(&batches[0], &Pool::new(1)).expect_err("one is missing");
        assert!(
            failure.to_string().contains("\"n\"") && failure.advice().is_some_and(|hint| hint.contains("--cast f32"))
        );
        batches[0].features[0] = Column::new(Kind::Int(16), Values::I64(vec![-3, 300]));
        let path = directory.path().join("y.npy");
        fixture::saved(Format::Npy, &path, &(schema, batches), &Options::default(), 1).expect("writes");
        let bytes = std::fs::read(&path).expect("reads");
        assert_eq!(bytes[128..], [0xfd, 0xff, 0x2c, 0x01, 7, 0, 8, 0]);
    }

    #[test]
    fn times_and_text_are_refused() {
        let mut schema = fixture::floats().0;
        schema.variables[0].kind = Kind::Text;
        let refused = common_element(&schema).expect_err("text");
        assert!(refused.to_string().contains("\"t_850\" is str"));
    }
}
