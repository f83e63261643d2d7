//! Requested points, from pairs of latitude and longitude or a CSV file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zstore::{StoreOptions, standard_input};
use zwire::{Exit, Failure};

use crate::point::Point;

/// Recognized column names, in lower case.
const ID: [&str; 4] = ["id", "point_id", "station_id", "station"];
const LATITUDE: [&str; 2] = ["lat", "latitude"];
const LONGITUDE: [&str; 3] = ["lon", "longitude", "lng"];

/// Points, in the order given. All lists are of the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Unique ids.
    pub ids: Vec<String>,
    /// Degrees north.
    pub latitudes: Vec<f64>,
    /// Degrees east, in the convention given.
    pub longitudes: Vec<f64>,
    /// Other columns of the file: name, and a text for each point.
    pub carried: Vec<(String, Vec<String>)>,
}

impl Points {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The points of a command line: pairs of `--lat` and `--lon`, numbered from 0, then those of `file` (`-` is standard
    /// input, of which reads fail once the process is asked to stop).
    ///
    /// # Errors
    /// Usage failures: no points, a latitude without longitude, an invalid line (with its number).
    pub fn gather(
        latitudes: &[f64],
        longitudes: &[f64],
        file: Option<&Path>,
        bad: &mut BadLines,
        options: &StoreOptions,
    ) -> Result<Points, Failure> {
        if latitudes.len() != longitudes.len() {
            let count = |values: &[f64], noun: &str| zwire::human_counted(values.len() as u64, noun);
            let what = format!("{} and {} are given", count(latitudes, "latitude"), count(longitudes, "longitude"));
            return Err(Failure::usage(what).hint("give each point a --lat and a --lon"));
        }
        let mut points = Points::default();
        for (latitude, longitude) in latitudes.iter().zip(longitudes) {
            check(*latitude, *longitude).map_err(|what| wrong_flags(&what, *latitude, *longitude))?;
            points.ids.push(points.len().to_string());
            points.latitudes.push(*latitude);
            points.longitudes.push(*longitude);
        }
        if let Some(path) = file {
            points.read(path, bad, options)?;
        }
        if let (true, Some(path)) = (points.is_empty(), file) {
            let what = if bad.count == 0 { "has no points below its header" } else { "has no valid points" };
            return Err(Failure::usage(what).at(path.display()));
        }
        if points.is_empty() {
            return Err(Failure::usage("no points given").hint("use --lat and --lon, or --points FILE"));
        }
        Ok(points)
    }

    fn read(&mut self, path: &Path, bad: &mut BadLines, options: &StoreOptions) -> Result<(), Failure> {
        let name = path.display().to_string();
        let opened: io::Result<Box<dyn Read>> = match name.as_str() {
            "-" => standard_input(&options.stop).map(|input| Box::new(input) as _),
            _ => File::open(path).map(|file| Box::new(file) as _),
        };
        let reader = opened.map_err(|error| Failure::new(Exit::Absent, error.to_string()).at(&name))?;
        self.read_csv(reader, bad).and_then(|()| bad.failure()).map_err(|failure| failure.at(&name))
    }

    /// Reads all lines; those that are no points are collected.
    fn read_csv(&mut self, reader: impl Read, bad: &mut BadLines) -> Result<(), Failure> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(reader);
        let header = reader.headers().map_err(|error| Failure::usage(error.to_string()))?.clone();
        let columns = Columns::of(&header).map_err(Failure::usage)?;
        let before = self.len();
        for (_, name) in &columns.carried {
            self.carried.push((name.clone(), vec![String::new(); before]));
        }
        let mut seen: HashMap<String, u64> = self.ids.iter().map(|id| (id.clone(), 0)).collect();
        let mut record = csv::StringRecord::new();
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut record) {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                    bad.add(line, "it is not UTF-8".into());
                    continue;
                }
                Err(error) => return Err(Failure::usage(error.to_string())),
            }
            let line = record.position().map_or(line, csv::Position::line);
            let found = columns.point(&record, header.len()).and_then(|(id, latitude, longitude)| {
                let id = id.unwrap_or_else(|| self.len().to_string());
                match seen.get(&id) {
                    Some(first) => Err(format!("id {id:?} is already used in line {first}")),
                    None => Ok((id, latitude, longitude)),
                }
            });
            match found {
                Ok((id, latitude, longitude)) => {
                    seen.insert(id.clone(), line);
                    self.ids.push(id);
                    self.latitudes.push(latitude);
                    self.longitudes.push(longitude);
                    for ((position, _), (_, texts)) in columns.carried.iter().zip(&mut self.carried) {
                        texts.push(record.get(*position).unwrap_or_default().to_owned());
                    }
                }
                Err(what) => bad.add(line, what),
            }
        }
    }

    /// A point on the globe.
    pub fn point(&self, number: usize) -> Point {
        Point { lat: self.latitudes[number], lon: self.longitudes[number] }
    }

    /// The points for which `keep` is true.
    pub fn filtered(&self, keep: &[bool]) -> Points {
        Points {
            ids: kept(&self.ids, keep),
            latitudes: kept(&self.latitudes, keep),
            longitudes: kept(&self.longitudes, keep),
            carried: self.carried.iter().map(|(name, texts)| (name.clone(), kept(texts, keep))).collect(),
        }
    }
}

