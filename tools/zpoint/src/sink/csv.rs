//! CSV as in RFC 4180, except that lines end with a newline only.

use super::cells::{Dialect, Style};
use super::columns::{self, Long};
use super::lines::Lines;
use super::{Layout, Options};
use crate::batch::Schema;

/// The CSV format of rows of `schema`.
pub fn lines(schema: &Schema, options: &Options) -> Lines {
    let mut missing = Vec::new();
    Style { dialect: Dialect::Csv, missing: Vec::new(), times: options.time_format }
        .text(&options.na_rep, &mut missing);
    let style = Style { dialect: Dialect::Csv, missing, times: options.time_format };
    let long = options.layout == Layout::Long;
    let features = if long { long_prefixes(schema, &style) } else { commas(schema.keys.len(), count(schema)) };
    Lines {
        header: if options.header { header(schema, options.layout, &style) } else { Vec::new() },
        style,
        start: b"",
        keys: commas(0, schema.keys.len()),
        features,
        end: b"\n",
        long,
    }
}

fn count(schema: &Schema) -> usize {
    columns::features(schema).count()
}

/// A comma before each of `count` columns that follow `before` others, except before the first column.
fn commas(before: usize, count: usize) -> Vec<Vec<u8>> {
    (before..before + count).map(|column| if column == 0 { Vec::new() } else { b",".to_vec() }).collect()
}

fn header(schema: &Schema, layout: Layout, style: &Style) -> Vec<u8> {
    let mut out = Vec::new();
    for (column, name) in columns::names(schema, layout).into_iter().enumerate() {
        if column > 0 {
            out.push(b',');
        }
        style.text(name, &mut out);
    }
    out.push(b'\n');
    out
}

/// `,t,850,` for each feature.
fn long_prefixes(schema: &Schema, style: &Style) -> Vec<Vec<u8>> {
    let long = Long::of(schema);
    let prefix = |feature| {
        let mut out = Vec::new();
        let coordinates = long.dimensions.iter().map(|dimension| &dimension.coordinate);
        for (number, column) in std::iter::once(&long.variable).chain(coordinates).enumerate() {
            if number > 0 || !schema.keys.is_empty() {
                out.push(b',');
            }
            style.cell(column, feature, &mut out);
        }
        out.push(b',');
        out
    };
    (0..long.variable.len()).map(prefix).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Format, TimeFormat, fixture};

    fn written(options: &Options) -> String {
        fixture::streamed(Format::Csv, options, 1)
    }

    #[test]
    fn wide() {
        let text = written(&Options::default());
        assert_eq!(
            text,
            "point_id,lat,lon,time,t_850,t_500,n,flag\n\
             0,51.5,-0.125,2019-03-01T00:00:00Z,281.6084,250.0,-3,true\n\
             \"a,\"\"b\"\"\n\",-33.0,18.5,2019-03-01T00:00:00Z,,inf,,false\n\
             0,51.5,-0.125,2019-03-01T06:00:00Z,282.5,251.0,7,true\n\
             \"a,\"\"b\"\"\n\",-33.0,18.5,2019-03-01T06:00:00Z,300.0,-inf,8,false\n"
        );
    }

    #[test]
    fn long() {
        let text = written(&Options { layout: Layout::Long, na_rep: "NA".into(), ..Options::default() });
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("point_id,lat,lon,time,variable,level,value"));
        assert_eq!(lines.next(), Some("0,51.5,-0.125,2019-03-01T00:00:00Z,t,850,281.6084"));
        assert_eq!(lines.next(), Some("0,51.5,-0.125,2019-03-01T00:00:00Z,t,500,250.0"));
        assert_eq!(lines.next(), Some("0,51.5,-0.125,2019-03-01T00:00:00Z,n,NA,-3"));
        assert_eq!(lines.next(), Some("0,51.5,-0.125,2019-03-01T00:00:00Z,flag,NA,true"));
        assert_eq!(text.matches(",NA,NA\n").count(), 1, "n is missing once");
    }

    #[test]
    fn without_a_header_with_numbers_for_times() {
        let options = Options { header: false, time_format: TimeFormat::Unix, ..Options::default() };
        assert!(written(&options).starts_with("0,51.5,-0.125,1551398400,281.6084,"));
        let options = Options { header: false, time_format: TimeFormat::UnixMicros, ..Options::default() };
        assert!(written(&options).starts_with("0,51.5,-0.125,1551398400000000,281.6084,"));
    }

    #[test]
    fn the_library_reads_back_what_was_written() {
        let text = written(&Options::default());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
        assert_eq!((records.len(), &records[1][0], &records[1][5]), (4, "a,\"b\"\n", "inf"));
    }

    #[test]
    fn a_header_with_evil_names_is_quoted() {
        let mut schema = fixture::schema();
        schema.variables[1].features[0] = "n, \"raw\"".into();
        let header = header(&schema, Layout::Wide, &lines(&schema, &Options::default()).style);
        assert_eq!(header, b"point_id,lat,lon,time,t_850,t_500,\"n, \"\"raw\"\"\",flag\n");
    }
}
