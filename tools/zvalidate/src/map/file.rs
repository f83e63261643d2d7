//! The file of a picture: its format is that of its name, and it appears when it is complete.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use zstore::{AtomicFile, Durability, Replace};
use zwire::{Exit, Failure};

use super::picture::Picture;
use super::{png, svg};

/// Formats of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

/// A picture that is to be written.
#[derive(Debug, Clone)]
pub struct MapFile {
    path: PathBuf,
    format: Format,
    overwrite: bool,
}

impl MapFile {
    /// A picture at `path`.
    ///
    /// # Errors
    /// `Exit::Usage` if the name has no format; `Exit::Output` if something has that name and is not to be replaced.
    pub fn new(path: &Path, overwrite: bool) -> Result<MapFile, Failure> {
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        let format = match end.as_deref() {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => {
                let text = format!("--map {}: cannot infer the format from the file name", path.display());
                return Err(Failure::new(Exit::Usage, text).hint("use a name that ends in .svg or .png"));
            }
        };
        let file = MapFile { path: path.to_owned(), format, overwrite };
        match path.symlink_metadata() {
            Ok(_) if !overwrite => Err(file.exists()),
            Ok(found) if !found.is_file() => Err(Failure::new(Exit::Output, "is not a file, so it is not replaced")
                .at(path.display())
                .hint("choose another name")),
            _ => Ok(file),
        }
    }

    fn exists(&self) -> Failure {
        let failure = Failure::new(Exit::Output, "already exists").at(self.path.display());
        failure.hint("use --overwrite, or choose another name")
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// It cannot be written, or something else has got its name.
    pub fn write(self, picture: &Picture) -> Result<(), Failure> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => self.exists(),
            std::io::ErrorKind::NotFound => {
                Failure::new(Exit::Output, "the directory does not exist").at(self.path.display())
            }
            _ => Failure::new(Exit::Output, error.to_string()).at(self.path.display()),
        };
        let mut file = BufWriter::new(AtomicFile::create(&self.path).map_err(failed)?);
        match self.format {
            Format::Svg => svg::write(picture, &mut file),
            Format::Png => png::write(picture, &mut file),
        }
        .and_then(|()| file.flush())
        .map_err(failed)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.publish(if self.overwrite { Replace::File } else { Replace::Never }, Durability::Full).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_picture_never_replaces_what_is_there_without_being_asked() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("map.SVG");
        let picture = Picture::new(&[], "list", 0);
        let first = MapFile::new(&path, false).expect("a new file");
        let second = first.clone();
        first.write(&picture).expect("writes");
        assert_eq!(second.write(&picture).expect_err("is there").exit, Exit::Output);
        assert_eq!(MapFile::new(&path, false).expect_err("is there").exit, Exit::Output);
        MapFile::new(&path, true).expect("may be replaced").write(&picture).expect("replaces");
        let names = fs::read_dir(directory.path()).expect("lists").count();
        assert_eq!(names, 1, "no temporary file is left");
    }

    #[test]
    fn the_name_tells_the_format() {
        assert_eq!(MapFile::new(Path::new("/nowhere/map.pdf"), false).expect_err("no format").exit, Exit::Usage);
        assert_eq!(MapFile::new(Path::new("/nowhere/map.png"), false).expect("a format").format, Format::Png);
        let missing = MapFile::new(Path::new("/nowhere/map.png"), false).expect("a format");
        let failure = missing.write(&Picture::new(&[], "list", 0)).expect_err("no directory");
        assert_eq!((failure.exit, failure.to_string().contains("directory does not exist")), (Exit::Output, true));
    }
}
