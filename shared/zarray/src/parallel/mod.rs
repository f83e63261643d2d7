//! Threads that share work: a pool, the ordered map over it, a memory semaphore, scratch buffers, and the stopwatch of one worker.

mod ordered;
mod part;
mod pool;
mod queue;
mod results;
mod scratch_pool;
mod semaphore;
mod timer;

pub use ordered::OrderedMap;
pub use part::Part;
pub use pool::Pool;
pub use scratch_pool::{Scratch, ScratchPool};
pub use semaphore::{Permit, Semaphore};
pub use timer::Timer;
