//! The pieces of a body, several at a time: to hand each of them to the thread that waits for the body would wake that thread for
//! every few kilobytes, which takes longer than to copy them.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::Error;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// Bytes that are handed over together, if they are not the last ones.
const TOGETHER: usize = 256 << 10;

/// Consecutive pieces; an error is the last of them.
pub type Batch = Vec<Result<Bytes, Error>>;

/// A body that is read in the runtime while the one who waits for it does something with what has come before.
pub struct Pieces {
    ready: Receiver<Batch>,
    reading: JoinHandle<()>,
}

impl Pieces {
    /// The pieces of a body.
    pub fn of(body: BoxStream<'static, Result<Bytes, Error>>, runtime: &Runtime) -> Pieces {
        let (sender, ready) = channel(1);
        Pieces { ready, reading: runtime.spawn(read(body, sender)) }
    }

    /// The next ones, or none at the end of the body.
    pub async fn next(&mut self) -> Option<Batch> {
        self.ready.recv().await
    }
}

impl Drop for Pieces {
    /// A body that is given up keeps no place among the requests in flight.
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut body: BoxStream<'static, Result<Bytes, Error>>, sender: Sender<Batch>) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(piece) = body.next().await {
        let is_last = piece.is_err();
        bytes += piece.as_ref().map_or(0, Bytes::len);
        batch.push(piece);
        if is_last {
            break;
        }
        if bytes >= TOGETHER {
            bytes = 0;
            if sender.send(std::mem::take(&mut batch)).await.is_err() {
                return;
            }
        }
    }
    if !batch.is_empty() {
        // Nobody waits for it any more: it was given up.
        let _ = sender.send(batch).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, stream};

    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    }

    #[test]
    fn pieces_come_in_order_and_those_before_an_error_first() {
        let runtime = runtime();
        let error = || Error::Generic { store: "test", source: "the network".into() };
        let body: Vec<Result<Bytes, Error>> = (0..100u8)
            .map(|number| Ok(Bytes::from(vec![number; 10_000])))
            .chain([Err(error()), Ok(Bytes::from_static(b"after the error"))])
            .collect();
        let mut pieces = Pieces::of(stream::iter(body).boxed(), &runtime);
        let (mut together, mut numbers, mut errors) = (0, Vec::new(), 0);
        while let Some(batch) = runtime.block_on(pieces.next()) {
            together += 1;
            for piece in batch {
                match piece {
                    Ok(bytes) => numbers.push(bytes[0]),
                    Err(_) => errors += 1,
                }
            }
        }
        assert_eq!((numbers, errors), ((0..100).collect(), 1));
        assert_eq!(together, 1_000_000 / (27 * 10_000) + 1, "27 pieces are enough");
    }

    #[test]
    fn a_body_that_is_given_up_is_dropped() {
        let runtime = runtime();
        let (held, mut is_dropped) = tokio::sync::oneshot::channel::<()>();
        let body = stream::once(async move {
            let _held = held;
            std::future::pending().await
        });
        let mut pieces = Pieces::of(body.boxed(), &runtime);
        assert!(runtime.block_on(async { pieces.next().now_or_never() }).is_none(), "nothing has come");
        drop(pieces);
        let ended =
            runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(20), &mut is_dropped).await });
        assert!(ended.expect("the body is dropped").is_err());
    }
}
