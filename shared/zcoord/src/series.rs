//! The values of a coordinate as a series: differences without loss, and labels.

use crate::calendar::Calendar;
use crate::labels::label_of;
use crate::time::{Iso, parse_label};
use crate::values::{Column, NOT_A_TIME, Values};

/// Microseconds of a day.
const DAY: f64 = 86_400e6;

/// A coordinate of numbers or times, none of them missing.
pub struct Series<'a> {
    column: &'a Column,
}

/// The usual step of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Always the same; the largest deviation that is rounding.
    Even(f64, f64),
    /// Months, quarters, years and so on: between these lengths.
    Uneven(f64, f64),
}

impl Step {
    /// How many steps a difference is, if it is longer than one.
    pub fn missing(self, difference: f64) -> u64 {
        let (length, longest) = match self {
            Step::Even(step, _) => (step, 1.5 * step),
            Step::Uneven(shortest, longest) => ((shortest + longest) / 2.0, longest * 1.01),
        };
        if difference > longest { ((difference / length).round() as u64).saturating_sub(1).max(1) } else { 0 }
    }

    /// Whether a difference is much shorter than a step.
    pub fn is_tiny(self, difference: f64) -> bool {
        let (Step::Even(length, _) | Step::Uneven(length, _)) = self;
        difference < 0.05 * length
    }

    /// Its length.
    pub fn length(self) -> f64 {
        match self {
            Step::Even(length, _) => length,
            Step::Uneven(shortest, longest) => (shortest + longest) / 2.0,
        }
    }
}

impl<'a> Series<'a> {
    /// The series of a column; `None` if it is text, or a value is missing or not finite.
    pub fn new(column: &'a Column) -> Option<Series<'a>> {
        let usable = |row: usize| match &column.values {
            Values::Text(_) | Values::Bool(_) => false,
            Values::Time(values, _) => values[row] != NOT_A_TIME,
            _ => column.number(row).is_some_and(f64::is_finite),
        };
        (0..column.len()).all(usable).then_some(Series { column })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.column.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.column.is_empty()
    }

    /// Whether they are times.
    pub fn is_time(&self) -> bool {
        matches!(self.column.values, Values::Time(..))
    }

    /// Whether they are whole numbers.
    pub fn is_whole(&self) -> bool {
        matches!(self.column.values, Values::I64(_) | Values::U64(_))
    }

    /// The calendar of times.
    pub fn calendar(&self) -> Option<Calendar> {
        match &self.column.values {
            Values::Time(_, calendar) => Some(*calendar),
            _ => None,
        }
    }

    /// A value as a number; of a time, microseconds.
    pub fn value(&self, row: usize) -> f64 {
        match &self.column.values {
            Values::Time(values, _) => values[row] as f64,
            _ => self.column.number(row).unwrap_or(f64::NAN),
        }
    }

    /// How much larger the value of one row is than that of another.
    pub fn difference(&self, row: usize, other: usize) -> f64 {
        let exact = |values: &[i64]| (i128::from(values[row]) - i128::from(values[other])) as f64;
        match &self.column.values {
            Values::Time(values, _) | Values::I64(values) => exact(values),
            Values::U64(values) => (i128::from(values[row]) - i128::from(values[other])) as f64,
            _ => self.value(row) - self.value(other),
        }
    }

    /// The differences between neighbours.
    pub fn differences(&self) -> impl Iterator<Item = f64> + '_ {
        (1..self.len()).map(|row| self.difference(row, row - 1))
    }

    /// A value as text.
    pub fn label(&self, row: usize) -> String {
        label_of(self.column, row)
    }

    /// How far a value may be off because it was rounded.
    pub fn rounding(&self) -> f64 {
        let largest = self.value(0).abs().max(self.value(self.len() - 1).abs());
        match &self.column.values {
            Values::F32(_) => largest * 4.0 * f64::from(f32::EPSILON),
            Values::F64(_) => largest * 16.0 * f64::EPSILON,
            // Times may have been rounded to what their units hold.
            Values::Time(..) => 1e3,
            _ => 0.0,
        }
    }

