//! One axis of a rectilinear grid: a column of latitudes, or of longitudes, which are cyclic.

use crate::grid::GridError;
use crate::sphere::turned;

/// The part of a step that is taken for the noise of floating point.
const NOISE: f64 = 1e-6;
/// Degrees within which a place meets an axis of one value, whose step nobody knows.
const SAME_DEGREES: f64 = 1e-6;

/// What an axis runs along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// From pole to pole.
    Latitude,
    /// Along a part of a circle.
    Arc,
    /// Along a whole circle: the first column is beside the last.
    Circle,
}

/// Coordinates of one axis, in an ascending order that positions count in; indices count in the order of the store.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    course: Course,
    /// As the store has them, without columns that a longer longitude axis repeats.
    values: Vec<f64>,
    /// Ascending, longitudes unrolled so that they do not fall back at the seam.
    keys: Vec<f64>,
    /// Least and greatest coordinate of each cell, in the order and the turn of `keys`.
    bounds: Option<Vec<[f64; 2]>>,
    descending: bool,
    /// Whether these are decimals rounded to float32; xarray rounds a label alike before it looks it up.
    single: bool,
}

/// The coordinate that a place is nearest to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Near {
    /// Index in the store.
    pub index: usize,
    /// The coordinate, as the store has it.
    pub value: f64,
    /// Degrees from the place.
    pub away: f64,
}

/// A coordinate beside a place, in the turn of the place.
#[derive(Debug, Clone, Copy)]
struct Knot {
    position: usize,
    key: f64,
}

impl Axis {
    /// An axis of latitudes.
    ///
    /// # Errors
    /// A sentence on values that are no latitudes, or not strictly monotonic, and on bounds that do not fit.
    pub fn latitude(values: Vec<f64>, bounds: Option<Vec<[f64; 2]>>) -> Result<Axis, GridError> {
        let keys = values.clone();
        Axis::new(Course::Latitude, values, keys, bounds)
    }

    /// An axis of longitudes, in any convention, monotonic modulo 360. Columns of a second turn are left out.
    ///
    /// # Errors
    /// As for latitudes; and where a second turn does not repeat the first.
    pub fn longitude(mut values: Vec<f64>, mut bounds: Option<Vec<[f64; 2]>>) -> Result<Axis, GridError> {
        let keys = unrolled(&values);
        let once = first_turn(&keys)?;
        check_bounds_count("longitude", values.len(), bounds.as_deref())?;
        values.truncate(once);
        if let Some(bounds) = &mut bounds {
            bounds.truncate(once);
        }
        let mut axis = Axis::new(Course::Arc, values, keys[..once].to_vec(), bounds)?;
        if axis.covers_the_circle() {
            axis.course = Course::Circle;
        }
        Ok(axis)
    }

    fn new(
        course: Course,
        values: Vec<f64>,
        mut keys: Vec<f64>,
        bounds: Option<Vec<[f64; 2]>>,
    ) -> Result<Axis, GridError> {
        let single = rounded_to_single(&values);
        let descending = keys.len() > 1 && keys[1] < keys[0];
        if descending {
            keys.reverse();
        }
        let mut axis = Axis { course, values, keys, bounds: None, descending, single };
        axis.check_order()?;
        check_bounds_count(axis.name(), axis.len(), bounds.as_deref())?;
        axis.bounds = bounds.map(|bounds| axis.fitted(&bounds)).transpose()?;
        Ok(axis)
    }

    /// Number of coordinates, without repeated ones.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The coordinate of an index, as the store has it.
    pub fn value(&self, index: usize) -> f64 {
        self.values[index]
    }

    /// Whether longitudes go round the whole circle.
    pub fn is_circle(&self) -> bool {
        self.course == Course::Circle
    }

    /// The nearest coordinate; of two as near the larger, as pandas has it in `get_indexer(method="nearest")`.
    pub fn nearest(&self, degrees: f64) -> Near {
        let degrees = if self.single { f64::from(self.turn(degrees) as f32) } else { degrees };
        let (place, low, high) = self.around(degrees);
        let knot = match (low, high) {
            (Some(low), Some(high)) => self.nearer(place, low, high),
            (Some(knot), None) | (None, Some(knot)) => knot,
            (None, None) => Knot { position: 0, key: f64::NAN },
        };
        let index = self.index(knot.position);
        Near { index, value: self.values[index], away: (place - knot.key).abs() }
    }

