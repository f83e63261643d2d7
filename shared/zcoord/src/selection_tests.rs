//! Labels and indices select as in xarray.

use super::*;
use crate::calendar::Calendar;
use crate::nearest::Tolerance;
use crate::time::parse_label;
use crate::values::{Kind, Values};

fn levels() -> Column {
    Column::new(Kind::Float(32), Values::F32(vec![1000.0, 850.0, 500.0, 0.1]))
}

fn sel(text: &str, column: &Column) -> Result<Vec<u64>, String> {
    let selected = parse_sel(text)?.resolve(column.len() as u64, Some(column));
    selected.map(|indices| indices.iter().collect()).map_err(|error| error.to_string())
}

#[test]
fn numbers_by_value_both_ends_included_in_either_order() {
    assert_eq!(sel("level=850", &levels()), Ok(vec![1]));
    assert_eq!(sel("level=500:850", &levels()), Ok(vec![1, 2]));
    assert_eq!(sel("level=850:500", &levels()), Ok(vec![1, 2]));
    assert_eq!(sel("level=:500", &levels()), Ok(vec![2, 3]));
    assert_eq!(sel("level=1000,0.1", &levels()), Ok(vec![0, 3]));
    assert!(sel("level=700", &levels()).expect_err("nothing").contains("available: 1000, 850, 500, 0.1"));
    let many = Column::new(Kind::Int(64), Values::I64((0..100).collect()));
    assert!(sel("level=700", &many).expect_err("nothing").ends_with("available: 0 to 99 (100 values)"));
    assert!(sel("level=x", &levels()).is_err());
}

#[test]
fn neighbours_of_large_values_are_not_selected() {
    let days = Column::new(Kind::Int(64), Values::I64((20_190_228..20_190_305).collect()));
    let names = Column::new(Kind::UInt(64), Values::U64((0..4).map(|n| u64::MAX - 3 + n).collect()));
    let metres = Column::new(Kind::Float(64), Values::F64((0..9).map(|n| 5_000_000.0 + f64::from(n)).collect()));
    let coarse = Column::new(Kind::Float(32), Values::F32((0..9u8).map(|n| 1e7 + f32::from(n)).collect()));
    let halves = Column::new(Kind::Float(32), Values::F32((0..9u8).map(|n| 5e6 + f32::from(n) / 2.0).collect()));
    for (column, label, expected) in [
        (&days, "x=20190301", vec![73]),
        (&days, "x=20190301.0", vec![73]),
        (&days, "x=20190301.5", vec![]),
        (&days, "x=20190301:20190302", vec![73, 74]),
        (&days, "x=20190300.5:20190302.5", vec![73, 74]),
        (&names, "x=18446744073709551613", vec![1]),
        (&names, "x=:18446744073709551613", vec![0, 1]),
        (&metres, "x=5000002", vec![2]),
        (&metres, "x=5000002:5000004", vec![2, 3, 4]),
        (&metres, "x=5000002.4", vec![]),
        (&coarse, "x=10000003", vec![3]),
        (&halves, "x=5000001", vec![2]),
        (&halves, "x=5000001.5,5000003", vec![3, 6]),
    ] {
        let found = sel(label, column);
        match expected.is_empty() {
            true => assert!(found.is_err(), "{label}: {found:?}"),
            false => assert_eq!(found, Ok(expected), "{label}"),
        }
    }
}

#[test]
fn fractions_are_found_by_their_decimals() {
    let tenths: Vec<f64> = (0..2000).map(|n| f64::from(n) * 0.1).collect();
    let narrow = (0..2000u16).map(|n| (f64::from(n) / 10.0) as f32).collect();
    for column in [Column::new(Kind::Float(64), Values::F64(tenths)), Column::new(Kind::Float(32), Values::F32(narrow))]
    {
        for n in 0..2000u32 {
            assert_eq!(sel(&format!("x={}.{}", n / 10, n % 10), &column), Ok(vec![u64::from(n)]));
        }
    }
}

#[test]
fn indices_as_python_counts_them() {
    let isel = |text: &str| -> Result<Vec<u64>, String> {
        let selected = parse_isel(text)?.resolve(10, None).map_err(|error| error.to_string())?;
        Ok(selected.iter().collect::<Vec<u64>>())
    };
    assert_eq!(isel("time=3"), Ok(vec![3]));
    assert_eq!(isel("time=-1"), Ok(vec![9]));
    assert_eq!(isel("time=0:3"), Ok(vec![0, 1, 2]));
    assert_eq!(isel("time=-3:"), Ok(vec![7, 8, 9]));
    assert_eq!(isel("time=1:9:4"), Ok(vec![1, 5]));
    assert_eq!(isel("time=8:20"), Ok(vec![8, 9]));
    for bad in ["time=10", "time=-11", "time=5:5", "time", "time=a:b", "time=::0", "time=1:2:3:4"] {
        assert!(isel(bad).is_err(), "{bad}");
    }
    assert!(parse_sel("time=3").expect("parses").resolve(10, None).is_err(), "there are no labels");
}

