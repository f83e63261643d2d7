//! The panels of a picture, for any backend.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::{BoldPoints, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use zwire::{Exit, Failure, MethodRecord};

use super::figure::Figure;

/// Colours that people with colour blindness can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Spread below which nothing is drawn on the logarithmic axis.
const SMALLEST: f64 = 1e-3;

/// How many numbers an axis has at most, as charts are drawn.
const TICKS: BoldPoints = BoldPoints(11);

/// Draws all panels.
///
/// # Errors
/// Only a bug.
pub fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, figure: &Figure) -> Result<(), Failure> {
    panels(area, figure).map_err(|error| Failure::new(Exit::Bug, format!("the picture cannot be drawn: {error}")))
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn panels<B: DrawingBackend>(area: &DrawingArea<B, Shift>, figure: &Figure) -> Drawn<B> {
    area.fill(&WHITE)?;
    let area = area.titled(&figure.title, ("sans-serif", 24))?;
    let (top, bottom) = if figure.methods.is_empty() {
        (area, None)
    } else {
        let (top, bottom) = area.split_vertically(590);
        (top, Some(bottom))
    };
    let (left, right) = top.split_horizontally(600);
    attractor(&left, figure)?;
    spread(&right, figure)?;
    bottom.map_or(Ok(()), |bottom| speedup(&bottom, figure))?;
    top.present()
}

fn attractor<B: DrawingBackend>(area: &DrawingArea<B, Shift>, figure: &Figure) -> Drawn<B> {
    let points = || figure.attractor.iter().flatten().filter(|(x, z)| x.is_finite() && z.is_finite());
    let xs = range(points().map(|(x, _)| *x));
    let zs = range(points().map(|(_, z)| *z));
    let mut chart = ChartBuilder::on(area)
        .caption("Attractor", ("sans-serif", 21))
        .margin(12)
        // The last number of an axis is centred below its end.
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(xs.clone(), zs.clone())?;
    let [x_labels, z_labels] = [xs, zs].map(linear_labels);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("x")
        .y_desc("z")
        .x_label_formatter(&x_labels)
        .y_label_formatter(&z_labels)
        .label_style(("sans-serif", 17))
        .draw()?;
    for (member, points) in figure.attractor.iter().enumerate() {
        let colour = COLOURS[member % COLOURS.len()].mix(0.35);
        for part in points.split(|(x, z)| !x.is_finite() || !z.is_finite()) {
            chart.draw_series(LineSeries::new(part.iter().copied(), colour))?;
        }
    }
    let ends =
        figure.attractor.iter().filter_map(|points| points.last()).filter(|(x, z)| x.is_finite() && z.is_finite());
    chart.draw_series(ends.map(|end| Circle::new(*end, 3, BLACK.filled())))?;
    Ok(())
}

fn spread<B: DrawingBackend>(area: &DrawingArea<B, Shift>, figure: &Figure) -> Drawn<B> {
    let last = figure.spread.last().map_or(1.0, |(time, ..)| *time).max(1e-9);
    let values =
        || figure.spread.iter().flat_map(|(_, spread, error)| [*spread, *error]).filter(|value| *value > SMALLEST);
    let low = values().filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
    let high = values().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let (low, high) = if high > 0.0 { with_ticks(low / 1.5, high * 1.5) } else { (0.1, 10.0) };
    let mut chart = ChartBuilder::on(area)
        .caption("Spread of x over time", ("sans-serif", 21))
        .margin(12)
        // The last number of an axis is centred below its end.
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, (low..high).log_scale())?;
    let times = linear_labels(0.0..last);
    let values = labels(&LogCoord::from((low..high).log_scale()).key_points(TICKS));
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("model time")
        .y_desc("standard deviation, distance")
        .x_label_formatter(&times)
        .y_label_formatter(&values)
        .label_style(("sans-serif", 17))
        .draw()?;
    type Value = fn(&(f64, f64, f64)) -> f64;
    let series: [(&str, Value); 2] = [("standard deviation", |row| row.1), ("distance from member 0", |row| row.2)];
    for (number, (name, value)) in series.into_iter().enumerate() {
        let colour = COLOURS[number];
        let points = figure
            .spread
            .iter()
            .map(|row| (row.0, value(row)))
            .filter(|(_, value)| *value > SMALLEST && value.is_finite());
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            // Room at the right border of the box.
            .label(format!("{name}  "))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.4))
        .label_font(("sans-serif", 17))
        .draw()?;
    Ok(())
}

