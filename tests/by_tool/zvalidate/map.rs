//! Maps of the chunks: pictures in both formats, and strips in the table.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use harness::{Outcome, Tool};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::made::{FORMATS, Format, Scene};

/// Columns and rows of each variable of the scene, and the width of a picture's plot.
const COLUMNS: usize = 9;
const ROWS: usize = 2;
const PLOT: f64 = 960.0;

/// The variables, in the order in which they are drawn.
const NAMES: [&str; 4] = ["raw", "t2m", "tp", "u10"];

fn run(scene: &Scene, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").args(flags).arg(scene.store()).run()
}

/// A scene with a missing, a damaged and an empty chunk.
fn faulty(format: Format) -> Scene {
    let scene = Scene::sound(format);
    scene.set("t2m", |index, value| {
        if (30..36).contains(&index[0]) && index[1] < 6 {
            *value = f32::NAN;
        }
    });
    scene.remove(&scene.key("tp", [3, 0, 0]));
    scene.change(&scene.key("u10", [2, 1, 0]), |bytes| bytes.truncate(bytes.len() - 9));
    scene
}

/// A cell of a picture: what it stands for, the variable, column and row.
type Cell = (String, &'static str, usize, usize);

/// The cells of an SVG file.
fn cells(file: &Path) -> Vec<Cell> {
    let text = fs::read_to_string(file).unwrap();
    let mut reader = Reader::from_str(&text);
    let mut rectangles = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) if element.name().as_ref() == b"rect" => {
                let attribute = |name: &str| {
                    let found = element.try_get_attribute(name).unwrap().unwrap();
                    String::from_utf8(found.value.into_owned()).unwrap()
                };
                let length = |name: &str| attribute(name).parse::<f64>().unwrap();
                rectangles.push((attribute("class"), length("x"), length("y"), length("width")));
            }
            _ => {}
        }
    }
    rectangles.retain(|(class, ..)| ["stored", "missing", "damaged", "empty"].contains(&class.as_str()));
    let tops: BTreeSet<u64> = rectangles.iter().map(|(_, _, y, _)| y.to_bits()).collect();
    let tops: Vec<u64> = tops.into_iter().collect();
    let left = rectangles.iter().map(|(_, x, ..)| *x).fold(f64::INFINITY, f64::min);
    let each = PLOT / COLUMNS as f64;
    let cell = |(class, x, y, width): (String, f64, f64, f64)| {
        assert!((width - (each - 1.0)).abs() < 0.02, "a cell for each chunk: {width}");
        let row = tops.iter().position(|top| *top == y.to_bits()).unwrap();
        (class, NAMES[row / ROWS], ((x - left) / each).round() as usize, row % ROWS)
    };
    rectangles.into_iter().map(cell).collect()
}

#[test]
fn a_picture_shows_every_chunk_and_where_some_are_missing() {
    for format in FORMATS {
        let scene = faulty(format);
        let file = scene.directory.path().join("map.svg");
        run(&scene, &["--json", "--map", file.to_str().unwrap()]).expect(1);
        let found = cells(&file);
        assert_eq!(found.len(), NAMES.len() * COLUMNS * ROWS, "{format:?}");
        let unsound: BTreeSet<Cell> = found.into_iter().filter(|(class, ..)| class != "stored").collect();
        let mut expected = BTreeSet::from([("empty".to_owned(), "t2m", 5, 0)]);
        match format {
            // All of a shard.
            Format::Sharded => {
                let chunks = (0..4).flat_map(|column| (0..ROWS).map(move |row| (column, row)));
                for (column, row) in chunks {
                    expected.insert(("missing".to_owned(), "tp", column, row));
                    expected.insert(("damaged".to_owned(), "u10", column, row));
                }
            }
            _ => {
                expected.insert(("missing".to_owned(), "tp", 3, 0));
                expected.insert(("damaged".to_owned(), "u10", 2, 1));
            }
        }
        assert_eq!(unsound, expected, "{format:?}");
    }
}