#[test]
fn times_by_label_cut_short_or_whole() {
    let hour = 3_600_000_000i64;
    let start = parse_label("2019-03-01", Calendar::ProlepticGregorian).expect("a label").start;
    let moments = (0..72).map(|n| start + n * hour).collect();
    let calendar = Calendar::ProlepticGregorian;
    let column = Column::new(Kind::Time(calendar), Values::Time(moments, calendar));
    for (text, expected) in [
        ("time=2019-03-02", 24..48),
        ("time=2019-03", 0..72),
        ("time=2019-03-01:2019-03-02", 0..48),
        ("time=2019-03-01/2019-03-02", 0..48),
        ("time=2019-03-01T06:30:2019-03-01T09:00", 7..10),
        ("time=2019-03-01T06:00", 6..7),
        ("time=:2019-03-01T02", 0..3),
        ("time=2019-03-03T20:", 68..72),
    ] {
        assert_eq!(sel(text, &column), Ok(expected.collect()), "{text}");
    }
    assert!(sel("time=monday", &column).is_err() && sel("time=2020", &column).is_err());
}

/// As in xarray, where such a slice is empty.
#[test]
fn a_range_that_starts_after_it_ends_is_refused_unless_values_decrease() {
    let start = parse_label("2019-03-01", Calendar::ProlepticGregorian).expect("a label").start;
    let calendar = Calendar::ProlepticGregorian;
    let days = |order: &mut dyn Iterator<Item = i64>| {
        let moments = order.map(|day| start + day * 86_400_000_000).collect();
        Column::new(Kind::Time(calendar), Values::Time(moments, calendar))
    };
    let (up, down) = (days(&mut (0..9)), days(&mut (0..9).rev()));
    for text in ["time=2019-03-04:2019-03-02", "time=2019-04:2019-03-02", "time=2019-03-01,2019-03-04/2019-03-02"] {
        assert!(sel(text, &up).expect_err(text).contains("starts after it ends: use 2019-03-02:"), "{text}");
    }
    assert_eq!(sel("time=2019-03-07:2019-03", &up), Ok(vec![6, 7, 8]), "from that day to the end of the month");
    assert_eq!(sel("time=2019-03-04:2019-03-02", &down), Ok(vec![5, 6, 7]));
    assert_eq!(sel("time=2019-03-02:2019-03-04", &down), Ok(vec![5, 6, 7]));
    assert_eq!(sel("time=:2019-03-02", &down), Ok(vec![7, 8]));
    let numbers = Column::new(Kind::Int(64), Values::I64((0..9).collect()));
    assert!(sel("x=5:3", &numbers).expect_err("reversed").contains("use 3:5"));
}

/// As xarray's over a concatenation: indices of the whole, one part after the other.
#[test]
fn parts_have_their_share_of_a_selection() {
    let share = |text: &str, part: Range<u64>| {
        let selection = parse_isel(text).expect("parses");
        let indices = selection.resolve(30, None).expect("selects");
        let own = selection.within(&indices, part.clone())?;
        let own = own.resolve(part.end - part.start, None).expect("selects");
        Some(own.iter().collect::<Vec<_>>())
    };
    assert_eq!(share("time=8:12", 0..10), Some(vec![8, 9]));
    assert_eq!(share("time=8:12", 10..20), Some(vec![0, 1]));
    assert_eq!(share("time=8:12", 20..30), None);
    assert_eq!(share("time=-1", 20..30), Some(vec![9]));
    assert_eq!(share("time=::7", 10..20), Some(vec![4]));
}

#[test]
fn selections_of_one_dimension_intersect() {
    let parse = |texts: &[&str]| texts.iter().map(|text| parse_isel(text).expect("parses")).collect::<Vec<_>>();
    let both = parse(&["x=0:6", "x=4:9", "y=1"]);
    assert_eq!(select(&both, "x", 10, None), Ok(Indices::stepped(4, 6, 1)));
    assert_eq!(select(&both, "z", 1 << 60, None), Ok(Indices::all(1 << 60)));
    assert_eq!(select(&parse(&["x=0:2", "x=5"]), "x", 10, None), Err(SelectionError::Disjoint));
}

#[test]
fn the_hint_names_a_flag_that_was_not_given() {
    let column = Column::new(Kind::Int(64), Values::I64(vec![500, 850]));
    let hint = |by: By| {
        let selection = Selection { dimension: "level".into(), by };
        selection.resolve(2, Some(&column)).expect_err("no match").hint().expect("a hint")
    };
    let near = |method| By::Near("700".into(), Nearest { method, tolerance: Some(Tolerance::Number(10.0)) });
    assert!(hint(By::Label("700".into())).ends_with("use --sel level=850, or --sel-method nearest"));
    assert!(hint(near(NearestMethod::Nearest)).ends_with("use --sel level=850, or a larger --sel-tolerance"));
    assert!(hint(near(NearestMethod::Pad)).ends_with("use --sel level=850"));
}
