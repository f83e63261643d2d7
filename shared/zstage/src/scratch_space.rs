//! Disk space for the scratch files of rechunking, which must not be missing for the output.

use std::os::unix::fs::MetadataExt;

use zstore::{Location, Store, StoreError, StoreOptions};
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::folder::{OBJECTS, folder_of};
use crate::options::ScratchPlace;
use crate::output_plan::OutputPlan;

impl ScratchPlace {
    /// Bytes free for scratch files now.
    ///
    /// # Errors
    /// [`zwire::Exit::Usage`] if a named directory cannot be used.
    fn free(&self, output: &Location) -> Result<u64, Failure> {
        let Some(directory) = self.directory(output) else { return Ok(0) };
        match rustix::fs::statvfs(directory) {
            Ok(space) => Ok(space.f_bavail.saturating_mul(space.f_frsize)),
            Err(_) if *self == ScratchPlace::BesideOutput => Ok(0),
            Err(error) => Err(Failure::usage(format!("cannot use the directory for scratch files: {error}"))
                .at(directory.display().to_string())),
        }
    }

    /// Whether the output and its parts take their space from the same file system.
    fn is_shared(&self, output: &Location) -> bool {
        let device = |place: &ScratchPlace| place.directory(output)?.metadata().ok().map(|metadata| metadata.dev());
        let own = device(self);
        own.is_some() && own == device(&ScratchPlace::BesideOutput)
    }
}

impl OutputPlan<'_> {
    /// Bytes that a scratch file may have now, if the work is divided into `parts`.
    ///
    /// # Errors
    /// A directory for scratch files that cannot be used; errors of the stores.
    pub fn scratch_bytes(&self, output: &Location, place: &ScratchPlace, parts: u32) -> Result<u64, Failure> {
        let free = place.free(output)?;
        match place.is_shared(output) && self.plans.iter().any(|plan| plan.rechunk().is_some()) {
            true => Ok(scratch_share(free, self.unwritten_bytes(output)?, parts)),
            false => Ok(scratch_share(free, 0, 1)),
        }
    }

    /// Bytes of the output that are still to be written, estimated rather too high: chunks of other shapes and codecs may
    /// take twice the space of those in the source.
    fn unwritten_bytes(&self, output: &Location) -> Result<u64, Failure> {
        let plans = self.plans.iter().filter(|plan| plan.placement.is_moved()).collect();
        let sizes = self.pool.map(plans, |plan: &ArrayPlan| -> Result<u64, Failure> {
            let decoded = plan.array.uncompressed_bytes().unwrap_or(u64::MAX);
            match self.store().is_remote() || !plan.view.is_whole() {
                true => Ok(decoded),
                false => Ok(decoded.min(self.stored_bytes(plan)?.saturating_mul(2))),
            }
        });
        let expected = sizes.into_iter().try_fold(0, |sum: u64, size| size.map(|size| sum.saturating_add(size)))?;
        Ok(expected.saturating_sub(staged_bytes(output)?))
    }
}

/// Bytes that the scratch file of one of `parts` may have, of those that are `free` on a file system where `unwritten` bytes of
/// the output will go: half of the rest is left for what has been estimated too low, and for others.
fn scratch_share(free: u64, unwritten: u64, parts: u32) -> u64 {
    free.saturating_sub(unwritten) / 2 / u64::from(parts.max(1))
}

/// Bytes that an unfinished run has written to the folder of a local output.
///
/// # Errors
/// The store's; an output without a name of its own.
fn staged_bytes(output: &Location) -> Result<u64, StoreError> {
    let Some(objects) = folder_of(output)?.local().map(|path| Location::Local(path.join(OBJECTS))) else {
        return Ok(0);
    };
    match Store::open_at(&objects, &StoreOptions::default()) {
        Err(StoreError::Absent { .. }) => Ok(0),
        opened => opened?.list("")?.map(|object| object.map(|object| object.stat.size)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_file_leaves_space_for_the_output_and_other_parts() {
        assert_eq!(scratch_share(100, 0, 1), 50);
        assert_eq!(scratch_share(100, 60, 1), 20);
        assert_eq!(scratch_share(100, 60, 4), 5);
        assert_eq!(scratch_share(100, 100, 1), 0);
        assert_eq!(scratch_share(100, u64::MAX, 1), 0);
        let directory = tempfile::tempdir().expect("directory");
        let output = Location::Local(directory.path().join("out.zarr"));
        assert!(ScratchPlace::BesideOutput.is_shared(&output));
        assert!(ScratchPlace::Directory(directory.path().to_owned()).is_shared(&output));
        assert!(!ScratchPlace::Directory("/proc".into()).is_shared(&output));
        assert!(!ScratchPlace::None.is_shared(&output));
    }
}