/// The values for which `keep` is true.
pub fn kept<T: Clone>(values: &[T], keep: &[bool]) -> Vec<T> {
    values.iter().zip(keep).filter(|(_, keep)| **keep).map(|(value, _)| value.clone()).collect()
}

fn check(latitude: f64, longitude: f64) -> Result<(), String> {
    match (latitude, longitude) {
        (latitude, _) if !(-90.0..=90.0).contains(&latitude) => {
            let swapped = Point { lat: latitude, lon: longitude }.swapped();
            let hint = if swapped.is_some() { ": latitude and longitude may be swapped" } else { "" };
            Err(format!("latitude {latitude} is outside -90…90{hint}"))
        }
        (_, longitude) if !(-360.0..=360.0).contains(&longitude) => {
            Err(format!("longitude {longitude} is outside -360…360"))
        }
        _ => Ok(()),
    }
}

/// A point of the command line that is none.
fn wrong_flags(what: &str, latitude: f64, longitude: f64) -> Failure {
    Failure::usage(what).at("--lat, --lon").hint(Point { lat: latitude, lon: longitude }.hint())
}

/// The lines of a points file that are no points.
#[derive(Debug, Default)]
pub struct BadLines {
    /// Whether they are only left out.
    skipped: bool,
    /// How many.
    pub count: usize,
    /// What is wrong with the first of them.
    listed: Vec<String>,
}

/// The most bad lines that are listed.
const LISTED: usize = 20;

impl BadLines {
    /// None yet; `skipped`: they are only left out.
    pub fn new(skipped: bool) -> BadLines {
        BadLines { skipped, ..BadLines::default() }
    }

    fn add(&mut self, line: u64, what: String) {
        self.count += 1;
        if self.listed.len() < LISTED {
            self.listed.push(format!("line {line}: {what}"));
        }
    }

    /// All of them, as one message.
    pub fn message(&self) -> String {
        let more = match self.count - self.listed.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        format!("{}{more}", self.listed.join("; "))
    }

    fn failure(&self) -> Result<(), Failure> {
        match self.count {
            0 => Ok(()),
            _ if self.skipped => Ok(()),
            _ => Err(Failure::usage(self.message()).hint("correct them, or use --skip-bad-points")),
        }
    }
}

/// Which column of a points file is what.
struct Columns {
    id: Option<usize>,
    latitude: usize,
    longitude: usize,
    carried: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Columns, String> {
        let names: Vec<String> = header.iter().map(str::to_ascii_lowercase).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        if header.iter().all(str::is_empty) {
            return Err("is empty: expected a header such as id,lat,lon, then a line for each point".into());
        }
        let separators = [(';', "semicolons"), ('\t', "tabs")];
        let other = separators.iter().find(|(separator, _)| header.len() == 1 && header[0].contains(*separator));
        if let Some((_, name)) = other {
            return Err(format!("line 1: the columns are separated by {name}: separate them by commas"));
        }
        let missing = |what: &str| format!("line 1: the header has no column {what:?}: expected id,lat,lon,…");
        let latitude = find(&LATITUDE).ok_or_else(|| missing("lat"))?;
        let longitude = find(&LONGITUDE).ok_or_else(|| missing("lon"))?;
        let id = find(&ID);
        let taken = [Some(latitude), Some(longitude), id];
        let carried = header.iter().enumerate().filter(|(position, _)| !taken.contains(&Some(*position)));
        Ok(Columns { id, latitude, longitude, carried: carried.map(|(at, name)| (at, name.to_owned())).collect() })
    }

