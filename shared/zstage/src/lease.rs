//! Locks on an object store: leases, which their owners renew and which only the dead lose.
//!
//! A lease is an object whose text names its owner. Its age is the server's word, so that no two clocks are compared. An owner
//! that cannot renew its lease stops writing before others may take it.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};
use zstore::{Guard, Location, Store, StoreError, StoreOptions, unique};

use crate::owner::{EXPIRY, LOCK, Owner};

/// Leases of parts.
pub const CLAIMS: &str = "claims";
/// Objects that are written only to learn the time of the server.
pub const CLOCK: &str = "clock";

/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// After this, a lease is renewed before a request begins.
const TRUST: Duration = Duration::from_secs(30);

/// After this, requests under way wait until the lease is renewed: what was sent before arrives before it expires.
const PATIENCE: Duration = Duration::from_secs(55);

/// How often renewing is tried during an outage, each time as long as a request to the folder may take, and the pause between.
const OUTAGE_TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// How often taking a lease is tried while others release or take it.
const TRIES: usize = 3;

/// A lease that is renewed until it is dropped.
pub struct Lease {
    held: Arc<Held>,
    renewer: Option<JoinHandle<()>>,
}

struct Held {
    folder: Store,
    key: String,
    output: String,
    owner: Owner,
    state: Mutex<State>,
    ends: Condvar,
}

struct State {
    renewals: u64,
    /// By [`now`], before the renewal was sent.
    renewed: Duration,
    lost: bool,
    ended: bool,
}

/// Takes the lease of a run that works alone.
///
/// # Errors
/// [`StoreError::Locked`] while another run or part works; errors of the store.
pub fn take_alone(folder: &Store, output: &Location, options: &StoreOptions) -> Result<Lease, StoreError> {
    let owner = Owner::this();
    let lease = take(folder, output, options, &owner)?;
    for object in folder.list(CLAIMS)? {
        check_free(folder, &object?.key, output)?;
    }
    Ok(lease)
}

/// Takes a lease beside those of other parts.
///
/// # Errors
/// As [`take_alone`], of a run that works alone.
pub fn take_shared(folder: &Store, output: &Location, options: &StoreOptions) -> Result<Lease, StoreError> {
    let owner = Owner::this();
    let key = format!("{CLAIMS}/{}", owner.token());
    folder.put(&key, &owner.text(0))?;
    let lease = Lease::new(folder, key, output, owner, options)?;
    check_free(folder, LOCK, output)?;
    Ok(lease)
}

fn take(folder: &Store, output: &Location, options: &StoreOptions, owner: &Owner) -> Result<Lease, StoreError> {
    let lease = || Lease::new(folder, LOCK.to_owned(), output, owner.clone(), options);
    let mut text = Vec::new();
    for _ in 0..TRIES {
        if folder.put_new(LOCK, &owner.text(0))? {
            return lease();
        }
        let Some(seen) = folder.get(LOCK, &mut text)? else { continue };
        check_expired(folder, LOCK, &text, output)?;
        if folder.put_over(LOCK, &owner.text(0), seen)?.is_some() {
            return lease();
        }
    }
    Err(StoreError::Busy { place: output.to_string() })
}

/// Checks that a lease does not exist or has expired.
fn check_free(folder: &Store, key: &str, output: &Location) -> Result<(), StoreError> {
    let mut text = Vec::new();
    match folder.get(key, &mut text)? {
        Some(_) => check_expired(folder, key, &text, output),
        None => Ok(()),
    }
}

fn check_expired(folder: &Store, key: &str, text: &[u8], output: &Location) -> Result<(), StoreError> {
    let age = age(folder, key)?;
    let owner = Owner::parse(text);
    if !owner.as_ref().map_or(age < EXPIRY, |owner| owner.is_alive(age)) {
        return Ok(());
    }
    let owner = owner.map_or_else(|| "an unknown process".into(), |owner| owner.to_string());
    Err(StoreError::Locked { place: output.to_string(), owner, seconds: age.as_secs() })
}

/// How long ago an object was written: the server is asked for the time by writing another.
fn age(folder: &Store, key: &str) -> Result<Duration, StoreError> {
    let probe = format!("{CLOCK}/{}", unique());
    folder.put(&probe, b"")?;
    let now = folder.modified(&probe);
    folder.delete(&probe)?;
    let written = folder.modified(key)?;
    Ok(now?.zip(written).and_then(|(now, written)| now.duration_since(written).ok()).unwrap_or_default())
}

impl Lease {
    fn new(
        folder: &Store,
        key: String,
        output: &Location,
        owner: Owner,
        options: &StoreOptions,
    ) -> Result<Lease, StoreError> {
        let state = State { renewals: 0, renewed: now(), lost: false, ended: false };
        let held = Arc::new(Held {
            folder: Store::create_at(folder.location(), options)?,
            key,
            output: output.to_string(),
            owner,
            state: Mutex::new(state),
            ends: Condvar::new(),
        });
        let renewing = Arc::clone(&held);
        let renewer = thread::Builder::new().name("lease".into()).spawn(move || renewing.keep_renewing()).ok();
        Ok(Lease { held, renewer })
    }