    /// The step of most neighbours of an increasing or decreasing series; `None` if there is none.
    pub fn step(&self) -> Option<Step> {
        const LEAST: usize = 4;
        const SHARE: f64 = 0.7;
        let mut lengths: Vec<f64> = self.differences().map(f64::abs).collect();
        if lengths.len() < LEAST {
            return None;
        }
        lengths.sort_unstable_by(f64::total_cmp);
        let median = lengths[lengths.len() / 2];
        let rounding = self.rounding().max(1e-3 * median);
        let share = |low: f64, high: f64| {
            let fits = lengths.iter().filter(|length| (low..=high).contains(length)).count();
            fits as f64 >= SHARE * lengths.len() as f64
        };
        if share(median - rounding, median + rounding) {
            return Some(Step::Even(median, rounding));
        }
        let spans = [(28.0, 31.0), (89.0, 92.0), (365.0, 366.0)];
        let known = spans.iter().map(|(low, high)| (low * DAY, high * DAY));
        let mut known =
            known.filter(|(low, high)| self.is_time() && (low..=high).contains(&&median) && share(*low, *high));
        known.next().map(|(low, high)| Step::Uneven(low, high))
    }

    /// A value that a label stands for: of a time, the beginning and the end of what it names.
    ///
    /// # Errors
    /// It is no label of this series.
    pub fn parse(&self, text: &str) -> Result<[f64; 2], String> {
        match self.calendar() {
            Some(calendar) => parse_label(text, calendar).map(|range| [range.start as f64, (range.end - 1) as f64]),
            None => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok([number; 2]),
                _ => Err(format!("{text:?} is not a number")),
            },
        }
    }

    /// A number as the series would label it.
    pub fn label_of(&self, value: f64) -> String {
        match self.calendar() {
            Some(calendar) => Iso(value as i64, calendar).to_string(),
            None => value.to_string(),
        }
    }

    /// A length of it as text.
    pub fn length_text(&self, length: f64) -> String {
        if !self.is_time() {
            return length.to_string();
        }
        let seconds = length / 1e6;
        for (unit, seconds_each) in [("D", 86_400.0), ("h", 3600.0), ("min", 60.0)] {
            let count = seconds / seconds_each;
            if count >= 1.0 && count.fract() == 0.0 {
                return format!("{count}{unit}");
            }
        }
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Kind;

    fn times(hours: &[f64]) -> Column {
        let moments = hours.iter().map(|hours| (hours * 3.6e9) as i64).collect();
        Column::new(Kind::Time(Calendar::ProlepticGregorian), Values::Time(moments, Calendar::ProlepticGregorian))
    }

    #[test]
    fn the_usual_step_is_found_in_spite_of_a_gap() {
        let column = times(&[0.0, 1.0, 2.0, 3.0, 7.0, 8.0, 9.0]);
        let series = Series::new(&column).expect("times");
        let step = series.step().expect("regular");
        assert_eq!((step.length(), series.length_text(step.length())), (3.6e9, "1h".into()));
        assert_eq!(series.differences().map(|length| step.missing(length)).collect::<Vec<_>>(), [0, 0, 0, 3, 0, 0]);
        let months = times(&[0.0, 31.0, 59.0, 90.0, 120.0, 181.0].map(|days| days * 24.0));
        let series = Series::new(&months).expect("times");
        let step = series.step().expect("months");
        assert_eq!(series.differences().map(|length| step.missing(length)).collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
    }

    #[test]
    fn levels_have_no_step_and_missing_values_no_series() {
        let levels = Column::new(Kind::Float(64), Values::F64(vec![1000.0, 925.0, 850.0, 700.0, 500.0, 300.0]));
        assert_eq!(Series::new(&levels).expect("numbers").step(), None);
        let missing = Column::new(Kind::Float(64), Values::F64(vec![1.0, f64::NAN]));
        assert!(Series::new(&missing).is_none());
    }
}