#[test]
fn what_a_level_does_not_look_at_is_not_drawn() {
    let scene = faulty(Format::V2);
    let file = scene.directory.path().join("map.svg");
    let found = |level: &str| {
        run(&scene, &["--json", "--level", level, "--overwrite", "--map", file.to_str().unwrap()]).expect(1);
        let classes: Vec<String> = cells(&file).into_iter().map(|(class, ..)| class).collect();
        ["missing", "damaged", "empty"].map(|wanted| classes.iter().filter(|class| *class == wanted).count())
    };
    assert_eq!(found("list"), [1, 0, 0]);
    assert_eq!(found("full"), [1, 1, 1]);
}

#[test]
fn labels_are_coordinate_values() {
    let scene = Scene::sound(Format::V3);
    let file = scene.directory.path().join("map.svg");
    run(&scene, &["--json", "--map", file.to_str().unwrap()]).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    for label in [">time<", ">2019-03-01T00:00<", ">2019-03-03T01:00<", ">t2m<", ">by latitude<"] {
        assert!(text.contains(label), "{label}: {text}");
    }
}

#[test]
fn a_png_file_has_the_colours_of_what_is_wrong() {
    let scene = faulty(Format::V3);
    let file = scene.directory.path().join("map.png");
    run(&scene, &["--json", "--map", file.to_str().unwrap()]).expect(1);
    let mut reader = png::Decoder::new(Cursor::new(fs::read(&file).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert!(info.width > 960 && info.height > 100, "{info:?}");
    let count = |color: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| *pixel == color).count();
    // A cell is about 106 × 15 pixels, and the legend has 12 × 12.
    for color in [[0xd5, 0x4a, 0x00], [0x10, 0x10, 0x10], [0xf0, 0xc8, 0x20]] {
        assert!((1400..1900).contains(&count(color)), "{color:?}: {}", count(color));
    }
    let names: Vec<_> = fs::read_dir(scene.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the store and the picture: {names:?}");
}

#[test]
fn a_file_that_is_there_is_not_replaced_unless_asked() {
    let scene = Scene::sound(Format::V2);
    let file = scene.directory.path().join("map.svg");
    let path = file.to_str().unwrap();
    fs::write(&file, "mine").unwrap();
    let refused = run(&scene, &["--map", path]).expect(7);
    assert!(refused.stderr.contains("already exists") && refused.stderr.contains("--overwrite"), "{}", refused.stderr);
    assert!(refused.of_type("check").is_empty(), "nothing was checked before: {}", refused.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    run(&scene, &["--map", path, "--overwrite"]).expect(0);
    assert!(fs::read_to_string(&file).unwrap().starts_with("<svg"));
    let unknown = run(&scene, &["--map", "map.pdf"]).expect(2);
    assert!(unknown.stderr.contains("ends in .svg or .png"), "{}", unknown.stderr);
    let folder = scene.directory.path().join("nowhere/map.png");
    run(&scene, &["--map", folder.to_str().unwrap()]).expect(7);
}

#[test]
fn a_strip_of_each_array_is_in_the_table_and_the_record() {
    let scene = faulty(Format::V2);
    let records = run(&scene, &["--json", "--map", "-"]).expect(1).of_type("check");
    let map =
        |path: &str| records.iter().find(|record| record["path"] == path).unwrap()["map"].as_str().unwrap().to_owned();
    assert_eq!([map("/tp"), map("/u10"), map("/t2m"), map("/time")], ["███▄█████", "██×██████", "█████████", "█"]);
    let table = run(&scene, &["--format", "table", "--map", "-"]).expect(1).stdout;
    assert!(table.contains(" MAP ") && table.contains("███▄█████") && table.contains("× damaged"), "{table}");
    let without = run(&scene, &["--format", "table"]).expect(1).stdout;
    assert!(!without.contains("MAP") && !without.contains('█'), "{without}");
}
