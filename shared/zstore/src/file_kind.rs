//! Paths that are no stores: what a file is that was given as a store, and what was probably meant.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use zwire::{closest, shell_quote};

/// How much of a file is looked at.
const BEGINNING: u64 = 64 << 10;

/// Names that are compared with a mistyped one.
const NEIGHBOURS: usize = 10_000;

/// What a file is that was given as a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// NetCDF 3, or NetCDF 4, which is HDF5.
    NetCdf,
    /// HDF5 with another name.
    Hdf5,
    /// GRIB 1 or 2.
    Grib,
    /// References of kerchunk in JSON.
    Kerchunk,
    /// A metadata document of a Zarr store.
    Metadata,
    /// A tar archive, or a compressed file.
    Archive,
    /// Something else.
    Other,
}

impl FileKind {
    /// Looks into the file at `path`.
    pub fn of(path: &Path) -> FileKind {
        let mut start = Vec::new();
        // What cannot be read is not known.
        let _ = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut start));
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let ends_with = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        match start.as_slice() {
            [b'C', b'D', b'F', 1 | 2 | 5, ..] => FileKind::NetCdf,
            [0x89, b'H', b'D', b'F', ..] if ends_with(&[".nc", ".nc4", ".cdf"]) => FileKind::NetCdf,
            [0x89, b'H', b'D', b'F', ..] => FileKind::Hdf5,
            [b'G', b'R', b'I', b'B', ..] => FileKind::Grib,
            _ if matches!(&*name, "zarr.json" | ".zgroup" | ".zarray" | ".zattrs" | ".zmetadata") => FileKind::Metadata,
            [b'{', ..] if start.windows(7).any(|window| window == b"\"refs\":") => FileKind::Kerchunk,
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'B', b'Z', b'h', ..] => FileKind::Archive,
            _ if ends_with(&[".tar"]) => FileKind::Archive,
            _ if ends_with(&[".nc", ".nc4", ".cdf"]) => FileKind::NetCdf,
            _ if ends_with(&[".grib", ".grib2", ".grb", ".grb2"]) => FileKind::Grib,
            _ if ends_with(&[".h5", ".hdf5"]) => FileKind::Hdf5,
            _ => FileKind::Other,
        }
    }

    /// The kind with its article.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::NetCdf => "a NetCDF file",
            FileKind::Hdf5 => "an HDF5 file",
            FileKind::Grib => "a GRIB file",
            FileKind::Kerchunk => "a file of kerchunk references",
            FileKind::Metadata => "a metadata document of a Zarr store",
            FileKind::Archive => "an archive or a compressed file",
            FileKind::Other => "a file",
        }
    }

    /// What to do with the file at `place`.
    pub fn hint(self, place: &str) -> String {
        let path = Path::new(place);
        let convert = |engine: &str| {
            let (input, output) = (python(place), python(&path.with_extension("zarr").display().to_string()));
            let code = format!("import xarray; xarray.open_dataset({input}{engine}).to_zarr({output})");
            format!("convert it to a Zarr store: python -c {}", shell_quote(&code))
        };
        match self {
            FileKind::NetCdf | FileKind::Hdf5 => convert(""),
            FileKind::Grib => convert(", engine=\"cfgrib\""),
            FileKind::Kerchunk => convert(", engine=\"kerchunk\""),
            FileKind::Metadata => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let directory = directory.map_or_else(|| ".".into(), |parent| parent.display().to_string());
                format!("give its directory: {}", shell_quote(&directory))
            }
            FileKind::Archive => "unpack it first; of archives, only .zip is read in place".into(),
            FileKind::Other => "a store is a directory, a zip archive or a URL; a list of stores is read with \
                                --stores-from FILE"
                .into(),
        }
    }
}

/// Text as Python writes it.
fn python(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n").replace('\r', r"\r");
    format!("\"{escaped}\"")
}

/// How the name of the folder of an unfinished output ends.
const PLAN: &str = ".plan";