/// Bars of the speed-up over the serial method; a line marks what Amdahl's law predicts.
fn speedup<B: DrawingBackend>(area: &DrawingArea<B, Shift>, figure: &Figure) -> Drawn<B> {
    let of = |value: Option<f64>| value.unwrap_or(0.0);
    let methods = &figure.methods;
    let most = methods.iter().map(|method| of(method.speedup).max(of(method.predicted_speedup))).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Speed-up over one member at a time (line: predicted by Amdahl's law)", ("sans-serif", 21))
        .margin(12)
        // The last number of an axis is centred below its end.
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..methods.len() as f64, 0.0..most * 1.15)?;
    let name = |at: &f64| {
        let number = at.floor() as usize;
        let is_middle = (at.fract() - 0.5).abs() < 1e-6;
        methods.get(number).filter(|_| is_middle).map_or(String::new(), |method| bar_name(method, methods.len()))
    };
    let label = linear_labels(0.0..most * 1.15);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(methods.len() * 2 + 1)
        .x_label_formatter(&name)
        .y_desc("speed-up")
        .y_label_formatter(&label)
        .label_style(("sans-serif", 17))
        .draw()?;
    for (number, method) in methods.iter().enumerate() {
        let (left, right) = (number as f64 + 0.2, number as f64 + 0.8);
        let height = of(method.speedup);
        let colour = COLOURS[number % COLOURS.len()].mix(0.8);
        chart.draw_series([Rectangle::new([(left, 0.0), (right, height)], colour.filled())])?;
        let style = TextStyle::from(("sans-serif", 17).into_font()).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Center,
            plotters::style::text_anchor::VPos::Bottom,
        ));
        let text = format!("{height:.1}");
        let top = above_line(height, method.predicted_speedup, most);
        chart.draw_series([Text::new(text, (number as f64 + 0.5, top), style)])?;
        if let Some(predicted) = method.predicted_speedup {
            let line = [(left - 0.05, predicted), (right + 0.05, predicted)];
            chart.draw_series([PathElement::new(line, BLACK.stroke_width(2))])?;
        }
    }
    Ok(())
}

/// What stands below the bar of a method, one of so many: short where there is little room.
fn bar_name(method: &MethodRecord, of: usize) -> String {
    const MOST_IN_FULL: usize = 5;
    let is_parallel = method.startup_seconds.is_some();
    match (of > MOST_IN_FULL, is_parallel) {
        (true, true) => format!("-j{}", method.jobs),
        (true, false) => method.method.clone(),
        (false, true) => format!("{} -j{} ({})", method.method, method.jobs, method.instructions),
        (false, false) => format!("{} ({})", method.method, method.instructions),
    }
}

/// Where the number of a bar stands: on the bar, or on the line right above it, which would strike it through.
fn above_line(height: f64, line: Option<f64>, most: f64) -> f64 {
    const TEXT_SHARE: f64 = 0.1;
    line.filter(|line| (height..height + TEXT_SHARE * most).contains(line)).unwrap_or(height)
}

/// The range of finite values, a little wider.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    match low <= high {
        true => {
            let margin = ((high - low) * 0.04).max(1e-6);
            low - margin..high + margin
        }
        false => 0.0..1.0,
    }
}

/// The ends of a logarithmic axis with two numbers at least: whole decades where fewer would stand between them.
fn with_ticks(low: f64, high: f64) -> (f64, f64) {
    match LogCoord::from((low..high).log_scale()).key_points(TICKS).len() {
        // A little more: the logarithm of a decade may be rounded.
        0 | 1 => (0.999 * 10f64.powf(low.log10().floor()), 1.001 * 10f64.powf(high.log10().ceil())),
        _ => (low, high),
    }
}

/// Labels of a linear axis with this range.
fn linear_labels(range: Range<f64>) -> impl Fn(&f64) -> String + use<> {
    let mut points = RangedCoordf64::from(range).key_points(TICKS);
    let step = points.windows(2).map(|pair| pair[1] - pair[0]).reduce(f64::min).unwrap_or(0.0);
    // Ticks are sums of steps: of huge ones, the tick at zero is what rounding leaves, and may be 1e272.
    let exact = move |value: f64| if value.abs() < 1e-6 * step { 0.0 } else { value };
    points.iter_mut().for_each(|point| *point = exact(*point));
    let label = labels(&points);
    move |value| label(&exact(*value))
}

/// Labels of an axis on which these numbers stand.
fn labels(points: &[f64]) -> impl Fn(&f64) -> String + use<> {
    let digits = enough_digits(points);
    let largest = points.iter().fold(0.0, |largest: f64, point| largest.max(point.abs()));
    move |value: &f64| short(*value, largest, digits)
}