    /// What guards the stores that are written while the lease is held.
    pub fn guard(&self) -> Arc<dyn Guard> {
        self.held.clone()
    }

    /// Proves that the lease is this run's by renewing it.
    ///
    /// # Errors
    /// [`StoreError::LockLost`]; errors of the store while it cannot be renewed.
    pub fn prove(&self) -> Result<(), StoreError> {
        self.held.renew()
    }

    /// Whether another run has taken it.
    pub fn is_lost(&self) -> bool {
        self.held.state.lock().lost
    }
}

impl Drop for Lease {
    /// Releases it, unless it is another's. A failure leaves a lease that expires.
    fn drop(&mut self) {
        self.held.state.lock().ended = true;
        self.held.ends.notify_all();
        self.renewer.take().map(JoinHandle::join);
        if self.held.is_ours().unwrap_or(false) {
            let _ = self.held.folder.delete(&self.held.key);
        }
    }
}

impl Guard for Held {
    /// Without a request while the lease was renewed a moment ago.
    fn check(&self) -> Result<(), StoreError> {
        let (lost, age) = self.state.lock().seen();
        if lost {
            Err(self.lost())
        } else if age < TRUST {
            Ok(())
        } else {
            self.renew_patiently()
        }
    }

    fn holds(&self) -> bool {
        let (lost, age) = self.state.lock().seen();
        !lost && age < PATIENCE
    }
}

impl State {
    /// Whether it is lost, and how long ago it was renewed.
    fn seen(&self) -> (bool, Duration) {
        (self.lost, now().saturating_sub(self.renewed))
    }
}

/// Time since the machine was started, also while it was suspended.
fn now() -> Duration {
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

impl Held {
    fn keep_renewing(&self) {
        let mut state = self.state.lock();
        while !state.ended && !state.lost {
            if self.ends.wait_for(&mut state, RENEWAL).timed_out() {
                drop(state);
                // What failed is tried again; until then, the owner writes nothing.
                let _ = self.renew();
                state = self.state.lock();
            }
        }
    }

    /// Renews it once an outage has passed.
    fn renew_patiently(&self) -> Result<(), StoreError> {
        for _ in 1..OUTAGE_TRIES {
            match self.renew() {
                Err(StoreError::Network { .. } | StoreError::TimedOut { .. }) => thread::sleep(PAUSE),
                renewed => return renewed,
            }
        }
        self.renew()
    }

    fn renew(&self) -> Result<(), StoreError> {
        let (began, mut text) = (now(), Vec::new());
        let seen = self.folder.get(&self.key, &mut text)?.filter(|_| self.wrote(&text));
        let renewals = self.state.lock().renewals + 1;
        let renewed = match seen {
            Some(seen) => self.folder.put_over(&self.key, &self.owner.text(renewals), seen)?.is_some(),
            None => false,
        };
        // Another thread of this run may have renewed it at the same time.
        let is_ours = renewed || self.is_ours()?;
        let mut state = self.state.lock();
        if !is_ours {
            state.lost = true;
            return Err(self.lost());
        }
        (state.renewed, state.renewals) = (state.renewed.max(began), state.renewals.max(renewals));
        Ok(())
    }

    fn is_ours(&self) -> Result<bool, StoreError> {
        let mut text = Vec::new();
        Ok(self.folder.get(&self.key, &mut text)?.is_some() && self.wrote(&text))
    }

    fn wrote(&self, text: &[u8]) -> bool {
        Owner::parse(text).as_ref() == Some(&self.owner)
    }

    fn lost(&self) -> StoreError {
        StoreError::LockLost { place: self.output.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lease in a directory, last renewed `age` ago.
    fn lease(directory: &std::path::Path, age: Duration) -> Lease {
        let output = Location::Local(directory.join("out.zarr"));
        let folder = Store::create(directory, &StoreOptions::default()).expect("opens");
        let lease = take_alone(&folder, &output, &StoreOptions::default()).expect("is free");
        lease.held.state.lock().renewed = now().saturating_sub(age);
        lease
    }

    #[test]
    fn requests_begin_and_go_on_only_while_the_lease_is_sure() {
        for (age, holds) in [(Duration::ZERO, true), (TRUST, true), (PATIENCE, false), (EXPIRY, false)] {
            let directory = tempfile::tempdir().expect("directory");
            let lease = lease(directory.path(), age);
            let guard = lease.guard();
            assert_eq!(guard.holds(), holds, "{age:?}");
            guard.check().expect("nobody took it");
            assert!(guard.holds(), "renewed after {age:?}");
        }
    }

    #[test]
    fn a_lease_that_another_took_is_lost() {
        let directory = tempfile::tempdir().expect("directory");
        let lease = lease(directory.path(), TRUST);
        let guard = lease.guard();
        let theirs = Owner::this().text(0);
        std::fs::write(directory.path().join(LOCK), &theirs).expect("writes");
        assert!(guard.holds(), "not seen yet");
        assert!(matches!(guard.check(), Err(StoreError::LockLost { .. })));
        assert!(!guard.holds() && matches!(guard.check(), Err(StoreError::LockLost { .. })));
        drop(lease);
        assert_eq!(std::fs::read(directory.path().join(LOCK)).expect("stays"), theirs);
    }
}
