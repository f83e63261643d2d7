//! Times that count from another date than those of the output.

use serde_json::Value;
use zarray::{Array, Number, NumberType, ZarrFormat, codec_name, fill_element};
use zcoord::{Element, TimeUnits, dimensions, name};
use zstage::{Recode, is_stored_alike};

/// Adds a whole number of units to counts of time.
#[derive(Debug)]
pub struct TimeShift {
    number: NumberType,
    offset: i64,
    /// The units of the output.
    units: String,
    /// Stored bytes that stand for a missing time, and what they become.
    missing: Vec<(Vec<u8>, Vec<u8>)>,
    /// Stored bytes that stand for a missing time in the output: no time may become one.
    markers: Vec<Vec<u8>>,
}

impl TimeShift {
    /// The conversion from `source` to `target`, if both are times and count the same unit in the same calendar. No conversion: they
    /// count from the same date.
    ///
    /// # Errors
    /// A message that says why there is none.
    pub fn between(source: &Array, target: &Array) -> Result<Option<TimeShift>, String> {
        let (from, to) = (units(source)?, units(target)?);
        let is_packed =
            |array: &Array| ["scale_factor", "add_offset"].iter().any(|name| array.attributes.contains_key(*name));
        if !is_stored_alike(source, target) || has_filters(target) || is_packed(source) || is_packed(target) {
            return Err("its times count from another date, and are packed or stored otherwise".into());
        }
        let texts =
            || [source, target].map(|array| array.attributes.get("units").map(Value::to_string).unwrap_or_default());
        let offset = to.offset_from(from).ok_or_else(|| {
            let [source, target] = texts();
            format!("its times {source} are not a whole number of units from {target}")
        })?;
        if offset == 0 {
            return Ok(None);
        }
        let number = Element::of(target).ok().and_then(|element| element.number());
        let number = number.ok_or_else(|| format!("times of type {} cannot be converted", target.dtype))?;
        let mut missing = Vec::new();
        let mut markers = Vec::new();
        // The fill value of v2 marks missing times, but in coordinates, whose values are times whatever it is.
        if let (ZarrFormat::V2, Ok(from), Ok(to)) = (source.format, fill_element(source), fill_element(target))
            && !source.fill_value.is_null()
            && !is_dimension_coordinate(target)
        {
            markers.push(to.clone());
            missing.push((from, to));
        }
        for name in ["_FillValue", "missing_value"] {
            let element = |array: &Array| array.attributes.get(name).and_then(|value| number.element(value));
            markers.extend(element(target));
            missing.extend(element(source).zip(element(target)));
        }
        let units = texts()[1].clone();
        Ok(Some(TimeShift { number, offset, units, missing, markers }))
    }

    fn moved(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let unreadable = || "a time cannot be read".to_owned();
        let (number, moved) = match self.number.decode(bytes).ok_or_else(unreadable)? {
            Number::Int(count) => (count.to_string(), Some(Number::Int(count + i128::from(self.offset)))),
            Number::Float(count) if !count.is_finite() => return Ok(bytes.to_vec()),
            Number::Float(count) => {
                let moved = count + self.offset as f64;
                (count.to_string(), (moved - self.offset as f64 == count).then_some(Number::Float(moved)))
            }
        };
        let encoded = moved.and_then(|moved| self.number.encode(moved));
        // What was rounded to fewer bits is another time.
        let encoded = encoded.filter(|bytes| self.number.decode(bytes) == moved);
        let encoded = encoded.ok_or_else(|| {
            format!("the time {number} has no exact value in the units of the output, {}", self.units)
        })?;
        match self.markers.contains(&encoded) {
            true => {
                Err(format!("the time {number} would be marked as missing in the units of the output, {}", self.units))
            }
            false => Ok(encoded),
        }
    }
}

impl Recode for TimeShift {
    fn recode(&self, source: &[u8], target: &mut Vec<u8>) -> Result<(), String> {
        for bytes in source.chunks_exact(self.number.size) {
            match self.missing.iter().find(|(from, _)| from == bytes) {
                Some((_, to)) => target.extend_from_slice(to),
                None => target.extend(self.moved(bytes)?),
            }
        }
        Ok(())
    }

    fn may_fail(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("time{:+} {:?}", self.offset, self.missing)
    }
}

/// Whether an array is the coordinate of its own dimension.
fn is_dimension_coordinate(array: &Array) -> bool {
    dimensions(array).is_some_and(|names| names == [name(&array.path)])
}

/// Whether codecs change elements before they become bytes.
fn has_filters(array: &Array) -> bool {
    let chain = array.chain.innermost();
    let is_layout = |name: &str| matches!(name, "bytes" | "endian" | "transpose");
    chain.specs[..chain.kept].iter().any(|spec| !is_layout(codec_name(spec)))
}

fn units(array: &Array) -> Result<TimeUnits, String> {
    let text = |name: &str| array.attributes.get(name).and_then(Value::as_str);
    TimeUnits::parse(text("units").unwrap_or_default(), text("calendar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(dtype: &str, units: &str) -> Array {
        let text = serde_json::json!({"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": dtype, "fill_value": 0,
            "order": "C", "filters": null, "compressor": null});
        let attributes =
            serde_json::json!({"_ARRAY_DIMENSIONS": ["time"], "units": units, "_FillValue": -1}).to_string();
        zarray::array_v2("/time", text.to_string().as_bytes(), Some(attributes.as_bytes())).expect("an array")
    }

    fn shifted(dtype: &str, from: &str, to: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let shift = TimeShift::between(&array(dtype, from), &array(dtype, to))?.ok_or("the same")?;
        let mut target = Vec::new();
        shift.recode(bytes, &mut target).map(|()| target)
    }

    #[test]
    fn counts_move_to_the_other_date_and_missing_times_stay() {
        let words = |values: &[i32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let moved = shifted("<i4", "hours since 2019-01-02", "hours since 2019-01-01", &words(&[0, 5, -1]));
        assert_eq!(moved, Ok(words(&[24, 29, -1])));
        let refused = |from, to, bytes: &[u8]| shifted("<i4", from, to, bytes).expect_err("refused");
        // 24 hours before is -1, which marks missing times.
        let marked = refused("hours since 2019-01-01", "hours since 2019-01-02", &words(&[23]));
        assert!(marked.contains("marked as missing"), "{marked}");
        refused("hours since 2019-01-01T00:30", "hours since 2019-01-01", &words(&[0]));
        refused("days since 2019-01-01", "hours since 2019-01-01", &words(&[0]));
        let late = refused("hours since 2019-01-02", "hours since 2019-01-01", &words(&[i32::MAX]));
        assert!(late.contains("no exact value"), "{late}");
        let half = 0.5f32.to_le_bytes();
        let moved = shifted("<f4", "days since 2019-01-02", "days since 2019-01-01", &half).expect("exact");
        assert_eq!(moved, 1.5f32.to_le_bytes());
        assert!(shifted("<f4", "days since 9000-01-02", "days since 1000-01-01", &0.001f32.to_le_bytes()).is_err());
    }
}
