//! Converts columns to Arrow arrays.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow_schema::{DataType, TimeUnit};
use zcoord::{Calendar, Column, Kind, Values};
use zwire::{Exit, Failure};

use super::TimeFormat;
use super::time::{GREGORIAN_START, append};

/// The Arrow type of values of `kind`. Times are timestamps if the calendar is Gregorian, otherwise text.
pub fn data_type(kind: Kind, times: TimeFormat) -> DataType {
    match kind {
        Kind::Float(bits) if bits <= 32 => DataType::Float32,
        Kind::Float(_) => DataType::Float64,
        Kind::Int(0..=8) => DataType::Int8,
        Kind::Int(9..=16) => DataType::Int16,
        Kind::Int(17..=32) => DataType::Int32,
        Kind::Int(_) => DataType::Int64,
        Kind::UInt(0..=8) => DataType::UInt8,
        Kind::UInt(9..=16) => DataType::UInt16,
        Kind::UInt(17..=32) => DataType::UInt32,
        Kind::UInt(_) => DataType::UInt64,
        Kind::Bool => DataType::Boolean,
        Kind::Text => DataType::Utf8,
        Kind::Time(calendar) => time_type(calendar, times),
    }
}

fn time_type(calendar: Calendar, times: TimeFormat) -> DataType {
    match times {
        TimeFormat::Iso if calendar.is_gregorian() => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        TimeFormat::Iso => DataType::Utf8,
        TimeFormat::Unix => DataType::Float64,
        TimeFormat::UnixMicros => DataType::Int64,
    }
}

/// The values of `rows`, in this order; missing values are null.
///
/// # Errors
/// A time before the Gregorian calendar, which a timestamp cannot represent.
pub fn array(column: &Column, rows: impl Iterator<Item = usize>, times: TimeFormat) -> Result<ArrayRef, Failure> {
    let rows = rows.map(|row| (!column.is_missing(row)).then_some(row));
    Ok(match (&column.values, column.kind) {
        (Values::F32(values), Kind::Float(33..)) => primitive::<Float64Type>(rows, |row| f64::from(values[row])),
        (Values::F32(values), _) => primitive::<Float32Type>(rows, |row| values[row]),
        (Values::F64(values), Kind::Float(0..=32)) => primitive::<Float32Type>(rows, |row| values[row] as f32),
        (Values::F64(values), _) => primitive::<Float64Type>(rows, |row| values[row]),
        (Values::I64(values), kind) => signed(values, kind, rows),
        (Values::U64(values), kind) => unsigned(values, kind, rows),
        (Values::Bool(values), _) => Arc::new(BooleanArray::from_iter(rows.map(|row| row.map(|row| values[row])))),
        (Values::Text(values), _) => {
            Arc::new(StringArray::from_iter(rows.map(|row| row.map(|row| values[row].as_str()))))
        }
        (Values::Time(values, calendar), _) => moments(values, *calendar, times, rows)?,
    })
}

fn primitive<T: ArrowPrimitiveType>(
    rows: impl Iterator<Item = Option<usize>>,
    value: impl Fn(usize) -> T::Native,
) -> ArrayRef {
    Arc::new(rows.map(|row| row.map(&value)).collect::<PrimitiveArray<T>>())
}

fn signed(values: &[i64], kind: Kind, rows: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    match kind {
        Kind::Int(0..=8) => primitive::<Int8Type>(rows, |row| values[row] as i8),
        Kind::Int(9..=16) => primitive::<Int16Type>(rows, |row| values[row] as i16),
        Kind::Int(17..=32) => primitive::<Int32Type>(rows, |row| values[row] as i32),
        _ => primitive::<Int64Type>(rows, |row| values[row]),
    }
}

fn unsigned(values: &[u64], kind: Kind, rows: impl Iterator<Item = Option<usize>>) -> ArrayRef {
    match kind {
        Kind::UInt(0..=8) => primitive::<UInt8Type>(rows, |row| values[row] as u8),
        Kind::UInt(9..=16) => primitive::<UInt16Type>(rows, |row| values[row] as u16),
        Kind::UInt(17..=32) => primitive::<UInt32Type>(rows, |row| values[row] as u32),
        _ => primitive::<UInt64Type>(rows, |row| values[row]),
    }
}

