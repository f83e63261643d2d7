//! Coordinates: one-dimensional arrays, written at once.

use serde_json::Value;
use zcoord::{Column, Values};
use zstage::NewStore;
use zwire::{Exit, Failure};

use super::super::element::Element;
use super::chunk;
use super::document::{self, Data};
use super::layout::Array;

/// Maximum number of elements per chunk: 1 MiB of 64-bit numbers.
const CHUNK: usize = 1 << 17;

/// Writes all values of `column`; returns the metadata of the array and the stored bytes.
///
/// # Errors
/// A write fails.
pub fn write(store: &NewStore, array: &Array, column: &Column) -> Result<(Value, u64), Failure> {
    let length = column.len();
    let of_chunk = length.clamp(1, CHUNK);
    let data = match Element::of(column.kind) {
        Some(element) => Data::Numbers(element, element.missing_bits()),
        None => Data::Text,
    };
    let mut attributes = array.attributes.clone();
    let is_missing = (0..length).any(|row| column.is_missing(row));
    if is_missing && matches!(data, Data::Numbers(Element::Int(_) | Element::UInt(_), _)) {
        attributes.insert("_FillValue".into(), data.fill_value());
    }
    let (shape, chunks) = ([length as u64], [of_chunk as u64]);
    let mut bytes = 0;
    for (index, start) in (0..length).step_by(of_chunk).enumerate() {
        let (itemsize, plain) = encode(data, column, start, of_chunk)?;
        bytes += chunk::write(store, &array.name, &[index as u64], itemsize, &plain, 1)?;
    }
    Ok((document::array(data, &shape, &chunks, &array.dimensions, attributes), bytes))
}

/// A chunk in full size, padded if the column ends in it, and the size of its elements.
fn encode(data: Data, column: &Column, start: usize, count: usize) -> Result<(usize, Vec<u8>), Failure> {
    match (data, &column.values) {
        (Data::Numbers(element, fill), _) => {
            let mut plain = vec![0; count * element.size()];
            for (row, out) in (start..).zip(plain.chunks_exact_mut(element.size())) {
                let is_there = row < column.len() && !column.is_missing(row);
                element.put(if is_there { element.bits(column, row) } else { fill }, out);
            }
            Ok((element.size(), plain))
        }
        (Data::Text, Values::Text(texts)) => {
            let text = |row: usize| if column.is_missing(row) { "" } else { texts[row].as_str() };
            let all = (start..start + count).map(|row| if row < texts.len() { text(row) } else { "" });
            Ok((1, chunk::vlen_utf8(all)?))
        }
        (Data::Text, _) => Err(Failure::new(Exit::Output, "text was to be written, and is none")),
    }
}