    /// Id, latitude and longitude of a line that should have so many fields; or what is wrong with it.
    fn point(&self, record: &csv::StringRecord, fields: usize) -> Result<(Option<String>, f64, f64), String> {
        if record.len() != fields {
            return Err(format!("{} fields where the header has {fields}", record.len()));
        }
        let number = |column: usize, name: &str| {
            let text = record.get(column).unwrap_or_default();
            text.parse::<f64>().map_err(|_| format!("{name} is {text:?}, not a number"))
        };
        let (latitude, longitude) = (number(self.latitude, "lat")?, number(self.longitude, "lon")?);
        check(latitude, longitude)?;
        Ok((self.id.and_then(|column| record.get(column)).map(str::to_owned), latitude, longitude))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Points, String> {
        read_bytes(text.as_bytes(), false)
    }

    fn read_bytes(text: &[u8], skipped: bool) -> Result<Points, String> {
        let (mut points, mut bad) = (Points::default(), BadLines::new(skipped));
        let read = points.read_csv(text, &mut bad).and_then(|()| bad.failure());
        read.map(|()| points).map_err(|failure| failure.to_string())
    }

    #[test]
    fn files_have_a_header_in_any_order_and_more_columns() {
        let points = read("name,Lon,id,LAT\n\"Big, Ben\",-0.12,ldn,51.5\nb, 10 ,x,-3\n").expect("reads");
        assert_eq!(points.ids, ["ldn", "x"]);
        assert_eq!((points.latitudes, points.longitudes), (vec![51.5, -3.0], vec![-0.12, 10.0]));
        assert_eq!(points.carried, [("name".to_owned(), vec!["Big, Ben".to_owned(), "b".to_owned()])]);
        assert_eq!(read("lat,lon\n1,2\n3,4\n").expect("reads").ids, ["0", "1"]);
    }

    #[test]
    fn bad_lines_are_named_by_number() {
        for (text, words) in [
            ("id,lat,lon\na,1,2\nb,x,2\n", ["line 3", "\"x\""]),
            ("id,lat,lon\na,1,2\nb,1\n", ["line 3", "2 fields"]),
            ("id,lat,lon\na,NaN,2\n", ["line 2", "outside"]),
            ("id,lat,lon\na,151.2,-33.9\n", ["line 2", "swapped"]),
            ("id,lat,lon\na,1,2\na,2,3\n", ["line 3", "already used in line 2"]),
            ("id,latt,lon\na,1,2\n", ["line 1", "\"lat\""]),
            ("id,lat,lon\na,1,400\n", ["line 2", "longitude 400"]),
            ("", ["is empty", "id,lat,lon"]),
            ("\n\n", ["is empty", "id,lat,lon"]),
            ("id;lat;lon\na;1;2\n", ["line 1", "semicolons"]),
            ("id\tlat\tlon\na\t1\t2\n", ["line 1", "tabs"]),
        ] {
            let error = read(text).expect_err(text);
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn all_bad_lines_are_reported_or_skipped() {
        let text = b"id,lat,lon\na,x,2\nb,1,2\nc,95,0\nb,3,4\n\xff,1,2\nd,1\ne,5,6\n";
        let error = read_bytes(text, false).expect_err("bad lines");
        for words in
            ["line 2: ", "line 4: latitude 95", "line 5: id \"b\"", "line 6: it is not UTF-8", "line 7: 2 fields"]
        {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert_eq!(read_bytes(text, true).expect("the others").ids, ["b", "e"]);
        let many = format!("lat,lon\n{}", "x,1\n".repeat(50));
        assert!(read(&many).expect_err("all").ends_with("; and 30 more"));
    }

    #[test]
    fn flags_come_in_pairs() {
        let gather = |lat: &[f64], lon: &[f64]| {
            Points::gather(lat, lon, None, &mut BadLines::default(), &StoreOptions::default())
        };
        assert_eq!(gather(&[51.5, -90.0], &[0.0, 359.9]).expect("points").ids, ["0", "1"]);
        assert!(gather(&[1.0], &[]).expect_err("one").to_string().contains("1 latitude and 0 longitudes"));
        assert!(gather(&[], &[]).is_err());
        let hint = |lat, lon| gather(&[lat], &[lon]).expect_err("none").advice().unwrap_or_default().to_owned();
        assert_eq!(hint(151.2, -33.9), "use --lat -33.9 --lon 151.2 if they are swapped");
        assert!(hint(951.0, 0.0).contains("-90 to 90"));
    }
}
