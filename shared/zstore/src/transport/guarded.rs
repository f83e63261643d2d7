//! The body of a response while it arrives: it holds its place among the requests in flight, must keep coming, and is slowed to
//! the rate that was asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{HttpError, HttpErrorKind, HttpResponseBody};
use tokio::time::{Sleep, sleep};

use super::clocks::{Clocks, TimeUp};
use super::rate::Rate;
use super::window::Permit;

pub struct Guarded {
    body: HttpResponseBody,
    clocks: Clocks,
    rate: Option<Arc<Rate>>,
    _permit: Permit,
    /// Until the bytes so far are paid for.
    pause: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing comes.
    stall: Option<(Pin<Box<Sleep>>, Instant)>,
    /// Time spent waiting for the server in this period, and the bytes that came in it. The pauses that the reader makes are not
    /// the server's fault.
    waited: Duration,
    arrived: u64,
}

impl Guarded {
    pub fn new(body: HttpResponseBody, clocks: Clocks, rate: Option<Arc<Rate>>, permit: Permit) -> Guarded {
        let (waited, arrived) = (Duration::ZERO, 0);
        Guarded { body, clocks, rate, _permit: permit, pause: None, stall: None, waited, arrived }
    }

    /// Notes what arrived; an error if that was too little over the last period.
    fn arrived(&mut self, bytes: usize) -> Result<(), TimeUp> {
        self.waited += self.stall.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        self.arrived += bytes as u64;
        if let Some(wait) = self.rate.as_ref().map(|rate| rate.take(bytes)).filter(|wait| !wait.is_zero()) {
            self.pause = Some(Box::pin(sleep(wait)));
        }
        if self.waited < self.clocks.stall {
            return Ok(());
        }
        let (arrived, waited) = (std::mem::take(&mut self.arrived), std::mem::take(&mut self.waited));
        if self.clocks.is_too_slow(arrived) { Err(TimeUp::Rate(arrived, waited)) } else { Ok(()) }
    }

    /// Nothing is there; an error if that has been so for too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<TimeUp> {
        let limit = self.clocks.stall;
        let (timer, _) = self.stall.get_or_insert_with(|| (Box::pin(sleep(limit)), Instant::now()));
        timer.as_mut().poll(context).map(|()| TimeUp::Stall(limit))
    }
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let late = |clock| Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, clock))));
        let guarded = &mut *self;
        if let Some(pause) = &mut guarded.pause {
            ready!(pause.as_mut().poll(context));
            guarded.pause = None;
        }
        match Pin::new(&mut guarded.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                guarded.arrived(bytes).map_or_else(late, |()| Poll::Ready(Some(Ok(frame))))
            }
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => late(ready!(guarded.wait(context))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