/// Digits behind the point with which all numbers differ.
fn enough_digits(points: &[f64]) -> usize {
    const MOST: usize = 17;
    let largest = points.iter().fold(0.0, |largest: f64, point| largest.max(point.abs()));
    // Of a logarithmic axis, a point may be there twice, but for rounding.
    let mut points = points.to_vec();
    points.sort_by(f64::total_cmp);
    points.dedup_by(|one, other| (*one - *other).abs() <= (1e-9 * one.abs()).max(1e-13 * largest));
    let differ = |digits: &usize| {
        let texts: Vec<String> = points.iter().map(|point| short(*point, largest, *digits)).collect();
        let close = |(text, point): (&String, &f64)| {
            // Rounded, a number must stay nearer to its tick than to the neighbours.
            let gap =
                points.iter().map(|other| (other - point).abs()).filter(|gap| *gap > 0.0).fold(f64::INFINITY, f64::min);
            text.parse::<f64>().is_ok_and(|read| (read - point).abs() <= gap / 10.0)
        };
        texts.iter().zip(&points).all(close) && texts.windows(2).all(|pair| pair[0] != pair[1])
    };
    (0..MOST).find(differ).unwrap_or(MOST)
}

/// A number on an axis whose largest is `largest`: very small and large ones with an exponent.
fn short(value: f64, largest: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let without_zeros = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (1e-2..1e5).contains(&largest) {
        return without_zeros(&format!("{value:.digits$}"));
    }
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((number, exponent)) => format!("{}e{exponent}", without_zeros(number)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_struck_through_and_names_are_short() {
        assert_eq!(above_line(5.0, Some(5.2), 10.0), 5.2);
        assert_eq!(above_line(5.0, Some(6.5), 10.0), 5.0);
        assert_eq!((above_line(5.0, Some(4.9), 10.0), above_line(5.0, None, 10.0)), (5.0, 5.0));
        let method = |jobs, startup_seconds| MethodRecord {
            method: "parallel".into(),
            instructions: "avx2".into(),
            jobs,
            startup_seconds,
            ..MethodRecord::default()
        };
        assert_eq!(bar_name(&method(2, Some(0.1)), 3), "parallel -j2 (avx2)");
        assert_eq!(bar_name(&method(16, Some(0.1)), 9), "-j16");
        assert_eq!(bar_name(&method(1, None), 9), "parallel");
    }

    #[test]
    fn neighbours_on_an_axis_differ() {
        let of = |points: &[f64]| points.iter().map(labels(points)).collect::<Vec<_>>();
        assert_eq!(of(&[0.0, 0.005, 0.01, 0.015, 0.02]), ["0", "0.005", "0.01", "0.015", "0.02"]);
        assert_eq!(of(&[0.0, 5e-7, 1e-6, 1.5e-6]), ["0", "5e-7", "1e-6", "1.5e-6"]);
        assert_eq!(of(&[100_000.0, 110_000.0, 120_000.0]), ["1e5", "1.1e5", "1.2e5"]);
        assert_eq!(of(&[-20.0, -10.0, 0.0, 10.0]), ["-20", "-10", "0", "10"]);
        assert_eq!(of(&[24.998, 25.0, 25.002]), ["24.998", "25", "25.002"]);
        assert_eq!(of(&[0.001, 0.01, 0.1, 1.0, 10.0]), ["0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(of(&[0.1 + 0.2, 0.4]), ["0.3", "0.4"]);
        assert_eq!(of(&[0.1, 0.2, 1.0, 1.0000000000000002]), ["0.1", "0.2", "1", "1"]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn zero_is_zero_among_huge_numbers() {
        for (range, zeros) in
            [(-6.2e287..1e286, 1), (-3.1e5..4e5, 1), (-4.6e189..1e188, 1), (-3e-9..4e-9, 1), (2.0..9.0, 0)]
        {
            let ticks = RangedCoordf64::from(range.clone()).key_points(TICKS);
            let texts: Vec<String> = ticks.iter().map(linear_labels(range)).collect();
            assert_eq!(texts.iter().filter(|text| *text == "0").count(), zeros, "{texts:?} {ticks:?}");
            assert!(texts.iter().all(|text| text.len() <= "-4.5e189".len()), "{texts:?}");
        }
    }

    #[test]
    fn a_logarithmic_axis_has_two_numbers_at_least() {
        for (low, high) in [(0.3, 0.6), (0.06, 0.3), (0.5, 40.0), (2e-3, 2.5e-3), (1e9, 1e300)] {
            let (from, to) = with_ticks(low, high);
            let ticks = LogCoord::from((from..to).log_scale()).key_points(TICKS);
            assert!(from <= low && to >= high && ticks.len() >= 2, "{low} to {high}: {ticks:?}");
            let label = labels(&ticks);
            assert!(ticks.iter().all(|tick| label(tick).len() <= "0.0025".len()), "{ticks:?}");
        }
    }
}