    /// Why a place is in no cell of this axis, where it is in none.
    pub fn outside(&self, degrees: f64) -> Option<String> {
        let (place, low, high) = self.around(degrees);
        if self.is_circle() {
            return None;
        }
        if let Some(bounds) = &self.bounds {
            let held = [low, high].into_iter().flatten().any(|knot| self.holds(bounds, knot, place));
            return (!held).then(|| format!("{} {} is within the bounds of no cell", self.name(), short(degrees)));
        }
        self.beyond_the_edge(degrees, place, low, high)
    }

    /// Whether a place is between the outermost latitude and a pole, and these are no more than one step apart.
    pub fn at_a_pole(&self, degrees: f64) -> bool {
        let (first, last) = (self.keys[0], self.keys[self.len() - 1]);
        let reaches =
            |edge: f64, step: Option<f64>| step.is_some_and(|step| 90.0 - edge <= self.slack(step, edge) + step);
        (degrees > last && reaches(last, self.last_step())) || (degrees < first && reaches(-first, self.first_step()))
    }

    /// Indices and weights of linear interpolation, weights of 0 left out.
    ///
    /// # Errors
    /// Why there are none: the place is beyond the outermost coordinates.
    pub fn linear(&self, degrees: f64) -> Result<Vec<(usize, f64)>, String> {
        let near = self.nearest(degrees);
        let alone = self.len() == 1 && (near.away <= SAME_DEGREES || self.is_circle());
        if near.away == 0.0 || alone {
            return Ok(vec![(near.index, 1.0)]);
        }
        let (place, low, high) = self.around(degrees);
        match (low, high) {
            (Some(low), Some(high))
                if high.key - low.key < 360.0 && (self.is_circle() || low.position < high.position) =>
            {
                let part = (place - low.key) / (high.key - low.key);
                let weights = [(self.index(low.position), 1.0 - part), (self.index(high.position), part)];
                Ok(weights.into_iter().filter(|(_, weight)| *weight != 0.0).collect())
            }
            _ if self.edge_step(near.index).is_some_and(|step| near.away <= self.slack(step, near.value)) => {
                Ok(vec![(near.index, 1.0)])
            }
            _ => Err(format!(
                "{} {} is beyond the outermost coordinate, {}",
                self.name(),
                short(degrees),
                short(near.value)
            )),
        }
    }

    /// Indices of the coordinates no more than `reach` degrees away.
    pub fn reached(&self, degrees: f64, reach: f64) -> Vec<usize> {
        if self.course != Course::Latitude && reach >= 180.0 {
            return (0..self.len()).collect();
        }
        let turns: &[f64] = if self.course == Course::Latitude { &[0.0] } else { &[-360.0, 0.0, 360.0] };
        let place = self.turn(degrees);
        let mut found = Vec::new();
        for turn in turns {
            let first = self.keys.partition_point(|key| *key < place + turn - reach);
            let last = self.keys.partition_point(|key| *key <= place + turn + reach);
            found.extend((first..last).map(|position| self.index(position)));
        }
        found
    }