fn moments(
    values: &[i64],
    calendar: Calendar,
    times: TimeFormat,
    rows: impl Iterator<Item = Option<usize>>,
) -> Result<ArrayRef, Failure> {
    Ok(match times {
        TimeFormat::UnixMicros => primitive::<Int64Type>(rows, |row| values[row]),
        TimeFormat::Unix => primitive::<Float64Type>(rows, |row| values[row] as f64 / 1e6),
        TimeFormat::Iso if calendar.is_gregorian() => {
            Arc::new(timestamps(values, calendar, rows)?.with_timezone("UTC"))
        }
        TimeFormat::Iso => {
            let text = |row: usize| {
                let mut text = String::new();
                append(values[row], calendar, times, &mut text);
                text
            };
            Arc::new(StringArray::from_iter(rows.map(|row| row.map(text))))
        }
    })
}

fn timestamps(
    values: &[i64],
    calendar: Calendar,
    rows: impl Iterator<Item = Option<usize>>,
) -> Result<PrimitiveArray<TimestampMicrosecondType>, Failure> {
    let checked = |row: usize| match values[row] {
        moment if calendar == Calendar::Standard && moment < GREGORIAN_START => {
            let what = "a time before 1582-10-15 in the standard calendar cannot be a Parquet timestamp";
            Err(Failure::new(Exit::Usage, what).hint("use --time-format unix-us or unix"))
        }
        moment => Ok(moment),
    };
    rows.map(|row| row.map(checked).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    fn of(column: &Column, times: TimeFormat) -> ArrayRef {
        let array = array(column, 0..column.len(), times).expect("an array");
        assert_eq!(array.data_type(), &data_type(column.kind, times), "{column:?}");
        array
    }

    #[test]
    fn every_kind_has_its_type() {
        for (kind, values) in [
            (Kind::Float(32), Values::F32(vec![1.5])),
            (Kind::Float(64), Values::F64(vec![1.5])),
            (Kind::Int(8), Values::I64(vec![-1])),
            (Kind::Int(16), Values::I64(vec![-1])),
            (Kind::Int(32), Values::I64(vec![-1])),
            (Kind::Int(64), Values::I64(vec![-1])),
            (Kind::UInt(8), Values::U64(vec![1])),
            (Kind::UInt(16), Values::U64(vec![1])),
            (Kind::UInt(32), Values::U64(vec![1])),
            (Kind::UInt(64), Values::U64(vec![1])),
            (Kind::Bool, Values::Bool(vec![true])),
            (Kind::Text, Values::Text(vec!["a".into()])),
        ] {
            let column = Column { missing: vec![false], ..Column::new(kind, values) };
            assert_eq!(of(&column, TimeFormat::Iso).null_count(), 0);
            let column = Column { missing: vec![true], ..column };
            assert_eq!(of(&column, TimeFormat::Iso).null_count(), 1);
        }
    }

    #[test]
    fn moments_are_timestamps_text_or_numbers() {
        for calendar in [Calendar::Standard, Calendar::ProlepticGregorian, Calendar::NoLeap] {
            let column = Column::new(Kind::Time(calendar), Values::Time(vec![0, zcoord::NOT_A_TIME], calendar));
            for times in [TimeFormat::Iso, TimeFormat::Unix, TimeFormat::UnixMicros] {
                assert_eq!(of(&column, times).null_count(), 1);
            }
        }
    }

    #[test]
    fn a_julian_date_is_no_timestamp() {
        let calendar = Calendar::Standard;
        let column = Column::new(Kind::Time(calendar), Values::Time(vec![GREGORIAN_START - 1], calendar));
        let failure = array(&column, 0..1, TimeFormat::Iso).expect_err("would change its meaning");
        assert!(failure.advice().is_some_and(|hint| hint.contains("--time-format")));
        assert_eq!(of(&column, TimeFormat::UnixMicros).len(), 1);
    }
}
