//! The yardstick of the benchmarks: read, decode, encode, write over the chunks of one Blosc array, and nothing else.
//!
//! `bare_loop SRC_ARRAY_DIR DST_DIR THREADS CNAME CLEVEL SHUFFLE TYPESIZE` (SHUFFLE: 0 none, 1 bytes, 2 bits) rewrites every
//! chunk file below SRC_ARRAY_DIR to the same place below DST_DIR, straight on c-blosc with one thread inside a chunk. It
//! checks no more than it must to be memory safe, writes no metadata, publishes nothing at the end, and prints one JSON
//! line with the seconds of each phase, summed over the threads. `bare_loop SRC_ARRAY_DIR THREADS` only reads and decodes. It shares no code with the tools that it judges.

#![allow(unsafe_code, missing_docs)]

use std::error::Error;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, ptr, thread};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a chunk becomes.
struct Target {
    directory: PathBuf,
    cname: CString,
    clevel: i32,
    shuffle: i32,
    typesize: usize,
}

/// What one thread did: chunks, then seconds of read, decode, encode and write.
#[derive(Default)]
struct Tally {
    chunks: usize,
    seconds: [f64; 4],
}

fn main() -> Outcome<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (src, threads, target) = match args.as_slice() {
        [src, threads] => (Path::new(src), threads, None),
        [src, dst, threads, cname, clevel, shuffle, typesize] => {
            let target = Target {
                directory: dst.into(),
                cname: CString::new(cname.as_str())?,
                clevel: clevel.parse()?,
                shuffle: shuffle.parse()?,
                typesize: typesize.parse()?,
            };
            (Path::new(src), threads, Some(target))
        }
        _ => return Err("usage: bare_loop SRC_ARRAY_DIR [DST_DIR] THREADS [CNAME CLEVEL SHUFFLE TYPESIZE]".into()),
    };
    let started = Instant::now();
    let mut keys = Vec::new();
    list_chunks(src, Path::new(""), target.as_ref(), &mut keys)?;
    keys.sort();
    let next = AtomicUsize::new(0);
    let work = || transcode_all(&keys, &next, src, target.as_ref());
    let tallies = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.parse()?).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Outcome<Tally>>| worker.join().map_err(|_| "a thread died")?;
        workers.into_iter().map(join).collect::<Outcome<Vec<Tally>>>()
    })?;
    let phase = |i: usize| tallies.iter().map(|tally| tally.seconds[i]).sum::<f64>();
    println!(
        r#"{{"chunks":{},"seconds":{:.3},"read_seconds":{:.3},"decode_seconds":{:.3},"encode_seconds":{:.3},"write_seconds":{:.3}}}"#,
        tallies.iter().map(|tally| tally.chunks).sum::<usize>(),
        started.elapsed().as_secs_f64(),
        phase(0),
        phase(1),
        phase(2),
        phase(3),
    );
    Ok(())
}

/// The chunk files below `src/below`, as paths relative to `src`; their folders are made where chunks are written.
fn list_chunks(src: &Path, below: &Path, target: Option<&Target>, keys: &mut Vec<PathBuf>) -> Outcome<()> {
    if let Some(target) = target {
        fs::create_dir_all(target.directory.join(below))?;
    }
    for entry in fs::read_dir(src.join(below))? {
        let entry = entry?;
        let (name, key) = (entry.file_name(), below.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            list_chunks(src, &key, target, keys)?;
        } else if name != "zarr.json" && !name.as_encoded_bytes().starts_with(b".z") {
            keys.push(key);
        }
    }
    Ok(())
}

/// One thread: takes the next chunk until there is none, in buffers that are made once.
fn transcode_all(keys: &[PathBuf], next: &AtomicUsize, src: &Path, target: Option<&Target>) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let (mut frame, mut plain, mut coded) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
        let t0 = Instant::now();
        read(&src.join(key), &mut frame)?;
        let t1 = Instant::now();
        let len = decode(&frame, &mut plain).ok_or_else(|| format!("{}: does not decode", key.display()))?;
        let t2 = Instant::now();
        let mut laps = [t1 - t0, t2 - t1, Duration::ZERO, Duration::ZERO];
        if let Some(target) = target {
            let coded =
                encode(&plain[..len], &mut coded, target).ok_or_else(|| format!("{}: no room", key.display()))?;
            let t3 = Instant::now();
            File::create(target.directory.join(key))?.write_all(coded)?;
            (laps[2], laps[3]) = (t3 - t2, t3.elapsed());
        }
        tally.seconds.iter_mut().zip(laps).for_each(|(sum, lap)| *sum += lap.as_secs_f64());
        tally.chunks += 1;
    }
    Ok(tally)
}

/// The whole file, in a buffer that keeps its memory.
fn read(path: &Path, buffer: &mut Vec<u8>) -> Outcome<()> {
    let mut file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len())?;
    buffer.clear();
    buffer.reserve(len + 1); // one more, so that the end of the file is seen without growing
    file.read_to_end(buffer)?;
    Ok(())
}

/// Decodes a Blosc frame into `plain`, which only ever grows, and returns how many of its bytes are the chunk.
fn decode(frame: &[u8], plain: &mut Vec<u8>) -> Option<usize> {
    let mut nbytes = 0;
    // SAFETY: the frame is read within the length that is passed, and `nbytes` is a valid place to write one usize.
    let valid = unsafe { blosc_src::blosc_cbuffer_validate(frame.as_ptr().cast(), frame.len(), &raw mut nbytes) };
    if valid != 0 {
        return None;
    }
    if plain.len() < nbytes {
        plain.resize(nbytes, 0);
    }
    // SAFETY: `blosc_cbuffer_validate` has compared the header with `frame.len()`; at most `nbytes` bytes of `plain`, which
    // is at least as long and does not overlap with the frame, are written.
    let done = unsafe { blosc_src::blosc_decompress_ctx(frame.as_ptr().cast(), plain.as_mut_ptr().cast(), nbytes, 1) };
    (usize::try_from(done) == Ok(nbytes)).then_some(nbytes)
}

/// Encodes a chunk into `coded`, which only ever grows, and returns the frame.
fn encode<'a>(plain: &[u8], coded: &'a mut Vec<u8>, target: &Target) -> Option<&'a [u8]> {
    let room = plain.len() + blosc_src::BLOSC_MAX_OVERHEAD as usize;
    if coded.len() < room {
        coded.resize(room, 0);
    }
    // SAFETY: both buffers are valid for the lengths passed with them and do not overlap; the name of the compressor ends
    // with a zero byte and lives in `target`; a block size of 0 means c-blosc's own choice.
    let done = unsafe {
        blosc_src::blosc_compress_ctx(
            target.clevel,
            target.shuffle,
            target.typesize,
            plain.len(),
            ptr::from_ref(plain).cast(),
            coded.as_mut_ptr().cast(),
            room,
            target.cname.as_ptr(),
            0,
            1,
        )
    };
    usize::try_from(done).ok().filter(|&len| len > 0).map(|len| &coded[..len])
}
