//! Standard input of a process that can be asked to stop while nothing comes: a read that waits for a silent pipe would go on after
//! the signal.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// How soon a request to stop is noticed.
const ATTENTION: Duration = Duration::from_millis(50);

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Bytes that have arrived, or the error of the system; none at the end.
type Piece = io::Result<Vec<u8>>;

/// Reads standard input until its end, or until `stop` becomes other than 0: then reads fail.
///
/// # Errors
/// The system's, where no thread can be started.
pub fn standard_input(stop: &Arc<AtomicUsize>) -> io::Result<impl BufRead + use<>> {
    Ok(BufReader::new(Pieces::of(io::stdin(), Arc::clone(stop))?))
}

/// A reader whose waits end when the process is asked to stop. A thread reads, and is left behind then: it ends with the process.
struct Pieces {
    arrived: Receiver<Piece>,
    stop: Arc<AtomicUsize>,
    piece: Vec<u8>,
    done: usize,
    is_over: bool,
}

impl Pieces {
    fn of(reader: impl Read + Send + 'static, stop: Arc<AtomicUsize>) -> io::Result<Pieces> {
        let (sender, arrived) = sync_channel(1);
        std::thread::Builder::new().name("standard input".into()).spawn(move || forward(reader, &sender))?;
        Ok(Pieces { arrived, stop, piece: Vec::new(), done: 0, is_over: false })
    }

    /// Waits for the next piece.
    fn next(&mut self) -> Piece {
        loop {
            if self.stop.load(Ordering::Relaxed) != 0 {
                return Err(io::Error::other("interrupted"));
            }
            match self.arrived.recv_timeout(ATTENTION) {
                Ok(piece) => return piece,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
            }
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done == self.piece.len() && !self.is_over {
            self.piece = self.next()?;
            self.done = 0;
            self.is_over = self.piece.is_empty();
        }
        let count = buffer.len().min(self.piece.len() - self.done);
        buffer[..count].copy_from_slice(&self.piece[self.done..self.done + count]);
        self.done += count;
        Ok(count)
    }
}

/// Sends what `reader` has, until its end or until nobody listens.
fn forward(mut reader: impl Read, to: &SyncSender<Piece>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = match reader.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let is_over = !matches!(read, Ok(count) if count > 0);
        let read = read.map(|count| {
            piece.truncate(count);
            piece
        });
        if to.send(read).is_err() || is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn all_that_comes_is_read() {
        let text: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut pieces = Pieces::of(Cursor::new(text.clone()), Arc::default()).expect("a thread");
        let mut read = Vec::new();
        pieces.read_to_end(&mut read).expect("reads");
        assert!(read == text);
        assert_eq!(pieces.read(&mut [0; 8]).expect("the end again"), 0);
    }

    /// A reader that has something once, and then waits for the test to end.
    struct Silent(Option<&'static [u8]>, Receiver<()>);

    impl Read for Silent {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(text) = self.0.take() else {
                let _ = self.1.recv();
                return Ok(0);
            };
            buffer[..text.len()].copy_from_slice(text);
            Ok(text.len())
        }
    }

    #[test]
    fn a_wait_ends_when_the_process_is_asked_to_stop() {
        let (_alive, ends) = sync_channel(0);
        let stop = Arc::new(AtomicUsize::new(0));
        let pieces = Pieces::of(Silent(Some(b"a\nb"), ends), Arc::clone(&stop)).expect("a thread");
        let mut lines = BufReader::new(pieces).lines();
        assert_eq!(lines.next().expect("a line").expect("reads"), "a");
        let asks = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            stop.store(1, Ordering::Relaxed);
        });
        assert!(lines.next().expect("an error").is_err());
        asks.join().expect("has asked");
    }
}