    fn name(&self) -> &'static str {
        if self.course == Course::Latitude { "latitude" } else { "longitude" }
    }

    fn index(&self, position: usize) -> usize {
        if self.descending { self.len() - 1 - position } else { position }
    }

    /// A longitude in the turn that begins at the first key; a latitude as it is.
    fn turn(&self, degrees: f64) -> f64 {
        if self.course == Course::Latitude {
            return degrees;
        }
        let start = self.keys[0];
        let mut place = degrees - 360.0 * ((degrees - start) / 360.0).floor();
        // Rounding may leave it a hair outside.
        if place < start {
            place += 360.0;
        }
        if place >= start + 360.0 { place - 360.0 } else { place }
    }

    /// The place in the turn of the keys, the last coordinate not above it and the first above.
    fn around(&self, degrees: f64) -> (f64, Option<Knot>, Option<Knot>) {
        let place = self.turn(degrees);
        let above = self.keys.partition_point(|key| *key <= place);
        let knot = |position: usize| self.keys.get(position).map(|&key| Knot { position, key });
        let high = match knot(above) {
            None if self.course != Course::Latitude => knot(0).map(|first| Knot { key: first.key + 360.0, ..first }),
            high => high,
        };
        (place, above.checked_sub(1).and_then(knot), high)
    }

    /// The nearer of two coordinates, in the arithmetic of the axis.
    fn nearer(&self, place: f64, low: Knot, high: Knot) -> Knot {
        let gap = |key: f64| match self.single {
            true => f64::from((key as f32 - place as f32).abs()),
            false => (key - place).abs(),
        };
        if gap(high.key) - gap(low.key) > NOISE * (high.key - low.key) { low } else { high }
    }

    fn holds(&self, bounds: &[[f64; 2]], knot: Knot, place: f64) -> bool {
        let shift = knot.key - self.keys[knot.position];
        let [low, high] = bounds[knot.position];
        let slack = self.slack(high - low, knot.key);
        place >= low + shift - slack && place <= high + shift + slack
    }

    /// The half-cell rule at the ends of the axis; the inner part of it has no gaps.
    fn beyond_the_edge(&self, degrees: f64, place: f64, low: Option<Knot>, high: Option<Knot>) -> Option<String> {
        let last = self.len() - 1;
        let over = low.filter(|low| low.position == last).map(|low| (low.key, place - low.key, self.last_step()));
        let under = high.filter(|high| high.position == 0).map(|high| (high.key, high.key - place, self.first_step()));
        let mut sides: Vec<_> = [over, under].into_iter().flatten().collect();
        sides.sort_by(|a, b| a.1.total_cmp(&b.1));
        let within = |&(key, away, step): &(f64, f64, Option<f64>)| match step {
            Some(step) => away <= step / 2.0 + self.slack(step, key),
            None => away <= SAME_DEGREES,
        };
        if sides.is_empty() || sides.iter().any(within) {
            return None;
        }
        let (key, away, step) = sides[0];
        let reach = step.map_or("whose step is not known".into(), |step| format!("of step {}", short(step)));
        Some(format!(
            "{} {} is {} degrees beyond {}, the edge of an axis {reach}",
            self.name(),
            short(degrees),
            short(away),
            short(key)
        ))
    }

    fn first_step(&self) -> Option<f64> {
        Some(self.keys.get(1)? - self.keys[0])
    }

    fn last_step(&self) -> Option<f64> {
        let before = self.len().checked_sub(2)?;
        Some(self.keys[before + 1] - self.keys[before])
    }

    fn edge_step(&self, index: usize) -> Option<f64> {
        if self.index(0) == index { self.first_step() } else { self.last_step() }
    }

    /// Degrees that may be noise in a coordinate: a millionth of the step, and what float32 rounds away.
    fn slack(&self, step: f64, key: f64) -> f64 {
        let rounding = if self.single { key.abs() * f64::from(f32::EPSILON) } else { 0.0 };
        NOISE * step + rounding
    }

    fn covers_the_circle(&self) -> bool {
        let widths = self.bounds.iter().flatten().map(|[low, high]| high - low).sum::<f64>();
        let step = self.first_step().into_iter().chain(self.last_step()).fold(0.0, f64::max);
        let span = self.keys[self.len() - 1] - self.keys[0];
        (span + step).max(widths) >= 360.0 - seam(step)
    }

    fn check_order(&self) -> Result<(), GridError> {
        let Some(at) = self.keys.windows(2).position(|pair| pair[0] >= pair[1]) else { return Ok(()) };
        let (a, b) = (self.index(at), self.index(at + 1));
        let (before, after) = (a.min(b), a.max(b));
        let (first, second) = (short(self.values[before]), short(self.values[after]));
        Err(GridError(format!(
            "{} is not strictly monotonic: {first} at index {before}, then {second} at index {after}",
            self.name()
        )))
    }

    /// Bounds in the order and the turn of the keys.
    fn fitted(&self, bounds: &[[f64; 2]]) -> Result<Vec<[f64; 2]>, GridError> {
        (0..self.len()).map(|position| self.fitted_cell(position, bounds[self.index(position)])).collect()
    }

    fn fitted_cell(&self, position: usize, [a, b]: [f64; 2]) -> Result<[f64; 2], GridError> {
        let (key, low, high) = (self.keys[position], a.min(b), a.max(b));
        let mut ways = vec![[low, high]];
        if self.course != Course::Latitude && high - low > 180.0 && self.len() > 1 {
            // 359.5 to 0.5: the cell is the small part of the circle.
            ways.insert(0, [high - 360.0, low]);
        }
        for [low, high] in ways {
            let middle = (low + high) / 2.0;
            let shift = if self.course == Course::Latitude { 0.0 } else { key - middle - turned(key - middle) };
            let slack = self.slack(high - low, key) + 1e-3 * (high - low);
            if low + shift - slack <= key && key <= high + shift + slack {
                return Ok([low + shift, high + shift]);
            }
        }
        let (name, index) = (self.name(), self.index(position));
        let value = self.values[index];
        Err(GridError(format!(
            "the bounds of {name} at index {index}, {a} to {b}, do not hold its coordinate, {value}"
        )))
    }
}

