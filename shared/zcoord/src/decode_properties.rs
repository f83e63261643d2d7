//! Properties of decoding that hold for all values.

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    #[test]
    fn failed_rows_are_missing_and_others_untouched(
        values in prop::collection::vec(any::<i16>(), 0..20),
        failed in prop::collection::vec(any::<bool>(), 0..20),
        dtype in prop::sample::select(vec!["<i2", "<u2", "<f2", "|S2"]),
        packed: bool,
    ) {
        let attributes = if packed { json!({"scale_factor": 0.5, "valid_max": 100}) } else { json!({}) };
        let decoder = decoder(&v2(dtype, Value::Null, attributes, Value::Null), CF);
        let (plain, found) = (decoder.decode(&shorts(&values), &[]), decoder.decode(&shorts(&values), &failed));
        prop_assert_eq!(found.column.len(), values.len());
        let (plain, found) = (bits(&plain.column).1, bits(&found.column).1);
        for row in 0..values.len() {
            let gone = failed.get(row).copied().unwrap_or(false);
            prop_assert_eq!(found[row], plain[row].filter(|_| !gone));
        }
    }

    /// Unpacking is monotone, and neighbouring packed numbers stay distinct.
    #[test]
    fn unpacking_keeps_order(low: i16, scale in 1e-6..1e6f64, offset in -1e6..1e6f64) {
        prop_assume!(low < i16::MAX);
        let attributes = json!({"scale_factor": scale, "add_offset": offset});
        let found = decode(&v2("<i2", Value::Null, attributes, Value::Null), &shorts(&[low, low + 1]));
        let numbers = found.numbers().expect("numbers");
        prop_assert_eq!(numbers[0], f64::from(low) * scale + offset);
        prop_assert!(numbers[0] < numbers[1]);
        prop_assert_eq!(((numbers[1] - offset) / scale).round(), f64::from(low + 1));
    }

    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>, dtype in prop::sample::select(vec!["<i8", ">u4", "<f8", "<U2", "<M8[D]", "<m8[s]"])) {
        let units = json!({"units": "days since 1970-01-01", "_FillValue": 3});
        let decoder = decoder(&v2(dtype, Value::Null, units, Value::Null), CF);
        let rows = bytes.len() / decoder.itemsize().expect("fixed");
        prop_assert_eq!(decoder.decode(&bytes, &[]).column.len(), rows);
    }
}
