//! Estimates the size of an output, for dry runs and warnings.

use zcoord::Kind;

use super::element::Element;
use super::{Format, Layout, columns};
use crate::batch::Schema;

/// Approximate bytes of `rows` wide rows of `schema`.
///
/// Bytes in text: 32-bit float 9 (with separator), 64-bit float 18, integer 6, time 21, text 16; JSON Lines repeat each
/// column name, the long layout repeats the keys for each value. Parquet and Zarr: zstd leaves 3/4 of floats, 1/3 of
/// integers, and almost nothing of the repetitive keys. npy is exact except for its header.
pub fn estimate(format: Format, schema: &Schema, rows: u64, layout: Layout) -> u64 {
    let row = match format {
        Format::Csv => text_row(schema, layout, 0),
        Format::Jsonl => text_row(schema, layout, 4),
        Format::Npy => columns::feature_kinds(schema).map(|kind| size(kind) * 8).sum(),
        Format::Parquet | Format::Zarr => {
            columns::feature_kinds(schema).map(packed_eighths).sum::<u64>() + schema.keys.len() as u64
        }
    };
    // Binary formats are estimated in eighths of a byte.
    let eighths = if matches!(format, Format::Csv | Format::Jsonl) { 1 } else { 8 };
    rows.saturating_mul(row) / eighths
}

/// Bytes of the lines of a wide row. If names are on every line, each costs its length plus `per_name`.
fn text_row(schema: &Schema, layout: Layout, per_name: u64) -> u64 {
    let per_line = |name: &str| if per_name > 0 { name.len() as u64 + per_name } else { 0 };
    let keys: u64 = schema.keys.iter().map(|key| text(key.kind) + per_line(&key.name)).sum();
    // `{"type":"row","v":1` and the closing brace.
    let line = if per_name > 0 { 21 } else { 1 };
    let values: u64 = columns::feature_kinds(schema).map(text).sum();
    match layout {
        Layout::Wide => line + keys + values + columns::features(schema).map(per_line).sum::<u64>(),
        Layout::Long => {
            let of = |variable: &crate::batch::Variable| {
                let names = variable.name.len() as u64 + 1 + per_line("variable") + per_line("value");
                let dimensions: u64 =
                    variable.dimensions.iter().map(|one| text(one.coordinate.kind) + per_line(&one.name)).sum();
                (line + keys + names + dimensions).saturating_mul(variable.features.len() as u64)
            };
            values + schema.variables.iter().map(of).sum::<u64>()
        }
    }
}

fn text(kind: Kind) -> u64 {
    match kind {
        Kind::Float(bits) if bits <= 32 => 9,
        Kind::Float(_) => 18,
        Kind::Int(_) | Kind::UInt(_) | Kind::Bool => 6,
        Kind::Time(_) => 21,
        Kind::Text => 16,
    }
}

fn size(kind: Kind) -> u64 {
    Element::of(kind).map_or(16, |element| element.size() as u64)
}

fn packed_eighths(kind: Kind) -> u64 {
    match kind {
        Kind::Float(_) => size(kind) * 6,
        Kind::Bool => 1,
        Kind::Text => 40,
        _ => size(kind) * 8 / 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixture;

    #[test]
    fn sizes_are_of_the_right_order() {
        let schema = fixture::floats().0;
        assert_eq!(estimate(Format::Npy, &schema, 1000, Layout::Wide), 8000);
        assert_eq!(estimate(Format::Csv, &schema, 1000, Layout::Wide), 1000 * (1 + 16 + 18 + 18 + 21 + 9 + 9));
        let wide = estimate(Format::Jsonl, &schema, 1000, Layout::Wide);
        assert!(estimate(Format::Jsonl, &schema, 1000, Layout::Long) > wide);
        assert!(estimate(Format::Parquet, &schema, 1000, Layout::Wide) < 8000);
        assert_eq!(estimate(Format::Csv, &schema, u64::MAX, Layout::Wide), u64::MAX);
    }
}