/// Whether `place` is the output of a run that has not finished.
pub fn is_unfinished(place: &str) -> bool {
    !place.contains("://") && Path::new(&format!("{}{PLAN}", place.trim_end_matches('/'))).is_dir()
}

/// The path that was probably meant by `place`, which does not exist: with `.zarr` added, or a neighbour with a similar name.
pub fn neighbour(place: &str) -> Option<String> {
    let path = Path::new(place.trim_end_matches('/'));
    let name = path.file_name()?.to_str()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names =
        fs::read_dir(parent).ok()?.take(NEIGHBOURS).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|other| !other.starts_with('.') && !other.ends_with(PLAN)).collect();
    names.sort_unstable();
    let with_extension = format!("{name}.zarr");
    let meant = match names.contains(&with_extension) {
        true => with_extension.as_str(),
        false => closest(name, names.iter().map(String::as_str))?,
    };
    Some(path.with_file_name(meant).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_content_then_by_their_name() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, content, kind) in [
            ("a", &b"CDF\x01"[..], FileKind::NetCdf),
            ("b.nc", b"\x89HDF\r\n\x1a\n", FileKind::NetCdf),
            ("c.dat", b"\x89HDF\r\n\x1a\n", FileKind::Hdf5),
            ("d", b"GRIB\0\0\0\x02", FileKind::Grib),
            ("e.GRB2", b"", FileKind::Grib),
            ("ref.json", br#"{"version": 1, "refs": {}}"#, FileKind::Kerchunk),
            ("other.json", b"{}", FileKind::Other),
            ("zarr.json", b"{}", FileKind::Metadata),
            ("f.zarr.tar.gz", b"\x1f\x8b\x08", FileKind::Archive),
            ("list.txt", b"a.zarr\n", FileKind::Other),
        ] {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("is written");
            assert_eq!(FileKind::of(&path), kind, "{name}");
            assert!(!kind.hint(&path.display().to_string()).is_empty());
        }
        assert_eq!(FileKind::Metadata.hint("a/.zgroup"), "give its directory: a");
        assert_eq!(FileKind::Metadata.hint(".zgroup"), "give its directory: .");
        let hint = FileKind::Grib.hint("a b/x.grib");
        assert!(
            hint.ends_with(
                r#"'import xarray; xarray.open_dataset("a b/x.grib", engine="cfgrib").to_zarr("a b/x.zarr")'"#
            ),
            "{hint}"
        );
    }

    #[test]
    fn printed_python_has_names_as_they_are() {
        for (name, written) in [
            ("cafe\u{301}.nc", "\"cafe\u{301}.nc\""),
            ("it's.nc", r#""it'\''s.nc""#),
            (r#"a"b\c.nc"#, r#""a\"b\\c.nc""#),
            ("a\nb\u{200b}\u{e9}.nc", "\"a\\nb\u{200b}\u{e9}.nc\""),
        ] {
            let hint = FileKind::NetCdf.hint(name);
            assert!(hint.contains(&format!("xarray.open_dataset({written})")), "{hint}");
        }
    }

    #[test]
    fn a_missing_extension_and_a_mistyped_name_are_found() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["era5.zarr", "era5.txt", "other.zarr"] {
            fs::create_dir(directory.path().join(name)).expect("is made");
        }
        let found = |name: &str| neighbour(directory.path().join(name).to_str().expect("UTF-8"));
        let place = |name: &str| Some(directory.path().join(name).display().to_string());
        for (typed, meant) in [("era5", "era5.zarr"), ("era5/", "era5.zarr"), ("othr.zarr", "other.zarr")] {
            assert_eq!(found(typed), place(meant), "{typed}");
        }
        assert_eq!(found("nothing_like_it"), None);
        fs::create_dir(directory.path().join("copy.zarr.plan")).expect("is made");
        assert_eq!(found("copy.zarr"), None, "an output that is not there yet is not its plan");
        assert!(is_unfinished(directory.path().join("copy.zarr").to_str().expect("UTF-8")));
        assert_eq!(neighbour("/nowhere/at-all.zarr"), None);
    }
}
