//! What it costs to read a few cells of a block: the whole block decoded and the cells copied, against `decode_cells`.
//!
//! `cells [ROUNDS]` prints one JSON line for each codec and number of cells, with the median microseconds of both ways over
//! ROUNDS calls (2000 unless told), each at other random cells of the next block. The chunk is a (1, 721, 1440) float32
//! field, smooth with noise, on a grid of 1/512.

#![allow(missing_docs)]

use std::env;
use std::error::Error;
use std::f32::consts::{PI, TAU};
use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use zcodec::{BlockTable, Blosc, Cname, Header, Shuffle, Workspace, decode_block, decode_cells};

const ROWS: usize = 721;
const COLUMNS: usize = 1440;
const ITEM: usize = 4;

/// A small generator of random numbers: the example has no crate for it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as u32
    }

    fn uniform(&mut self) -> f32 {
        (self.next() as f32 + 0.5) / 4294967296.0
    }

    /// A normal deviate (Box and Muller).
    fn normal(&mut self) -> f32 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = env::args().nth(1).map_or(Ok(2000), |rounds| rounds.parse())?;
    let field = field();
    for (cname, clevel, shuffle) in [
        (Cname::Lz4, 5, Shuffle::Shuffle),
        (Cname::Zstd, 3, Shuffle::Shuffle),
        (Cname::Zstd, 3, Shuffle::Bitshuffle),
        (Cname::Lz4, 5, Shuffle::Bitshuffle),
        (Cname::Lz4, 5, Shuffle::Noshuffle),
        (Cname::Zstd, 3, Shuffle::Noshuffle),
    ] {
        let mut frame = Vec::new();
        Blosc::new(cname, clevel, shuffle).compress(ITEM, &field, &mut frame, 1, &mut Workspace::default())?;
        for cells in [1, 16, 1024, 4096] {
            let [whole, few] = compare(&frame, cells, rounds)?;
            println!(
                r#"{{"codec":"{}-{clevel} {}","ratio":{:.2},"cells":{cells},"block_us":{whole:.2},"cells_us":{few:.2},"speedup":{:.2}}}"#,
                cname.name(),
                shuffle.name(),
                field.len() as f64 / frame.len() as f64,
                whole / few
            );
        }
    }
    Ok(())
}

fn field() -> Vec<u8> {
    let mut random = Random(2);
    let value = |row: usize, column: usize, noise: f32| {
        let lat = -PI / 2.0 + PI * row as f32 / (ROWS - 1) as f32;
        let lon = TAU * column as f32 / (COLUMNS - 1) as f32;
        let smooth = 255.0 + 45.0 * lat.cos() + 8.0 * (3.0 * lon).sin() * (5.0 * lat).cos();
        ((smooth + 0.15 * noise) * 512.0).round() / 512.0
    };
    let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    cells.flat_map(|(row, column)| value(row, column, random.normal()).to_le_bytes()).collect()
}

/// Median microseconds of both ways; that they agree is checked on the side.
fn compare(frame: &[u8], cells: usize, rounds: usize) -> Result<[f64; 2], Box<dyn Error>> {
    let header = Header::parse(frame)?;
    let table = BlockTable::parse(&header, &frame[zcodec::HEADER_LEN..])?;
    let (mut block, mut workspace, mut random) = (Vec::new(), Workspace::default(), Random(cells as u64));
    let (mut expected, mut out) = (vec![0; cells * ITEM], vec![0; cells * ITEM]);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds as u64 {
        let index = round % header.blocks();
        let Range { start, end } = header.block_bytes(index);
        let elements = (end - start) as u32 / ITEM as u32;
        let offsets: Vec<u32> = (0..cells).map(|_| random.next() % elements * ITEM as u32).collect();
        let place = table.block(index).ok_or("no such block")?;
        let bytes = &frame[place.start as usize..place.end as usize];
        let started = Instant::now();
        decode_block(&header, index, bytes, &mut block, &mut workspace)?;
        for (cell, &offset) in expected.chunks_exact_mut(ITEM).zip(&offsets) {
            cell.copy_from_slice(&block[offset as usize..offset as usize + ITEM]);
        }
        times[0].push(started.elapsed());
        black_box(&expected);
        let started = Instant::now();
        decode_cells(&header, index, bytes, &offsets, ITEM, &mut out, &mut workspace)?;
        times[1].push(started.elapsed());
        if out != expected {
            return Err("the two ways disagree".into());
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    }))
}