/// Degrees, with as many digits as a reader can use.
pub(crate) fn short(degrees: f64) -> String {
    let text = format!("{degrees:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// How far two longitudes may be apart, in degrees, and still be one column: the noise of float32 at 360.
fn seam(step: f64) -> f64 {
    1e-4f64.min(step / 4.0) + 1e-3 * step
}

/// Longitudes in the order of the store, whole turns added so that they run on over the seam.
fn unrolled(values: &[f64]) -> Vec<f64> {
    let mut turns = 0.0;
    let mut before = values.first().copied().unwrap_or(0.0);
    let unroll = |&value: &f64| {
        turns += ((before - value) / 360.0).round();
        before = value;
        value + 360.0 * turns
    };
    values.iter().map(unroll).collect()
}

/// How many columns there are before an axis of longitudes begins to repeat itself.
fn first_turn(keys: &[f64]) -> Result<usize, GridError> {
    let start = keys.first().copied().unwrap_or(0.0);
    let step = keys.get(1).map_or(0.0, |second| (second - start).abs());
    let once = keys.iter().take_while(|key| (*key - start).abs() < 360.0 - seam(step)).count();
    for (repeated, key) in keys[once..].iter().enumerate() {
        let first = keys.get(repeated).copied().unwrap_or(f64::NAN);
        let apart = ((key - first).abs() - 360.0).abs();
        // NaN is no repetition either.
        if !(apart <= seam(step) && repeated < once) {
            let (index, key) = (once + repeated, short(*key));
            return Err(GridError(format!("longitude goes round the circle more than once: {key} at index {index}")));
        }
    }
    Ok(once)
}

/// Whether values are decimals that float32 rounded: exact in float32, and no multiples of a power of two a float32 of
/// 360 has digits to spare for. Steps such as 0.25 are exact in either type, and need no rounding.
fn rounded_to_single(values: &[f64]) -> bool {
    let single = values.iter().all(|&value| f64::from(value as f32) == value);
    single && values.iter().any(|value| (value * 1024.0).fract() != 0.0)
}

fn check_bounds_count(name: &str, cells: usize, bounds: Option<&[[f64; 2]]>) -> Result<(), GridError> {
    let Some(bounds) = bounds else { return Ok(()) };
    if bounds.len() != cells {
        let count = bounds.len();
        return Err(GridError(format!("{name} has {cells} coordinates, and bounds of {count} cells")));
    }
    match bounds.iter().position(|pair| !pair.iter().all(|bound| bound.is_finite())) {
        Some(index) => Err(GridError(format!("the bounds of {name} at index {index} are no numbers"))),
        None => Ok(()),
    }
}
