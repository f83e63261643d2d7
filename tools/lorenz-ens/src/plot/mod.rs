//! Pictures: the attractor, the ensemble's spread over time, and the speed-up of the methods that were measured.

mod canvas;
mod figure;
mod panels;

use std::path::Path;

use plotters::prelude::{IntoDrawingArea, SVGBackend};
use zwire::{Exit, Failure};

use crate::sink::{check_free, create};
use canvas::Canvas;
pub use figure::{Figure, MEMBERS};

/// A picture that is asked for.
pub struct Picture<'a> {
    path: &'a Path,
    overwrite: bool,
    /// Whether the same picture may be there already.
    resume: bool,
}

impl<'a> Picture<'a> {
    /// The picture at `path`, if there is one. What would be refused is refused before anything is computed.
    ///
    /// # Errors
    /// Another format than SVG and PNG; a file that exists.
    pub fn new(path: Option<&'a Path>, overwrite: bool, resume: bool) -> Result<Option<Picture<'a>>, Failure> {
        let Some(path) = path else { return Ok(None) };
        format_of(path)?;
        check_free(path, overwrite || resume)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if directory.is_some_and(|directory| !directory.is_dir()) {
            return Err(crate::sink::failure(path, &std::io::ErrorKind::NotFound.into()));
        }
        Ok(Some(Picture { path, overwrite, resume }))
    }

    /// Writes it in the format of the file's name.
    ///
    /// # Errors
    /// A file that exists, a full disk.
    pub fn write(&self, figure: &Figure) -> Result<(), Failure> {
        let path = self.path;
        let bytes = draw(figure, path)?;
        if self.resume && std::fs::read(path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let (target, mut writer) = create(path, self.overwrite)?;
        let failed = |error: std::io::Error| crate::sink::failure(path, &error);
        std::io::Write::write_all(&mut writer, &bytes).map_err(failed)?;
        writer.into_inner().map_err(|error| failed(error.into_error()))?;
        let replace = if self.overwrite { zstore::Replace::File } else { zstore::Replace::Never };
        target.publish(replace, zstore::Durability::Full).map_err(failed)
    }
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

#[cfg(test)]
mod tests {
    use zwire::MethodRecord;

    use super::*;
    use crate::advance::Integration;
    use crate::ensemble::{Ensemble, Method};
    use crate::system::{Integrator, System};

    fn figure(system: &System, initial: &Ensemble, steps: u64) -> Figure {
        let (pool, stop) = (zarray::Pool::new(1), zcli::Stop::never());
        let how = Integration { system, method: Method::Vector, pool: &pool, stop: &stop };
        Figure::of(&how, initial.clone(), initial.len() as u64, steps).expect("no signal")
    }

    #[test]
    fn both_formats_are_drawn() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let mut initial = Ensemble::default();
        (0..5).for_each(|member| initial.push([-10.0 + 0.1 * f64::from(member), -10.0, 25.0]));
        let mut figure = figure(&system, &initial, 300);
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
        for name in ["a.jpg", "a"] {
            assert!(Picture::new(Some(Path::new(name)), false, false).is_err(), "{name}");
        }
    }

    #[test]
    fn a_picture_that_exists_is_kept_and_drawn_once() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.svg");
        let picture = |overwrite, resume| Picture::new(Some(&path), overwrite, resume);
        let one = Figure { title: "one".into(), ..Figure::default() };
        let two = Figure { title: "two".into(), ..Figure::default() };
        picture(false, false).expect("free").expect("asked for").write(&one).expect("writes");
        assert!(picture(false, false).is_err_and(|failure| failure.exit == Exit::Output));
        let resumed = picture(false, true).expect("looked at later").expect("asked for");
        assert!(resumed.write(&one).is_ok() && resumed.write(&two).is_err_and(|failure| failure.exit == Exit::Output));
        picture(true, false).expect("replaces").expect("asked for").write(&two).expect("writes");
        assert!(std::fs::read_to_string(&path).expect("text").contains("two"));
    }

    #[test]
    fn members_that_are_not_finite_are_left_out() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.5, integrator: Integrator::Euler };
        let mut initial = Ensemble::default();
        initial.push([-10.0, -10.0, 25.0]);
        let figure = figure(&system, &initial, 100);
        assert!(draw(&figure, Path::new("a.svg")).is_ok() && draw(&figure, Path::new("a.png")).is_ok());
    }
}
