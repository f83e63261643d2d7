//! Pictures: the attractor, the ensemble's spread over time, and the speed-up of the methods that were measured.

mod canvas;
mod figure;
mod panels;

use std::path::Path;

use plotters::prelude::{IntoDrawingArea, SVGBackend};
use zwire::{Exit, Failure};

use crate::sink::create;
use canvas::Canvas;
pub use figure::Figure;

/// Writes a picture in the format of the file's name.
///
/// # Errors
/// Another format, a file that exists, a full disk.
pub fn write(figure: &Figure, path: &Path, overwrite: bool) -> Result<(), Failure> {
    let bytes = draw(figure, path)?;
    let (target, mut writer) = create(path, overwrite)?;
    let failed = |error: std::io::Error| crate::sink::failure(path, &error);
    std::io::Write::write_all(&mut writer, &bytes).map_err(failed)?;
    writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let replace = if overwrite { zstore::Replace::File } else { zstore::Replace::Never };
    target.publish(replace, zstore::Durability::Full).map_err(failed)
}

fn draw(figure: &Figure, path: &Path) -> Result<Vec<u8>, Failure> {
    let size = size(figure);
    match format_of(path)? {
        Format::Svg => {
            let mut text = String::new();
            panels::draw(&SVGBackend::with_string(&mut text, size).into_drawing_area(), figure)?;
            Ok(text.into_bytes())
        }
        Format::Png => {
            let mut canvas = Canvas::new(size);
            panels::draw(&(&mut canvas).into_drawing_area(), figure)?;
            canvas.png().map_err(|error| Failure::new(Exit::Output, error).at(path.display()))
        }
    }
}

/// Width and height.
fn size(figure: &Figure) -> (u32, u32) {
    (1200, if figure.methods.is_empty() { 620 } else { 980 })
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::usage("cannot infer the format from the file name")
            .at(path.display())
            .hint("use .svg or .png")),
    }
}

/// Refuses a file that cannot be drawn, before anything is computed.
///
/// # Errors
/// Another format than SVG and PNG.
pub fn check(path: &Path) -> Result<(), Failure> {
    format_of(path).map(drop)
}

#[cfg(test)]
mod tests {
    use zwire::MethodRecord;

    use super::*;
    use crate::ensemble::Ensemble;
    use crate::system::{Integrator, System};

    #[test]
    fn both_formats_are_drawn() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let mut initial = Ensemble::default();
        (0..5).for_each(|member| initial.push([-10.0 + 0.1 * f64::from(member), -10.0, 25.0]));
        let mut figure = Figure::of(&system, &initial, 300, &zarray::Pool::new(1));
        for methods in [0, 2] {
            let method =
                |jobs| MethodRecord { method: "parallel".into(), jobs, speedup: Some(3.0), ..MethodRecord::default() };
            figure.methods = (0..methods).map(method).collect();
            let svg = String::from_utf8(draw(&figure, Path::new("a.svg")).expect("draws")).expect("text");
            assert!(svg.contains("model time") && svg.contains("5 members"), "{svg}");
            assert_eq!(svg.contains("speed-up"), methods > 0);
            let png = draw(&figure, Path::new("a.PNG")).expect("draws");
            assert!(png.starts_with(b"\x89PNG"));
        }
        assert!(check(Path::new("a.jpg")).is_err() && check(Path::new("a")).is_err());
    }

    #[test]
    fn members_that_are_not_finite_are_left_out() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.5, integrator: Integrator::Euler };
        let mut initial = Ensemble::default();
        initial.push([-10.0, -10.0, 25.0]);
        let figure = Figure::of(&system, &initial, 100, &zarray::Pool::new(1));
        assert!(draw(&figure, Path::new("a.svg")).is_ok() && draw(&figure, Path::new("a.png")).is_ok());
    }
}
